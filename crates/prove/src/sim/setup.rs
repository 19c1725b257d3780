//! What a seed decides before anything runs: the workload, the sizes of everything, and the faults.
//!
//! Sizes are small and differ from seed to seed, so that rings wrap, checkpoints are made, batches are cut and large ones
//! go their own way within a few hundred records.

use std::time::Duration;

use poruka_guarantee::Name;
use poruka_log::LogConfig;

use crate::faults::{FaultKind, FaultPlan};
use crate::input::{Collector, Workload};
use crate::payload::{Phase, fnv64};
use crate::run::Tuning;

const RECORDS_MIN: u64 = 160;
const RECORDS_MAX: u64 = 400;
const KEYS_MAX: u64 = 12;
const PARTITIONS_MAX: u64 = 4;
/// One record in this many has no key.
const UNKEYED_ONE_IN: u64 = 20;
/// One record in this many is large.
const LARGE_ONE_IN: u64 = 12;
const BODY_BYTES_MAX: usize = 120;
const LARGE_BODY_BYTES_MAX: usize = 3_000;

/// Everything about a run but the run itself.
pub(crate) struct Setup {
    pub(crate) phase: Phase,
    pub(crate) partitions: i32,
    pub(crate) workload: Workload,
    pub(crate) plan: FaultPlan,
    pub(crate) tuning: Tuning,
    pub(crate) log: LogConfig,
    /// How long a byte travels.
    pub(crate) latency: (Duration, Duration),
    /// How long a broker stays away at most after it was ended.
    pub(crate) away_max: Duration,
    /// Over how long the records are spread at least.
    pub(crate) time: Duration,
    /// Seeds the world and its disk.
    pub(crate) world: u64,
}

impl Setup {
    /// Seeds with an even number kill the broker's process; the others cut its power, too.
    pub(crate) fn new(seed: u64, name: Name) -> Setup {
        let mut random = fastrand::Rng::with_seed(fnv64(format!("sim/{seed}/{name}").as_bytes()));
        let phase = if seed.is_multiple_of(2) { Phase::Kill } else { Phase::Power };
        let workload = workload(&mut random);
        let records = workload.records.len() as u64;
        let counts = FaultKind::ALL.map(|kind| count(kind, &mut random));
        let micros =
            |from: u64, to: u64, random: &mut fastrand::Rng| Duration::from_micros(random.u64(from..=to));
        Setup {
            phase,
            partitions: i32::try_from(random.u64(1..=PARTITIONS_MAX)).unwrap_or(1),
            workload,
            plan: FaultPlan::of(random.u64(..), records, |kind| counts[kind as usize]),
            tuning: Tuning {
                linger: micros(0, 5_000, &mut random),
                fetch_wait: micros(5_000, 200_000, &mut random),
                commit_every: micros(1_000, 100_000, &mut random),
                batch_bytes_max: *pick(&mut random, &[300, 1_500, 16 << 10]),
            },
            log: LogConfig {
                journal_file_bytes: *pick(&mut random, &[32 << 10, 64 << 10, 1 << 20]),
                journal_files: *pick(&mut random, &[3, 4]),
                reference_bytes_min: *pick(&mut random, &[500, 3_000, 64 << 10]),
                reference_segments_max: *pick(&mut random, &[1, 2, 4]),
                tail_bytes_max: *pick(&mut random, &[8 << 10, 64 << 20]),
                cached_unsynced_bytes_max: *pick(&mut random, &[4_000, 40_000, 256 << 20]),
                clean_interval: micros(20_000, 2_000_000, &mut random),
                ..LogConfig::default()
            },
            latency: (micros(10, 200, &mut random), micros(200, 4_000, &mut random)),
            away_max: micros(0, 400_000, &mut random),
            time: micros(300_000, 4_000_000, &mut random),
            world: random.u64(..),
        }
    }

    /// The settings as lines of text, in a fixed order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Setup { phase, partitions, workload, tuning, log, latency, away_max, time, .. } = self;
        vec![
            format!(
                "phase {}, {} records of {} keys, {partitions} partitions",
                phase.as_str(),
                workload.records.len(),
                workload.keys.len()
            ),
            format!("spread over {time:?}, latency {latency:?}, away at most {away_max:?}"),
            format!("{tuning:?}"),
            format!("{log:?}"),
        ]
    }
}

fn pick<'a, T>(random: &mut fastrand::Rng, from: &'a [T]) -> &'a T {
    &from[random.usize(0..from.len())]
}

/// How many faults of a kind one run plans: dense, since a run is short.
fn count(kind: FaultKind, random: &mut fastrand::Rng) -> u64 {
    match kind {
        FaultKind::ResponseDropped | FaultKind::RequestCut => random.u64(1..=6),
        FaultKind::BrokerEnded => random.u64(1..=5),
        FaultKind::RequestRepeated | FaultKind::Delayed => random.u64(1..=3),
        FaultKind::CommitResponseDropped | FaultKind::ConsumerCrashed => random.u64(0..=2),
        FaultKind::Dribbled
        | FaultKind::AnswerRepeated
        | FaultKind::HalfClosed
        | FaultKind::ProducerCrashed => random.u64(0..=1),
    }
}

fn workload(random: &mut fastrand::Rng) -> Workload {
    let keys = random.u64(1..=KEYS_MAX);
    let mut collector = Collector::default();
    for number in 0..random.u64(RECORDS_MIN..=RECORDS_MAX) {
        let key = (random.u64(0..UNKEYED_ONE_IN) > 0).then(|| format!("key-{}", random.u64(0..keys)));
        let length_max = if random.u64(0..LARGE_ONE_IN) == 0 { LARGE_BODY_BYTES_MAX } else { BODY_BYTES_MAX };
        let body: String = (0..random.usize(0..length_max)).map(|_| random.alphanumeric()).collect();
        if collector.add(&format!("record-{number}"), key.as_deref(), body.as_bytes(), number).is_err() {
            break;
        }
    }
    collector.finish()
}
