//! The checker: one history in, one finding per anomaly out. Pure.
//!
//! Rules, by anomaly. "Established" means acknowledged, or handed to a handler: from then on somebody relies on it.
//! - A1 lost: established and in no log although the broker was not ended since its send began; or in the log, passed over by the
//!   group's commit and never handled; or, where nothing is acknowledged, sent and never seen although no ending
//!   explains it.
//! - A2 duplicated: twice in the log, or handled twice.
//! - A3 reordered: within a key, first appearances in another order than sent; in the log (per partition) and among
//!   handlers (over all consumers). A repeat of what was there before is A2, not A3.
//! - A5 phantom: a value that does not read back; a record that was not sent; one that was reported as certainly not
//!   stored; another record at an offset that was acknowledged or read before.
//! - A7, A8 forgotten: established before the broker was ended, not in the log afterwards.
//! - A10 stalled: in the log, not passed over, never handled although the run waited for it.
//!
//! A4, A6 and A9 need names and clusters that are not built; they are never reported as checked.

mod examples;
mod forgotten;
mod order;
mod phantom;
pub(crate) mod plant;
mod view;

use poruka_guarantee::Anomaly;

use crate::history::History;
use crate::input::Workload;

pub use examples::Example;
use examples::Examples;
use view::View;

/// What the checker found about one anomaly in one phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The anomaly.
    pub anomaly: Anomaly,
    /// How many events could have shown it.
    pub checked: u64,
    /// How many did.
    pub seen: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// How much of the workload succeeded: without this no verdict means anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Successes {
    /// Records handed to a producer.
    pub sent: u64,
    /// Records whose producer reported them stored.
    pub acked: u64,
    /// Distinct records that a handler saw.
    pub handled: u64,
    /// Distinct records in the log at the end of the work.
    pub in_log: u64,
    /// Outcomes reported as "may or may not be stored".
    pub unknown: u64,
    /// Outcomes reported as "certainly not stored".
    pub refused: u64,
}

/// Checks one phase.
pub fn check(workload: &Workload, history: &History) -> (Vec<Finding>, Successes) {
    let view = View::new(workload, history);
    let (lost, forgotten) = forgotten::lost_and_forgotten(&view);
    let findings = vec![
        lost,
        order::duplicated(&view),
        order::reordered(&view),
        phantom::phantom(&view),
        forgotten,
        forgotten::stalled(&view),
    ];
    (findings, view.successes())
}

/// Counts sightings and keeps the first few.
struct Tally<'a> {
    anomaly: Anomaly,
    checked: u64,
    seen: u64,
    examples: Examples<'a>,
}

impl<'a> Tally<'a> {
    fn new(view: &'a View<'a>, anomaly: Anomaly) -> Tally<'a> {
        Tally { anomaly, checked: 0, seen: 0, examples: Examples::new(view) }
    }

    fn sighting(&mut self, index: Option<usize>, at_us: u64, what: impl FnOnce() -> String) {
        self.seen += 1;
        self.examples.add(index, at_us, what);
    }

    fn finish(self) -> Finding {
        Finding {
            anomaly: self.anomaly,
            checked: self.checked,
            seen: self.seen,
            examples: self.examples.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
