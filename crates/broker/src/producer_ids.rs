//! Producer ids: unique for as long as the data folder lives.
//!
//! Ids are reserved in blocks, and an id is told only once its block is durable. What is left of a block after a
//! restart is never used: a gap costs nothing, a repeat would let two producers pass for one.

use std::sync::{Arc, Mutex, PoisonError};

use poruka_log::{StateLog, StateLogError, StorageFailed, Ticket};

use crate::state::Fact;

/// Ids that are reserved at a time, as many as Kafka reserves.
const BLOCK: i64 = 1000;

pub(crate) struct ProducerIds {
    log: Arc<StateLog>,
    next: Mutex<Next>,
}

struct Next {
    id: i64,
    reserved_below: i64,
    /// The newest reservation: an id is told once it is durable.
    reservation: Option<Ticket>,
}

/// An id, and what must be durable before it is told.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) id: i64,
    after: Option<Ticket>,
}

impl ProducerIds {
    /// Ids from `below` on, which is what was reserved so far.
    pub(crate) fn new(log: Arc<StateLog>, below: i64) -> ProducerIds {
        ProducerIds { log, next: Mutex::new(Next { id: below, reserved_below: below, reservation: None }) }
    }

    /// Takes the next id.
    pub(crate) fn take(&self) -> Result<Taken, StateLogError> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.id >= next.reserved_below {
            let below = next.reserved_below + BLOCK;
            next.reservation = Some(self.log.append(vec![Fact::ProducerIds(below).encode()])?);
            next.reserved_below = below;
        }
        let id = next.id;
        next.id += 1;
        Ok(Taken { id, after: next.reservation })
    }

    /// Whether an id may be told now.
    pub(crate) fn is_durable(&self, taken: Taken) -> bool {
        taken.after.is_none_or(|ticket| self.log.partition().reached(ticket))
    }

    /// Waits until an id may be told.
    pub(crate) async fn durable(&self, taken: Taken) -> Result<(), StorageFailed> {
        match taken.after {
            Some(ticket) => self.log.wait(ticket).await,
            None => Ok(()),
        }
    }
}
