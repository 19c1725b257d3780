//! Deadlines of the coordinator: a sorted set, one entry per timer, no clock of its own.
//!
//! Setting a timer again moves it. The driver asks for the next deadline and calls `tick` when it has passed.

use std::collections::{BTreeMap, BTreeSet};

use poruka_wire::Str;

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A member's session, or an id handed out with MEMBER_ID_REQUIRED.
    Session {
        /// Group id.
        group: Str,
        /// Member id.
        member: Str,
    },
    /// The join phase of a classic group.
    Join {
        /// Group id.
        group: Str,
    },
    /// The sync phase of a classic group.
    Sync {
        /// Group id.
        group: Str,
    },
    /// A consumer-protocol member has to give up revoked partitions.
    Revoke {
        /// Group id.
        group: Str,
        /// Member id.
        member: Str,
    },
    /// Time to look for expired offsets and empty groups.
    Retention,
}

/// The set of running timers, in milliseconds of the driver's monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(u64, Timer)>,
    by_timer: BTreeMap<Timer, u64>,
}

impl Timers {
    /// Starts a timer, or moves it when it is running.
    pub(crate) fn set(&mut self, timer: Timer, at_ms: u64) {
        self.cancel(&timer);
        self.by_time.insert((at_ms, timer.clone()));
        self.by_timer.insert(timer, at_ms);
    }

    /// Stops a timer; nothing happens when it is not running.
    pub(crate) fn cancel(&mut self, timer: &Timer) {
        if let Some(at_ms) = self.by_timer.remove(timer) {
            self.by_time.remove(&(at_ms, timer.clone()));
        }
    }

    /// Takes the earliest timer that is due.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Timer> {
        let (at_ms, _) = self.by_time.first()?;
        if *at_ms > now_ms {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_timer.remove(&timer);
        Some(timer)
    }

    /// When the earliest timer is due.
    pub(crate) fn next(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(group: &str) -> Timer {
        Timer::Join { group: Str::from(group) }
    }

    #[test]
    fn a_timer_that_is_set_again_fires_once_at_its_later_time() {
        let mut timers = Timers::default();
        timers.set(join("a"), 5);
        timers.set(join("a"), 9);
        assert_eq!(timers.next(), Some(9));
        assert_eq!(timers.pop_due(8), None);
        assert_eq!(timers.pop_due(9), Some(join("a")));
        assert_eq!(timers.pop_due(100), None);
    }

    #[test]
    fn timers_fire_in_order_of_time_and_a_cancelled_one_never_does() {
        let mut timers = Timers::default();
        timers.set(join("late"), 9);
        timers.set(join("early"), 3);
        timers.set(join("gone"), 1);
        timers.cancel(&join("gone"));
        assert_eq!(timers.pop_due(10), Some(join("early")));
        assert_eq!(timers.pop_due(10), Some(join("late")));
        assert_eq!(timers.next(), None);
    }
}
