//! The producer of a topic: set as the guarantee asks, and honest about each record's end.
//!
//! What a send does follows from the guarantee alone:
//! - best-effort queues the record if there is room and drops it if not; it never waits, and nothing comes back;
//! - at-most-once waits for room, hands the record to the network once and claims nothing more;
//! - all others wait for room, retry until acked or until the deadline, and return where the record is.
//!
//! Ordered adds a sequence number per partition in a header; it is given out in the order in which records are taken.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use poruka_client::produce::{self, Mode, Outcome, Payload, ProducerConfig, Reserved, TABLE, Verdict};
use poruka_client::produce::{Cause, Failure, Next};
use poruka_wire::Str;
use poruka_wire::records::Header;

use crate::receipt::{Reached, Receipt, SendError};
use crate::record::Record;
use crate::sequence::{SEQUENCE_HEADER, Stamp};
use crate::settings::{Acks, Attempts, ProducerSettings, WhenFull};
use crate::topic::Topic;

/// How long [`Producer::close`] waits for records that are under way.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(30);

/// What may be chosen about a producer; the guarantee decides the rest.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// Records that are not finished may take this much memory, in bytes; then sends wait, or drop.
    pub memory_bytes_max: usize,
    /// How long a batch that is not full waits for more records.
    pub linger: Duration,
    /// A batch is closed at this size, in bytes before compression.
    pub batch_bytes_max: usize,
    /// Every record has its outcome at the latest so long after it was taken.
    pub delivery_timeout: Duration,
    /// An attempt without an answer after this is lost.
    pub request_timeout: Duration,
    /// How batches are compressed.
    pub compression: poruka_wire::records::Compression,
}

impl Default for ProducerOptions {
    fn default() -> ProducerOptions {
        let usual = ProducerConfig::default();
        ProducerOptions {
            memory_bytes_max: usual.memory_bytes_max,
            linger: usual.linger,
            batch_bytes_max: usual.batch_bytes_max,
            delivery_timeout: usual.delivery_timeout,
            request_timeout: usual.request_timeout,
            compression: usual.compression,
        }
    }
}

/// Sends records to one topic. Shared by reference between tasks.
///
/// Dropping it ends what is under way as unknown; [`Producer::close`] waits for it.
pub struct Producer {
    topic: Topic,
    name: Str,
    settings: ProducerSettings,
    inner: produce::Producer,
    sequences: Mutex<Sequences>,
}

/// The numbers that ordered records carry.
struct Sequences {
    instance: u64,
    next: HashMap<i32, u64>,
}

/// A record on its way; ready with its receipt. Dropping it changes nothing for the record.
#[derive(Debug)]
pub struct Pending {
    inner: Option<produce::Pending>,
    receipt: Receipt,
}

impl Pending {
    /// Waits until the record has its receipt, or provably or possibly has none.
    ///
    /// # Errors
    /// See [`SendError`]: it says whether the record may have been written, and what to do.
    pub async fn receipt(self) -> Result<Receipt, SendError> {
        let Pending { inner, mut receipt } = self;
        let Some(inner) = inner else { return Ok(receipt) };
        match inner.await {
            Outcome::Acked(acked) => {
                receipt.partition = Some(acked.partition);
                receipt.offset = acked.offset;
                Ok(receipt)
            }
            Outcome::Sent { partition } => {
                receipt.partition = Some(partition);
                receipt.reached = Reached::Sent;
                Ok(receipt)
            }
            Outcome::NotAppended(failure) => {
                let transient = is_transient(&failure);
                Err(SendError::NotWritten { topic: receipt.topic, failure, transient })
            }
            // Where no outcome is claimed, not knowing it is not an error: the one attempt was made.
            Outcome::Unknown(_) if receipt.reached == Reached::Sent => Ok(receipt),
            Outcome::Unknown(failure) => Err(SendError::Unknown { topic: receipt.topic, failure }),
        }
    }
}

/// Whether what kept a record out of the log may pass by itself.
fn is_transient(failure: &Failure) -> bool {
    match &failure.cause {
        Cause::Code(code) => TABLE
            .iter()
            .find(|row| row.code == *code)
            .is_none_or(|row| !matches!(row.verdict, Verdict::Refused(Next::Stop))),
        Cause::Lost | Cause::NotSent | Cause::Deadline => true,
        Cause::Closed | Cause::Unencodable(_) => false,
    }
}

impl Producer {
    pub(crate) async fn start(
        topic: Topic,
        options: ProducerOptions,
    ) -> Result<Producer, produce::SendError> {
        let settings = topic.settings().producer;
        let client = topic.client();
        let inner = produce::Producer::start(client, config(settings, &options));
        inner.prepare(topic.name()).await?;
        let sequences = Mutex::new(Sequences { instance: client.env().random_u64(), next: HashMap::new() });
        Ok(Producer { name: Str::from(topic.name()), topic, settings, inner, sequences })
    }

    /// The topic.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Sends a record and waits for its receipt. For best-effort nothing is waited for.
    ///
    /// Cancel safety: dropping the future leaves open whether the record is sent.
    ///
    /// # Errors
    /// See [`SendError`]: it says whether the record may have been written, and what to do.
    pub async fn send(&self, record: Record) -> Result<Receipt, SendError> {
        self.enqueue(record).await?.receipt().await
    }

    /// Takes a record and returns without waiting for its receipt, so that many can be under way. Waits while the
    /// producer's memory is full (that is the back-pressure), except for best-effort, which drops. Records of one
    /// partition are sent in the order in which these calls return.
    ///
    /// Cancel safety: the record is taken if and only if this returns.
    ///
    /// # Errors
    /// `Dropped` and `NotTaken`: the record is not sent.
    pub async fn enqueue(&self, record: Record) -> Result<Pending, SendError> {
        self.check(&record)?;
        if self.settings.when_full == WhenFull::Drop {
            return self.enqueue_or_drop(record);
        }
        let partition = record.partition;
        let payload = payload(record, self.settings.sequence_header);
        let reserved = self.inner.reserve(&self.name, payload.bytes()).await.map_err(not_taken)?;
        let partition = partition.unwrap_or_else(|| reserved.partition(payload.key.as_deref()));
        let pending = self.push(reserved, partition, payload)?;
        Ok(self.pending(Some(pending), Some(partition)))
    }

    fn enqueue_or_drop(&self, record: Record) -> Result<Pending, SendError> {
        let partition = record.partition;
        let record = produce::Record { topic: self.name.clone(), partition, payload: payload(record, false) };
        match self.inner.try_send(record) {
            Ok(pending) => {
                let partition = pending.partition();
                Ok(self.pending(None, Some(partition)))
            }
            Err(error @ (produce::SendError::Full | produce::SendError::NotReady(_))) => {
                Err(SendError::Dropped { why: error.to_string() })
            }
            Err(error) => Err(not_taken(error)),
        }
    }

    /// What no producer of this topic can send.
    fn check(&self, record: &Record) -> Result<(), SendError> {
        let why = if self.settings.sequence_header && record.partition.is_some() && record.key.is_some() {
            "on an ordered topic the key decides the partition; leave one of the two out"
        } else if self.settings.sequence_header
            && record.headers.iter().any(|(name, _)| name == SEQUENCE_HEADER)
        {
            "the header poruka-seq is the producer's own on an ordered topic; leave it out"
        } else {
            return Ok(());
        };
        Err(SendError::NotTaken { why: why.to_owned() })
    }

    /// Hands a record over, numbered if it has to be. The lock keeps numbers in the order of the records.
    fn push(
        &self,
        reserved: Reserved<'_>,
        partition: i32,
        mut payload: Payload,
    ) -> Result<produce::Pending, SendError> {
        if !self.settings.sequence_header {
            return reserved.push(partition, payload).map_err(not_taken);
        }
        let mut sequences = self.sequences.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = sequences.next.get(&partition).copied().unwrap_or(0);
        let stamp = Stamp { instance: sequences.instance, sequence };
        if let Some(header) = payload.headers.last_mut() {
            header.value = Some(Bytes::copy_from_slice(&stamp.to_bytes()));
        }
        let pending = reserved.push(partition, payload).map_err(not_taken)?;
        sequences.next.insert(partition, sequence + 1);
        Ok(pending)
    }

    fn pending(&self, inner: Option<produce::Pending>, partition: Option<i32>) -> Pending {
        let reached = match (&inner, self.settings.acks) {
            (Some(_), Acks::All) => Reached::Acked(self.topic.durability()),
            _ => Reached::Sent,
        };
        Pending {
            inner,
            receipt: Receipt { topic: self.topic.shared_name(), partition, offset: None, reached },
        }
    }

    /// Waits until every record taken so far has its outcome.
    pub async fn flush(&self) {
        self.inner.flush().await;
    }

    /// Records that were dropped for lack of room since the producer was made. Always 0 where sends wait.
    pub fn dropped(&self) -> u64 {
        self.inner.stats().dropped
    }

    /// What became of the records taken so far.
    pub fn stats(&self) -> produce::ProducerStats {
        self.inner.stats()
    }

    /// Takes no more records and waits, for at most 30 s, for those under way.
    pub async fn close(self) {
        self.inner.close(CLOSE_WAIT_MAX).await;
    }
}

fn config(settings: ProducerSettings, options: &ProducerOptions) -> ProducerConfig {
    let mode = match (settings.attempts, settings.stamped) {
        (Attempts::One, stamped) => Mode::SingleAttempt { stamped },
        (Attempts::UntilDeadline, true) => Mode::Stamped,
        (Attempts::UntilDeadline, false) => Mode::Plain,
    };
    ProducerConfig {
        mode,
        acks: match settings.acks {
            Acks::None => produce::Acks::None,
            Acks::All => produce::Acks::All,
        },
        compression: options.compression,
        linger: options.linger,
        batch_bytes_max: options.batch_bytes_max,
        memory_bytes_max: options.memory_bytes_max,
        delivery_timeout: options.delivery_timeout,
        request_timeout: options.request_timeout,
        ..ProducerConfig::default()
    }
}

/// The payload of a record; with room for the stamp as the last header when it is to have one.
fn payload(record: Record, stamped: bool) -> Payload {
    let mut headers: Vec<Header> =
        record.headers.into_iter().map(|(name, value)| Header { key: Str::from(name), value }).collect();
    if stamped {
        let room = Bytes::from_static(&[0; 16]);
        headers.push(Header { key: Str::from(SEQUENCE_HEADER), value: Some(room) });
    }
    Payload { key: record.key, value: record.value, headers, timestamp_ms: record.timestamp_ms }
}

fn not_taken(error: produce::SendError) -> SendError {
    SendError::NotTaken { why: error.to_string() }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("topic", &self.topic.name()).finish_non_exhaustive()
    }
}
