//! The consumer of a topic: it commits when the guarantee says, and tells what records alone do not show.
//!
//! - At-most-once commits each batch, and has the answer, before it hands the batch out. A commit whose answer is lost
//!   is looked up by the note that it carried; while that cannot be settled nothing is handed out, and what can never be
//!   settled is given up and told.
//! - All others hand out first and commit what they are told is handled; after a crash it comes again.
//! - Ordered watches the sequence header per partition.
//!
//! Fault model: the broker or its coordinator may be away for any time, commits and their answers may be lost, other
//! members may take partitions over at any time (a commit from a member that lost them is refused by the broker).

mod before;
mod error;
mod notice;
mod options;
mod run;

use std::collections::BTreeMap;

use poruka_client::admin::Admin;
use poruka_client::consume::{self, ConsumerConfig, Event, GroupConfig, Records, Reset, Start};
use poruka_client::produce::TopicPartition;
use poruka_client::{Commit, Spot};
use poruka_wire::Str;
use poruka_wire::records::Record as Consumed;

use crate::record::Received;
use crate::sequence::{SEQUENCE_HEADER, Seen, Stamp, Watch};
use crate::settings::{BeyondEnd, Commit as CommitWhen};
use crate::topic::Topic;
pub use error::{ConsumeError, RunError};
pub use notice::{Moved, Notice};
pub use options::{ConsumerOptions, From};

/// Records of one partition in order, and what happened before them. Either may be empty, not both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records.
    pub records: Vec<Received>,
    /// What happened, in order.
    pub notices: Vec<Notice>,
    /// What to commit once the records are handled.
    done: Option<Commit>,
}

/// Reads one topic.
///
/// Dropping it leaves its group by time-out; [`Consumer::close`] leaves at once.
pub struct Consumer {
    topic: Topic,
    options: ConsumerOptions,
    inner: consume::Consumer,
    watches: BTreeMap<i32, Watch>,
    /// Where each partition was last handed out up to.
    handed_out: BTreeMap<i32, Commit>,
    /// Handled, not committed yet.
    handled: BTreeMap<i32, Commit>,
    notices: Vec<Notice>,
    /// Work that an event has begun and a dropped future may have left unfinished.
    revoking: Vec<TopicPartition>,
    lost_positions: Vec<(TopicPartition, Option<i64>)>,
    commits_made: u64,
}

impl Consumer {
    pub(crate) async fn start(topic: Topic, options: ConsumerOptions) -> Result<Consumer, ConsumeError> {
        let config = ConsumerConfig {
            // Where to go without a position depends on why there is none, so it is decided here.
            reset: Reset::Stop,
            max_wait: options.wait_max,
            retry_timeout: options.commit_timeout,
            ..ConsumerConfig::default()
        };
        let client = topic.client();
        let inner = match &options.group {
            Some(group) => {
                let group = GroupConfig::new(group.as_str(), [Str::from(topic.name())]);
                consume::Consumer::subscribe(client, config, group)
            }
            None if topic.settings().consumer.commit == CommitWhen::BeforeHandling => {
                return Err(ConsumeError::NeedsGroup);
            }
            None => {
                let partitions = client.topic(topic.name()).await?.partitions;
                let start = start(options.from);
                let all: Vec<(TopicPartition, Start)> =
                    partitions.iter().map(|known| (at(&topic, known.partition), start)).collect();
                let reader = consume::Consumer::standalone(client, config, None);
                reader.assign(&all).await?;
                reader
            }
        };
        Ok(Consumer {
            topic,
            options,
            inner,
            watches: BTreeMap::new(),
            handed_out: BTreeMap::new(),
            handled: BTreeMap::new(),
            notices: Vec::new(),
            revoking: Vec::new(),
            lost_positions: Vec::new(),
            commits_made: 0,
        })
    }

    /// The topic.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The next records, or the next thing to be told. Waits for as long as there is neither.
    ///
    /// With at-most-once the records are committed by now and must be handled at once; with all other guarantees call
    /// [`Consumer::commit`] once they are handled.
    ///
    /// Cancel safety: with at-most-once, records whose commit is under way when the future is dropped are lost.
    ///
    /// # Errors
    /// See [`ConsumeError`]. The consumer may be used again after an error.
    pub async fn next(&mut self) -> Result<Batch, ConsumeError> {
        loop {
            self.finish_what_was_begun().await?;
            if let Some(told) = self.told() {
                return Ok(told);
            }
            let event = self.inner.next().await?;
            if let Some(batch) = self.take_in(event).await? {
                return Ok(batch);
            }
        }
    }

    async fn finish_what_was_begun(&mut self) -> Result<(), ConsumeError> {
        if !self.revoking.is_empty() {
            // What is handled by now is committed while the partitions are still ours; what is not comes again.
            let committed = self.commit_handled().await;
            let partitions = std::mem::take(&mut self.revoking);
            self.inner.release(&partitions);
            self.forget(&partitions);
            self.notices.push(Notice::Revoked(numbers(&partitions)));
            committed?;
        }
        while let Some((at, from)) = self.lost_positions.last().cloned() {
            self.find_position(&at, from).await?;
            self.lost_positions.pop();
        }
        Ok(())
    }

    /// What an event comes to for the application: records, a notice, or nothing.
    async fn take_in(&mut self, event: Event) -> Result<Option<Batch>, ConsumeError> {
        match event {
            Event::Records(records) => return self.records(records).await,
            Event::Assigned(partitions) => {
                let numbers = numbers(&partitions);
                self.notices.push(Notice::Assigned(numbers));
            }
            Event::Revoking(partitions) => self.revoking.extend(partitions),
            Event::Lost(partitions) => {
                self.forget(&partitions);
                self.notices.push(Notice::Lost(numbers(&partitions)));
            }
            Event::NoPosition { at, from } => self.lost_positions.push((at, from)),
            Event::Reset { at, from: Some(from), to } | Event::Truncated { at, from, to } => {
                self.moved(at.partition, from, to);
            }
            Event::Reset { from: None, .. } => {}
            Event::TopicReborn { .. } => {
                self.watches.clear();
                self.handed_out.clear();
                self.handled.clear();
                self.notices.push(Notice::TopicMadeAnew);
            }
            Event::Failed { at, offset, why } => {
                return Err(ConsumeError::Unreadable { partition: at.partition, offset, why });
            }
            Event::GroupFailed { code, message } => return Err(ConsumeError::Group { code, message }),
        }
        Ok(None)
    }

    /// What there is to tell without records.
    fn told(&mut self) -> Option<Batch> {
        let notices = std::mem::take(&mut self.notices);
        (!notices.is_empty()).then(|| Batch { notices, ..Batch::default() })
    }

    async fn records(&mut self, records: Records) -> Result<Option<Batch>, ConsumeError> {
        let done = Commit {
            at: records.at.clone(),
            topic_id: records.topic_id,
            offset: records.next_offset,
            leader_epoch: records.leader_epoch,
            note: Str::default(),
        };
        if self.topic.settings().consumer.commit == CommitWhen::BeforeHandling {
            if !self.commit_before(&records, &done).await? {
                return Ok(self.told());
            }
            let batch = self.batch(records, None);
            return Ok(Some(batch));
        }
        Ok(Some(self.batch(records, Some(done))))
    }

    fn batch(&mut self, records: Records, done: Option<Commit>) -> Batch {
        let partition = records.at.partition;
        let compacted = self.topic.facts().compacted;
        let watched = self.topic.settings().consumer.watch_sequences;
        let watch = self.watches.entry(partition).or_insert_with(|| Watch::new(partition, compacted));
        let mut told = Vec::new();
        let mut received = Vec::with_capacity(records.records.len());
        for record in records.records {
            let seen = match watched {
                true => watch.see(record.offset, stamp(&record), &mut told),
                false => Seen::Next,
            };
            received.push(into_received(partition, record, seen == Seen::Repeat));
        }
        if let Some(done) = &done {
            self.handed_out.insert(partition, done.clone());
        }
        let mut notices = std::mem::take(&mut self.notices);
        notices.extend(told.into_iter().map(Notice::Sequence));
        Batch { records: received, notices, done }
    }

    /// Reading has no position: where it goes on depends on why.
    async fn find_position(&mut self, at: &TopicPartition, from: Option<i64>) -> Result<(), ConsumeError> {
        let Some(from) = from else {
            self.inner.seek(at, start(self.options.from));
            return Ok(());
        };
        let earliest = self.offset_at(at, Spot::Earliest).await?.unwrap_or(0);
        let beyond = self.topic.settings().consumer.beyond_end;
        let to = if earliest > from || beyond == BeyondEnd::FromStart {
            earliest
        } else {
            self.offset_at(at, Spot::Latest).await?.unwrap_or(from)
        };
        self.inner.seek(at, Start::Offset(to));
        self.moved(at.partition, from, to);
        Ok(())
    }

    async fn offset_at(&self, at: &TopicPartition, spot: Spot) -> Result<Option<i64>, ConsumeError> {
        let found = Admin::new(self.topic.client()).list_offsets(&[(at.clone(), spot)]).await?;
        Ok(found.first().and_then(|(_, found)| found.offset))
    }

    fn moved(&mut self, partition: i32, from: i64, to: i64) {
        let because = if to > from { Moved::Expired } else { Moved::LogEndedBefore };
        if let Some(watch) = self.watches.get_mut(&partition)
            && because == Moved::Expired
        {
            watch.expired();
        }
        self.notices.push(Notice::PositionMoved { partition, from, to, because });
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            self.watches.remove(&at.partition);
            self.handed_out.remove(&at.partition);
            self.handled.remove(&at.partition);
        }
    }

    /// Goes on reading a partition at this offset, for instance behind a record that cannot be read
    /// ([`ConsumeError::Unreadable`]). False when this consumer does not read the partition, or when the guarantee is
    /// at-most-once and the offset lies behind: what is there may have been handled.
    pub fn seek(&mut self, partition: i32, offset: i64) -> bool {
        let at = at(&self.topic, partition);
        let never_twice = self.topic.settings().consumer.commit == CommitWhen::BeforeHandling;
        if never_twice && self.inner.position(&at).is_some_and(|position| offset < position) {
            return false;
        }
        self.inner.seek(&at, Start::Offset(offset))
    }

    /// Tells that a batch is handled, and commits that: after a crash it does not come again. Does nothing with
    /// at-most-once, where it was committed before, and without a group.
    ///
    /// # Errors
    /// [`ConsumeError::Commit`]: the batch may come again.
    pub async fn commit(&mut self, batch: &Batch) -> Result<(), ConsumeError> {
        self.mark(batch);
        self.commit_handled().await
    }

    /// Tells that everything handed out so far is handled, and commits that.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_all(&mut self) -> Result<(), ConsumeError> {
        self.handled.extend(std::mem::take(&mut self.handed_out));
        self.commit_handled().await
    }

    /// Notes that a batch is handled; it is committed with the next commit.
    fn mark(&mut self, batch: &Batch) {
        if let Some(done) = &batch.done {
            self.handled.insert(done.at.partition, done.clone());
        }
    }

    async fn commit_handled(&mut self) -> Result<(), ConsumeError> {
        if self.options.group.is_none() || self.handled.is_empty() {
            return Ok(());
        }
        let commits: Vec<Commit> = self.handled.values().cloned().collect();
        self.inner.commit(&commits).await?;
        self.handled.clear();
        Ok(())
    }

    /// Leaves the group, so that its other members take over at once. What was handed out and not committed comes
    /// again, except with at-most-once.
    pub async fn close(self) {
        self.inner.close().await;
    }
}

fn at(topic: &Topic, partition: i32) -> TopicPartition {
    TopicPartition { topic: Str::from(topic.name()), partition }
}

fn start(from: From) -> Start {
    match from {
        From::Start => Start::Earliest,
        From::End => Start::Latest,
        From::Timestamp(ms) => Start::Timestamp(ms),
    }
}

fn numbers(partitions: &[TopicPartition]) -> Vec<i32> {
    partitions.iter().map(|at| at.partition).collect()
}

fn stamp(record: &Consumed) -> Option<Stamp> {
    let header = record.headers.iter().rev().find(|header| &*header.key == SEQUENCE_HEADER);
    header.and_then(|header| Stamp::from_bytes(header.value.as_deref()?))
}

fn into_received(partition: i32, record: Consumed, repeat: bool) -> Received {
    Received {
        partition,
        offset: record.offset,
        timestamp_ms: record.timestamp,
        key: record.key,
        value: record.value,
        headers: record.headers.into_iter().map(|header| (header.key.to_string(), header.value)).collect(),
        repeat,
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("topic", &self.topic.name())
            .field("group", &self.options.group)
            .finish_non_exhaustive()
    }
}
