//! `poruka check` as an operator sees it: a sound folder, one flipped byte named, a repair, and the exit codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::{Path, PathBuf};

use common::{Server, fails, ok, poruka, run};

/// A folder with records of one topic, its broker killed.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let server = Server::start();
    let lines: String = (0..200).map(|n| format!("value {n}\n")).collect();
    ok(server.run(&["topic", "create", "orders", "--guarantee", "durable"]));
    ok(server.run_with(&["produce", "orders", "--guarantee", "durable"], lines.as_bytes()));
    server.kill()
}

fn check(data: &Path, more: &[&str]) -> std::process::Output {
    run(poruka().arg("check").arg(data).args(more), b"")
}

fn json(output: &std::process::Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_folder_after_a_kill_is_sound_or_torn_and_the_check_ends_with_0() {
    let (_keep, data) = folder();
    let text = ok(check(&data, &[]));
    assert!(text.contains("orders-0"), "{text}");
    let found = json(&check(&data, &["--output", "json"]));
    assert_ne!(found["verdict"], "damaged");
    let orders =
        found["partitions"].as_array().unwrap().iter().find(|told| told["topic"] == "orders").unwrap();
    assert_eq!((&orders["proven_end"], &orders["durability"]), (&200.into(), &"synced".into()));
}

#[test]
fn a_flipped_byte_is_named_by_check_and_serve_and_a_repair_opens_the_folder_again() {
    let (_keep, data) = folder();
    let checkpoint = data.join("journal/checkpoint");
    let mut bytes = std::fs::read(&checkpoint).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&checkpoint, &bytes).unwrap();
    let serve = run(poruka().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data), b"");
    let said = fails(serve, 5);
    assert!(said.contains("journal/checkpoint") && said.contains("poruka check"), "{said}");
    let output = check(&data, &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("damaged: "), "{output:?}");
    let said = fails(output, 10);
    assert!(said.contains("--repair"), "{said}");
    let text = ok(check(&data, &["--repair"]));
    assert!(text.contains("quarantine-"), "{text}");
    ok(check(&data, &[]));
    let server = Server::over(_keep);
    assert_eq!(ok(server.run(&["consume", "orders"])).lines().count(), 200);
}

#[test]
fn a_folder_in_use_and_a_folder_of_something_else_are_refused() {
    let server = Server::start();
    let said = fails(check(&server.data(), &[]), 5);
    assert!(said.contains(&format!("process {}", server.pid())), "{said}");
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("letter.txt"), "dear all").unwrap();
    fails(check(other.path(), &[]), 5);
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
}
