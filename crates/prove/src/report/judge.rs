//! From findings to verdicts. Pure.
//!
//! "Kept" is the hardest word to earn: the anomaly is forbidden in a phase, was looked for in enough events, was never
//! seen, every required fault took effect, and the control (a weaker name under the same faults, or the anomaly planted
//! in this history) showed that it would have been seen. "Broken" needs one sighting and nothing else.

use poruka_guarantee::{Anomaly, Claim, Failure, Name, controls_of};

use super::{Cell, CellState, NameReport, PhaseReport, Verdict};
use crate::check::{Finding, Successes};
use crate::faults::FaultKind;
use crate::payload::Phase;
use crate::text::times;

/// Events that must have been checked for a verdict, whatever the size of the workload.
pub const CHECKED_MIN: u64 = 100;
/// Of the records sent, one in this many must have succeeded for a verdict.
pub const SUCCESS_ONE_IN: u64 = 4;

/// One phase of one name, checked.
#[derive(Clone, Debug)]
pub struct PhaseRun {
    /// The name.
    pub name: Name,
    /// What the checker found.
    pub findings: Vec<Finding>,
    /// Planted anomalies that the checker did not find in a copy of this history.
    pub blind: Vec<Anomaly>,
    /// Whether the name's producers claim outcomes.
    pub acknowledges: bool,
    /// Whether every record was handed over and had its outcome in time.
    pub finished: bool,
    /// The rest.
    pub report: PhaseReport,
}

/// The failures that a phase makes. (A crash of a producer is made in the simulation only; nothing is promised through
/// it that is not promised through a cut.)
fn failures(phase: Phase) -> [Failure; 3] {
    let ending = match phase {
        Phase::Kill => Failure::ProcessKill,
        Phase::Power => Failure::PowerLoss,
    };
    [Failure::NetworkCut, Failure::ConsumerCrash, ending]
}

/// Whether the name's contract forbids the anomaly in such a phase.
pub(crate) fn forbidden(name: Name, phase: Phase, anomaly: Anomaly) -> bool {
    let contract = name.guarantee().contract();
    failures(phase).iter().any(|failure| contract.claim(anomaly, *failure) == Claim::Forbidden)
}

/// Judges all seven names by what ran.
pub fn judge(runs: &[PhaseRun]) -> Vec<NameReport> {
    Name::ALL.into_iter().map(|name| judge_name(name, runs)).collect()
}

/// The worst verdict among the names that ran; nothing proven when none ran.
pub fn overall(names: &[NameReport]) -> Verdict {
    names.iter().filter_map(|name| name.verdict).max().unwrap_or(Verdict::NotProven)
}

fn judge_name(name: Name, runs: &[PhaseRun]) -> NameReport {
    let own: Vec<&PhaseRun> = runs.iter().filter(|run| run.name == name).collect();
    let missing = if own.is_empty() { Vec::new() } else { missing_for_any_verdict(&own) };
    let cells: Vec<Cell> = Anomaly::ALL
        .into_iter()
        .map(|anomaly| match own.is_empty() {
            true => {
                empty_cell(anomaly, if name.built() { CellState::NotApplicable } else { CellState::NotBuilt })
            }
            false => judge_cell(name, anomaly, &own, runs, &missing),
        })
        .collect();
    let verdicts = cells.iter().filter_map(|cell| match cell.state {
        CellState::Forbidden(verdict) => Some(verdict),
        CellState::Allowed | CellState::NotApplicable | CellState::NotBuilt => None,
    });
    let mut verdict = verdicts.max();
    let mut reasons = missing.clone();
    if !missing.is_empty() {
        verdict = verdict.max(Some(Verdict::NotProven));
    }
    for cell in &cells {
        if matches!(cell.state, CellState::Forbidden(Verdict::Broken)) {
            reasons.push(format!("{} was seen {}", cell.anomaly, times(cell.seen_forbidden)));
        } else if matches!(cell.state, CellState::Forbidden(Verdict::NotProven)) && missing.is_empty() {
            reasons.extend(cell.notes.iter().map(|note| format!("{}: {note}", cell.anomaly)));
        }
    }
    let phases = own.iter().map(|run| run.report.clone()).collect();
    NameReport { name, verdict, reasons, cells, phases }
}

fn empty_cell(anomaly: Anomaly, state: CellState) -> Cell {
    Cell { anomaly, state, checked: 0, seen: 0, seen_forbidden: 0, notes: Vec::new(), examples: Vec::new() }
}

/// What is missing for any verdict of "kept" on the name.
fn missing_for_any_verdict(own: &[&PhaseRun]) -> Vec<String> {
    let mut missing = Vec::new();
    for phase in Phase::ALL {
        match own.iter().find(|run| run.report.phase == phase) {
            None => missing.push(format!("the {} phase did not run", phase.as_str())),
            Some(run) => missing.extend(missing_in_phase(run)),
        }
    }
    for kind in FaultKind::ALL {
        let effective: u64 = own.iter().map(|run| effective(run, kind)).sum();
        if kind != FaultKind::BrokerEnded && effective < kind.required() {
            missing.push(format!(
                "{}: {effective} took effect, {} are required",
                kind.title(Phase::Kill),
                kind.required()
            ));
        }
    }
    missing
}

fn missing_in_phase(run: &PhaseRun) -> Vec<String> {
    let mut missing = Vec::new();
    let (phase, ended) = (run.report.phase, effective(run, FaultKind::BrokerEnded));
    if ended < FaultKind::BrokerEnded.required() {
        missing.push(format!(
            "{}: {ended} took effect, {} are required",
            FaultKind::BrokerEnded.title(phase),
            FaultKind::BrokerEnded.required()
        ));
    }
    if !run.finished {
        missing.push(format!("{} phase: the work did not end in time", phase.as_str()));
    }
    let Successes { sent, acked, handled, refused, .. } = run.report.successes;
    // What best-effort dropped for lack of room was never on its way.
    let enough = (sent.saturating_sub(refused) / SUCCESS_ONE_IN).max(CHECKED_MIN);
    if run.acknowledges && acked < enough {
        missing.push(format!("{} phase: {acked} of {sent} sends were acknowledged", phase.as_str()));
    }
    if handled < enough {
        missing.push(format!("{} phase: {handled} of {sent} records were handled", phase.as_str()));
    }
    missing
}

fn effective(run: &PhaseRun, kind: FaultKind) -> u64 {
    run.report.faults.iter().find(|count| count.kind == kind).map_or(0, |count| count.effective)
}

fn judge_cell(
    name: Name,
    anomaly: Anomaly,
    own: &[&PhaseRun],
    runs: &[PhaseRun],
    missing: &[String],
) -> Cell {
    let mut cell = empty_cell(anomaly, CellState::NotApplicable);
    let mut claimed = false;
    let mut checked_where_claimed = 0;
    for run in own {
        let Some(finding) = run.findings.iter().find(|finding| finding.anomaly == anomaly) else { continue };
        let claims = forbidden(name, run.report.phase, anomaly);
        cell.checked += finding.checked;
        cell.seen += finding.seen;
        cell.state = CellState::Allowed;
        cell.examples.extend(finding.examples.iter().filter(|_| claims).cloned());
        if claims {
            claimed = true;
            checked_where_claimed += finding.checked;
            cell.seen_forbidden += finding.seen;
        }
    }
    if !claimed {
        return cell;
    }
    let mut proven = missing.is_empty();
    if checked_where_claimed < CHECKED_MIN {
        proven = false;
        cell.notes.push(format!("only {checked_where_claimed} events could have shown it"));
    }
    proven &= control_shows(name, anomaly, own, runs, &mut cell.notes);
    cell.state = CellState::Forbidden(match (cell.seen_forbidden, proven) {
        (1.., _) => Verdict::Broken,
        (0, true) => Verdict::Kept,
        (0, false) => Verdict::NotProven,
    });
    cell
}

/// Whether the control of this claim showed the anomaly; says so either way.
fn control_shows(
    name: Name,
    anomaly: Anomaly,
    own: &[&PhaseRun],
    runs: &[PhaseRun],
    notes: &mut Vec<String>,
) -> bool {
    let Some(control) = controls_of(name).find(|control| control.anomaly == anomaly) else {
        let blind = own.iter().any(|run| run.blind.contains(&anomaly));
        notes.push(match blind {
            true => "control: planted in a copy of this history and not found".to_owned(),
            false => "control: planted in a copy of this history and found".to_owned(),
        });
        return !blind;
    };
    let shown: u64 = runs
        .iter()
        .filter(|run| run.name == control.weaker)
        .flat_map(|run| &run.findings)
        .filter(|finding| finding.anomaly == anomaly)
        .map(|finding| finding.seen)
        .sum();
    notes.push(match shown {
        0 => format!("control: {} did not show it, so it could not have been seen here", control.weaker),
        1.. => format!("control: {} showed it {} ({})", control.weaker, times(shown), control.because),
    });
    shown > 0
}

#[cfg(test)]
mod tests;
