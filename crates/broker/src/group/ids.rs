//! Member ids that the coordinator hands out.
//!
//! The coordinator draws no randomness itself: the driver gives it a fresh 128-bit seed at every start, so that an id
//! of an earlier life is never handed out again, and a simulation with the same seed sees the same ids.

/// A generator of ids that look like UUIDs (SplitMix64 over the two halves of the seed).
#[derive(Debug, Clone)]
pub(crate) struct MemberIds {
    state: [u64; 2],
}

impl MemberIds {
    pub(crate) fn new(seed: u128) -> Self {
        Self { state: [(seed >> 64) as u64, seed as u64] }
    }

    /// `prefix-` and 32 hexadecimal digits in the groups of a UUID.
    pub(crate) fn with_prefix(&mut self, prefix: &str) -> String {
        format!("{prefix}-{}", self.bare())
    }

    /// 32 hexadecimal digits in the groups of a UUID.
    pub(crate) fn bare(&mut self) -> String {
        let (high, low) = (self.next(0), self.next(1));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0x0fff,
            (low >> 48) & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    fn next(&mut self, half: usize) -> u64 {
        self.state[half] = self.state[half].wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state[half];
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_of_a_uuid_and_do_not_repeat() {
        let mut ids = MemberIds::new(7);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let id = ids.bare();
            assert_eq!(id.len(), 36);
            assert!(seen.insert(id));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        assert_eq!(MemberIds::new(9).with_prefix("c"), MemberIds::new(9).with_prefix("c"));
        assert_ne!(MemberIds::new(9).bare(), MemberIds::new(10).bare());
    }
}
