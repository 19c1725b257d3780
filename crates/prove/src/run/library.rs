//! The library under test, behind the workbench: each producer and each consumer on a bus of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use poruka::{
    Batch, Bus, Commit, ConsumeError, Consumer, ConsumerOptions, Notice, Producer, ProducerOptions, Reached,
    Record, SendError, Topic, TopicSpec,
};
use poruka_env::{Env, Mono};
use poruka_guarantee::Name;

use super::workbench::{BenchProducer, Boxed, Handled, Handler, Started, Words, Workbench};
use crate::history::Outcome;

/// A send that has no outcome after this long is reported by the library as unknown or not written.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(60);
/// An answer that has not come after this long is lost.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a batch waits for more records.
const LINGER: Duration = Duration::from_millis(2);
/// How long a fetch waits for records.
const FETCH_WAIT: Duration = Duration::from_millis(100);
/// How often handled records are committed.
const COMMIT_EVERY: Duration = Duration::from_millis(50);

/// What may differ without changing what is promised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    pub(crate) linger: Duration,
    pub(crate) fetch_wait: Duration,
    pub(crate) commit_every: Duration,
    pub(crate) batch_bytes_max: usize,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            linger: LINGER,
            fetch_wait: FETCH_WAIT,
            commit_every: COMMIT_EVERY,
            batch_bytes_max: ProducerOptions::default().batch_bytes_max,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Library {
    pub(crate) env: Env,
    /// The proxy's "host:port".
    pub(crate) addr: String,
    pub(crate) name: Name,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) partitions: i32,
    pub(crate) tuning: Tuning,
}

impl Library {
    async fn open(&self) -> Result<Topic, Words> {
        let address = format!("kafka://{}", self.addr);
        let bus = Bus::connect_with(self.env.clone(), &address, Default::default())
            .await
            .map_err(|error| error.to_string())?;
        let spec = TopicSpec::new(self.name).partitions(self.partitions);
        bus.topic(&self.topic, spec).await.map_err(|error| error.to_string())
    }
}

impl Workbench for Library {
    fn prepare(&self) -> Boxed<'_, Result<(), Words>> {
        Box::pin(async { self.open().await.map(drop) })
    }

    fn producer(&self) -> Boxed<'_, Result<Arc<dyn BenchProducer>, Words>> {
        Box::pin(async {
            let options = ProducerOptions {
                linger: self.tuning.linger,
                batch_bytes_max: self.tuning.batch_bytes_max,
                delivery_timeout: DELIVERY_TIME_MAX,
                request_timeout: REQUEST_TIME_MAX,
                ..ProducerOptions::default()
            };
            let producer =
                self.open().await?.producer_with(options).await.map_err(|error| error.to_string())?;
            Ok(Arc::new(LibraryProducer(producer)) as Arc<dyn BenchProducer>)
        })
    }

    fn consume(&self, handler: Handler) -> Boxed<'_, Words> {
        Box::pin(async move {
            match self.run(handler).await {
                Ok(()) => "the consumer stopped by itself".to_owned(),
                Err(words) => words,
            }
        })
    }
}

impl Library {
    async fn run(&self, handler: Handler) -> Result<(), Words> {
        let options = ConsumerOptions {
            wait_max: self.tuning.fetch_wait,
            ..ConsumerOptions::group(self.group.as_str())
        };
        let topic = self.open().await?;
        let mut consumer = topic.consumer_with(options).await.map_err(|error| error.to_string())?;
        if topic.settings().consumer.commit == Commit::BeforeHandling {
            loop {
                if let Some(batch) = goes_on(consumer.next().await)? {
                    hand_over(&batch, &handler);
                }
            }
        }
        let mut handled = Uncommitted { since: self.env.now(), batches: BTreeMap::new() };
        loop {
            let next = match handled.batches.is_empty() {
                true => Ok(consumer.next().await),
                false => self.env.timeout(self.tuning.commit_every, consumer.next()).await,
            };
            if let Ok(next) = next
                && let Some(batch) = goes_on(next)?
            {
                hand_over(&batch, &handler);
                handled.add(batch, self.env.now());
            }
            if self.env.now() - handled.since >= self.tuning.commit_every {
                handled.commit(&mut consumer).await?;
            }
        }
    }
}

/// A position that was not committed is no end: the records come again, and the consumer may be used on.
fn goes_on<T>(result: Result<T, ConsumeError>) -> Result<Option<T>, Words> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ConsumeError::Commit(error)) => {
            tracing::debug!(%error, "a position was not committed");
            Ok(None)
        }
        Err(error) => Err(error.to_string()),
    }
}

fn hand_over(batch: &Batch, handler: &Handler) {
    for record in &batch.records {
        handler(Handled {
            partition: record.partition,
            offset: record.offset,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
        });
    }
}

/// The newest handled batch of each partition. A crash loses it, and its records come again.
struct Uncommitted {
    since: Mono,
    batches: BTreeMap<i32, Batch>,
}

impl Uncommitted {
    fn add(&mut self, batch: Batch, now: Mono) {
        for notice in &batch.notices {
            match notice {
                Notice::Revoked(partitions) | Notice::Lost(partitions) => {
                    self.batches.retain(|partition, _| !partitions.contains(partition));
                }
                Notice::TopicMadeAnew => self.batches.clear(),
                Notice::Sequence(_)
                | Notice::PositionMoved { .. }
                | Notice::GivenUp { .. }
                | Notice::Assigned(_) => {}
            }
        }
        if let Some(partition) = batch.records.last().map(|record| record.partition) {
            if self.batches.is_empty() {
                self.since = now;
            }
            self.batches.insert(partition, batch);
        }
    }

    async fn commit(&mut self, consumer: &mut Consumer) -> Result<(), Words> {
        while let Some((_, batch)) = self.batches.pop_first() {
            goes_on(consumer.commit(&batch).await)?;
        }
        Ok(())
    }
}

struct LibraryProducer(Producer);

impl BenchProducer for LibraryProducer {
    fn send(&self, key: Option<Bytes>, value: Bytes) -> Boxed<'_, Started> {
        Box::pin(async move {
            let record = Record { key, value: Some(value), ..Record::default() };
            match self.0.enqueue(record).await {
                Ok(pending) => Started::Pending(Box::pin(async { outcome(pending.receipt().await) })),
                Err(error) => Started::Ended(outcome(Err(error))),
            }
        })
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(self.0.flush())
    }

    /// Here it shares its process with the prover, which plans no crash of a producer.
    fn crash(&self) {}
}

fn outcome(result: Result<poruka::Receipt, SendError>) -> Outcome {
    match result {
        Ok(receipt) => match receipt.reached {
            Reached::Sent => Outcome::Sent,
            Reached::Acked(_) => Outcome::Acked {
                partition: receipt.partition.unwrap_or(-1),
                offset: receipt.offset.unwrap_or(-1),
            },
        },
        Err(SendError::Unknown { .. }) => Outcome::Unknown,
        Err(SendError::Dropped { .. } | SendError::NotTaken { .. } | SendError::NotWritten { .. }) => {
            Outcome::NotAppended
        }
    }
}
