//! The table of everything that is shown: names, kinds, labels and what they mean. What is not in it cannot be shown,
//! and docs/metrics.md is made from it.
//!
//! Names follow Prometheus' conventions: base units (seconds, bytes), `_total` for what only grows.

/// How a family's numbers behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, from 0 at each start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One row: a family of numbers with the same name.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

const fn row(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind, labels, help }
}

use Kind::{Counter, Gauge, Histogram};

/// Every family, in the order in which they are shown.
#[rustfmt::skip]
pub(super) const FAMILIES: &[Family] = &[
    row("poruka_build_info", Gauge, &["version"], "Always 1; the version that runs."),
    row("poruka_requests_total", Counter, &["api"], "Requests that were understood, by API."),
    row("poruka_request_errors_total", Counter, &["api", "code"], "Error codes told in responses, each partition, topic or group for itself."),
    row("poruka_produce_requests_total", Counter, &["acks"], "Produce requests by the acks that they ask for; those with 0 get no answer."),
    row("poruka_produced_batches_total", Counter, &["class"], "Batches appended, by the durability of their topic."),
    row("poruka_produced_records_total", Counter, &["class"], "Records appended."),
    row("poruka_produced_bytes_total", Counter, &["class"], "Bytes of the batches appended, as they were sent."),
    row("poruka_produced_duplicates_total", Counter, &["class"], "Batches of idempotent producers that had been appended before, and were not appended again."),
    row("poruka_produce_ack_seconds", Histogram, &["class"], "From the arrival of a produce request to its answer: what the durability of the topic costs."),
    row("poruka_fetched_batches_total", Counter, &["class"], "Batches given to readers."),
    row("poruka_fetched_records_total", Counter, &["class"], "Records in the batches given to readers."),
    row("poruka_fetched_bytes_total", Counter, &["class"], "Bytes of the batches given to readers."),
    row("poruka_fetch_wait_seconds", Histogram, &[], "How long fetches waited for records, or for their time to be over."),
    row("poruka_memory_dropped_records_total", Counter, &[], "Oldest records that topics in memory gave up for new ones."),
    row("poruka_memory_dropped_bytes_total", Counter, &[], "Bytes of the batches that held them."),
    row("poruka_journal_group_entries", Histogram, &[], "Entries of each group commit: appends that shared one sync."),
    row("poruka_journal_group_bytes", Histogram, &[], "Bytes of each group commit."),
    row("poruka_journal_commit_seconds", Histogram, &[], "Writing and syncing one group."),
    row("poruka_journal_backlog_bytes", Gauge, &[], "Bytes that were appended and are not on the disk yet."),
    row("poruka_journal_lap", Gauge, &[], "How often the ring of journal files was begun, over the life of the data folder."),
    row("poruka_journal_laps_unproven", Gauge, &[], "Journal files begun since the last checkpoint: read again after a crash."),
    row("poruka_checkpoint_seconds", Histogram, &[], "Making a checkpoint."),
    row("poruka_checkpoints_failed_total", Counter, &[], "Checkpoints that could not be made."),
    row("poruka_storage_poisoned", Gauge, &[], "1 after a failed sync: nothing is acknowledged until a restart."),
    row("poruka_connections_open", Gauge, &[], "Connections being served."),
    row("poruka_connections_accepted_total", Counter, &[], "Connections that arrived and were served."),
    row("poruka_connections_refused_total", Counter, &[], "Connections closed as they arrived: there were too many."),
    row("poruka_connections_closed_total", Counter, &["reason"], "Connections that ended. bad_frame, not_kafka and refused are rejected input."),
    row("poruka_memory_bytes", Gauge, &["use"], "Memory that grows with use: connections (frames, requests, answers), tails (newest records of topics on disk), topics (all records of topics in memory), journal (not on the disk yet)."),
    row("poruka_producers_remembered", Gauge, &[], "Idempotent producers remembered, summed over partitions."),
    row("poruka_state_log_bytes", Gauge, &["log"], "Size of the broker's own logs: topics and settings, groups and offsets."),
    row("poruka_topics", Gauge, &["class"], "Topics."),
    row("poruka_partitions", Gauge, &["class"], "Partitions."),
    row("poruka_segments", Gauge, &["class"], "Segments on disk."),
    row("poruka_log_bytes", Gauge, &["class"], "Bytes of records kept."),
    row("poruka_groups", Gauge, &["protocol", "state"], "Groups by protocol and state."),
    row("poruka_group_members", Gauge, &["protocol"], "Members of all groups."),
    row("poruka_committed_offsets", Gauge, &[], "Offsets kept for groups, one for each group and partition."),
    row("poruka_offsets_expired_total", Counter, &[], "Committed offsets forgotten because nobody had used them for long enough."),
    row("process_resident_memory_bytes", Gauge, &[], "Memory of this process in RAM."),
    row("process_cpu_seconds_total", Counter, &[], "Processor time of this process."),
    row("process_start_time_seconds", Gauge, &[], "When this process started, in seconds since 1970-01-01 UTC."),
    row("process_open_fds", Gauge, &[], "Open file descriptors."),
    row("process_max_fds", Gauge, &[], "The most file descriptors that may be open."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;

    use super::*;

    const PAGE: &str = include_str!("../../../../docs/metrics.md");

    fn page() -> String {
        let mut page = String::from(HEAD);
        for family in FAMILIES {
            let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind, help) = (family.name, family.kind.name(), family.help);
            writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).expect("a string");
        }
        page
    }

    const HEAD: &str = "\
# Metrics

`poruka serve --metrics 127.0.0.1:9187` answers `GET /metrics` with the numbers below, in the text format that Prometheus
reads. There is no authentication: keep the address on this machine or on a network that you trust. Inside a process,
`Broker::metrics()` gives the same page, and single numbers of it.

Counters begin at 0 with each start. Labels are bounded: no topic, group or client is ever one. `class` is the durability of
the topic: `memory`, `cached`, `synced`. How far a group lags is not computed here: `poruka group describe` asks for it.

What to watch: `poruka_storage_poisoned` must be 0. `poruka_journal_commit_seconds` is what the disk needs for one sync, and
`poruka_produce_ack_seconds` what producers wait for. `poruka_memory_dropped_records_total` are records that readers of a
topic in memory came too late for. `poruka_connections_closed_total{reason=\"bad_frame\"}` is somebody who does not speak Kafka.

| name | kind | labels | meaning |
|---|---|---|---|
";

    /// To write the page anew: `PORUKA_WRITE_DOCS=1 cargo test -p poruka-broker the_page_lists`.
    #[test]
    fn the_page_lists_every_family() {
        if std::env::var_os("PORUKA_WRITE_DOCS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
            std::fs::write(path, page()).expect("written");
            return;
        }
        assert!(PAGE == page(), "docs/metrics.md is not what the table makes; see this test");
    }

    #[test]
    fn names_follow_the_conventions() {
        let names: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len(), "no name twice");
        for Family { name, kind, labels, help } in FAMILIES {
            let allowed = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.chars().all(allowed) && labels.iter().all(|l| l.chars().all(allowed)), "{name}");
            assert!(name.starts_with("poruka_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\', '|']), "{name}");
        }
    }
}
