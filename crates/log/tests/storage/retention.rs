//! Retention by age and by size, on every class, and what of it survives a restart.

use std::sync::Arc;
use std::time::Duration;

use poruka_env::sim::{Process, Sim};
use poruka_env::{Disk, FakeDisk};
use poruka_log::{Class, CleanConfig, LogEngine, Origin, PartitionLog, SegmentConfig};

use crate::common::{batch, read_all, small, spec};

/// A machine with one engine, whose clock the test moves.
struct Machine {
    sim: Sim,
    process: Process,
    disk: FakeDisk,
    engine: Arc<LogEngine>,
}

const CLASSES: [Class; 3] = [Class::Memory, Class::Cached, Class::Synced];

impl Machine {
    fn new(seed: u64) -> Machine {
        let (sim, disk) = (Sim::new(seed), FakeDisk::in_memory(seed));
        let process = sim.process(disk.clone());
        let engine = open(&sim, &process);
        Machine { sim, process, disk, engine }
    }

    fn log(&self, class: Class, clean: CleanConfig) -> Arc<PartitionLog> {
        let mut spec = spec("t", 1, class);
        spec.config = SegmentConfig { clean, memory_bytes_max: 1 << 20, ..spec.config };
        self.engine.create(spec).expect("made or found")
    }

    fn now_ms(&self) -> i64 {
        self.process.env().wall_ms()
    }

    fn pass(&self, period: Duration) {
        let env = self.process.env();
        self.sim.block_on(async move { env.sleep(period).await });
    }

    /// Ten batches of 2,000 bytes, with the timestamp of now, durable.
    fn fill(&self, log: &PartitionLog) {
        for _ in 0..10 {
            log.append(batch(&[7; 1000], 2, self.now_ms(), None), Origin::Client).expect("appended");
        }
        self.sim.block_on(log.wait_durable(log.ticket_of_end())).expect("durable");
    }

    fn cut_power(&mut self) {
        self.process.cut_power(1).expect("a disk in memory");
        self.engine = open(&self.sim, &self.process);
    }

    fn segments(&self) -> usize {
        let files = self.disk.list("/var/data/topics/t-0".as_ref()).expect("a folder");
        files.iter().filter(|name| name.ends_with(".log")).count()
    }
}

fn open(sim: &Sim, process: &Process) -> Arc<LogEngine> {
    let env = process.env();
    sim.block_on(async move { LogEngine::open(env, "/var/data".as_ref(), small()) }).expect("open").0
}

fn delete() -> CleanConfig {
    CleanConfig { delete: true, ..CleanConfig::default() }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn records_go_when_the_newest_of_their_segment_is_older_than_the_topic_keeps() {
    for class in CLASSES {
        let machine = Machine::new(1);
        let log = machine.log(class, CleanConfig { retention_ms: HOUR.as_millis() as i64, ..delete() });
        machine.fill(&log);
        let start = log.log_start();
        machine.pass(HOUR / 2);
        assert_eq!(log.log_start(), start, "{class:?}: not yet");
        machine.fill(&log);
        let second = log.high_watermark() - 20;
        machine.pass(HOUR / 2 + Duration::from_secs(60));
        assert!((start + 1..=second).contains(&log.log_start()), "{class:?}: the first half is old");
        machine.pass(HOUR);
        assert_eq!(
            log.log_start(),
            log.high_watermark(),
            "{class:?}: all is old, also what was being written"
        );
        let end = log.high_watermark();
        machine.fill(&log);
        assert_eq!(
            read_all(&log, 5000).first().map(|first| first.base),
            Some(end),
            "{class:?}: offsets go on"
        );
    }
}

#[test]
fn records_go_from_the_oldest_on_while_the_log_is_larger_than_the_topic_keeps() {
    for class in [Class::Cached, Class::Synced] {
        let machine = Machine::new(2);
        let log = machine.log(class, CleanConfig { retention_bytes: 30_000, ..delete() });
        for _ in 0..5 {
            machine.fill(&log);
        }
        assert!(log.size_bytes() > 90_000);
        machine.pass(Duration::from_secs(60));
        assert!((30_000..42_000).contains(&log.size_bytes()), "{class:?}: {}", log.size_bytes());
        assert!(machine.segments() <= 4, "{class:?}: the files are gone too");
        let stats = machine.engine.clean_stats();
        assert!(stats.segments_dropped >= 4 && stats.bytes_dropped > 40_000);
    }
}

#[test]
fn a_policy_without_delete_keeps_everything() {
    for class in CLASSES {
        let machine = Machine::new(3);
        let kept = CleanConfig { retention_ms: 0, retention_bytes: 0, ..CleanConfig::default() };
        let log = machine.log(class, kept);
        machine.fill(&log);
        let start = log.log_start();
        machine.pass(HOUR);
        assert_eq!(log.log_start(), start);
    }
}

#[test]
fn a_changed_setting_is_acted_on_at_once() {
    let machine = Machine::new(4);
    let log = machine.log(Class::Synced, delete());
    machine.fill(&log);
    machine.pass(Duration::from_secs(2));
    machine.log(Class::Synced, CleanConfig { retention_ms: 1000, ..delete() });
    machine.pass(Duration::from_millis(10));
    assert_eq!(log.log_start(), 20);
}

#[test]
fn what_retention_dropped_stays_dropped_and_what_came_after_stays() {
    for class in [Class::Cached, Class::Synced] {
        for settle in [Duration::ZERO, Duration::from_millis(50), Duration::from_secs(1)] {
            let mut machine = Machine::new(5);
            let short = CleanConfig { retention_ms: 1000, ..delete() };
            let log = machine.log(class, short);
            machine.fill(&log);
            machine.pass(Duration::from_secs(60));
            assert_eq!(log.log_start(), 20);
            machine.fill(&log);
            machine.engine.checkpoint_soon();
            machine.pass(settle);
            drop(log);
            // Killed, not cut: a Cached log keeps what it acknowledged.
            machine.process.kill();
            machine.engine = open(&machine.sim, &machine.process);
            let log = machine.log(class, delete());
            assert_eq!(log.log_start(), 20, "{class:?}");
            assert_eq!(read_all(&log, 5000).iter().filter(|seen| !seen.is_control).count(), 10, "{class:?}");
            machine.cut_power();
            assert_eq!(machine.log(class, delete()).log_start(), 20, "{class:?}");
        }
    }
}

#[test]
fn a_segment_is_closed_when_it_is_too_old_and_when_a_record_is_too_young_for_it() {
    let machine = Machine::new(6);
    let log = machine.log(Class::Synced, CleanConfig { segment_ms: HOUR.as_millis() as i64, ..delete() });
    let now = machine.now_ms();
    let append = |timestamp| {
        log.append(batch(b"x", 1, timestamp, None), Origin::Client).expect("appended");
        machine.pass(Duration::from_millis(1));
    };
    append(now);
    append(now + 1000);
    assert_eq!(machine.segments(), 1);
    append(now + HOUR.as_millis() as i64 + 1);
    assert_eq!(machine.segments(), 2, "by the records' own time");
    machine.pass(HOUR * 2);
    append(now + HOUR.as_millis() as i64 + 2);
    assert_eq!(machine.segments(), 3, "by the clock");
    assert_eq!(read_all(&log, 1000).len(), 4);
}

#[test]
fn deleted_records_stay_deleted_on_every_class_that_survives_and_their_files_go() {
    for class in CLASSES {
        let mut machine = Machine::new(7);
        let log = machine.log(class, delete());
        for _ in 0..3 {
            machine.fill(&log);
        }
        let start = log.high_watermark() - 7;
        assert_eq!(machine.sim.block_on(log.delete_records_before(start)).ok(), Some(start));
        assert_eq!(log.log_start(), start);
        assert!(machine.sim.block_on(log.delete_records_before(start + 8)).is_err(), "past the end");
        assert_eq!(
            machine.sim.block_on(log.delete_records_before(0)).ok(),
            Some(start),
            "it never goes back"
        );
        if class == Class::Memory {
            assert_eq!(machine.sim.block_on(log.delete_records_before(-1)).ok(), Some(log.high_watermark()));
            continue;
        }
        drop(log);
        machine.cut_power();
        assert_eq!(machine.log(class, delete()).log_start(), start, "{class:?}");
        machine.pass(Duration::from_secs(60));
        assert!(machine.segments() <= 2, "{class:?}: the files before it are gone");
        let log = machine.log(class, delete());
        assert_eq!(machine.sim.block_on(log.delete_records_before(-1)).ok(), Some(log.high_watermark()));
        machine.pass(Duration::from_secs(60));
        assert_eq!(machine.segments(), 0, "{class:?}: nothing is left");
        machine.fill(&log);
        assert_eq!(read_all(&log, 5000).len(), 10);
    }
}
