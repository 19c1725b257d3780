//! best-effort: readings from a sensor. A send never waits; what there is no room for is dropped and counted.
//!
//! `cargo run -p poruka --example best_effort -- FOLDER`

use poruka::{Bus, Name, Record};

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
    let readings = bus.topic("readings", Name::BestEffort).await?;
    let producer = readings.producer().await?;
    for degrees in 18..28 {
        // An error says that it was dropped. The next reading is worth more than this one.
        let _ = producer.send(Record::new(format!("{degrees} °C")).key("cellar")).await;
    }
    println!("{} readings dropped", producer.dropped());
    producer.close().await;

    let mut consumer = readings.consumer("display").await?;
    loop {
        let batch = consumer.next().await?;
        if let Some(latest) = batch.records.last() {
            println!("now {}", String::from_utf8_lossy(latest.value.as_deref().unwrap_or_default()));
            break;
        }
    }
    consumer.close().await;
    Ok(())
}
