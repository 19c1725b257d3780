//! A changed setting of the node: version, text.

use bytes::Bytes;
use poruka_wire::Writer;

use super::{BadFact, put_text, take_text, versioned};

const VERSION: i8 = 0;
const WHAT: &str = "node setting";

pub(super) fn encode(setting: &str) -> Bytes {
    let mut value = Writer::new();
    value.i8(VERSION);
    put_text(&mut value, setting);
    value.into_bytes()
}

pub(super) fn decode(value: Bytes) -> Result<String, BadFact> {
    versioned(value, VERSION, WHAT, |reader| take_text(reader, WHAT))
}
