//! The only place of xtask that reads a clock or waits. xtask drives other processes in real time; there is no
//! virtual time to keep, so the seam of the product crates (`Env`) is not used here.

use std::time::{Duration, Instant};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "xtask measures real processes, outside of any simulation")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a condition in another process can only be polled")]
fn pause() {
    std::thread::sleep(POLL);
}

/// Looks at `condition` until it gives a value or `bound` has passed.
pub(crate) fn wait_for<T>(bound: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + bound;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if now() >= end {
            return None;
        }
        pause();
    }
}

/// Milliseconds since 1970, as record timestamps count them.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with timestamps that other programs took from the same clock"
)]
pub(crate) fn wall_ms() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
