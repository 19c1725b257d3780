//! The simulation judges itself: the same seed is the same run, no name breaks its contract, and the check can fail.
//!
//! A few seeds, for every `cargo test`; `cargo xtask ci` runs 200 of each name, `cargo xtask sim` as many as one likes.

use poruka_guarantee::{Anomaly, Name};
use poruka_prove::sim::{SimError, SimRun, run_batch, simulate};

fn built() -> Vec<Name> {
    Name::ALL.into_iter().filter(|name| name.built()).collect()
}

fn run(seed: u64, name: Name) -> SimRun {
    simulate(seed, name).unwrap_or_else(|error| panic!("seed {seed}, {name}: {error}"))
}

#[test]
fn the_same_seed_gives_the_same_history_byte_for_byte() {
    for seed in [3, 8] {
        for name in built() {
            let first = run(seed, name).bytes();
            // On another thread, whose random state for hash maps is another.
            let second = std::thread::scope(|scope| {
                let again = std::thread::Builder::new().spawn_scoped(scope, || run(seed, name).bytes());
                again.expect("a thread").join().expect("no panic")
            });
            let differs = first.split(|byte| *byte == b'\n').zip(second.split(|byte| *byte == b'\n'));
            let line = differs.into_iter().find(|(one, other)| one != other);
            let line =
                line.map(|(one, other)| (String::from_utf8_lossy(one), String::from_utf8_lossy(other)));
            assert!(first == second, "seed {seed}, {name} is not the same twice: {line:?}");
        }
    }
}

#[test]
fn another_seed_and_another_name_give_another_history() {
    // Only what happened is compared, not the lines that say which seed and name it was.
    let happened = |seed, name| {
        let bytes = run(seed, name).bytes();
        let text = String::from_utf8(bytes).expect("text");
        let event = |line: &&str| line.starts_with("send ") || line.starts_with("frames ");
        text.lines().filter(event).map(str::to_owned).collect::<Vec<_>>()
    };
    let one = happened(3, Name::Durable);
    assert!(one.len() > 100, "{} events", one.len());
    assert_ne!(one, happened(4, Name::Durable));
    assert_ne!(one, happened(3, Name::Ordered));
}

#[test]
fn no_name_breaks_its_contract_under_a_few_seeds() {
    let seeds: Vec<u64> = (1..=12).collect();
    let batch = run_batch(&seeds, &built(), 2, &mut |_, _, _| ()).expect("threads");
    assert!(batch.troubles.is_empty(), "{:#?}", batch.troubles);
    assert_eq!(batch.runs.values().sum::<u64>(), 60);
}

#[test]
fn a_stronger_contract_is_broken_by_the_runs_of_a_weaker_name() {
    let shows = |weaker: Name, stronger: Name, anomaly: Anomaly| {
        let broken = |seed| run(seed, weaker).broken_by(stronger).any(|found| found.anomaly == anomaly);
        assert!((1..=12).any(broken), "{weaker} judged as {stronger} never shows {anomaly}");
    };
    shows(Name::AtLeastOnce, Name::AtMostOnce, Anomaly::Duplicated);
    shows(Name::AtLeastOnce, Name::Ordered, Anomaly::Reordered);
    shows(Name::AtLeastOnce, Name::Durable, Anomaly::ForgottenAfterPowerLoss);
    shows(Name::AtMostOnce, Name::AtLeastOnce, Anomaly::Lost);
    shows(Name::BestEffort, Name::AtLeastOnce, Anomaly::ForgottenAfterKill);
    shows(Name::BestEffort, Name::Durable, Anomaly::ForgottenAfterPowerLoss);
}

#[test]
fn a_batch_that_saw_too_little_says_so() {
    let batch = run_batch(&[2], &[Name::Durable], 1, &mut |_, _, _| ()).expect("a thread");
    let missing = batch.unproven();
    assert!(missing.iter().any(|line| line.contains("power cut")), "{missing:?}");
}

#[test]
fn a_name_that_is_not_built_is_refused() {
    assert!(matches!(simulate(1, Name::Causal), Err(SimError::NotBuilt(Name::Causal))));
}
