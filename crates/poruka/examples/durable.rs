//! durable: payments. A receipt means that the record is on disk; a topic that cannot keep that is refused.
//!
//! `cargo run -p poruka --example durable -- FOLDER`

use poruka::{Bus, Durability, Name, Reached, Record};

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
    let payments = bus.topic("payments", Name::Durable).await?;
    let receipt = payments.producer().await?.send(Record::new("12.50 EUR").key("account 7")).await?;
    assert_eq!(receipt.reached, Reached::Acked(Durability::Synced));
    println!("{receipt}");

    // Why it is so: every setting that the guarantee takes, with its reason.
    for reason in &payments.settings().reasons {
        println!("{} = {}: {}", reason.setting, reason.value, reason.because);
    }

    // A topic that forgets at a power loss is not taken for one that does not.
    bus.topic("scribbles", Name::BestEffort).await?;
    if let Err(refused) = bus.topic("scribbles", Name::Durable).await {
        println!("{refused}");
    }
    Ok(())
}
