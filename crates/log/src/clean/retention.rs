//! Retention, decided: where a log begins once its old segments are dropped. Pure.
//!
//! As in Kafka: by size, segments go while what remains is still at least `retention.bytes`; by age, segments go while
//! their *newest* record is older than `retention.ms`; both from the oldest on, and never past the high watermark. The
//! segment that is being written may go too.

use super::config::CleanConfig;

/// What retention knows of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aged {
    pub(crate) bytes: u64,
    /// The offset after its last batch.
    pub(crate) end: i64,
    /// Its largest timestamp.
    pub(crate) newest_ms: i64,
}

/// Where the log begins from now on; at least `log_start`. `segments`: all of them, oldest first.
pub(crate) fn log_start_after(
    segments: &[Aged],
    config: &CleanConfig,
    now_ms: i64,
    log_start: i64,
    high_watermark: i64,
) -> i64 {
    let mut start = log_start;
    if !config.delete {
        return start;
    }
    let living = segments.iter().filter(|segment| segment.end > log_start);
    let mut living = living.peekable();
    if let Ok(most) = u64::try_from(config.retention_bytes) {
        let held: u64 = living.clone().map(|segment| segment.bytes).sum();
        let mut over = held.saturating_sub(most);
        while let Some(old) = living.next_if(|old| over > 0 && old.bytes <= over && old.end <= high_watermark)
        {
            over -= old.bytes;
            start = old.end;
        }
    }
    if config.retention_ms >= 0 {
        let expired = |old: &Aged| now_ms.saturating_sub(old.newest_ms) > config.retention_ms;
        while let Some(old) = living.next_if(|old| expired(old) && old.end <= high_watermark) {
            start = old.end;
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENTS: [Aged; 3] = [
        Aged { bytes: 100, end: 10, newest_ms: 1_000 },
        Aged { bytes: 100, end: 20, newest_ms: 3_000 },
        Aged { bytes: 100, end: 30, newest_ms: 2_000 },
    ];

    fn delete() -> CleanConfig {
        CleanConfig { delete: true, ..CleanConfig::default() }
    }

    #[test]
    fn without_the_policy_or_a_limit_nothing_goes() {
        let limits = CleanConfig { retention_ms: 0, retention_bytes: 0, ..CleanConfig::default() };
        assert_eq!(log_start_after(&SEGMENTS, &limits, i64::MAX, 3, 30), 3);
        assert_eq!(log_start_after(&SEGMENTS, &delete(), i64::MAX, 3, 30), 3);
    }

    #[test]
    fn the_newest_record_of_a_segment_decides_and_an_older_one_behind_a_younger_stays() {
        let config = CleanConfig { retention_ms: 500, ..delete() };
        assert_eq!(log_start_after(&SEGMENTS, &config, 1_500, 0, 30), 0, "exactly at the limit stays");
        assert_eq!(log_start_after(&SEGMENTS, &config, 1_501, 0, 30), 10);
        assert_eq!(log_start_after(&SEGMENTS, &config, 2_900, 0, 30), 10);
        assert_eq!(log_start_after(&SEGMENTS, &config, 3_501, 0, 30), 30);
    }

    #[test]
    fn what_remains_is_at_least_the_size_that_was_asked_for() {
        for (most, start) in [(300, 0), (299, 0), (201, 0), (200, 10), (101, 10), (100, 20), (0, 30)] {
            let config = CleanConfig { retention_bytes: most, ..delete() };
            assert_eq!(log_start_after(&SEGMENTS, &config, 0, 0, 30), start, "{most}");
        }
    }

    #[test]
    fn nothing_goes_that_is_not_visible_yet() {
        let config = CleanConfig { retention_bytes: 0, retention_ms: 0, ..delete() };
        assert_eq!(log_start_after(&SEGMENTS, &config, i64::MAX, 0, 29), 20);
    }

    #[test]
    fn segments_below_the_log_start_do_not_count() {
        let config = CleanConfig { retention_bytes: 200, ..delete() };
        assert_eq!(log_start_after(&SEGMENTS, &config, 0, 10, 30), 10);
        assert_eq!(log_start_after(&SEGMENTS, &config, 0, 15, 30), 15);
    }
}
