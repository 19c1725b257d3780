//! Monotonic time as a plain number, so that virtual and real time have one type.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment on the host's monotonic clock, in nanoseconds since an arbitrary start. It never goes back and
/// says nothing about the wall clock; moments of one process may be compared, moments of two may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// The start of the clock.
    pub const ZERO: Mono = Mono(0);
    /// Later than every moment that a clock will show.
    pub const MAX: Mono = Mono(u64::MAX);

    /// The moment `nanos` nanoseconds after the start of the clock.
    pub const fn from_nanos(nanos: u64) -> Mono {
        Mono(nanos)
    }

    /// The moment `millis` milliseconds after the start of the clock.
    pub const fn from_millis(millis: u64) -> Mono {
        Mono(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the start of the clock.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start of the clock.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    /// Saturates at [`Mono::MAX`].
    fn add(self, after: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Mono {
    fn add_assign(&mut self, after: Duration) {
        *self = *self + after;
    }
}

impl Sub for Mono {
    type Output = Duration;
    /// The time since `earlier`; zero when `earlier` is the later one.
    fn sub(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Mono::MAX + Duration::from_secs(1), Mono::MAX);
        assert_eq!(Mono::ZERO - Mono::from_millis(5), Duration::ZERO);
        assert_eq!(Mono::from_millis(7) - Mono::from_millis(5), Duration::from_millis(2));
    }
}
