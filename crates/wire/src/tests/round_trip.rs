//! What is written is what is read, for every request, response and version.

use bytes::Bytes;

use super::{Visitor, sample};
use crate::{Message, Reader, Request, Writer, api::visit_all, frame};

const ROUNDS: u64 = 40;

struct RoundTrip;

impl RoundTrip {
    fn body<M: Message + sample::Sample>(version: i16, seed: u64) -> (M, Bytes) {
        let message: M = sample::message(&mut fastrand::Rng::with_seed(seed), version);
        let mut writer = Writer::new();
        message.encode(&mut writer, version).unwrap();
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(bytes.clone());
        let read = M::decode(&mut reader, version);
        assert_eq!(read.as_ref(), Ok(&message), "{} v{version} seed {seed}: {bytes:?}", M::NAME);
        assert_eq!(reader.remaining(), 0, "{} v{version} seed {seed}", M::NAME);
        (message, bytes)
    }
}

impl Visitor for RoundTrip {
    fn visit<R: Request<Response: sample::Sample> + sample::Sample>(&mut self) {
        for version in R::VERSIONS {
            for seed in 0..ROUNDS {
                Self::body::<R>(version, seed);
                let (response, _) = Self::body::<R::Response>(version, seed);
                let framed = frame::encode_response::<R>(7, &response, version).unwrap();
                let frame = framed.slice(frame::SIZE_BYTES..);
                assert_eq!(frame::decode_response::<R>(frame, version), Ok((7, response)));
            }
        }
    }
}

#[test]
fn every_message_reads_back_as_it_was_written() {
    visit_all(&mut RoundTrip);
}
