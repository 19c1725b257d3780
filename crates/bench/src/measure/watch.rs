//! What a run costs: processor time of the broker and of the generator, and the broker's memory.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::error::{BenchError, During, Result};
use crate::proc::{Cpu, Memory};
use crate::report::Run;
use crate::stats::Latencies;
use crate::stop::Stop;

/// After a load the broker may still work on it; it is waited for until it does nothing for this long.
const QUIET_STEP: Duration = Duration::from_millis(50);
const QUIET_NANOS_MAX: u64 = 200_000;
const QUIET_STEPS_MAX: u32 = 40;
const SCRATCH_PIECE_BYTES: usize = 1 << 20;

/// The counts at the start of a run.
pub(crate) struct Watch {
    pid: Option<u32>,
    broker: Option<Cpu>,
    own: Cpu,
}

impl Watch {
    pub(crate) fn start(pid: Option<u32>) -> Result<Watch> {
        Ok(Watch { pid, broker: pid.map(Cpu::of).transpose()?, own: Cpu::of(std::process::id())? })
    }

    /// The figures of a run over `records`: "cpu_us_per_record" counts what the broker does until it is quiet again,
    /// "cpu_us_per_record_in_run" only until the load was done.
    pub(crate) fn end(self, stop: &Stop, records: u64) -> Result<Run> {
        let each = |nanos: u64| nanos as f64 / 1e3 / records.max(1) as f64;
        let mut run = Run::new();
        let own = Cpu::of(std::process::id())?.since(&self.own);
        run.insert("records".to_owned(), records as f64);
        run.insert("generator_cpu_us_per_record".to_owned(), each(own));
        let (Some(pid), Some(before)) = (self.pid, self.broker) else { return Ok(run) };
        let mut last = Cpu::of(pid)?;
        run.insert("cpu_us_per_record_in_run".to_owned(), each(last.since(&before)));
        for _ in 0..QUIET_STEPS_MAX {
            stop.wait(QUIET_STEP)?;
            let now = Cpu::of(pid)?;
            let quiet = now.since(&last) <= QUIET_NANOS_MAX;
            last = now;
            if quiet {
                break;
            }
        }
        run.insert("cpu_us_per_record".to_owned(), each(last.since(&before)));
        let memory = Memory::of(pid)?;
        run.insert("rss_mib".to_owned(), mib(memory.resident));
        run.insert("rss_peak_mib".to_owned(), mib(memory.peak));
        Ok(run)
    }
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Adds the percentiles of latencies under the given name.
pub(crate) fn add_latencies(run: &mut Run, name: &str, latencies: &Latencies) {
    for (ending, value) in latencies.told() {
        run.insert(format!("{name}_{ending}"), value);
    }
}

/// Adds the rate.
pub(crate) fn add_rate(run: &mut Run, records: u64, bytes: u64, seconds: f64) {
    run.insert("seconds".to_owned(), seconds);
    run.insert("records_per_second".to_owned(), records as f64 / seconds);
    run.insert("mb_per_second".to_owned(), bytes as f64 / 1e6 / seconds);
}

/// Writes a file of that size and removes it, so that the pages which the run is about to fill are at hand. A virtual
/// machine may have given them back to its host, and getting them again costs more than the work to be measured.
pub(crate) fn warm_pages(folder: &Path, bytes: u64) -> Result<()> {
    let path = folder.join("warm-pages");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&path)?;
        let piece = vec![1; SCRATCH_PIECE_BYTES];
        (0..bytes).step_by(SCRATCH_PIECE_BYTES).try_for_each(|_| file.write_all(&piece))
    };
    write().map_err(|source| BenchError::Folder { path: path.clone(), source })?;
    std::fs::remove_file(&path).during("remove a file")
}
