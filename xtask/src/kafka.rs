//! One real Apache Kafka node for tests: `cargo xtask kafka up | down | status`.
//!
//! The jars come by Maven from the pom in xtask/kafka. The node's folder, log and process id live under target, and
//! only a process that runs from that folder is ever ended.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::failure::{Context, Failure, Result, ensure};
use crate::{clock, paths, process, raw, tools};

const FETCH: Duration = Duration::from_secs(600);
const FORMAT: Duration = Duration::from_secs(60);
const READY: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(20);
/// 22 base64url characters, as Kafka wants its cluster ids.
const CLUSTER_ID: &str = "cG9ydWthLXh0YXNrLWthZg";

/// The command line.
pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["up"] => up(None).map(|address| println!("PORUKA_KAFKA={address}")),
        ["up", "--port", port] => {
            let port = port.parse().context(format!("port {port}"))?;
            up(Some(port)).map(|address| println!("PORUKA_KAFKA={address}"))
        }
        ["down"] => down(),
        ["status"] => {
            match running(&shared_folder()) {
                Some((pid, node)) => println!("Apache Kafka runs on {}, process {pid}", node.address()),
                None => println!("Apache Kafka does not run; start it with `cargo xtask kafka up`"),
            }
            Ok(())
        }
        _ => Err(Failure::new("usage: cargo xtask kafka up [--port N] | down | status")),
    }
}

/// Starts the shared node unless it runs; its address.
pub(crate) fn up(port: Option<u16>) -> Result<String> {
    let folder = shared_folder();
    if let Some((pid, node)) = running(&folder) {
        let same = port.is_none_or(|port| port == node.port);
        ensure!(same, "Apache Kafka runs on another port, {} (process {pid}); first: down", node.address());
        node.wait_ready(|| None)?;
        return Ok(node.address());
    }
    let node = Node::prepare(&folder, port)?;
    let mut child = node.start()?;
    std::fs::write(folder.join("pid"), child.id().to_string()).context("write the pid file")?;
    node.wait_ready(|| ended(&mut child))?;
    Ok(node.address())
}

/// Ends the shared node, if it runs.
pub(crate) fn down() -> Result<()> {
    let folder = shared_folder();
    if let Some((pid, _)) = running(&folder) {
        process::signal(pid, "TERM")?;
        if clock::wait_for(STOP, || running(&folder).is_none().then_some(())).is_none() {
            process::signal(pid, "KILL")?;
        }
    }
    drop(std::fs::remove_file(folder.join("pid")));
    Ok(())
}

fn shared_folder() -> PathBuf {
    paths::target().join("kafka/node")
}

/// The process that runs from `folder`, and where it listens. A recycled process id is not taken for ours: the
/// command line must name our folder.
fn running(folder: &Path) -> Option<(u32, Node)> {
    let pid: u32 = std::fs::read_to_string(folder.join("pid")).ok()?.trim().parse().ok()?;
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let ours = folder.join("server.properties").into_os_string().into_encoded_bytes();
    command_line.windows(ours.len()).any(|window| window == ours).then_some(())?;
    let port = std::fs::read_to_string(folder.join("port")).ok()?.trim().parse().ok()?;
    Some((pid, Node { folder: folder.to_path_buf(), port }))
}

/// A formatted node: its folder and its port.
pub(crate) struct Node {
    folder: PathBuf,
    port: u16,
}

impl Node {
    /// Makes the folder: properties for free ports, formatted. A folder that is formatted keeps its data and its
    /// port, unless another port is asked for.
    pub(crate) fn prepare(folder: &Path, port: Option<u16>) -> Result<Node> {
        std::fs::create_dir_all(folder).context(format!("create {}", folder.display()))?;
        let port = port.map_or_else(free_port, Ok)?;
        let properties = std::fs::read_to_string(paths::xtask("kafka/server.properties"))
            .context("read server.properties")?
            .replace("BROKER_PORT", &port.to_string())
            .replace("CONTROLLER_PORT", &free_port()?.to_string())
            .replace("DATA_FOLDER", &folder.join("data").to_string_lossy());
        std::fs::write(folder.join("server.properties"), properties).context("write server.properties")?;
        std::fs::write(folder.join("port"), port.to_string()).context("write the port file")?;
        let node = Node { folder: folder.to_path_buf(), port };
        if !folder.join("data/meta.properties").exists() {
            let mut format = java("kafka.tools.StorageTool")?;
            format
                .args(["format", "--standalone", "-t", CLUSTER_ID, "-c"])
                .arg(folder.join("server.properties"));
            process::capture(&mut format, b"", FORMAT)?.stdout_if_ok("format the node")?;
        }
        Ok(node)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the node; it is ready when `wait_ready` returns.
    pub(crate) fn start(&self) -> Result<Child> {
        let log = std::fs::File::create(self.folder.join("server.log")).context("create the log")?;
        let mut command = Command::new("java");
        command.args(["-Xms512m", "-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]);
        add_class(&mut command, "kafka.Kafka")?;
        command.arg(self.folder.join("server.properties")).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().context("clone the log")?).stderr(log);
        command.spawn().context("start Apache Kafka")
    }

    /// Waits until the node names itself in a Metadata response. `ended` says how the process ended, if it has.
    pub(crate) fn wait_ready(&self, mut ended: impl FnMut() -> Option<String>) -> Result<()> {
        let log = self.folder.join("server.log");
        let ready = clock::wait_for(READY, || match ended() {
            Some(how) => Some(Err(Failure::new(format!("Apache Kafka {how}; see {}", log.display())))),
            None => raw::broker_count(&self.address()).is_ok_and(|count| count == 1).then_some(Ok(())),
        });
        ready
            .unwrap_or_else(|| Err(Failure::new(format!("Apache Kafka is not ready; see {}", log.display()))))
    }
}

fn ended(child: &mut Child) -> Option<String> {
    child.try_wait().ok().flatten().map(|status| status.to_string())
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

/// A command that runs one class of the Kafka jars, as the scripts in Kafka's bin folder do.
pub(crate) fn java(class: &str) -> Result<Command> {
    let mut command = Command::new("java");
    // Short-lived tools: start fast, leave the second CPU to the broker.
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    add_class(&mut command, class)?;
    Ok(command)
}

fn add_class(command: &mut Command, class: &str) -> Result<()> {
    let log = format!("-Dlog4j2.configurationFile={}", paths::xtask("kafka/log4j2.xml").display());
    command.arg("-cp").arg(jars()?.join("*")).arg(log).arg(class);
    Ok(())
}

/// The folder of the jars, fetched when the pom has changed since.
fn jars() -> Result<PathBuf> {
    let folder = paths::target().join("kafka/jars");
    let pom = paths::xtask("kafka/pom.xml");
    let wanted = std::fs::read_to_string(&pom).context("read pom.xml")?;
    let stamp = paths::target().join("kafka/pom.fetched");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(folder);
    }
    tools::need("java", &["openjdk-17-jre-headless"])?;
    tools::need("mvn", &["maven"])?;
    println!("xtask: fetching Apache Kafka's jars");
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom);
    maven.arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies");
    maven.arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}", folder.display()));
    process::stream(&mut maven, FETCH)?;
    std::fs::write(&stamp, wanted).context("write stamp")?;
    Ok(folder)
}
