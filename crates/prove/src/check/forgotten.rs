//! A1, A7, A8 and A10: records that should be there and are not.
//!
//! One record is counted once: either the ended broker explains its absence (forgotten) or nothing does (lost).

use poruka_guarantee::Anomaly;

use super::view::View;
use super::{Finding, Tally};
use crate::history::Outcome;
use crate::payload::Phase;

/// A1, and A7 or A8 by phase.
pub(crate) fn lost_and_forgotten(view: &View<'_>) -> (Finding, Finding) {
    let mut lost = Tally::new(view, Anomaly::Lost);
    let mut forgotten = Tally::new(view, forgotten_in(view.history.stamp.phase));
    for index in 0..view.workload.records.len() {
        // Whoever was told that the record is not stored has lost nothing.
        if matches!(view.outcome(index), Outcome::NotSent | Outcome::NotAppended) {
            continue;
        }
        match view.established_us(index) {
            Some(since_us) => established(view, index, since_us, &mut lost, &mut forgotten),
            None => never_established(view, index, &mut lost),
        }
    }
    (lost.finish(), forgotten.finish())
}

fn forgotten_in(phase: Phase) -> Anomaly {
    match phase {
        Phase::Kill => Anomaly::ForgottenAfterKill,
        Phase::Power => Anomaly::ForgottenAfterPowerLoss,
    }
}

fn established(
    view: &View<'_>,
    index: usize,
    since_us: u64,
    lost: &mut Tally<'_>,
    forgotten: &mut Tally<'_>,
) {
    let sightings = view.sightings[index];
    lost.checked += 1;
    forgotten.checked += 1;
    if sightings.live == 0 && !view.ended_since(index) {
        lost.sighting(Some(index), since_us, || {
            format!("{} and in no log, though the broker ran on", relied_on(view, index))
        });
    } else if sightings.after == 0 {
        forgotten.sighting(Some(index), since_us, || {
            let which = if sightings.live == 0 { "an" } else { "the last" };
            format!("{}, and gone after {which} ending of the broker", relied_on(view, index))
        });
    } else if passed_over(view, index) {
        lost.sighting(Some(index), since_us, || skipped(view, index));
    }
}

/// Nobody relies on it. Where nothing is acknowledged it counts as lost when no ending explains its absence.
fn never_established(view: &View<'_>, index: usize, lost: &mut Tally<'_>) {
    let at_us = view.sent_us(index);
    if passed_over(view, index) {
        lost.checked += 1;
        lost.sighting(Some(index), at_us, || skipped(view, index));
        return;
    }
    if view.history.acknowledges {
        return;
    }
    lost.checked += 1;
    let explained = view.storage_forgets() && view.ended_since(index);
    if view.sightings[index].live == 0 && !explained {
        lost.sighting(Some(index), at_us, || "sent once and never seen".to_owned());
    }
}

/// In the log, never handled, and the group will not come back to it.
fn passed_over(view: &View<'_>, index: usize) -> bool {
    let sightings = view.sightings[index];
    let behind = |(partition, offset)| offset < view.committed(partition);
    sightings.handled == 0 && sightings.live_place.is_some_and(behind)
}

fn skipped(view: &View<'_>, index: usize) -> String {
    let (partition, offset) = view.sightings[index].live_place.unwrap_or_default();
    let committed = view.committed(partition);
    format!("stored at {partition}:{offset}, passed over by the commit at {committed} and never handled")
}

fn relied_on(view: &View<'_>, index: usize) -> String {
    match view.outcome(index) {
        Outcome::Acked { partition, offset } => format!("acknowledged at {partition}:{offset}"),
        _ => "handed to a handler".to_owned(),
    }
}

/// A10.
pub(crate) fn stalled(view: &View<'_>) -> Finding {
    let mut tally = Tally::new(view, Anomaly::Stalled);
    for (index, sightings) in view.sightings.iter().enumerate() {
        let Some((partition, offset)) = sightings.live_place else { continue };
        tally.checked += 1;
        if sightings.handled == 0 && !passed_over(view, index) {
            tally.sighting(Some(index), view.sent_us(index), || {
                let committed = view.committed(partition);
                format!("stored at {partition}:{offset}, the group stands at {committed}, and never handled")
            });
        }
    }
    tally.finish()
}
