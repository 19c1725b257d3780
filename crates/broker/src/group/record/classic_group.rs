//! Record kind 2: the phase and generation of one classic group (key: group).

use poruka_wire::Str;

use super::RecordError;
use super::bytes::{Reader, Writer};

const VERSION: u8 = 0;

/// Where a classic group stands. The numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No members.
    Empty,
    /// Members are asked to join again.
    Preparing,
    /// All have joined, the leader's assignment is awaited.
    Completing,
    /// Everyone may fetch their assignment.
    Stable,
}

/// The part of a classic group that is not about one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClassicGroupRecord {
    pub(crate) phase: Phase,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Str>,
    pub(crate) protocol_name: Option<Str>,
    pub(crate) leader: Option<Str>,
    /// Since when the group has been empty, in milliseconds of the wall clock.
    pub(crate) empty_since_wall_ms: Option<i64>,
}

impl ClassicGroupRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.u8(match self.phase {
            Phase::Empty => 0,
            Phase::Preparing => 1,
            Phase::Completing => 2,
            Phase::Stable => 3,
        });
        out.i32(self.generation);
        out.opt_str(self.protocol_type.as_ref());
        out.opt_str(self.protocol_name.as_ref());
        out.opt_str(self.leader.as_ref());
        out.opt_i64(self.empty_since_wall_ms);
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader::new(bytes);
        input.version("classic group version", VERSION)?;
        let phase = match input.u8()? {
            0 => Phase::Empty,
            1 => Phase::Preparing,
            2 => Phase::Completing,
            3 => Phase::Stable,
            other => return Err(RecordError::BadField { field: "phase", value: other.into() }),
        };
        let record = Self {
            phase,
            generation: input.i32()?,
            protocol_type: input.opt_string()?,
            protocol_name: input.opt_string()?,
            leader: input.opt_string()?,
            empty_since_wall_ms: input.opt_i64()?,
        };
        input.end()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::group::record::any_str;

    proptest! {
        #[test]
        fn groups_come_back_as_they_were_written(
            phase in prop_oneof![Just(Phase::Empty), Just(Phase::Preparing), Just(Phase::Completing), Just(Phase::Stable)],
            generation: i32,
            names in proptest::array::uniform3(proptest::option::of(any_str())),
            empty_since_wall_ms: Option<i64>,
        ) {
            let [protocol_type, protocol_name, leader] = names;
            let record = ClassicGroupRecord { phase, generation, protocol_type, protocol_name, leader, empty_since_wall_ms };
            prop_assert_eq!(ClassicGroupRecord::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = ClassicGroupRecord::decode(&bytes);
        }
    }

    #[test]
    fn an_unknown_phase_is_refused_by_name() {
        assert_eq!(
            ClassicGroupRecord::decode(&[0, 9]),
            Err(RecordError::BadField { field: "phase", value: 9 })
        );
    }
}
