//! Cases with a fixed rate.

use super::watch::{add_latencies, add_rate};
use super::{Bench, Outcome, Watch};
use crate::admin;
use crate::case::Case;
use crate::conn::Conn;
use crate::error::Result;
use crate::floor::FloorKind;
use crate::load::paced::{PacedLoad, run_paced};
use crate::process::floor;
use crate::report::Run;
use crate::speech::Speech;

impl Bench<'_> {
    pub(super) fn paced(&self, case: &Case, tell: &dyn Fn(&str)) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        {
            let broker = self.broker(case)?;
            let mut conn = Conn::open(broker.addr())?;
            for round in self.rounds() {
                let topic = self.topic(&mut conn, case, round, 1)?;
                let mut producer = Conn::open(broker.addr())?;
                let producer_id = admin::producer_id(self.stop, &mut producer)?;
                let speech = admin::speech(&producer, &topic)?;
                let load = self.paced_load(speech, producer_id, round);
                let records = load.records as i64;
                let consumer = Conn::open(broker.addr())?;
                let (run, mut producer) = self.measure_paced(broker.pid(), producer, consumer, load)?;
                admin::check_ends(&mut producer, &topic, &[records])?;
                admin::delete_topic(&mut conn, &topic)?;
                outcome.keep(round, run);
            }
        }
        self.clear(case.name)?;
        tell("    the floor");
        for round in self.rounds() {
            let file = self.folder.join("floor");
            let kind = FloorKind::Relay(case.class);
            let program = floor(self.env, self.stop, &self.options.exe, kind, &file)?;
            let (producer, consumer) = (Conn::bare(&program.addr)?, Conn::bare(&program.addr)?);
            let load = self.paced_load(Speech::Bare, 1, round);
            let run = self.measure_paced(Some(program.running.pid), producer, consumer, load)?.0;
            outcome.keep_floor(round, run);
            // The Memory floor has no file.
            drop(std::fs::remove_file(&file));
        }
        Ok(outcome)
    }

    fn paced_load(&self, speech: Speech, producer_id: i64, round: usize) -> PacedLoad {
        let options = self.options;
        // The warm-up has only pages and caches to warm.
        let records = if round == 0 { options.paced_records().div_ceil(4) } else { options.paced_records() };
        let (rate, record_bytes) = (options.rate.max(1), options.paced_bytes);
        PacedLoad { speech, producer_id, rate, records, record_bytes }
    }

    fn measure_paced(
        &self,
        pid: Option<u32>,
        producer: Conn,
        consumer: Conn,
        load: PacedLoad,
    ) -> Result<(Run, Conn)> {
        let watch = Watch::start(pid)?;
        let (paced, producer) = run_paced(self.env, self.stop, producer, consumer, &load)?;
        let mut run = watch.end(self.stop, load.records)?;
        add_rate(&mut run, load.records, load.records * load.record_bytes as u64, paced.seconds);
        add_latencies(&mut run, "ack", &paced.acks);
        add_latencies(&mut run, "end_to_end", &paced.arrivals);
        add_latencies(&mut run, "late", &paced.late);
        run.insert("records_per_request".to_owned(), load.records as f64 / paced.requests.max(1) as f64);
        Ok((run, producer))
    }
}
