//! Batches of other writers: what Apache Kafka's Java client and others produce is read here, record for record.

use bytes::Bytes;
use poruka_wire::records::{Compression, Header, Limits, Record, batches, decompress, records, validate};

/// The same three records in every codec, as Apache Kafka 4.3.1's client writes them: producer 77, epoch 2, sequence 5.
const JAVA: [(Compression, &str); 5] = [
    (
        Compression::None,
        "000000000000000000000077ffffffff0267f802b30000000000020000018bcfe568000000018bcfe568070000\
         00000000004d000200000005000000036c0000000c6b6c6a75c48d46767265646e6f737420767265646e6f7374\
         20767265646e6f737420767265646e6f737404026802310268010c000e020100000e000604026b0100",
    ),
    (
        Compression::Gzip,
        "000000000000000000000073ffffffff0271bffa610001000000020000018bcfe568000000018bcfe568070000\
         00000000004d000200000005000000031f8b08000000000000ffcb616060e0c9cec92a3dd2eb5656949a92975f\
         5ca2809bc1c294c164c894c1c8c3c0c7c4c8c0c0c7c0c6c294cdc80000e370f48346000000",
    ),
    (
        Compression::Snappy,
        "000000000000000000000077ffffffff02b173c1a90002000000020000018bcfe568000000018bcfe568070000\
         00000000004d0002000000050000000382534e415050590000000001000000010000003246506c0000000c6b6c\
         6a75c48d46767265646e6f7374206609005804026802310268010c000e020100000e000604026b0100",
    ),
    (
        Compression::Lz4,
        "000000000000000000000073ffffffff026581adf40003000000020000018bcfe568000000018bcfe568070000\
         00000000004d0002000000050000000304224d1860408233000000ff066c0000000c6b6c6a75c48d4676726564\
         6e6f737420090007f00804026802310268010c000e020100000e000604026b010000000000",
    ),
    (
        Compression::Zstd,
        "000000000000000000000070ffffffff02c714caf00004000000020000018bcfe568000000018bcfe568070000\
         00000000004d0002000000050000000328b52ffd00589c0100c4026c0000000c6b6c6a75c48d46767265646e6f\
         73742004026802310268010c000e020100000e000604026b01000100691726010000",
    ),
];

fn unhex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).expect("hexadecimal") as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

fn expected() -> [Record; 3] {
    let record = |offset, timestamp, key: Option<&'static str>, value: Option<&'static str>| Record {
        offset,
        timestamp,
        key: key.map(Bytes::from),
        value: value.map(Bytes::from),
        headers: Vec::new(),
    };
    let mut first = record(0, 1_700_000_000_000, Some("ključ"), Some("vrednost vrednost vrednost vrednost"));
    first.headers = vec![Header::new("h", "1"), Header { key: "h".into(), value: None }];
    let second = record(1, 1_700_000_000_007, None, Some(""));
    [first, second, record(2, 1_700_000_000_003, Some("k"), None)]
}

#[test]
fn batches_of_the_java_client_are_sound_and_read_the_same_in_every_codec() {
    for (codec, hex) in JAVA {
        let batch = unhex(hex);
        let info = validate(&batch, &Limits::default()).unwrap();
        assert_eq!(info.compression, codec);
        let header = info.header;
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (77, 2, 5));
        assert_eq!((info.max_timestamp, info.max_timestamp_delta), (1_700_000_000_007, 1));
        assert_eq!(info.min_timestamp, 1_700_000_000_000);
        let read: Vec<Record> = records(&batch).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(read, expected(), "{codec}");
    }
}

#[test]
fn snappy_without_blocks_is_read_too() {
    let (_, plain) = JAVA[0];
    let records = unhex(plain).slice(poruka_wire::records::HEADER_BYTES..);
    let raw = Bytes::from(snap::raw::Encoder::new().compress_vec(&records).unwrap());
    assert_eq!(decompress(Compression::Snappy, &raw, usize::MAX).unwrap(), records);
}

#[test]
fn a_fetch_of_many_batches_reads_as_one_stream() {
    let all: Vec<u8> = JAVA.iter().flat_map(|(_, hex)| unhex(hex)).collect();
    let mut seen = 0;
    for found in batches(&all) {
        let (header, batch) = found.unwrap();
        assert_eq!(header.size(), batch.len());
        seen += records(&Bytes::copy_from_slice(batch)).unwrap().count();
    }
    assert_eq!(seen, 15);
}
