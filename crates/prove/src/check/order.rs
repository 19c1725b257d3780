//! A2 and A3: records that are there too often, or in the wrong place.

use poruka_guarantee::Anomaly;

use super::view::View;
use super::{Finding, Tally};

/// A2. Counts records, not repeats: a record that is there five times is one sighting.
pub(crate) fn duplicated(view: &View<'_>) -> Finding {
    let mut tally = Tally::new(view, Anomaly::Duplicated);
    for (index, sightings) in view.sightings.iter().enumerate() {
        let in_log = sightings.live.max(sightings.after);
        if in_log + sightings.handled == 0 {
            continue;
        }
        tally.checked += 1;
        if in_log > 1 || sightings.handled > 1 {
            let at_us = sightings.first_handled_us.unwrap_or_else(|| view.sent_us(index));
            tally.sighting(Some(index), at_us, || {
                format!("{in_log} times in the log, handled {} times", sightings.handled)
            });
        }
    }
    tally.finish()
}

/// A3, in the log and among the handlers.
pub(crate) fn reordered(view: &View<'_>) -> Finding {
    let mut tally = Tally::new(view, Anomaly::Reordered);
    for read in [&view.history.live, &view.history.after] {
        for partition in &read.partitions {
            let mut order = KeyOrder::new(view);
            for entry in &partition.entries {
                let place = || format!("at {}:{} of the log", partition.partition, entry.offset);
                if let Some(index) = view.genuine(entry.truth) {
                    order.meet(index, view.sent_us(index), place, &mut tally);
                }
            }
        }
    }
    let mut order = KeyOrder::new(view);
    for delivery in &view.history.deliveries {
        let place = || format!("in the hands of consumer {}", delivery.consumer);
        if let Some(index) = view.genuine(delivery.truth) {
            order.meet(index, delivery.at_us, place, &mut tally);
        }
    }
    tally.finish()
}

/// First appearances within each key.
struct KeyOrder<'a> {
    view: &'a View<'a>,
    /// By record index.
    met: Vec<bool>,
    /// By key index: one more than the highest place that was met.
    next: Vec<u32>,
}

impl<'a> KeyOrder<'a> {
    fn new(view: &'a View<'a>) -> KeyOrder<'a> {
        KeyOrder {
            view,
            met: vec![false; view.workload.records.len()],
            next: vec![0; view.workload.keys.len()],
        }
    }

    fn meet(&mut self, index: usize, at_us: u64, place: impl Fn() -> String, tally: &mut Tally<'_>) {
        let record = &self.view.workload.records[index];
        let Some(key) = record.key else { return };
        if std::mem::replace(&mut self.met[index], true) {
            return;
        }
        tally.checked += 1;
        let next = &mut self.next[key as usize];
        if record.key_seq < *next {
            tally.sighting(Some(index), at_us, || {
                format!(
                    "number {} of its key appears after number {}, {}",
                    record.key_seq,
                    *next - 1,
                    place()
                )
            });
        } else {
            *next = record.key_seq + 1;
        }
    }
}
