//! The library's conformance suite on a spawned `poruka serve`, and what two processes on one folder may not do.
#![expect(clippy::unwrap_used, reason = "a test crate")]

#[macro_use]
#[path = "../../poruka/tests/conformance/mod.rs"]
mod conformance;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use conformance::{Making, run};
use poruka::Bus;

/// A broker in a process of its own; killed when it is dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(folder: &Path) -> Served {
        let mut child = Command::new(env!("CARGO_BIN_EXE_poruka"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .env("PORUKA_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("poruka: ready on ").and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("no readiness line: {line:?}")).to_owned();
        Served { child, address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn target() -> Making {
    Box::pin(async {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::start(folder.path());
        let bus = Bus::connect(&format!("kafka://{}", served.address)).await.unwrap();
        Some((bus, Box::new((served, folder)) as Box<dyn std::any::Any + Send>))
    })
}

conformance_suite!(target);

#[test]
fn a_folder_that_another_process_serves_is_refused_and_the_process_is_named() {
    run(target, |_| async {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::start(folder.path());
        let refused = Bus::open(folder.path()).await.unwrap_err().to_string();
        assert!(refused.contains(&served.child.id().to_string()), "{refused}");
    });
}

#[test]
fn a_broker_that_is_killed_and_started_again_has_what_was_acked() {
    run(target, |_| async {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..3u32 {
            let served = Served::start(folder.path());
            let bus = Bus::connect(&format!("kafka://{}", served.address)).await.unwrap();
            let topic =
                bus.topic("t", poruka::TopicSpec::from(poruka::Name::Durable).partitions(1)).await.unwrap();
            conformance::send_numbers(&topic, round * 10..round * 10 + 10).await;
            let mut consumer = topic.consumer_with(poruka::ConsumerOptions::alone()).await.unwrap();
            let count = (round as usize + 1) * 10;
            let found: Vec<u32> =
                conformance::read(&mut consumer, count).await.iter().map(conformance::number).collect();
            assert_eq!(found, (0..round * 10 + 10).collect::<Vec<_>>());
        }
    });
}
