//! The page and the matrix over a made-up run.

use poruka_guarantee::{Anomaly, Name};

use crate::check::{Example, Finding, Successes};
use crate::faults::{FaultCount, FaultKind};
use crate::history::{Delivery, History, LogRead, Outcome, Send};
use crate::payload::{Phase, Stamp, Truth};
use crate::report::judge::{PhaseRun, judge, overall};
use crate::report::{Mark, PhaseReport, Report, html, matrix, measure, receipt};

const RECORDS: u64 = 4_000;

/// A phase whose numbers look like a real one, drawn from a seeded generator.
fn phase_run(name: Name, phase: Phase, seen: &[(Anomaly, u64)]) -> PhaseRun {
    let mut random = fastrand::Rng::with_seed(name as u64 * 2 + phase as u64);
    let mut sends = Vec::new();
    let mut deliveries = Vec::new();
    for index in 0..RECORDS {
        let began_us = index * 1_000;
        let took = (random.f64() * random.f64() * 20_000.0) as u64 + 300;
        sends.push(Send {
            began_us,
            ended_us: began_us + took,
            outcome: Outcome::Acked { partition: 0, offset: index as i64 },
        });
        let truth = Truth { index: index as u32, key_hash: 0, key_seq: 0 };
        let at_us = began_us + took + random.u64(500..9_000);
        deliveries.push(Delivery { at_us, consumer: 0, partition: 0, offset: 0, truth: Some(truth) });
    }
    let marks: Vec<Mark> = FaultKind::ALL
        .iter()
        .flat_map(|kind| (0..3).map(|_| *kind))
        .map(|kind| Mark { at_us: random.u64(0..4_000_000), kind })
        .collect();
    let history = History {
        stamp: Stamp { run: 1, name, phase },
        durability: name.guarantee().durability,
        acknowledges: name >= Name::AtLeastOnce,
        sends,
        deliveries,
        ends: Vec::new(),
        live: LogRead::default(),
        after: LogRead::default(),
        faults: Vec::new(),
    };
    let (timeline, ack_latency, handled_latency) = measure(&history, 4_100_000, marks);
    let example = Example {
        what: "acknowledged at 2:117 and in no log, though the broker ran on".into(),
        id: Some("<img src=x> \u{202e}čćž".into()),
        key: Some("a & b".into()),
        index: Some(117),
        at_us: 1_200_000,
        faults: vec!["broker killed with sends in flight (12 ms before)".into()],
    };
    let forgotten =
        if phase == Phase::Kill { Anomaly::ForgottenAfterKill } else { Anomaly::ForgottenAfterPowerLoss };
    let looked_for = [
        Anomaly::Lost,
        Anomaly::Duplicated,
        Anomaly::Reordered,
        Anomaly::Phantom,
        forgotten,
        Anomaly::Stalled,
    ];
    let of = |anomaly| Finding {
        anomaly,
        checked: RECORDS,
        seen: seen.iter().find(|(which, _)| *which == anomaly).map_or(0, |(_, seen)| *seen),
        examples: vec![example.clone()],
    };
    PhaseRun {
        name,
        findings: looked_for.into_iter().map(of).collect(),
        blind: Vec::new(),
        acknowledges: history.acknowledges,
        finished: true,
        report: PhaseReport {
            phase,
            duration_us: 4_100_000,
            successes: Successes {
                sent: RECORDS,
                acked: RECORDS,
                handled: RECORDS,
                in_log: RECORDS,
                unknown: 3,
                refused: 0,
            },
            faults: FaultKind::ALL.map(|kind| FaultCount { kind, planned: 12, effective: 11 }).to_vec(),
            timeline,
            ack_latency: if history.acknowledges { ack_latency } else { Default::default() },
            handled_latency,
            notes: vec!["a note".into()],
        },
    }
}

pub(crate) fn sample() -> Report {
    let mut runs = Vec::new();
    for phase in Phase::ALL {
        let forgot = [(Anomaly::ForgottenAfterKill, 1200), (Anomaly::ForgottenAfterPowerLoss, 900)];
        runs.push(phase_run(Name::BestEffort, phase, &forgot));
        runs.push(phase_run(Name::AtMostOnce, phase, &[(Anomaly::Lost, 31)]));
        runs.push(phase_run(
            Name::AtLeastOnce,
            phase,
            &[(Anomaly::Duplicated, 40), (Anomaly::Reordered, 812), (Anomaly::ForgottenAfterPowerLoss, 17)],
        ));
        runs.push(phase_run(Name::Ordered, phase, &[]));
        runs.push(phase_run(Name::Durable, phase, &[(Anomaly::Lost, u64::from(phase == Phase::Power))]));
    }
    runs[1].blind.push(Anomaly::Phantom);
    let names = judge(&runs);
    Report {
        format: 1,
        version: "0.1.0".into(),
        seed: 42,
        run: "00000000000000ff".into(),
        started_ms: 1_790_000_000_000,
        duration_us: 41_000_000,
        target: "poruka serve (spawned)".into(),
        settings: vec![("partitions".into(), "4".into())],
        input: vec!["812 records from git log, 3,188 from the generator with seed 42".into()],
        records: RECORDS,
        keys: 311,
        verdict: overall(&names),
        names,
    }
}

#[test]
fn the_page_needs_nobody_and_nothing_from_a_record_becomes_markup() {
    let page = html::render(&sample(), "hash");
    for forbidden in ["<script", "http://", "https://", "<img", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("&lt;img src=x&gt;") && page.contains("a &amp; b"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(page.matches("<svg").count(), page.matches("<desc>").count(), "every picture has words");
    assert!(page.contains("not built yet") && page.contains("simulated disk"));
}

#[test]
fn the_matrix_is_aligned_and_colourless_unless_asked() {
    let text = matrix::render_matrix(&sample(), false);
    assert!(!text.contains('\u{1b}'));
    let rows: Vec<&str> = text.lines().take(8).collect();
    let verdict_at = |row: &str| {
        let words = ["verdict", "kept", "not proven", "BROKEN", "not built yet"];
        words.iter().filter_map(|word| row.rfind(word)).map(|at| row[..at].chars().count()).max()
    };
    let places: Vec<_> = rows.iter().map(|row| verdict_at(row)).collect();
    assert!(places.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    assert!(text.contains("durable is BROKEN") && text.contains("acknowledged at 2:117"), "{text}");
    assert!(matrix::render_matrix(&sample(), true).contains("\u{1b}[32m"));
}

#[test]
fn the_receipt_hashes_itself_and_is_written_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = receipt::write(&sample(), folder.path()).expect("writes");
    let json = std::fs::read_to_string(&written.json).expect("there");
    let emptied = json.replacen(&written.hash, "", 1);
    assert_eq!(crate::report::sha256::sha256_hex(emptied.as_bytes()), written.hash);
    let parsed: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(parsed["seed"], 42);
    assert_eq!(parsed["names"].as_array().map(Vec::len), Some(7));
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).expect("there").flatten().map(|f| f.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
