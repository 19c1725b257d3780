//! Fuzz targets with fixed seeds: whatever arrives, decoding ends without a panic, takes memory in proportion to what
//! arrived, and says where it stopped.

use bytes::Bytes;

use super::{encoded, holds};
use crate::sample::{self, Choices, Sample, Visitor, mutate, visit_all};
use crate::{
    DecodeErrorKind, Message, Reader, Request, Writer, frame,
    primitives::{DECODE_BASE_BYTES_MAX, DECODE_MEMORY_FACTOR_MAX, DECODE_MEMORY_RATIO_MAX},
};

/// Decodes, and checks what must hold whether it succeeds or not.
fn decode<M: Message>(bytes: Bytes, version: i16) -> Result<M, crate::DecodeError> {
    let length = bytes.len();
    let mut reader = Reader::new(bytes);
    let outcome = M::decode(&mut reader, version);
    let spent = reader.memory_spent();
    assert!(spent <= length * DECODE_MEMORY_RATIO_MAX, "{} v{version}: {spent} bytes for {length}", M::NAME);
    assert!(spent <= DECODE_BASE_BYTES_MAX + length * DECODE_MEMORY_FACTOR_MAX);
    if let Err(error) = &outcome {
        assert!(error.position() <= length, "{error}");
        assert!(error.path().starts_with(M::NAME), "{error}");
        assert!(error.to_string().contains("at byte"), "{error}");
    }
    outcome
}

#[derive(Default)]
struct Hostile {
    refused: usize,
    taken: usize,
}

impl Hostile {
    /// Changed messages, and noise.
    fn attack<M: Message + Sample>(&mut self, version: i16) {
        let counts = std::cell::RefCell::new((0, 0));
        holds::<M>(version, |message, mut choices| {
            let valid = encoded(&message, version);
            for changes in 0..4 {
                let mut bytes = valid.to_vec();
                (0..=changes).for_each(|_| mutate(&mut choices, &mut bytes, &valid));
                if changes == 3 {
                    bytes = (0..choices.below(200)).map(|_| choices.byte()).collect();
                }
                match decode::<M>(bytes.into(), version) {
                    Ok(_) => counts.borrow_mut().0 += 1,
                    Err(_) => counts.borrow_mut().1 += 1,
                }
            }
            Ok(())
        });
        let (taken, refused) = counts.into_inner();
        self.taken += taken;
        self.refused += refused;
    }

    fn count<M>(&mut self, outcome: Result<M, crate::DecodeError>) {
        match outcome {
            Ok(_) => self.taken += 1,
            Err(_) => self.refused += 1,
        }
    }

    /// Every cut of a valid body is refused: nothing is read as if it were there.
    fn cut<M: Message + Sample>(version: i16) {
        let bytes = encoded(&sample::message::<M>(&mut Choices::seeded(3), version), version);
        if bytes.len() > 4_000 {
            return;
        }
        for cut in 0..bytes.len() {
            decode::<M>(bytes.slice(..cut), version).expect_err("a cut body");
        }
    }
}

impl Visitor for Hostile {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
        for version in R::VERSIONS {
            self.attack::<R>(version);
            self.attack::<R::Response>(version);
            for fill in [0x00, 0x01, 0x7f, 0xff] {
                for length in [0, 1, 3, 4, 5, 64, 4_096] {
                    self.count(decode::<R>(vec![fill; length].into(), version));
                    self.count(decode::<R::Response>(vec![fill; length].into(), version));
                }
            }
            Self::cut::<R>(version);
            Self::cut::<R::Response>(version);
        }
        for version in [i16::MIN, -1, R::VERSIONS.end() + 1, i16::MAX] {
            let error = decode::<R>(Bytes::from_static(&[0; 64]), version).unwrap_err();
            assert!(matches!(error.kind(), DecodeErrorKind::UnsupportedVersion { .. }), "{error}");
        }
    }
}

#[test]
fn hostile_bodies_of_every_request_and_version_cost_one_error() {
    let mut hostile = Hostile::default();
    visit_all(&mut hostile);
    assert!(hostile.refused > 30_000, "{} refused", hostile.refused);
    assert!(hostile.taken > 1_000, "{} taken", hostile.taken);
}

#[test]
fn a_four_byte_metadata_body_that_claims_two_thousand_million_topics_is_refused() {
    let error = decode::<crate::api::MetadataRequest>(vec![0x7f, 0xff, 0xff, 0xff].into(), 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "decode MetadataRequest.topics at byte 4: 2147483647 elements cannot fit in the 0 bytes left"
    );
}

#[test]
fn an_error_names_the_element_and_the_field() {
    let bytes = [&[0, 0, 0, 2, 0, 1, b'a', 0, 2][..], &[0xff, 0xff]].concat();
    let error = decode::<crate::api::MetadataRequest>(bytes.into(), 1).unwrap_err();
    assert_eq!(error.to_string(), "decode MetadataRequest.topics[1].name at byte 9: string is not UTF-8");
}

#[test]
fn a_flood_of_empty_strings_stops_at_the_memory_budget() {
    // A ConsumerGroupDescribe request of v0: group ids, each one byte on the wire and a string in memory.
    let count = 4 << 20;
    let mut writer = Writer::new();
    writer.uvarint(count + 1);
    writer.raw(&vec![1; count as usize]);
    writer.raw(&[0, 0]);
    let mut reader = Reader::new(writer.into_bytes());
    let error = crate::api::ConsumerGroupDescribeRequest::decode(&mut reader, 0).unwrap_err();
    assert_eq!(error.kind(), &DecodeErrorKind::TooMuchMemory);
}

#[test]
fn hostile_tags_are_refused_and_unknown_ones_are_stepped_over() {
    use DecodeErrorKind as K;
    type Case = (&'static [u8], fn(&K) -> bool);
    // Heartbeat v4: group, generation, member, instance, then tags.
    let fields = [2, b'g', 0, 0, 0, 1, 2, b'm', 0];
    let refused: [Case; 5] = [
        (&[2, 7, 0, 7, 0], |kind| matches!(kind, K::TagOrder { tag: 7, previous: 7 })),
        (&[2, 7, 0, 3, 0], |kind| matches!(kind, K::TagOrder { tag: 3, previous: 7 })),
        (&[1, 7, 0xff, 0xff, 0xff, 0xff, 0x0f], |kind| matches!(kind, K::Truncated { .. })),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], |kind| matches!(kind, K::TooManyTags(u32::MAX))),
        (&[0xff, 0xff, 0xff, 0xff, 0x1f], |kind| matches!(kind, K::VarintTooLong)),
    ];
    for (tags, expected) in refused {
        let bytes = [&fields, tags].concat();
        let error = decode::<crate::api::HeartbeatRequest>(bytes.into(), 4).unwrap_err();
        assert!(expected(error.kind()), "{tags:?}: {error}");
    }
    let known = [&fields[..], &[2, 7, 3, 1, 2, 3, 9, 0]].concat();
    assert_eq!(decode::<crate::api::HeartbeatRequest>(known.into(), 4).unwrap().member_id, "m");
}

#[test]
fn a_known_tag_must_fill_its_size() {
    // A Fetch request of v12 with a cluster id (tag 0) of one character that claims five bytes.
    let mut writer = Writer::new();
    crate::api::FetchRequest::default().encode(&mut writer, 12).unwrap();
    let mut bytes = Vec::from(writer.into_bytes());
    assert_eq!(bytes.pop(), Some(0), "no tags");
    bytes.extend([1, 0, 5, 2, b'c', 0, 0, 0]);
    let error = decode::<crate::api::FetchRequest>(bytes.into(), 12).unwrap_err();
    assert_eq!(error.kind(), &DecodeErrorKind::TagSize { declared: 5, used: 2 });
}

#[test]
fn hostile_request_headers_cost_one_error() {
    let mut spoken = 0;
    for seed in 0..20_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let length = rng.usize(..40);
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        if let Some(prefix) = bytes.get_mut(..4) {
            prefix.copy_from_slice(&[0, rng.u8(..80), 0, rng.u8(..14)]);
        }
        if let Some(length) = bytes.get_mut(8..10) {
            length.copy_from_slice(&[0, rng.u8(..40)]);
        }
        let mut reader = Reader::new(bytes.into());
        if let Ok(header) = frame::decode_request_header(&mut reader) {
            spoken += usize::from(header.is_spoken());
        }
    }
    assert!(spoken > 40, "{spoken}");
}
