//! Compaction on the disk that loses power: random keys and values, crashes at every change and at random, and the oracle.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use poruka_env::sim::{Process, Sim};
use poruka_env::{Disk, FakeDisk};
use poruka_log::{
    CheckError, Class, CleanConfig, LogConfig, LogEngine, LogSpec, OpenError, Origin, PartitionLog,
    SegmentConfig, Soundness,
};
use poruka_wire::Uuid;
use poruka_wire::records::{BatchBuilder, Compression, batches_of, records};

use crate::common::small;
use crate::oracle::{Keyed, check};

const KEYS: u8 = 40;
/// How long a deletion is kept.
const DELETE_RETENTION_MS: i64 = 40;
const CLASSES: [Class; 2] = [Class::Synced, Class::Cached];

/// One compacted partition of each class that has files.
struct World {
    sim: Sim,
    process: Process,
    disk: FakeDisk,
    config: LogConfig,
    rng: Rng,
    engine: Option<Arc<LogEngine>>,
    appended: [Vec<Keyed>; 2],
    /// A batch whose append failed as the power went: a Cached log may have it.
    maybe: [Vec<Keyed>; 2],
    /// Acknowledged up to here.
    acked: [i64; 2],
    log_start: [i64; 2],
    compactions: u64,
    dropped: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let (sim, disk) = (Sim::new(seed), FakeDisk::in_memory(seed));
        let process = sim.process(disk.clone());
        let rng = Rng::with_seed(seed);
        // A map that does not take all keys, so that most passes get only part of the way.
        let clean_map_bytes = if seed.is_multiple_of(2) { 24 * 40 } else { 1 << 16 };
        let config = LogConfig { clean_interval: Duration::from_millis(8), clean_map_bytes, ..small() };
        World {
            sim,
            process,
            disk,
            config,
            rng,
            engine: None,
            appended: Default::default(),
            maybe: Default::default(),
            acked: [0; 2],
            log_start: [0; 2],
            compactions: 0,
            dropped: 0,
        }
    }

    fn open(&mut self) -> Result<(), OpenError> {
        let (env, config) = (self.process.env(), self.config);
        let opened = self.sim.block_on(async move { LogEngine::open(env, "/var/data".as_ref(), config) });
        self.engine = Some(opened?.0);
        Ok(())
    }

    fn log(&self, which: usize) -> Option<Arc<PartitionLog>> {
        let clean = CleanConfig {
            compact: true,
            min_dirty_permille: 100,
            max_compaction_lag_ms: 20,
            delete_retention_ms: DELETE_RETENTION_MS,
            ..CleanConfig::default()
        };
        let spec = LogSpec {
            topic: ["s", "c"][which].to_owned(),
            topic_id: Uuid([which as u8 + 1; 16]),
            partition: 0,
            durability: CLASSES[which],
            config: SegmentConfig {
                segment_bytes: 2500,
                index_interval_bytes: 300,
                memory_bytes_max: 0,
                clean,
            },
        };
        self.engine.as_ref()?.create(spec).ok()
    }

    fn pass(&self, millis: u64) {
        let env = self.process.env();
        self.sim.block_on(async move { env.sleep(Duration::from_millis(millis)).await });
    }

    fn work(&mut self, steps: u32) {
        for _ in 0..steps {
            if self.disk.is_off() {
                return;
            }
            let which = self.rng.usize(..2);
            let Some(log) = self.log(which) else { continue };
            match self.rng.u32(..100) {
                0..70 => self.append(which, &log),
                70..85 => self.acknowledge(which, &log),
                85..93 => {
                    let millis = self.rng.u64(1..12);
                    self.pass(millis);
                }
                93..96 => self.read(&log),
                96 => self.delete_some(which, &log),
                _ => self.engine.as_ref().expect("open").checkpoint_soon(),
            }
        }
    }

    fn append(&mut self, which: usize, log: &PartitionLog) {
        let rng = &mut self.rng;
        let codec = Compression::ALL[rng.usize(..Compression::ALL.len())];
        let timestamp = self.process.env().wall_ms();
        let mut builder = BatchBuilder::new(codec);
        let mut records = Vec::new();
        for _ in 0..rng.usize(1..5) {
            let key = rng.u8(..KEYS);
            let most = if rng.u8(..20) == 0 { 3500 } else { 120 };
            let size = rng.usize(1..most);
            let value = (rng.u8(..6) > 0).then(|| (0..size).map(|_| rng.u8(..)).collect::<Vec<u8>>());
            builder.push(timestamp, Some(&[key]), value.as_deref(), &[]).expect("fits");
            records.push((key, value));
        }
        let end = log.log_end();
        let done = log.append(builder.build(), Origin::Client);
        let kept = records.into_iter().zip(done.as_ref().map_or(end, |done| done.base_offset)..);
        let kept = kept.map(|((key, value), offset)| Keyed { offset, key, value, timestamp });
        match done {
            Ok(_) => self.appended[which].extend(kept),
            Err(_) if self.maybe[which].is_empty() => self.maybe[which].extend(kept),
            Err(_) => {}
        }
    }

    fn acknowledge(&mut self, which: usize, log: &PartitionLog) {
        let ticket = log.ticket_of_end();
        if self.sim.block_on(log.wait_durable(ticket)).is_ok() {
            self.acked[which] = self.acked[which].max(ticket.offset());
        }
    }

    fn read(&mut self, log: &PartitionLog) {
        let (start, end) = (log.log_start(), log.high_watermark());
        let from = self.rng.i64(start..=end);
        match log.read(from, self.rng.usize(100..5000), true) {
            Ok(read) => {
                assert!(from == end || !read.records.is_empty(), "a reader gets on from {from} of {end}")
            }
            Err(error) => assert!(self.disk.is_off(), "{error}"),
        }
    }

    fn delete_some(&mut self, which: usize, log: &PartitionLog) {
        let (start, seen) = (log.log_start(), log.high_watermark());
        if CLASSES[which] == Class::Synced {
            let offset = start + (seen - start) / 8;
            if self.sim.block_on(log.delete_records_before(offset)).is_ok() {
                self.log_start[which] = self.log_start[which].max(offset);
            }
        }
    }

    fn end(&mut self, power_cut: bool) {
        let stats = self.engine.take().map(|engine| engine.clean_stats());
        self.compactions += stats.map_or(0, |stats| stats.compactions);
        self.dropped += stats.map_or(0, |stats| stats.records_compacted);
        match power_cut {
            true => self.process.cut_power(self.rng.u64(..)).expect("a disk in memory"),
            false => self.process.kill(),
        }
        self.disk.heal();
    }

    /// Looked at from outside, a crash leaves nothing but torn tails, and no file that belongs to nothing.
    fn check_folder(&self, context: &str) {
        let (env, config) = (self.process.env(), self.config);
        match poruka_log::check(&env, "/var/data".as_ref(), &config) {
            Ok(found) => {
                // A whole folder may be there whose journal entry is not.
                let bad = |finding: &&poruka_log::Finding| {
                    finding.soundness == Soundness::Damaged
                        || finding.soundness == Soundness::Sound
                            && finding.file.to_string_lossy().contains("/0000")
                };
                assert_eq!(found.findings.iter().find(bad), None, "{context}");
            }
            Err(CheckError::Open(OpenError::Missing { .. } | OpenError::NotOurs { .. })) => {}
            Err(error) => panic!("{context}: {error}"),
        }
    }

    /// Compares what is there with what was appended. What a power cut took of a Cached log is forgotten here too.
    fn check(&mut self, power_cut: bool, context: &str) {
        for (which, class) in CLASSES.into_iter().enumerate() {
            let log = self.log(which).expect("there");
            let topic = log.topic().to_owned();
            let (found, end) = read_keyed(&log, self.rng.usize(100..20_000));
            let cached = class == Class::Cached;
            assert!(end >= self.acked[which] || (cached && power_cut), "{context}: {topic} ends at {end}");
            assert!(log.log_start() >= self.log_start[which], "{context}: {topic}: the log start goes back");
            let start = log.log_start();
            self.log_start[which] = start;
            let maybe = std::mem::take(&mut self.maybe[which]);
            if cached && maybe.first().is_some_and(|first| found.contains(first)) {
                self.appended[which].extend(maybe);
            }
            self.appended[which].retain(|record| record.offset < end);
            self.acked[which] = end;
            // Nothing below the log start is expected, or looked at.
            let appended: Vec<Keyed> =
                self.appended[which].iter().filter(|record| record.offset >= start).cloned().collect();
            let deletable = self.process.env().wall_ms() - DELETE_RETENTION_MS;
            check(&appended, &found, deletable).unwrap_or_else(|why| panic!("{context}: {topic}: {why}"));
        }
    }
}

/// All records from the log start on, and the offset after the last batch that is not the end of a gap.
fn read_keyed(log: &PartitionLog, bytes_max: usize) -> (Vec<Keyed>, i64) {
    let (mut found, mut end, mut offset) = (Vec::new(), log.log_start(), log.log_start());
    while offset < log.high_watermark() {
        let read = log.read(offset, bytes_max, true).expect("readable");
        let before = offset;
        for chunk in &read.records {
            for batch in batches_of(chunk) {
                let (header, batch) = batch.expect("sound");
                offset = header.next_offset();
                if !header.is_control() {
                    end = offset;
                    found.extend(keyed(&batch).into_iter().filter(|record| record.offset >= log.log_start()));
                }
            }
        }
        assert!(
            offset > before,
            "a read below the high watermark moves on: at {offset} of {}",
            log.high_watermark()
        );
    }
    (found, end)
}

fn keyed(batch: &Bytes) -> Vec<Keyed> {
    let one = |record: poruka_wire::records::Record| Keyed {
        offset: record.offset,
        key: record.key.expect("a key")[0],
        value: record.value.map(|value| value.to_vec()),
        timestamp: record.timestamp,
    };
    records(batch).expect("records").map(|record| one(record.expect("sound"))).collect()
}

/// One short life with a power cut at the given change, then two more. Returns the changes and the compactions of the first.
fn short_history(seed: u64, cut: Option<u64>) -> (u64, u64) {
    let mut world = World::new(seed);
    if let Some(cut) = cut {
        world.disk.cut_power_after(cut);
    }
    if world.open().is_ok() {
        world.work(60);
        if !world.disk.is_off() {
            world.pass(60);
        }
    }
    let changes = world.disk.changes();
    world.rng = Rng::with_seed(seed ^ (cut.unwrap_or(0) << 20));
    world.end(true);
    let compactions = world.compactions;
    for life in 0..2 {
        let context = format!("seed {seed}, cut {cut:?}, life {life}");
        world.check_folder(&context);
        world.open().unwrap_or_else(|error| panic!("{context}: {error}"));
        world.check(true, &context);
        world.work(25);
        world.pass(30);
        world.end(life == 0);
    }
    world.open().expect("open");
    world.check(false, "at last");
    (changes, compactions)
}

#[test]
fn a_power_cut_at_any_change_while_compacting_loses_no_last_value() {
    // The first one has a map that takes all keys in several passes only.
    for (seed, step) in [(0, 1), (1, 3)] {
        let (changes, compactions) = short_history(seed, None);
        assert!(compactions > 2, "the history compacts");
        for cut in (0..changes).step_by(step) {
            short_history(seed, Some(cut));
        }
    }
}

#[test]
fn long_random_lives_of_kills_and_cuts_keep_every_last_value() {
    let (mut compactions, mut dropped) = (0, 0);
    for seed in 200..230 {
        let mut world = World::new(seed);
        world.open().expect("open");
        for life in 0..10 {
            let steps = world.rng.u32(1..300);
            if world.rng.bool() {
                let cut = world.rng.u64(..250);
                world.disk.cut_power_after(cut);
            }
            world.work(steps);
            let power_cut = world.disk.is_off() || world.rng.bool();
            world.disk.heal();
            world.end(power_cut);
            let mut any_cut = power_cut;
            // The power may go again while it recovers.
            while world.rng.u32(..3) == 0 {
                let cut = world.rng.u64(..30);
                world.disk.cut_power_after(cut);
                let _ = world.open();
                world.end(true);
                any_cut = true;
            }
            let context = format!("seed {seed}, life {life}");
            world.check_folder(&context);
            world.open().unwrap_or_else(|error| panic!("{context}: {error}"));
            world.check(any_cut, &context);
        }
        (compactions, dropped) = (compactions + world.compactions, dropped + world.dropped);
    }
    assert!(compactions > 300 && dropped > 3000, "{compactions} compactions dropped {dropped} records");
}

#[test]
fn a_quiet_log_ends_with_one_record_for_each_key_and_readers_pass_every_hole() {
    let mut world = World::new(1);
    world.open().expect("open");
    let log = world.log(0).expect("there");
    for _ in 0..400 {
        world.append(0, &log);
    }
    world.acknowledge(0, &log);
    world.pass(2000);
    let (found, end) = read_keyed(&log, 1000);
    assert_eq!(end, log.high_watermark());
    let mut keys: Vec<u8> = found.iter().map(|record| record.key).collect();
    keys.sort_unstable();
    keys.dedup();
    // The tail in memory still holds what was compacted on the disk; a restart empties it.
    drop(log);
    world.end(false);
    world.open().expect("open");
    world.check(false, "quiet");
    let log = world.log(0).expect("there");
    let (found, end) = read_keyed(&log, 1000);
    assert_eq!(end, log.high_watermark());
    assert_eq!(found.iter().filter(|record| record.value.is_some()).count(), {
        let mut live: Vec<u8> =
            found.iter().filter(|record| record.value.is_some()).map(|record| record.key).collect();
        live.dedup();
        live.len()
    });
    for from in log.log_start()..log.high_watermark() {
        let read = log.read(from, 1, true).expect("readable");
        let first = batches_of(&read.records[0]).next().expect("a batch").expect("sound").0;
        assert!(first.next_offset() > from);
    }
    for record in &found {
        assert_eq!(
            log.offset_for_timestamp(record.timestamp).expect("search").map(|(_, found)| found),
            Some(record.timestamp)
        );
    }
    let files = world.disk.list("/var/data/topics/s-0".as_ref()).expect("a folder");
    assert!(files.iter().all(|name| !name.ends_with(".cleaned")), "{files:?}");
    assert!(log.size_bytes() < 20_000, "{} bytes in {files:?}", log.size_bytes());
}
