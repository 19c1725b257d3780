//! A5: what is there and should not be.

use std::collections::HashMap;

use poruka_guarantee::Anomaly;

use super::view::{View, entries};
use super::{Finding, Tally};
use crate::history::Outcome;
use crate::payload::Truth;

/// A5.
pub(crate) fn phantom(view: &View<'_>) -> Finding {
    let mut tally = Tally::new(view, Anomaly::Phantom);
    let mut offsets = Offsets { view, known: HashMap::new() };
    for (index, send) in view.history.sends.iter().enumerate() {
        if let Outcome::Acked { partition, offset: offset @ 0.. } = send.outcome {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            offsets.meet((partition, offset), index, send.ended_us, &mut tally);
        }
    }
    for read in [&view.history.live, &view.history.after] {
        for (partition, entry) in entries(read) {
            let place = || format!("in the log at {partition}:{}", entry.offset);
            meet(view, entry.truth, 0, &place, &mut tally);
            if let Some(truth) = entry.truth {
                offsets.meet((partition, entry.offset), truth.index, 0, &mut tally);
            }
        }
    }
    for delivery in &view.history.deliveries {
        let place = || format!("handled by consumer {}", delivery.consumer);
        meet(view, delivery.truth, delivery.at_us, &place, &mut tally);
        if let Some(truth) = delivery.truth {
            offsets.meet((delivery.partition, delivery.offset), truth.index, delivery.at_us, &mut tally);
        }
    }
    tally.finish()
}

fn meet(
    view: &View<'_>,
    truth: Option<Truth>,
    at_us: u64,
    place: &dyn Fn() -> String,
    tally: &mut Tally<'_>,
) {
    tally.checked += 1;
    let index = view.genuine(truth);
    let problem = match index.map(|index| view.outcome(index)) {
        None => "a value that nobody sent",
        Some(Outcome::NotSent) => "a record that was not sent",
        Some(Outcome::NotAppended) => "a record that was reported as certainly not stored",
        Some(Outcome::Acked { .. } | Outcome::Sent | Outcome::Unknown) => return,
    };
    tally.sighting(index, at_us, || format!("{problem}, {}", place()));
}

/// One offset, one record: for as long as the log is the same log.
struct Offsets<'a> {
    view: &'a View<'a>,
    known: HashMap<(i32, i64), u32>,
}

impl Offsets<'_> {
    fn meet(&mut self, place: (i32, i64), index: u32, at_us: u64, tally: &mut Tally<'_>) {
        if !self.view.offsets_are_stable() {
            return;
        }
        let known = *self.known.entry(place).or_insert(index);
        if known != index {
            tally.sighting(Some(index as usize), at_us, || {
                let id = self.view.workload.records.get(known as usize).map_or("another record", |r| &r.id);
                format!("at {}:{} stood {id} before", place.0, place.1)
            });
        }
    }
}
