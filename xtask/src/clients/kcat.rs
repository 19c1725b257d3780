//! kcat, the command line client of librdkafka, as Debian packages it (librdkafka 2.0.2: the versions of the protocol
//! that most scripts in the field speak).

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use super::{Case, Target, Verdict, names, run_cases};
use crate::failure::{Context, Result, ensure};
use crate::process::{self, Running};
use crate::{clock, tools};

const BOUND: Duration = Duration::from_secs(60);
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

const CASES: &[Case] = &[
    ("metadata-lists-broker-and-topics", metadata),
    ("a-topic-is-made-by-writing-to-it", made_by_writing),
    ("every-acks-and-codec-reads-back-alike", acks_and_codecs),
    ("idempotent-records-are-there-once-and-in-order", idempotent),
    ("seek-by-offset-and-by-time", seek),
    ("group-rebalances-commits-and-resumes", group),
    ("acked-records-live-through-a-kill", killed),
    ("a-group-lives-through-a-kill", group_killed),
];

pub(super) fn cases() -> Result<Vec<String>> {
    Ok(names(CASES))
}

pub(super) fn run(target: &mut Target, chosen: &[String]) -> Result<Vec<Verdict>> {
    tools::need("kcat", &["kcat"])?;
    Ok(run_cases(CASES, target, chosen))
}

fn kcat(target: &Target, arguments: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", target.address(), "-X", "broker.address.family=v4"]).args(arguments);
    command
}

fn produce(target: &Target, arguments: &[&str], lines: &[String]) -> Result<()> {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let done = process::capture(&mut kcat(target, &[&["-P"], arguments].concat()), input.as_bytes(), BOUND)?;
    ensure!(!done.stderr.contains("Delivery failed"), "kcat -P says: {}", done.stderr);
    done.stdout_if_ok("kcat -P").map(drop)
}

/// Consumes to the end, one output line a record.
pub(super) fn consume(target: &Target, arguments: &[&str]) -> Result<Vec<String>> {
    let mut command = kcat(target, &[&["-C", "-e", "-q"], arguments].concat());
    let stdout = process::capture(&mut command, b"", BOUND)?.stdout_if_ok("kcat -C")?;
    Ok(stdout.lines().map(str::to_string).collect())
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("value {i} of здраво {}", "x".repeat(i % 300))).collect()
}

fn metadata(target: &mut Target) -> Result<()> {
    let topic = target.topic("listed", 3)?;
    let text = process::capture(&mut kcat(target, &["-L", "-J"]), b"", BOUND)?.stdout_if_ok("kcat -L")?;
    let json: serde_json::Value = serde_json::from_str(&text).context("read kcat's JSON")?;
    let name = json["brokers"][0]["name"].as_str();
    ensure!(name == Some(target.address()), "the broker is {name:?}, not {}", target.address());
    let topics = json["topics"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = topics.iter().find(|entry| entry["topic"] == *topic);
    let partitions = found.and_then(|entry| entry["partitions"].as_array()).map(Vec::len);
    ensure!(partitions == Some(3), "partitions of {topic}: {partitions:?}");
    Ok(())
}

fn made_by_writing(target: &mut Target) -> Result<()> {
    let topic = target.name("made");
    produce(target, &["-t", &topic], &numbered(10))?;
    let found = consume(target, &["-t", &topic])?;
    ensure!(found == numbered(10), "read {} lines", found.len());
    Ok(())
}

fn acks_and_codecs(target: &mut Target) -> Result<()> {
    for acks in ["0", "1", "all"] {
        let topic = target.topic("acks", 5)?;
        for (partition, codec) in CODECS.iter().enumerate() {
            let partition = partition.to_string();
            let lines: Vec<String> =
                (0..200).map(|i| format!("key{}:{i} {}", i % 7, "y".repeat(i))).collect();
            let acks = format!("acks={acks}");
            let arguments =
                ["-t", &topic, "-p", &partition, "-X", &acks, "-z", codec, "-K:", "-H", "a=1", "-H", "b"];
            produce(target, &arguments, &lines)?;
            let expected: Vec<String> = lines
                .iter()
                .enumerate()
                .map(|(offset, line)| format!("{offset}|{line}|a=1,b=NULL"))
                .collect();
            let read = || {
                consume(target, &["-t", &topic, "-p", &partition, "-o", "beginning", "-f", "%o|%k:%s|%h\n"])
            };
            // With acks=0 kcat is gone before the broker has the last request.
            let found = clock::wait_for(BOUND, || match read() {
                Ok(found) if found.len() < expected.len() => None,
                other => Some(other),
            });
            let found = found.unwrap_or_else(read)?;
            ensure!(
                found == expected,
                "{acks} {codec}: read {} lines, first {:?}",
                found.len(),
                found.first()
            );
        }
    }
    Ok(())
}

fn idempotent(target: &mut Target) -> Result<()> {
    let topic = target.topic("idempotent", 1)?;
    let lines = numbered(5000);
    produce(target, &["-t", &topic, "-X", "enable.idempotence=true", "-X", "linger.ms=1"], &lines)?;
    let found = consume(target, &["-t", &topic, "-o", "beginning"])?;
    ensure!(found == lines, "read {} lines of {}", found.len(), lines.len());
    Ok(())
}

fn seek(target: &mut Target) -> Result<()> {
    let topic = target.topic("seek", 1)?;
    produce(target, &["-t", &topic, "-p", "0"], &numbered(50))?;
    // The second half is later than every record of the first: wait for the clock to pass its last timestamp.
    let last = consume(target, &["-t", &topic, "-o", "-1", "-f", "%T\n"])?.join("");
    let later = last.parse::<u128>().context("timestamp")? + 2;
    clock::wait_for(BOUND, || (clock::wall_ms() > later).then_some(()));
    produce(target, &["-t", &topic, "-p", "0"], &numbered(50))?;
    let at = |offset: &str| consume(target, &["-t", &topic, "-p", "0", "-o", offset, "-f", "%o\n"]);
    let from = |first: usize| (first..100).map(|offset| offset.to_string()).collect::<Vec<_>>();
    ensure!(at("73")? == from(73), "from offset 73");
    ensure!(at("-5")? == from(95), "the last five");
    ensure!(at(&format!("s@{later}"))? == from(50), "from the moment between the halves");
    ensure!(at("end")?.is_empty(), "from the end");
    Ok(())
}

/// A member of a group that runs beside us.
struct Member(Running);

impl Member {
    fn join(target: &Target, group: &str, topic: &str) -> Result<Member> {
        let settings = ["-E", "-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=300"];
        let arguments = ["-X", "auto.offset.reset=earliest", "-u", "-f", "%p|%o|%s\n", "-G", group, topic];
        Running::start(&mut kcat(target, &[&settings[..], &arguments].concat()), false).map(Member)
    }

    /// Partitions after the last rebalance: kcat says `% Group g rebalanced (...): assigned: t [0], t [1]`.
    fn partitions(&self) -> BTreeSet<String> {
        let said = self.0.stderr();
        let last = said.lines().rev().find(|line| line.contains("rebalanced")).unwrap_or_default();
        let Some((_, assigned)) = last.split_once("assigned: ") else { return BTreeSet::new() };
        assigned.split(", ").map(|place| place.trim().to_string()).collect()
    }

    fn seen(&self) -> Vec<String> {
        self.0.stdout().lines().map(str::to_string).collect()
    }

    fn leave(self) -> Result<()> {
        self.0.signal("INT")?;
        self.0.finish(BOUND).map(drop)
    }
}

fn until(what: &str, condition: impl Fn() -> bool) -> Result<()> {
    ensure!(clock::wait_for(BOUND, || condition().then_some(())).is_some(), "not within {BOUND:?}: {what}");
    Ok(())
}

fn group(target: &mut Target) -> Result<()> {
    let (topic, group) = (target.topic("group", 4)?, target.name("group"));
    for partition in 0..4 {
        produce(target, &["-t", &topic, "-p", &partition.to_string()], &numbered(50))?;
    }
    let one = Member::join(target, &group, &topic)?;
    until("one member has everything", || one.partitions().len() == 4)?;
    let two = Member::join(target, &group, &topic)?;
    until("two members share four partitions", || {
        let (first, second) = (one.partitions(), two.partitions());
        first.len() == 2 && second.len() == 2 && first.is_disjoint(&second)
    })?;
    two.leave()?;
    until("the rest takes over", || one.partitions().len() == 4)?;
    until("all records are seen", || one.seen().iter().collect::<BTreeSet<_>>().len() == 200)?;
    one.leave()?; // commits
    produce(target, &["-t", &topic, "-p", "2"], &["the next one".to_string()])?;
    let three = Member::join(target, &group, &topic)?;
    until("the next record", || !three.seen().is_empty())?;
    ensure!(three.seen() == ["2|50|the next one"], "resumed with {:?}", three.seen());
    three.leave()
}

fn killed(target: &mut Target) -> Result<()> {
    let topic = target.topic("killed", 1)?;
    let arguments =
        ["-P", "-E", "-t", &topic, "-X", "enable.idempotence=true", "-X", "linger.ms=1", "-z", "snappy"];
    // -E: a broker that is away for a moment is not the end.
    let mut producer = Running::start(&mut kcat(target, &arguments), true)?;
    let lines = numbered(9000);
    for (step, part) in lines.chunks(3000).enumerate() {
        producer.write(part.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes())?;
        let arrived = || !consume(target, &["-t", &topic, "-o", "-1"]).unwrap_or_default().is_empty();
        until("a record has arrived", arrived)?;
        if step < 2 {
            target.kill_and_restart()?;
        }
    }
    producer.close_input();
    let done = producer.finish(BOUND)?;
    ensure!(
        done.success && !done.stderr.contains("Delivery failed"),
        "kcat -P {}: {}",
        done.how,
        done.stderr
    );
    let found = consume(target, &["-t", &topic, "-o", "beginning"])?;
    ensure!(found == lines, "read {} lines of {}", found.len(), lines.len());
    Ok(())
}

fn group_killed(target: &mut Target) -> Result<()> {
    let (topic, group) = (target.topic("livegroup", 2)?, target.name("livegroup"));
    produce(target, &["-t", &topic, "-p", "0"], &numbered(30))?;
    let member = Member::join(target, &group, &topic)?;
    until("records before the kill", || member.seen().len() == 30)?;
    target.kill_and_restart()?;
    produce(target, &["-t", &topic, "-p", "1"], &numbered(30))?;
    until("the same member goes on", || member.seen().iter().collect::<BTreeSet<_>>().len() == 60)?;
    member.leave()
}
