//! The machine's own floor: the least program that does the same work with the same batches, in a process of its own so
//! that its processor time is counted like the broker's.
//!
//! - [`FloorKind::Sink`]: one socket in; each batch is checked as the broker checks it (checksum, and every record's
//!   bounds), it is written to a file, and one small answer goes back. For Memory it is copied
//!   into a ring instead. For Synced one `fdatasync` covers what arrived while the last one ran.
//! - [`FloorKind::Relay`]: the same, and each batch then goes to a second socket where a consumer waits.
//! - [`FloorKind::Source`]: pieces of a file, read into one buffer and written to a socket.
//!
//! What it leaves out: topics, partitions, producers' sequences, indexes, recovery, other clients, limits. Its peer is
//! our own generator; it trusts sizes and is no server for anybody else.

mod child;
mod synced;

use std::path::PathBuf;

use poruka_guarantee::Durability;

pub use child::run_child;

/// What a floor process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloorKind {
    /// Takes batches from one socket.
    Sink(Durability),
    /// Takes batches from one socket and passes them to another.
    Relay(Durability),
    /// Gives pieces of a file.
    Source,
}

impl FloorKind {
    /// The form that a command line carries.
    pub fn text(self) -> String {
        match self {
            FloorKind::Sink(class) => format!("sink:{class}"),
            FloorKind::Relay(class) => format!("relay:{class}"),
            FloorKind::Source => "source".to_owned(),
        }
    }

    /// Reads that form.
    pub fn parse(text: &str) -> Option<FloorKind> {
        if text == "source" {
            return Some(FloorKind::Source);
        }
        let (kind, class) = text.split_once(':')?;
        let class = class.parse().ok()?;
        match kind {
            "sink" => Some(FloorKind::Sink(class)),
            "relay" => Some(FloorKind::Relay(class)),
            _ => None,
        }
    }
}

/// What a floor process is started with.
#[derive(Clone, Debug)]
pub struct FloorChild {
    /// What to do.
    pub kind: FloorKind,
    /// The file to write, or to read.
    pub file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_command_line() {
        let classes = [Durability::Memory, Durability::Cached, Durability::Synced];
        let kinds = classes.into_iter().flat_map(|class| [FloorKind::Sink(class), FloorKind::Relay(class)]);
        for kind in kinds.chain([FloorKind::Source]) {
            assert_eq!(FloorKind::parse(&kind.text()), Some(kind));
        }
        assert_eq!(FloorKind::parse("sink:soft"), None);
    }
}
