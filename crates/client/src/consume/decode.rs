//! Fetched bytes into batches and records. Pure; every bound is checked by `poruka_wire`.
//!
//! A broker sends what it stored, whole batches, perhaps with a cut one at the end. A checksum is verified before a batch's
//! records are handed out: what went bad on a disk or on the way must not reach a handler.

use bytes::Bytes;
use poruka_wire::records::{self, Record, batches, crc_ok};

/// Whole batches at the front of a fetched stretch.
pub(crate) struct Whole {
    pub(crate) bytes: usize,
    pub(crate) next_offset: i64,
    pub(crate) last_epoch: i32,
}

/// Looks at headers only. `None`: there is not even one whole batch.
pub(crate) fn whole_batches(fetched: &[u8]) -> Result<Option<Whole>, String> {
    let mut whole: Option<Whole> = None;
    let mut walk = batches(fetched);
    while let Some(found) = walk.next() {
        match found {
            Ok((header, _)) => {
                let behind = whole.as_ref().is_some_and(|whole| header.base_offset < whole.next_offset);
                if behind || header.last_offset() < header.base_offset {
                    return Err(format!(
                        "batch at offset {} does not follow the one before it",
                        header.base_offset
                    ));
                }
                whole = Some(Whole {
                    bytes: walk.position(),
                    next_offset: header.next_offset(),
                    last_epoch: header.partition_leader_epoch,
                });
            }
            Err(error) if error.is_truncated() => break,
            // What is good in front of it is handed out first; then the same error comes again.
            Err(_) if whole.is_some() => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(whole)
}

/// The first batch of a stretch.
pub(crate) struct Decoded {
    pub(crate) bytes: usize,
    pub(crate) next_offset: i64,
    pub(crate) leader_epoch: i32,
    /// Records at or after the position; empty for a control batch.
    pub(crate) records: Vec<Record>,
}

/// Decodes the first batch, leaving out records before `position`.
pub(crate) fn decode_first(stretch: &Bytes, position: i64) -> Result<Decoded, String> {
    let Some(first) = batches(stretch).next() else { return Err("an empty stretch of log".to_owned()) };
    let (header, batch) = first.map_err(|error| error.to_string())?;
    if !crc_ok(&header, batch) {
        return Err(format!("checksum of the batch at offset {} is wrong", header.base_offset));
    }
    let mut decoded = Decoded {
        bytes: batch.len(),
        next_offset: header.next_offset(),
        leader_epoch: header.partition_leader_epoch,
        records: Vec::new(),
    };
    if header.is_control() || header.next_offset() <= position {
        return Ok(decoded);
    }
    let all = records::records(&stretch.slice_ref(batch)).map_err(|error| error.to_string())?;
    for record in all {
        let record = record.map_err(|error| format!("batch at offset {}: {error}", header.base_offset))?;
        if record.offset >= position {
            decoded.records.push(record);
        }
    }
    Ok(decoded)
}
