//! Memory of a broker whose consumers ask for much and read nothing.

use std::time::Duration;

use poruka_wire::api::FetchRequest;

use super::watch::mib;
use super::{Bench, Outcome};
use crate::admin;
use crate::case::{BATCH_BYTES, Case};
use crate::conn::Conn;
use crate::error::{During, Result};
use crate::load::consume::{consume, fetch_request};
use crate::proc::Memory;
use crate::report::Run;

/// Requests of each consumer, for one batch each.
const REQUESTS: i64 = 50;
/// Long enough to fill whatever fills.
const STALL: Duration = Duration::from_secs(2);

impl Bench<'_> {
    pub(super) fn slow(&self, case: &Case, consumers: usize) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for round in 1..=self.options.runs {
            let broker = self.broker(case)?;
            let mut conn = Conn::open(broker.addr())?;
            let topic = self.topic(&mut conn, case, round, 1)?;
            let (_, filled) = self.fill(case, &broker, &topic, 1, BATCH_BYTES)?;
            let end = filled.ends.first().copied().unwrap_or(0);
            let stalled = (0..consumers)
                .map(|_| {
                    let mut conn = Conn::open(broker.addr())?;
                    let version = conn.version::<FetchRequest>()?;
                    for _ in 0..REQUESTS {
                        conn.ask(&fetch_request(&topic, 0), version)?;
                    }
                    Ok(conn)
                })
                .collect::<Result<Vec<Conn>>>()?;
            self.stop.wait(STALL)?;
            let memory = broker.pid().map(Memory::of).transpose()?;
            let figures = memory.map(|memory| {
                [("rss_mib", mib(memory.resident)), ("rss_peak_mib", mib(memory.peak))]
                    .map(|(name, value)| (name.to_owned(), value))
            });
            let mut run: Run = figures.into_iter().flatten().collect();
            run.insert("connections".to_owned(), stalled.len() as f64);
            // Others are served all the while.
            consume(self.env, self.stop, &mut conn, &topic, end)?;
            for consumer in &stalled {
                consumer.socket().shutdown(std::net::Shutdown::Both).during("end a consumer")?;
            }
            admin::delete_topic(&mut conn, &topic)?;
            outcome.runs.push(run);
            drop(broker);
            self.clear(case.name)?;
        }
        Ok(outcome)
    }
}
