//! What this process takes of the machine, as `/proc` tells it. Only on Linux; elsewhere, and in the simulation, nothing
//! is known.
//!
//! Not here: figures of the machine as a whole, and of other processes.

use std::fs;

/// Ticks per second in `/proc/*/stat`: 100 on every platform that Linux has, whatever the kernel's own clock does.
const TICKS_PER_SECOND: f64 = 100.0;
/// Fields of `/proc/self/stat` behind the name in parentheses, counted from 0.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;

/// What the process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// Memory in RAM, in bytes.
    pub resident_bytes: u64,
    /// Processor time of all threads, in seconds.
    pub cpu_seconds: f64,
    /// When the process started, in seconds since 1970-01-01 UTC.
    pub start_seconds: f64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// The most that it may have.
    pub max_fds: u64,
}

/// The figures of this process.
pub(crate) fn figures() -> Option<ProcessFigures> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let open_fds = fs::read_dir("/proc/self/fd").ok()?.count();
    let ticks = |field: usize| -> Option<f64> {
        // The name may hold spaces and parentheses; what follows the last one does not.
        stat.rsplit_once(')')?.1.split_whitespace().nth(field)?.parse().ok()
    };
    let booted: f64 = word_after(&machine, "btime ", 0)?.parse().ok()?;
    Some(ProcessFigures {
        resident_bytes: word_after(&status, "VmRSS:", 0)?.parse::<u64>().ok()? * 1024,
        cpu_seconds: (ticks(USER_TICKS)? + ticks(SYSTEM_TICKS)?) / TICKS_PER_SECOND,
        start_seconds: booted + ticks(START_TICKS)? / TICKS_PER_SECOND,
        open_fds: open_fds as u64,
        max_fds: word_after(&limits, "Max open files", 0)?.parse().unwrap_or(u64::MAX),
    })
}

/// The word of that number behind the start of a line.
fn word_after<'a>(text: &'a str, start: &str, number: usize) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(start))?.split_whitespace().nth(number)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_descriptors_and_a_past() {
        let now = super::figures().expect("Linux tells");
        assert!(now.resident_bytes > 100_000 && now.open_fds >= 3 && now.max_fds >= now.open_fds, "{now:?}");
        assert!(now.start_seconds > 1.0e9 && now.cpu_seconds >= 0.0, "{now:?}");
    }
}
