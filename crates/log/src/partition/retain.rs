//! Retention, done: closes the segment that is too old, and moves the log start past what has to go.

use super::{Files, Inner, PartitionLog};
use crate::batch::Head;
use crate::clean::config::CleanConfig;
use crate::clean::retention::{Aged, log_start_after};
use crate::error::StorageError;
use crate::segment::NO_TIMESTAMP;

impl PartitionLog {
    /// Drops what the partition's settings do not keep any more. The log start moves at once; files go after the next
    /// checkpoint. Returns whether one should be made soon.
    ///
    /// # Errors
    /// See [`StorageError`]; the next call tries again.
    pub(crate) fn retain(&self, now_ms: i64) -> Result<bool, StorageError> {
        let high_watermark = self.high_watermark();
        let mut inner = self.lock();
        let inner = &mut *inner;
        if inner.closed || inner.deleted {
            return Ok(false);
        }
        let clean = inner.config.clean;
        let Some(files) = &mut inner.files else {
            let start = inner.expired(&clean, now_ms);
            self.move_start(inner, start)?;
            return Ok(false);
        };
        let sealed = files.seal_old(now_ms, |base| clean.roll_ms(self.salt(base)));
        let aged: Vec<Aged> = files.all_mut().map(|segment| segment.aged(now_ms)).collect();
        let start = log_start_after(&aged, &clean, now_ms, inner.log_start, high_watermark);
        if files.active.as_ref().is_some_and(|active| active.len() > 0 && active.end() <= start) {
            files.seal();
        }
        let (_, dropped) = self.move_start(inner, start)?;
        Ok(sealed || dropped)
    }

    /// Decides the jitter of a segment's age.
    pub(super) fn salt(&self, base: i64) -> u64 {
        (u64::from(self.id) << 40) ^ base.unsigned_abs()
    }
}

impl Files {
    /// Closes the segment that is being written, if it is older than `roll_ms` says.
    fn seal_old(&mut self, now_ms: i64, roll_ms: impl FnOnce(i64) -> i64) -> bool {
        let Some(active) = self.active.as_mut().filter(|active| active.len() > 0) else { return false };
        let age = now_ms.saturating_sub(active.since(now_ms));
        let is_old = age > roll_ms(active.base());
        if is_old {
            self.seal();
        }
        is_old
    }
}

impl Inner {
    /// The log start of a Memory log once its expired batches are gone.
    fn expired(&self, config: &CleanConfig, now_ms: i64) -> i64 {
        if !config.delete || config.retention_ms < 0 {
            return self.log_start;
        }
        let expired = |head: &Head| {
            head.max_timestamp != NO_TIMESTAMP
                && now_ms.saturating_sub(head.max_timestamp) > config.retention_ms
        };
        let heads = self.tail.iter().map_while(|batch| Head::read(batch).filter(expired));
        heads.last().map_or(self.log_start, |last| last.next_offset())
    }
}
