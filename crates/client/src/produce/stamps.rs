//! Producer id and epoch of one producer, and when its epoch may rise. Pure.
//!
//! Source: KIP-98, KIP-360 (a non-transactional producer raises its epoch by itself and restarts sequences at 0), KIP-890.
//! Sequences are per partition and live there; this file only says under which (id, epoch) they are counted.

use std::fmt;

/// The largest epoch a client may raise itself to; then a new producer id is asked for.
const EPOCH_MAX: i16 = i16::MAX - 1;

/// The identity under which batches are stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Producer id, given by a broker.
    pub producer_id: i64,
    /// Epoch: a broker refuses batches of an older one.
    pub epoch: i16,
}

/// What the producer knows about its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamps {
    /// This producer does not stamp.
    Off,
    /// An id must be asked for.
    Wanted,
    /// Batches are stamped with this.
    Held(Identity),
    /// Something stamped ended without an ack, so sequences have a hole: nothing new is stamped until every stamped
    /// batch is resolved; then the epoch rises (`renew`: a new id is asked for instead).
    Broken { identity: Identity, renew: bool },
}

impl Stamps {
    /// The identity to stamp new batches with, now.
    pub(crate) fn current(&self) -> Option<Identity> {
        match self {
            Stamps::Held(identity) => Some(*identity),
            _ => None,
        }
    }

    /// Notes that a stamped batch ended without an ack.
    pub(crate) fn break_sequence(&mut self, renew_now: bool) {
        *self = match *self {
            Stamps::Held(identity) => Stamps::Broken { identity, renew: renew_now },
            Stamps::Broken { identity, renew } => Stamps::Broken { identity, renew: renew || renew_now },
            other => other,
        };
    }

    /// Raises the epoch, or asks for a new id. Only called when nothing stamped is unresolved.
    pub(crate) fn mend(&mut self) {
        *self = match *self {
            Stamps::Broken { identity, renew: false } if identity.epoch < EPOCH_MAX => {
                Stamps::Held(Identity { epoch: identity.epoch + 1, ..identity })
            }
            Stamps::Broken { .. } => Stamps::Wanted,
            other => other,
        };
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Stamps::Broken { .. })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "producer {} epoch {}", self.producer_id, self.epoch)
    }
}

/// The sequence that follows `count` records after `sequence`: 31 bits, wrapping to 0.
pub(crate) fn sequence_after(sequence: i32, count: i32) -> i32 {
    let next = i64::from(sequence) + i64::from(count);
    let wrapped = next % (i64::from(i32::MAX) + 1);
    i32::try_from(wrapped).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_to_zero_after_the_largest_31_bit_number() {
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 2, 5), 2);
        assert_eq!(sequence_after(0, 7), 7);
    }

    #[test]
    fn an_exhausted_epoch_asks_for_a_new_producer_id() {
        let mut stamps = Stamps::Held(Identity { producer_id: 4, epoch: EPOCH_MAX });
        stamps.break_sequence(false);
        stamps.mend();
        assert_eq!(stamps, Stamps::Wanted);
    }

    #[test]
    fn a_broken_sequence_raises_the_epoch_by_one_however_often_it_broke() {
        let mut stamps = Stamps::Held(Identity { producer_id: 4, epoch: 2 });
        stamps.break_sequence(false);
        stamps.break_sequence(false);
        stamps.mend();
        assert_eq!(stamps, Stamps::Held(Identity { producer_id: 4, epoch: 3 }));
    }
}
