//! One case after the other: the broker, the warm-up, the runs, and the floor for the same work.

mod consume;
mod idle;
mod paced;
mod produce;
mod slow;
mod start;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use poruka_env::Env;
use poruka_guarantee::Durability;
use tempfile::TempDir;

use crate::admin;
use crate::case::{Case, Load};
use crate::conn::Conn;
use crate::error::{BenchError, Result};
use crate::machine::{Machine, file_system, load};
use crate::options::{Options, Target};
use crate::process::{Program, serve};
use crate::report::{CaseReport, Program as ProgramFacts, Report, Run, SCHEMA};
use crate::speech::Topic;
use crate::stop::Stop;

pub(crate) use watch::Watch;

/// What the runs of a case gave.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) warm_up: Option<Run>,
    pub(crate) runs: Vec<Run>,
    pub(crate) floor: Vec<Run>,
}

/// What every case needs.
pub(crate) struct Bench<'a> {
    pub(crate) env: &'a Env,
    pub(crate) stop: &'a Stop,
    pub(crate) options: &'a Options,
    /// Where data goes; gone when the run ends.
    pub(crate) folder: &'a Path,
    /// Whether the broker knows durability classes.
    pub(crate) classes: bool,
}

/// A broker to measure.
pub(crate) enum Broker {
    Ours(Program),
    Theirs { addr: String, pid: Option<u32> },
}

impl Broker {
    pub(crate) fn addr(&self) -> &str {
        match self {
            Broker::Ours(program) => &program.addr,
            Broker::Theirs { addr, .. } => addr,
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Broker::Ours(program) => Some(program.running.pid),
            Broker::Theirs { pid, .. } => *pid,
        }
    }
}

/// Runs the chosen cases. `tell` is given a line for each step, for people who wait.
///
/// # Errors
/// See [`BenchError`]; the first one ends the run.
pub fn bench(env: &Env, stop: &Stop, options: &Options, tell: &dyn Fn(&str)) -> Result<Report> {
    let began = env.now();
    let chosen = options.chosen()?;
    let folder = temporary(options)?;
    let mut machine = Machine::read(folder.path());
    let mut bench = Bench { env, stop, options, folder: folder.path(), classes: true };
    let (chosen, mut notes) = for_target(&mut bench, chosen)?;
    if matches!(machine.file_system.as_str(), "tmpfs" | "ramfs") {
        notes.push(
            "The data folder is in memory (tmpfs): nothing here says anything about a disk.".to_owned(),
        );
    }
    let mut cases = Vec::new();
    for (index, case) in chosen.iter().enumerate() {
        stop.check()?;
        tell(&format!("{}/{} {} ({})", index + 1, chosen.len(), case.name, case.what));
        let outcome = bench.case(case, tell)?;
        let report = CaseReport::new(case, options, bench.classes, outcome);
        tell(&format!("    {}", report.line()));
        cases.push(report);
    }
    machine.load[1] = load();
    Ok(Report {
        schema: SCHEMA,
        program: ProgramFacts::read(),
        target: options.target.text(),
        machine,
        settings: options.settings(),
        notes,
        seconds: (env.now() - began).as_secs_f64(),
        cases,
    })
}

/// The data's folder: below the one that was named, else below the system's, unless that is kept in memory.
fn temporary(options: &Options) -> Result<TempDir> {
    let system = || {
        let usual = std::env::temp_dir();
        match file_system(&usual).as_deref() {
            Some("tmpfs" | "ramfs") => std::env::current_dir().unwrap_or(usual),
            _ => usual,
        }
    };
    let below: PathBuf = options.folder.clone().unwrap_or_else(system);
    let made = tempfile::Builder::new().prefix("poruka-bench-").tempdir_in(&below);
    made.map_err(|source| BenchError::Folder { path: below, source })
}

/// The cases that fit the target, and what to say about those that do not.
fn for_target(bench: &mut Bench<'_>, chosen: Vec<Case>) -> Result<(Vec<Case>, Vec<String>)> {
    let Target::Theirs { addr, pid } = &bench.options.target else { return Ok((chosen, Vec::new())) };
    if let Some(pid) = pid {
        crate::proc::Cpu::of(*pid)?;
    }
    let mut conn = Conn::open(addr)?;
    let name = bench.topic_name("classes", 0);
    bench.classes = match admin::make_topic(bench.stop, &mut conn, &name, 1, Some(Durability::Synced)) {
        Ok(topic) => admin::delete_topic(&mut conn, &topic).map(|()| true)?,
        Err(BenchError::Refused { .. }) => false,
        Err(error) => return Err(error),
    };
    let fits = |case: &Case| case.fits_any_broker() && (bench.classes || case.fits_one_class());
    let kept: Vec<Case> = chosen.iter().copied().filter(fits).collect();
    let mut notes = Vec::new();
    if pid.is_none() {
        notes.push("No --pid: the broker's processor time and memory are not known.".to_owned());
    }
    if !bench.classes {
        notes.push("This broker has no durability classes: topics are as it makes them.".to_owned());
    }
    if kept.is_empty() {
        return Err(BenchError::NothingToRun("they need a broker that is started here"));
    }
    Ok((kept, notes))
}

impl Bench<'_> {
    fn case(&self, case: &Case, tell: &dyn Fn(&str)) -> Result<Outcome> {
        match case.load {
            Load::Produce { partitions, batch_bytes } => self.produce(case, partitions, batch_bytes, tell),
            Load::Consume => self.consume(case, tell),
            Load::Paced => self.paced(case, tell),
            Load::Start { bytes } => self.start(case, bytes),
            Load::Idle { connections } => self.idle(connections),
            Load::Slow { consumers } => self.slow(case, consumers),
            Load::Binary => self.binary(),
        }
    }

    /// A broker with an empty folder, or the one that was named.
    pub(crate) fn broker(&self, case: &Case) -> Result<Broker> {
        match &self.options.target {
            Target::Ours { exe } => self.serve(exe, case.name).map(Broker::Ours),
            Target::Theirs { addr, pid } => Ok(Broker::Theirs { addr: addr.clone(), pid: *pid }),
        }
    }

    /// Starts our broker on the folder of that name.
    pub(crate) fn serve(&self, exe: &Path, folder: &str) -> Result<Program> {
        serve(self.env, self.stop, exe, &self.folder.join(folder))
    }

    /// Empties the folder of that name.
    pub(crate) fn clear(&self, folder: &str) -> Result<()> {
        let path = self.folder.join(folder);
        match std::fs::remove_dir_all(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(BenchError::Folder { path, source })
            }
            _ => Ok(()),
        }
    }

    /// A name that no other run has used on a broker that lives on.
    pub(crate) fn topic_name(&self, case: &str, run: usize) -> String {
        format!("poruka-bench-{case}-{}-{run}", self.env.random_u64() % 1_000_000)
    }

    /// A topic of the case's class.
    pub(crate) fn topic(&self, conn: &mut Conn, case: &Case, run: usize, partitions: i32) -> Result<Topic> {
        let name = self.topic_name(case.name, run);
        let class = self.classes.then_some(case.class);
        admin::make_topic(self.stop, conn, &name, partitions, class)
    }

    /// How many times a case is run: the warm-up, and those that count.
    pub(crate) fn rounds(&self) -> std::ops::RangeInclusive<usize> {
        0..=self.options.runs
    }

    fn binary(&self) -> Result<Outcome> {
        let Target::Ours { exe } = &self.options.target else { return Ok(Outcome::default()) };
        let size =
            std::fs::metadata(exe).map_err(|source| BenchError::Folder { path: exe.clone(), source })?;
        let run = BTreeMap::from([("size_mb".to_owned(), size.len() as f64 / 1e6)]);
        Ok(Outcome { runs: vec![run], ..Outcome::default() })
    }
}

impl Outcome {
    /// Keeps a run: round 0 is the warm-up.
    pub(crate) fn keep(&mut self, round: usize, run: Run) {
        match round {
            0 => self.warm_up = Some(run),
            _ => self.runs.push(run),
        }
    }

    /// Keeps a run of the floor, whose warm-up is left out.
    pub(crate) fn keep_floor(&mut self, round: usize, run: Run) {
        if round > 0 {
            self.floor.push(run);
        }
    }
}
