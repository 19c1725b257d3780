//! A history, indexed by record: what is known of each one, gathered in one pass.

use poruka_guarantee::Durability::{Cached, Memory};

use crate::check::Successes;
use crate::history::{Entry, History, LogRead, Outcome, PartitionRead};
use crate::input::Workload;
use crate::payload::{Phase, Truth, key_hash};

/// Where one record was seen. A place is (partition, offset) of the first sighting.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sightings {
    pub(crate) live: u32,
    pub(crate) live_place: Option<(i32, i64)>,
    pub(crate) after: u32,
    pub(crate) handled: u32,
    pub(crate) first_handled_us: Option<u64>,
}

pub(crate) struct View<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) history: &'a History,
    /// By record index.
    pub(crate) sightings: Vec<Sightings>,
    /// Hash of each key, by key index.
    key_hashes: Vec<u64>,
}

impl<'a> View<'a> {
    pub(crate) fn new(workload: &'a Workload, history: &'a History) -> View<'a> {
        let key_hashes = workload.keys.iter().map(|key| key_hash(Some(key))).collect();
        let sightings = vec![Sightings::default(); workload.records.len()];
        let mut view = View { workload, history, sightings, key_hashes };
        view.gather();
        view
    }

    fn gather(&mut self) {
        let history = self.history;
        for (partition, entry) in entries(&history.live) {
            if let Some(index) = self.genuine(entry.truth) {
                let sightings = &mut self.sightings[index];
                sightings.live += 1;
                sightings.live_place.get_or_insert((partition, entry.offset));
            }
        }
        for (_, entry) in entries(&history.after) {
            if let Some(index) = self.genuine(entry.truth) {
                self.sightings[index].after += 1;
            }
        }
        for delivery in &history.deliveries {
            if let Some(index) = self.genuine(delivery.truth) {
                let sightings = &mut self.sightings[index];
                sightings.handled += 1;
                sightings.first_handled_us.get_or_insert(delivery.at_us);
            }
        }
    }

    /// The record's index when the payload says what the workload says; `None` for a phantom.
    pub(crate) fn genuine(&self, truth: Option<Truth>) -> Option<usize> {
        let truth = truth?;
        let index = truth.index as usize;
        let record = self.workload.records.get(index)?;
        let hash = record.key.map_or(0, |key| self.key_hashes[key as usize]);
        (truth.key_hash == hash && truth.key_seq == record.key_seq).then_some(index)
    }

    pub(crate) fn outcome(&self, index: usize) -> Outcome {
        self.history.sends.get(index).map_or(Outcome::NotSent, |send| send.outcome)
    }

    /// When the outcome of the record's send was known.
    pub(crate) fn sent_us(&self, index: usize) -> u64 {
        self.history.sends.get(index).map_or(0, |send| send.ended_us)
    }

    /// From when on somebody relies on the record.
    pub(crate) fn established_us(&self, index: usize) -> Option<u64> {
        let acked = matches!(self.outcome(index), Outcome::Acked { .. }).then(|| self.sent_us(index));
        [acked, self.sightings[index].first_handled_us].into_iter().flatten().min()
    }

    /// Whether the broker was ended, with work in flight, after the send of this record began. Not after its outcome was
    /// known: an answer may be on its way while the broker that gave it is ended.
    pub(crate) fn ended_since(&self, index: usize) -> bool {
        let began_us = self.history.sends.get(index).map_or(0, |send| send.began_us);
        self.history.ends.last().is_some_and(|end| end.at_us >= began_us)
    }

    /// Whether the topic's storage forgets at this phase's kind of ending.
    pub(crate) fn storage_forgets(&self) -> bool {
        match (self.history.durability, self.history.stamp.phase) {
            (Memory, _) | (Cached, Phase::Power) => true,
            (_, Phase::Kill | Phase::Power) => false,
        }
    }

    /// Whether one offset means one record for the whole phase: a memory log starts anew after each ending.
    pub(crate) fn offsets_are_stable(&self) -> bool {
        self.history.durability != Memory
    }

    pub(crate) fn committed(&self, partition: i32) -> i64 {
        let of = |read: &&PartitionRead| read.partition == partition;
        self.history.live.partitions.iter().find(of).map_or(0, |read| read.committed)
    }

    pub(crate) fn successes(&self) -> Successes {
        let mut successes = Successes::default();
        for send in &self.history.sends {
            successes.sent += u64::from(send.outcome != Outcome::NotSent);
            successes.acked += u64::from(matches!(send.outcome, Outcome::Acked { .. }));
            successes.unknown += u64::from(send.outcome == Outcome::Unknown);
            successes.refused += u64::from(send.outcome == Outcome::NotAppended);
        }
        for sightings in &self.sightings {
            successes.handled += u64::from(sightings.handled > 0);
            successes.in_log += u64::from(sightings.live > 0);
        }
        successes
    }
}

/// Every record of a read, with its partition.
pub(crate) fn entries(read: &LogRead) -> impl Iterator<Item = (i32, Entry)> {
    read.partitions.iter().flat_map(|read| read.entries.iter().map(|entry| (read.partition, *entry)))
}
