//! The watcher of one partition: it sees every stamp in offset order and tells what does not follow.
//!
//! A producer instance that is seen for the first time is a start, whatever its number: the reader may have begun
//! in the middle. From then on its numbers must follow each other. A hole is told with the likeliest reason that the
//! log shows; a number at or below the last one is a repeat. State is bounded: the instance that was silent longest
//! is forgotten first, that is told, and it starts anew when it speaks again.
//!
//! What it cannot see: records lost before the first one seen of an instance and after the last one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::header::Stamp;

/// Producer instances that are remembered per partition.
pub const INSTANCES_PER_PARTITION_MAX: usize = 1024;

/// Why records of an instance are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The topic is compacted, and offsets are missing in between: newer records of the same keys replaced them.
    Compacted,
    /// The log's start moved past the reader's position: retention or a delete request removed them.
    Expired,
    /// They are not in the log: never written (the producer gave up, or was told so), or lost by the broker.
    Lost,
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GapReason::Compacted => "removed by compaction",
            GapReason::Expired => "expired before they were read",
            GapReason::Lost => "never written, or lost",
        })
    }
}

/// What the watcher has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceEvent {
    /// The instance is seen for the first time, at this sequence.
    Start {
        /// Its first number seen.
        sequence: u64,
    },
    /// Numbers are missing.
    Gap {
        /// The first missing one.
        from: u64,
        /// The number that came instead.
        to: u64,
        /// Why, as far as the log shows.
        reason: GapReason,
    },
    /// A number came again, or late.
    Repeat {
        /// The number.
        sequence: u64,
    },
    /// The instance was forgotten to stay within bounds; a gap after this would not be seen.
    Evicted {
        /// Its last number seen.
        sequence: u64,
    },
}

/// Something that a reader of an ordered topic should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceNotice {
    /// The partition.
    pub partition: i32,
    /// The offset of the record at which it was noticed.
    pub offset: i64,
    /// The producer instance that it is about.
    pub instance: u64,
    /// What.
    pub kind: SequenceEvent,
}

impl fmt::Display for SequenceNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SequenceNotice { partition, offset, instance, kind } = self;
        write!(f, "partition {partition}, offset {offset}, producer {instance:016x}: ")?;
        match kind {
            SequenceEvent::Start { sequence } => write!(f, "first seen, at sequence {sequence}"),
            SequenceEvent::Gap { from, to, reason } => {
                write!(f, "{} record(s) missing from sequence {from}: {reason}", to - from)
            }
            SequenceEvent::Repeat { sequence } => write!(f, "sequence {sequence} came again"),
            SequenceEvent::Evicted { sequence } => {
                write!(
                    f,
                    "forgotten after sequence {sequence}: more than {INSTANCES_PER_PARTITION_MAX} producers"
                )
            }
        }
    }
}

/// What a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// In its place, or a start, or after a gap.
    Next,
    /// Delivered before.
    Repeat,
}

#[derive(Clone, Copy, Debug)]
struct Instance {
    last: u64,
    /// Its place in the order of silence.
    heard: u64,
    /// The partition's counts when it was last heard.
    holes: u64,
    expiries: u64,
}

/// The watcher of one partition.
#[derive(Debug)]
pub(crate) struct Watch {
    partition: i32,
    compacted: bool,
    instances_max: usize,
    instances: HashMap<u64, Instance>,
    /// Instances by when they were last heard.
    silence: BTreeMap<u64, u64>,
    heard: u64,
    /// The offset that follows the last record seen.
    next_offset: Option<i64>,
    holes: u64,
    expiries: u64,
}

impl Watch {
    pub(crate) fn new(partition: i32, compacted: bool) -> Watch {
        Watch::bounded(partition, compacted, INSTANCES_PER_PARTITION_MAX)
    }

    fn bounded(partition: i32, compacted: bool, instances_max: usize) -> Watch {
        Watch {
            partition,
            compacted,
            instances_max,
            instances: HashMap::new(),
            silence: BTreeMap::new(),
            heard: 0,
            next_offset: None,
            holes: 0,
            expiries: 0,
        }
    }

    /// The reader's position fell below the log's start and was moved there.
    pub(crate) fn expired(&mut self) {
        self.expiries += 1;
    }

    /// Takes the record at `offset` into account; records without a stamp too. Notices are appended to `told`.
    pub(crate) fn see(&mut self, offset: i64, stamp: Option<Stamp>, told: &mut Vec<SequenceNotice>) -> Seen {
        match self.next_offset {
            // The reader went back: it has been told about all this.
            Some(next) if offset < next => return Seen::Next,
            Some(next) if offset > next => self.holes += 1,
            _ => {}
        }
        self.next_offset = Some(offset + 1);
        let Some(Stamp { instance, sequence }) = stamp else { return Seen::Next };
        let mut tell = |kind| told.push(SequenceNotice { partition: self.partition, offset, instance, kind });
        let known = self.instances.get(&instance).copied();
        let mut last = sequence;
        let mut seen = Seen::Next;
        match known {
            None => tell(SequenceEvent::Start { sequence }),
            Some(known) if sequence <= known.last => {
                tell(SequenceEvent::Repeat { sequence });
                last = known.last;
                seen = Seen::Repeat;
            }
            Some(known) if sequence > known.last + 1 => {
                let reason = if known.expiries != self.expiries {
                    GapReason::Expired
                } else if self.compacted && known.holes != self.holes {
                    GapReason::Compacted
                } else {
                    GapReason::Lost
                };
                tell(SequenceEvent::Gap { from: known.last + 1, to: sequence, reason });
            }
            Some(_) => {}
        }
        if let Some(known) = known {
            self.silence.remove(&known.heard);
        } else if self.instances.len() >= self.instances_max {
            self.forget_one(offset, told);
        }
        self.heard += 1;
        self.silence.insert(self.heard, instance);
        let entry = Instance { last, heard: self.heard, holes: self.holes, expiries: self.expiries };
        self.instances.insert(instance, entry);
        seen
    }

    fn forget_one(&mut self, offset: i64, told: &mut Vec<SequenceNotice>) {
        let Some((_, instance)) = self.silence.pop_first() else { return };
        if let Some(gone) = self.instances.remove(&instance) {
            let kind = SequenceEvent::Evicted { sequence: gone.last };
            told.push(SequenceNotice { partition: self.partition, offset, instance, kind });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(instance: u64, sequence: u64) -> Option<Stamp> {
        Some(Stamp { instance, sequence })
    }

    fn kinds(watch: &mut Watch, records: &[(i64, u64, u64)]) -> Vec<SequenceEvent> {
        let mut told = Vec::new();
        for &(offset, instance, sequence) in records {
            watch.see(offset, stamp(instance, sequence), &mut told);
        }
        told.iter().map(|notice| notice.kind).collect()
    }

    #[test]
    fn the_first_one_seen_is_a_start_and_what_follows_is_silent() {
        let told = kinds(&mut Watch::new(0, false), &[(10, 1, 5), (11, 1, 6), (12, 2, 0), (13, 1, 7)]);
        assert_eq!(told, [SequenceEvent::Start { sequence: 5 }, SequenceEvent::Start { sequence: 0 }]);
    }

    #[test]
    fn a_hole_in_the_numbers_without_a_hole_in_the_log_is_a_loss() {
        let told = kinds(&mut Watch::new(0, true), &[(0, 1, 0), (1, 1, 3)]);
        assert_eq!(told[1], SequenceEvent::Gap { from: 1, to: 3, reason: GapReason::Lost });
    }

    #[test]
    fn a_hole_in_a_compacted_log_is_put_down_to_compaction() {
        let told = kinds(&mut Watch::new(0, true), &[(0, 1, 0), (1, 2, 0), (5, 2, 1), (6, 1, 3)]);
        assert_eq!(told[2], SequenceEvent::Gap { from: 1, to: 3, reason: GapReason::Compacted });
        let told = kinds(&mut Watch::new(0, false), &[(0, 1, 0), (5, 1, 3)]);
        assert_eq!(told[1], SequenceEvent::Gap { from: 1, to: 3, reason: GapReason::Lost });
    }

    #[test]
    fn after_the_logs_start_moved_a_hole_is_put_down_to_expiry() {
        let mut watch = Watch::new(0, true);
        let mut told = Vec::new();
        watch.see(0, stamp(1, 0), &mut told);
        watch.expired();
        watch.see(9, stamp(1, 9), &mut told);
        assert_eq!(told[1].kind, SequenceEvent::Gap { from: 1, to: 9, reason: GapReason::Expired });
    }

    #[test]
    fn a_number_that_comes_again_or_late_is_a_repeat_and_does_not_move_the_count() {
        let mut watch = Watch::new(0, false);
        let mut told = Vec::new();
        let seen: Vec<Seen> = [(0, 0), (1, 1), (2, 0), (3, 1), (4, 2)]
            .into_iter()
            .map(|(offset, sequence)| watch.see(offset, stamp(7, sequence), &mut told))
            .collect();
        assert_eq!(seen, [Seen::Next, Seen::Next, Seen::Repeat, Seen::Repeat, Seen::Next]);
        assert_eq!(told.len(), 3);
    }

    #[test]
    fn state_is_bounded_and_forgetting_is_told() {
        let mut watch = Watch::bounded(0, false, 2);
        let told = kinds(&mut watch, &[(0, 1, 0), (1, 2, 0), (2, 1, 1), (3, 3, 0)]);
        assert_eq!(told.last(), Some(&SequenceEvent::Evicted { sequence: 0 }));
        assert_eq!(watch.instances.len(), 2);
        let told = kinds(&mut watch, &[(4, 1, 2), (5, 2, 5)]);
        assert_eq!(told, [SequenceEvent::Start { sequence: 5 }, SequenceEvent::Evicted { sequence: 0 }]);
        assert_eq!(watch.silence.len(), 2);
    }

    #[test]
    fn a_reader_that_goes_back_is_not_told_twice() {
        let told = kinds(&mut Watch::new(0, false), &[(0, 1, 0), (1, 1, 1), (0, 1, 0), (1, 1, 1), (2, 1, 2)]);
        assert_eq!(told.len(), 1);
    }

    #[test]
    fn records_without_a_stamp_are_let_through() {
        let mut told = Vec::new();
        assert_eq!(Watch::new(0, false).see(3, None, &mut told), Seen::Next);
        assert!(told.is_empty());
    }
}
