//! What the tests of this crate share: batches, a small configuration, reading a whole log.

use bytes::Bytes;
use poruka_log::{Class, LogConfig, LogSpec, PartitionLog, SegmentConfig};
use poruka_wire::Uuid;

/// Stamp of an idempotent producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
}

/// A batch of `count` records that all carry `payload` as their value.
pub(crate) fn batch(payload: &[u8], count: i32, timestamp: i64, stamp: Option<Stamp>) -> Bytes {
    let stamp = stamp.unwrap_or(Stamp { id: -1, epoch: -1, sequence: -1 });
    let mut records = Vec::new();
    for delta in 0..count {
        let mut record = vec![0, 0];
        varint(&mut record, i64::from(delta));
        varint(&mut record, -1);
        varint(&mut record, payload.len() as i64);
        record.extend(payload);
        varint(&mut record, 0);
        varint(&mut records, record.len() as i64);
        records.extend(record);
    }
    let mut batch = vec![0; 8];
    batch.extend(((49 + records.len()) as i32).to_be_bytes());
    batch.extend((-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend([0; 4]);
    batch.extend(0_i16.to_be_bytes());
    batch.extend((count - 1).to_be_bytes());
    batch.extend(timestamp.to_be_bytes());
    batch.extend(timestamp.to_be_bytes());
    batch.extend(stamp.id.to_be_bytes());
    batch.extend(stamp.epoch.to_be_bytes());
    batch.extend(stamp.sequence.to_be_bytes());
    batch.extend(count.to_be_bytes());
    batch.extend(records);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[21..]) as u32;
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A batch as it was found in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) is_control: bool,
    /// Everything that the broker does not change.
    pub(crate) body: Bytes,
}

/// The part of a batch that the broker does not change.
pub(crate) fn body(batch: &Bytes) -> Bytes {
    batch.slice(16..)
}

/// All that can be read, from the log start to the high watermark.
pub(crate) fn read_all(log: &PartitionLog, bytes_max: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut offset = log.log_start();
    while offset < log.high_watermark() {
        let read = log.read(offset, bytes_max, true).expect("readable");
        let before = offset;
        for mut chunk in read.records {
            while !chunk.is_empty() {
                let size = 12 + i32::from_be_bytes(chunk[8..12].try_into().expect("4 bytes")) as usize;
                let one = chunk.split_to(size);
                let base = i64::from_be_bytes(one[..8].try_into().expect("8 bytes"));
                let last = i32::from_be_bytes(one[23..27].try_into().expect("4 bytes"));
                offset = base + i64::from(last) + 1;
                let is_control = i16::from_be_bytes([one[21], one[22]]) & 32 != 0;
                seen.push(Seen { base, next: offset, is_control, body: body(&one) });
            }
        }
        assert!(offset > before, "a read below the high watermark moves on");
    }
    seen
}

/// A ring and segments so small that a short history fills them.
pub(crate) fn small() -> LogConfig {
    LogConfig {
        journal_file_bytes: 32 << 10,
        journal_files: 3,
        reference_bytes_min: 3000,
        reference_segments_max: 1,
        tail_bytes_max: 64 << 10,
        cached_unsynced_bytes_max: 20_000,
        referred_bytes_max: 40_000,
        ..LogConfig::default()
    }
}

pub(crate) fn spec(topic: &str, id: u8, class: Class) -> LogSpec {
    LogSpec {
        topic: topic.to_owned(),
        topic_id: Uuid([id; 16]),
        partition: 0,
        durability: class,
        config: SegmentConfig {
            segment_bytes: 12_000,
            index_interval_bytes: 1000,
            memory_bytes_max: 10_000,
            ..SegmentConfig::default()
        },
    }
}
