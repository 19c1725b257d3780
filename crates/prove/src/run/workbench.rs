//! What a phase needs of a client under test, so that the driver does not know which client it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::history::{Delivery, Outcome};
use crate::payload::Truth;

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why something of the client under test did not work, in its own words.
pub(crate) type Words = String;

/// A client under test, set to one guarantee and topic.
pub(crate) trait Workbench: Send + Sync {
    /// Makes the topic.
    fn prepare(&self) -> Boxed<'_, Result<(), Words>>;

    /// A new producer on a connection of its own.
    fn producer(&self) -> Boxed<'_, Result<Arc<dyn BenchProducer>, Words>>;

    /// Runs a new consumer of the group until it fails. Dropping the future is the crash of a consumer.
    fn consume(&self, handler: Handler) -> Boxed<'_, Words>;
}

/// A producer under test.
pub(crate) trait BenchProducer: Send + Sync {
    /// Takes the record, waiting for room where the guarantee waits.
    fn send(&self, key: Option<Bytes>, value: Bytes) -> Boxed<'_, Started>;

    /// Waits for what is under way.
    fn close(&self) -> Boxed<'_, ()>;

    /// The end of its process: what is under way has no outcome.
    fn crash(&self);
}

/// A send that was begun.
pub(crate) enum Started {
    /// Its end is known.
    Ended(Outcome),
    /// Its end comes later.
    Pending(Boxed<'static, Outcome>),
}

/// A record in the hands of a handler.
pub(crate) struct Handled<'a> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

/// Called for each record that a handler gets.
pub(crate) type Handler = Arc<dyn Fn(Handled<'_>) + Send + Sync>;

/// Collects deliveries of all consumers in the order of the calls.
#[derive(Default)]
pub(crate) struct Deliveries {
    collected: Mutex<Collected>,
}

#[derive(Default)]
struct Collected {
    deliveries: Vec<Delivery>,
    /// By record index.
    handled: Vec<bool>,
    distinct: u64,
}

impl Deliveries {
    pub(crate) fn new(records: usize) -> Deliveries {
        let collected =
            Collected { deliveries: Vec::with_capacity(records), handled: vec![false; records], distinct: 0 };
        Deliveries { collected: Mutex::new(collected) }
    }

    pub(crate) fn add(&self, delivery: Delivery) {
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Truth { index, .. }) = delivery.truth
            && let Some(handled) = collected.handled.get_mut(index as usize)
            && !std::mem::replace(handled, true)
        {
            collected.distinct += 1;
        }
        collected.deliveries.push(delivery);
    }

    /// Distinct records that were handled.
    pub(crate) fn distinct(&self) -> u64 {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner).distinct
    }

    /// How many of these records were never handled.
    pub(crate) fn missing(&self, indexes: &[u32]) -> usize {
        let collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.iter().filter(|index| !collected.handled.get(**index as usize).is_some_and(|is| *is)).count()
    }

    pub(crate) fn take(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.collected.lock().unwrap_or_else(PoisonError::into_inner).deliveries)
    }
}
