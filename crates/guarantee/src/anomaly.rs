//! The ten things that can go wrong with a message, numbered once for the whole project.

use std::fmt;

/// Something a consumer, a producer or a reader of the log can observe and that a guarantee may forbid.
///
/// The codes A1 to A10 are stable: documents, reports and exit messages print them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Anomaly {
    /// A1: a record that was sent (and acknowledged, where the guarantee acknowledges) never arrives,
    /// and no forgetting storage explains it.
    Lost,
    /// A2: one record takes effect more than once.
    Duplicated,
    /// A3: two records of one key arrive in another order than they were sent in.
    Reordered,
    /// A4: a record arrives before one that it depends on.
    CausalInversion,
    /// A5: a record arrives that nobody sent, or that was sent in a transaction that aborted.
    Phantom,
    /// A6: a part of a transaction is visible without the rest.
    Torn,
    /// A7: a record that was acknowledged or seen is gone after the broker's process was killed.
    ForgottenAfterKill,
    /// A8: a record that was acknowledged or seen is gone after the power was lost.
    ForgottenAfterPowerLoss,
    /// A9: a record that was acknowledged or seen is gone after a node, or its disk, was lost.
    ForgottenAfterNodeLoss,
    /// A10: a record is acknowledged and visible, and is never delivered.
    Stalled,
}

impl Anomaly {
    /// Every anomaly, in the order of its code.
    pub const ALL: [Anomaly; 10] = [
        Anomaly::Lost,
        Anomaly::Duplicated,
        Anomaly::Reordered,
        Anomaly::CausalInversion,
        Anomaly::Phantom,
        Anomaly::Torn,
        Anomaly::ForgottenAfterKill,
        Anomaly::ForgottenAfterPowerLoss,
        Anomaly::ForgottenAfterNodeLoss,
        Anomaly::Stalled,
    ];

    /// The stable code, `A1` to `A10`.
    pub const fn code(self) -> &'static str {
        match self {
            Anomaly::Lost => "A1",
            Anomaly::Duplicated => "A2",
            Anomaly::Reordered => "A3",
            Anomaly::CausalInversion => "A4",
            Anomaly::Phantom => "A5",
            Anomaly::Torn => "A6",
            Anomaly::ForgottenAfterKill => "A7",
            Anomaly::ForgottenAfterPowerLoss => "A8",
            Anomaly::ForgottenAfterNodeLoss => "A9",
            Anomaly::Stalled => "A10",
        }
    }

    /// Two or three words for a table head.
    pub const fn title(self) -> &'static str {
        match self {
            Anomaly::Lost => "lost",
            Anomaly::Duplicated => "duplicated",
            Anomaly::Reordered => "reordered within a key",
            Anomaly::CausalInversion => "causal inversion",
            Anomaly::Phantom => "phantom",
            Anomaly::Torn => "torn transaction",
            Anomaly::ForgottenAfterKill => "forgotten after a kill",
            Anomaly::ForgottenAfterPowerLoss => "forgotten after power loss",
            Anomaly::ForgottenAfterNodeLoss => "forgotten after node loss",
            Anomaly::Stalled => "stalled",
        }
    }

    /// One sentence for a person who meets the code for the first time.
    pub const fn meaning(self) -> &'static str {
        match self {
            Anomaly::Lost => "a record never arrives, and no forgetting storage explains it",
            Anomaly::Duplicated => "one record takes effect more than once",
            Anomaly::Reordered => "records of one key arrive in another order than they were sent in",
            Anomaly::CausalInversion => "a record arrives before one that it depends on",
            Anomaly::Phantom => "a record arrives that nobody sent, or whose transaction aborted",
            Anomaly::Torn => "a part of a transaction is visible without the rest",
            Anomaly::ForgottenAfterKill => {
                "an acknowledged or seen record is gone after the broker's process was killed"
            }
            Anomaly::ForgottenAfterPowerLoss => {
                "an acknowledged or seen record is gone after the power was lost"
            }
            Anomaly::ForgottenAfterNodeLoss => {
                "an acknowledged or seen record is gone after a node or its disk was lost"
            }
            Anomaly::Stalled => "a record is acknowledged and visible, and is never delivered",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.title())
    }
}

/// A set of anomalies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnomalySet(u16);

impl AnomalySet {
    /// The set with nothing in it.
    pub const EMPTY: AnomalySet = AnomalySet(0);

    /// This set and one more.
    #[must_use]
    pub const fn with(self, anomaly: Anomaly) -> AnomalySet {
        AnomalySet(self.0 | anomaly.bit())
    }

    /// Whether the anomaly is in the set.
    pub const fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & anomaly.bit() != 0
    }

    /// Whether every anomaly of `other` is in this set too.
    pub const fn includes(self, other: AnomalySet) -> bool {
        self.0 & other.0 == other.0
    }

    /// The members, in the order of their codes.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.into_iter().filter(move |anomaly| self.contains(*anomaly))
    }
}

impl FromIterator<Anomaly> for AnomalySet {
    fn from_iter<I: IntoIterator<Item = Anomaly>>(anomalies: I) -> Self {
        anomalies.into_iter().fold(AnomalySet::EMPTY, AnomalySet::with)
    }
}
