//! ordered: the life of an order. Records of one key stay in order; gaps and repeats are told with their reason.
//!
//! `cargo run -p poruka --example ordered -- FOLDER`

use poruka::{Bus, Name, Notice, Record, TopicSpec};

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
    let orders = bus.topic("orders", TopicSpec::from(Name::Ordered).partitions(3)).await?;
    let producer = orders.producer().await?;
    for step in ["placed", "paid", "shipped"] {
        for order in ["order-1", "order-2"] {
            producer.enqueue(Record::new(step).key(order)).await?; // Many may be under way at once.
        }
    }
    producer.close().await;

    let mut consumer = orders.consumer("warehouse").await?;
    let mut handled = 0;
    while handled < 6 {
        let batch = consumer.next().await?;
        for notice in &batch.notices {
            if let Notice::Sequence(told) = notice {
                println!("({told})");
            }
        }
        for record in &batch.records {
            println!("{:?}: {:?}", record.key, record.value);
            handled += 1;
        }
        consumer.commit(&batch).await?;
    }
    consumer.close().await;
    Ok(())
}
