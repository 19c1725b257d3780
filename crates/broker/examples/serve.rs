//! A broker on a port, in thirty lines: `cargo run -p poruka-broker --example serve -- DIR [HOST:PORT]`.

use std::io::IsTerminal;

use poruka_broker::{Broker, BrokerConfig};
use poruka_env::Env;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let level = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let color = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).with_ansi(color).init();

    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: serve DIR [HOST:PORT]")?;
    let address = args.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned());

    let broker = Broker::open(Env::real(), BrokerConfig::new(dir)).await?;
    let address = broker.listen(&address).await?;
    println!("ready on {address}");

    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = term.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    broker.close().await;
    Ok(())
}
