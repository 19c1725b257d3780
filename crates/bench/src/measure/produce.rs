//! Cases that produce as fast as batches are acknowledged.

use bytes::Bytes;

use super::watch::{add_latencies, add_rate, warm_pages};
use super::{Bench, Broker, Outcome, Watch};
use crate::admin;
use crate::case::Case;
use crate::conn::Conn;
use crate::error::Result;
use crate::floor::FloorKind;
use crate::load::produce::{ProduceLoad, Produced, produce};
use crate::payload;
use crate::process::floor;
use crate::report::Run;
use crate::speech::{Speech, Template, Topic};

/// Batches with different bytes; more would only cool the processor's caches.
const DISTINCT_BATCHES: usize = 4;

impl Bench<'_> {
    pub(super) fn produce(
        &self,
        case: &Case,
        partitions: i32,
        batch_bytes: usize,
        tell: &dyn Fn(&str),
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        {
            let broker = self.broker(case)?;
            let mut conn = Conn::open(broker.addr())?;
            for round in self.rounds() {
                self.warm(round, case)?;
                let topic = self.topic(&mut conn, case, round, partitions)?;
                let run = self.fill(case, &broker, &topic, partitions, batch_bytes)?.0;
                admin::delete_topic(&mut conn, &topic)?;
                outcome.keep(round, run);
            }
        }
        self.clear(case.name)?;
        tell("    the floor");
        for round in self.rounds() {
            self.warm(round, case)?;
            outcome.keep_floor(round, self.floor_sink(case, batch_bytes)?);
        }
        Ok(outcome)
    }

    /// Gets the pages for the next run ready, but for the warm-up, which shows what happens without.
    pub(super) fn warm(&self, round: usize, case: &Case) -> Result<()> {
        if round == 0 { Ok(()) } else { warm_pages(self.folder, self.options.bytes(case)) }
    }

    pub(super) fn batches(&self, case: &Case, batch_bytes: usize, producer: i64) -> Vec<(Bytes, u32)> {
        payload::batches(DISTINCT_BATCHES, batch_bytes, case.record_bytes, producer, self.options.seed)
    }

    /// Fills a topic with the case's bytes and checks that they are there.
    pub(super) fn fill(
        &self,
        case: &Case,
        broker: &Broker,
        topic: &Topic,
        partitions: i32,
        batch_bytes: usize,
    ) -> Result<(Run, Produced)> {
        let mut conn = Conn::open(broker.addr())?;
        let producer = admin::producer_id(self.stop, &mut conn)?;
        let speech = admin::speech(&conn, topic)?;
        let batches = self.batches(case, batch_bytes, producer);
        let (run, produced) = self.measure_produce(
            &mut conn,
            broker.pid(),
            &speech,
            &batches,
            self.options.bytes(case),
            partitions,
        )?;
        admin::check_ends(&mut conn, topic, &produced.ends)?;
        Ok((run, produced))
    }

    fn floor_sink(&self, case: &Case, batch_bytes: usize) -> Result<Run> {
        let file = self.folder.join("floor");
        let exe = &self.options.exe;
        let program = floor(self.env, self.stop, exe, FloorKind::Sink(case.class), &file)?;
        let mut conn = Conn::bare(&program.addr)?;
        let batches = self.batches(case, batch_bytes, 1);
        let pid = Some(program.running.pid);
        let bytes = self.options.bytes(case);
        let measured = self.measure_produce(&mut conn, pid, &Speech::Bare, &batches, bytes, 1);
        // The Memory floor has no file.
        drop(std::fs::remove_file(&file));
        Ok(measured?.0)
    }

    fn measure_produce(
        &self,
        conn: &mut Conn,
        pid: Option<u32>,
        speech: &Speech,
        batches: &[(Bytes, u32)],
        bytes: u64,
        partitions: i32,
    ) -> Result<(Run, Produced)> {
        let made = batches.iter().map(|(batch, records)| Template::new(speech, batch, *records));
        let mut templates = made.collect::<Result<Vec<_>>>()?;
        let each = batches.iter().map(|(batch, _)| batch.len() as u64).max().unwrap_or(1);
        let load =
            ProduceLoad { speech, templates: &mut templates, batches: bytes.div_ceil(each), partitions };
        let watch = Watch::start(pid)?;
        let produced = produce(self.env, self.stop, conn, load)?;
        let mut run = watch.end(self.stop, produced.records)?;
        add_rate(&mut run, produced.records, produced.bytes, produced.seconds);
        add_latencies(&mut run, "ack", &produced.acks);
        Ok((run, produced))
    }
}
