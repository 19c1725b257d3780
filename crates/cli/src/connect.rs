//! How a command finds its broker: over the network, or inside this process on a data folder; and what it says when
//! that fails.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use poruka::{Action, Bus, BusError, ConsumeError, SendError, TopicError};
use poruka_client::{ClientConfig, ClientError};
use poruka_env::Env;

use crate::exit::Exit;
use crate::problem::{Problem, Result};

/// How long a person waits for a broker that does not answer.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the topics are.
#[derive(Args, Debug)]
pub(crate) struct Where {
    /// The broker: HOST:PORT, several joined by commas. Ours, or an Apache Kafka of version 4.0 or newer.
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "PORUKA_BOOTSTRAP",
        default_value = "127.0.0.1:9092"
    )]
    bootstrap: String,
    /// Instead of a running broker: open this data folder inside this command.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Where {
    pub(crate) async fn bus(&self) -> Result<Bus> {
        let opened = match &self.data {
            Some(folder) => Bus::open(folder).await,
            None => {
                let config = ClientConfig {
                    connect_timeout: CONNECT_TIMEOUT,
                    retry_timeout: RETRY_TIMEOUT,
                    ..ClientConfig::default()
                };
                Bus::connect_with(Env::real(), &self.bootstrap, config).await
            }
        };
        opened.map_err(|error| self.no_bus(error))
    }

    fn no_bus(&self, error: BusError) -> Problem {
        match error {
            BusError::Client(error) => client(error),
            BusError::Address(_) => Problem::new(Exit::Usage, error.to_string())
                .next("write --bootstrap HOST:PORT, such as 127.0.0.1:9092"),
            BusError::Open { ref error, .. } => {
                crate::commands::serve::cannot_open(self.data.as_deref().unwrap_or(".".as_ref()), error)
            }
            _ => Problem::new(Exit::Machine, "cannot open the data folder").because(&error),
        }
    }
}

/// An error of the client as a problem.
pub(crate) fn client(error: ClientError) -> Problem {
    let text = error.to_string();
    match error {
        ClientError::Connect { .. } => Problem::new(Exit::Unreachable, text)
            .next("start a broker with `poruka serve`, or name another with --bootstrap HOST:PORT"),
        ClientError::UnknownTopic { topic } => {
            Problem::new(Exit::Refused, format!("there is no topic {topic:?}"))
                .next(format!("poruka topic list shows what there is; poruka topic create {topic} makes it"))
        }
        ClientError::Refused { .. } => Problem::new(Exit::Refused, text),
        ClientError::Unsupported(_) => Problem::new(Exit::Refused, text).next("upgrade the broker"),
        ClientError::GaveUp { last, .. } if matches!(*last, ClientError::Connect { .. }) => client(*last),
        ClientError::GaveUp { last, .. } if last.code().is_some() => client(*last),
        error if error.may_be_done() => {
            Problem::new(Exit::Unknown, text).next("look whether it was done, then repeat it")
        }
        _ => Problem::new(Exit::Unreachable, text).next("try again once the broker answers"),
    }
}

/// A topic that cannot be opened, as a problem.
pub(crate) fn topic(error: TopicError) -> Problem {
    match error {
        TopicError::Client(error) => client(error),
        TopicError::Refused(refusal) => Problem::new(Exit::Usage, refusal.to_string())
            .next("poruka explain lists the names and what they promise"),
        TopicError::TooWeak(weak) => Problem::new(Exit::Refused, weak.to_string()),
    }
}

/// A record that has no receipt, as a problem.
pub(crate) fn send(error: &SendError) -> Problem {
    let exit = match error {
        SendError::Unknown { .. } => Exit::Unknown,
        SendError::NotTaken { .. } => Exit::Usage,
        SendError::Dropped { .. } | SendError::NotWritten { .. } => Exit::Refused,
    };
    Problem::new(exit, error.to_string()).next(error.remedy())
}

/// A consumer that stopped, as a problem.
pub(crate) fn consume(error: ConsumeError) -> Problem {
    let action = error.action();
    let text = error.to_string();
    match error {
        ConsumeError::Client(error) => client(error),
        ConsumeError::NeedsGroup => Problem::new(Exit::Usage, text).next("name one with --group"),
        _ if action == Action::RetryMayRepeat => {
            Problem::new(Exit::Unknown, text).next("read again; records may repeat")
        }
        _ => Problem::new(Exit::Refused, text),
    }
}
