//! The three dials, and which combinations of their positions make sense.

use std::fmt;
use std::str::FromStr;

/// How often a record may take effect. Positions are ordered, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Delivery {
    /// May lose, repeat and reorder.
    BestEffort,
    /// Never twice; may lose. The only position that also forbids something of the sender: retries.
    AtMostOnce,
    /// Never lost; may repeat.
    AtLeastOnce,
    /// Takes effect once.
    ExactlyOnce,
}

/// What order records arrive in. Positions are ordered, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// None is promised.
    Unordered,
    /// Records of one key arrive in the order they were sent in.
    PerKey,
    /// A record arrives after everything that it depends on.
    Causal,
}

/// What an acknowledged record survives on one node. Positions are ordered, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Durability {
    /// Gone with the process.
    Memory,
    /// In the page cache: survives a killed process.
    Cached,
    /// On disk before it is acknowledged or seen: survives power loss.
    Synced,
}

/// A point on the three dials, with the mark that a cluster adds.
///
/// Dials are minima: a system may always do more, except that [`Delivery::AtMostOnce`] forbids retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guarantee {
    /// How often a record may take effect.
    pub delivery: Delivery,
    /// What order records arrive in.
    pub order: Order,
    /// What an acknowledged record survives on one node.
    pub durability: Durability,
    /// Stored on several nodes before it is acknowledged: survives the loss of one. Independent of
    /// `durability`; to be had on a cluster only.
    pub replicated: bool,
}

impl Guarantee {
    /// Refuses a combination of positions that cannot be kept by anybody.
    ///
    /// # Errors
    /// [`BadCombination`] names the two positions that contradict each other, why, and what to choose.
    pub fn check(self) -> Result<(), BadCombination> {
        match COMBINATIONS_REFUSED.iter().find(|refused| (refused.applies)(self)) {
            Some(refused) => Err(refused.why),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} + {} + {}", self.delivery, self.order, self.durability)?;
        if self.replicated { f.write_str(" + replicated") } else { Ok(()) }
    }
}

struct Refused {
    applies: fn(Guarantee) -> bool,
    why: BadCombination,
}

/// The contradictions, each with its reason and its remedy.
const COMBINATIONS_REFUSED: [Refused; 5] = [
    Refused {
        applies: |g| g.order == Order::Causal && g.delivery < Delivery::AtLeastOnce,
        why: BadCombination {
            positions: "causal with best-effort or at-most-once",
            reason: "a record that may be lost cannot be waited for",
            remedy: "choose at-least-once or exactly-once, or order per-key",
        },
    },
    Refused {
        applies: |g| g.order == Order::Causal && g.durability == Durability::Memory,
        why: BadCombination {
            positions: "causal with memory",
            reason: "a dependency that can vanish is no dependency",
            remedy: "choose durability cached or synced",
        },
    },
    Refused {
        applies: |g| g.delivery == Delivery::ExactlyOnce && g.durability == Durability::Memory,
        why: BadCombination {
            positions: "exactly-once with memory",
            reason: "a transaction that is forgotten with the process was never committed",
            remedy: "choose durability cached or synced",
        },
    },
    Refused {
        applies: |g| g.delivery == Delivery::BestEffort && g.order == Order::PerKey,
        why: BadCombination {
            positions: "per-key with best-effort",
            reason: "best-effort sends carry no sequence, so an order cannot be checked",
            remedy: "choose delivery at-most-once or stronger",
        },
    },
    Refused {
        applies: |g| g.replicated && g.durability == Durability::Memory,
        why: BadCombination {
            positions: "replicated with memory",
            reason: "replicas keep a log, and a memory topic has none",
            remedy: "choose durability cached or synced",
        },
    },
];

/// Two dial positions that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCombination {
    /// The positions that clash.
    pub positions: &'static str,
    /// Why nobody can keep them together.
    pub reason: &'static str,
    /// What to choose instead.
    pub remedy: &'static str,
}

impl fmt::Display for BadCombination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be combined: {}; {}", self.positions, self.reason, self.remedy)
    }
}

impl std::error::Error for BadCombination {}

/// A word that is no position of the dial it was given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPosition {
    dial: &'static str,
    given: String,
    known: String,
}

impl fmt::Display for UnknownPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} {:?}: expected one of {}", self.dial, self.given, self.known)
    }
}

impl std::error::Error for UnknownPosition {}

/// Gives a dial its words: the same in topic configs, on the command line and in reports.
macro_rules! positions {
    ($dial:ident, $noun:literal, $($position:ident = $word:literal),+) => {
        impl $dial {
            /// Every position, weakest first.
            pub const ALL: &'static [$dial] = &[$($dial::$position),+];

            /// The word that configs, commands and reports use.
            pub const fn as_str(self) -> &'static str {
                match self { $($dial::$position => $word),+ }
            }
        }

        impl fmt::Display for $dial {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $dial {
            type Err = UnknownPosition;

            fn from_str(given: &str) -> Result<Self, UnknownPosition> {
                $dial::ALL.iter().copied().find(|position| position.as_str() == given).ok_or_else(|| {
                    UnknownPosition {
                        dial: $noun,
                        given: given.to_owned(),
                        known: [$($word),+].join(", "),
                    }
                })
            }
        }
    };
}

positions!(
    Delivery,
    "delivery",
    BestEffort = "best-effort",
    AtMostOnce = "at-most-once",
    AtLeastOnce = "at-least-once",
    ExactlyOnce = "exactly-once"
);
positions!(Order, "order", Unordered = "unordered", PerKey = "per-key", Causal = "causal");
positions!(Durability, "durability", Memory = "memory", Cached = "cached", Synced = "synced");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    #[test]
    fn every_preset_is_a_possible_combination() {
        for name in Name::ALL {
            assert_eq!(name.guarantee().check(), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_contradiction_names_the_positions_the_reason_and_the_remedy() {
        let refused = Guarantee { order: Order::Causal, ..Name::BestEffort.guarantee() }.check();
        let message = refused.expect_err("causal best-effort cannot be kept").to_string();
        assert!(message.contains("causal") && message.contains("best-effort"), "{message}");
        assert!(message.contains("choose"), "{message}");
    }

    #[test]
    fn words_read_back_as_the_position_that_printed_them() {
        for delivery in Delivery::ALL {
            assert_eq!(delivery.to_string().parse(), Ok(*delivery));
        }
        for order in Order::ALL {
            assert_eq!(order.to_string().parse(), Ok(*order));
        }
        for durability in Durability::ALL {
            assert_eq!(durability.to_string().parse(), Ok(*durability));
        }
        let unknown = "flushed".parse::<Durability>().expect_err("not a position");
        assert_eq!(
            unknown.to_string(),
            "unknown durability \"flushed\": expected one of memory, cached, synced"
        );
    }
}
