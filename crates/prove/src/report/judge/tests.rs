//! Verdicts from findings made by hand.

use super::*;
use crate::faults::FaultCount;
use crate::report::{Latency, Timeline};

fn run(name: Name, phase: Phase, seen: &[(Anomaly, u64)]) -> PhaseRun {
    let forgotten = match phase {
        Phase::Kill => Anomaly::ForgottenAfterKill,
        Phase::Power => Anomaly::ForgottenAfterPowerLoss,
    };
    let of = |anomaly| Finding {
        anomaly,
        checked: 1000,
        seen: seen.iter().find(|(which, _)| *which == anomaly).map_or(0, |(_, seen)| *seen),
        examples: Vec::new(),
    };
    let looked_for = [
        Anomaly::Lost,
        Anomaly::Duplicated,
        Anomaly::Reordered,
        Anomaly::Phantom,
        forgotten,
        Anomaly::Stalled,
    ];
    PhaseRun {
        name,
        findings: looked_for.into_iter().map(of).collect(),
        blind: Vec::new(),
        acknowledges: name >= Name::AtLeastOnce,
        finished: true,
        report: PhaseReport {
            phase,
            duration_us: 1,
            successes: Successes {
                sent: 1000,
                acked: 1000,
                handled: 1000,
                in_log: 1000,
                unknown: 0,
                refused: 0,
            },
            faults: FaultKind::ALL.map(|kind| FaultCount { kind, planned: 12, effective: 12 }).to_vec(),
            timeline: Timeline::default(),
            ack_latency: Latency::default(),
            handled_latency: Latency::default(),
            notes: Vec::new(),
        },
    }
}

/// Every built name, each weaker one showing what its stronger ones forbid.
fn good_run() -> Vec<PhaseRun> {
    let mut runs = Vec::new();
    for phase in Phase::ALL {
        runs.push(run(
            Name::BestEffort,
            phase,
            &[(Anomaly::ForgottenAfterKill, 9), (Anomaly::ForgottenAfterPowerLoss, 9)],
        ));
        runs.push(run(Name::AtMostOnce, phase, &[(Anomaly::Lost, 5)]));
        runs.push(run(
            Name::AtLeastOnce,
            phase,
            &[(Anomaly::Duplicated, 3), (Anomaly::Reordered, 3), (Anomaly::ForgottenAfterPowerLoss, 3)],
        ));
        runs.push(run(Name::Ordered, phase, &[]));
        runs.push(run(Name::Durable, phase, &[]));
    }
    runs
}

fn verdict(names: &[NameReport], name: Name) -> Option<Verdict> {
    names.iter().find(|report| report.name == name).and_then(|report| report.verdict)
}

#[test]
fn a_clean_run_with_speaking_controls_is_kept_and_what_is_not_built_is_never_kept() {
    let names = judge(&good_run());
    for name in Name::ALL {
        assert_eq!(verdict(&names, name), name.built().then_some(Verdict::Kept), "{name}: {names:#?}");
    }
    assert_eq!(overall(&names), Verdict::Kept);
    let exactly_once = names.iter().find(|report| report.name == Name::ExactlyOnce).expect("listed");
    assert!(exactly_once.cells.iter().all(|cell| cell.state == CellState::NotBuilt));
}

#[test]
fn one_sighting_of_what_is_forbidden_breaks_the_name_and_the_run() {
    let mut runs = good_run();
    runs.retain(|run| run.name != Name::Durable);
    runs.push(run(Name::Durable, Phase::Kill, &[]));
    runs.push(run(Name::Durable, Phase::Power, &[(Anomaly::ForgottenAfterPowerLoss, 1)]));
    let names = judge(&runs);
    assert_eq!(verdict(&names, Name::Durable), Some(Verdict::Broken));
    assert_eq!(verdict(&names, Name::Ordered), Some(Verdict::Kept));
    assert_eq!(overall(&names), Verdict::Broken);
}

#[test]
fn a_control_that_shows_nothing_proves_nothing() {
    let mut runs = good_run();
    for run in runs.iter_mut().filter(|run| run.name == Name::AtLeastOnce) {
        for finding in run.findings.iter_mut().filter(|f| f.anomaly == Anomaly::Reordered) {
            finding.seen = 0;
        }
    }
    let names = judge(&runs);
    assert_eq!(verdict(&names, Name::Ordered), Some(Verdict::NotProven));
    assert_eq!(verdict(&names, Name::Durable), Some(Verdict::Kept));
    assert_eq!(overall(&names), Verdict::NotProven);
}

#[test]
fn too_few_faults_or_successes_or_a_missing_phase_prove_nothing() {
    let spoil: [fn(&mut Vec<PhaseRun>); 4] = [
        |runs| runs.retain(|run| run.name != Name::Durable || run.report.phase == Phase::Kill),
        |runs| {
            for run in runs.iter_mut().filter(|run| run.name == Name::Durable) {
                run.report.faults[0].effective = 9;
            }
        },
        |runs| {
            for run in
                runs.iter_mut().filter(|run| run.name == Name::Durable && run.report.phase == Phase::Power)
            {
                run.report.faults[FaultKind::ALL.len() - 1].effective = 2;
            }
        },
        |runs| {
            for run in runs.iter_mut().filter(|run| run.name == Name::Durable) {
                run.report.successes.acked = 10;
            }
        },
    ];
    for (case, spoil) in spoil.iter().enumerate() {
        let mut runs = good_run();
        spoil(&mut runs);
        let names = judge(&runs);
        assert_eq!(verdict(&names, Name::Durable), Some(Verdict::NotProven), "case {case}");
        let durable = names.iter().find(|report| report.name == Name::Durable).expect("listed");
        assert!(!durable.reasons.is_empty(), "case {case} says why");
    }
}

#[test]
fn a_checker_that_does_not_find_what_was_planted_proves_nothing() {
    let mut runs = good_run();
    runs[0].blind.push(Anomaly::Phantom);
    assert_eq!(verdict(&judge(&runs), Name::BestEffort), Some(Verdict::NotProven));
}
