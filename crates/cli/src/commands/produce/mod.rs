//! `poruka produce`: lines from a file or standard input become records.
//!
//! A file is checked in full before its first record is sent, so that a malformed line leaves nothing half-written.
//! Standard input cannot be: there the lines before a malformed one are sent, and the error says how many.

mod input;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use poruka::{Name, Pending, Producer, Record, SendError};
use serde_json::json;

use self::input::{BadLine, Line, Lines};
use crate::connect::{self, Where};
use crate::exit::Exit;
use crate::output::{self, Form};
use crate::problem::{Problem, Result};

/// Sends that may be under way at one time.
const PENDING_MAX: usize = 1024;
/// Lines read from standard input ahead of the sends.
const AHEAD_LINES_MAX: usize = 256;

/// Send lines as records.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  echo 'one coffee' | poruka produce orders
  poruka produce orders orders.jsonl --key-field customer --guarantee ordered
  poruka produce orders orders.jsonl --output json       the counts as JSON
A topic that is not there is made as the guarantee asks. A line is a record, byte for byte; empty lines are skipped.")]
pub(crate) struct Produce {
    #[command(flatten)]
    place: Where,
    /// The topic.
    topic: String,
    /// The file to read; without it, or with -, standard input.
    file: Option<PathBuf>,
    /// Every line is a JSON object, and this field is the record's key.
    #[arg(long, value_name = "FIELD")]
    key_field: Option<String>,
    /// What to promise for each record: best-effort, at-most-once, at-least-once, ordered or durable.
    #[arg(long, value_name = "NAME", default_value = "at-least-once")]
    guarantee: Name,
}

/// What became of the records.
#[derive(Default)]
struct Counts {
    read: u64,
    acked: u64,
    sent: u64,
    dropped: u64,
    failed: u64,
    unknown: u64,
    first_error: Option<Problem>,
}

pub(crate) async fn run(command: Produce, form: Form) -> Result<()> {
    let file = command.file.as_ref().filter(|file| file.as_os_str() != "-");
    if let Some(file) = file {
        check_whole(file, &command.key_field)?;
    }
    let bus = command.place.bus().await?;
    let topic = bus.topic(&command.topic, command.guarantee).await.map_err(connect::topic)?;
    let producer = topic.producer().await.map_err(|error| {
        Problem::new(Exit::Unreachable, format!("cannot send to {:?}", command.topic)).because(&error)
    })?;
    let progress = progress(file, form);
    let (source, name): (Box<dyn Read + Send>, String) = match file {
        Some(file) => (Box::new(progress.wrap_read(open(file)?)), file.display().to_string()),
        None => (Box::new(std::io::stdin()), "standard input".to_string()),
    };
    let lines = Lines::new(BufReader::new(source), name, command.key_field.clone());
    let mut counts = Counts::default();
    let ended = send_all(&producer, lines, &mut counts).await;
    progress.finish_and_clear();
    producer.close().await;
    bus.close().await;
    report(&command, form, &counts)?;
    ended?;
    counts.first_error.map_or(Ok(()), Err)
}

fn progress(file: Option<&PathBuf>, form: Form) -> ProgressBar {
    let size = file.and_then(|file| file.metadata().ok()).map(|metadata| metadata.len());
    match size {
        Some(size) if form == Form::Text => {
            let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}");
            ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        }
        _ => ProgressBar::hidden(),
    }
}

fn open(file: &PathBuf) -> Result<File> {
    File::open(file).map_err(|error| {
        let problem = Problem::new(Exit::Input, format!("cannot read {}", file.display())).because(&error);
        problem.next("check the path and that this user may read it")
    })
}

fn check_whole(file: &PathBuf, key_field: &Option<String>) -> Result<()> {
    let mut lines = Lines::new(BufReader::new(open(file)?), file.display().to_string(), key_field.clone());
    while lines
        .next()
        .map_err(|bad| bad_line(&bad, "nothing was sent; mend the line and try again"))?
        .is_some()
    {}
    Ok(())
}

fn bad_line(bad: &BadLine, next: &str) -> Problem {
    Problem::new(Exit::Input, bad.to_string()).next(next)
}

/// Reads on a thread of its own, since standard input may block for ever; Ctrl-C ends the reading, not the sends.
async fn send_all(
    producer: &Producer,
    mut lines: Lines<BufReader<Box<dyn Read + Send>>>,
    counts: &mut Counts,
) -> Result<()> {
    let (to_us, mut from_reader) =
        tokio::sync::mpsc::channel::<std::result::Result<Line, BadLine>>(AHEAD_LINES_MAX);
    let reader = poruka_env::Env::real().spawn_thread("reader", move || {
        loop {
            let next = lines.next().transpose();
            let Some(next) = next else { return };
            let failed = next.is_err();
            if to_us.blocking_send(next).is_err() || failed {
                return;
            }
        }
    });
    reader.map_err(|error| Problem::new(Exit::Machine, "cannot start a thread").because(&error))?;
    let mut pending = VecDeque::new();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let ended = loop {
        let line = tokio::select! {
            biased;
            _ = &mut interrupted => {
                break Err(Problem::new(Exit::Interrupted, "interrupted; what was read before is sent"));
            }
            line = from_reader.recv() => line,
        };
        match line {
            None => break Ok(()),
            Some(Err(bad)) => {
                let next =
                    format!("the {} lines before it are sent; mend the line and send the rest", counts.read);
                break Err(bad_line(&bad, &next));
            }
            Some(Ok(line)) => {
                counts.read += 1;
                enqueue(producer, line, &mut pending, counts).await;
            }
        }
        if pending.len() >= PENDING_MAX
            && let Some(oldest) = pending.pop_front()
        {
            settle(oldest, counts).await;
        }
    };
    for rest in pending {
        settle(rest, counts).await;
    }
    ended
}

async fn enqueue(producer: &Producer, line: Line, pending: &mut VecDeque<Pending>, counts: &mut Counts) {
    let mut record = Record::new(line.value);
    if let Some(key) = line.key {
        record = record.key(key);
    }
    match producer.enqueue(record).await {
        Ok(sent) => pending.push_back(sent),
        Err(error) => counts.fail(&error),
    }
}

async fn settle(pending: Pending, counts: &mut Counts) {
    match pending.receipt().await {
        Ok(receipt) if matches!(receipt.reached, poruka::Reached::Acked(_)) => counts.acked += 1,
        Ok(_) => counts.sent += 1,
        Err(error) => counts.fail(&error),
    }
}

impl Counts {
    fn fail(&mut self, error: &SendError) {
        match error {
            // What the guarantee allows is counted, and is no error.
            SendError::Dropped { .. } => self.dropped += 1,
            SendError::Unknown { .. } => self.unknown += 1,
            SendError::NotTaken { .. } | SendError::NotWritten { .. } => self.failed += 1,
        }
        if !matches!(error, SendError::Dropped { .. }) {
            let problem = connect::send(error);
            let worse = self
                .first_error
                .as_ref()
                .is_none_or(|known| problem.exit == Exit::Unknown && known.exit != Exit::Unknown);
            if worse {
                self.first_error = Some(problem);
            }
        }
    }
}

fn report(command: &Produce, form: Form, counts: &Counts) -> Result<()> {
    let Counts { read, acked, sent, dropped, failed, unknown, .. } = counts;
    let json = json!({
        "topic": command.topic, "guarantee": command.guarantee.as_str(), "read": read, "acked": acked, "sent": sent,
        "dropped": dropped, "failed": failed, "unknown": unknown,
    });
    output::either(form, &json, || {
        let parts = [
            (*acked, "acked"),
            (*sent, "sent without an ack"),
            (*dropped, "dropped"),
            (*failed, "not written"),
            (*unknown, "perhaps written"),
        ];
        let parts =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let parts: Vec<String> = parts.collect();
        let parts = if parts.is_empty() { "nothing to send".to_string() } else { parts.join(", ") };
        format!("{} ({}): {read} records read, {parts}", command.topic, command.guarantee)
    })
}
