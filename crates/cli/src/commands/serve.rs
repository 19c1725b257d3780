//! `poruka serve`: the broker as a process. One readiness line goes to standard output, logs to standard error.
//! SIGTERM and SIGINT drain; a second one ends at once, as a kill would: what was acknowledged is kept either way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use poruka_broker::{Broker, BrokerConfig, OFFSETS_RETENTION_MINUTES, OpenError};
use poruka_env::{Env, FakeDisk, Listener, READY_MARK};
use poruka_guarantee::Durability;
use poruka_log::OpenError as LogError;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::dials::durability_parser;
use crate::exit::Exit;
use crate::output::{self, Form};
use crate::problem::{Problem, Result};

/// With fewer files allowed, serve says so.
const OPEN_FILES_WANTED: u64 = 16_384;

/// Run a broker that any Kafka client can use.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  poruka serve                                     data in ./poruka-data, port 9092 of this machine
  poruka serve --data /var/lib/poruka --durability cached
  poruka serve --listen 127.0.0.1:0                any free port; the readiness line names it
  poruka serve --metrics 127.0.0.1:9187            numbers for Prometheus at http://127.0.0.1:9187/metrics
  poruka serve --listen 0.0.0.0:9092 --advertise broker.example.org:9092

It is ready when it prints one line on standard output:
  poruka: ready on 127.0.0.1:9092 (data poruka-data, durability synced)
Logs go to standard error; PORUKA_LOG=debug shows more. Ctrl-C and SIGTERM finish what is in flight, then end.")]
pub(crate) struct Serve {
    /// The folder that holds everything; made when it is not there.
    #[arg(long, value_name = "DIR", default_value = "poruka-data")]
    data: PathBuf,
    /// The address to listen on; port 0 takes a free one. There is no authentication: keep it on this machine, or on
    /// a network where everybody may read and write everything.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092", value_parser = address)]
    listen: String,
    /// The address that clients are told to connect to, when it is not the one listened on.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    advertise: Option<(String, u16)>,
    /// What an acknowledged record survives in topics that do not say it themselves.
    #[arg(long, value_name = "DIAL", default_value = "synced", value_parser = durability_parser())]
    durability: Durability,
    /// Answer `GET /metrics` (Prometheus) at this address; port 0 takes a free one. Nothing is served without it.
    /// There is no authentication here either.
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    metrics: Option<String>,
    /// How long committed offsets outlive the last use of their group, in minutes (Kafka's offsets.retention.minutes).
    #[arg(long, value_name = "MINUTES", default_value_t = OFFSETS_RETENTION_MINUTES,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    offsets_retention_minutes: u32,
    /// Keep unsynced bytes in this process only, so that SIGKILL is a power cut; the seed decides what is torn.
    #[arg(long, value_name = "SEED", hide = true)]
    simulated_disk: Option<u64>,
    /// A member of a consumer-protocol group that says nothing for this long is out, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 45_000, hide = true)]
    group_session_ms: u32,
    /// How often such a member has to say something, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5_000, hide = true)]
    group_heartbeat_ms: u32,
}

/// An address to listen on, as it was written: host names are looked up when it is bound.
fn address(text: &str) -> std::result::Result<String, String> {
    host_and_port(text).map(|_| text.to_string())
}

fn host_and_port(text: &str) -> std::result::Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT, such as broker.example.org:9092")?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port; expected HOST:PORT"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let unbracketed = host.contains(':') && !text.starts_with('[');
    if host.is_empty() {
        Err("the host is missing; expected HOST:PORT".to_string())
    } else if unbracketed || host.contains(char::is_whitespace) {
        Err(format!("{host:?} is no host; expected HOST:PORT, an IPv6 address in brackets: [::1]:9092"))
    } else {
        Ok((host.to_string(), port))
    }
}

pub(crate) async fn run(command: Serve, form: Form) -> Result<()> {
    let mut signals = Signals::catch()?;
    raise_open_files();
    let env = match command.simulated_disk {
        None => Env::real(),
        Some(seed) => {
            Env::real().with_disk(Arc::new(FakeDisk::over_folder(&command.data, seed).map_err(|error| {
                Problem::new(Exit::Machine, format!("cannot use the folder {}", command.data.display()))
                    .because(&error)
            })?))
        }
    };
    // Before the folder: an address that is taken must not leave one behind.
    let listener = bind(&env, "--listen", &command.listen).await?;
    let metrics = match &command.metrics {
        Some(address) => Some(bind(&env, "--metrics", address).await?),
        None => None,
    };
    let mut config = BrokerConfig::new(&command.data);
    config.default_durability = command.durability;
    config.advertise.clone_from(&command.advertise);
    config.consumer_session_timeout_ms = command.group_session_ms;
    config.consumer_heartbeat_interval_ms = command.group_heartbeat_ms;
    config.offsets_retention_minutes = command.offsets_retention_minutes;
    let broker = Broker::open(env, config).await.map_err(|error| cannot_open(&command.data, &error))?;
    let served = broker.listen_on(listener).and_then(|address| {
        Ok((address, metrics.map(|listener| broker.serve_metrics_on(listener)).transpose()?))
    });
    let (address, metrics) = match served {
        Ok(addresses) => addresses,
        Err(error) => {
            broker.close().await;
            return Err(cannot_listen("--listen", &command.listen, &error));
        }
    };
    let (data, durability) = (command.data.display().to_string(), command.durability);
    let metrics = metrics.map(|address| address.to_string());
    let ready = json!({
        "ready": address.to_string(), "data": data, "durability": durability.as_str(), "metrics": metrics,
    });
    output::either(form, &ready, || {
        let metrics =
            metrics.map(|address| format!(", metrics http://{address}/metrics")).unwrap_or_default();
        format!("poruka: {READY_MARK}{address} (data {data}, durability {durability}{metrics})")
    })?;
    signals.next().await;
    tokio::select! {
        biased;
        () = broker.close() => Ok(()),
        () = signals.next() => Err(Problem::new(Exit::Interrupted, "ended before everything in flight was finished")),
    }
}

/// Each partition that is written holds a file open, and each connection a socket; the usual soft limit of 1024 is for
/// programs that cannot take more.
fn raise_open_files() {
    match poruka_env::raise_open_files_limit() {
        Ok(Some(files)) if files < OPEN_FILES_WANTED => tracing::warn!(
            "this process may open {files} files and sockets only; raise the limit (ulimit -Hn, LimitNOFILE=) \
             before there are as many partitions and connections"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// The two signals that ask a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Signals> {
        let catch = |kind| {
            signal(kind).map_err(|error| Problem::new(Exit::Machine, "cannot catch signals").because(&error))
        };
        Ok(Signals { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub(crate) fn cannot_open(data: &Path, error: &OpenError) -> Problem {
    match error {
        OpenError::Log(log) => cannot_open_log(data, log, error),
        _ => not_ours_to_mend(data, error),
    }
}

fn because(data: &Path, error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::new(Exit::Machine, format!("cannot open the data folder {}", data.display())).because(error)
}

fn not_ours_to_mend(data: &Path, error: &(dyn std::error::Error + 'static)) -> Problem {
    // Nothing of ours is there to keep: the path is a file, or no folder can be made in its place.
    match data.is_dir() {
        false => because(data, error).next("name a folder with --data, or a place where one can be made"),
        true => {
            because(data, error).next("keep the folder as it is, and restore it from a copy or report this")
        }
    }
}

/// `told` is the error as the caller has it.
pub(crate) fn cannot_open_log(
    data: &Path,
    error: &LogError,
    told: &(dyn std::error::Error + 'static),
) -> Problem {
    let problem = because(data, told);
    match error {
        LogError::InUse { pid, .. } => {
            problem.next(format!("stop process {pid}, or choose another folder with --data"))
        }
        LogError::NewerFormat { .. } => problem.next("use the release that wrote it, or a newer one"),
        LogError::NotOurs { .. } => problem.next("choose an empty folder with --data"),
        LogError::Unfinished { .. } => problem.next(format!("poruka check {} --repair", data.display())),
        LogError::Io { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => problem
            .next("give this user the right to read and write the folder, or choose another with --data"),
        LogError::Io { error, .. } if error.kind() == std::io::ErrorKind::StorageFull => {
            problem.next("free some space; nothing that was acknowledged is lost")
        }
        // Nothing of ours is missing where nothing has been yet.
        LogError::Missing { .. } if !data.is_dir() => {
            not_ours_to_mend(data, &std::io::Error::other("it is not there, and no folder can be made in its place"))
        }
        _ if !data.is_dir() => not_ours_to_mend(data, told),
        LogError::Damaged { .. } | LogError::Missing { .. } => problem.next(format!(
            "keep the folder as it is; `poruka check {}` names everything that is damaged, and what a repair \
             would keep and lose. If the folder was copied while a broker ran on it, stop the broker and copy again",
            data.display()
        )),
        LogError::Io { .. } => problem.next("check the disk; the folder was not changed, and nothing is given up"),
    }
}

async fn bind(env: &Env, option: &str, address: &str) -> Result<Box<dyn Listener>> {
    env.listen(address).await.map_err(|error| cannot_listen(option, address, &error))
}

fn cannot_listen(option: &str, address: &str, error: &(dyn std::error::Error + 'static)) -> Problem {
    let problem = Problem::new(Exit::Machine, format!("cannot listen on {address}")).because(error);
    problem.next(format!("choose another address with {option}; port 0 takes a free one"))
}
