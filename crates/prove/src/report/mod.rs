//! The result of a run, as data: everything that the terminal, the JSON receipt and the page print.

pub mod html;
pub mod judge;
pub mod matrix;
mod measure;
mod palette;
mod receipt;
mod sha256;
mod svg;

use poruka_guarantee::{Anomaly, Name};
use serde::{Serialize, Serializer};

use crate::check::{Example, Successes};
use crate::faults::FaultCount;
use crate::payload::Phase;

pub use measure::{Latency, Mark, Timeline, measure};
pub use receipt::{Written, write};

/// Exit code when every claim held.
pub const EXIT_KEPT: u8 = 0;
/// Exit code when a claim was broken.
pub const EXIT_BROKEN: u8 = 8;
/// Exit code when a claim could neither be confirmed nor broken.
pub const EXIT_NOT_PROVEN: u8 = 9;

/// What is said of a claim, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Checked under effective faults, never seen, and the controls showed that it could have been.
    Kept,
    /// Never seen, but something is missing for a verdict.
    NotProven,
    /// Seen.
    Broken,
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Kept => "kept",
            Verdict::NotProven => "not proven",
            Verdict::Broken => "BROKEN",
        }
    }
}

/// What one field of the matrix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellState {
    /// Forbidden, with a verdict.
    Forbidden(Verdict),
    /// Allowed; the count is for information.
    Allowed,
    /// Nothing in this run could show it.
    NotApplicable,
    /// The name is not built.
    NotBuilt,
}

/// One field of the matrix: a name and an anomaly.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The anomaly.
    #[serde(serialize_with = "code")]
    pub anomaly: Anomaly,
    /// What is said of it.
    pub state: CellState,
    /// Events that could have shown it.
    pub checked: u64,
    /// Events that did.
    pub seen: u64,
    /// Of those, the ones in a phase whose failure the claim covers.
    pub seen_forbidden: u64,
    /// What stands between this and a verdict, or what the control showed.
    pub notes: Vec<String>,
    /// The first sightings.
    pub examples: Vec<Example>,
}

/// One name under one kind of ending.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseReport {
    /// The phase.
    #[serde(serialize_with = "phase")]
    pub phase: Phase,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// How much of the work succeeded.
    pub successes: Successes,
    /// Faults planned and effective.
    pub faults: Vec<FaultCount>,
    /// Throughput and latency over time, with the faults.
    pub timeline: Timeline,
    /// From the send to its acknowledgement; empty where nothing is acknowledged.
    pub ack_latency: Latency,
    /// From the send to the first handler.
    pub handled_latency: Latency,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// One of the seven names.
#[derive(Clone, Debug, Serialize)]
pub struct NameReport {
    /// The name.
    #[serde(serialize_with = "display")]
    pub name: Name,
    /// The verdict on it; `None` when it is not built or did not run.
    pub verdict: Option<Verdict>,
    /// Why not "kept".
    pub reasons: Vec<String>,
    /// One per anomaly, in order.
    pub cells: Vec<Cell>,
    /// The phases that ran.
    pub phases: Vec<PhaseReport>,
}

/// Everything about a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The format of this receipt.
    pub format: u32,
    /// The version of Poruka.
    pub version: String,
    /// What was run: replays the workload and the fault plan.
    pub seed: u64,
    /// The run's own random number, as every payload carries it.
    pub run: String,
    /// When it started, milliseconds since 1970-01-01 UTC.
    pub started_ms: i64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What it ran against.
    pub target: String,
    /// Settings that matter for reading the numbers.
    pub settings: Vec<(String, String)>,
    /// Where the records came from.
    pub input: Vec<String>,
    /// Records sent per name and phase.
    pub records: u64,
    /// Distinct keys among them.
    pub keys: u64,
    /// All seven names.
    pub names: Vec<NameReport>,
    /// The verdict on the whole run: the worst of the names that ran.
    pub verdict: Verdict,
}

impl Report {
    /// 0 only when every claim held; see the constants.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Kept => EXIT_KEPT,
            Verdict::Broken => EXIT_BROKEN,
            Verdict::NotProven => EXIT_NOT_PROVEN,
        }
    }
}

fn display<T: std::fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn code<S: Serializer>(anomaly: &Anomaly, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(anomaly.code())
}

fn phase<S: Serializer>(phase: &Phase, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(phase.as_str())
}
