//! What the coordinator persists: one kind of record per file, each with its own version byte.
//!
//! A key is a kind byte and the names that the record is about; a later value for the same key replaces an earlier
//! one, no value deletes. Records may be replayed in any order after compaction, so none refers to a state that
//! another one makes. Kind numbers and field layouts of a version are on disk for good: never reuse one, add another.
//!
//! Integers are big-endian; a string or byte field is a 4-byte length and its bytes. Decoding trusts nothing: every
//! length is compared with the bytes that remain, and trailing bytes are damage.

mod bytes;
pub(crate) mod classic_group;
pub(crate) mod classic_member;
pub(crate) mod consumer_group;
pub(crate) mod consumer_member;
pub(crate) mod current;
pub(crate) mod offset;
pub(crate) mod target;

use bytes::{Reader, Writer};
use poruka_wire::{Str, Uuid};

/// Why a persisted record could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the field does.
    #[error("read group record: it ends inside a field")]
    Truncated,
    /// The record has more bytes than its layout.
    #[error("read group record: {0} bytes follow its last field")]
    Trailing(usize),
    /// A text field is not UTF-8.
    #[error("read group record: a name is not valid UTF-8")]
    NotUtf8,
    /// A field holds a value that its layout does not know.
    #[error("read group record: field `{field}` holds {value}")]
    BadField {
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: i64,
    },
    /// A newer Poruka wrote this kind or version.
    #[error(
        "read group record: {what} {number} is of a newer version; start the version of Poruka that wrote this folder"
    )]
    Newer {
        /// `kind` or the name of the kind whose version is unknown.
        what: &'static str,
        /// The unknown number.
        number: u8,
    },
}

/// Whom a record is about. The discriminants are on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Offset { group: Str, topic: Uuid, partition: i32 },
    ClassicGroup { group: Str },
    ClassicMember { group: Str, member: Str },
    ConsumerGroup { group: Str },
    ConsumerMember { group: Str, member: Str },
    Target { group: Str, member: Str },
    Current { group: Str, member: Str },
}

const OFFSET: u8 = 1;
const CLASSIC_GROUP: u8 = 2;
const CLASSIC_MEMBER: u8 = 3;
const CONSUMER_GROUP: u8 = 4;
const CONSUMER_MEMBER: u8 = 5;
const TARGET: u8 = 6;
const CURRENT: u8 = 7;

impl Key {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Self::Offset { group, topic, partition } => {
                out.u8(OFFSET);
                out.str(group);
                out.uuid(*topic);
                out.i32(*partition);
            }
            Self::ClassicGroup { group } => {
                out.u8(CLASSIC_GROUP);
                out.str(group);
            }
            Self::ClassicMember { group, member } => out.member(CLASSIC_MEMBER, group, member),
            Self::ConsumerGroup { group } => {
                out.u8(CONSUMER_GROUP);
                out.str(group);
            }
            Self::ConsumerMember { group, member } => out.member(CONSUMER_MEMBER, group, member),
            Self::Target { group, member } => out.member(TARGET, group, member),
            Self::Current { group, member } => out.member(CURRENT, group, member),
        }
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader::new(bytes);
        let kind = input.u8()?;
        if !(OFFSET..=CURRENT).contains(&kind) {
            return Err(RecordError::Newer { what: "kind", number: kind });
        }
        let group = input.string()?;
        let key = match kind {
            OFFSET => Self::Offset { group, topic: input.uuid()?, partition: input.i32()? },
            CLASSIC_GROUP => Self::ClassicGroup { group },
            CLASSIC_MEMBER => Self::ClassicMember { group, member: input.string()? },
            CONSUMER_GROUP => Self::ConsumerGroup { group },
            CONSUMER_MEMBER => Self::ConsumerMember { group, member: input.string()? },
            TARGET => Self::Target { group, member: input.string()? },
            _ => Self::Current { group, member: input.string()? },
        };
        input.end()?;
        Ok(key)
    }
}

impl Writer {
    fn member(&mut self, kind: u8, group: &str, member: &str) {
        self.u8(kind);
        self.str(group);
        self.str(member);
    }
}

/// Short texts of any script, for the codecs' tests.
#[cfg(test)]
pub(crate) fn any_str() -> impl proptest::strategy::Strategy<Value = Str> {
    proptest::strategy::Strategy::prop_map(".{0,12}", Str::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = Key> {
        (0..7, any_str(), any_str(), any::<[u8; 16]>(), any::<i32>()).prop_map(
            |(kind, group, member, id, partition)| match kind {
                0 => Key::Offset { group, topic: Uuid(id), partition },
                1 => Key::ClassicGroup { group },
                2 => Key::ClassicMember { group, member },
                3 => Key::ConsumerGroup { group },
                4 => Key::ConsumerMember { group, member },
                5 => Key::Target { group, member },
                _ => Key::Current { group, member },
            },
        )
    }

    proptest! {
        #[test]
        fn keys_come_back_as_they_were_written(key in any_key()) {
            prop_assert_eq!(Key::decode(&key.encode()), Ok(key));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Key::decode(&bytes);
        }
    }

    #[test]
    fn kind_numbers_are_on_disk_and_never_change() {
        let first_byte = |key: Key| key.encode()[0];
        let (group, member) = (Str::from("g"), Str::from("m"));
        assert_eq!(first_byte(Key::Offset { group: group.clone(), topic: Uuid([0; 16]), partition: 0 }), 1);
        assert_eq!(first_byte(Key::ClassicGroup { group: group.clone() }), 2);
        assert_eq!(first_byte(Key::ClassicMember { group: group.clone(), member: member.clone() }), 3);
        assert_eq!(first_byte(Key::ConsumerGroup { group: group.clone() }), 4);
        assert_eq!(first_byte(Key::ConsumerMember { group: group.clone(), member: member.clone() }), 5);
        assert_eq!(first_byte(Key::Target { group: group.clone(), member: member.clone() }), 6);
        assert_eq!(first_byte(Key::Current { group, member }), 7);
    }

    #[test]
    fn a_kind_of_a_newer_version_is_named() {
        assert_eq!(Key::decode(&[99, 0, 0, 0, 0]), Err(RecordError::Newer { what: "kind", number: 99 }));
    }
}
