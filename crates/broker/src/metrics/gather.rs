//! Reads what is counted, and what can be looked up, when somebody asks.
//!
//! Looking up sizes takes each partition's lock for a moment, one after the other; at the most partitions that a node
//! takes this is a few milliseconds of one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use poruka_guarantee::Durability;
use poruka_log::PartitionFigures;
use poruka_wire::{ApiKey, ErrorCode};

use super::{ACKS, CLOSE_REASONS, Flow, Metrics, MetricsPage};
use crate::connection::Held;
use crate::server::Server;

/// Microseconds per second.
const SECONDS: f64 = 1e6;

/// Everything that a page is made from.
#[derive(Clone)]
pub(crate) struct Gathering {
    pub(crate) server: Arc<Server>,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) held: Held,
}

impl Gathering {
    pub(crate) fn page(&self) -> MetricsPage {
        let mut page = MetricsPage::default();
        page.add("poruka_build_info", &[env!("CARGO_PKG_VERSION")], 1.0);
        let metrics = &self.server.metrics;
        requests(&mut page, metrics);
        classes(&mut page, metrics);
        self.journal(&mut page);
        self.connections(&mut page, metrics);
        self.logs(&mut page);
        self.groups(&mut page);
        self.process(&mut page);
        page
    }

    fn journal(&self, page: &mut MetricsPage) {
        let (stats, journal) = (self.server.engine.stats(), self.server.engine.journal());
        let dropped = &stats.memory_records_dropped;
        page.add("poruka_memory_dropped_records_total", &[], dropped.get() as f64);
        page.add("poruka_memory_dropped_bytes_total", &[], stats.memory_bytes_dropped.get() as f64);
        page.add_histogram("poruka_journal_group_entries", &[], &stats.group_entries, 1.0);
        page.add_histogram("poruka_journal_group_bytes", &[], &stats.group_bytes, 1.0);
        page.add_histogram("poruka_journal_commit_seconds", &[], &stats.group_micros, SECONDS);
        page.add("poruka_journal_backlog_bytes", &[], journal.backlog_bytes as f64);
        page.add("poruka_journal_lap", &[], journal.lap as f64);
        page.add("poruka_journal_laps_unproven", &[], journal.laps_since_checkpoint as f64);
        page.add_histogram("poruka_checkpoint_seconds", &[], &stats.checkpoint_micros, SECONDS);
        page.add("poruka_checkpoints_failed_total", &[], stats.checkpoints_failed.get() as f64);
        page.add("poruka_storage_poisoned", &[], f64::from(u8::from(journal.poisoned)));
        page.add("poruka_memory_bytes", &["journal"], journal.backlog_bytes as f64);
    }

    fn connections(&self, page: &mut MetricsPage, metrics: &Metrics) {
        let open = self.connections.load(Ordering::Relaxed);
        page.add("poruka_connections_open", &[], open as f64);
        page.add("poruka_connections_accepted_total", &[], metrics.accepted.get() as f64);
        page.add("poruka_connections_refused_total", &[], metrics.refused.get() as f64);
        for (reason, counter) in CLOSE_REASONS.iter().zip(&metrics.closed) {
            page.add("poruka_connections_closed_total", &[reason], counter.get() as f64);
        }
        page.add("poruka_memory_bytes", &["connections"], self.held.bytes() as f64);
    }

    fn logs(&self, page: &mut MetricsPage) {
        let mut sums = [(0usize, 0usize, PartitionFigures::default()); 3];
        let mut producers = 0;
        let topics: Vec<_> = self.server.catalog().topics().cloned().collect();
        for topic in topics {
            let (count, partitions, sum) = &mut sums[super::index(topic.class)];
            *count += 1;
            *partitions += topic.partitions.len();
            for log in &topic.partitions {
                let one = log.figures();
                sum.bytes += one.bytes;
                sum.segments += one.segments;
                sum.memory_bytes += one.memory_bytes;
                producers += one.producers;
            }
        }
        page.add("poruka_producers_remembered", &[], producers as f64);
        let state = self.server.state_logs();
        let mut tails = 0;
        for (name, figures) in &state {
            tails += figures.memory_bytes;
            page.add("poruka_state_log_bytes", &[name], figures.bytes as f64);
        }
        for (class, (count, partitions, sum)) in Durability::ALL.iter().zip(&sums) {
            let class_name = class.as_str();
            page.add("poruka_topics", &[class_name], *count as f64);
            page.add("poruka_partitions", &[class_name], *partitions as f64);
            page.add("poruka_segments", &[class_name], sum.segments as f64);
            page.add("poruka_log_bytes", &[class_name], sum.bytes as f64);
            match class {
                Durability::Memory => page.add("poruka_memory_bytes", &["topics"], sum.memory_bytes as f64),
                Durability::Cached | Durability::Synced => tails += sum.memory_bytes,
            }
        }
        page.add("poruka_memory_bytes", &["tails"], tails as f64);
    }

    fn groups(&self, page: &mut MetricsPage) {
        let figures = self.server.groups.figures();
        for ((protocol, state), count) in &figures.groups {
            page.add("poruka_groups", &[protocol, state], *count as f64);
        }
        for (protocol, members) in &figures.members {
            page.add("poruka_group_members", &[protocol], *members as f64);
        }
        page.add("poruka_committed_offsets", &[], figures.offsets as f64);
        page.add("poruka_offsets_expired_total", &[], figures.offsets_expired as f64);
    }

    fn process(&self, page: &mut MetricsPage) {
        let Some(process) = self.server.env.process() else { return };
        page.add("process_resident_memory_bytes", &[], process.resident_bytes as f64);
        page.add("process_cpu_seconds_total", &[], process.cpu_seconds);
        page.add("process_start_time_seconds", &[], process.start_seconds);
        page.add("process_open_fds", &[], process.open_fds as f64);
        page.add("process_max_fds", &[], process.max_fds as f64);
    }
}

fn requests(page: &mut MetricsPage, metrics: &Metrics) {
    for api in ApiKey::ALL.iter().filter(|api| crate::api::is_spoken(**api)) {
        let Some(counts) = metrics.api(*api) else { continue };
        page.add("poruka_requests_total", &[api.name()], counts.requests.get() as f64);
        for (slot, counter) in (-1i16..).zip(counts.errors.get().into_iter().flatten()) {
            if counter.get() > 0 {
                let code = ErrorCode::from_code(slot).name();
                page.add("poruka_request_errors_total", &[api.name(), code], counter.get() as f64);
            }
        }
    }
    for (acks, counter) in ACKS.iter().zip(&metrics.acks) {
        page.add("poruka_produce_requests_total", &[acks], counter.get() as f64);
    }
}

fn classes(page: &mut MetricsPage, metrics: &Metrics) {
    let mut flow = |names: [&str; 3], class: &str, flow: &Flow| {
        let numbers = [&flow.batches, &flow.records, &flow.bytes];
        for (name, counter) in names.iter().zip(numbers) {
            page.add(name, &[class], counter.get() as f64);
        }
    };
    const PRODUCED: [&str; 3] =
        ["poruka_produced_batches_total", "poruka_produced_records_total", "poruka_produced_bytes_total"];
    const FETCHED: [&str; 3] =
        ["poruka_fetched_batches_total", "poruka_fetched_records_total", "poruka_fetched_bytes_total"];
    for (class, counts) in Durability::ALL.iter().zip(&metrics.classes) {
        flow(PRODUCED, class.as_str(), &counts.produced);
        flow(FETCHED, class.as_str(), &counts.fetched);
    }
    for (class, counts) in Durability::ALL.iter().zip(&metrics.classes) {
        let class = class.as_str();
        page.add("poruka_produced_duplicates_total", &[class], counts.duplicates.get() as f64);
        page.add_histogram("poruka_produce_ack_seconds", &[class], &counts.ack, SECONDS);
    }
    page.add_histogram("poruka_fetch_wait_seconds", &[], &metrics.fetch_wait, SECONDS);
}
