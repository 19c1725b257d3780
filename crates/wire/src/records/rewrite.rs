//! A batch without some of its records, as log compaction leaves it (KIP-58, KIP-534).
//!
//! Offsets, producer stamp, leader epoch, codec and kind stay as they were: base and last offset still span the whole
//! original batch, so that sequences and offsets add up although records are missing. A batch without records is a bare
//! header, as in Kafka. A delete horizon takes the place of the base timestamp; the records' own timestamps stay.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    BatchError, Compression, HEADER_BYTES, LENGTH_PREFIX_BYTES, NO_TIMESTAMP, Records, compression::compress,
    header::crc_of, varint,
};

impl Records {
    /// The batch with only those records whose number in the batch, from 0, `keep` accepts. With `delete_horizon` its base
    /// timestamp becomes that, and the header says so. Call it before the first record was taken.
    ///
    /// # Errors
    /// As iteration.
    pub fn rewrite(
        &self,
        keep: impl Fn(usize) -> bool,
        delete_horizon: Option<i64>,
    ) -> Result<Bytes, BatchError> {
        let mut header = *self.header();
        let mut codec = header.compression()?;
        let base_timestamp = delete_horizon.unwrap_or(header.base_timestamp);
        let (mut kept, mut max_timestamp) = (0, NO_TIMESTAMP);
        let mut out = BytesMut::new();
        let mut left = self.clone();
        let mut number = 0;
        loop {
            let before = left.position();
            let Some(record) = left.next_view() else { break };
            let timestamp = record?.timestamp;
            if keep(number) {
                put_record(
                    &mut out,
                    &self.body()[before..left.position()],
                    timestamp.saturating_sub(base_timestamp),
                );
                max_timestamp = max_timestamp.max(timestamp);
                kept += 1;
            }
            number += 1;
        }
        if kept == 0 {
            codec = Compression::None;
            header = header.without_records();
        } else {
            if delete_horizon.is_some() {
                header = header.with_delete_horizon();
            }
            if !header.is_log_append_time() {
                header.max_timestamp = max_timestamp;
            }
            header.base_timestamp = base_timestamp;
        }
        header.record_count = kept;
        // If the codec fails, the records are left uncompressed, which every reader takes too.
        match (codec != Compression::None).then(|| compress(codec, &out)) {
            Some(Ok(compressed)) => Ok(assemble(header.with_codec(codec), &compressed)),
            _ => Ok(assemble(header.with_codec(Compression::None), &out)),
        }
    }
}

/// Copies a record, length included, with another timestamp delta. Its bounds were checked when it was read.
fn put_record(out: &mut BytesMut, raw: &[u8], timestamp_delta: i64) {
    let varint_end = |from: usize| {
        raw[from..].iter().position(|byte| byte & 0x80 == 0).map_or(raw.len(), |last| from + last + 1)
    };
    let attributes = varint_end(0);
    let rest = &raw[varint_end(attributes + 1)..];
    let length = 1 + varint::size(timestamp_delta) + rest.len();
    varint::put(out, length as i64);
    out.put_u8(raw[attributes]);
    varint::put(out, timestamp_delta);
    out.put_slice(rest);
}

fn assemble(mut header: super::BatchHeader, records: &[u8]) -> Bytes {
    let mut batch = BytesMut::with_capacity(HEADER_BYTES + records.len());
    header.batch_length = (HEADER_BYTES + records.len() - LENGTH_PREFIX_BYTES) as i32;
    batch.put_slice(&header.to_bytes());
    batch.put_slice(records);
    header.crc = crc_of(&batch);
    batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    batch.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, BatchHeader, Header, records};
    use super::*;

    fn batch(codec: Compression) -> Bytes {
        let mut builder = BatchBuilder::new(codec).producer(7, 1, 100).base_offset(50).leader_epoch(3);
        for number in 0..4_i64 {
            let key = format!("key {number}");
            let headers = [Header::new("name", vec![number as u8; 3])];
            builder
                .push(1000 + number, Some(key.as_bytes()), Some(&[number as u8; 200]), &headers)
                .expect("fits");
        }
        builder.build()
    }

    #[test]
    fn what_is_kept_stays_as_it_was_with_every_codec_and_with_a_delete_horizon() {
        for codec in Compression::ALL {
            for horizon in [None, Some(5_000_000)] {
                let batch = batch(codec);
                let old: Vec<_> =
                    records(&batch).expect("records").map(|record| record.expect("sound")).collect();
                let kept = |number| number != 1 && number != 3;
                let new = records(&batch).expect("records").rewrite(kept, horizon).expect("rewritten");
                let (before, header) =
                    (BatchHeader::parse(&batch).expect("header"), BatchHeader::parse(&new).expect("header"));
                assert_eq!((header.base_offset, header.last_offset()), (50, 53));
                assert_eq!((header.base_sequence, header.last_sequence()), (100, 103));
                assert_eq!(
                    (header.producer_id, header.producer_epoch, header.partition_leader_epoch),
                    (7, 1, 3)
                );
                assert_eq!((header.record_count, header.max_timestamp), (2, 1002));
                assert_eq!(header.compression().ok(), before.compression().ok());
                assert_eq!(header.has_delete_horizon(), horizon.is_some());
                assert_eq!(header.base_timestamp, horizon.unwrap_or(1000));
                assert!(super::super::crc_ok(&header, &new));
                let found: Vec<_> =
                    records(&new).expect("records").map(|record| record.expect("sound")).collect();
                assert_eq!(found, [old[0].clone(), old[2].clone()]);
            }
        }
    }

    #[test]
    fn a_batch_without_records_is_a_bare_header_that_keeps_offsets_and_sequences() {
        let batch = batch(Compression::Zstd);
        let new = records(&batch).expect("records").rewrite(|_| false, None).expect("rewritten");
        let header = BatchHeader::parse(&new).expect("header");
        assert_eq!(new.len(), HEADER_BYTES);
        assert_eq!((header.base_offset, header.last_offset(), header.last_sequence()), (50, 53, 103));
        assert_eq!((header.record_count, header.max_timestamp), (0, 1003));
        assert_eq!(records(&new).expect("records").count(), 0);
    }
}
