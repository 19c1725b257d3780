//! The failures under which a contract is stated.

use std::fmt;

/// Something that breaks. A contract says for each one which anomalies stay forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// A connection is cut, half-closed or delayed; requests and responses vanish.
    NetworkCut,
    /// The producing process dies.
    ProducerCrash,
    /// The consuming process dies, at any point of handling a record.
    ConsumerCrash,
    /// The broker's process is killed; the machine stays up.
    ProcessKill,
    /// The operating system crashes or the power goes: whatever was not synced is gone.
    PowerLoss,
    /// The disk is gone, with all that was on it.
    DiskLoss,
    /// A node of a cluster is gone.
    NodeLoss,
}

impl Failure {
    /// Every failure, from the most common to the rarest.
    pub const ALL: [Failure; 7] = [
        Failure::NetworkCut,
        Failure::ProducerCrash,
        Failure::ConsumerCrash,
        Failure::ProcessKill,
        Failure::PowerLoss,
        Failure::DiskLoss,
        Failure::NodeLoss,
    ];

    /// A short noun for table heads.
    pub const fn title(self) -> &'static str {
        match self {
            Failure::NetworkCut => "network cut",
            Failure::ProducerCrash => "producer crash",
            Failure::ConsumerCrash => "consumer crash",
            Failure::ProcessKill => "process kill",
            Failure::PowerLoss => "power loss",
            Failure::DiskLoss => "disk loss",
            Failure::NodeLoss => "node loss",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}
