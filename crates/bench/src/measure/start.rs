//! From the start of the process to the first acknowledgement. The process before was ended by SIGKILL; its pages are
//! still in the page cache, as they are after a crash of the process but not of the machine.

use super::{Bench, Broker, Outcome};
use crate::admin;
use crate::case::{BATCH_BYTES, Case};
use crate::conn::Conn;
use crate::error::{BenchError, Result};
use crate::options::Target;
use crate::payload;
use crate::process::Program;
use crate::report::Run;
use crate::speech::Topic;

const TOPIC: &str = "start";

impl Bench<'_> {
    pub(super) fn start(&self, case: &Case, bytes: u64) -> Result<Outcome> {
        let Target::Ours { exe } = &self.options.target else {
            return Err(BenchError::NothingToRun("they need a broker that is started here"));
        };
        let mut outcome = Outcome::default();
        let filled = if bytes > 0 {
            let broker = self.broker(case)?;
            let mut conn = Conn::open(broker.addr())?;
            let topic = admin::make_topic(self.stop, &mut conn, TOPIC, 1, Some(case.class))?;
            let (_, filled) = self.fill(&Case { bytes, ..*case }, &broker, &topic, 1, BATCH_BYTES)?;
            if let Broker::Ours(program) = &broker {
                program.running.kill();
            }
            filled.ends.first().copied().map(|end| (topic, end))
        } else {
            None
        };
        for round in self.rounds() {
            if filled.is_none() {
                self.clear(case.name)?;
            }
            let program = self.serve(exe, case.name)?;
            let known = filled.as_ref().map(|(topic, end)| (topic, *end + round as i64));
            let run = self.first_ack(case, &program, known)?;
            program.running.kill();
            outcome.keep(round, run);
        }
        self.clear(case.name)?;
        Ok(outcome)
    }

    /// Sends one record and waits for its acknowledgement, at the end of the log that was there before.
    fn first_ack(&self, case: &Case, program: &Program, known: Option<(&Topic, i64)>) -> Result<Run> {
        let since = || (self.env.now() - program.started).as_secs_f64() * 1e3;
        let ready = since();
        let mut conn = Conn::open(&program.addr)?;
        let (topic, end) = match known {
            Some((topic, end)) => (topic.clone(), end),
            None => (admin::make_topic(self.stop, &mut conn, TOPIC, 1, Some(case.class))?, 0),
        };
        let speech = admin::speech(&conn, &topic)?;
        let batch = payload::paced(0, 1, &mut vec![0; case.record_bytes], self.env.wall_ms(), -1)?;
        let number = conn.next_correlation();
        conn.send(&speech.frame(number, 0, &batch)?)?;
        let ack = speech.ack(conn.frame()?)?;
        let first = since();
        if ack.base_offset != end {
            let came = ack.base_offset;
            return Err(BenchError::Wrong(format!("after the start offset {end} was due, {came} came")));
        }
        Ok(Run::from([("ready_ms".to_owned(), ready), ("first_ack_ms".to_owned(), first)]))
    }
}
