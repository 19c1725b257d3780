//! `poruka bench`: what the broker costs, beside what the machine itself would cost for the same work. The measuring is
//! done in crates/bench; here are its arguments, its progress and its table.

use std::path::PathBuf;

use clap::Args;
use poruka_bench::floor::{FloorChild, FloorKind, run_child};
use poruka_bench::report::{Report, TABLE_HEAD, table_rows};
use poruka_bench::{BenchError, Options, PACED_BYTES, RATE, Stop, Target, bench, case_list};
use poruka_env::{Env, READY_MARK};

use crate::exit::Exit;
use crate::output::{self, Form};
use crate::problem::{Problem, Result};

/// Measure the broker, and the machine's own floor for the same work.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  poruka bench                                     every case, about five minutes
  poruka bench --quick                             a short run of every case, about a minute
  poruka bench --case paced-synced --runs 5        one case; --list names them all
  poruka bench --dir /mnt/disk                     data on that disk
  poruka bench --bootstrap 127.0.0.1:9092 --pid 4711   a broker that runs already, any that speaks Kafka's protocol
  poruka bench --output json > run.json            every figure of every run

A broker is started for each case in a temporary folder, and so is the floor: the least program that does the same work
with the same batches. Each case is run once to warm up, which is reported apart, then --runs times; medians are shown.
Every acknowledgement and every offset is checked: without all of them there is no figure. docs/performance.md says what
each figure means.")]
pub(crate) struct Bench {
    /// Run this case only; may be repeated.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Name the cases and end.
    #[arg(long)]
    list: bool,
    /// One run of a quarter of each case.
    #[arg(long)]
    quick: bool,
    /// Runs of each case, after its warm-up.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: Option<u16>,
    /// Take this part of each case's usual bytes and seconds.
    #[arg(long, value_name = "PART", hide = true)]
    part: Option<f64>,
    /// Records a second where the rate is fixed.
    #[arg(long, value_name = "N", default_value_t = RATE, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// Bytes of a record's value where the rate is fixed.
    #[arg(long, value_name = "BYTES", default_value_t = PACED_BYTES)]
    record_bytes: usize,
    /// Chooses the bytes of records.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where a temporary folder for data is made; without it the system's, unless that is kept in memory.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measure the broker at this address instead of starting one.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// That broker's process on this machine, to read its processor time and memory.
    #[arg(long, value_name = "PID", requires = "bootstrap")]
    pid: Option<u32>,
    /// Start this `poruka` instead of the one that measures, to compare two builds.
    #[arg(long, value_name = "FILE", conflicts_with = "bootstrap")]
    program: Option<PathBuf>,
    /// Be the floor.
    #[arg(long, value_name = "KIND", hide = true, requires = "file", value_parser = floor_kind)]
    floor: Option<FloorKind>,
    /// The floor's file.
    #[arg(long, value_name = "FILE", hide = true)]
    file: Option<PathBuf>,
}

fn floor_kind(text: &str) -> std::result::Result<FloorKind, String> {
    FloorKind::parse(text).ok_or_else(|| format!("{text:?} is no floor"))
}

/// Longest value of a paced record: a batch of one must fit into what a broker takes.
const RECORD_BYTES_MAX: usize = 1_000_000;

pub(crate) async fn run(command: Bench, form: Form) -> Result<()> {
    if let (Some(kind), Some(file)) = (command.floor, command.file.clone()) {
        return be_the_floor(FloorChild { kind, file });
    }
    if command.list {
        return list(form);
    }
    let options = options(&command)?;
    let (env, stop) = (Env::real(), Stop::new());
    let (told, mut report) = tokio::sync::oneshot::channel();
    let (thread_env, thread_stop) = (env.clone(), stop.clone());
    let measuring = move || {
        let tell = |line: &str| eprintln!("{line}");
        // Nobody waits any more after a second Ctrl-C.
        drop(told.send(bench(&thread_env, &thread_stop, &options, &tell)));
    };
    env.spawn_thread("bench", measuring)
        .map_err(|error| Problem::new(Exit::Machine, "cannot start a thread").because(&error))?;
    let report = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {
            stop.now();
            // It ends its programs and removes its folder first.
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => {}
                _ = &mut report => {}
            }
            return Err(Problem::new(Exit::Interrupted, "interrupted: no figures"));
        }
        report = &mut report => report,
    };
    let report = report.map_err(|_| Problem::new(Exit::Failed, "the measuring broke off"))?;
    tell(&report.map_err(|error| no_figures(&error))?, form)
}

fn options(command: &Bench) -> Result<Options> {
    let exe = std::env::current_exe()
        .map_err(|error| Problem::new(Exit::Machine, "cannot find this program").because(&error))?;
    let mut options = Options::new(exe);
    if command.quick {
        options.quick();
    }
    if let Some(exe) = &command.program {
        options.target = Target::Ours { exe: exe.clone() };
    }
    if let Some(addr) = &command.bootstrap {
        options.target = Target::Theirs { addr: addr.clone(), pid: command.pid };
    }
    if command.record_bytes > RECORD_BYTES_MAX {
        return Err(Problem::new(Exit::Usage, format!("--record-bytes is at most {RECORD_BYTES_MAX}")));
    }
    options.runs = command.runs.map_or(options.runs, usize::from);
    options.part = command.part.unwrap_or(options.part);
    options.cases.clone_from(&command.cases);
    options.folder.clone_from(&command.dir);
    (options.rate, options.paced_bytes, options.seed) = (command.rate, command.record_bytes, command.seed);
    Ok(options)
}

fn be_the_floor(child: FloorChild) -> Result<()> {
    let say = |addr: &str| println!("floor: {READY_MARK}{addr}");
    run_child(&Env::real(), &child, say).map_err(|error| no_figures(&error))
}

fn list(form: Form) -> Result<()> {
    let cases = case_list();
    let json: Vec<_> =
        cases.iter().map(|(name, what)| serde_json::json!({"case": name, "what": what})).collect();
    output::either(form, &json.into(), || {
        let rows: Vec<Vec<String>> =
            cases.iter().map(|(name, what)| vec![(*name).to_owned(), (*what).to_owned()]).collect();
        output::table(&["case", "what"], &rows)
    })
}

fn tell(report: &Report, form: Form) -> Result<()> {
    let json = serde_json::to_value(report)
        .map_err(|error| Problem::new(Exit::Failed, "cannot write the report as JSON").because(&error))?;
    output::either(form, &json, || {
        let notes: String = report.notes.iter().map(|note| format!("note: {note}\n")).collect();
        format!("{}{notes}", output::table(&TABLE_HEAD, &table_rows(report)))
    })
}

fn no_figures(error: &BenchError) -> Problem {
    let problem = |exit, next: &str| Problem::new(exit, "cannot measure").because(error).next(next);
    match error {
        BenchError::UnknownCase(_) => problem(Exit::Usage, "poruka bench --list names the cases"),
        BenchError::NothingToRun(_) => problem(Exit::Usage, "leave out --bootstrap, or choose other cases"),
        BenchError::Folder { .. } => {
            problem(Exit::Machine, "name a folder that this user may write with --dir")
        }
        BenchError::Start { .. } | BenchError::NotReady { .. } => {
            problem(Exit::Machine, "see that `poruka serve` starts by itself")
        }
        BenchError::Process { .. } => {
            problem(Exit::Machine, "name the broker's process with --pid, as the user that it belongs to")
        }
        BenchError::Connect { .. } => {
            problem(Exit::Unreachable, "see that the broker runs and listens there")
        }
        BenchError::Refused { .. } => problem(Exit::Refused, "see the broker's log"),
        BenchError::Stopped => problem(Exit::Interrupted, "run it again"),
        _ => problem(Exit::Failed, "run it again; if it stays, report it with the case's name"),
    }
}
