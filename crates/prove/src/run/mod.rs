//! A whole run: every name under both kinds of ending, one after the other, then the verdicts.
//!
//! Each phase has a broker, a folder and a topic of its own, so that what is missing can be put down to one kind of
//! ending. Names that are asked for bring the weaker names that are their controls.

mod ending;
mod kept;
mod library;
mod phase;
mod reader;
mod target;
mod work;
mod workbench;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use poruka_env::Env;
use poruka_guarantee::{Name, controls_of};

pub(crate) use ending::{Approach, Endings, Executioner, Victim};
use kept::Kept;
pub(crate) use library::{Library, Tuning};
pub(crate) use phase::{LATE_REPEATS, Tasks, blind, wait_for_handlers};
pub use reader::ReadError;
pub(crate) use reader::{read_committed, read_log};
pub use target::TargetError;
pub(crate) use target::{GROUP_HEARTBEAT, GROUP_SESSION};
pub(crate) use work::{PRODUCERS, Work, consume, produce};
pub(crate) use workbench::{BenchProducer, Boxed, Handler, Started, Words, Workbench};

use crate::input::{Input, InputError, load};
use crate::payload::Phase;
use crate::report::Report;
use crate::report::judge::{PhaseRun, judge, overall};

/// What to prove, and on what.
#[derive(Clone, Debug)]
pub struct ProveOptions {
    /// Where the records come from.
    pub input: Input,
    /// Records to take at most; `None` takes the whole file, or [`crate::input::RECORDS_DEFAULT`].
    pub records: Option<usize>,
    /// Replays workload and fault plan.
    pub seed: u64,
    /// The names to prove; empty for all that are built. Their controls run too.
    pub only: Vec<Name>,
    /// The `poruka` binary whose `serve` is the target; `None` is the running program.
    pub serve_exe: Option<PathBuf>,
    /// Leave the brokers' data here, with `kept.json` that says what was read from it: for readers that share nothing
    /// with this one. The folder must be empty or not there. `None` removes everything.
    pub keep_data: Option<PathBuf>,
}

impl Default for ProveOptions {
    fn default() -> ProveOptions {
        let folder = PathBuf::from(".");
        ProveOptions {
            input: Input::History { folder },
            records: None,
            seed: 1,
            only: Vec::new(),
            serve_exe: None,
            keep_data: None,
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Records handed to producers so far, over all phases.
    pub done: u64,
    /// Of so many.
    pub of: u64,
    /// The name at work.
    pub name: Name,
    /// Its phase.
    pub phase: Phase,
    /// Records of this phase that were handled.
    pub handled: u64,
}

/// Told how far the run is, many times a second.
pub trait Progress: Send + Sync {
    /// The run is here now.
    fn step(&self, step: Step);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn step(&self, _step: Step) {}
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The records cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A name that is not built was asked for.
    #[error("{0} is not built yet, so nothing can be proven of it")]
    NotBuilt(Name),
    /// The broker does not run.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The topic cannot be made.
    #[error("make the topic for {name}: {words}")]
    Prepare {
        /// The name.
        name: Name,
        /// What the library said.
        words: String,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The proxy cannot listen.
    #[error("listen on a local port: {0}")]
    Proxy(io::Error),
    /// The folder for the brokers cannot be made.
    #[error("make the folder for the brokers: {0}")]
    Folder(io::Error),
    /// The program does not know where it is.
    #[error("find the running program: {0}")]
    Exe(io::Error),
}

/// Runs everything and judges it. Dropping the future ends the broker and removes its folder.
///
/// # Errors
/// [`ProveError`]: there is no report. A broken or unproven claim is no error: see [`Report::exit_code`].
pub async fn prove(env: Env, options: ProveOptions, progress: &dyn Progress) -> Result<Report, ProveError> {
    let started = env.now();
    let started_ms = env.wall_ms();
    let names = names(&options.only)?;
    let exe = match &options.serve_exe {
        Some(exe) => exe.clone(),
        None => std::env::current_exe().map_err(ProveError::Exe)?,
    };
    let kept = Kept::make(options.keep_data).map_err(ProveError::Folder)?;
    let workload = Arc::new(load(&env, options.input, options.records, options.seed).await?);
    let records = workload.records.len() as u64;
    let of = records * (names.len() * Phase::ALL.len()) as u64;
    let run = env.random_u64();
    let mut runs: Vec<PhaseRun> = Vec::new();
    for name in names {
        for phase in Phase::ALL {
            let setting = phase::Setting {
                env: &env,
                exe: &exe,
                kept: &kept,
                workload: &workload,
                seed: options.seed,
                run,
                progress,
                done_before: records * runs.len() as u64,
                of,
            };
            runs.push(phase::run(&setting, name, phase).await?);
        }
    }
    kept.write().map_err(ProveError::Folder)?;
    let names = judge(&runs);
    Ok(Report {
        format: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.seed,
        run: format!("{run:016x}"),
        started_ms,
        duration_us: u64::try_from((env.now() - started).as_micros()).unwrap_or(u64::MAX),
        target: "poruka serve, a process of its own in a temporary folder".to_owned(),
        settings: settings(),
        input: workload.notes.clone(),
        records,
        keys: workload.keys.len() as u64,
        verdict: overall(&names),
        names,
    })
}

/// The names to run: those asked for and their controls, in the usual order.
fn names(only: &[Name]) -> Result<Vec<Name>, ProveError> {
    if let Some(name) = only.iter().find(|name| !name.built()) {
        return Err(ProveError::NotBuilt(*name));
    }
    let built = Name::ALL.into_iter().filter(|name| name.built());
    let mut wanted: Vec<Name> = if only.is_empty() { built.collect() } else { only.to_vec() };
    let mut next = 0;
    // A control is judged too, so it brings controls of its own.
    while let Some(name) = wanted.get(next).copied() {
        for control in controls_of(name) {
            if !wanted.contains(&control.weaker) {
                wanted.push(control.weaker);
            }
        }
        next += 1;
    }
    Ok(Name::ALL.into_iter().filter(|name| wanted.contains(name)).collect())
}

fn settings() -> Vec<(String, String)> {
    let pair = |what: &str, value: String| (what.to_owned(), value);
    vec![
        pair("partitions", phase::PARTITIONS.to_string()),
        pair("producers", work::PRODUCERS.to_string()),
        pair("consumers in the group", work::CONSUMERS.to_string()),
        pair("work is spread over", format!("{} ms", work::WORK_TIME.as_millis())),
        pair("group session timeout", format!("{} ms", target::GROUP_SESSION.as_millis())),
        pair("group heartbeat", format!("{} ms", target::GROUP_HEARTBEAT.as_millis())),
        pair("keys", "sent as Kafka keys where order within a key is promised; elsewhere in the payload only".to_owned()),
        pair("power cuts", "SIGKILL of a broker on the simulated disk, which keeps unsynced bytes in memory".to_owned()),
        pair(
            "responses with acks=0",
            "there are none: the connection is cut once the end of the log has moved by the request's records".to_owned(),
        ),
        pair("processors", std::thread::available_parallelism().map_or(0, usize::from).to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_brings_its_controls_and_what_is_not_built_is_refused() {
        let of = |only: &[Name]| names(only).map_err(|error| error.to_string());
        assert_eq!(of(&[]).map(|names| names.len()), Ok(5));
        assert_eq!(
            of(&[Name::Durable]),
            Ok(vec![Name::BestEffort, Name::AtMostOnce, Name::AtLeastOnce, Name::Durable])
        );
        assert_eq!(of(&[Name::AtMostOnce]), Ok(vec![Name::BestEffort, Name::AtMostOnce, Name::AtLeastOnce]));
        assert!(of(&[Name::Causal]).is_err_and(|words| words.contains("not built yet")));
    }
}
