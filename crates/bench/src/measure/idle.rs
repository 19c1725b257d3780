//! Memory of a broker that has nothing to do.

use std::time::Duration;

use super::watch::mib;
use super::{Bench, Outcome};
use crate::conn::Conn;
use crate::error::{BenchError, Result};
use crate::options::Target;
use crate::proc::{Cpu, Memory};
use crate::report::Run;

const FOLDER: &str = "idle";
/// Long enough for whatever a start puts off.
const IDLE: Duration = Duration::from_secs(1);

impl Bench<'_> {
    pub(super) fn idle(&self, connections: usize) -> Result<Outcome> {
        let Target::Ours { exe } = &self.options.target else {
            return Err(BenchError::NothingToRun("they need a broker that is started here"));
        };
        let mut outcome = Outcome::default();
        for _ in 0..self.options.runs {
            self.clear(FOLDER)?;
            let program = self.serve(exe, FOLDER)?;
            let pid = program.running.pid;
            let opened = (0..connections).map(|_| Conn::open(&program.addr)).collect::<Result<Vec<_>>>()?;
            self.stop.wait(IDLE)?;
            let before = Cpu::of(pid)?;
            self.stop.wait(IDLE)?;
            let used = Cpu::of(pid)?.since(&before) as f64;
            let memory = Memory::of(pid)?;
            let figures = [
                ("rss_mib", mib(memory.resident)),
                ("rss_peak_mib", mib(memory.peak)),
                ("idle_cpu_percent", used / IDLE.as_nanos() as f64 * 100.0),
                ("connections", opened.len() as f64),
            ];
            outcome
                .runs
                .push(figures.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<Run>());
        }
        self.clear(FOLDER)?;
        Ok(outcome)
    }
}
