//! The sequence header: which producer instance sent a record, and as its how-manieth in the partition.
//!
//! Layout, 16 bytes: the producer instance (random, one per producer object), then the sequence, big-endian, from 0
//! per instance and partition. It counts records of this producer, not the broker's idempotence sequence: that one
//! starts anew with every producer epoch and is not shown to consumers.

/// The key of the header.
pub const SEQUENCE_HEADER: &str = "poruka-seq";

/// Bytes of the header's value.
const STAMP_BYTES: usize = 16;

/// The value of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp {
    /// The producer object that sent the record.
    pub instance: u64,
    /// Its place among the records of that instance in the partition, from 0.
    pub sequence: u64,
}

impl Stamp {
    /// The header's value.
    pub fn to_bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&self.instance.to_be_bytes());
        bytes[8..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }

    /// Reads a header's value; `None` for one that is not of this form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Stamp> {
        let bytes: [u8; STAMP_BYTES] = bytes.try_into().ok()?;
        let (instance, sequence) = bytes.split_at(8);
        Some(Stamp {
            instance: u64::from_be_bytes(instance.try_into().ok()?),
            sequence: u64::from_be_bytes(sequence.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_the_wire_and_anything_else_is_no_stamp() {
        let stamp = Stamp { instance: 0x0102_0304_0506_0708, sequence: 9 };
        assert_eq!(stamp.to_bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(Stamp::from_bytes(&stamp.to_bytes()), Some(stamp));
        assert_eq!(Stamp::from_bytes(b"short"), None);
        assert_eq!(Stamp::from_bytes(&[0; 17]), None);
    }
}
