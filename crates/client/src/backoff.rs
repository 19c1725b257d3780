//! How long to wait before trying again: exponential, capped, with jitter. Pure: the caller brings the randomness.
//!
//! Jitter takes away up to half of each wait, so that clients which failed together do not come back together.

use std::time::Duration;

/// The growth of waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Wait before the second attempt (before jitter).
    pub first: Duration,
    /// No wait is longer than this.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) }
    }
}

impl Backoff {
    /// The wait after `failures` failed attempts (0 means none failed: no wait), spread by `random`.
    pub fn wait(&self, failures: u32, random: u64) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let doublings = (failures - 1).min(16);
        let full = self.first.saturating_mul(1 << doublings).min(self.max);
        let nanos = u64::try_from(full.as_nanos()).unwrap_or(u64::MAX);
        let spread = nanos / 2;
        let cut = if spread == 0 { 0 } else { random % (spread + 1) };
        Duration::from_nanos(nanos - cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_stays_between_half_and_all_of_its_step_and_never_passes_the_cap(failures in 1u32..1000, random: u64) {
            let backoff = Backoff::default();
            let wait = backoff.wait(failures, random);
            let step = backoff.first.saturating_mul(1 << (failures - 1).min(16)).min(backoff.max);
            prop_assert!(wait <= step && wait >= step / 2);
        }
    }

    #[test]
    fn the_first_attempt_does_not_wait() {
        assert_eq!(Backoff::default().wait(0, 7), Duration::ZERO);
    }
}
