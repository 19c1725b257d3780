//! kafka-dump-log, Apache Kafka's own reader of segments, on the folders that a broker left: every batch is valid, every
//! record has the offset it should have, and neither index disagrees with its log.
//!
//! Records are written with kcat, so that neither side of the comparison is ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Case, Target, Verdict, names, run_cases};
use crate::failure::{Context, Result, ensure};
use crate::{kafka, process, raw, tools};

const BOUND: Duration = Duration::from_secs(90);
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// What the tool says of each file whose log does not begin at offset 0; it means nothing.
const SAYS_OF_EVERY_SEGMENT: [&str; 2] = ["Non-consecutive offsets in ", "  -1 is followed by "];

const CASES: &[Case] = &[
    ("plain-compressed-and-sequenced-batches-of-several-segments", several_segments),
    ("the-end-of-a-gap-is-a-control-batch", gap),
    ("a-flipped-byte-is-noticed", flipped),
];

pub(super) fn cases() -> Result<Vec<String>> {
    Ok(names(CASES))
}

pub(super) fn run(target: &mut Target, chosen: &[String]) -> Result<Vec<Verdict>> {
    tools::need("kcat", &["kcat"])?;
    Ok(run_cases(CASES, target, chosen))
}

fn produce(target: &Target, topic: &str, settings: &[&str], lines: &[String]) -> Result<()> {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut command = Command::new("kcat");
    command.args(["-P", "-b", target.address(), "-X", "broker.address.family=v4", "-t", topic]);
    process::capture(command.args(settings), input.as_bytes(), BOUND)?.stdout_if_ok("kcat -P").map(drop)
}

/// Values that no codec makes small.
fn values(seed: u64, count: usize) -> Vec<String> {
    let mut state = seed;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", state ^ (state >> 29))
    };
    (0..count).map(|n| (0..=n % 40).map(|_| noise()).collect()).collect()
}

/// The files of a partition, with these endings.
fn files(target: &Target, topic: &str, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let folder = target.data()?.join("topics").join(format!("{topic}-0"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).context(format!("list {}", folder.display()))? {
        let path = entry.context("list the partition")?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if endings.contains(&ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What the tool found.
#[derive(Default)]
struct Dump {
    /// Of every record, control records too.
    offsets: Vec<u64>,
    batches: usize,
    control_batches: usize,
    segments: usize,
    index_entries: usize,
    time_entries: usize,
    complaints: Vec<String>,
}

fn dump(files: &[PathBuf]) -> Result<Dump> {
    let list: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let mut command = kafka::java("org.apache.kafka.tools.DumpLogSegments")?;
    command.args(["--deep-iteration", "--files", &list.join(",")]);
    let done = process::capture(&mut command, b"", BOUND)?;
    let mut dump = Dump::default();
    for line in done.stdout.lines() {
        if let Some(rest) = line.strip_prefix("| offset: ") {
            let offset = rest.split(' ').next().and_then(|offset| offset.parse().ok());
            dump.offsets.push(offset.ok_or("no offset").context(line)?);
        } else if line.starts_with("baseOffset: ") {
            dump.batches += 1;
            dump.control_batches += usize::from(line.contains("isControl: true"));
            if !line.contains("isvalid: true") {
                dump.complaints.push(line.to_string());
            }
        } else if line.starts_with("offset: ") {
            dump.index_entries += 1;
        } else if line.starts_with("timestamp: ") {
            dump.time_entries += 1;
        } else if line.starts_with("Log starting offset: ") {
            dump.segments += 1;
        } else if !line.starts_with("Dumping ") && !line.trim().is_empty() {
            dump.complaints.push(line.to_string());
        }
    }
    let harmless = |line: &str| SAYS_OF_EVERY_SEGMENT.iter().any(|known| line.starts_with(known));
    let said = done.stderr.lines().filter(|line| !line.trim().is_empty() && !harmless(line));
    dump.complaints.extend(said.map(str::to_string));
    if !done.success {
        dump.complaints.push(format!("the tool {}", done.how));
    }
    Ok(dump)
}

const EVERYTHING: [&str; 3] = ["log", "index", "timeindex"];

/// Fills a topic of small segments with every codec, sequenced and not; ends the broker cleanly.
fn filled(target: &mut Target, stem: &str) -> Result<(String, usize)> {
    let topic = target.name(stem);
    raw::create_topic_with(target.address(), &topic, 1, Some(("segment.bytes", "1048576")))?;
    let lines = values(7, 1500);
    for codec in CODECS {
        for sequenced in ["enable.idempotence=true", "enable.idempotence=false"] {
            produce(target, &topic, &["-z", codec, "-X", sequenced, "-X", "batch.size=20000"], &lines)?;
        }
    }
    target.end_and_restart()?;
    Ok((topic, lines.len() * CODECS.len() * 2))
}

fn several_segments(target: &mut Target) -> Result<()> {
    let (topic, records) = filled(target, "dumped")?;
    let found = dump(&files(target, &topic, &EVERYTHING)?)?;
    ensure!(found.complaints.is_empty(), "the tool says: {}", found.complaints.join("\n"));
    let wanted: Vec<u64> = (0..records as u64).collect();
    ensure!(found.offsets == wanted, "{} records, {} were written", found.offsets.len(), records);
    ensure!(
        found.segments >= 4 && found.batches >= 100,
        "{} segments, {} batches",
        found.segments,
        found.batches
    );
    let entries = (found.index_entries, found.time_entries);
    ensure!(entries.0 >= 40 && entries.1 >= found.segments, "index entries: {entries:?}");
    for check in ["--index-sanity-check", "--verify-index-only"] {
        let list: Vec<String> = files(target, &topic, &["index", "timeindex"])?
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let mut command = kafka::java("org.apache.kafka.tools.DumpLogSegments")?;
        let done = process::capture(command.args([check, "--files", &list.join(",")]), b"", BOUND)?;
        let said = format!("{}{}", done.stdout, done.stderr);
        let bad = said.lines().find(|line| line.contains("ismatch") || line.contains("xception"));
        ensure!(done.success && bad.is_none(), "{check}: {said}");
        let passed = said.lines().filter(|line| line.contains("passed sanity check")).count();
        ensure!(check != "--index-sanity-check" || passed == list.len(), "{passed} passed: {said}");
    }
    Ok(())
}

fn gap(target: &mut Target) -> Result<()> {
    let topic = target.name("gap");
    raw::create_topic_with(target.address(), &topic, 1, Some(("poruka.durability", "cached")))?;
    produce(target, &topic, &[], &values(8, 100))?;
    target.kill_and_restart()?;
    produce(target, &topic, &[], &values(9, 100))?;
    target.end_and_restart()?;
    let found = dump(&files(target, &topic, &EVERYTHING)?)?;
    // A gap is what this is about, and the tool tells it.
    let about_the_gap = |line: &String| line.trim_start().starts_with("99 is followed by ");
    let others: Vec<&String> = found.complaints.iter().filter(|line| !about_the_gap(line)).collect();
    ensure!(others.is_empty(), "the tool says: {others:?}");
    ensure!(found.control_batches == 1, "{} control batches", found.control_batches);
    let (before, after) = found.offsets.split_at(100.min(found.offsets.len()));
    ensure!(before.iter().copied().eq(0..100), "before the kill: {before:?}");
    let first = after.first().copied().unwrap_or(0);
    ensure!(first > 100 && after.iter().copied().eq(first..first + 101), "after the kill: {after:?}");
    Ok(())
}

/// The negative control: the tool does see what is wrong, in the log and in either index.
fn flipped(target: &mut Target) -> Result<()> {
    let (topic, _) = filled(target, "flipped")?;
    let originals = files(target, &topic, &EVERYTHING)?;
    let folder = tempfile::tempdir().context("make a folder")?;
    for (ending, at) in [("log", 3000), ("index", 7), ("timeindex", 11)] {
        let mut copies = Vec::new();
        for original in &originals {
            copies.push(copy(original, folder.path())?);
        }
        let victim = copies.iter().find(|path| path.extension().is_some_and(|found| found == ending));
        let victim = victim.ok_or("no such file").context(ending)?;
        let mut bytes = std::fs::read(victim).context("read the copy")?;
        ensure!(bytes.len() > at, "{} is short", victim.display());
        bytes[at] ^= 0x10;
        std::fs::write(victim, bytes).context("write the copy")?;
        ensure!(!dump(&copies)?.complaints.is_empty(), "byte {at} of a {ending} was flipped in silence");
    }
    Ok(())
}

fn copy(file: &Path, folder: &Path) -> Result<PathBuf> {
    let to = folder.join(file.file_name().unwrap_or_default());
    std::fs::copy(file, &to).context(format!("copy {}", file.display()))?;
    Ok(to)
}
