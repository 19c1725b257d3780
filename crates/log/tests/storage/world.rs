//! A simulated machine with a log engine on a disk that loses power, and a model of what must be there afterwards.
//!
//! The model knows every batch that an append accepted, and which of them were acknowledged or seen by a reader.
//! [`World::check`] compares a recovered engine with it:
//! - Synced: what is there is a prefix of what was accepted, at the same offsets; everything acknowledged, duplicates
//!   included, and everything that was ever below a high watermark is in it.
//! - Cached: the same after a killed process; after a power cut a prefix of any length, and no offset that was ever
//!   given out is given out again for something else.

use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;
use poruka_env::FakeDisk;
use poruka_env::sim::{Process, Sim};
use poruka_log::{
    AppendError, Class, LogConfig, LogEngine, OpenError, OpenReport, Origin, PartitionLog, Ticket,
};
use poruka_wire::Uuid;

use crate::common::{Stamp, batch, body, read_all, spec};

/// A batch that an append accepted.
#[derive(Debug, Clone)]
struct Accepted {
    base: i64,
    next: i64,
    raw: Bytes,
    ticket: Ticket,
}

/// What the model knows of one partition.
pub(crate) struct Model {
    topic: &'static str,
    id: u8,
    class: Class,
    accepted: Vec<Accepted>,
    /// Acknowledged or seen up to here.
    promised: i64,
    /// Offsets below this were given out at some time.
    given: i64,
    log_start: i64,
    /// A batch whose append failed as the power went: after that it may be there or not (Cached).
    maybe: Option<Bytes>,
    sequence: i32,
    timestamp: i64,
    /// A deletion was asked for and not answered.
    maybe_deleted: bool,
}

impl Model {
    fn new(topic: &'static str, id: u8, class: Class) -> Model {
        Model {
            topic,
            id,
            class,
            accepted: Vec::new(),
            promised: 0,
            given: 0,
            log_start: 0,
            maybe: None,
            sequence: 0,
            timestamp: 0,
            maybe_deleted: false,
        }
    }

    /// The topic is gone; the next one of its name is another.
    fn reset(&mut self) {
        *self = Model::new(self.topic, self.id + IDS_BETWEEN, self.class);
    }
}

/// Distance between the ids of a topic and of the next one with its name.
const IDS_BETWEEN: u8 = 3;

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Kill,
    PowerCut,
    Close,
}

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) process: Process,
    pub(crate) disk: FakeDisk,
    pub(crate) config: LogConfig,
    pub(crate) rng: Rng,
    pub(crate) models: Vec<Model>,
    pub(crate) engine: Option<Arc<LogEngine>>,
    pub(crate) report: OpenReport,
}

const PRODUCER: i64 = 7;

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let sim = Sim::new(seed);
        let disk = FakeDisk::in_memory(seed);
        let process = sim.process(disk.clone());
        let models = vec![
            Model::new("s", 1, Class::Synced),
            Model::new("c", 2, Class::Cached),
            Model::new("s.two", 3, Class::Synced),
        ];
        let (config, rng) = (crate::common::small(), Rng::with_seed(seed));
        World { sim, process, disk, config, rng, models, engine: None, report: OpenReport::default() }
    }

    /// Starts the process; the engine opens the folder.
    pub(crate) fn open(&mut self) -> Result<(), OpenError> {
        let env = self.process.env();
        let config = self.config;
        let (engine, report) =
            self.sim.block_on(async move { LogEngine::open(env, "/var/data".as_ref(), config) })?;
        (self.engine, self.report) = (Some(engine), report);
        Ok(())
    }

    fn engine(&self) -> Arc<LogEngine> {
        Arc::clone(self.engine.as_ref().expect("open"))
    }

    pub(crate) fn log(&self, model: usize) -> Option<Arc<PartitionLog>> {
        let Model { topic, id, class, .. } = self.models[model];
        self.engine().create(spec(topic, id, class)).ok()
    }

    /// Random work: appends, waits, reads, deletions. Ends early when the power is gone.
    pub(crate) fn work(&mut self, steps: u32) {
        for _ in 0..steps {
            if self.disk.is_off() {
                return;
            }
            let which = self.rng.usize(..self.models.len());
            let Some(log) = self.log(which) else { continue };
            match self.rng.u32(..100) {
                0..60 => {
                    let size = if self.rng.u32(..8) == 0 {
                        self.rng.usize(3000..9000)
                    } else {
                        self.rng.usize(1..600)
                    };
                    self.append(which, &log, size);
                }
                60..80 => self.acknowledge(which, &log),
                80..90 => self.see(which, &log),
                90..93 => self.repeat(which, &log),
                93..95 => self.delete_some(which, &log),
                95 => self.delete(which),
                96..98 => self.engine().checkpoint_soon(),
                98 => self.let_pass(),
                // Long enough for the journal to call itself idle.
                _ => self.let_pass_ms(30),
            }
        }
    }

    /// Lets the workers work for a while.
    pub(crate) fn let_pass(&self) {
        self.let_pass_ms(2);
    }

    pub(crate) fn let_pass_ms(&self, ms: u64) {
        let env = self.process.env();
        self.sim.block_on(async move { env.sleep(std::time::Duration::from_millis(ms)).await });
    }

    pub(crate) fn append(&mut self, which: usize, log: &PartitionLog, size: usize) -> bool {
        let count = self.rng.i32(1..4);
        let model = &mut self.models[which];
        model.timestamp += 1;
        let stamp = Stamp { id: PRODUCER, epoch: 0, sequence: model.sequence };
        let payload: Vec<u8> = (0..size).map(|_| self.rng.u8(..)).collect();
        let raw = batch(&payload, count, model.timestamp, Some(stamp));
        let appended = log.append(raw.clone(), Origin::Client);
        let Ok(appended) = appended else {
            model.maybe.get_or_insert(raw);
            return false;
        };
        assert!(!appended.duplicate);
        let next = appended.last_offset + 1;
        assert!(
            appended.base_offset >= model.given,
            "{}: offset {} again",
            model.topic,
            appended.base_offset
        );
        model.accepted.push(Accepted { base: appended.base_offset, next, raw, ticket: appended.durable });
        model.sequence += count;
        model.given = next;
        true
    }

    pub(crate) fn acknowledge(&mut self, which: usize, log: &PartitionLog) {
        let model = &mut self.models[which];
        let Some(last) = model.accepted.last() else { return };
        let ticket = last.ticket;
        if self.sim.block_on(log.wait_durable(ticket)).is_ok() {
            model.promised = model.promised.max(ticket.offset());
        }
    }

    fn see(&mut self, which: usize, log: &PartitionLog) {
        let model = &mut self.models[which];
        let seen = log.high_watermark();
        model.promised = model.promised.max(seen);
        let from = log.log_start().max(seen - self.rng.i64(..40));
        if from < seen {
            let Ok(read) = log.read(from, 700, true) else {
                assert!(self.disk.is_off(), "reads work as long as the disk does");
                return;
            };
            assert!(!read.records.is_empty());
        }
    }

    /// A producer that got no answer sends again.
    fn repeat(&mut self, which: usize, log: &PartitionLog) {
        let model = &mut self.models[which];
        let back = self.rng.usize(1..5);
        let Some(old) = model.accepted.len().checked_sub(back).map(|at| model.accepted[at].clone()) else {
            return;
        };
        match log.append(old.raw, Origin::Client) {
            Ok(again) => {
                assert_eq!((again.duplicate, again.base_offset), (true, old.base));
                if self.sim.block_on(log.wait_durable(again.durable)).is_ok() {
                    model.promised = model.promised.max(old.next);
                }
            }
            Err(AppendError::Storage(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    fn delete_some(&mut self, which: usize, log: &PartitionLog) {
        if log.class() == Class::Cached {
            // A power cut may take records that were deleted before, and the model could not tell which.
            return;
        }
        let (start, seen) = (log.log_start(), log.high_watermark());
        let offset = start + (seen - start) / 2;
        if self.sim.block_on(log.delete_records_before(offset)).is_ok() {
            let model = &mut self.models[which];
            model.log_start = model.log_start.max(offset);
        }
    }

    fn delete(&mut self, which: usize) {
        let (engine, model) = (self.engine(), &mut self.models[which]);
        match self.sim.block_on(engine.delete(Uuid([model.id; 16]))) {
            Ok(()) => model.reset(),
            Err(_) => model.maybe_deleted = true,
        }
    }

    /// The process ends.
    pub(crate) fn end(&mut self, end: End) {
        let engine = self.engine.take();
        match end {
            End::Kill => self.process.kill(),
            End::PowerCut => self.process.cut_power(self.rng.u64(..)).expect("a disk in memory"),
            End::Close => {
                if let Some(engine) = &engine {
                    self.sim.block_on(engine.close());
                }
                self.process.kill();
            }
        }
        drop(engine);
        self.disk.heal();
    }

    /// Compares the recovered engine with the model, and makes the model what is there.
    pub(crate) fn check(&mut self, end: End) {
        for which in 0..self.models.len() {
            let engine = self.engine();
            let model = &mut self.models[which];
            if std::mem::take(&mut model.maybe_deleted) && engine.get(Uuid([model.id; 16]), 0).is_none() {
                model.reset();
            }
            let is_back = model.id.checked_sub(IDS_BETWEEN).and_then(|id| engine.get(Uuid([id; 16]), 0));
            assert!(is_back.is_none(), "{}: a deleted topic is back", model.topic);
            let log = self.log(which).expect("created again or found");
            let model = &mut self.models[which];
            let found = read_all(&log, self.rng.usize(100..20_000));
            let topic = model.topic;
            assert!(log.log_start() >= model.log_start, "{topic}: the log start never goes back");
            model.log_start = log.log_start();
            let records: Vec<_> = found.iter().filter(|seen| !seen.is_control).collect();
            if let (Some(raw), Some(last)) = (model.maybe.take(), records.last())
                && model.class == Class::Cached
                && last.body == body(&raw)
            {
                let (base, next, ticket) = (last.base, last.next, log.ticket_of_end());
                model.accepted.retain(|batch| batch.next <= base);
                model.sequence += (next - base) as i32;
                model.accepted.push(Accepted { base, next, raw, ticket });
            }
            let expected: Vec<_> =
                model.accepted.iter().filter(|batch| batch.next > model.log_start).collect();
            let report = &self.report;
            for (seen, batch) in records.iter().zip(&expected) {
                assert_eq!(
                    (seen.base, seen.next),
                    (batch.base, batch.next),
                    "{topic}: offsets as they were {report:?}"
                );
                assert_eq!(seen.body, body(&batch.raw), "{topic}: bytes as they were");
            }
            assert!(records.len() <= expected.len(), "{topic}: nothing that was not sent");
            let kept = records.last().map_or(model.log_start, |last| last.next);
            let must_keep = match (model.class, end) {
                (Class::Cached, End::PowerCut) => 0,
                _ => model.promised,
            };
            let report = &self.report;
            let promised_and_lost =
                model.accepted.iter().find(|batch| batch.next > kept && batch.next <= must_keep);
            assert!(
                promised_and_lost.is_none(),
                "{topic}: the log ends at {kept}: {report:?}, {promised_and_lost:?}"
            );
            match model.class {
                Class::Cached => assert!(
                    log.log_end() >= model.promised,
                    "{topic}: an offset below {} would be given twice, from {}: {report:?}",
                    model.promised,
                    log.log_end()
                ),
                _ => assert_eq!(log.log_end(), kept, "{topic}: no gap"),
            }
            assert_eq!(log.high_watermark(), log.log_end(), "{topic}: all that is there is durable");
            let lost =
                model.accepted.iter().position(|batch| batch.next > kept).unwrap_or(model.accepted.len());
            let lost = model.accepted.split_off(lost);
            model.given = log.log_end();
            model.promised = log.log_end();
            self.send_again(which, &log, lost);
        }
    }

    /// The producer did not learn what became of its last batches, and sends them again.
    fn send_again(&mut self, which: usize, log: &PartitionLog, lost: Vec<Accepted>) {
        let model = &mut self.models[which];
        let known = model.accepted.len().saturating_sub(5);
        for old in &model.accepted[known..] {
            let again = log.append(old.raw.clone(), Origin::Client).expect("a duplicate is a success");
            assert_eq!(
                (again.duplicate, again.base_offset),
                (true, old.base),
                "{}: the window survives",
                model.topic
            );
        }
        for old in lost {
            let appended =
                log.append(old.raw.clone(), Origin::Client).expect("the next sequence is accepted");
            assert!(!appended.duplicate && appended.base_offset >= model.given);
            let next = appended.last_offset + 1;
            model.accepted.push(Accepted {
                base: appended.base_offset,
                next,
                raw: old.raw,
                ticket: appended.durable,
            });
            model.given = next;
        }
    }
}
