//! What every record says of itself: the ground truth, written by the prover and read back by its checker.
//!
//! Layout, big-endian: magic (8 bytes), run (8), name (1), phase (1), record index (4), key hash (8), place within
//! the key (4), hash of all of it and of the body (8), then the body. A value that does not read back is a phantom:
//! nobody sent it like that. The hash is FNV-1a, 64 bits: it catches accidents, not an adversary.

use bytes::{BufMut, Bytes, BytesMut};
use poruka_guarantee::Name;

const MAGIC: &[u8; 8] = b"PORUKAv1";
const HEAD_BYTES: usize = 8 + 8 + 1 + 1 + 4 + 8 + 4;
const HASH_BYTES: usize = 8;

/// Which failure ends the broker in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// The broker's process is killed; what it wrote stays in the page cache.
    Kill,
    /// The broker's process is killed on the simulated disk: what was not synced is gone.
    Power,
}

impl Phase {
    /// Both, in the order in which they run.
    pub const ALL: [Phase; 2] = [Phase::Kill, Phase::Power];

    /// The word for it in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Kill => "kill",
            Phase::Power => "power",
        }
    }
}

/// The run, name and phase that a payload belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Random per run.
    pub run: u64,
    /// The guarantee under which it is sent.
    pub name: Name,
    /// The phase in which it is sent.
    pub phase: Phase,
}

/// What a payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Index of the record in the workload.
    pub index: u32,
    /// Hash of its key, 0 without one.
    pub key_hash: u64,
    /// Its place within the key.
    pub key_seq: u32,
}

/// 64-bit FNV-1a.
pub fn fnv64(bytes: &[u8]) -> u64 {
    fnv64_from(0xcbf2_9ce4_8422_2325, bytes)
}

fn fnv64_from(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The hash that stands for a key; never 0, which stands for "no key".
pub fn key_hash(key: Option<&str>) -> u64 {
    key.map_or(0, |key| fnv64(key.as_bytes()).max(1))
}

/// Writes a payload.
pub fn encode(stamp: Stamp, truth: Truth, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEAD_BYTES + HASH_BYTES + body.len());
    out.put_slice(MAGIC);
    out.put_u64(stamp.run);
    out.put_u8(stamp.name as u8);
    out.put_u8(stamp.phase as u8);
    out.put_u32(truth.index);
    out.put_u64(truth.key_hash);
    out.put_u32(truth.key_seq);
    let hash = fnv64_from(fnv64(&out), body);
    out.put_u64(hash);
    out.put_slice(body);
    out.freeze()
}

/// Reads a payload back; `None` when it is not one of this stamp, or damaged.
pub fn decode(stamp: Stamp, value: &[u8]) -> Option<Truth> {
    let (head, rest) = value.split_at_checked(HEAD_BYTES)?;
    let (hash, body) = rest.split_first_chunk::<HASH_BYTES>()?;
    let (of_stamp, of_record) = head.split_at(MAGIC.len() + 10);
    let mut expected = BytesMut::with_capacity(of_stamp.len());
    expected.put_slice(MAGIC);
    expected.put_u64(stamp.run);
    expected.put_u8(stamp.name as u8);
    expected.put_u8(stamp.phase as u8);
    if of_stamp != expected.as_ref() || u64::from_be_bytes(*hash) != fnv64_from(fnv64(head), body) {
        return None;
    }
    let (index, rest) = of_record.split_first_chunk::<4>()?;
    let (key_hash, rest) = rest.split_first_chunk::<8>()?;
    let key_seq = rest.first_chunk::<4>()?;
    Some(Truth {
        index: u32::from_be_bytes(*index),
        key_hash: u64::from_be_bytes(*key_hash),
        key_seq: u32::from_be_bytes(*key_seq),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { run: 7, name: Name::Ordered, phase: Phase::Kill };
    const TRUTH: Truth = Truth { index: 5, key_hash: 99, key_seq: 3 };

    #[test]
    fn a_payload_reads_back_under_its_own_stamp_only() {
        let value = encode(STAMP, TRUTH, b"body");
        assert_eq!(decode(STAMP, &value), Some(TRUTH));
        assert_eq!(decode(Stamp { run: 8, ..STAMP }, &value), None);
        assert_eq!(decode(Stamp { phase: Phase::Power, ..STAMP }, &value), None);
        assert_eq!(decode(Stamp { name: Name::Durable, ..STAMP }, &value), None);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let value = encode(STAMP, TRUTH, b"body");
        for at in 0..value.len() {
            for bit in 0..8 {
                let mut damaged = value.to_vec();
                damaged[at] ^= 1 << bit;
                assert_eq!(decode(STAMP, &damaged), None, "byte {at} bit {bit}");
            }
            assert_eq!(decode(STAMP, &value[..at]), None, "cut at {at}");
        }
    }
}
