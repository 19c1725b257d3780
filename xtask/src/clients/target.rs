//! The broker under test: `poruka serve` or a real Apache Kafka, in a folder of its own, on a port of its own, that
//! can be killed with SIGKILL and started again on the same data and the same port.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;

use crate::failure::{Context, Failure, Result};
use crate::kafka::Node;
use crate::process::{self, Running};
use crate::{clock, paths, tools};

const READY: Duration = Duration::from_secs(30);
const BUILD: Duration = Duration::from_secs(1800);

/// Which broker.
pub(crate) enum Kind {
    Poruka(PathBuf),
    Kafka,
}

/// A broker that runs.
pub(crate) struct Target {
    broker: Broker,
    /// Goes when the broker has gone.
    _folder: TempDir,
    address: String,
    topics: u32,
    earlier_logs: String,
}

enum Broker {
    Poruka { binary: PathBuf, data: PathBuf, process: Running },
    Kafka { node: Node, child: Child },
}

/// The binary to serve with: the given one, or a release build of the workspace.
pub(crate) fn poruka_binary(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(binary) = given {
        return binary.canonicalize().context(format!("binary {}", binary.display()));
    }
    process::stream(tools::cargo().args(["build", "--release", "--package", "poruka-cli"]), BUILD)?;
    Ok(paths::target().join("release/poruka"))
}

impl Target {
    pub(crate) fn start(kind: &Kind) -> Result<Target> {
        let folder = tempfile::Builder::new().prefix("poruka-clients-").tempdir().context("make a folder")?;
        match kind {
            Kind::Poruka(binary) => Target::serve(binary, folder.path().join("data"), folder),
            Kind::Kafka => {
                let node = Node::prepare(&folder.path().join("node"), None)?;
                let child = start_kafka(&node)?;
                let address = node.address();
                let broker = Broker::Kafka { node, child };
                Ok(Target { broker, _folder: folder, address, topics: 0, earlier_logs: String::new() })
            }
        }
    }

    /// `poruka serve` on a folder that is there already.
    pub(crate) fn serve_folder(binary: &Path, data: &Path) -> Result<Target> {
        let folder = tempfile::Builder::new().prefix("poruka-clients-").tempdir().context("make a folder")?;
        Target::serve(binary, data.to_path_buf(), folder)
    }

    fn serve(binary: &Path, data: PathBuf, folder: TempDir) -> Result<Target> {
        let (process, address) = start_poruka(binary, &data, "127.0.0.1:0")?;
        let broker = Broker::Poruka { binary: binary.to_path_buf(), data, process };
        Ok(Target { broker, _folder: folder, address, topics: 0, earlier_logs: String::new() })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A name that no other case uses.
    pub(crate) fn name(&mut self, stem: &str) -> String {
        self.topics += 1;
        format!("{stem}-{}", self.topics)
    }

    /// A new topic.
    pub(crate) fn topic(&mut self, stem: &str, partitions: i32) -> Result<String> {
        let name = self.name(stem);
        crate::raw::create_topic(&self.address, &name, partitions)?;
        Ok(name)
    }

    /// SIGKILL, then a start on the same data and the same port. Ready when this returns.
    pub(crate) fn kill_and_restart(&mut self) -> Result<()> {
        match &mut self.broker {
            Broker::Poruka { binary, data, process } => {
                process.kill()?;
                self.earlier_logs.push_str(&process.stderr());
                self.earlier_logs.push_str("-- killed --\n");
                *process = start_poruka(binary, data, &self.address)?.0;
            }
            Broker::Kafka { node, child } => {
                child.kill().context("kill Apache Kafka")?;
                child.wait().context("wait for Apache Kafka")?;
                *child = start_kafka(node)?;
            }
        }
        Ok(())
    }

    /// A clean end, then a start on the same data and the same port. Ready when this returns.
    pub(crate) fn end_and_restart(&mut self) -> Result<()> {
        let Broker::Poruka { process, .. } = &mut self.broker else { return self.kill_and_restart() };
        process.signal("TERM")?;
        let ended = clock::wait_for(READY, || process.ended().then_some(()));
        ended.ok_or("it does not end").context("SIGTERM")?;
        self.kill_and_restart()
    }

    /// Where its files are.
    pub(crate) fn data(&self) -> Result<&Path> {
        match &self.broker {
            Broker::Poruka { data, .. } => Ok(data),
            Broker::Kafka { .. } => Err(Failure::new("only Poruka's own folders are looked into")),
        }
    }

    /// The broker's log, kept under target for a look after a failure; says where.
    pub(crate) fn keep(&self) -> Result<String> {
        let Broker::Poruka { process, .. } = &self.broker else { return Ok(String::new()) };
        let folder = paths::target().join("clients/logs");
        std::fs::create_dir_all(&folder).context("create the log folder")?;
        let file = folder.join(format!("broker-{}.log", process.id()));
        std::fs::write(&file, format!("{}{}", self.earlier_logs, process.stderr()))
            .context("write the log")?;
        Ok(format!("  the broker's log: {}", file.display()))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Broker::Kafka { child, .. } = &mut self.broker {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn start_kafka(node: &Node) -> Result<Child> {
    let mut child = node.start()?;
    node.wait_ready(|| child.try_wait().ok().flatten().map(|status| status.to_string()))?;
    Ok(child)
}

fn start_poruka(binary: &Path, data: &Path, listen: &str) -> Result<(Running, String)> {
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", listen, "--data"]).arg(data);
    let mut process = Running::start(&mut command, false)?;
    let address = clock::wait_for(READY, || match ready_address(&process.stdout()) {
        Some(address) => Some(Ok(address)),
        None if process.ended() => Some(Err(Failure::new(format!("serve ended: {}", process.stderr())))),
        None => None,
    });
    match address {
        Some(address) => Ok((process, address?)),
        None => Err(Failure::new(format!("serve is not ready: {}", process.stderr()))),
    }
}

/// The address in `poruka: ready on 127.0.0.1:PORT (data DIR, durability synced)`.
fn ready_address(stdout: &str) -> Option<String> {
    let line = stdout.lines().find_map(|line| line.strip_prefix("poruka: ready on "))?;
    line.split_once(' ').map(|(address, _)| address.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_address_is_read_from_the_readiness_line() {
        let line = "poruka: ready on 127.0.0.1:9092 (data /tmp/a b, durability synced)\n";
        assert_eq!(super::ready_address(line).as_deref(), Some("127.0.0.1:9092"));
        assert_eq!(super::ready_address("poruka: ready on 127.0"), None);
    }
}
