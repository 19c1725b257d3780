//! Bytes that Apache Kafka 4.3.1's own codec reads and writes unchanged, for the versions that the published codec of
//! the differential test does not know.

use crate::sample::{Sample, Visitor, visit_all};
use crate::{Message, Reader, Request, Writer};

const GOLDEN: [(&str, i16, &str); 7] = [
    (
        "ListOffsetsRequest",
        11,
        "34a8bd30ed0211f3b48db9f2a099abf0b585a7f198bea302f3c0b1b680000000b908353ac19723e70000c296a19300",
    ),
    (
        "ListOffsetsResponse",
        11,
        "000000000209f18e9397f3b9b1bc0284770991007bdd8c9d039aa8714be9884f44f466c4dbf0cbdbb5000000",
    ),
    ("OffsetCommitRequest", 10, "05f2979d807fffffff05f485acb00102ffdb0deed9e146135f4686b6ec77c9f2010000"),
    (
        "OffsetFetchRequest",
        10,
        "0308f2a3b5a3e5af9f01ac4153c4000015f181a5bbf38e9fadf3bdb9b8f298a5bef3aa9799006244766c00000000",
    ),
    ("InitProducerIdRequest", 6, "0df18c85b2f2a38eb4f396b797fce4e6db00000000000000003855010100"),
    (
        "WriteTxnMarkersRequest",
        2,
        "02d32395d5b6f43b675f20010209f3afaca4f38b9c9d04f466c4dbf0cbdbb59ff7f88f009b35492e7f0000",
    ),
    (
        "WriteTxnMarkersResponse",
        2,
        "040952b484378e9a5a010027a5ac75669608e40100b4d7a0a300b46e49020df0a8aba0f1809ebdf28c8bab01000000",
    ),
];

/// Bytes of a line of hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).expect("hexadecimal") as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

#[derive(Default)]
struct Golden {
    checked: usize,
}

impl Golden {
    fn check<M: Message>(&mut self) {
        for (_, version, hex) in GOLDEN.iter().filter(|(name, ..)| *name == M::NAME) {
            let bytes = unhex(hex);
            let mut reader = Reader::new(bytes.clone().into());
            let message = M::decode(&mut reader, *version).unwrap();
            reader.finish().unwrap();
            let mut writer = Writer::new();
            message.encode(&mut writer, *version).unwrap();
            assert_eq!(writer.into_bytes(), bytes, "{message:?}");
            self.checked += 1;
        }
    }
}

impl Visitor for Golden {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
        self.check::<R>();
        self.check::<R::Response>();
    }
}

#[test]
fn bytes_of_apache_kafka_read_and_write_unchanged() {
    let mut golden = Golden::default();
    visit_all(&mut golden);
    assert_eq!(golden.checked, GOLDEN.len());
}
