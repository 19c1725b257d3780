//! Records inside of batches: one found by its timestamp, and the key-value batches of the state logs.

use bytes::Bytes;
use poruka_wire::records::{BatchBuilder, BatchFull, Compression, batches_of, records};

/// The first record of the batch at or after `timestamp` and `log_start`: (offset, timestamp).
pub(crate) fn first_record_at(batch: &Bytes, timestamp: i64, log_start: i64) -> Option<(i64, i64)> {
    let mut records = records(batch).ok()?;
    while let Some(Ok(record)) = records.next_view() {
        if record.timestamp >= timestamp && record.offset >= log_start {
            return Some((record.offset, record.timestamp));
        }
    }
    None
}

/// One uncompressed batch of keys and values.
pub(crate) fn build_batch(changes: &[(Bytes, Option<Bytes>)], now_ms: i64) -> Result<Bytes, BatchFull> {
    let mut batch = BatchBuilder::new(Compression::None);
    for (key, value) in changes {
        batch.push(now_ms, Some(key), value.as_deref(), &[])?;
    }
    Ok(batch.build())
}

/// Gives every record of the batches in `bytes` to `each`; the offset after the last one. `None`: not what
/// [`build_batch`] makes.
pub(crate) fn for_each_record(bytes: &Bytes, mut each: impl FnMut(Bytes, Option<Bytes>)) -> Option<i64> {
    let mut next = None;
    for found in batches_of(bytes) {
        let (header, batch) = found.ok()?;
        next = Some(header.next_offset());
        if header.is_control() {
            // The end of a gap that a repair left.
            continue;
        }
        for record in records(&batch).ok()? {
            let record = record.ok()?;
            each(record.key?, record.value);
        }
    }
    next
}
