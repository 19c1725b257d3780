//! What is written is what is read, and what is read is written the same, for every request, response and version.

use super::{decoded, encoded, holds, same};
use crate::sample::{Sample, Visitor, mutate, visit_all};
use crate::{Message, Request, frame};

struct RoundTrip;

impl RoundTrip {
    fn body<M: Message + Sample>(version: i16) {
        holds::<M>(version, |message, _| {
            let bytes = encoded(&message, version);
            let (read, left) = decoded::<M>(&bytes, version).expect("what is written is read");
            same(left == 0, "bytes are left over")?;
            same(encoded(&read, version) == bytes, "it is written differently")?;
            same(read == message, "it is read differently")
        });
    }
}

impl Visitor for RoundTrip {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
        for version in R::VERSIONS {
            Self::body::<R>(version);
            Self::body::<R::Response>(version);
            holds::<R::Response>(version, |response, _| {
                let framed = frame::encode_response::<R>(7, &response, version).expect("it can be written");
                let frame = framed.slice(frame::SIZE_BYTES..);
                let read = frame::decode_response::<R>(frame, version);
                same(read == Ok((7, response)), "its frame is read differently")
            });
        }
    }
}

#[test]
fn every_message_reads_back_as_it_was_written_and_is_written_again_the_same() {
    visit_all(&mut RoundTrip);
}

/// Bytes have more than one form: integers of needless length, truths other than one, tags that nobody knows. Whatever
/// is read has one form that is written, and that form is stable.
struct OneForm {
    read: usize,
}

impl OneForm {
    fn changed<M: Message + Sample>(&mut self, version: i16) {
        let read = std::cell::Cell::new(0);
        holds::<M>(version, |message, mut choices| {
            let mut bytes = encoded(&message, version).to_vec();
            mutate(&mut choices, &mut bytes, &[]);
            let Ok((first, _)) = decoded::<M>(&bytes.into(), version) else { return Ok(()) };
            let written = encoded(&first, version);
            let (second, left) = decoded::<M>(&written, version).expect("what is written is read");
            read.set(read.get() + 1);
            same(left == 0, "bytes are left over")?;
            same(encoded(&second, version) == written, "it is written differently")
        });
        self.read += read.get();
    }
}

impl Visitor for OneForm {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self) {
        for version in R::VERSIONS {
            self.changed::<R>(version);
            self.changed::<R::Response>(version);
        }
    }
}

#[test]
fn whatever_is_read_from_changed_bytes_can_be_written_and_read_again() {
    let mut one_form = OneForm { read: 0 };
    visit_all(&mut one_form);
    assert!(one_form.read > 1_000, "{} were read", one_form.read);
}
