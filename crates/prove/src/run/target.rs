//! The broker under test: a process of its own, on a folder of its own, that is ended by SIGKILL and started again on
//! the same port.
//!
//! On the simulated disk the process keeps unsynced bytes in its own memory: then SIGKILL is a power cut.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use poruka_env::{Env, log_tail, ready_address};
use poruka_guarantee::Durability;

use super::ending::Victim;
use super::workbench::Boxed;

/// How long the broker may take until it says that it is ready.
pub(crate) const READY_TIME_MAX: Duration = Duration::from_secs(30);

/// How to start the broker.
#[derive(Clone, Debug)]
pub(crate) struct TargetSpec {
    /// The `poruka` binary.
    pub(crate) exe: PathBuf,
    /// An empty folder; data and log go below it.
    pub(crate) folder: PathBuf,
    /// The address that clients are told.
    pub(crate) advertise: String,
    /// The seed of the simulated disk; `None` takes the real one.
    pub(crate) simulated_disk: Option<u64>,
}

/// Why the broker does not run.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The program cannot be started.
    #[error("start {}: {source}", exe.display())]
    Start {
        /// The program.
        exe: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended, or said nothing, before it was ready.
    #[error("broker is not ready ({why}); it said: {log}")]
    NotReady {
        /// What happened instead.
        why: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The simulated broker does not open its folder or its port.
    #[error("start the simulated broker: {0}")]
    Simulated(String),
}

/// A broker process. Dropping it ends it.
pub(crate) struct Target {
    env: Env,
    spec: TargetSpec,
    addr: String,
    starts: u64,
    child: Option<Child>,
}

impl Target {
    /// Starts the broker on a free port.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub(crate) async fn open(env: &Env, spec: TargetSpec) -> Result<Target, TargetError> {
        let mut target =
            Target { env: env.clone(), spec, addr: "127.0.0.1:0".to_owned(), starts: 0, child: None };
        target.start().await?;
        Ok(target)
    }

    /// Ends the process at once and waits until it is gone.
    fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // An error means that it is gone already; a killed process is gone within milliseconds.
        drop(child.kill());
        drop(child.wait());
    }

    /// Starts it on the folder and port that it had before.
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn start(&mut self) -> Result<(), TargetError> {
        self.kill();
        self.starts += 1;
        let log = self.spec.folder.join(format!("broker-{}.log", self.starts));
        let start = |source| TargetError::Start { exe: self.spec.exe.clone(), source };
        let mut command = Command::new(&self.spec.exe);
        command
            .arg("serve")
            .arg("--data")
            .arg(self.spec.folder.join("data"))
            .args(["--listen", &self.addr, "--advertise", &self.spec.advertise])
            .args(["--durability", Durability::Synced.as_str()])
            .args(["--group-session-ms", &GROUP_SESSION.as_millis().to_string()])
            .args(["--group-heartbeat-ms", &GROUP_HEARTBEAT.as_millis().to_string()]);
        if let Some(seed) = self.spec.simulated_disk {
            // Another start is another power cut: it tears elsewhere.
            command.args(["--simulated-disk", &seed.wrapping_add(self.starts).to_string()]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).map_err(start)?)
            .spawn()
            .map_err(start)?;
        let output = child.stdout.take();
        self.child = Some(child);
        self.addr = self.ready(output, &log).await?;
        Ok(())
    }

    async fn ready(&self, output: Option<ChildStdout>, log: &Path) -> Result<String, TargetError> {
        let not_ready = |why| TargetError::NotReady { why, log: log_tail(log) };
        let output = output.ok_or_else(|| not_ready("it has no output"))?;
        let (told, line) = tokio::sync::oneshot::channel();
        let reading = self.env.spawn_thread("prove-target", move || {
            let mut lines = BufReader::new(output);
            let mut line = String::new();
            if lines.read_line(&mut line).is_ok() {
                // Nobody waits any more after the time limit.
                drop(told.send(line));
            }
            // A full pipe would stop the broker.
            drop(std::io::copy(&mut lines, &mut std::io::sink()));
        });
        reading.map_err(|source| TargetError::Start { exe: self.spec.exe.clone(), source })?;
        let line = match self.env.timeout(READY_TIME_MAX, line).await {
            Ok(Ok(line)) => line,
            Ok(Err(_)) => return Err(not_ready("its output ended")),
            Err(_) => return Err(not_ready("it took too long")),
        };
        let addr = ready_address(&line);
        addr.map(str::to_owned).ok_or_else(|| not_ready("it ended or said something else first"))
    }
}

/// A consumer that says nothing for this long is out of its group. Short, since a run is short and crashes consumers.
pub(crate) const GROUP_SESSION: Duration = Duration::from_millis(1_200);
/// How often a consumer has to say something.
pub(crate) const GROUP_HEARTBEAT: Duration = Duration::from_millis(150);

impl Victim for Target {
    fn addr(&self) -> &str {
        &self.addr
    }

    fn end(&mut self, _salt: u64) {
        self.kill();
    }

    fn start_again(&mut self) -> Boxed<'_, Result<(), TargetError>> {
        Box::pin(self.start())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.kill();
    }
}
