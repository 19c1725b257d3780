//! Running other programs, each with a time bound, so that nothing hangs a run. They stay in our process group: Ctrl-C
//! ends them with us. What takes too long is ended with everything that it started, by process id.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock;
use crate::failure::{Context, Failure, Result};

/// What a finished program left.
pub(crate) struct Finished {
    pub(crate) success: bool,
    pub(crate) how: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Standard output if the program succeeded, else an error that carries what it said.
    pub(crate) fn stdout_if_ok(self, what: &str) -> Result<String> {
        if self.success {
            return Ok(self.stdout);
        }
        Err(Failure::new(format!("{what} {}: {}", self.how, tail(&self.stderr, &self.stdout))))
    }
}

fn tail(stderr: &str, stdout: &str) -> String {
    let said = if stderr.trim().is_empty() { stdout } else { stderr };
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Runs a program whose output goes straight to the terminal.
pub(crate) fn stream(command: &mut Command, bound: Duration) -> Result<()> {
    let name = describe(command);
    command.stdin(Stdio::null());
    let mut child = command.spawn().context(format!("start {name}"))?;
    wait(&mut child, bound, &name).and_then(|status| {
        if status.success() { Ok(()) } else { Err(Failure::new(format!("{name}: {}", how(status)))) }
    })
}

/// Runs a program and keeps what it says. `input` goes to its standard input.
pub(crate) fn capture(command: &mut Command, input: &[u8], bound: Duration) -> Result<Finished> {
    let name = describe(command);
    let mut running = Running::start(command, true)?;
    running.write(input)?;
    running.close_input();
    running.finish(bound).context(name)
}

/// A program that runs beside us, its output gathered line by line as it comes.
pub(crate) struct Running {
    child: Child,
    name: String,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command, with_input: bool) -> Result<Running> {
        let name = describe(command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if with_input { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().context(format!("start {name}"))?;
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|pipe| gather(pipe, Arc::clone(&stdout))));
        readers.extend(child.stderr.take().map(|pipe| gather(pipe, Arc::clone(&stderr))));
        Ok(Running { child, name, stdout, stderr, readers })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        use std::io::Write;
        let Some(pipe) = self.child.stdin.as_mut() else { return Ok(()) };
        match pipe.write_all(bytes).and_then(|()| pipe.flush()) {
            // The program ended early; its exit status says more than this pipe.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context(format!("write to {}", self.name)),
        }
    }

    pub(crate) fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program has written to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().map(|text| text.clone()).unwrap_or_default()
    }

    /// What the program has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().map(|text| text.clone()).unwrap_or_default()
    }

    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        crate::process::signal(self.child.id(), signal)
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context(format!("kill {}", self.name))?;
        self.child.wait().context(format!("wait for {}", self.name)).map(drop)
    }

    pub(crate) fn finish(mut self, bound: Duration) -> Result<Finished> {
        let status = wait(&mut self.child, bound, &self.name)
            .map_err(|error| Failure::new(format!("{error}\n{}", tail(&self.stderr(), &self.stdout()))))?;
        for reader in self.readers.drain(..) {
            reader.join().map_err(|_| Failure::new("a reader of output panicked"))?;
        }
        Ok(Finished {
            success: status.success(),
            how: how(status),
            stdout: self.stdout(),
            stderr: self.stderr(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a pipe is drained beside the process that fills it")]
fn gather(pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if let Ok(mut text) = into.lock() {
                text.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    })
}

fn wait(child: &mut Child, bound: Duration, name: &str) -> Result<std::process::ExitStatus> {
    let ended = clock::wait_for(bound, || child.try_wait().transpose());
    match ended {
        Some(status) => status.context(format!("wait for {name}")),
        None => {
            // Looked up first: once the parent is gone, nobody can tell whose they were.
            let started = descendants(child.id());
            drop(child.kill());
            drop(child.wait());
            for pid in started {
                // It may have ended by itself.
                drop(signal(pid, "KILL"));
            }
            Err(Failure::new(format!("{name}: killed, it took longer than {} s", bound.as_secs())))
        }
    }
}

/// The processes that a process started, and those that they started, as far as they are its descendants still.
fn descendants(root: u32) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold spaces and parentheses; the state and the parent follow the last one.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let parents: Vec<(u32, u32)> = numbers.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(of) = found.get(next).copied() {
        next += 1;
        let children = parents.iter().filter(|(pid, parent)| *parent == of && !found.contains(pid));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
    }
    found.split_off(1)
}

fn how(status: std::process::ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_string(),
    }
}

/// Sends a named signal (`TERM`, `INT`, `KILL`) to one process.
pub(crate) fn signal(pid: u32, signal: &str) -> Result<()> {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status();
    match status.context("run kill")?.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("could not send {signal} to process {pid}"))),
    }
}

fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let line = std::iter::once(name.into()).chain(arguments).collect::<Vec<_>>().join(" ");
    if line.chars().count() > 140 { line.chars().take(140).chain("…".chars()).collect() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_ended_with_what_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 300 & echo $!; wait"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let mut grandchild = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut grandchild).expect("its number");
        let grandchild: u32 = grandchild.trim().parse().expect("a number");
        assert_eq!(descendants(child.id()), [grandchild]);
        assert!(wait(&mut child, Duration::from_millis(100), "sh").is_err());
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        };
        assert!(clock::wait_for(Duration::from_secs(10), gone).is_some(), "process {grandchild} lives on");
    }
}
