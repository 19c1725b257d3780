//! Apache Kafka's own command line tools: console producer and consumer, kafka-topics, kafka-configs,
//! kafka-consumer-groups, kafka-get-offsets. Each call is a Java process of a second or so, so one call does much.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use super::{Case, Target, Verdict, names, run_cases};
use crate::failure::{Context, Result, ensure};
use crate::process::{self, Finished, Running};
use crate::{clock, kafka};

const BOUND: Duration = Duration::from_secs(90);
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

const CASES: &[Case] = &[
    ("topics-are-made-described-grown-and-deleted", topics),
    ("configs-are-set-described-and-removed", configs),
    ("every-acks-and-codec-reads-back-alike", acks_and_codecs),
    ("idempotent-records-are-there-once-and-in-order", idempotent),
    ("seek-by-offset-and-by-time", seek),
    ("classic-group-rebalances-commits-and-resumes", classic_group),
    ("consumer-protocol-group-rebalances-commits-and-resumes", consumer_group),
    ("groups-are-listed-reset-and-deleted", groups),
    ("acked-records-live-through-kills", killed),
    ("groups-live-through-a-kill", groups_killed),
];

pub(super) fn cases() -> Result<Vec<String>> {
    Ok(names(CASES))
}

pub(super) fn run(target: &mut Target, chosen: &[String]) -> Result<Vec<Verdict>> {
    Ok(run_cases(CASES, target, chosen))
}

fn java(target: &Target, class: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = kafka::java(class)?;
    command.args(["--bootstrap-server", target.address()]).args(arguments);
    Ok(command)
}

fn tool(target: &Target, class: &str, arguments: &[&str]) -> Result<Finished> {
    process::capture(&mut java(target, class, arguments)?, b"", BOUND)
}

fn kafka_topics(target: &Target, arguments: &[&str]) -> Result<String> {
    tool(target, "org.apache.kafka.tools.TopicCommand", arguments)?.stdout_if_ok("kafka-topics")
}

fn kafka_configs(target: &Target, topic: &str, arguments: &[&str]) -> Result<String> {
    let arguments = [&["--entity-type", "topics", "--entity-name", topic], arguments].concat();
    tool(target, "kafka.admin.ConfigCommand", &arguments)?.stdout_if_ok("kafka-configs")
}

fn kafka_groups(target: &Target, arguments: &[&str]) -> Result<String> {
    let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    tool(target, class, arguments)?.stdout_if_ok("kafka-consumer-groups")
}

fn producer(target: &Target, topic: &str, arguments: &[&str]) -> Result<Command> {
    // --timeout is the linger; three retries, the tool's default, do not outlast a restart.
    let base = ["--topic", topic, "--timeout", "5", "--message-send-max-retries", "1000"];
    java(target, "org.apache.kafka.tools.ConsoleProducer", &[&base, arguments].concat())
}

fn produce(target: &Target, topic: &str, arguments: &[&str], lines: &[String]) -> Result<()> {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let done = process::capture(&mut producer(target, topic, arguments)?, input.as_bytes(), BOUND)?;
    ensure!(!done.stderr.contains("ERROR"), "the console producer says: {}", done.stderr);
    done.stdout_if_ok("console producer").map(drop)
}

/// Consumes a number of records; fewer within 30 s is an error.
fn consume(target: &Target, topic: &str, count: usize, arguments: &[&str]) -> Result<Vec<String>> {
    let count_text = count.to_string();
    let base = ["--topic", topic, "--max-messages", &count_text, "--timeout-ms", "30000"];
    let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let done = tool(target, class, &[&base, arguments].concat())?;
    let lines: Vec<String> = done.stdout.lines().map(str::to_string).collect();
    ensure!(lines.len() == count, "consumed {} of {count}: {}", lines.len(), done.stderr);
    Ok(lines)
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("value {i} of здраво {}", "x".repeat(i % 300))).collect()
}

fn topics(target: &mut Target) -> Result<()> {
    let topic = target.name("topics");
    let create = ["--create", "--topic", &topic, "--partitions", "3", "--config", "retention.ms=7200000"];
    kafka_topics(target, &create)?;
    let described = kafka_topics(target, &["--describe", "--topic", &topic])?;
    ensure!(described.contains("PartitionCount: 3"), "described: {described}");
    ensure!(described.contains("retention.ms=7200000"), "described: {described}");
    let again = tool(target, "org.apache.kafka.tools.TopicCommand", &create)?;
    let said = format!("{}{}", again.stdout, again.stderr);
    ensure!(!again.success && said.contains("already exists"), "a second creation {}: {said}", again.how);
    kafka_topics(target, &["--alter", "--topic", &topic, "--partitions", "5"])?;
    let described = kafka_topics(target, &["--describe", "--topic", &topic])?;
    ensure!(described.contains("PartitionCount: 5"), "grown: {described}");
    kafka_topics(target, &["--delete", "--topic", &topic])?;
    let listed = kafka_topics(target, &["--list"])?;
    ensure!(!listed.lines().any(|line| line == topic), "still listed: {listed}");
    Ok(())
}

fn configs(target: &mut Target) -> Result<()> {
    let topic = target.topic("configs", 1)?;
    kafka_configs(
        target,
        &topic,
        &["--alter", "--add-config", "retention.ms=3600000,max.message.bytes=54321"],
    )?;
    let described = kafka_configs(target, &topic, &["--describe"])?;
    ensure!(described.contains("retention.ms=3600000"), "described: {described}");
    ensure!(described.contains("max.message.bytes=54321"), "described: {described}");
    kafka_configs(target, &topic, &["--alter", "--delete-config", "retention.ms"])?;
    let described = kafka_configs(target, &topic, &["--describe"])?;
    ensure!(!described.contains("retention.ms"), "after a removal: {described}");
    ensure!(described.contains("max.message.bytes=54321"), "after a removal: {described}");
    let everything = kafka_configs(target, &topic, &["--describe", "--all"])?;
    ensure!(everything.contains("cleanup.policy=delete"), "all: {everything}");
    Ok(())
}

fn acks_and_codecs(target: &mut Target) -> Result<()> {
    let topic = target.topic("acks", 1)?;
    let mut expected = Vec::new();
    for acks in ["0", "1", "all"] {
        for codec in CODECS {
            let lines: Vec<String> = (0..40)
                .map(|i| format!("a:{i},b:x\tkey{}\t{acks} {codec} {i} {}", i % 7, "y".repeat(i * 9)))
                .collect();
            let arguments = ["--request-required-acks", acks, "--compression-codec", codec];
            let read = ["--reader-property", "parse.key=true", "--reader-property", "parse.headers=true"];
            produce(target, &topic, &[arguments, read].concat(), &lines)?;
            let first = expected.len();
            expected
                .extend(lines.iter().enumerate().map(|(i, line)| format!("Offset:{}\t{line}", first + i)));
        }
    }
    let shown = ["print.offset=true", "print.headers=true", "print.key=true"];
    let mut arguments = vec!["--from-beginning"];
    arguments.extend(shown.iter().flat_map(|property| ["--formatter-property", property]));
    let found = consume(target, &topic, expected.len(), &arguments)?;
    let wrong = expected.iter().zip(&found).find(|(wanted, got)| wanted != got);
    ensure!(wrong.is_none(), "wanted and got: {wrong:?}");
    Ok(())
}

fn idempotent(target: &mut Target) -> Result<()> {
    let topic = target.topic("idempotent", 1)?;
    let lines = numbered(5000);
    produce(target, &topic, &["--command-property", "enable.idempotence=true"], &lines)?;
    let found = consume(target, &topic, lines.len(), &["--from-beginning"])?;
    ensure!(found == lines, "other records, or another order");
    Ok(())
}

fn seek(target: &mut Target) -> Result<()> {
    let topic = target.topic("seek", 1)?;
    produce(target, &topic, &[], &numbered(50))?;
    let class = "org.apache.kafka.tools.GetOffsetShell";
    let between = clock::wall_ms() + 1;
    ensure!(
        clock::wait_for(BOUND, || (clock::wall_ms() > between).then_some(())).is_some(),
        "the clock stands"
    );
    produce(target, &topic, &[], &numbered(50))?;
    for (time, wanted) in [("latest", "100"), ("earliest", "0"), (&between.to_string(), "50")] {
        let said =
            tool(target, class, &["--topic", &topic, "--time", time])?.stdout_if_ok("kafka-get-offsets")?;
        ensure!(said.trim() == format!("{topic}:0:{wanted}"), "offset at {time}: {said}");
    }
    let found = consume(target, &topic, 27, &["--partition", "0", "--offset", "73"])?;
    ensure!(found == numbered(50)[23..], "from offset 73: {found:?}");
    Ok(())
}

/// A group member that runs beside us.
struct Member(Running);

impl Member {
    fn join(target: &Target, group: &str, topic: &str, protocol: &str) -> Result<Member> {
        let protocol_setting = format!("group.protocol={protocol}");
        let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
        let mut arguments = vec!["--topic", topic, "--group", group, "--from-beginning"];
        arguments.extend(["--command-property", &protocol_setting]);
        if protocol == "classic" {
            arguments.extend(["--command-property", "heartbeat.interval.ms=500"]);
        }
        let shown = ["print.partition=true", "print.offset=true"];
        arguments.extend(shown.iter().flat_map(|property| ["--formatter-property", property]));
        Running::start(&mut java(target, class, &arguments)?, false).map(Member)
    }

    fn seen(&self) -> BTreeSet<String> {
        self.0.stdout().lines().map(str::to_string).collect()
    }

    fn leave(self) -> Result<()> {
        self.0.signal("TERM")?;
        self.0.finish(BOUND).map(drop)
    }
}

/// Waits for members with exactly these numbers of partitions.
fn until_shared(target: &Target, group: &str, wanted: &[&str]) -> Result<()> {
    let mut last = String::new();
    let found = clock::wait_for(BOUND, || {
        last = kafka_groups(target, &["--describe", "--members", "--group", group]).unwrap_or_default();
        // GROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS [more columns for the consumer protocol]
        let rows = last.lines().filter(|line| line.starts_with(group));
        let mut counts: Vec<&str> = rows.filter_map(|row| row.split_whitespace().nth(4)).collect();
        counts.sort_unstable();
        (counts == wanted).then_some(())
    });
    ensure!(found.is_some(), "not within {BOUND:?}: members with {wanted:?} partitions; last:\n{last}");
    Ok(())
}

fn until(what: &str, condition: impl Fn() -> bool) -> Result<()> {
    ensure!(clock::wait_for(BOUND, || condition().then_some(())).is_some(), "not within {BOUND:?}: {what}");
    Ok(())
}

fn classic_group(target: &mut Target) -> Result<()> {
    group(target, "classic")
}

fn consumer_group(target: &mut Target) -> Result<()> {
    group(target, "consumer")
}

fn group(target: &mut Target, protocol: &str) -> Result<()> {
    let (topic, group) = (target.topic("group", 4)?, target.name(protocol));
    // Keys spread the records; which partition gets how many does not matter here.
    let lines: Vec<String> = (0..200).map(|i| format!("k{i}\tv{i}")).collect();
    produce(target, &topic, &["--reader-property", "parse.key=true"], &lines)?;
    let one = Member::join(target, &group, &topic, protocol)?;
    until("all records are seen", || one.seen().len() == 200)?;
    let two = Member::join(target, &group, &topic, protocol)?;
    until_shared(target, &group, &["2", "2"])?;
    two.leave()?;
    until_shared(target, &group, &["4"])?;
    one.leave()?; // commits
    let described = kafka_groups(target, &["--describe", "--group", &group])?;
    let lags = described.lines().filter(|line| line.starts_with(&group));
    // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...
    let lags: Vec<&str> = lags.filter_map(|row| row.split_whitespace().nth(5)).collect();
    ensure!(lags == ["0"; 4], "lag after everything was read: {described}");
    produce(target, &topic, &[], &["the next one".to_string()])?;
    let three = Member::join(target, &group, &topic, protocol)?;
    until("the next record", || !three.seen().is_empty())?;
    let seen = three.seen();
    ensure!(
        seen.len() == 1 && seen.iter().all(|line| line.ends_with("the next one")),
        "resumed with {seen:?}"
    );
    three.leave()
}

fn groups(target: &mut Target) -> Result<()> {
    let (topic, group) = (target.topic("managed", 1)?, target.name("managed"));
    produce(target, &topic, &[], &numbered(20))?;
    consume(target, &topic, 20, &["--group", &group, "--from-beginning"])?;
    let listed = kafka_groups(target, &["--list"])?;
    ensure!(listed.lines().any(|line| line == group), "listed: {listed}");
    let state = kafka_groups(target, &["--describe", "--state", "--group", &group])?;
    ensure!(state.contains("Empty"), "state: {state}");
    kafka_groups(
        target,
        &["--reset-offsets", "--group", &group, "--topic", &topic, "--to-offset", "7", "--execute"],
    )?;
    let found = consume(target, &topic, 13, &["--group", &group])?;
    ensure!(found == numbered(20)[7..], "after the reset: {found:?}");
    kafka_groups(target, &["--delete", "--group", &group])?;
    let listed = kafka_groups(target, &["--list"])?;
    ensure!(!listed.lines().any(|line| line == group), "still listed: {listed}");
    Ok(())
}

fn killed(target: &mut Target) -> Result<()> {
    let topic = target.topic("killed", 1)?;
    let mut producer =
        Running::start(&mut producer(target, &topic, &["--compression-codec", "zstd"])?, true)?;
    let lines = numbered(9000);
    for (step, part) in lines.chunks(3000).enumerate() {
        producer.write(part.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes())?;
        if step < 2 {
            let offset = (step * 3000).to_string();
            consume(target, &topic, 1, &["--partition", "0", "--offset", &offset])
                .context("before the kill")?;
            target.kill_and_restart()?;
        }
    }
    producer.close_input();
    let done = producer.finish(BOUND)?;
    ensure!(done.success && !done.stderr.contains("ERROR"), "the producer {}: {}", done.how, done.stderr);
    let found = consume(target, &topic, lines.len(), &["--from-beginning"])?;
    ensure!(found == lines, "other records, or another order");
    Ok(())
}

fn groups_killed(target: &mut Target) -> Result<()> {
    let topic = target.topic("livegroup", 1)?;
    let names = [target.name("livegroup-classic"), target.name("livegroup-consumer")];
    produce(target, &topic, &[], &numbered(30))?;
    let classic = Member::join(target, &names[0], &topic, "classic")?;
    let consumer = Member::join(target, &names[1], &topic, "consumer")?;
    let both = |count| classic.seen().len() == count && consumer.seen().len() == count;
    until("records before the kill", || both(30))?;
    target.kill_and_restart()?;
    produce(target, &topic, &[], &numbered(30))?;
    until("the same members go on", || both(60))?;
    classic.leave()?;
    consumer.leave()
}
