//! Runs the simulation of `poruka_prove::sim` from the command line: many seeds with a summary, or one seed in full.
//!
//! Usage: `simulate [--seeds N] [--from SEED] [--name NAME] [--threads N]`, or
//! `simulate --seed SEED --name NAME [--history FILE]`. `cargo xtask sim` builds and starts it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use poruka_guarantee::{Anomaly, Name};
use poruka_prove::faults::FaultKind;
use poruka_prove::payload::Phase;
use poruka_prove::sim::{Batch, run_batch, simulate};

/// Seeds of a batch when none are asked for.
const SEEDS_DEFAULT: u64 = 200;
/// Troubles that are told in full.
const TROUBLES_MAX: usize = 10;
/// A line of progress after this many runs.
const TELL_EVERY: u64 = 100;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            eprintln!("simulate: {words}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let mut options = BTreeMap::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let known = ["--seeds", "--from", "--name", "--threads", "--seed", "--history"];
        let option =
            known.into_iter().find(|known| *known == word).ok_or(format!("unknown option {word}"))?;
        options.insert(option, words.next().ok_or(format!("{word} needs a value"))?);
    }
    let number = |option: &str| {
        let given = options.get(option);
        given.map(|word| word.parse::<u64>().map_err(|_| format!("{option} {word} is no number"))).transpose()
    };
    let names = match options.get("--name") {
        Some(word) => vec![word.parse::<Name>().map_err(|error| error.to_string())?],
        None => Name::ALL.into_iter().filter(|name| name.built()).collect(),
    };
    if let Some(seed) = number("--seed")? {
        let mut kept = true;
        for name in names {
            kept &= replay(seed, name, options.get("--history").map(String::as_str))?;
        }
        return Ok(kept);
    }
    let (from, count) = (number("--from")?.unwrap_or(1), number("--seeds")?.unwrap_or(SEEDS_DEFAULT));
    let threads = match number("--threads")? {
        Some(threads) => usize::try_from(threads).unwrap_or(1),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    batch(from, count, &names, threads)
}

/// One seed in full: settings, faults, counts, counter-examples; the history as a file when asked for.
fn replay(seed: u64, name: Name, history: Option<&str>) -> Result<bool, String> {
    let run = simulate(seed, name).map_err(|error| format!("seed {seed}, {name}: {error}"))?;
    println!("seed {seed}, {name}");
    run.settings.iter().for_each(|line| println!("  {line}"));
    for fault in &run.history.faults {
        println!("  {:>9} us  {}", fault.at_us, fault.what);
    }
    println!("  {:?}", run.successes);
    for found in &run.findings {
        println!("  {:4} seen {} of {}", found.anomaly.code(), found.seen, found.checked);
    }
    run.notes.iter().for_each(|note| println!("  note: {note}"));
    println!("  {} frames, sum {:016x}, {} us of virtual time", run.frames, run.frames_sum, run.virtual_us);
    if let Some(path) = history {
        std::fs::write(path, run.bytes()).map_err(|error| format!("write {path}: {error}"))?;
        println!("  history: {path}");
    }
    let troubles = run.troubles();
    match troubles.is_empty() {
        true => println!("  kept"),
        false => troubles.iter().for_each(|line| println!("  BROKEN {line}")),
    }
    Ok(troubles.is_empty())
}

fn batch(from: u64, count: u64, names: &[Name], threads: usize) -> Result<bool, String> {
    let seeds: Vec<u64> = (from..from.saturating_add(count)).collect();
    let of = count * names.len() as u64;
    let (mut ended, mut bad) = (0, 0);
    let mut tell = |name: Name, seed: u64, good: bool| {
        ended += 1;
        if !good {
            bad += 1;
            println!("{name}, seed {seed}: BROKEN");
        }
        if ended % TELL_EVERY == 0 || ended == of {
            println!("{ended} of {of} runs, {bad} broken");
            // Progress that cannot be written is no reason to stop.
            drop(std::io::stdout().flush());
        }
    };
    let batch =
        run_batch(&seeds, names, threads, &mut tell).map_err(|error| format!("start a thread: {error}"))?;
    table(&batch, names);
    for trouble in batch.troubles.iter().take(TROUBLES_MAX) {
        println!("\n{}, seed {}:", trouble.name, trouble.seed);
        trouble.lines.iter().for_each(|line| println!("  {line}"));
        println!("  replay: cargo xtask sim --seed {} --name {}", trouble.seed, trouble.name);
    }
    let unproven = batch.unproven();
    if !unproven.is_empty() {
        println!("\nthe batch could not have seen everything; run more seeds:");
        unproven.iter().for_each(|line| println!("  {line}"));
    }
    Ok(batch.troubles.is_empty() && unproven.is_empty())
}

fn table(batch: &Batch, names: &[Name]) {
    let row = |title: &str, of: &dyn Fn(Name) -> String| {
        let cells: String = names.iter().map(|name| format!("{:>14}", of(*name))).collect();
        println!("{title:<48}{cells}");
    };
    let count = |found: Option<&u64>| found.copied().unwrap_or(0).to_string();
    println!();
    row("", &|name| name.to_string());
    row("runs", &|name| count(batch.runs.get(&name)));
    for (at, title) in ["records sent", "  acknowledged", "  handled"].into_iter().enumerate() {
        row(title, &|name| count(batch.records.get(&name).map(|records| &records[at])));
    }
    for kind in FaultKind::ALL.into_iter().filter(|kind| *kind != FaultKind::BrokerEnded) {
        row(kind.title(Phase::Kill), &|name| count(batch.faults.get(&(name, kind))));
    }
    for (phase, title) in
        [(Phase::Kill, "broker ended, kills"), (Phase::Power, "broker ended, power cuts too")]
    {
        row(title, &|name| count(batch.ends.get(&(name, phase))));
    }
    for anomaly in Anomaly::ALL {
        let seen = |name| batch.seen.get(&(name, anomaly));
        if names.iter().any(|name| seen(*name).is_some()) {
            row(&format!("seen: {} {anomaly}", anomaly.code()), &|name| {
                let forbidden = name.guarantee().contract().forbidden_ever().contains(anomaly);
                let mark = if forbidden { " !" } else { "  " };
                count(seen(name)) + mark
            });
        }
    }
    println!("! = forbidden by the name's contract");
    println!("{} frames, {} s of virtual time", batch.frames, batch.virtual_us / 1_000_000);
}
