//! The seven names: presets of the three dials.

use std::fmt;
use std::str::FromStr;

use crate::{Delivery, Durability, Guarantee, Order};

/// A guarantee by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// Fire and forget.
    BestEffort,
    /// Never twice.
    AtMostOnce,
    /// Never lost while the machine keeps its power.
    AtLeastOnce,
    /// The effect happens once.
    ExactlyOnce,
    /// Never lost, and in order within a key.
    Ordered,
    /// Never before what it depends on.
    Causal,
    /// Never lost, not even with the power.
    Durable,
}

struct Preset {
    name: Name,
    word: &'static str,
    guarantee: Guarantee,
    built: bool,
    promise: &'static str,
    techniques: &'static str,
}

const fn point(delivery: Delivery, order: Order, durability: Durability) -> Guarantee {
    Guarantee { delivery, order, durability, replicated: false }
}

/// The one table of the seven names, in the order of [`Name`]'s variants.
const PRESETS: [Preset; 7] = [
    Preset {
        name: Name::BestEffort,
        word: "best-effort",
        guarantee: point(Delivery::BestEffort, Order::Unordered, Durability::Memory),
        built: true,
        promise: "sent once, forgotten at once; drops are counted",
        techniques: "no retry, no ack, bounded memory",
    },
    Preset {
        name: Name::AtMostOnce,
        word: "at-most-once",
        guarantee: point(Delivery::AtMostOnce, Order::Unordered, Durability::Memory),
        built: true,
        promise: "never handled twice; may be lost",
        techniques: "one attempt, sequence check even without acks, commit before handling",
    },
    Preset {
        name: Name::AtLeastOnce,
        word: "at-least-once",
        guarantee: point(Delivery::AtLeastOnce, Order::Unordered, Durability::Cached),
        built: true,
        promise: "never lost by a crash of producer, broker or consumer; may repeat",
        techniques: "retries until acked, commit after handling, redelivery",
    },
    Preset {
        name: Name::ExactlyOnce,
        word: "exactly-once",
        guarantee: point(Delivery::ExactlyOnce, Order::PerKey, Durability::Synced),
        built: false,
        promise: "the effect happens once, in order within a key",
        techniques: "idempotent writes, dedup by message id, transactions, two-phase commit",
    },
    Preset {
        name: Name::Ordered,
        word: "ordered",
        guarantee: point(Delivery::AtLeastOnce, Order::PerKey, Durability::Cached),
        built: true,
        promise: "as at-least-once, and in order within a key; gaps and repeats are told",
        techniques: "partition by key, idempotent sequences, gap detection",
    },
    Preset {
        name: Name::Causal,
        word: "causal",
        guarantee: point(Delivery::AtLeastOnce, Order::Causal, Durability::Synced),
        built: false,
        promise: "never before what it depends on, across partitions and topics",
        techniques: "clock of log positions, hold-back, session tokens",
    },
    Preset {
        name: Name::Durable,
        word: "durable",
        guarantee: point(Delivery::AtLeastOnce, Order::Unordered, Durability::Synced),
        built: true,
        promise: "as at-least-once, and on disk before it is acked or seen",
        techniques: "write-ahead log, group commit, ack only when stored",
    },
];

impl Name {
    /// Every name, in the order that documents and reports list them.
    pub const ALL: [Name; 7] = [
        Name::BestEffort,
        Name::AtMostOnce,
        Name::AtLeastOnce,
        Name::ExactlyOnce,
        Name::Ordered,
        Name::Causal,
        Name::Durable,
    ];

    const fn preset(self) -> &'static Preset {
        let preset = &PRESETS[self as usize];
        assert!(preset.name as usize == self as usize, "presets stand in the order of the names");
        preset
    }

    /// The word that commands, configs and reports use, such as `at-least-once`.
    pub const fn as_str(self) -> &'static str {
        self.preset().word
    }

    /// The dial positions that the name stands for, on one node.
    pub const fn guarantee(self) -> Guarantee {
        self.preset().guarantee
    }

    /// Whether this version keeps the guarantee. A name that is not built is refused, never weakened.
    pub const fn built(self) -> bool {
        self.preset().built
    }

    /// The promise in one line.
    pub const fn promise(self) -> &'static str {
        self.preset().promise
    }

    /// How it is kept, in one line.
    pub const fn techniques(self) -> &'static str {
        self.preset().techniques
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Name {
    type Err = UnknownName;

    fn from_str(given: &str) -> Result<Self, UnknownName> {
        Name::ALL
            .into_iter()
            .find(|name| name.as_str() == given)
            .ok_or_else(|| UnknownName { given: given.to_owned() })
    }
}

/// A word that is none of the seven names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    given: String,
}

impl UnknownName {
    /// The known name that looks most like the word, when one comes close.
    pub fn nearest(&self) -> Option<Name> {
        const SLIPS_MAX: usize = 4;
        Name::ALL
            .into_iter()
            .map(|name| (edit_distance(&self.given.to_lowercase(), name.as_str()), name))
            .filter(|(slips, _)| *slips <= SLIPS_MAX)
            .min_by_key(|(slips, _)| *slips)
            .map(|(_, name)| name)
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown guarantee {:?}", self.given)?;
        if let Some(name) = self.nearest() {
            write!(f, ", did you mean {name}?")?;
        }
        let known: Vec<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
        write!(f, " (the names are {})", known.join(", "))
    }
}

impl std::error::Error for UnknownName {}

/// Levenshtein's distance over at most the first 32 characters: enough to catch a slip of the hand.
fn edit_distance(left: &str, right: &str) -> usize {
    const CHARS_MAX: usize = 32;
    let right: Vec<char> = right.chars().take(CHARS_MAX).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().take(CHARS_MAX).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for name in Name::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
    }

    #[test]
    fn a_slip_of_the_hand_is_answered_with_the_name_that_was_meant() {
        let slip = "exactly_once".parse::<Name>().expect_err("an underscore is no hyphen");
        assert_eq!(slip.nearest(), Some(Name::ExactlyOnce));
        let far = "transactional-outbox".parse::<Name>().expect_err("no such name");
        assert_eq!(far.nearest(), None);
        assert!(far.to_string().contains("at-least-once"), "the message lists what exists");
    }
}
