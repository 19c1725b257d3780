//! Record kind 7: the epoch of one consumer-protocol member and the partitions it holds (key: group, member).

use super::RecordError;
use super::bytes::{Reader, Writer};
use crate::group::partitions::Partitions;

const VERSION: u8 = 0;

/// How far a member is on its way to its target. The numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MemberState {
    /// The member holds what it shall hold at its epoch.
    #[default]
    Stable,
    /// The member has yet to give up partitions, and stays at its epoch until it has.
    UnrevokedPartitions,
    /// The member is at the target's epoch but waits for partitions that others still hold.
    UnreleasedPartitions,
}

/// What a member holds right now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CurrentRecord {
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    /// Partition to the member's epoch when it was assigned.
    pub(crate) assigned: Partitions,
    /// The same for partitions that the member was asked to give up and has not confirmed.
    pub(crate) revoking: Partitions,
}

impl CurrentRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.i32(self.epoch);
        out.i32(self.previous_epoch);
        out.u8(match self.state {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
        });
        out.partitions(&self.assigned);
        out.partitions(&self.revoking);
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader::new(bytes);
        input.version("current assignment version", VERSION)?;
        let (epoch, previous_epoch) = (input.i32()?, input.i32()?);
        let state = match input.u8()? {
            0 => MemberState::Stable,
            1 => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            other => return Err(RecordError::BadField { field: "member state", value: other.into() }),
        };
        let record = Self {
            epoch,
            previous_epoch,
            state,
            assigned: input.partitions()?,
            revoking: input.partitions()?,
        };
        input.end()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use poruka_wire::Uuid;
    use proptest::prelude::*;

    use super::*;

    fn any_partitions() -> impl Strategy<Value = Partitions> {
        let key = ((0..4_u8).prop_map(|id| Uuid([id; 16])), any::<i32>());
        proptest::collection::btree_map(key, any::<i32>(), 0..20)
    }

    proptest! {
        #[test]
        fn assignments_come_back_as_they_were_written(
            epoch: i32,
            previous_epoch: i32,
            state in prop_oneof![
                Just(MemberState::Stable), Just(MemberState::UnrevokedPartitions), Just(MemberState::UnreleasedPartitions),
            ],
            assigned in any_partitions(),
            revoking in any_partitions(),
        ) {
            let record = CurrentRecord { epoch, previous_epoch, state, assigned, revoking };
            prop_assert_eq!(CurrentRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = CurrentRecord::decode(&bytes);
        }
    }
}
