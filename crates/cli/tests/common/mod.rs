//! Runs the built binary: a broker of its own for each test, in a folder of its own, on a free port.
#![allow(dead_code, reason = "each test file uses its own part")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// The program under test.
pub(crate) fn poruka() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poruka"));
    command.env_remove("PORUKA_BOOTSTRAP").env_remove("PORUKA_LOG");
    command
}

/// Runs to the end with this on standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that ends early closes the pipe; its exit code says why.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap()
}

/// Standard output of a command that must succeed.
pub(crate) fn ok(output: Output) -> String {
    assert!(output.status.success(), "{:?}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a command that must end with this code.
pub(crate) fn fails(output: Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

/// A broker that runs beside the test, and is killed with it.
pub(crate) struct Server {
    child: Child,
    /// Held so that the broker never writes to a closed pipe.
    stdout: BufReader<ChildStdout>,
    pub(crate) address: String,
    pub(crate) ready_line: String,
    pub(crate) folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::on(tempfile::tempdir().unwrap(), "127.0.0.1:0", &[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Server {
        Server::on(tempfile::tempdir().unwrap(), "127.0.0.1:0", arguments)
    }

    fn on(folder: TempDir, listen: &str, arguments: &[&str]) -> Server {
        let mut command = poruka();
        command.args(["serve", "--listen", listen, "--data"]).arg(folder.path().join("data")).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut ready_line = String::new();
        stdout.read_line(&mut ready_line).unwrap();
        let rest = ready_line.strip_prefix("poruka: ready on ").unwrap_or_else(|| panic!("{ready_line:?}"));
        let address = rest.split(' ').next().unwrap().to_string();
        Server { child, stdout, address, ready_line, folder }
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A command that speaks to this broker.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = poruka();
        command.args(arguments).args(["--bootstrap", &self.address]);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        run(&mut self.command(arguments), input)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = ok(self.run(&[arguments, &["--output", "json"]].concat()));
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// SIGKILL, then a start on the same data and port.
    pub(crate) fn kill_and_restart(mut self) -> Server {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (folder, address) =
            (std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()), self.address.clone());
        Server::on(folder, &address, &[])
    }

    /// A broker on the data of an earlier one.
    pub(crate) fn over(folder: TempDir) -> Server {
        Server::on(folder, "127.0.0.1:0", &[])
    }

    /// SIGKILL; what it left, and where its data is.
    pub(crate) fn kill(mut self) -> (TempDir, std::path::PathBuf) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let data = self.data();
        (std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()), data)
    }

    /// Ends it cleanly; the folder stays.
    pub(crate) fn end_and_keep(mut self) -> TempDir {
        send_signal(self.pid(), "TERM");
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Sends a signal and waits for the end; the exit code.
    pub(crate) fn end_with(mut self, signal: &str) -> Option<i32> {
        send_signal(self.pid(), signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn send_signal(pid: u32, signal: &str) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

/// A file with this content in a folder.
pub(crate) fn file(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_string()
}
