//! Cases that read a log from the page cache.

use std::fs::File;
use std::io::Write;

use poruka_wire::records::set_base_offset;

use super::watch::add_rate;
use super::{Bench, Outcome, Watch};
use crate::admin;
use crate::case::{BATCH_BYTES, Case};
use crate::conn::Conn;
use crate::error::{During, Result};
use crate::floor::FloorKind;
use crate::load::consume::{Consumed, consume, consume_bare};
use crate::process::floor;
use crate::report::Run;

/// Times that the log is read in one run.
const PASSES: u64 = 2;

impl Bench<'_> {
    pub(super) fn consume(&self, case: &Case, tell: &dyn Fn(&str)) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        {
            let broker = self.broker(case)?;
            let mut conn = Conn::open(broker.addr())?;
            let topic = self.topic(&mut conn, case, 0, 1)?;
            let (_, filled) = self.fill(case, &broker, &topic, 1, BATCH_BYTES)?;
            let end = filled.ends.first().copied().unwrap_or(0);
            for round in self.rounds() {
                let mut conn = Conn::open(broker.addr())?;
                let pass = |conn: &mut Conn| consume(self.env, self.stop, conn, &topic, end);
                outcome.keep(round, self.measure_consume(&mut conn, broker.pid(), pass)?);
            }
            admin::delete_topic(&mut conn, &topic)?;
        }
        self.clear(case.name)?;
        tell("    the floor");
        let file = self.folder.join("floor");
        let pieces = self.floor_file(case)?;
        let program = floor(self.env, self.stop, &self.options.exe, FloorKind::Source, &file)?;
        let mut conn = Conn::bare(&program.addr)?;
        for round in self.rounds() {
            let pass = |conn: &mut Conn| consume_bare(self.env, self.stop, conn, &pieces);
            let pid = Some(program.running.pid);
            outcome.keep_floor(round, self.measure_consume(&mut conn, pid, pass)?);
        }
        std::fs::remove_file(&file).during("remove a file")?;
        Ok(outcome)
    }

    fn measure_consume(
        &self,
        conn: &mut Conn,
        pid: Option<u32>,
        mut pass: impl FnMut(&mut Conn) -> Result<Consumed>,
    ) -> Result<Run> {
        let watch = Watch::start(pid)?;
        let mut all = pass(conn)?;
        for _ in 1..PASSES {
            let next = pass(conn)?;
            all.records += next.records;
            all.bytes += next.bytes;
            all.requests += next.requests;
            all.seconds += next.seconds;
        }
        let mut run = watch.end(self.stop, all.records)?;
        add_rate(&mut run, all.records, all.bytes, all.seconds);
        run.insert("records_per_request".to_owned(), all.records as f64 / all.requests.max(1) as f64);
        Ok(run)
    }

    /// Writes the log that the floor's source gives; returns the sizes of its batches.
    fn floor_file(&self, case: &Case) -> Result<Vec<u32>> {
        let batches = self.batches(case, BATCH_BYTES, 1);
        let each = batches.iter().map(|(batch, _)| batch.len() as u64).max().unwrap_or(1);
        let mut file = File::create(self.folder.join("floor")).during("write the floor's file")?;
        let mut pieces = Vec::new();
        let mut offset = 0;
        for index in 0..self.options.bytes(case).div_ceil(each) as usize {
            let (batch, records) = &batches[index % batches.len()];
            let mut batch = batch.to_vec();
            set_base_offset(&mut batch, offset);
            file.write_all(&batch).during("write the floor's file")?;
            offset += i64::from(*records);
            pieces.push(batch.len() as u32);
        }
        Ok(pieces)
    }
}
