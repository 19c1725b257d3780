//! What is aimed at, as data: each goal with the figure that answers it, the peers' figures beside it, and what to know
//! where it is missed.
//!
//! The peers were measured on 23 November 2026 on the machine of docs/performance.md: one partition, librdkafka,
//! acks=all, idempotent; Apache Kafka 4.3.1 without fsync (in brackets with flush.messages=1), kfake with SyncWrites
//! (it validates no records), klite with an fsync before each acknowledgement.

use serde::{Deserialize, Serialize};

use super::Report;

/// Where the answer to a goal is found.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    /// A case's median.
    Of(&'static str, &'static str),
    /// A case's median over its floor's.
    OverFloor(&'static str, &'static str),
    /// A case's median over another case's.
    Over(&'static str, &'static str, &'static str),
}

/// What is aimed at.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// A goal.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// What it is about.
    pub what: &'static str,
    /// Where the answer is found.
    pub figure: Figure,
    /// What is aimed at.
    pub bound: Bound,
    /// The unit of both.
    pub unit: &'static str,
    /// What Apache Kafka, kfake and klite did.
    pub peers: [&'static str; 3],
}

/// How a goal was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judged {
    /// As good as it was meant to be, or better.
    Reached,
    /// Not as good.
    Missed,
    /// The run does not answer it.
    NotMeasured,
}

impl Figure {
    /// What bounds the figure on this kind of machine, for those who ask why a goal was missed.
    pub fn limit(&self) -> &'static str {
        match self {
            Figure::Of(_, "end_to_end_p50_ms" | "ack_p99_ms") => {
                "latency on two processors that generator, broker and everything else share: each wait for a processor \
                 is in it, and the floor's own figure beside it shows how much the machine gives"
            }
            Figure::Of("start-empty" | "start-1gb", _) => {
                "starting a process, reading and writing its state and several syncs, all waiting for a processor and \
                 the disk when others use them"
            }
            Figure::Of(case, _) if case.starts_with("consume") => {
                "copying from the page cache into the socket; fresh or cold pages and the socket's own copy are most of it, \
                 as the floor shows"
            }
            Figure::Of(_, "records_per_second") | Figure::Over(_, _, "records_per_second") => {
                "rates are shared with the generator and the disk; more partitions mean more files to sync in each group"
            }
            Figure::Of("binary", _) => {
                "the program holds the prover, the bench and five codecs beside the broker"
            }
            _ => {
                "receiving, checking and writing each byte once; what lies above the floor is the request's own cost"
            }
        }
    }
}

use Bound::{AtLeast, AtMost};
use Figure::{Of, Over, OverFloor};

/// Records a request, in the middle, that still count as one.
const SHARED_MAX: f64 = 1.1;
const CPU: &str = "cpu_us_per_record";
const RATE: &str = "records_per_second";

const fn goal(
    what: &'static str,
    figure: Figure,
    bound: Bound,
    unit: &'static str,
    peers: [&'static str; 3],
) -> Goal {
    Goal { what, figure, bound, unit, peers }
}

/// Every goal, in the order of the table.
#[rustfmt::skip]
pub const GOALS: &[Goal] = &[
    goal("broker CPU per record produced, Cached, 100 B", Of("produce-cached-100", CPU), AtMost(0.12), "µs", ["0.20 (0.25)", "0.115", "0.22"]),
    goal("the same over the floor, 100 B", OverFloor("produce-cached-100", CPU), AtMost(4.0), "×", ["", "", ""]),
    goal("broker CPU per record produced, Cached, 1 KiB", Of("produce-cached-1k", CPU), AtMost(0.8), "µs", ["1.55 (2.6)", "0.92", "2.3"]),
    goal("the same over the floor, 1 KiB", OverFloor("produce-cached-1k", CPU), AtMost(2.0), "×", ["", "", ""]),
    goal("Synced over Cached, 100 B", Over("produce-synced-100", "produce-cached-100", CPU), AtMost(1.5), "×", ["", "", ""]),
    goal("Synced over Cached, 1 KiB", Over("produce-synced-1k", "produce-cached-1k", CPU), AtMost(1.5), "×", ["", "", ""]),
    goal("broker CPU per record consumed, 100 B", Of("consume-100", CPU), AtMost(0.037), "µs", ["0.037", "0.15", "0.17"]),
    goal("broker CPU per record consumed, 1 KiB", Of("consume-1k", CPU), AtMost(0.23), "µs", ["0.23", "0.55", "1.25"]),
    goal("produce rate, Synced, 1 KiB", Of("produce-synced-1k", RATE), AtLeast(450_000.0), "records/s", ["360 k (150 k)", "354 k", "233 k"]),
    goal("5,000 records/s: broker CPU per record, Cached", Of("paced-cached", CPU), AtMost(40.0), "µs", ["118", "80", "107-139"]),
    goal("5,000 records/s: broker CPU per record, Synced", Of("paced-synced", CPU), AtMost(60.0), "µs", ["118", "80", "107-139"]),
    goal("the same load, end-to-end p50, Cached", Of("paced-cached", "end_to_end_p50_ms"), AtMost(0.22), "ms", ["0.30 (2.15)", "1.6", "0.65"]),
    goal("the same load, end-to-end p50, Synced", Of("paced-synced", "end_to_end_p50_ms"), AtMost(0.5), "ms", ["0.30 (2.15)", "1.6", "0.65"]),
    goal("the same load, ack p99, Cached", Of("paced-cached", "ack_p99_ms"), AtMost(2.0), "ms", ["– (8.7)", "5.8", "3-14"]),
    goal("the same load, ack p99, Synced", Of("paced-synced", "ack_p99_ms"), AtMost(4.0), "ms", ["– (8.7)", "5.8", "3-14"]),
    goal("Synced rate with 1,000 partitions over one", Over("partitions-synced-1k", "produce-synced-1k", RATE), AtLeast(0.75), "×", ["", "", ""]),
    goal("start to first ack, empty folder", Of("start-empty", "first_ack_ms"), AtMost(10.0), "ms", ["1,700", "10", "–"]),
    goal("start to first ack, 1 GB, after SIGKILL", Of("start-1gb", "first_ack_ms"), AtMost(300.0), "ms", ["12,600", "2,700", "–"]),
    goal("idle RSS", Of("idle", "rss_mib"), AtMost(10.0), "MiB", ["335", "9.6", "14"]),
    goal("RSS with 1,000 idle connections", Of("idle-1000", "rss_mib"), AtMost(32.0), "MiB", ["–", "21", "33"]),
    goal("release binary, stripped", Of("binary", "size_mb"), AtMost(12.0), "MB", ["55 + a JVM", "10.8", "–"]),
];

impl Goal {
    /// The figure that answers it, if the run has it and did what the goal is about: a start on less data is no answer,
    /// nor is the processor time of records at a fixed rate that had to share requests, since that is cheaper.
    pub fn value(&self, report: &Report) -> Option<f64> {
        if let Of(name, figure) = self.figure {
            let case = report.case(name)?;
            let cut = name == "start-1gb" && report.settings.part < 1.0;
            let shared = name.starts_with("paced")
                && figure == CPU
                && case.median("records_per_request")? > SHARED_MAX;
            if cut || shared {
                return None;
            }
        }
        match self.figure {
            Of(case, name) => report.case(case)?.median(name),
            OverFloor(case, name) => report.case(case)?.ratios.get(name).copied(),
            Over(case, other, name) => {
                let under = report.case(other)?.median(name)?;
                (under > 0.0).then_some(report.case(case)?.median(name)? / under)
            }
        }
    }
}

/// Whether a goal was met.
pub fn judge(goal: &Goal, report: &Report) -> Judged {
    let Some(value) = goal.value(report) else { return Judged::NotMeasured };
    let reached = match goal.bound {
        AtMost(most) => value <= most,
        AtLeast(least) => value >= least,
    };
    if reached { Judged::Reached } else { Judged::Missed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{CASES, Case};
    use crate::machine::Machine;
    use crate::measure::Outcome;
    use crate::options::Options;
    use crate::report::{CaseReport, Program, Run};

    #[test]
    fn every_goal_asks_cases_that_exist() {
        for goal in GOALS {
            let names = match goal.figure {
                Of(case, _) | OverFloor(case, _) => vec![case],
                Over(case, other, _) => vec![case, other],
            };
            for name in names {
                assert!(CASES.iter().any(|case| case.name == name), "{}: {name}", goal.what);
            }
        }
    }

    #[test]
    fn a_run_that_did_less_than_the_goal_says_is_no_answer() {
        let goal = |case: &str| {
            GOALS.iter().find(|goal| matches!(goal.figure, Of(name, _) if name == case)).unwrap()
        };
        let report = |part: f64, shared: f64| {
            let run = Run::from([
                (CPU.to_owned(), 5.0),
                ("first_ack_ms".to_owned(), 5.0),
                ("records_per_request".to_owned(), shared),
            ]);
            let mut options = Options::new("poruka".into());
            options.part = part;
            let case = |case: &Case| {
                let outcome = Outcome { runs: vec![run.clone()], ..Outcome::default() };
                CaseReport::new(case, &options, true, outcome)
            };
            Report {
                schema: 1,
                program: Program { version: String::new(), commit: None, optimised: true },
                target: String::new(),
                machine: Machine::default(),
                settings: options.settings(),
                notes: Vec::new(),
                seconds: 0.0,
                cases: CASES.iter().map(case).collect(),
            }
        };
        assert_eq!(judge(goal("start-1gb"), &report(1.0, 1.0)), Judged::Reached);
        assert_eq!(judge(goal("start-1gb"), &report(0.5, 1.0)), Judged::NotMeasured);
        assert_eq!(judge(goal("paced-cached"), &report(1.0, 1.05)), Judged::Reached);
        assert_eq!(judge(goal("paced-cached"), &report(1.0, 3.0)), Judged::NotMeasured);
    }
}
