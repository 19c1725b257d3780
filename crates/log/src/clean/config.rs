//! The cleaning settings of one partition, named as Kafka's topic settings.

/// What happens to old records of a partition. May change at any time; the default keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanConfig {
    /// Old segments are dropped (`cleanup.policy` has `delete`).
    pub delete: bool,
    /// All but the last value of each key is dropped (`cleanup.policy` has `compact`).
    pub compact: bool,
    /// A segment is dropped when its newest record is older (`retention.ms`); negative for never.
    pub retention_ms: i64,
    /// The oldest segments are dropped while the log is larger by at least their size (`retention.bytes`); negative for never.
    pub retention_bytes: i64,
    /// A segment is closed when it is older (`segment.ms`).
    pub segment_ms: i64,
    /// Up to this much less, so that not all segments are closed at once (`segment.jitter.ms`).
    pub segment_jitter_ms: i64,
    /// Records younger than this are not compacted (`min.compaction.lag.ms`).
    pub min_compaction_lag_ms: i64,
    /// Records older than this are compacted, however little there is to gain (`max.compaction.lag.ms`).
    pub max_compaction_lag_ms: i64,
    /// A deletion is kept this long after it was first compacted, for readers to see it (`delete.retention.ms`).
    pub delete_retention_ms: i64,
    /// Share of uncompacted bytes from which compaction begins, in thousandths (`min.cleanable.dirty.ratio`).
    pub min_dirty_permille: u32,
}

impl Default for CleanConfig {
    fn default() -> Self {
        Self {
            delete: false,
            compact: false,
            retention_ms: -1,
            retention_bytes: -1,
            segment_ms: i64::MAX,
            segment_jitter_ms: 0,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 86_400_000,
            min_dirty_permille: 500,
        }
    }
}

impl CleanConfig {
    /// A segment is closed when it is older. `salt` decides the jitter, the same one for the whole life of a segment.
    pub(crate) fn roll_ms(&self, salt: u64) -> i64 {
        let lag = if self.compact { self.max_compaction_lag_ms } else { i64::MAX };
        let limit = self.segment_ms.min(lag);
        let jitter = match u64::try_from(self.segment_jitter_ms) {
            Ok(most @ 1..) => (salt.wrapping_mul(GOLDEN) >> 1) % most,
            _ => 0,
        };
        limit.saturating_sub(i64::try_from(jitter).unwrap_or(0)).max(0)
    }
}

/// 2^64 divided by the golden ratio: spreads numbers that are close to each other.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_only_shortens_and_the_compaction_lag_bounds_the_age_of_a_compacted_segment() {
        let config = CleanConfig { segment_ms: 1000, segment_jitter_ms: 300, ..CleanConfig::default() };
        let ages: Vec<i64> = (0..100).map(|salt| config.roll_ms(salt)).collect();
        assert!(ages.iter().all(|age| (701..=1000).contains(age)));
        assert!(ages.iter().any(|age| *age < 900), "not all at once");
        let compacted =
            CleanConfig { compact: true, max_compaction_lag_ms: 50, segment_jitter_ms: 0, ..config };
        assert_eq!(compacted.roll_ms(1), 50);
    }
}
