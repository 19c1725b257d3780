//! The cluster's id: version, 16 bytes.

use bytes::Bytes;
use poruka_wire::{Uuid, Writer};

use super::{BadFact, versioned};

const VERSION: i8 = 0;
const WHAT: &str = "cluster id";

pub(super) fn encode(id: Uuid) -> Bytes {
    let mut value = Writer::new();
    value.i8(VERSION);
    value.uuid(id);
    value.into_bytes()
}

pub(super) fn decode(value: Option<Bytes>) -> Result<Uuid, BadFact> {
    let value = value.ok_or(BadFact { what: WHAT })?;
    versioned(value, VERSION, WHAT, |reader| reader.uuid().map_err(|_| BadFact { what: WHAT }))
}
