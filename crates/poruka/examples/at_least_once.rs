//! at-least-once: e-mails that must go out. A send is tried until it is acked; a position is committed after the
//! handler has returned; a handler that fails gets the record again.
//!
//! `cargo run -p poruka --example at_least_once -- FOLDER`

use std::ops::ControlFlow;

use poruka::{Action, Bus, Name, Record};

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
    let outbox = bus.topic("outbox", Name::AtLeastOnce).await?;
    let producer = outbox.producer().await?;
    match producer.send(Record::new("welcome!").key("ann@example.org")).await {
        Ok(receipt) => println!("{receipt}"),
        // The error knows whether the record may be there all the same, and what to do.
        Err(error) if error.action() == Action::RetryMayRepeat => println!("maybe written: {error}"),
        Err(error) => println!("not written: {error}; {}", error.remedy()),
    }
    producer.close().await;

    let mut consumer = outbox.consumer("mailer").await?;
    let mut attempts = 0;
    let run = consumer.run(async |mail| {
        attempts += 1;
        if attempts == 1 {
            return Err("the mail server is busy"); // The same record comes again, after a short wait.
        }
        println!("mail to {:?} sent at attempt {attempts}", mail.key);
        Ok(ControlFlow::Break(()))
    });
    run.await?;
    consumer.close().await;
    Ok(())
}
