//! What compaction leaves of one batch. Pure.
//!
//! A record goes when its key has a later offset in the map, when its transaction was aborted, when it has no key, or when
//! it is a deletion whose delete horizon has passed. What the map does not cover stays. Emptied batches go, but for two that
//! stay as bare headers: a producer's last one, which keeps its sequence in the log, and the last one of the stretch, which
//! keeps the log's offsets going. Control batches of other kinds than transaction markers stay as they are.

use std::collections::HashMap;

use bytes::Bytes;
use poruka_wire::records::{BatchError, BatchHeader, ControlType, records};

use super::map::OffsetMap;
use super::transactions::{Met, Transactions};

/// What is known of the log for the pass.
pub(crate) struct Filter<'a> {
    pub(crate) map: &'a OffsetMap,
    /// Offset of the last record whose key is in the map, or could be.
    pub(crate) mapped_to: i64,
    pub(crate) transactions: &'a Transactions,
    /// Last offset of each producer that is remembered.
    pub(crate) last_of_producer: &'a HashMap<i64, i64>,
    pub(crate) now_ms: i64,
    pub(crate) delete_retention_ms: i64,
}

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All of it, byte for byte.
    All,
    /// This much; the number of records that went.
    Some(Bytes, u64),
    /// Nothing; the number of records that went.
    Nothing(u64),
}

impl Filter<'_> {
    /// Decides about the next batch. `is_last`: of the stretch that is rewritten.
    pub(crate) fn batch(&self, batch: &Bytes, met: &mut Met, is_last: bool) -> Result<Left, BatchError> {
        let header = BatchHeader::parse(batch)?;
        let must_stay =
            is_last || self.last_of_producer.get(&header.producer_id) == Some(&header.last_offset());
        let found = match header.is_control() {
            true => self.control(&header, batch, met)?,
            false => self.data(&header, batch, met)?,
        };
        let Found { keep, horizon, all } = found;
        let kept = keep.iter().filter(|keep| **keep).count();
        let gone = (keep.len() - kept) as u64;
        if kept == 0 && !must_stay {
            return Ok(Left::Nothing(gone));
        }
        if all && horizon.is_none() {
            return Ok(Left::All);
        }
        let horizon = horizon.or_else(|| header.has_delete_horizon().then_some(header.base_timestamp));
        let rest = records(batch)?.rewrite(|number| keep.get(number) == Some(&true), horizon)?;
        Ok(Left::Some(rest, gone))
    }

    fn data(&self, header: &BatchHeader, batch: &Bytes, met: &mut Met) -> Result<Found, BatchError> {
        let mut keep = Vec::new();
        let aborted = header.is_transactional() && {
            met.data(header.producer_id);
            self.transactions.is_aborted(header.producer_id, header.base_offset)
        };
        let mut deletions = false;
        let mut all = records(batch)?;
        while let Some(record) = all.next_view() {
            let record = record?;
            let stays = !aborted
                && match record.key {
                    _ if record.offset > self.mapped_to => true,
                    None => false,
                    Some(key) => {
                        let is_last = self.map.get(key).is_none_or(|last| record.offset >= last);
                        is_last && (record.value.is_some() || !self.is_past(header))
                    }
                };
            deletions |= stays && record.value.is_none();
            keep.push(stays);
        }
        // Older values of the key are gone only where the map reached.
        let may_begin = deletions && !header.has_delete_horizon() && header.last_offset() <= self.mapped_to;
        Ok(Found { all: keep.iter().all(|keep| *keep), keep, horizon: may_begin.then(|| self.horizon()) })
    }

    fn control(&self, header: &BatchHeader, batch: &Bytes, met: &mut Met) -> Result<Found, BatchError> {
        let mut all = records(batch)?;
        let kind = match all.next_view() {
            Some(record) => record?.key.and_then(ControlType::of_key),
            // Emptied before; nothing is left to lose.
            None => return Ok(Found { keep: Vec::new(), horizon: None, all: true }),
        };
        let is_marker = matches!(kind, Some(ControlType::Abort | ControlType::Commit));
        let spent = is_marker && met.marker_is_spent(header.producer_id);
        let goes = spent && self.is_past(header);
        let count = header.record_count.max(0) as usize;
        let horizon = (spent && !header.has_delete_horizon()).then(|| self.horizon());
        Ok(Found { keep: vec![!goes; count], horizon, all: !goes })
    }

    fn horizon(&self) -> i64 {
        self.now_ms.saturating_add(self.delete_retention_ms)
    }

    /// The batch has a delete horizon, and it has passed.
    fn is_past(&self, header: &BatchHeader) -> bool {
        header.has_delete_horizon() && header.base_timestamp <= self.now_ms
    }
}

struct Found {
    keep: Vec<bool>,
    /// The batch gets this delete horizon.
    horizon: Option<i64>,
    all: bool,
}
