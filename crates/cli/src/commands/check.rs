//! `poruka check`: is a data folder whole? Reads all of it while no broker runs on it, and says per partition what is
//! proven, torn or damaged; with `--repair` it makes a damaged folder openable again.
//!
//! The work is done by `poruka_log::check`; this file prints what it found.

use std::path::{Path, PathBuf};

use clap::Args;
use poruka_env::Env;
use poruka_log::{CheckError, Class, Finding, FolderCheck, LogConfig, PartitionCheck, Soundness};
use serde_json::{Value, json};

use super::serve::cannot_open_log;
use crate::exit::Exit;
use crate::output::{self, Form};
use crate::problem::{Problem, Result};

/// Verify a data folder, while no broker runs on it.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  poruka check poruka-data                read everything, change nothing
  poruka check poruka-data --repair       make a damaged folder openable again
  poruka check poruka-data --output json  the same for programs

  sound    everything that was proven to be on the disk is there and right
  torn     what a crash leaves: the next start cuts it, and nothing of it was ever acknowledged
  damaged  something that was on the disk is not what it was: named by file, byte and offsets

A repair deletes nothing: whatever it changes lies in DIR/quarantine-N afterwards as it was, with a note. It keeps every
record that can still be read, says which offsets are lost, and never gives one of them out again.")]
pub(crate) struct Check {
    /// The data folder.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Quarantine what is damaged, and make the folder openable again.
    #[arg(long)]
    repair: bool,
}

pub(crate) fn run(command: &Check, form: Form) -> Result<()> {
    let (env, config) = (Env::real(), LogConfig::default());
    if !command.repair {
        let found = poruka_log::check(&env, &command.data, &config);
        let found = found.map_err(|error| cannot_check(&command.data, &error))?;
        output::either(form, &to_json(&found), || to_text(&found))?;
        return verdict(command, &found);
    }
    let repaired = poruka_log::repair(&env, &command.data, &config);
    let repaired = repaired.map_err(|error| cannot_check(&command.data, &error))?;
    let quarantine = repaired.quarantine.as_ref().map(|folder| folder.display().to_string());
    let document = json!({
        "before": to_json(&repaired.before), "after": to_json(&repaired.after), "quarantine": quarantine,
    });
    output::either(form, &document, || {
        let mut text = to_text(&repaired.before);
        if let Some(folder) = &quarantine {
            text.push_str(&format!(
                "\nrepaired: the folder is {} now; what was changed lies in {folder} as it was\n",
                word(repaired.after.soundness())
            ));
        } else if repaired.before.soundness() < Soundness::Damaged {
            text.push_str("\nnothing to repair\n");
        }
        text
    })?;
    let is_lossless =
        repaired.before.partitions.iter().all(|told| told.lost.is_empty() && !told.may_have_lost_more);
    match quarantine {
        Some(_) if !is_lossless => Err(Problem::new(Exit::Damaged, "records are lost, as named above")
            .next("restore the folder from a copy if there is one; else go on with what is left")),
        Some(_) => verdict(command, &repaired.after),
        None => verdict(command, &repaired.before),
    }
}

fn verdict(command: &Check, found: &FolderCheck) -> Result<()> {
    if found.soundness() < Soundness::Damaged {
        return Ok(());
    }
    let data = command.data.display();
    let problem = Problem::new(Exit::Damaged, format!("the data folder {data} is damaged"));
    Err(match found.is_beyond_repair {
        true => problem.next("restore the folder from a copy; keep this one until then"),
        false => problem.next(format!(
            "restore the folder from a copy, or keep what is left: poruka check {data} --repair. If it was copied \
             while a broker ran on it, stop the broker and copy again"
        )),
    })
}

fn cannot_check(data: &Path, error: &CheckError) -> Problem {
    match error {
        CheckError::Open(error) => cannot_open_log(data, error, error),
        CheckError::Unfinished { .. } => {
            Problem::new(Exit::Damaged, format!("cannot check the data folder {}", data.display()))
                .because(error)
                .next(format!("poruka check {} --repair", data.display()))
        }
        CheckError::Write { .. } => {
            Problem::new(Exit::Machine, format!("cannot repair the data folder {}", data.display()))
                .because(error)
                .next("mend that and repair again; nothing is lost, and what was begun will be finished")
        }
    }
}

fn word(soundness: Soundness) -> &'static str {
    match soundness {
        Soundness::Sound => "sound",
        Soundness::Torn => "torn",
        Soundness::Damaged => "damaged",
    }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Memory => "memory",
        Class::Cached => "cached",
        Class::Synced => "synced",
    }
}

fn to_text(found: &FolderCheck) -> String {
    let row = |told: &PartitionCheck| {
        vec![
            format!("{}-{}", told.topic, told.partition),
            class(told.class).to_owned(),
            word(told.soundness).to_owned(),
            format!("{}..{}", told.log_start, told.end),
            told.segments.to_string(),
            told.bytes.to_string(),
            format!("{} / {}", told.torn_bytes, told.torn_records),
            lost_text(told),
        ]
    };
    let rows: Vec<Vec<String>> = found.partitions.iter().map(row).collect();
    let head = [
        "partition",
        "durability",
        "verdict",
        "offsets",
        "segments",
        "bytes",
        "torn bytes / records",
        "lost",
    ];
    let mut text = output::table(&head, &rows);
    if !found.findings.is_empty() {
        text.push('\n');
    }
    for finding in &found.findings {
        text.push_str(&finding_text(finding));
    }
    text.push_str(&format!(
        "\n{}: format {}, {} partitions, {} journal entries past the checkpoint\n",
        word(found.soundness()),
        found.format,
        found.partitions.len(),
        found.journal_entries,
    ));
    text
}

fn lost_text(told: &PartitionCheck) -> String {
    let mut parts: Vec<String> = told.lost.iter().map(|(from, until)| format!("{from}..{until}")).collect();
    if told.may_have_lost_more {
        parts.push(format!("perhaps from {} on", told.end));
    }
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn finding_text(finding: &Finding) -> String {
    let label = match finding.soundness {
        Soundness::Sound => "note",
        other => word(other),
    };
    let mut text = format!("{label}: {} byte {}: {}", finding.file.display(), finding.at, finding.what);
    if let Some((topic, partition, from, until)) = &finding.lost {
        text.push_str(&format!("; lost: {topic}-{partition}, offsets {from}..{until}"));
    }
    text.push('\n');
    text
}

fn to_json(found: &FolderCheck) -> Value {
    let ranges = |lost: &[(i64, i64)]| -> Value {
        lost.iter().map(|(from, until)| json!({"from": from, "until": until})).collect()
    };
    let partition = |told: &PartitionCheck| {
        json!({
            "topic": told.topic, "partition": told.partition, "durability": class(told.class),
            "verdict": word(told.soundness), "log_start": told.log_start, "proven_end": told.end,
            "segments": told.segments, "bytes": told.bytes, "batches_read": told.batches,
            "torn_bytes": told.torn_bytes, "torn_records": told.torn_records, "offsets_left_out": told.left_out,
            "lost": ranges(&told.lost), "may_have_lost_more": told.may_have_lost_more,
        })
    };
    let finding = |finding: &Finding| {
        let lost = finding.lost.as_ref().map(|(topic, partition, from, until)| {
            json!({"topic": topic, "partition": partition, "from": from, "until": until})
        });
        json!({
            "verdict": word(finding.soundness), "file": finding.file.display().to_string(), "byte": finding.at,
            "what": finding.what, "lost": lost,
        })
    };
    json!({
        "verdict": word(found.soundness()), "format": found.format,
        "partitions": found.partitions.iter().map(partition).collect::<Value>(),
        "findings": found.findings.iter().map(finding).collect::<Value>(),
        "journal_groups": found.journal_groups, "journal_entries": found.journal_entries,
        "beyond_repair": found.is_beyond_repair,
    })
}
