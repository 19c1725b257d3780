//! The producer as its users see it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use poruka_env::Task;
use poruka_wire::Str;
use tokio::sync::oneshot;

use super::batch::{Payload, TopicPartition};
use super::config::ProducerConfig;
use super::driver::{Shared, Token, leader_of, run};
use super::outcome::{Cause, Failure, Outcome};
use crate::cluster::Client;
use crate::error::ClientError;

/// A record and where it is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its topic.
    pub topic: Str,
    /// Its partition; `None` lets the key decide, or the producer if there is none.
    pub partition: Option<i32>,
    /// What it carries.
    pub payload: Payload,
}

/// Why a record was not taken. It was not sent, and never will be.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The producer's memory is full of unfinished records (`try_send` only).
    #[error("the producer's memory is full; slow down, or raise its limit")]
    Full,
    /// The topic is not known yet (`try_send` only): it is being looked up.
    #[error("topic {0:?} is not known yet; prepare it before the first record")]
    NotReady(String),
    /// The record alone is larger than the producer's memory.
    #[error("record of {bytes} bytes is larger than the producer's memory of {max}; send smaller records")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The topic has no such partition.
    #[error("topic {topic:?} has no partition {partition}, only {count}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: i32,
        /// How many it has.
        count: i32,
    },
    /// The topic could not be looked up.
    #[error(transparent)]
    Topic(#[from] ClientError),
    /// The producer is closed.
    #[error("the producer is closed")]
    Closed,
}

/// What becomes of a record: ready with its outcome, at the latest when the delivery timeout has passed. Dropping it
/// changes nothing for the record.
#[derive(Debug)]
pub struct Pending {
    partition: i32,
    receiver: oneshot::Receiver<Outcome>,
}

impl Pending {
    /// The partition that the record goes to.
    pub fn partition(&self) -> i32 {
        self.partition
    }
}

impl Future for Pending {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let gone = || Outcome::Unknown(Failure { cause: Cause::Closed, attempts: 0, message: None });
        Pin::new(&mut self.receiver).poll(cx).map(|outcome| outcome.unwrap_or_else(|_| gone()))
    }
}

/// Room in the producer's memory for one record, and the shape of its topic. `push` takes its place in the order at once.
pub struct Reserved<'a> {
    producer: &'a Producer,
    topic: Str,
    partitions: i32,
    bytes: u32,
}

impl Reserved<'_> {
    /// The partition that a record with this key goes to.
    pub fn partition(&self, key: Option<&[u8]>) -> i32 {
        self.producer.choose(&self.topic, key, self.partitions, self.bytes as usize)
    }

    /// Hands the record over. Records of one partition are sent in the order of these calls.
    ///
    /// # Errors
    /// `NoPartition`, `TooLarge` (larger than what was reserved), `Closed`.
    pub fn push(mut self, partition: i32, payload: Payload) -> Result<Pending, SendError> {
        let (needed, reserved) = (payload.bytes(), self.bytes as usize);
        if needed > reserved {
            return Err(SendError::TooLarge { bytes: needed, max: reserved });
        }
        if partition < 0 || partition >= self.partitions {
            let topic = self.topic.to_string();
            return Err(SendError::NoPartition { topic, partition, count: self.partitions });
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.producer.push(&self.topic, partition, payload, bytes)
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.producer.shared.memory.add_permits(self.bytes as usize);
    }
}

/// Counters of a producer, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProducerStats {
    /// Records that `try_send` did not take.
    pub dropped: u64,
    /// Records acked, or sent without asking for an ack.
    pub done: u64,
    /// Records that ended as not appended or unknown.
    pub failed: u64,
}

/// Sends records. Shared by reference between tasks; dropping it ends what is unfinished as closed.
pub struct Producer {
    shared: Arc<Shared>,
    task: Task,
}

impl Producer {
    /// Starts a producer on a cluster. Nothing is sent before the first record.
    pub fn start(client: &Client, config: ProducerConfig) -> Producer {
        let shared = Arc::new(Shared::new(client.clone(), config));
        let task = client.env().spawn("producer", run(Arc::clone(&shared)));
        Producer { shared, task }
    }

    /// Makes a topic known, so that `try_send` can take records for it. Returns its number of partitions.
    ///
    /// # Errors
    /// When the topic does not exist or the cluster does not answer.
    pub async fn prepare(&self, topic: &str) -> Result<i32, ClientError> {
        let known = self.shared.client.topic(topic).await?;
        Ok(i32::try_from(known.partitions.len()).unwrap_or(i32::MAX))
    }

    /// Waits for room for `bytes` (see [`Payload::bytes`]) and for the topic to be known.
    ///
    /// Cancel safety: dropping the future, or what it returns, gives the room back.
    ///
    /// # Errors
    /// `TooLarge`, `Topic`, `Closed`.
    pub async fn reserve(&self, topic: &Str, bytes: usize) -> Result<Reserved<'_>, SendError> {
        let permits = self.permits(bytes)?;
        let partitions = match self.known_partitions(topic) {
            Some(count) => count,
            None => self.prepare(topic).await?,
        };
        let Ok(room) = self.shared.memory.acquire_many(permits).await else { return Err(SendError::Closed) };
        room.forget();
        Ok(Reserved { producer: self, topic: topic.clone(), partitions, bytes: permits })
    }

    /// Sends a record: waits for room (that is the back-pressure), then returns at once; the outcome comes by [`Pending`].
    ///
    /// Cancel safety: until this returns the record is not taken; afterwards it is, whatever becomes of `Pending`.
    ///
    /// # Errors
    /// The record was not taken and will not be sent: `TooLarge`, `NoPartition`, `Topic`, `Closed`.
    pub async fn send(&self, record: Record) -> Result<Pending, SendError> {
        let reserved = self.reserve(&record.topic, record.payload.bytes()).await?;
        let partition = record.partition.unwrap_or_else(|| reserved.partition(record.payload.key.as_deref()));
        reserved.push(partition, record.payload)
    }

    /// Sends a record if that needs no waiting; else drops it and counts it.
    ///
    /// # Errors
    /// As `send`, and `Full` and `NotReady`.
    pub fn try_send(&self, record: Record) -> Result<Pending, SendError> {
        let taken = self.take_now(record);
        if taken.is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    fn take_now(&self, record: Record) -> Result<Pending, SendError> {
        let bytes = self.permits(record.payload.bytes())?;
        let Some(partitions) = self.known_partitions(&record.topic) else {
            self.shared.lock().machine.refresh.insert(record.topic.clone());
            self.shared.wake.notify_one();
            return Err(SendError::NotReady(record.topic.to_string()));
        };
        let Ok(room) = self.shared.memory.try_acquire_many(bytes) else { return Err(SendError::Full) };
        room.forget();
        let reserved = Reserved { producer: self, topic: record.topic, partitions, bytes };
        let partition = record.partition.unwrap_or_else(|| reserved.partition(record.payload.key.as_deref()));
        reserved.push(partition, record.payload)
    }

    fn permits(&self, bytes: usize) -> Result<u32, SendError> {
        let max = self.shared.config.memory_bytes_max;
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(SendError::Closed);
        }
        match u32::try_from(bytes) {
            Ok(permits) if bytes <= max => Ok(permits),
            _ => Err(SendError::TooLarge { bytes, max }),
        }
    }

    fn known_partitions(&self, topic: &str) -> Option<i32> {
        let metadata = self.shared.client.metadata();
        metadata.topic(topic).map(|known| i32::try_from(known.partitions.len()).unwrap_or(i32::MAX))
    }

    fn choose(&self, topic: &Str, key: Option<&[u8]>, partitions: i32, bytes: usize) -> i32 {
        let random = if key.is_none() { self.shared.client.env().random_u64() } else { 0 };
        let batch = self.shared.config.batch_bytes_max;
        self.shared.lock().partitioner.choose(topic, key, partitions, bytes, batch, random)
    }

    fn push(
        &self,
        topic: &Str,
        partition: i32,
        mut payload: Payload,
        bytes: u32,
    ) -> Result<Pending, SendError> {
        let shared = &self.shared;
        payload.timestamp_ms.get_or_insert_with(|| shared.client.env().wall_ms());
        let at = TopicPartition { topic: topic.clone(), partition };
        let (outcome, receiver) = oneshot::channel();
        let now = shared.client.env().now();
        let look = {
            let mut state = shared.lock();
            if shared.closed.load(Ordering::Acquire) {
                shared.memory.add_permits(bytes as usize);
                return Err(SendError::Closed);
            }
            if !state.machine.knows(&at) {
                let leader = leader_of(&shared.client.metadata(), &at);
                state.machine.set_leader(&at, leader);
            }
            state.machine.push(now, &at, payload, Token { outcome, bytes })
        };
        if look {
            shared.wake.notify_one();
        }
        Ok(Pending { partition, receiver })
    }

    /// Sends what is waiting now, and waits until every record handed over so far has its outcome.
    ///
    /// Cancel safety: may be dropped and called again.
    pub async fn flush(&self) {
        let mark = self.shared.lock().machine.flush();
        self.shared.wake.notify_one();
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.shared.lock().machine.is_finished_up_to(mark) {
                return;
            }
            settled.await;
        }
    }

    /// Takes no more records, flushes for at most `within`, ends the rest as closed.
    pub async fn close(&self, within: Duration) {
        self.shared.closed.store(true, Ordering::Release);
        let _ = self.shared.client.env().timeout(within, self.flush()).await;
        self.end();
    }

    fn end(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.ended.store(true, Ordering::Release);
        self.task.abort();
        let finished = {
            let mut state = self.shared.lock();
            state.machine.abandon();
            state.machine.take_finished()
        };
        self.shared.deliver(finished);
        self.shared.client.close_lane(self.shared.lane);
    }

    /// Its counters.
    pub fn stats(&self) -> ProducerStats {
        ProducerStats {
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            done: self.shared.acked.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.end();
    }
}
