//! Records inside of batches: a key-value batch built and read for the state logs, one record found by its timestamp.

use bytes::{BufMut, Bytes};

use crate::batch::{HEADER_BYTES, Head, LENGTH_PREFIX_BYTES};
use crate::codec::crc32c;

/// The first record of the batch at or after `timestamp` and `log_start`: (offset, timestamp).
pub(crate) fn first_record_at(
    _batch: &Bytes,
    head: &Head,
    timestamp: i64,
    log_start: i64,
) -> Option<(i64, i64)> {
    (head.max_timestamp >= timestamp).then(|| (head.base_offset.max(log_start), head.max_timestamp))
}

/// One uncompressed batch of keys and values.
pub(crate) fn build_batch(changes: &[(Bytes, Option<Bytes>)], now_ms: i64) -> Bytes {
    let mut batch = vec![0; HEADER_BYTES];
    let mut record = Vec::new();
    for (delta, (key, value)) in changes.iter().enumerate() {
        record.clear();
        record.put_u8(0);
        put_varint(&mut record, 0);
        put_varint(&mut record, delta as i64);
        put_varint(&mut record, key.len() as i64);
        record.put_slice(key);
        match value {
            Some(value) => {
                put_varint(&mut record, value.len() as i64);
                record.put_slice(value);
            }
            None => put_varint(&mut record, -1),
        }
        put_varint(&mut record, 0);
        put_varint(&mut batch, record.len() as i64);
        batch.put_slice(&record);
    }
    let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
    let count = changes.len() as i32;
    let mut put = |at: usize, bytes: &[u8]| batch[at..at + bytes.len()].copy_from_slice(bytes);
    put(8, &length.to_be_bytes());
    put(16, &[2]);
    put(23, &(count - 1).to_be_bytes());
    put(27, &now_ms.to_be_bytes());
    put(35, &now_ms.to_be_bytes());
    put(43, &(-1_i64).to_be_bytes());
    put(51, &(-1_i16).to_be_bytes());
    put(53, &(-1_i32).to_be_bytes());
    put(57, &count.to_be_bytes());
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

/// Gives every record of the batches in `bytes` to `each`; the offset after the last one. `None`: not what
/// [`build_batch`] makes.
pub(crate) fn for_each_record(bytes: &Bytes, mut each: impl FnMut(Bytes, Option<Bytes>)) -> Option<i64> {
    let mut at = 0;
    let mut next = None;
    while at < bytes.len() {
        let head = Head::read_whole(&bytes[at..])?;
        let mut from = Varints { bytes, at: at + HEADER_BYTES };
        for _ in 0..=head.last_offset_delta {
            from.varint()?;
            from.at += 1;
            from.varint()?;
            from.varint()?;
            let key = from.bytes()??;
            let value = from.bytes()?;
            from.varint().filter(|headers| *headers == 0)?;
            each(key, value);
        }
        at += head.size;
        next = Some(head.next_offset());
    }
    next
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

struct Varints<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Varints<'_> {
    fn varint(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<Option<Bytes>> {
        let length = self.varint()?;
        let Ok(length) = usize::try_from(length) else { return Some(None) };
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Some(Some(taken))
    }
}
