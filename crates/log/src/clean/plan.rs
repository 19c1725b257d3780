//! Which segments of a partition compaction rewrites, and whether it is time to. Pure.
//!
//! As in Kafka: the segments before the one that is being written, below the high watermark, and none with a record that is
//! younger than `min.compaction.lag.ms` among those that were never compacted. Ours besides: only segments that a checkpoint
//! has proven, so that no value is dropped for a newer one that a power cut could still take.

use super::config::CleanConfig;
use crate::segment::SegmentRecord;

/// What compaction knows of a closed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) record: SegmentRecord,
    /// A published checkpoint has it, and nothing of it is in memory.
    pub(crate) proven: bool,
    /// Since when it is there.
    pub(crate) since_ms: i64,
}

/// A partition, seen by compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) now_ms: i64,
    pub(crate) high_watermark: i64,
    /// Everything below was compacted.
    pub(crate) clean_until: i64,
}

/// What could be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The segments that may be rewritten, oldest first, without a hole.
    pub(crate) segments: Vec<SegmentRecord>,
    /// Share of their bytes that was never compacted, in thousandths.
    pub(crate) dirty_permille: u64,
    /// It is time.
    pub(crate) is_due: bool,
    /// A segment was left out that a checkpoint would bring in.
    pub(crate) waits_for_checkpoint: bool,
}

/// Decides. `closed`: oldest first.
pub(crate) fn plan(closed: &[Closed], state: &State, config: &CleanConfig) -> Plan {
    let mut plan =
        Plan { segments: Vec::new(), dirty_permille: 0, is_due: false, waits_for_checkpoint: false };
    if !config.compact {
        return plan;
    }
    let (mut dirty, mut total, mut overdue) = (0, 0, false);
    for segment in closed {
        let record = segment.record;
        let is_dirty = record.end > state.clean_until;
        let is_young = config.min_compaction_lag_ms > 0
            && record.max_timestamp > state.now_ms.saturating_sub(config.min_compaction_lag_ms);
        if record.end > state.high_watermark || (is_dirty && is_young) {
            break;
        }
        if !segment.proven {
            plan.waits_for_checkpoint = true;
            break;
        }
        plan.segments.push(record);
        total += u64::from(record.len);
        if is_dirty {
            dirty += u64::from(record.len);
            overdue |= state.now_ms.saturating_sub(segment.since_ms) > config.max_compaction_lag_ms;
        }
    }
    plan.dirty_permille = (dirty * 1000).checked_div(total).unwrap_or(0);
    let is_dirty_enough = dirty * 1000 > total * u64::from(config.min_dirty_permille);
    plan.is_due = dirty > 0 && (overdue || is_dirty_enough);
    plan
}

/// Segments that are rewritten into one: next to each other, together no larger than a segment may be.
pub(crate) fn groups(segments: &[SegmentRecord], segment_bytes: u32) -> Vec<Vec<SegmentRecord>> {
    let mut groups: Vec<Vec<SegmentRecord>> = Vec::new();
    let mut bytes = 0;
    for segment in segments {
        let first = groups.last().and_then(|group| group.first());
        let fits = first.is_some_and(|first| {
            bytes + u64::from(segment.len) <= u64::from(segment_bytes)
                && segment.end - first.base <= i64::from(i32::MAX)
        });
        match groups.last_mut() {
            Some(group) if fits => {
                group.push(*segment);
                bytes += u64::from(segment.len);
            }
            _ => {
                groups.push(vec![*segment]);
                bytes = u64::from(segment.len);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(base: i64, len: u32, max_timestamp: i64) -> Closed {
        let record = SegmentRecord { len, end: base + 10, max_timestamp, ..SegmentRecord::empty(base) };
        Closed { record, proven: true, since_ms: max_timestamp }
    }

    fn config() -> CleanConfig {
        CleanConfig { compact: true, ..CleanConfig::default() }
    }

    const STATE: State = State { now_ms: 1000, high_watermark: 1000, clean_until: 0 };

    #[test]
    fn the_dirty_share_decides_and_the_longest_lag_overrides_it() {
        let all = [closed(0, 100, 10), closed(10, 100, 500), closed(20, 100, 900)];
        assert!(plan(&all, &STATE, &config()).is_due);
        let half = State { clean_until: 20, ..STATE };
        assert_eq!(plan(&all, &half, &config()).dirty_permille, 333);
        assert!(!plan(&all, &half, &config()).is_due);
        let lag = |max_compaction_lag_ms| CleanConfig { max_compaction_lag_ms, ..config() };
        assert!(plan(&all, &half, &lag(99)).is_due);
        assert!(!plan(&all, &half, &lag(100)).is_due);
        let nothing = State { clean_until: 30, ..STATE };
        assert!(!plan(&all, &nothing, &lag(1)).is_due);
        assert!(!plan(&all, &STATE, &CleanConfig::default()).is_due);
    }

    #[test]
    fn what_is_young_unproven_or_not_visible_ends_the_stretch() {
        let mut all = [closed(0, 100, 10), closed(10, 100, 900), closed(20, 100, 20)];
        let bases = |plan: Plan| plan.segments.iter().map(|segment| segment.base).collect::<Vec<_>>();
        let lag = CleanConfig { min_compaction_lag_ms: 200, ..config() };
        assert_eq!(bases(plan(&all, &STATE, &lag)), [0]);
        assert_eq!(bases(plan(&all, &State { clean_until: 20, ..STATE }, &lag)), [0, 10, 20]);
        assert_eq!(bases(plan(&all, &State { high_watermark: 29, ..STATE }, &config())), [0, 10]);
        all[1].proven = false;
        let waits = plan(&all, &STATE, &config());
        assert!(waits.waits_for_checkpoint);
        assert_eq!(bases(waits), [0]);
    }

    #[test]
    fn groups_are_no_larger_than_a_segment_and_no_wider_than_an_index_can_say() {
        let segments: Vec<_> =
            [60, 30, 20, 200, 10].iter().zip(0..).map(|(len, at)| closed(at * 10, *len, 0).record).collect();
        let sizes =
            |segments: &[SegmentRecord]| groups(segments, 100).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&segments), [2, 1, 1, 1]);
        let wide = [segments[0], SegmentRecord { end: 1 << 31, ..segments[1] }];
        assert_eq!(sizes(&wide), [1, 1]);
    }
}
