//! `poruka consume`: records to standard output, one a line.
//!
//! Without a group the topic is read by a reader of its own and no position is kept. With a group, positions are
//! committed as the guarantee says: after a record is printed, or, for at-most-once, before.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use poruka::{Bus, ConsumerOptions, From, Name, Received, Topic};
use poruka_client::Spot;
use poruka_client::admin::Admin;
use poruka_client::consume::{Consumer, ConsumerConfig, Event, Start};
use poruka_client::produce::TopicPartition;
use poruka_wire::Str;
use serde_json::{Value, json};

use crate::connect::{self, Where};
use crate::exit::Exit;
use crate::output::{self, Form, Reader};
use crate::position::{POSITION_HELP, Position};
use crate::problem::{Problem, Result};

/// Print the records of a topic.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  poruka consume orders                            everything there is, then end
  poruka consume orders --from end --follow        what comes from now on
  poruka consume orders --group billing --follow   as a member of a group, positions are kept
  poruka consume orders --from @1767225600000 --count 10 --output json
A line of text is PARTITION:OFFSET, key and value, with tabs between them.")]
pub(crate) struct Consume {
    #[command(flatten)]
    place: Where,
    /// The topic.
    topic: String,
    /// Read as a member of this consumer group; the broker keeps its positions. Without --follow it ends when the group
    /// has read what was there at the start, or after 5 s without a record, saying what is left.
    #[arg(long)]
    group: Option<String>,
    /// Where to start; a group starts there only where it has no position.
    #[arg(long, value_name = "POSITION", default_value = "beginning", help = POSITION_HELP)]
    from: Position,
    /// Go on waiting for records instead of ending at the end.
    #[arg(long)]
    follow: bool,
    /// End after this many records.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// What to promise while reading; the topic must keep it. With ordered, gaps and repeats are told.
    #[arg(long, value_name = "NAME", default_value = "at-least-once")]
    guarantee: Name,
}

pub(crate) async fn run(command: Consume, form: Form) -> Result<()> {
    if command.group.is_some() && matches!(command.from, Position::Offset(_)) {
        let problem = Problem::new(Exit::Usage, "a group cannot start at one offset of every partition");
        return Err(problem.next("poruka group reset sets positions; or read without --group"));
    }
    let bus = command.place.bus().await?;
    let done = tokio::select! {
        biased;
        // What was printed is committed, or comes again: the guarantee's own rule.
        _ = tokio::signal::ctrl_c() => match command.follow {
            true => Ok(()),
            false => Err(Problem::new(Exit::Interrupted, "interrupted before the end")),
        },
        done = read(&bus, &command, form) => done,
    };
    bus.close().await;
    done
}

async fn read(bus: &Bus, command: &Consume, form: Form) -> Result<()> {
    let mut end = End::find(bus, command).await?;
    if end.reached(command) {
        return Ok(());
    }
    if command.group.is_none() && command.guarantee == Name::AtLeastOnce {
        return read_plainly(bus, command, form, &mut end).await;
    }
    let topic = open(bus, command).await?;
    read_with_guarantee(bus, &topic, command, form, &mut end).await
}

/// The topic, which must exist: reading makes nothing.
async fn open(bus: &Bus, command: &Consume) -> Result<Topic> {
    bus.topic(&command.topic, command.guarantee).await.map_err(connect::topic)
}

/// Where reading ends: the ends that the partitions had at the start, and the number of records asked for.
struct End {
    /// Partitions with records still to come, and the offset after their last.
    open: BTreeMap<i32, i64>,
    printed: u64,
}

impl End {
    async fn find(bus: &Bus, command: &Consume) -> Result<End> {
        let admin = Admin::new(bus.client());
        let info = admin.describe_topic(&command.topic).await.map_err(connect::client)?;
        let topic = Str::from(command.topic.as_str());
        let places = |spot: Spot| -> Vec<(TopicPartition, Spot)> {
            let at = |partition: i32| TopicPartition { topic: topic.clone(), partition };
            info.partitions.iter().map(|known| (at(known.partition), spot)).collect()
        };
        let ends = admin.list_offsets(&places(Spot::Latest)).await.map_err(connect::client)?;
        let firsts = admin.list_offsets(&places(Spot::Earliest)).await.map_err(connect::client)?;
        let first = |at: &TopicPartition| {
            firsts.iter().find(|(known, _)| known == at).and_then(|(_, found)| found.offset)
        };
        let committed = match &command.group {
            None => Vec::new(),
            Some(group) => match admin.group_offsets(&Str::from(group.as_str())).await {
                Ok(committed) => committed,
                // The group is made when its first member joins.
                Err(error) if error.code().is_some() => Vec::new(),
                Err(error) => return Err(connect::client(error)),
            },
        };
        let mut open = BTreeMap::new();
        for (at, found) in &ends {
            let known = committed.iter().find(|known| known.at == *at).and_then(|known| known.offset);
            let start = match (known, command.from) {
                (Some(known), _) => Some(known),
                (None, Position::End) => found.offset,
                (None, Position::Offset(offset)) => Some(offset),
                (None, _) => first(at),
            };
            if let Some(end) = found.offset.filter(|end| start.is_none_or(|start| start < *end)) {
                open.insert(at.partition, end);
            }
        }
        Ok(End { open, printed: 0 })
    }

    /// Notes that everything before `next` of a partition was seen.
    fn seen(&mut self, partition: i32, next: i64) {
        if self.open.get(&partition).is_some_and(|end| next >= *end) {
            self.open.remove(&partition);
        }
    }

    /// Notes what the group has read and committed, whichever member did.
    async fn look_at_group(&mut self, bus: &Bus, command: &Consume) -> Result<()> {
        let Some(group) = &command.group else { return Ok(()) };
        let committed = Admin::new(bus.client()).group_offsets(&Str::from(group.as_str())).await;
        for known in committed.map_err(connect::client)? {
            if let Some(offset) = known.offset.filter(|_| known.at.topic == command.topic.as_str()) {
                self.seen(known.at.partition, offset);
            }
        }
        Ok(())
    }

    /// Says which partitions nobody read to the end: another member is slow, or no record is left there.
    fn tell_what_is_left(&self) {
        for (partition, end) in &self.open {
            eprintln!(
                "poruka: nothing came of partition {partition} for {} s, short of its end at {end}: another \
                 member has it, or there is no record left",
                QUIET_MAX.as_secs()
            );
        }
    }

    fn reached(&self, command: &Consume) -> bool {
        command.count.is_some_and(|count| self.printed >= count) || (!command.follow && self.open.is_empty())
    }
}

/// Reads without a group and without further promises: straight from the partitions.
async fn read_plainly(bus: &Bus, command: &Consume, form: Form, end: &mut End) -> Result<()> {
    let info = Admin::new(bus.client()).describe_topic(&command.topic).await.map_err(connect::client)?;
    let topic = Str::from(command.topic.as_str());
    let start = match command.from {
        Position::Beginning => Start::Earliest,
        Position::End => Start::Latest,
        Position::Offset(offset) => Start::Offset(offset),
        Position::Time(ms) => Start::Timestamp(ms),
    };
    let at = |partition: i32| TopicPartition { topic: topic.clone(), partition };
    let places: Vec<(TopicPartition, Start)> =
        info.partitions.iter().map(|p| (at(p.partition), start)).collect();
    let consumer = Consumer::standalone(bus.client(), ConsumerConfig::default(), None);
    consumer.assign(&places).await.map_err(connect::client)?;
    while !end.reached(command) {
        let records = match next_event(&consumer, end, &topic).await? {
            Some(Event::Records(records)) => records,
            Some(Event::Failed { at, offset, why }) => {
                let what = format!("partition {} cannot be read at offset {offset}: {why}", at.partition);
                return Err(Problem::new(Exit::Refused, what));
            }
            _ => continue,
        };
        let partition = records.at.partition;
        for record in records.records {
            let received = Received {
                partition,
                offset: record.offset,
                timestamp_ms: record.timestamp,
                key: record.key,
                value: record.value,
                headers: record
                    .headers
                    .into_iter()
                    .map(|header| (header.key.to_string(), header.value))
                    .collect(),
                repeat: false,
            };
            if print(&received, form, end)? == Reader::Left || end.reached(command) {
                return Ok(());
            }
        }
        end.seen(partition, records.next_offset);
    }
    Ok(())
}

/// How often a reader looks whether its positions have passed the ends without a record: over removed records, offsets
/// that were reserved and never used, markers.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The next event; none when it is time to look at the positions.
async fn next_event(consumer: &Consumer, end: &mut End, topic: &Str) -> Result<Option<Event>> {
    match poruka_env::Env::real().timeout(LOOK_EVERY, consumer.next()).await {
        Ok(event) => event.map(Some).map_err(connect::client),
        Err(_) => {
            let open: Vec<i32> = end.open.keys().copied().collect();
            for partition in open {
                if let Some(position) = consumer.position(&TopicPartition { topic: topic.clone(), partition })
                {
                    end.seen(partition, position);
                }
            }
            Ok(None)
        }
    }
}

/// How long a member that does not follow waits without a record: at first for its partitions, then for what is left.
const JOIN_MAX: Duration = Duration::from_secs(15);
const QUIET_MAX: Duration = Duration::from_secs(5);
/// How often it looks meanwhile whether other members have read the rest.
const LOOK_AT_GROUP_EVERY: Duration = Duration::from_secs(1);

/// Reads as a member of a group, or with a promise. Without --follow it ends when every partition has been read to the
/// end that it had at the start, by this member or, as the committed positions say, by others of the group.
async fn read_with_guarantee(
    bus: &Bus,
    topic: &Topic,
    command: &Consume,
    form: Form,
    end: &mut End,
) -> Result<()> {
    let from = match command.from {
        Position::End => From::End,
        Position::Time(ms) => From::Timestamp(ms),
        Position::Beginning | Position::Offset(_) => From::Start,
    };
    let mut options = match &command.group {
        Some(group) => ConsumerOptions::group(group.as_str()),
        None => ConsumerOptions::alone(),
    };
    options = options.from(from);
    let mut consumer = topic.consumer_with(options).await.map_err(connect::consume)?;
    let env = poruka_env::Env::real();
    let (mut left, mut patience) = (Reader::Listens, env.now() + JOIN_MAX);
    while !end.reached(command) && left == Reader::Listens {
        let next = consumer.next();
        let batch = match command.follow {
            true => next.await,
            false => match env.timeout(LOOK_AT_GROUP_EVERY, next).await {
                Ok(batch) => batch,
                Err(_) if env.now() < patience => {
                    end.look_at_group(bus, command).await?;
                    continue;
                }
                Err(_) => {
                    end.tell_what_is_left();
                    break;
                }
            },
        };
        let batch = batch.map_err(connect::consume)?;
        patience = env.now() + QUIET_MAX;
        for notice in &batch.notices {
            eprintln!("poruka: {notice}");
        }
        for record in &batch.records {
            left = print(record, form, end)?;
            end.seen(record.partition, record.offset + 1);
            if left == Reader::Left {
                break;
            }
        }
        if left == Reader::Listens {
            consumer.commit(&batch).await.map_err(connect::consume)?;
        }
    }
    consumer.close().await;
    Ok(())
}

fn print(record: &Received, form: Form, end: &mut End) -> Result<Reader> {
    end.printed += 1;
    let line = match form {
        Form::Json => to_json(record).to_string(),
        Form::Text => {
            let text = |bytes: &Option<bytes::Bytes>| {
                bytes.as_deref().map_or("-".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let mark = if record.repeat { "\trepeat" } else { "" };
            format!(
                "{}:{}\t{}\t{}{mark}",
                record.partition,
                record.offset,
                text(&record.key),
                text(&record.value)
            )
        }
    };
    output::line(&line)
}

/// Text where the bytes are UTF-8, else `{"hex": ...}`: nothing is guessed and nothing is lost.
fn bytes_json(bytes: Option<&[u8]>) -> Value {
    match bytes.map(std::str::from_utf8) {
        None => Value::Null,
        Some(Ok(text)) => text.into(),
        Some(Err(_)) => {
            let hex: String = bytes.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"hex": hex})
        }
    }
}

fn to_json(record: &Received) -> Value {
    let headers: Vec<Value> = record
        .headers
        .iter()
        .map(|(name, value)| json!({"name": name, "value": bytes_json(value.as_deref())}))
        .collect();
    json!({
        "partition": record.partition, "offset": record.offset, "timestamp": record.timestamp_ms,
        "key": bytes_json(record.key.as_deref()), "value": bytes_json(record.value.as_deref()), "headers": headers,
        "repeat": record.repeat,
    })
}
