//! The report of a run: what stands in its JSON, and the tables made from it.
//!
//! Every figure is a name with a number, so that a new one changes no form: [`Run`] is one run's figures,
//! [`CaseReport::medians`] their spread over the runs, [`CaseReport::ratios`] medians over the floor's medians.

mod goal;
mod markdown;
mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::case::{Case, Load};
use crate::machine::Machine;
use crate::measure::Outcome;
use crate::options::{Options, Settings};
use crate::stats::{Spread, spread};

pub use goal::{GOALS, Goal, Judged, judge};
pub use markdown::markdown;
pub use table::{TABLE_HEAD, table_rows};

/// The form of the JSON; it changes when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// The figures of one run, by name. The unit is the end of the name; `docs/performance.md` explains each.
pub type Run = BTreeMap<String, f64>;

/// What a run of the bench found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program that measured, and was measured unless a target is named.
    pub program: Program,
    /// What was measured.
    pub target: String,
    /// What it was measured on.
    pub machine: Machine,
    /// How long and how often.
    pub settings: Settings,
    /// What a reader has to know about the figures.
    pub notes: Vec<String>,
    /// How long everything took.
    pub seconds: f64,
    /// One for each case, in the order of the list.
    pub cases: Vec<CaseReport>,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// The commit of the clone that the bench was run in, if it was run in one.
    pub commit: Option<String>,
    /// Whether it was built to be fast.
    pub optimised: bool,
}

/// What was found in one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// What it measures.
    pub what: String,
    /// The durability of the topic: what an acknowledged record survives.
    pub class: String,
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Partitions that were written.
    pub partitions: i32,
    /// The first run, on cold pages; in no median.
    pub warm_up: Option<Run>,
    /// The runs that count.
    pub runs: Vec<Run>,
    /// What lies in the middle of them.
    pub medians: BTreeMap<String, Spread>,
    /// The floor's runs for the same work.
    pub floor_runs: Vec<Run>,
    /// What lies in the middle of them.
    pub floor: BTreeMap<String, Spread>,
    /// Our median over the floor's, where both have the figure.
    pub ratios: BTreeMap<String, f64>,
}

impl Report {
    /// The case of that name.
    pub fn case(&self, name: &str) -> Option<&CaseReport> {
        self.cases.iter().find(|case| case.name == name)
    }
}

impl Program {
    pub(crate) fn read() -> Program {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Program { version, commit: commit(), optimised: !cfg!(debug_assertions) }
    }
}

/// The commit of the clone of Poruka that this was run in.
fn commit() -> Option<String> {
    if !Path::new("crates/bench/Cargo.toml").exists() {
        return None;
    }
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

impl CaseReport {
    /// `classes` says whether the broker knows durability classes.
    pub(crate) fn new(case: &Case, options: &Options, classes: bool, outcome: Outcome) -> CaseReport {
        let (medians, floor) = (medians(&outcome.runs), medians(&outcome.floor));
        let ratios = medians
            .iter()
            .filter_map(|(name, ours)| {
                let least = floor.get(name)?.median;
                (least > 0.0).then(|| (name.clone(), ours.median / least))
            })
            .collect();
        CaseReport {
            name: if classes { case.name.to_owned() } else { case.name.replace("-synced", "") },
            what: case.what.to_owned(),
            class: if classes { case.class.to_string() } else { "as it is".to_owned() },
            record_bytes: if case.load == Load::Paced { options.paced_bytes } else { case.record_bytes },
            partitions: if let Load::Produce { partitions, .. } = case.load { partitions } else { 1 },
            warm_up: outcome.warm_up,
            runs: outcome.runs,
            medians,
            floor_runs: outcome.floor,
            floor,
            ratios,
        }
    }

    /// The median of a figure.
    pub fn median(&self, figure: &str) -> Option<f64> {
        self.medians.get(figure).map(|spread| spread.median)
    }

    /// The case in a line, for those who wait.
    pub(crate) fn line(&self) -> String {
        const SHOWN: [&str; 9] = [
            "records_per_second",
            "cpu_us_per_record",
            "ack_p50_ms",
            "ack_p99_ms",
            "end_to_end_p50_ms",
            "end_to_end_p99_ms",
            "first_ack_ms",
            "rss_mib",
            "size_mb",
        ];
        let shown = SHOWN.iter().filter_map(|name| {
            let value = table::number(self.median(name)?);
            let floor =
                self.floor.get(*name).map(|floor| format!(" (floor {})", table::number(floor.median)));
            Some(format!("{name} {value}{}", floor.unwrap_or_default()))
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// The spread of every figure over the runs that have it.
fn medians(runs: &[Run]) -> BTreeMap<String, Spread> {
    let mut values: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
    for (name, value) in runs.iter().flatten() {
        values.entry(name).or_default().push(*value);
    }
    values.into_iter().filter_map(|(name, values)| Some((name.clone(), spread(&values)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CASES;

    #[test]
    fn a_ratio_is_median_over_median() {
        let run = |value: f64| Run::from([("cpu_us_per_record".to_owned(), value)]);
        let outcome = Outcome {
            warm_up: Some(run(100.0)),
            runs: vec![run(3.0), run(1.0), run(2.0)],
            floor: vec![run(0.5)],
        };
        let case = CaseReport::new(&CASES[0], &Options::new("poruka".into()), true, outcome);
        assert_eq!(case.median("cpu_us_per_record"), Some(2.0));
        assert_eq!(case.ratios["cpu_us_per_record"], 4.0);
        assert_eq!(case.line(), "cpu_us_per_record 2.00 (floor 0.500)");
    }
}
