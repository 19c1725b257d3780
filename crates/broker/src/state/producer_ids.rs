//! The bound below which producer ids may have been handed out: version, 8 bytes.

use bytes::Bytes;
use poruka_wire::Writer;

use super::{BadFact, versioned};

const VERSION: i8 = 0;
const WHAT: &str = "producer ids";

pub(super) fn encode(below: i64) -> Bytes {
    let mut value = Writer::new();
    value.i8(VERSION);
    value.i64(below);
    value.into_bytes()
}

pub(super) fn decode(value: Option<Bytes>) -> Result<i64, BadFact> {
    let value = value.ok_or(BadFact { what: WHAT })?;
    versioned(value, VERSION, WHAT, |reader| reader.i64().map_err(|_| BadFact { what: WHAT }))
}
