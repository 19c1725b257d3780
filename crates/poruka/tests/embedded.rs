//! The conformance suite on a broker inside the test's process, and what only such a bus can do.
#![expect(clippy::unwrap_used, reason = "a test crate")]

#[macro_use]
mod conformance;

use conformance::{Making, number, read, run, send_numbers};
use poruka::{Bus, BusError, Name, TopicSpec};

fn target() -> Making {
    Box::pin(async {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::open(folder.path()).await.unwrap();
        Some((bus, Box::new(folder) as Box<dyn std::any::Any + Send>))
    })
}

conformance_suite!(target);

fn nothing() -> Making {
    // Cases that open their own buses are given one that they leave alone.
    target()
}

#[test]
fn opening_a_folder_again_gives_the_same_broker() {
    run(nothing, |_| async {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = tokio::join!(Bus::open(folder.path()), Bus::open(folder.path().join(".")));
        let (one, two) = (one.unwrap(), two.unwrap());
        let topic = one.topic("t", Name::AtLeastOnce).await.unwrap();
        send_numbers(&topic, 0..3).await;
        let same = two.topic("t", Name::AtLeastOnce).await.unwrap();
        let mut consumer = same.consumer("g").await.unwrap();
        assert_eq!(read(&mut consumer, 3).await.len(), 3);
        one.close().await;
    });
}

#[test]
fn what_was_acked_is_there_after_closing_and_after_dropping() {
    run(nothing, |_| async {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..3u32 {
            let bus = Bus::open(folder.path()).await.unwrap();
            for name in [Name::AtLeastOnce, Name::Ordered, Name::Durable] {
                let topic = bus.topic(name.as_str(), TopicSpec::from(name).partitions(1)).await.unwrap();
                send_numbers(&topic, round..round + 1).await;
                let mut consumer = topic.consumer(&format!("g{round}-{name}")).await.unwrap();
                let found: Vec<u32> =
                    read(&mut consumer, round as usize + 1).await.iter().map(number).collect();
                assert_eq!(found, (0..=round).collect::<Vec<_>>(), "{name}");
            }
            // The first round ends cleanly, the others as if the process had been killed.
            if round == 0 {
                bus.close().await;
            }
        }
    });
}

#[test]
fn an_open_port_leads_to_the_same_topics() {
    run(nothing, |_| async {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::open(folder.path()).await.unwrap();
        let address = bus.listen("127.0.0.1:0").await.unwrap();
        let outside = Bus::connect(&format!("kafka://{address}")).await.unwrap();
        let topic = outside.topic("t", Name::Durable).await.unwrap();
        send_numbers(&topic, 0..5).await;
        let inside = bus.topic("t", Name::Durable).await.unwrap();
        let mut consumer = inside.consumer("g").await.unwrap();
        assert_eq!(read(&mut consumer, 5).await.len(), 5);
        consumer.close().await;
        assert!(matches!(outside.listen("127.0.0.1:0").await, Err(BusError::NotEmbedded)));
        let taken = bus.listen(&address.to_string()).await.unwrap_err().to_string();
        assert!(taken.contains(&address.to_string()), "{taken}");
        bus.close().await;
    });
}

#[test]
fn a_folder_that_cannot_be_one_is_named() {
    run(nothing, |_| async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let refused = Bus::open(&file).await.unwrap_err();
        assert!(matches!(refused, BusError::Folder { .. }), "{refused}");
        assert!(refused.to_string().contains("file"), "{refused}");
    });
}
