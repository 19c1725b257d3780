//! The conformance suite on a real Apache Kafka, single-node, at the address in `PORUKA_KAFKA` ("host:port").
#![expect(clippy::unwrap_used, reason = "a test crate")]

#[macro_use]
mod conformance;

use conformance::Making;
use poruka::Bus;

fn target() -> Making {
    Box::pin(async {
        let Ok(address) = std::env::var("PORUKA_KAFKA") else {
            println!("skipped: PORUKA_KAFKA is not set; `cargo xtask kafka up` starts a node and prints it");
            return None;
        };
        let bus = Bus::connect(&format!("kafka://{address}")).await.unwrap();
        Some((bus, Box::new(()) as Box<dyn std::any::Any + Send>))
    })
}

conformance_suite!(target);
