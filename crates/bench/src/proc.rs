//! What a process has used, as Linux tells it under `/proc`: processor time and memory.
//!
//! Processor time comes twice. `/proc/PID/task/TID/schedstat` counts nanoseconds, but a thread that ended takes its
//! count with it. `/proc/PID/stat` counts the threads that are gone too, but in ticks of 10 ms. The finer one is used
//! unless it misses more than the coarser one can err: then threads have ended, and the coarser one is right.
//! Not counted: the kernel's own threads, such as those that write pages back.

use std::collections::BTreeMap;
use std::io;

use crate::error::{BenchError, Result};

/// Ticks of `/proc/PID/stat` in a second: fixed for programs on Linux, whatever the kernel's own rate is.
const TICKS_PER_SECOND: u64 = 100;
const TICK_NANOS: u64 = 1_000_000_000 / TICKS_PER_SECOND;
/// User and system time are cut down to whole ticks at both ends.
const COARSE_ERROR_NANOS: u64 = 4 * TICK_NANOS;

/// Processor time that a process had used at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    /// Nanoseconds by thread, of the threads that live.
    threads: BTreeMap<u32, u64>,
    /// Ticks of all threads that ever were.
    ticks: u64,
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

impl Cpu {
    /// What the process has used so far.
    ///
    /// # Errors
    /// The process is gone, or its figures are not ours to read.
    pub(crate) fn of(pid: u32) -> Result<Cpu> {
        let read = || -> io::Result<Cpu> {
            let ticks = ticks(&std::fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or_else(odd)?;
            let mut threads = BTreeMap::new();
            for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
                let entry = entry?;
                let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                // A thread may end between the two calls; the ticks know of it.
                if let Ok(text) = std::fs::read_to_string(entry.path().join("schedstat")) {
                    threads.insert(thread, run_nanos(&text).ok_or_else(odd)?);
                }
            }
            Ok(Cpu { threads, ticks })
        };
        read().map_err(|source| BenchError::Process { pid, source })
    }

    /// Nanoseconds used since `earlier`.
    pub(crate) fn since(&self, earlier: &Cpu) -> u64 {
        let fine: u64 = self
            .threads
            .iter()
            .map(|(thread, nanos)| nanos.saturating_sub(earlier.threads.get(thread).copied().unwrap_or(0)))
            .sum();
        let coarse = self.ticks.saturating_sub(earlier.ticks) * TICK_NANOS;
        if coarse > fine + COARSE_ERROR_NANOS { coarse } else { fine }
    }
}

impl Memory {
    /// What is resident.
    ///
    /// # Errors
    /// The process is gone, or its figures are not ours to read.
    pub(crate) fn of(pid: u32) -> Result<Memory> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status"));
        let text = text.map_err(|source| BenchError::Process { pid, source })?;
        memory(&text).ok_or_else(|| BenchError::Process { pid, source: odd() })
    }
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's figures have a form that is not known")
}

/// User and system time out of `/proc/PID/stat`. The name in brackets may hold anything, brackets too.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The first of the three numbers of a `schedstat`.
fn run_nanos(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn memory(status: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(threads: &[(u32, u64)], ticks: u64) -> Cpu {
        Cpu { threads: threads.iter().copied().collect(), ticks }
    }

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 700 33 0 0 20 0 4 0 99";
        assert_eq!(ticks(stat), Some(733));
        assert_eq!(ticks("42 (cut"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tporuka\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(memory(status), Some(Memory { resident: 1 << 20, peak: 2 << 20 }));
        assert_eq!(memory("Name:\tporuka\n"), None);
    }

    #[test]
    fn the_fine_count_is_used_while_no_thread_is_lost() {
        let (before, after) = (cpu(&[(1, 10), (2, 20)], 5), cpu(&[(1, 1_000_010), (2, 20), (3, 500)], 6));
        assert_eq!(after.since(&before), 1_000_500);
    }

    #[test]
    fn a_thread_that_ended_does_not_take_its_time_along() {
        let (before, after) = (cpu(&[(1, 10), (2, 20)], 0), cpu(&[(1, 10)], 50));
        assert_eq!(after.since(&before), 500_000_000);
    }

    #[test]
    fn our_own_figures_can_be_read_and_a_process_that_is_gone_is_named() {
        let before = Cpu::of(std::process::id()).unwrap();
        assert!(Cpu::of(std::process::id()).unwrap().since(&before) < 10_000_000_000);
        assert!(Memory::of(std::process::id()).unwrap().resident > 0);
        let error = Cpu::of(u32::MAX - 1).unwrap_err();
        assert!(error.to_string().contains("4294967294"), "{error}");
    }
}
