//! What to run, on what, how long.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::case::{CASES, Case};
use crate::error::{BenchError, Result};

/// Records a second in the paced cases, unless it is said otherwise.
pub const RATE: u64 = 5_000;
/// Bytes of a paced record's value, unless it is said otherwise.
pub const PACED_BYTES: usize = 100;
/// Runs of each case, unless it is said otherwise.
pub const RUNS: usize = 3;
const PACED_SECONDS: f64 = 5.0;
/// What a quick run takes of each case's bytes and seconds.
const QUICK_PART: f64 = 0.25;

/// Which broker is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Ours, started for each case on a folder of its own.
    Ours {
        /// The `poruka` program.
        exe: PathBuf,
    },
    /// One that runs already and speaks Kafka's protocol.
    Theirs {
        /// Its address.
        addr: String,
        /// Its process, if that runs on this machine and may be looked at.
        pid: Option<u32>,
    },
}

impl Target {
    pub(crate) fn text(&self) -> String {
        match self {
            Target::Ours { .. } => "poruka serve".to_owned(),
            Target::Theirs { addr, .. } => addr.clone(),
        }
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The broker.
    pub target: Target,
    /// The program that can be the floor: `poruka` itself.
    pub exe: PathBuf,
    /// Names of cases; all where it is empty.
    pub cases: Vec<String>,
    /// Where a folder for data is made; `None` takes the system's.
    pub folder: Option<PathBuf>,
    /// How often each case is run, after its warm-up.
    pub runs: usize,
    /// What part of the usual bytes and seconds a run takes.
    pub part: f64,
    /// Records a second in the paced cases.
    pub rate: u64,
    /// Bytes of a paced record's value.
    pub paced_bytes: usize,
    /// Chooses the bytes of records.
    pub seed: u64,
}

/// What was run, as the report tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How often each case was run, after its warm-up.
    pub runs: usize,
    /// What part of the usual bytes and seconds a run took.
    pub part: f64,
    /// Records a second in the paced cases.
    pub rate: u64,
    /// Bytes of a paced record's value.
    pub paced_bytes: usize,
    /// What the bytes of records were made from.
    pub seed: u64,
}

impl Options {
    /// Every case in its usual length, on the program's own broker.
    pub fn new(exe: PathBuf) -> Options {
        let target = Target::Ours { exe: exe.clone() };
        let (cases, folder, seed) = (Vec::new(), None, 1);
        Options {
            target,
            exe,
            cases,
            folder,
            runs: RUNS,
            part: 1.0,
            rate: RATE,
            paced_bytes: PACED_BYTES,
            seed,
        }
    }

    /// One run of a part of each case.
    pub fn quick(&mut self) {
        self.runs = 1;
        self.part = QUICK_PART;
    }

    pub(crate) fn settings(&self) -> Settings {
        let Options { runs, part, rate, paced_bytes, seed, .. } = *self;
        Settings { runs, part, rate, paced_bytes, seed }
    }

    /// Bytes of records in one run of a case.
    pub(crate) fn bytes(&self, case: &Case) -> u64 {
        (case.bytes as f64 * self.part) as u64
    }

    /// Records in one run of a paced case.
    pub(crate) fn paced_records(&self) -> u64 {
        ((self.rate as f64 * PACED_SECONDS * self.part) as u64).max(1)
    }

    /// The cases that were named, in the order of the list.
    pub(crate) fn chosen(&self) -> Result<Vec<Case>> {
        let known = |name: &String| CASES.iter().any(|case| case.name == name);
        if let Some(name) = self.cases.iter().find(|name| !known(name)) {
            return Err(BenchError::UnknownCase(name.clone()));
        }
        let chosen = |case: &&Case| self.cases.is_empty() || self.cases.iter().any(|name| name == case.name);
        Ok(CASES.iter().filter(chosen).copied().collect())
    }
}

/// The names of all cases, and what each measures.
pub fn case_list() -> Vec<(&'static str, &'static str)> {
    CASES.iter().map(|case| (case.name, case.what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_chosen_by_name_and_an_unknown_name_is_told() {
        let mut options = Options::new("poruka".into());
        assert_eq!(options.chosen().unwrap().len(), CASES.len());
        options.cases = vec!["paced-synced".to_owned(), "produce-cached-1k".to_owned()];
        let names: Vec<&str> = options.chosen().unwrap().iter().map(|case| case.name).collect();
        assert_eq!(names, ["produce-cached-1k", "paced-synced"]);
        options.cases.push("paced".to_owned());
        assert_eq!(options.chosen().unwrap_err().to_string(), "there is no case \"paced\"");
    }
}
