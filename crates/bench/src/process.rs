//! Starting programs of ours: the broker under test and the floor. Each says where it listens; each is ended with the
//! run that started it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use poruka_env::{Env, Mono, log_tail, ready_address};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{BenchError, During, Result};
use crate::floor::FloorKind;
use crate::stop::{Running, Stop};

/// How long a program may take until it says that it is ready.
const READY_TIME_MAX: Duration = Duration::from_secs(60);

/// A program of ours that is ready.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) running: Running,
    pub(crate) addr: String,
    /// When it was started.
    pub(crate) started: Mono,
    /// Held so that it never writes to a closed pipe.
    _output: BufReader<ChildStdout>,
}

/// Starts `poruka serve` on a folder.
pub(crate) fn serve(env: &Env, stop: &Stop, exe: &Path, data: &Path) -> Result<Program> {
    let arguments: [OsString; 5] =
        ["serve".into(), "--data".into(), data.into(), "--listen".into(), "127.0.0.1:0".into()];
    start(env, stop, "the broker", exe, &arguments, &data.with_extension("log"))
}

/// Starts a floor on a file.
pub(crate) fn floor(env: &Env, stop: &Stop, exe: &Path, kind: FloorKind, file: &Path) -> Result<Program> {
    let arguments: [OsString; 5] =
        ["bench".into(), "--floor".into(), kind.text().into(), "--file".into(), file.into()];
    start(env, stop, "the floor", exe, &arguments, &file.with_extension("log"))
}

fn start(
    env: &Env,
    stop: &Stop,
    what: &'static str,
    exe: &Path,
    arguments: &[OsString],
    log: &PathBuf,
) -> Result<Program> {
    let failed = |source| BenchError::Start { what, source };
    let errors = File::create(log).map_err(failed)?;
    let mut command = Command::new(exe);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    let started = env.now();
    let mut child = command.spawn().map_err(failed)?;
    let output = child.stdout.take();
    let running = stop.keep(child);
    let not_ready = |why| BenchError::NotReady { what, why, log: log_tail(log) };
    let output = output.ok_or_else(|| not_ready("it has no output"))?;
    let limit = Timespec { tv_sec: READY_TIME_MAX.as_secs() as i64, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&limit));
    if ready.map_err(std::io::Error::from).during("wait for a program")? == 0 {
        return Err(not_ready("it took too long"));
    }
    let mut output = BufReader::new(output);
    let mut line = String::new();
    output.read_line(&mut line).during("wait for a program")?;
    stop.check()?;
    let addr = ready_address(&line);
    let addr = addr.ok_or_else(|| not_ready("it ended or said something else first"))?.to_owned();
    Ok(Program { running, addr, started, _output: output })
}
