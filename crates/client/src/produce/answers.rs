//! What the answer to a produce request does to the producer's state. Pure; the other half of `machine.rs`.

use poruka_env::Mono;

use super::batch::{Batch, TopicPartition};
use super::machine::Machine;
use super::outcome::{Acked, Cause, Outcome};
use super::verdict::{Next, Verdict, verdict};

/// How one request ended.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Answered, partition by partition.
    Parts(Vec<PartAnswer>),
    /// Written whole; no answer was asked for.
    Written,
    /// Provably never processed: it was not written.
    NotSent,
    /// May have been processed: the connection broke or the answer did not come in time.
    Lost,
}

/// What the broker says about one partition of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartAnswer {
    pub(crate) at: Option<TopicPartition>,
    pub(crate) code: i16,
    pub(crate) base_offset: i64,
    pub(crate) append_time_ms: i64,
    pub(crate) message: Option<String>,
}

impl<K> Machine<K> {
    /// Takes in how a request ended. `random` spreads the back-off.
    pub(crate) fn answered(&mut self, now: Mono, flight: u64, answer: &Answer, random: u64) {
        let Some((_, carried)) = self.flights.remove(&flight) else { return };
        for (queue, id) in carried {
            let Some(place) = self.queues[queue].flying.iter().position(|batch| batch.id == id) else {
                continue;
            };
            let Some(batch) = self.queues[queue].flying.remove(place) else { continue };
            self.judge(queue, batch, answer);
            self.settle(now, queue, random);
        }
    }

    /// One batch of a request cannot be encoded: it ends, and the rest of the request goes on without it.
    pub(crate) fn unencodable(&mut self, now: Mono, flight: u64, at: &TopicPartition, why: &str) {
        let Some((_, carried)) = self.flights.get_mut(&flight) else { return };
        let queues = &self.queues;
        let Some(place) = carried.iter().position(|(queue, _)| queues[*queue].at == *at) else { return };
        let (queue, id) = carried.remove(place);
        let Some(place) = self.queues[queue].flying.iter().position(|batch| batch.id == id) else { return };
        let Some(mut batch) = self.queues[queue].flying.remove(place) else { return };
        batch.attempts.unencodable(why);
        self.try_again(queue, batch, Next::Stop);
        self.settle(now, queue, 0);
    }

    fn judge(&mut self, queue: usize, mut batch: Batch<K>, answer: &Answer) {
        let at = &self.queues[queue].at;
        match answer {
            Answer::Written => {
                let partition = at.partition;
                self.tell(&mut batch, |_| Outcome::Sent { partition });
            }
            Answer::NotSent => {
                batch.attempts.not_sent();
                self.try_again(queue, batch, Next::Refresh);
            }
            Answer::Lost => {
                batch.attempts.ambiguous(Cause::Lost, None);
                self.try_again(queue, batch, Next::Refresh);
            }
            Answer::Parts(parts) => match parts.iter().find(|part| part.at.as_ref() == Some(at)) {
                Some(part) => self.judge_part(queue, batch, part),
                // The broker answered, but not about this partition: nothing is proven.
                None => {
                    batch.attempts.ambiguous(Cause::Lost, None);
                    self.try_again(queue, batch, Next::Refresh);
                }
            },
        }
    }

    fn judge_part(&mut self, queue: usize, mut batch: Batch<K>, part: &PartAnswer) {
        let cause = Cause::Code(part.code);
        match verdict(part.code) {
            Verdict::Acked => self.acked(queue, batch, Some(part)),
            Verdict::AckedBefore => self.acked(queue, batch, None),
            Verdict::Refused(next) => {
                batch.attempts.refused(cause, part.message.clone());
                self.try_again(queue, batch, next);
            }
            Verdict::Ambiguous(next) => {
                batch.attempts.ambiguous(cause, part.message.clone());
                self.try_again(queue, batch, next);
            }
            Verdict::OutOfOrder => {
                batch.attempts.refused(cause, part.message.clone());
                self.out_of_order(queue, batch);
            }
            Verdict::ProducerGone => {
                batch.attempts.refused(cause, part.message.clone());
                self.stamps.break_sequence(true);
                self.try_again(queue, batch, Next::Stop);
            }
        }
    }

    fn acked(&mut self, queue: usize, mut batch: Batch<K>, part: Option<&PartAnswer>) {
        let queue = &mut self.queues[queue];
        queue.failures = 0;
        queue.anchored = true;
        let partition = queue.at.partition;
        let records = std::sync::Arc::clone(&batch.records);
        self.tell(&mut batch, |at| {
            let own = records.get(at).and_then(|record| record.timestamp_ms).unwrap_or(-1);
            let append_time = part.map_or(-1, |part| part.append_time_ms);
            let offset = part.filter(|part| part.base_offset >= 0);
            Outcome::Acked(Acked {
                partition,
                offset: offset.map(|part| part.base_offset + i64::try_from(at).unwrap_or(0)),
                timestamp_ms: if append_time >= 0 { append_time } else { own },
            })
        });
    }

    /// The broker misses what comes before this batch. If an earlier one of ours is still on its way, this one waits for
    /// it. If an earlier one ended without an ack, the hole is ours, and a batch that is provably not appended is stamped
    /// anew. Otherwise the broker has lost something, and the rule decides.
    fn out_of_order(&mut self, queue: usize, batch: Batch<K>) {
        if batch.stamp.is_none() {
            return self.try_again(queue, batch, Next::Stop);
        }
        if self.queues[queue].has_earlier_unresolved(batch.id) {
            return self.try_again(queue, batch, Next::Retry);
        }
        if self.queues[queue].own_hole && !batch.attempts.is_unknown() {
            self.stamps.break_sequence(false);
            return self.try_again(queue, batch, Next::Retry);
        }
        self.try_again(queue, batch, Next::Stop);
    }

    /// Keeps the batch for another attempt, or ends it.
    fn try_again(&mut self, queue: usize, mut batch: Batch<K>, next: Next) {
        if next == Next::Refresh {
            self.refresh.insert(self.queues[queue].at.topic.clone());
        }
        let again = next != Next::Stop && !self.settings.mode.is_single() && !batch.is_told();
        if again {
            self.queues[queue].give_back(batch);
            return;
        }
        if batch.stamp.is_some() {
            self.queues[queue].own_hole = true;
            self.stamps.break_sequence(false);
        }
        let outcome = batch.attempts.end_by_last();
        self.tell(&mut batch, |_| outcome.clone());
    }

    /// When the last batch in flight of a partition is answered and some must be tried again: they go first, after a
    /// back-off.
    fn settle(&mut self, now: Mono, queue: usize, random: u64) {
        let queue = &mut self.queues[queue];
        if queue.settle() {
            queue.failures = queue.failures.saturating_add(1);
            queue.not_before = now + self.settings.backoff.wait(queue.failures, random);
        }
    }
}
