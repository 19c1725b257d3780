//! Record batches: what is built is sound and reads back; whatever is wrong with a batch is found and named.

use bytes::Bytes;
use poruka_wire::{
    ErrorCode,
    records::{
        BatchBuilder, BatchErrorKind, BatchInfo, Compression, ControlType, HEADER_BYTES, Header, Limits,
        Origin, Record, batches, batches_of, control_batch, crc_ok, end_txn_marker, records, set_base_offset,
        set_leader_epoch, set_max_timestamp, validate,
    },
};

fn sample_records(seed: u64, count: usize) -> Vec<Record> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = |max: usize| -> Option<Bytes> {
        rng.bool().then(|| {
            let length = rng.usize(..max);
            std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
        })
    };
    let mut all = Vec::new();
    for offset in 0..count {
        let headers = (0..offset % 3).map(|_| Header { key: "same-name".into(), value: bytes(20) }).collect();
        let (key, value) = (bytes(40), bytes(3000));
        all.push(Record {
            offset: offset as i64,
            timestamp: 1_000 + (offset as i64 * 7) % 40,
            key,
            value,
            headers,
        });
    }
    all
}

fn build(codec: Compression, records: &[Record]) -> Bytes {
    let mut builder = BatchBuilder::new(codec).producer(4711, 3, 100);
    for record in records {
        builder
            .push(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers)
            .expect("small records fit");
    }
    builder.build()
}

fn check(batch: &[u8]) -> Result<BatchInfo, BatchErrorKind> {
    validate(batch, &Limits { batch_bytes_max: 64 << 20, ..Limits::default() })
        .map_err(|error| error.kind().clone())
}

/// Renews the checksum after a change, so that the change itself is what is judged.
fn resealed(mut batch: Vec<u8>) -> Vec<u8> {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[21..]) as u32;
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn changed(batch: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut batch = batch.to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    resealed(batch)
}

#[test]
fn what_is_built_is_sound_and_reads_back_in_every_codec() {
    for codec in Compression::ALL {
        for (seed, count) in [(1, 1), (2, 2), (3, 50), (4, 500)] {
            let expected = sample_records(seed, count);
            let batch = build(codec, &expected);
            let info = check(&batch).unwrap();
            assert_eq!(info.header.record_count as usize, count);
            assert_eq!(info.header.last_sequence(), 99 + count as i32);
            assert_eq!(info.compression, codec);
            assert_eq!(info.max_timestamp, info.header.max_timestamp);
            let at_max = &expected[info.max_timestamp_delta as usize];
            assert_eq!(at_max.timestamp, info.max_timestamp);
            let read: Vec<Record> = records(&batch).unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(read, expected, "{codec}");
        }
    }
}

#[test]
fn repeated_header_names_are_kept_in_order() {
    let headers = [Header::new("a", "1"), Header::new("b", "2"), Header::new("a", "3")];
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(0, None, None, &headers).unwrap();
    let record = records(&builder.build()).unwrap().next().unwrap().unwrap();
    assert_eq!(record.headers, headers);
    assert_eq!(record.header("a").unwrap(), "1");
}

#[test]
fn offset_and_epoch_change_in_place_and_the_checksum_still_holds() {
    let mut batch = build(Compression::Zstd, &sample_records(5, 3)).to_vec();
    set_base_offset(&mut batch, 1 << 40);
    set_leader_epoch(&mut batch, 9);
    let info = check(&batch).unwrap();
    assert_eq!((info.header.base_offset, info.header.last_offset()), (1 << 40, (1 << 40) + 2));
    assert_eq!(info.header.partition_leader_epoch, 9);

    set_max_timestamp(&mut batch, 5_555, true);
    assert_eq!(check(&batch), Err(BatchErrorKind::TimestampType), "a client may not set it");
    let (header, whole) = batches(&batch).next().unwrap().unwrap();
    assert!(crc_ok(&header, whole));
    let times: Vec<i64> = records(&batch.into()).unwrap().map(|record| record.unwrap().timestamp).collect();
    assert_eq!(times, [5_555; 3]);
}

#[test]
fn every_cut_and_every_flipped_bit_is_noticed() {
    let batch = build(Compression::None, &sample_records(6, 4));
    for cut in 0..batch.len() {
        assert!(validate(&batch[..cut], &Limits::default()).is_err(), "cut at {cut}");
    }
    for bit in 0..batch.len() * 8 {
        let mut flipped = batch.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Base offset and leader epoch are the log's to set, and not under the checksum.
        let free = bit / 8 < 8 || (12..16).contains(&(bit / 8));
        assert_eq!(validate(&flipped, &Limits::default()).is_ok(), free, "bit {bit}");
    }
}

#[test]
fn each_lie_of_a_header_is_named() {
    use BatchErrorKind as K;
    let batch = build(Compression::None, &sample_records(7, 3));
    type Lie = (&'static str, usize, Vec<u8>, fn(&K) -> bool);
    let lies: Vec<Lie> = vec![
        ("format 1", 16, vec![1], |kind| matches!(kind, K::Magic(1))),
        ("length -1", 8, vec![0xff; 4], |kind| matches!(kind, K::Length(-1))),
        ("length 2^31-1", 8, vec![0x7f, 0xff, 0xff, 0xff], |kind| matches!(kind, K::TooLarge { .. })),
        ("codec 7", 22, vec![7], |kind| matches!(kind, K::Codec(7))),
        ("gzip that is none", 22, vec![1], |kind| matches!(kind, K::Malformed { .. })),
        ("count 2^31-1", 57, vec![0x7f, 0xff, 0xff, 0xff], |kind| matches!(kind, K::Count { .. })),
        ("count 0", 57, vec![0; 4], |kind| matches!(kind, K::Count { .. })),
        ("offsets 2^31-1", 23, vec![0x7f, 0xff, 0xff, 0xff], |kind| matches!(kind, K::Count { .. })),
        ("offsets -1", 23, vec![0xff; 4], |kind| matches!(kind, K::Count { .. })),
        ("no sequence", 53, vec![0xff; 4], |kind| matches!(kind, K::Producer { .. })),
        ("no epoch", 51, vec![0xff; 2], |kind| matches!(kind, K::Producer { .. })),
        ("producer -2", 43, vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], |kind| {
            matches!(kind, K::Producer { .. })
        }),
        ("control", 22, vec![0x20], |kind| matches!(kind, K::Control)),
        ("append time", 22, vec![0x08], |kind| matches!(kind, K::TimestampType)),
        ("delete horizon", 22, vec![0x40], |kind| matches!(kind, K::DeleteHorizon)),
        ("timestamps out of range", 27, vec![0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], |kind| {
            matches!(kind, K::TimestampDelta(_))
        }),
    ];
    for (lie, at, bytes, expected) in lies {
        let kind = check(&changed(&batch, at, &bytes)).unwrap_err();
        assert!(expected(&kind), "{lie}: {kind}");
    }
}

#[test]
fn a_count_and_its_offsets_that_lie_together_are_found_by_the_records() {
    let batch = build(Compression::None, &sample_records(8, 3));
    let mut lie = batch.to_vec();
    lie[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
    lie[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    let lie = resealed(lie);
    assert!(matches!(check(&lie), Err(BatchErrorKind::Truncated { .. })));
    assert!(
        records(&lie.into()).unwrap().last().unwrap().is_err(),
        "a reader finds it too, without the memory"
    );
}

#[test]
fn each_lie_of_a_record_is_named_with_its_place() {
    // Record: length 14, attributes, timestamp delta, offset delta, key length, key, value length, value, headers.
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(0, Some(b"k"), Some(b"v"), &[Header::new("h", "w")]).unwrap();
    let batch = builder.build();
    let lies: [(&str, usize, u8); 9] = [
        ("record longer", 0, 30),
        ("record shorter", 0, 10),
        ("record length -1", 0, 1),
        ("offset 1 first", 3, 2),
        ("key length 60", 4, 120),
        ("key length -2", 4, 3),
        ("value length 60", 6, 120),
        ("header count 60", 8, 120),
        ("null header name", 9, 1),
    ];
    for (lie, at, byte) in lies {
        let error = validate(&changed(&batch, HEADER_BYTES + at, &[byte]), &Limits::default()).unwrap_err();
        assert_eq!(error.record(), Some(0), "{lie}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidRecord, "{lie}: {error}");
    }
    let error = validate(&changed(&batch, HEADER_BYTES + 4, &[120]), &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "record batch: record 0 at byte 66: key length 60 does not fit the record");
}

#[test]
fn a_few_bytes_do_not_decompress_to_gigabytes() {
    let limits = Limits { batch_bytes_max: 64 << 20, ..Limits::default() };
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let mut builder = BatchBuilder::new(codec);
        builder.push(0, None, Some(&vec![0; 40 << 20]), &[]).unwrap();
        let batch = builder.build();
        let bomb_limit = (16 << 20) + 256 * (batch.len() - HEADER_BYTES);
        let outcome = validate(&batch, &limits);
        if bomb_limit < 40 << 20 {
            let error = outcome.unwrap_err();
            assert!(matches!(error.kind(), BatchErrorKind::TooLargeDecompressed { .. }), "{codec}: {error}");
            assert_eq!(error.code(), ErrorCode::MessageTooLarge);
            assert!(records(&batch).is_err());
        } else {
            outcome.unwrap();
        }
    }
}

#[test]
fn records_after_the_last_one_are_refused_inside_compression_too() {
    for codec in Compression::ALL {
        let batch = build(codec, &sample_records(9, 5));
        let mut fewer = batch.to_vec();
        fewer[23..27].copy_from_slice(&3i32.to_be_bytes());
        fewer[57..61].copy_from_slice(&4i32.to_be_bytes());
        let kind = check(&resealed(fewer)).unwrap_err();
        assert!(matches!(kind, BatchErrorKind::TrailingBytes(_)), "{codec}: {kind}");
    }
}

#[test]
fn a_walk_goes_from_batch_to_batch_and_ends_at_the_torn_one() {
    let one = build(Compression::None, &sample_records(10, 2));
    let two = build(Compression::Lz4, &sample_records(11, 3));
    let all: Bytes = [&one[..], &two[..], &one[..40]].concat().into();
    let mut walk = batches(&all);
    assert_eq!(walk.next().unwrap().unwrap().1, &one[..]);
    assert_eq!(walk.next().unwrap().unwrap().1, &two[..]);
    assert!(walk.next().unwrap().unwrap_err().is_truncated());
    assert_eq!(walk.position(), one.len() + two.len());
    assert!(walk.next().is_none());
    let count = batches_of(&all).filter_map(Result::ok).map(|(header, _)| header.record_count).sum::<i32>();
    assert_eq!(count, 5);
}

#[test]
fn the_first_record_without_a_key_is_told_in_every_codec() {
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(codec);
        for key in [Some(&b"k"[..]), Some(b""), None, Some(b"k"), None] {
            builder.push(0, key, Some(&[0; 20_000]), &[]).unwrap();
        }
        assert_eq!(check(&builder.build()).unwrap().keyless, Some(2), "{codec}");
    }
    let mut keyed = BatchBuilder::new(Compression::None);
    keyed.push(0, Some(b""), None, &[]).unwrap();
    assert_eq!(check(&keyed.build()).unwrap().keyless, None, "an empty key is a key");
}

#[test]
fn control_batches_are_the_brokers_own() {
    let marker = end_txn_marker(7, 1, 3, true, 1_234);
    assert_eq!(check(&marker), Err(BatchErrorKind::Control));
    let broker = Limits { origin: Origin::Broker, ..Limits::default() };
    let info = validate(&marker, &broker).unwrap();
    assert!(info.header.is_control() && info.header.is_transactional());
    let record = records(&marker).unwrap().next().unwrap().unwrap();
    assert_eq!(ControlType::of_key(&record.key.unwrap()), Some(ControlType::Commit));
    assert_eq!(poruka_wire::records::end_txn_marker_epoch(&record.value.unwrap()), Some(3));

    let gap = control_batch(ControlType::Other(99), b"", 0).base_offset(500).leader_epoch(4).build();
    assert_eq!(validate(&gap, &broker).unwrap().header.next_offset(), 501);
}

#[test]
fn sequences_go_on_at_zero() {
    let mut builder = BatchBuilder::new(Compression::None).producer(1, 0, i32::MAX);
    builder.push(0, None, None, &[]).unwrap();
    builder.push(0, None, None, &[]).unwrap();
    assert_eq!(check(&builder.build()).unwrap().header.last_sequence(), 0);
}
