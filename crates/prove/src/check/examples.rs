//! Counter-examples: the first few sightings of an anomaly, told so that a person can follow them.

use serde::Serialize;

use super::view::View;

/// Counter-examples that are kept per anomaly and phase.
pub(crate) const EXAMPLES_MAX: usize = 5;
/// Faults that are told with an example.
const FAULTS_MAX: usize = 3;
/// How far away a fault may be, to be told with an example.
const FAULT_DISTANCE_US_MAX: u64 = 1_000_000;

/// One sighting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// What was seen, in a sentence.
    pub what: String,
    /// The id of the record, as the input names it.
    pub id: Option<String>,
    /// The key of the record.
    pub key: Option<String>,
    /// The index of the record in the workload.
    pub index: Option<usize>,
    /// When, in microseconds since the start of the phase.
    pub at_us: u64,
    /// The faults around it.
    pub faults: Vec<String>,
}

pub(crate) struct Examples<'a> {
    view: &'a View<'a>,
    kept: Vec<Example>,
}

impl<'a> Examples<'a> {
    pub(crate) fn new(view: &'a View<'a>) -> Examples<'a> {
        Examples { view, kept: Vec::new() }
    }

    /// Keeps the sighting when there is room; the sentence is made only then.
    pub(crate) fn add(&mut self, index: Option<usize>, at_us: u64, what: impl FnOnce() -> String) {
        if self.kept.len() >= EXAMPLES_MAX {
            return;
        }
        let record = index.and_then(|index| self.view.workload.records.get(index));
        self.kept.push(Example {
            what: what(),
            id: record.map(|record| record.id.to_string()),
            key: index.and_then(|index| self.view.workload.key_of(index)).map(str::to_owned),
            index,
            at_us,
            faults: self.around(at_us),
        });
    }

    fn around(&self, at_us: u64) -> Vec<String> {
        let mut near: Vec<_> = self
            .view
            .history
            .faults
            .iter()
            .map(|fault| (fault.at_us.abs_diff(at_us), fault))
            .filter(|(distance, _)| *distance <= FAULT_DISTANCE_US_MAX)
            .collect();
        near.sort_by_key(|(distance, _)| *distance);
        near.truncate(FAULTS_MAX);
        near.into_iter()
            .map(|(distance, fault)| {
                let side = if fault.at_us <= at_us { "before" } else { "after" };
                format!("{} ({} ms {side})", fault.what, distance / 1000)
            })
            .collect()
    }

    pub(crate) fn finish(self) -> Vec<Example> {
        self.kept
    }
}
