//! A fuzz target with fixed seeds: batches that were changed and sealed again with a right checksum. Nothing panics, and
//! what validation takes, every reader can read.

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::RecordBatchDecoder;
use poruka_wire::records::{
    BatchBuilder, BatchError, Compression, Header, Limits, Record, records, validate,
};

const ROUNDS: u64 = 6_000;

fn batch(rng: &mut fastrand::Rng, codec: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    if rng.bool() {
        builder.set_producer(rng.i64(..), rng.i16(..), rng.i32(..));
    }
    for index in 0..rng.i64(1..6) {
        let value = vec![rng.u8(..); rng.usize(..200)];
        let headers = [Header::new("h", "v")];
        let headers = if rng.bool() { &headers[..] } else { &[] };
        builder.push(index, rng.bool().then_some(b"key"), Some(&value), headers).expect("small records fit");
    }
    builder.build().into()
}

fn mutate(rng: &mut fastrand::Rng, batch: &mut [u8]) {
    // The fields after the checksum, or a record byte.
    let at = if rng.bool() { rng.usize(21..61) } else { rng.usize(61..batch.len()) };
    batch[at] = match rng.u8(..4) {
        0 => batch[at] ^ 1 << rng.u8(..8),
        1 => 0xff,
        2 => batch[at].wrapping_add(1),
        _ => rng.u8(..),
    };
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[21..]) as u32;
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

#[test]
fn what_validation_takes_every_reader_can_read() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..ROUNDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let codec = Compression::ALL[seed as usize % Compression::ALL.len()];
        let mut bytes = batch(&mut rng, codec);
        for _ in 0..rng.usize(..3) {
            mutate(&mut rng, &mut bytes);
        }
        let bytes = Bytes::from(bytes);
        let outcome = validate(&bytes, &Limits::default());
        let read: Result<Vec<Record>, BatchError> = records(&bytes).and_then(Iterator::collect);
        match outcome {
            Ok(info) => {
                taken += 1;
                let read = read.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                assert_eq!(read.len(), info.header.record_count as usize, "seed {seed}");
                let newest = read.iter().map(|record| record.timestamp).max().unwrap_or(-1);
                assert_eq!(newest.max(-1), info.max_timestamp, "seed {seed}");
                the_published_codec_reads(&bytes, info.compression, &read, seed);
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(taken > ROUNDS / 5 && refused > ROUNDS / 5, "{taken} taken, {refused} refused");
}

/// The published codec is built without compression here, and keeps one header of a name.
fn the_published_codec_reads(batch: &Bytes, codec: Compression, ours: &[Record], seed: u64) {
    let utf8 = |record: &Record| record.headers.iter().all(|header| !header.key.contains('\u{fffd}'));
    if codec != Compression::None || !ours.iter().all(utf8) {
        return;
    }
    let mut rest = batch.clone();
    let theirs = RecordBatchDecoder::decode(&mut rest).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(theirs.records.len(), ours.len(), "seed {seed}");
    for (theirs, ours) in theirs.records.iter().zip(ours) {
        assert_eq!((theirs.offset, theirs.timestamp), (ours.offset, ours.timestamp), "seed {seed}");
        assert_eq!((&theirs.key, &theirs.value), (&ours.key, &ours.value), "seed {seed}");
    }
}

#[test]
fn what_the_published_codec_builds_is_sound() {
    use kafka_protocol::records::{
        Compression as Codec, Record as Theirs, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };
    let theirs: Vec<Theirs> = (0..20)
        .map(|offset| Theirs {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 0,
            producer_id: 9,
            producer_epoch: 1,
            timestamp_type: TimestampType::Creation,
            offset,
            sequence: 40 + offset as i32,
            timestamp: 1_000 + offset,
            key: Some(format!("key {offset}").into()),
            value: Some(vec![7; offset as usize * 30].into()),
            headers: Default::default(),
        })
        .collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Codec::None };
    RecordBatchEncoder::encode(&mut bytes, theirs.iter(), &options).unwrap();
    let bytes = bytes.freeze();
    let info = validate(&bytes, &Limits::default()).unwrap();
    assert_eq!((info.header.base_sequence, info.header.last_sequence()), (40, 59));
    for (theirs, ours) in theirs.iter().zip(records(&bytes).unwrap()) {
        assert_eq!(ours.unwrap().value, theirs.value);
    }
}
