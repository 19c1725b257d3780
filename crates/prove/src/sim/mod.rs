//! The whole system in one thread on virtual time: broker, proxy, producers and consumers, from one seed.
//!
//! A seed and a name decide everything: the workload, the sizes, how long each byte travels, which task runs next, every
//! fault and what a power cut leaves on the disk. The same seed gives the same history, byte for byte
//! ([`SimRun::bytes`]), so that whatever a run shows can be shown again. The history is judged by the checker of real
//! runs against the contract of its name.
//!
//! Fault model: what the proxy does (answers dropped, delayed or repeated; requests cut, repeated or in pieces;
//! connections half closed), producers and consumers that crash, a broker whose process is killed or whose power is cut,
//! at the moment that hurts most (appended, not answered) or at any other, and whatever the fake network and
//! the fake disk do of themselves. Seeds with an even number end the broker by kills only, the others by power cuts too.
//!
//! Not here: threads (the journal runs as a task), real sockets and real disks: `poruka prove` has those. Failing disks
//! are tested in `poruka-log`.

mod batch;
mod bench;
mod bytes;
mod setup;
mod victim;
mod world;

use std::io;

use poruka_guarantee::{Anomaly, Name};

pub use batch::{Batch, Trouble, run_batch};

use crate::check::{Finding, Successes};
use crate::faults::FaultCount;
use crate::history::History;
use crate::payload::Phase;
use crate::report::judge::forbidden;
use crate::run::{ReadError, TargetError};

/// Why a run has no history.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A name that is not built has nothing to run.
    #[error("{0} is not built yet, so there is nothing to simulate")]
    NotBuilt(Name),
    /// The broker does not open its data: after an ending that is a failure of the broker.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The topic was not made.
    #[error("make the topic: {0}")]
    Prepare(String),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The proxy cannot listen.
    #[error("listen in the simulated network: {0}")]
    Proxy(io::Error),
}

/// A run that came to its end.
#[derive(Clone, Debug)]
pub struct SimRun {
    /// The name that was under test.
    pub name: Name,
    /// The seed.
    pub seed: u64,
    /// The kind of its endings.
    pub phase: Phase,
    /// Whether every record had its outcome in time.
    pub finished: bool,
    /// What the checker found.
    pub findings: Vec<Finding>,
    /// How much succeeded.
    pub successes: Successes,
    /// Planted anomalies that the checker did not find in a copy of the history.
    pub blind: Vec<Anomaly>,
    /// Planned and effective faults.
    pub faults: Vec<FaultCount>,
    /// What consumers and producers said when they failed.
    pub notes: Vec<String>,
    /// The settings that the seed chose, in lines.
    pub settings: Vec<String>,
    /// How long it took, in virtual time.
    pub virtual_us: u64,
    /// Frames that went through the proxy.
    pub frames: u64,
    /// A sum over all of them, with their moments.
    pub frames_sum: u64,
    /// What happened.
    pub history: History,
}

impl SimRun {
    /// What the contract of the run's name forbids and the run shows.
    pub fn broken(&self) -> impl Iterator<Item = &Finding> {
        self.broken_by(self.name)
    }

    /// What the contract of another name would forbid: a stronger contract has to break somewhere, or the check cannot
    /// fail.
    pub fn broken_by(&self, name: Name) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |found| found.seen > 0 && forbidden(name, self.phase, found.anomaly))
    }

    /// What is wrong with the run, in lines for people; empty when nothing is.
    pub fn troubles(&self) -> Vec<String> {
        batch::troubles(self)
    }

    /// How often an anomaly was seen, allowed or not.
    pub fn seen(&self, anomaly: Anomaly) -> u64 {
        self.findings.iter().filter(|found| found.anomaly == anomaly).map(|found| found.seen).sum()
    }

    /// The history and all that was measured, in a canonical form: equal bytes are equal runs.
    pub fn bytes(&self) -> Vec<u8> {
        bytes::of(self)
    }
}

/// Runs the world of this seed for this name.
///
/// # Errors
/// [`SimError`]: there is no history. What a history shows is no error: see [`SimRun::broken`].
pub fn simulate(seed: u64, name: Name) -> Result<SimRun, SimError> {
    if !name.built() {
        return Err(SimError::NotBuilt(name));
    }
    world::run(seed, name)
}
