//! `poruka bench`: a tiny run of every kind of case, whose counts must be right, and what bad input is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Server, fails, ok, poruka, run};
use serde_json::Value;

/// One run of a small part of each case.
fn tiny(cases: &[&str], more: &[&str]) -> Value {
    part("0.004", cases, more)
}

fn part(part: &str, cases: &[&str], more: &[&str]) -> Value {
    let mut command = poruka();
    command.args(["bench", "--output", "json", "--runs", "1", "--rate", "1000", "--part", part]);
    command.args(cases.iter().flat_map(|case| ["--case", case])).args(more);
    serde_json::from_str(&ok(run(&mut command, b""))).unwrap()
}

fn figure(report: &Value, case: &str, of: &str, name: &str) -> f64 {
    let case = report["cases"].as_array().unwrap().iter().find(|found| found["name"] == case).unwrap();
    let figure = &case[of][name]["median"];
    figure.as_f64().unwrap_or_else(|| panic!("{name} of {of}: {figure}"))
}

#[test]
fn each_class_is_produced_counted_and_set_beside_its_floor() {
    let names = ["produce-memory-100", "produce-cached-100", "produce-synced-1k", "partitions-synced-1k"];
    let report = tiny(&names, &[]);
    assert_eq!(report["cases"].as_array().unwrap().len(), names.len());
    for name in names {
        for of in ["medians", "floor"] {
            // Both took the same batches.
            assert_eq!(
                figure(&report, name, of, "records"),
                figure(&report, name, "medians", "records"),
                "{name}"
            );
            assert!(figure(&report, name, of, "cpu_us_per_record") > 0.0, "{name}");
            assert!(figure(&report, name, of, "ack_p50_ms") > 0.0, "{name}");
        }
    }
    // 0.4 % of 300 MB in batches of 1 MB with 9,259 records or so.
    let records = figure(&report, "produce-cached-100", "medians", "records");
    assert!((11_000.0..30_000.0).contains(&records), "{records}");
}

#[test]
fn what_is_consumed_is_what_was_produced() {
    let report = tiny(&["consume-1k"], &[]);
    let records = figure(&report, "consume-1k", "medians", "records");
    assert_eq!(records, figure(&report, "consume-1k", "floor", "records"));
    assert!(records > 1_000.0, "{records}");
}

#[test]
fn paced_records_are_all_acknowledged_and_all_arrive() {
    let report = part("0.04", &["paced-cached", "paced-synced"], &[]);
    for name in ["paced-cached", "paced-synced"] {
        for of in ["medians", "floor"] {
            assert_eq!(figure(&report, name, of, "records"), 200.0);
            assert!(figure(&report, name, of, "ack_p50_ms") > 0.0);
            assert!(figure(&report, name, of, "end_to_end_p99_ms") > 0.0);
        }
    }
}

#[test]
fn starts_and_idle_memory_are_measured() {
    let report = tiny(&["start-empty", "start-1gb", "idle-1000", "binary"], &[]);
    for (name, figure_name) in
        [("start-empty", "first_ack_ms"), ("start-1gb", "first_ack_ms"), ("binary", "size_mb")]
    {
        assert!(figure(&report, name, "medians", figure_name) > 0.0);
    }
    assert_eq!(figure(&report, "idle-1000", "medians", "connections"), 1000.0);
}

#[test]
fn a_broker_that_runs_already_is_measured_too() {
    let server = Server::start();
    let pid = server.pid().to_string();
    let more = ["--bootstrap", &server.address, "--pid", &pid];
    let report = tiny(&["produce-cached-1k", "idle"], &more);
    assert_eq!(report["cases"].as_array().unwrap().len(), 1, "what needs a start of its own is left out");
    assert!(figure(&report, "produce-cached-1k", "medians", "cpu_us_per_record") > 0.0);
    assert_eq!(server.json(&["topic", "list"]), serde_json::json!([]), "nothing is left behind");
    let said = fails(run(poruka().args(["bench", "--case", "idle"]).args(more), b""), 2);
    assert!(said.contains("broker that is started here"), "{said}");
}

#[test]
fn bad_input_is_told_what_to_do() {
    let said = fails(run(poruka().args(["bench", "--case", "produce"]), b""), 2);
    assert!(said.contains("no case \"produce\"") && said.contains("--list"), "{said}");
    let said = fails(run(poruka().args(["bench", "--case", "idle", "--dir", "/no/such/folder"]), b""), 5);
    assert!(said.contains("/no/such/folder") && said.contains("--dir"), "{said}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let said = fails(run(poruka().args(["bench", "--bootstrap", &closed]), b""), 3);
    assert!(said.contains(&closed), "{said}");
    let arguments = ["bench", "--bootstrap", &closed, "--pid", "4294967294"];
    let said = fails(run(poruka().args(arguments), b""), 5);
    assert!(said.contains("4294967294") && said.contains("--pid"), "{said}");
    fails(run(poruka().args(["bench", "--runs", "0"]), b""), 2);
    fails(run(poruka().args(["bench", "--floor", "soft", "--file", "x"]), b""), 2);
}

#[test]
fn the_list_names_every_case() {
    let said = ok(run(poruka().args(["bench", "--list"]), b""));
    assert!(said.contains("paced-synced") && said.contains("start-1gb"), "{said}");
}
