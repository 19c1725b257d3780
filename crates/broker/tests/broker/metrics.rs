//! What the broker tells about itself: exactly what a workload did, in a form that a scraper reads, whoever asks.

use std::time::Duration;

use bytes::Bytes;
use poruka_broker::{METRICS_CONNECTIONS_MAX, MetricsPage};
use poruka_wire::ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::exposition::parse;
use crate::groups::commit;
use crate::harness::*;

fn number(page: &MetricsPage, name: &str, labels: &[(&str, &str)]) -> u64 {
    page.value(name, labels).unwrap_or_else(|| panic!("{name} {labels:?} is on the page")) as u64
}

/// Sends bytes as they are, and gives what comes back until the end.
async fn http(node: &Node, address: &str, request: &[u8]) -> String {
    let mut stream = node.env.connect(address).await.expect("connected");
    stream.write_all(request).await.expect("sent");
    let mut answer = String::new();
    // A peer that is cut off may see a reset instead of the end.
    let _ =
        node.env.timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.expect("an end");
    answer
}

#[test]
fn numbers_are_exactly_what_a_workload_did() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        for class in ["memory", "cached", "synced"] {
            client.create(class, 1, &[("poruka.durability", class)]).await;
        }
        let values: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut bytes = 0;
        for _ in 0..10 {
            let batch = batch(&values);
            bytes += batch.len() as u64;
            assert_eq!(client.produce("synced", -1, batch).await.error_code, ErrorCode::None);
        }
        client.produce("cached", 1, batch(&values)).await;
        assert_eq!(client.values("synced", 0).await.len(), 1000);

        let page = node.broker.metrics();
        let of = |name: &str, class: &str| number(&page, name, &[("class", class)]);
        assert_eq!(of("poruka_produced_records_total", "synced"), 1000);
        assert_eq!(of("poruka_produced_batches_total", "synced"), 10);
        assert_eq!(of("poruka_produced_bytes_total", "synced"), bytes);
        assert_eq!(of("poruka_produce_ack_seconds_count", "synced"), 10);
        assert_eq!(of("poruka_produced_records_total", "cached"), 100);
        assert_eq!(of("poruka_produce_ack_seconds_count", "cached"), 1);
        assert_eq!(of("poruka_produced_records_total", "memory"), 0);
        assert_eq!(of("poruka_fetched_records_total", "synced"), 1000);
        assert_eq!(of("poruka_fetched_bytes_total", "synced"), bytes);
        assert_eq!(of("poruka_topics", "synced"), 1);
        assert_eq!(of("poruka_log_bytes", "synced"), bytes);
        assert_eq!(of("poruka_segments", "synced"), 1);
        assert_eq!(number(&page, "poruka_requests_total", &[("api", "Produce")]), 11);
        assert_eq!(number(&page, "poruka_produce_requests_total", &[("acks", "all")]), 10);
        assert_eq!(number(&page, "poruka_produce_requests_total", &[("acks", "1")]), 1);
        assert_eq!(number(&page, "poruka_connections_open", &[]), 1);
        assert_eq!(number(&page, "poruka_storage_poisoned", &[]), 0);
        let groups = number(&page, "poruka_journal_group_entries_count", &[]);
        assert_eq!(number(&page, "poruka_journal_commit_seconds_count", &[]), groups);
        assert!(groups >= 10, "each synced produce was waited for: {groups} groups");
    });
}

#[test]
fn a_repeated_batch_is_counted_once_and_the_repeat_apart() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        let id = client.producer_id().await;
        for _ in 0..3 {
            client.produce("t", -1, batch_of((id, 0, 0), &["once", "only"])).await;
        }
        let page = node.broker.metrics();
        let of = |name: &str| number(&page, name, &[("class", "synced")]);
        assert_eq!(of("poruka_produced_records_total"), 2);
        assert_eq!(of("poruka_produced_duplicates_total"), 2);
        assert_eq!(number(&page, "poruka_producers_remembered", &[]), 1);
    });
}

#[test]
fn errors_are_counted_by_api_and_code() {
    run(async {
        let node = Node::start_with(|config| config.auto_create = false).await;
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        client.produce("absent", -1, batch(&["x"])).await;
        client.produce("absent", -1, batch(&["x"])).await;
        client.produce("t", -1, Bytes::new()).await;
        // With acks=0 an error has no answer, and is counted all the same.
        client.send(9, &produce_request("absent", 0, batch(&["x"]))).await;
        assert_eq!(client.receive_frame().await, None);
        let page = node.broker.metrics();
        let of =
            |code: &str| number(&page, "poruka_request_errors_total", &[("api", "Produce"), ("code", code)]);
        assert_eq!(of("UNKNOWN_TOPIC_OR_PARTITION"), 3);
        assert_eq!(of("INVALID_RECORD"), 1);
        let created = page.value("poruka_request_errors_total", &[("api", "CreateTopics"), ("code", "NONE")]);
        assert_eq!(created, None, "no error is none");
        // The client may see the end of its connection a moment before the broker has counted it.
        let refused =
            || number(&node.broker.metrics(), "poruka_connections_closed_total", &[("reason", "refused")]);
        for _ in 0..500 {
            if refused() > 0 {
                break;
            }
            node.env.sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(refused(), 1);
    });
}

#[test]
fn what_memory_topics_give_up_is_counted_record_by_record() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("m", 1, &[("poruka.durability", "memory"), ("retention.bytes", "10000")]).await;
        for n in 0..50 {
            client.produce("m", -1, batch(&[&format!("{n}"), &"x".repeat(1000)])).await;
        }
        let start = client.list_offset("m", -2).await.offset as u64;
        let page = node.broker.metrics();
        assert!(start > 0 && start < 100, "{start}");
        assert_eq!(number(&page, "poruka_memory_dropped_records_total", &[]), start);
        let produced = number(&page, "poruka_produced_bytes_total", &[("class", "memory")]);
        let kept = number(&page, "poruka_memory_bytes", &[("use", "topics")]);
        assert_eq!(number(&page, "poruka_memory_dropped_bytes_total", &[]), produced - kept);
        assert!(kept <= 10_000);
    });
}

#[test]
fn the_page_is_read_by_a_strict_parser_and_lists_everything() {
    run(async {
        let node = Node::start().await;
        let address = node.broker.serve_metrics("127.0.0.1:0").await.expect("listening").to_string();
        let mut client = node.connect().await;
        client.create("t", 2, &[]).await;
        client.produce("t", -1, batch(&["x"])).await;
        commit(&mut client, "t", 1).await;
        commit(&mut client, "absent", 1).await;
        let answer = http(&node, &address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        let samples = parse(body);
        assert_eq!(samples["poruka_produced_records_total{class=\"synced\"}"], 1.0);
        assert_eq!(samples["poruka_partitions{class=\"synced\"}"], 2.0);
        assert_eq!(samples["poruka_committed_offsets"], 1.0);
        assert_eq!(samples["poruka_groups{protocol=\"classic\",state=\"Empty\"}"], 1.0);
        let unknown = "poruka_request_errors_total{api=\"OffsetCommit\",code=\"UNKNOWN_TOPIC_OR_PARTITION\"}";
        assert_eq!(samples[unknown], 1.0);
        // Every family of the documented table is on the page of a broker that did all of this.
        for line in include_str!("../../../../docs/metrics.md").lines() {
            let Some(name) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) else { continue };
            assert!(body.contains(&format!("\n# TYPE {} ", name.0)), "{} is shown", name.0);
        }
    });
}

#[test]
fn hostile_http_costs_its_own_connection() {
    run(async {
        let node = Node::start().await;
        let address = node.broker.serve_metrics("127.0.0.1:0").await.expect("listening").to_string();
        for (request, wanted) in [
            (&b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"[..], "HTTP/1.1 405 "),
            (b"GET /secret HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
            (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 "),
            (b"\0\0\0\x10\0\x12\0\x03\0\0\0\x01\xff\xff\0\0\n\n", "HTTP/1.1 400 "),
        ] {
            let answer = http(&node, &address, request).await;
            assert!(answer.starts_with(wanted), "{answer}");
        }
        let long = [b"GET /metrics HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; 100_000]].concat();
        let answer = http(&node, &address, &long).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
        // Some say nothing at all: they hold their places, and one more is closed at once.
        let mut silent = Vec::new();
        for _ in 0..METRICS_CONNECTIONS_MAX {
            silent.push(node.env.connect(&address).await.expect("connected"));
        }
        let answer = http(&node, &address, b"GET /metrics HTTP/1.1\r\n\r\n").await;
        assert_eq!(answer, "");
        // Kafka clients do not notice, and when the time of the silent ones is over there is room again.
        let mut client = node.connect().await;
        client.create("t", 1, &[]).await;
        drop(silent);
        for _ in 0..500 {
            if http(&node, &address, b"GET /metrics HTTP/1.1\r\n\r\n").await.contains("poruka_topics") {
                return;
            }
            node.env.sleep(Duration::from_millis(10)).await;
        }
        panic!("no room came back");
    });
}
