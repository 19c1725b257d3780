//! at-most-once: a door that must not open twice. A command is sent once and committed before it is handled, so a crash
//! may lose it, and nothing repeats it.
//!
//! `cargo run -p poruka --example at_most_once -- FOLDER`

use std::ops::ControlFlow;

use poruka::{Bus, Name, Reached, Record};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "data".to_owned());
    let bus = Bus::open(folder).await?;
    example(&bus).await?;
    bus.close().await;
    Ok(())
}

/// The example itself, on any bus.
pub async fn example(bus: &Bus) -> Result<(), Box<dyn std::error::Error>> {
    let commands = bus.topic("door-commands", Name::AtMostOnce).await?;
    let receipt = commands.producer().await?.send(Record::new("open").key("door 3")).await?;
    // The record was handed over, and no more than that is claimed.
    assert_eq!(receipt.reached, Reached::Sent);

    let mut consumer = commands.consumer("door-controller").await?;
    // By the time the handler sees a command, its commit has been answered.
    let run = consumer.run(async |command| {
        println!("opening, by order {} of {:?}", command.offset, command.key);
        Ok::<_, std::convert::Infallible>(ControlFlow::Break(()))
    });
    run.await?;
    consumer.close().await;
    Ok(())
}
