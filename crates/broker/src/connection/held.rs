//! The memory that all connections hold together, bounded.
//!
//! Each connection is bounded by itself, but ten thousand of them, each with a frame of 100 MiB on its way, are not.
//! When the sum is reached, connections that hold more than their small share are closed; clients retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of unfinished frames, requests in flight and unwritten responses of all connections together.
pub const HELD_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// What a connection may hold whatever the others do.
const SHARE_BYTES: usize = 1024 * 1024;

/// The sum over all connections.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<AtomicUsize>);

/// What one connection holds, as far as it is counted in the sum.
pub(super) struct Share {
    held: Held,
    bytes: usize,
}

impl Held {
    /// Bytes that all connections hold now.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn share(&self) -> Share {
        Share { held: self.clone(), bytes: 0 }
    }
}

impl Share {
    /// Counts what the connection holds now. False when it is too much.
    pub(super) fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        let total = if bytes >= before {
            self.held.0.fetch_add(bytes - before, Ordering::Relaxed) + (bytes - before)
        } else {
            self.held.0.fetch_sub(before - bytes, Ordering::Relaxed) - (before - bytes)
        };
        bytes <= SHARE_BYTES || total <= HELD_BYTES_MAX
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_holds_much_is_told_when_the_sum_is_reached_and_room_comes_back() {
        let held = Held::default();
        let (mut large, mut small, mut late) = (held.share(), held.share(), held.share());
        assert!(large.set(HELD_BYTES_MAX));
        assert!(small.set(SHARE_BYTES), "a small share is always granted");
        assert!(!late.set(SHARE_BYTES + 1));
        drop(large);
        assert!(late.set(SHARE_BYTES + 2));
        assert!(late.set(0));
    }
}
