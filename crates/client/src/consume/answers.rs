//! What the answer to a fetch does to the reading. Pure; the other half of `machine.rs`.

use bytes::Bytes;
use poruka_env::Mono;
use poruka_wire::ErrorCode;
use poruka_wire::api::{FetchPartitionData, FetchResponse};

use super::decode::{Decoded, decode_first, whole_batches};
use super::event::{Event, Records};
use super::machine::{FetchPart, FetchPlan, Reader};
use super::slot::{Chunk, Position};
use crate::produce::TopicPartition;

/// Batches skipped in one go while looking for records (control batches, batches before the position).
const SKIPPED_BATCHES_MAX: usize = 10_000;

impl Reader {
    /// Takes in how a fetch ended; `None` when there was no answer.
    pub(crate) fn answered(
        &mut self,
        now: Mono,
        plan: &FetchPlan,
        answer: Option<&FetchResponse>,
        random: u64,
    ) {
        self.free(plan.node);
        let answer = answer.filter(|answer| answer.error_code.is_none());
        for part in &plan.parts {
            let current = self.slots.get(&part.at).is_some_and(|slot| slot.generation == part.generation);
            if !current {
                continue;
            }
            let found = answer.and_then(|answer| {
                let topic = answer.responses.iter().find(|topic| topic.topic_id == part.topic_id)?;
                topic.partitions.iter().find(|data| data.partition_index == part.at.partition)
            });
            match found {
                Some(data) => self.take_in(now, plan, part, data, random),
                // A partition that the answer leaves out has nothing new, unless there was no answer at all.
                None if answer.is_some() => {}
                None => self.wait(now, &part.at, random, true),
            }
        }
    }

    fn take_in(
        &mut self,
        now: Mono,
        plan: &FetchPlan,
        part: &FetchPart,
        data: &FetchPartitionData,
        random: u64,
    ) {
        match data.error_code {
            ErrorCode::None if data.diverging_epoch.end_offset >= 0 => self.truncated(part, data),
            ErrorCode::None => {
                let records = data.records.clone().unwrap_or_default();
                self.buffer(plan, part, records, data.high_watermark);
            }
            ErrorCode::OffsetOutOfRange => {
                let position = self.slots.get(&part.at).map(|slot| slot.position);
                // What is buffered is still handed out; the position is judged once it is empty.
                match position {
                    Some(Position::At(offset)) if offset == part.offset => {
                        self.apply_reset(&part.at, Some(offset), true);
                    }
                    _ => self.wait(now, &part.at, random, true),
                }
            }
            code if is_about_the_leader(code) => self.wait(now, &part.at, random, true),
            code if code.is_retriable() || code == ErrorCode::UnknownServerError => {
                self.wait(now, &part.at, random, true);
            }
            code => self.fail(&part.at, part.offset, format!("{code}: {}", code.meaning())),
        }
    }

    fn truncated(&mut self, part: &FetchPart, data: &FetchPartitionData) {
        let to = data.diverging_epoch.end_offset;
        let Some(slot) = self.slots.get(&part.at) else { return };
        let from = if let Position::At(offset) = slot.position { offset } else { part.offset };
        let to = to.min(from);
        self.seek(&part.at, Position::At(to));
        self.events.push_back(Event::Truncated { at: part.at.clone(), from, to });
    }

    fn buffer(&mut self, plan: &FetchPlan, part: &FetchPart, records: Bytes, high_watermark: i64) {
        let Some(slot) = self.slots.get_mut(&part.at) else { return };
        slot.failures = 0;
        if records.is_empty() {
            return;
        }
        match whole_batches(&records) {
            Ok(Some(found)) => {
                if found.next_offset <= slot.fetch_at {
                    return;
                }
                let kept = records.slice(..found.bytes);
                slot.fetch_at = found.next_offset;
                slot.last_epoch = found.last_epoch;
                slot.buffered += kept.len();
                self.buffered += kept.len();
                slot.chunks.push_back(Chunk { records: kept, high_watermark });
                if !self.ready.contains(&part.at) {
                    self.ready.push_back(part.at.clone());
                }
            }
            // A cut batch only: it comes whole when this partition stands first.
            Ok(None) if plan.parts.first() != Some(part) => {}
            Ok(None) => {
                let why = "the broker sends less than one whole batch; raise the size of a fetch".to_owned();
                self.fail(&part.at.clone(), part.offset, why);
            }
            Err(why) => self.fail(&part.at.clone(), part.offset, why),
        }
    }

    /// Leaves a partition alone for a while.
    fn wait(&mut self, now: Mono, at: &TopicPartition, random: u64, refresh: bool) {
        let backoff = self.config.backoff;
        if let Some(slot) = self.slots.get_mut(at) {
            slot.failures = slot.failures.saturating_add(1);
            slot.not_before = now + backoff.wait(slot.failures, random);
        }
        if refresh {
            self.refresh.insert(at.topic.clone());
        }
    }

    fn fail(&mut self, at: &TopicPartition, offset: i64, why: String) {
        self.seek(at, Position::Stopped);
        self.events.push_back(Event::Failed { at: at.clone(), offset, why });
    }

    /// The next thing to tell the application, if there is something.
    pub(crate) fn next(&mut self) -> Option<Event> {
        for _ in 0..SKIPPED_BATCHES_MAX {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let at =
                self.ready.iter().find(|at| self.slots.get(at).is_some_and(|slot| !slot.paused)).cloned()?;
            if let Some(records) = self.take_batch(&at) {
                return Some(Event::Records(records));
            }
        }
        None
    }

    /// Takes the first buffered batch of a partition and moves the position behind it. `None` when there is nothing in it
    /// to hand out, or when it cannot be read (then an event says so).
    fn take_batch(&mut self, at: &TopicPartition) -> Option<Records> {
        let slot = self.slots.get_mut(at)?;
        let Position::At(position) = slot.position else {
            self.ready.retain(|ready| ready != at);
            return None;
        };
        let Some(chunk) = slot.chunks.front_mut() else {
            self.ready.retain(|ready| ready != at);
            return None;
        };
        let high_watermark = chunk.high_watermark;
        let Decoded { bytes, next_offset, leader_epoch, records } =
            match decode_first(&chunk.records, position) {
                Ok(decoded) => decoded,
                Err(why) => {
                    self.fail(at, position, why);
                    return None;
                }
            };
        let _ = chunk.records.split_to(bytes);
        if chunk.records.is_empty() {
            slot.chunks.pop_front();
        }
        slot.buffered -= bytes;
        self.buffered -= bytes;
        slot.position = Position::At(next_offset.max(position));
        let topic_id = slot.topic_id;
        // To the back, so that one busy partition does not starve the others.
        self.ready.retain(|ready| ready != at);
        if !slot.chunks.is_empty() {
            self.ready.push_back(at.clone());
        }
        let next_offset = next_offset.max(position);
        (!records.is_empty()).then(|| Records {
            at: at.clone(),
            topic_id,
            leader_epoch,
            records,
            next_offset,
            high_watermark,
        })
    }
}

fn is_about_the_leader(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
            | ErrorCode::KafkaStorageError
            | ErrorCode::OffsetNotAvailable
    )
}
