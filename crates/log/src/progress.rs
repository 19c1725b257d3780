//! What readers and waiters may know of a partition: its high watermark, its log start, and whether it failed.
//!
//! For a Synced partition the high watermark moves only when a group commit returned. For a Cached one it is the end of
//! the log, as far as the offset reservation that covers it is durable. Producers wait here for a [`Ticket`], fetches
//! for a change.

use tokio::sync::watch;

/// The state that [`crate::PartitionLog::watch`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// Readers see records below this offset only.
    pub high_watermark: i64,
    /// The first offset that may be read.
    pub log_start: i64,
    /// Storage failed: what is not visible by now never will be, until a restart.
    pub failed: bool,
    /// Cached: end of the log.
    pub(crate) end: i64,
    /// Cached: offsets below this may be handed out, and that is durable.
    pub(crate) reserved: i64,
}

/// Stands for a moment in the life of one partition: all that was appended up to then is durable as the partition's
/// class promises, and visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) i64);

impl Ticket {
    /// The high watermark that has to be reached.
    pub fn offset(self) -> i64 {
        self.0
    }
}

/// Storage failed before the ticket was reached: whether the records survive is unknown until a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("storage failed before the records were durable; free or repair the disk and restart")]
pub struct StorageFailed;

#[derive(Debug)]
pub(crate) struct Progress {
    marks: watch::Sender<Watermarks>,
}

impl Progress {
    pub(crate) fn new(log_start: i64, end: i64, reserved: i64) -> Self {
        let marks = Watermarks { high_watermark: end, log_start, failed: false, end, reserved };
        Self { marks: watch::Sender::new(marks) }
    }

    pub(crate) fn marks(&self) -> Watermarks {
        *self.marks.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Watermarks> {
        self.marks.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut Watermarks)) {
        self.marks.send_if_modified(|marks| {
            let before = *marks;
            if !marks.failed {
                change(marks);
            }
            (before.high_watermark, before.log_start, before.failed)
                != (marks.high_watermark, marks.log_start, marks.failed)
        });
    }

    /// Synced, Memory: everything below `end` may be seen.
    pub(crate) fn visible(&self, end: i64) {
        self.change(|marks| marks.high_watermark = marks.high_watermark.max(end));
    }

    /// Cached: the log ends at `end`.
    pub(crate) fn appended(&self, end: i64) {
        self.change(|marks| {
            marks.end = end;
            marks.high_watermark = marks.high_watermark.max(end.min(marks.reserved));
        });
    }

    /// Cached: offsets below `until` are reserved, durably.
    pub(crate) fn reserved(&self, until: i64) {
        self.change(|marks| {
            marks.reserved = marks.reserved.max(until);
            marks.high_watermark = marks.high_watermark.max(marks.end.min(marks.reserved));
        });
    }

    pub(crate) fn log_start(&self, offset: i64) {
        self.change(|marks| marks.log_start = marks.log_start.max(offset));
    }

    pub(crate) fn fail(&self) {
        self.change(|marks| marks.failed = true);
    }

    pub(crate) fn reached(&self, ticket: Ticket) -> bool {
        self.marks.borrow().high_watermark >= ticket.0
    }

    pub(crate) async fn wait(&self, ticket: Ticket) -> Result<(), StorageFailed> {
        if self.reached(ticket) {
            return Ok(());
        }
        let mut marks = self.marks.subscribe();
        match marks.wait_for(|marks| marks.failed || marks.high_watermark >= ticket.0).await {
            Ok(marks) if marks.high_watermark >= ticket.0 => Ok(()),
            _ => Err(StorageFailed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_record_is_visible_at_once_unless_its_reservation_is_still_on_its_way() {
        let progress = Progress::new(0, 0, 100);
        progress.appended(90);
        assert_eq!(progress.marks().high_watermark, 90);
        progress.appended(120);
        assert_eq!(progress.marks().high_watermark, 100);
        progress.reserved(200);
        assert_eq!(progress.marks().high_watermark, 120);
    }

    #[test]
    fn after_a_failure_nothing_more_becomes_visible() {
        let progress = Progress::new(0, 5, 5);
        progress.fail();
        progress.visible(10);
        assert_eq!(progress.marks().high_watermark, 5);
        assert!(progress.marks().failed);
    }
}
