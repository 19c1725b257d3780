//! What cleaning did since the engine was opened, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that only rise.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) segments_dropped: AtomicU64,
    pub(crate) bytes_dropped: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compacted_bytes_read: AtomicU64,
    pub(crate) compacted_bytes_written: AtomicU64,
    pub(crate) records_compacted: AtomicU64,
    pub(crate) failures: AtomicU64,
}

/// What cleaning did since the engine was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanStats {
    /// Segments that left their log because of its retention, or because records were deleted.
    pub segments_dropped: u64,
    /// Their bytes.
    pub bytes_dropped: u64,
    /// Segments that compaction put in place of others.
    pub compactions: u64,
    /// Bytes that compaction read from segments.
    pub compacted_bytes_read: u64,
    /// Bytes that compaction wrote to segments.
    pub compacted_bytes_written: u64,
    /// Records that compaction left out.
    pub records_compacted: u64,
    /// Times that the cleaning of a partition failed and was put off.
    pub failures: u64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> CleanStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CleanStats {
            segments_dropped: read(&self.segments_dropped),
            bytes_dropped: read(&self.bytes_dropped),
            compactions: read(&self.compactions),
            compacted_bytes_read: read(&self.compacted_bytes_read),
            compacted_bytes_written: read(&self.compacted_bytes_written),
            records_compacted: read(&self.records_compacted),
            failures: read(&self.failures),
        }
    }
}
