//! Record kind 6: the partitions that one consumer-protocol member shall own in the end (key: group, member).

use super::RecordError;
use super::bytes::{Reader, Writer};
use crate::group::partitions::{PartitionSet, Partitions};

const VERSION: u8 = 0;

pub(crate) fn encode(target: &PartitionSet) -> Vec<u8> {
    let mut out = Writer::default();
    out.u8(VERSION);
    out.partitions(&target.iter().map(|partition| (*partition, 0)).collect());
    out.finish()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<PartitionSet, RecordError> {
    let mut input = Reader::new(bytes);
    input.version("target version", VERSION)?;
    let partitions: Partitions = input.partitions()?;
    input.end()?;
    Ok(partitions.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use poruka_wire::Uuid;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn targets_come_back_as_they_were_written(
            target in proptest::collection::btree_set(((0..4_u8).prop_map(|id| Uuid([id; 16])), any::<i32>()), 0..20),
        ) {
            prop_assert_eq!(decode(&encode(&target)), Ok(target));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
