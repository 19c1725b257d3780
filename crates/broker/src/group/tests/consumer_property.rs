//! Consumer-protocol groups under arbitrary interleavings of heartbeats, lost answers, leaves, commits, changes of
//! topics and subscriptions, silence, slow disks and crashes. What must hold, whatever happens:
//!
//! - C1 a partition has at most one owner in the coordinator's state;
//! - C2 what a client was told it owns, and has not given up, is held for it as long as it is a member: so no two
//!   clients that are members own the same partition;
//! - C3 no epoch ever goes back: neither the group's nor a member's;
//! - C4 no commit is accepted from a member that was told it is out or has left;
//! - C5 when everything calms down the group becomes stable, and every partition that is read has exactly one owner;
//! - C6 an acknowledged commit is never lost;
//! - C7 the log and the memory agree after every event (checked by the driver).

use std::collections::{BTreeMap, BTreeSet};

use poruka_wire::api::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    OffsetCommitResponse, OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse,
};
use poruka_wire::{ErrorCode, Str};
use proptest::prelude::*;

use super::consumers::{Consumer, Partition};
use super::lossy::Lossy;
use super::world::{GROUP, commit, topic_id};
use crate::group::state::Group;
use crate::group::{GroupConfig, GroupResponse, Token, TopicView};

const CLIENTS: usize = 4;
/// The last client is a static member.
const STATIC: usize = CLIENTS - 1;

#[derive(Debug, Clone)]
enum Op {
    /// A heartbeat, and whether its answer arrives.
    Beat(usize, bool),
    Leave(usize),
    LeaveForAWhile(usize),
    /// The client process dies and starts anew, under another member id.
    Reborn(usize),
    Subscribe(usize, u8),
    Commit(usize),
    /// A former self of some client, which does not know that it is over, commits.
    GhostCommit(usize),
    Topics(i32, i32),
    Pass(u64),
    Flush(usize),
    Crash(usize),
}

fn any_op() -> impl Strategy<Value = Op> {
    let client = 0..CLIENTS;
    prop_oneof![
        16 => (client.clone(), prop::bool::weighted(0.8)).prop_map(|(client, arrives)| Op::Beat(client, arrives)),
        1 => client.clone().prop_map(Op::Leave),
        1 => Just(Op::LeaveForAWhile(STATIC)),
        1 => client.clone().prop_map(Op::Reborn),
        1 => (client.clone(), 0..4_u8).prop_map(|(client, topics)| Op::Subscribe(client, topics)),
        3 => client.prop_map(Op::Commit),
        2 => (0..8_usize).prop_map(Op::GhostCommit),
        1 => (0..5_i32, 0..4_i32).prop_map(|(a, b)| Op::Topics(a, b)),
        2 => prop_oneof![1..5_000_u64, 30_000..50_000_u64].prop_map(Op::Pass),
        10 => (1..4_usize).prop_map(Op::Flush),
        1 => (0..4_usize).prop_map(Op::Crash),
    ]
}

#[derive(Debug, Clone)]
enum What {
    /// A heartbeat of a client's life; its answer may get lost.
    Beat {
        client: usize,
        life: u64,
        arrives: bool,
        changes: u32,
    },
    Left {
        epoch: i32,
    },
    Commit {
        offset: i64,
        was_out: bool,
        topic_life: u64,
    },
}

struct Model {
    lossy: Lossy,
    clients: Vec<Consumer>,
    busy: Vec<bool>,
    lives: Vec<u64>,
    /// How often each client has changed its subscription, and up to which change the coordinator was told.
    changes: Vec<u32>,
    told_changes: Vec<u32>,
    asked: BTreeMap<Token, (Str, What)>,
    /// Members and epochs that were told to be over.
    out: BTreeSet<(Str, i32)>,
    /// Former selves: member id and epoch.
    ghosts: Vec<(Str, i32)>,
    epochs: BTreeMap<Str, i32>,
    group_epoch: i32,
    next_offset: i64,
    acknowledged: i64,
    /// How often topic `a` was deleted: what was committed before went with it.
    topic_life: u64,
}

impl Model {
    fn new() -> Self {
        let clients = (0..CLIENTS).map(|client| fresh(client, 0)).collect();
        Self {
            lossy: Lossy::new(GroupConfig::default()),
            clients,
            busy: vec![false; CLIENTS],
            lives: vec![0; CLIENTS],
            changes: vec![0; CLIENTS],
            told_changes: vec![0; CLIENTS],
            asked: BTreeMap::new(),
            out: BTreeSet::new(),
            ghosts: Vec::new(),
            epochs: BTreeMap::new(),
            group_epoch: 0,
            next_offset: 1,
            acknowledged: -1,
            topic_life: 0,
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Beat(client, arrives) => self.beat(client, arrives),
            Op::Leave(client) => self.leave(client, -1),
            Op::LeaveForAWhile(client) => self.leave(client, -2),
            Op::Reborn(client) => self.reborn(client),
            Op::Subscribe(client, topics) => {
                let named = ["a", "b"].iter().enumerate().filter(|(bit, _)| topics & (1 << bit) != 0);
                self.clients[client].topics = named.map(|(_, name)| Str::from(*name)).collect();
                self.changes[client] += 1;
            }
            Op::Commit(client) => {
                let Consumer { id, epoch, .. } = self.clients[client].clone();
                self.commit(id, epoch);
            }
            Op::GhostCommit(which) => {
                if let Some((id, epoch)) = self.ghosts.iter().rev().nth(which).cloned() {
                    self.commit(id, epoch);
                }
            }
            Op::Topics(a, b) => {
                let mut topics = TopicView::new();
                if a > 0 {
                    topics.insert("a", topic_id(1), a);
                }
                if b > 0 {
                    topics.insert("b", topic_id(2), b);
                } else {
                    topics.insert("b", topic_id(3), 2);
                }
                if a == 0 {
                    self.acknowledged = -1;
                    self.topic_life += 1;
                }
                self.lossy.set_topics(topics);
            }
            Op::Pass(ms) => self.lossy.pass(ms),
            Op::Flush(persists) => self.lossy.flush(persists),
            Op::Crash(effects) => {
                self.lossy.crash(effects);
                self.asked.retain(|token, _| self.lossy.delivered.iter().any(|(told, _)| told == token));
                self.busy.fill(false);
            }
        }
        self.take_answers();
        self.check();
    }

    fn reborn(&mut self, client: usize) {
        self.lives[client] += 1;
        self.busy[client] = false;
        self.told_changes[client] = self.changes[client];
        self.remember(client);
        self.clients[client] = fresh(client, self.lives[client]);
    }

    fn beat(&mut self, client: usize, arrives: bool) {
        if self.busy[client] {
            return;
        }
        let consumer = &self.clients[client];
        let mut request = consumer.next_request();
        if self.told_changes[client] != self.changes[client] {
            request.subscribed_topic_names = Some(consumer.topics.clone());
        }
        let (id, life) = (consumer.id.clone(), self.lives[client]);
        self.busy[client] = true;
        let token = self.lossy.send(1, request);
        self.asked.insert(token, (id, What::Beat { client, life, arrives, changes: self.changes[client] }));
    }

    fn leave(&mut self, client: usize, epoch: i32) {
        let consumer = &self.clients[client];
        if self.busy[client] || consumer.epoch == 0 {
            return;
        }
        let request = ConsumerGroupHeartbeatRequest { member_epoch: epoch, ..consumer.beating() };
        let (id, member_epoch) = (consumer.id.clone(), consumer.epoch);
        let token = self.lossy.send(1, request);
        self.asked.insert(token, (id, What::Left { epoch: member_epoch }));
        self.reborn(client);
    }

    fn remember(&mut self, client: usize) {
        let Consumer { id, epoch, .. } = &self.clients[client];
        if *epoch > 0 {
            self.ghosts.push((id.clone(), *epoch));
        }
    }

    fn commit(&mut self, id: Str, epoch: i32) {
        if epoch == 0 || self.lossy.topics.get("a").is_none() {
            return;
        }
        let offset = self.next_offset;
        self.next_offset += 1;
        let was_out = self.out.contains(&(id.clone(), epoch));
        let token = self.lossy.send(9, commit(&id, epoch, 0, offset));
        self.asked.insert(token, (id, What::Commit { offset, was_out, topic_life: self.topic_life }));
    }

    fn take_answers(&mut self) {
        while let Some((token, response)) = self.lossy.delivered.pop_front() {
            let Some((id, what)) = self.asked.remove(&token) else { continue };
            match (what, response) {
                (
                    What::Beat { client, life, arrives, changes },
                    GroupResponse::ConsumerGroupHeartbeat(response),
                ) => {
                    if life == self.lives[client] {
                        self.busy[client] = false;
                        if arrives {
                            self.take_beat(client, &id, &response, changes);
                        }
                    }
                }
                (What::Left { epoch }, GroupResponse::ConsumerGroupHeartbeat(response)) => {
                    if response.error_code == ErrorCode::None {
                        self.out.insert((id, epoch));
                    }
                }
                (What::Commit { offset, was_out, topic_life }, GroupResponse::OffsetCommit(response)) => {
                    self.take_commit(&id, was_out, &response);
                    let taken = response.topics[0].partitions[0].error_code == ErrorCode::None;
                    if taken && topic_life == self.topic_life {
                        self.acknowledged = self.acknowledged.max(offset);
                    }
                }
                (what, response) => panic!("{what:?} answered by {response:?}"),
            }
        }
    }

    fn take_beat(
        &mut self,
        client: usize,
        id: &Str,
        response: &ConsumerGroupHeartbeatResponse,
        changes: u32,
    ) {
        match response.error_code {
            ErrorCode::None => {
                let told = self.epochs.entry(id.clone()).or_default();
                assert!(response.member_epoch >= *told, "C3: the epoch of {id} goes back");
                *told = response.member_epoch;
                self.group_epoch = self.group_epoch.max(response.member_epoch);
                self.told_changes[client] = changes;
            }
            // It may join again under this id, at a later epoch.
            ErrorCode::UnknownMemberId => {
                self.out.insert((id.clone(), self.clients[client].epoch));
                self.remember(client);
            }
            ErrorCode::FencedInstanceId => return self.reborn(client),
            _ => {}
        }
        self.clients[client].take(response);
    }

    fn take_commit(&mut self, id: &Str, was_out: bool, response: &OffsetCommitResponse) {
        let error = response.topics[0].partitions[0].error_code;
        assert!(error != ErrorCode::None || !was_out, "C4: {id} committed though it was out");
    }

    fn check(&mut self) {
        let Some(Group::Consumer(group)) = self.lossy.groups.state.groups.get(GROUP) else { return };
        group.assert_one_owner_each();
        for consumer in &self.clients {
            if let Some(held) = group.held_by(&consumer.id) {
                let lost: Vec<_> =
                    consumer.owned.iter().filter(|partition| !held.contains(*partition)).collect();
                assert!(lost.is_empty(), "C2: {} owns {lost:?}, which is free for others", consumer.id);
            }
        }
    }

    /// Everyone is well, answers arrive, the disk works: the group becomes stable.
    fn settle(&mut self) {
        for _ in 0..30 {
            self.lossy.flush(usize::MAX);
            self.take_answers();
            for client in 0..CLIENTS {
                self.beat(client, true);
                self.lossy.flush(usize::MAX);
                self.take_answers();
                self.check();
            }
            // Long enough for sessions of former lives to end, short enough for the living.
            self.lossy.pass(5_000);
        }
        let request = ConsumerGroupDescribeRequest { group_ids: vec![GROUP.into()], ..Default::default() };
        self.lossy.send(1, request);
        let Some((_, GroupResponse::ConsumerGroupDescribe(described))) = self.lossy.delivered.pop_back()
        else {
            panic!("described at once")
        };
        let group = &described.groups[0];
        assert_eq!(&*group.group_state, "Stable", "C5: {group:?}");
        assert!(group.group_epoch >= self.group_epoch, "C3: the group epoch goes back");
        self.check_coverage();
        self.check_offsets();
    }

    fn check_coverage(&self) {
        let mut owned: BTreeSet<Partition> = BTreeSet::new();
        for consumer in &self.clients {
            for partition in &consumer.owned {
                assert!(owned.insert(*partition), "C5: {partition:?} is owned twice");
            }
        }
        let read: BTreeSet<&Str> = self.clients.iter().flat_map(|consumer| &consumer.topics).collect();
        let wanted: BTreeSet<Partition> = read
            .into_iter()
            .filter_map(|name| self.lossy.topics.get(name))
            .flat_map(|topic| (0..topic.partitions).map(|index| (topic.id, index)))
            .collect();
        assert_eq!(owned, wanted, "C5: every partition that is read has an owner");
    }

    fn check_offsets(&mut self) {
        let request = OffsetFetchRequest {
            group_id: GROUP.into(),
            topics: Some(vec![OffsetFetchRequestTopic { name: "a".into(), partition_indexes: vec![0] }]),
            ..OffsetFetchRequest::default()
        };
        self.lossy.send(7, request);
        let Some((_, response)) = self.lossy.delivered.pop_back() else { panic!("fetched at once") };
        let fetched = OffsetFetchResponse::try_from(response).expect("in kind");
        let offset = fetched.topics[0].partitions[0].committed_offset;
        assert!(offset >= self.acknowledged, "C6: {offset} is left of {}", self.acknowledged);
    }
}

/// A client at the start of a life: dynamic ones, and the static one under a new member id each time.
fn fresh(client: usize, life: u64) -> Consumer {
    let id = format!("m{client}.{life}");
    if client == STATIC {
        Consumer::new_static(&id, "i", &["a", "b"])
    } else {
        Consumer::new(&id, &["a", "b"])
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_promises_of_a_consumer_group_hold(ops in proptest::collection::vec(any_op(), 1..150)) {
        let mut model = Model::new();
        for op in ops {
            model.run(op);
        }
        model.settle();
    }
}
