//! A consumer's reading as a state machine: partitions in, fetches out, answers in, records and events out. Pure.
//!
//! Fault model: leaders move, brokers restart, answers get lost (then the same is asked again: reading has no side effects),
//! topics are made anew, logs are cut back or expire under our position. A position only moves forward by records handed
//! out or skipped control batches, or by an event that says why it jumped.
//! One fetch is in flight per node; what is buffered is bounded per partition and in all.
//! Not here: sockets (`driver.rs`), what an answer does (`answers.rs`), decoding (`decode.rs`), groups (`member.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use poruka_env::Mono;
use poruka_wire::{Str, Uuid};

use super::config::{ConsumerConfig, Reset, Start};
use super::event::Event;
use super::slot::{Position, Slot};
use crate::cluster::TopicInfo;
use crate::produce::TopicPartition;

/// One partition of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchPart {
    pub(crate) at: TopicPartition,
    pub(crate) topic_id: Uuid,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) last_epoch: i32,
    pub(crate) generation: u64,
}

/// A fetch to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchPlan {
    pub(crate) node: i32,
    pub(crate) parts: Vec<FetchPart>,
    pub(crate) bytes_max: i32,
}

/// A position to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub(crate) at: TopicPartition,
    pub(crate) topic_id: Uuid,
    pub(crate) leader: Option<i32>,
    pub(crate) generation: u64,
    /// `None`: the group's committed offset.
    pub(crate) start: Option<Start>,
}

pub(crate) struct Reader {
    pub(crate) config: ConsumerConfig,
    pub(crate) slots: BTreeMap<TopicPartition, Slot>,
    pub(crate) events: VecDeque<Event>,
    /// Partitions with something buffered, in the order in which they are served.
    pub(crate) ready: VecDeque<TopicPartition>,
    pub(crate) buffered: usize,
    /// Nodes with a fetch in flight.
    busy: BTreeSet<i32>,
    pub(crate) refresh: BTreeSet<Str>,
    /// Ids under which topics were last read.
    incarnations: HashMap<Str, Uuid>,
    last_generation: u64,
    turn: usize,
    /// Whether a new incarnation of a topic is followed at once; else the group's coordinator says when.
    follow_rebirth: bool,
}

impl Reader {
    pub(crate) fn new(config: ConsumerConfig, follow_rebirth: bool) -> Reader {
        Reader {
            config,
            slots: BTreeMap::new(),
            events: VecDeque::new(),
            ready: VecDeque::new(),
            buffered: 0,
            busy: BTreeSet::new(),
            refresh: BTreeSet::new(),
            incarnations: HashMap::new(),
            last_generation: 0,
            turn: 0,
            follow_rebirth,
        }
    }

    fn next_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }

    /// Starts reading a partition.
    pub(crate) fn assign(&mut self, at: TopicPartition, topic_id: Uuid, position: Position) {
        let generation = self.next_generation();
        self.drop_buffered(&at);
        if let Some(old) = self.incarnations.insert(at.topic.clone(), topic_id).filter(|old| *old != topic_id)
        {
            self.events.push_back(Event::TopicReborn { topic: at.topic.clone(), old, new: topic_id });
        }
        self.refresh.insert(at.topic.clone());
        self.slots.insert(at, Slot::new(topic_id, position, generation));
    }

    /// Stops reading a partition and drops what is buffered of it.
    pub(crate) fn remove(&mut self, at: &TopicPartition) {
        self.drop_buffered(at);
        self.slots.remove(at);
    }

    fn drop_buffered(&mut self, at: &TopicPartition) {
        self.ready.retain(|ready| ready != at);
        if let Some(slot) = self.slots.get_mut(at) {
            self.buffered -= slot.buffered;
            slot.buffered = 0;
            slot.chunks.clear();
        }
    }

    /// Moves to another position. False when the partition is not read here.
    pub(crate) fn seek(&mut self, at: &TopicPartition, position: Position) -> bool {
        self.drop_buffered(at);
        let generation = self.next_generation();
        let Some(slot) = self.slots.get_mut(at) else { return false };
        slot.restart(position, generation);
        true
    }

    /// Takes in what the cluster says of a topic: leaders, and perhaps that it was made anew.
    pub(crate) fn set_topic(&mut self, topic: &TopicInfo) {
        let ours: Vec<TopicPartition> =
            self.slots.keys().filter(|at| at.topic == topic.name).cloned().collect();
        let mut reborn = None;
        for at in ours {
            let partition =
                usize::try_from(at.partition).ok().and_then(|number| topic.partitions.get(number));
            let is_new = self.slots.get(&at).is_some_and(|slot| slot.topic_id != topic.id);
            if is_new && self.follow_rebirth {
                reborn = self.slots.get(&at).map(|slot| slot.topic_id).or(reborn);
                self.seek(&at, Position::Look { start: Start::Earliest, from: None, told: false });
            }
            let Some(slot) = self.slots.get_mut(&at) else { continue };
            if is_new && self.follow_rebirth {
                slot.topic_id = topic.id;
            }
            if slot.topic_id == topic.id {
                slot.leader = partition.and_then(|partition| partition.leader);
                slot.leader_epoch = partition.map_or(-1, |partition| partition.leader_epoch);
            }
        }
        if let Some(old) = reborn {
            self.incarnations.insert(topic.name.clone(), topic.id);
            self.events.push_back(Event::TopicReborn { topic: topic.name.clone(), old, new: topic.id });
        }
    }

    /// The cluster no longer describes the topic: nobody leads it.
    pub(crate) fn topic_gone(&mut self, topic: &str) {
        for (_, slot) in self.slots.iter_mut().filter(|(at, _)| at.topic == *topic) {
            slot.leader = None;
        }
    }

    /// Topics whose leaders should be looked up; forgets those asked for once.
    pub(crate) fn take_refresh(&mut self) -> BTreeSet<Str> {
        let mut topics = std::mem::take(&mut self.refresh);
        topics.extend(
            self.slots.iter().filter(|(_, slot)| slot.leader.is_none()).map(|(at, _)| at.topic.clone()),
        );
        topics.retain(|topic| self.slots.keys().any(|at| at.topic == *topic));
        topics
    }

    /// Whether some partition has nobody to ask.
    pub(crate) fn is_leaderless(&self) -> bool {
        self.slots.values().any(|slot| slot.leader.is_none())
    }

    /// Fetches to be sent now: one per node at most.
    pub(crate) fn plan(&mut self, now: Mono) -> Vec<FetchPlan> {
        let room = self.config.buffer_bytes_max.saturating_sub(self.buffered);
        if room == 0 {
            return Vec::new();
        }
        let partition_max = usize::try_from(self.config.partition_bytes_max).unwrap_or(0);
        let mut plans: BTreeMap<i32, Vec<FetchPart>> = BTreeMap::new();
        let count = self.slots.len();
        self.turn = if count == 0 { 0 } else { (self.turn + 1) % count };
        // Each time another partition stands first: a broker fills its answer from the front.
        let rotated = self.slots.iter().skip(self.turn).chain(self.slots.iter().take(self.turn));
        for (at, slot) in rotated {
            let Some(node) = slot.leader else { continue };
            if self.busy.contains(&node) || !slot.is_fetchable(now, partition_max) {
                continue;
            }
            plans.entry(node).or_default().push(FetchPart {
                at: at.clone(),
                topic_id: slot.topic_id,
                offset: slot.fetch_at,
                leader_epoch: slot.leader_epoch,
                last_epoch: slot.last_epoch,
                generation: slot.generation,
            });
        }
        self.busy.extend(plans.keys());
        let bytes_max = self.config.fetch_bytes_max.min(i32::try_from(room).unwrap_or(i32::MAX));
        plans.into_iter().map(|(node, parts)| FetchPlan { node, parts, bytes_max }).collect()
    }

    /// The fetch to a node has ended, one way or another.
    pub(crate) fn free(&mut self, node: i32) {
        self.busy.remove(&node);
    }

    /// Positions to be looked up now; each is handed out once until it is answered.
    pub(crate) fn take_lookups(&mut self, now: Mono) -> Vec<Lookup> {
        let mut lookups = Vec::new();
        for (at, slot) in &mut self.slots {
            let start = match slot.position {
                Position::Committed => None,
                Position::Look { start, .. } => Some(start),
                Position::At(_) | Position::Stopped => continue,
            };
            if slot.looking || now < slot.not_before || (start.is_some() && slot.leader.is_none()) {
                continue;
            }
            slot.looking = true;
            lookups.push(Lookup {
                at: at.clone(),
                topic_id: slot.topic_id,
                leader: slot.leader,
                generation: slot.generation,
                start,
            });
        }
        lookups
    }

    fn looked_up(&mut self, at: &TopicPartition, generation: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(at).filter(|slot| slot.generation == generation)?;
        slot.looking = false;
        Some(slot)
    }

    /// A look-up found an offset.
    pub(crate) fn position_found(&mut self, at: &TopicPartition, generation: u64, offset: i64) {
        let Some(slot) = self.looked_up(at, generation) else { return };
        let told = match slot.position {
            Position::Look { from, told: true, .. } => Some(from),
            _ => None,
        };
        slot.restart(Position::At(offset), generation);
        slot.failures = 0;
        if let Some(from) = told {
            self.events.push_back(Event::Reset { at: at.clone(), from, to: offset });
        }
    }

    /// No record is as young as was asked for: read on at the end.
    pub(crate) fn look_at_end(&mut self, at: &TopicPartition, generation: u64) {
        let Some(slot) = self.looked_up(at, generation) else { return };
        if let Position::Look { from, told, .. } = slot.position {
            slot.position = Position::Look { start: Start::Latest, from, told };
        }
    }

    /// The group has no committed offset for this partition.
    pub(crate) fn nothing_committed(&mut self, at: &TopicPartition, generation: u64) {
        if self.looked_up(at, generation).is_some() {
            self.apply_reset(at, None, false);
        }
    }

    /// A look-up failed: try again after a back-off.
    pub(crate) fn lookup_failed(&mut self, now: Mono, at: &TopicPartition, generation: u64, random: u64) {
        let backoff = self.config.backoff;
        if let Some(slot) = self.looked_up(at, generation) {
            slot.failures = slot.failures.saturating_add(1);
            slot.not_before = now + backoff.wait(slot.failures, random);
            self.refresh.insert(at.topic.clone());
        }
    }

    /// Does what the reset policy says. `told`: the application is told where reading goes on.
    pub(crate) fn apply_reset(&mut self, at: &TopicPartition, from: Option<i64>, told: bool) {
        let start = match self.config.reset {
            Reset::Earliest => Start::Earliest,
            Reset::Latest => Start::Latest,
            Reset::Stop => {
                self.seek(at, Position::Stopped);
                self.events.push_back(Event::NoPosition { at: at.clone(), from });
                return;
            }
        };
        self.seek(at, Position::Look { start, from, told });
    }

    /// When `plan` or `take_lookups` may have something new although nothing else happened.
    pub(crate) fn wake_at(&self, now: Mono) -> Option<Mono> {
        self.slots.values().map(|slot| slot.not_before).filter(|moment| *moment > now).min()
    }
}
