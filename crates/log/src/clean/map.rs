//! The last offset of each key, in bounded memory.
//!
//! Keys are kept as 128-bit hashes, from two SipHash functions that are keyed at random for every pass, so that nobody can
//! choose keys that meet. Two keys with one hash would cost the older one its last value: with a thousand million keys in
//! one pass the odds are below 1 in 10^20. A key that is not in the map is never a reason to drop a record.

use std::hash::{DefaultHasher, Hasher};

/// Hash and offset + 1; zeros for a free slot, so that memory is only touched where there are keys.
type Slot = [u64; 3];

/// The share of slots that may be taken, in percent: more make the search for a free one long.
const LOAD_PERCENT: usize = 75;

/// See the module.
pub(crate) struct OffsetMap {
    slots: Vec<Slot>,
    taken: usize,
    taken_max: usize,
    seeds: [u64; 2],
}

/// There is no room for another key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MapFull;

impl OffsetMap {
    /// A map of at most `bytes`. `seeds`: random.
    pub(crate) fn new(bytes: usize, seeds: [u64; 2]) -> Self {
        let slots = (bytes / size_of::<Slot>()).max(4);
        Self { slots: vec![[0; 3]; slots], taken: 0, taken_max: slots * LOAD_PERCENT / 100, seeds }
    }

    /// Takes note of a key's offset; later calls have higher offsets.
    pub(crate) fn put(&mut self, key: &[u8], offset: i64) -> Result<(), MapFull> {
        let hash = self.hash(key);
        let at = self.find(hash);
        if self.slots[at][2] == 0 {
            if self.taken == self.taken_max {
                return Err(MapFull);
            }
            self.taken += 1;
        }
        self.slots[at] = [hash[0], hash[1], offset.unsigned_abs() + 1];
        Ok(())
    }

    /// The last offset of a key, as far as it is known.
    pub(crate) fn get(&self, key: &[u8]) -> Option<i64> {
        let slot = self.slots[self.find(self.hash(key))];
        slot[2].checked_sub(1).and_then(|offset| i64::try_from(offset).ok())
    }

    /// The slot of that hash, or the free one where it would go. There always is one: the map is never full.
    fn find(&self, hash: [u64; 2]) -> usize {
        let count = self.slots.len();
        let mut at = (hash[0] % count as u64) as usize;
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 || slot[..2] == hash {
                return at;
            }
            at = if at + 1 == count { 0 } else { at + 1 };
        }
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.seeds.map(|seed| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(seed);
            hasher.write(key);
            hasher.finish()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_of_each_key_is_found_until_there_is_no_room() {
        let mut map = OffsetMap::new(24 * 100, [1, 2]);
        let mut offset = 0;
        for _ in 0..3 {
            for key in 0..75_u32 {
                assert_eq!(map.put(&key.to_be_bytes(), offset), Ok(()));
                offset += 1;
            }
        }
        for key in 0..75_u32 {
            assert_eq!(map.get(&key.to_be_bytes()), Some(150 + i64::from(key)));
        }
        assert_eq!(map.get(b"another"), None);
        assert_eq!(map.put(b"another", 1), Err(MapFull));
        assert_eq!(map.get(b"another"), None);
        assert_eq!(map.put(&0_u32.to_be_bytes(), 999), Ok(()), "a known key needs no room");
    }
}
