//! Classic groups under arbitrary interleavings of joins, syncs, heartbeats, leaves, commits, silence, slow disks and
//! crashes. What must hold, whatever happens:
//!
//! - G1 generations never go back: whoever is told one is told none lower than any that was told before;
//! - G2 one owner per partition and generation: all assignments of a generation come from one decision of its leader;
//! - G3 no commit is accepted from a member that was told it is out, or at a generation that was told to be over;
//! - G4 an acknowledged commit is never lost, and offsets do not go back by themselves;
//! - G5 every request is answered, once, as long as time passes and the disk works;
//! - G6 the log and the memory agree after every event (checked by the driver).

use std::collections::{BTreeMap, BTreeSet};

use poruka_wire::api::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, MemberIdentity,
    OffsetCommitRequest, OffsetFetchRequest, OffsetFetchRequestTopic, SyncGroupRequest,
};
use poruka_wire::{ErrorCode, Str};
use proptest::prelude::*;

use super::lossy::Lossy;
use super::world::{GROUP, commit, join, sync};
use crate::group::{GroupConfig, GroupRequest, GroupResponse, Token};

const CLIENTS: usize = 4;
/// The last client is a static member.
const STATIC: usize = CLIENTS - 1;

#[derive(Debug, Clone)]
enum Op {
    Join(usize),
    /// The client has lost the connection on which it waits, and asks again on another.
    JoinAgain(usize),
    Sync(usize),
    Heartbeat(usize),
    Leave(usize),
    Commit(usize),
    /// A former self of some client, which does not know that it is over, commits.
    GhostCommit(usize),
    /// The client process dies and starts anew.
    Reborn(usize),
    Fetch,
    Pass(u64),
    Flush(usize),
    Crash(usize),
}

fn any_op() -> impl Strategy<Value = Op> {
    let client = 0..CLIENTS;
    prop_oneof![
        6 => client.clone().prop_map(Op::Join),
        1 => client.clone().prop_map(Op::JoinAgain),
        6 => client.clone().prop_map(Op::Sync),
        3 => client.clone().prop_map(Op::Heartbeat),
        1 => client.clone().prop_map(Op::Leave),
        4 => client.clone().prop_map(Op::Commit),
        2 => (0..8_usize).prop_map(Op::GhostCommit),
        1 => client.prop_map(Op::Reborn),
        1 => Just(Op::Fetch),
        2 => prop_oneof![1..2_000_u64, 5_000..12_000_u64, 50_000..70_000_u64].prop_map(Op::Pass),
        8 => (1..4_usize).prop_map(Op::Flush),
        1 => (0..4_usize).prop_map(Op::Crash),
    ]
}

/// A client as it sees itself.
#[derive(Debug, Clone, Default)]
struct Client {
    member: Str,
    generation: i32,
    /// It has to decide who gets what: the members it was told of.
    leads: Vec<Str>,
    busy: bool,
}

/// What was asked under a token.
#[derive(Debug, Clone)]
struct Asked {
    client: usize,
    /// The client has not died since.
    life: u64,
    member: Str,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Join,
    Sync { generation: i32 },
    Heartbeat,
    Leave,
    Commit { generation: i32, offset: i64, was_out: bool },
    Fetch { at_least: i64 },
}

struct Model {
    lossy: Lossy,
    clients: Vec<Client>,
    lives: Vec<u64>,
    asked: BTreeMap<Token, Asked>,
    generation_told: i32,
    /// Members that were told that they are out, or that they have left.
    out: BTreeSet<Str>,
    /// Former selves: member id, instance id and generation.
    ghosts: Vec<(Str, Option<Str>, i32)>,
    /// Generation to the mark of the decision that its assignments carry.
    decisions: BTreeMap<i32, String>,
    next_offset: i64,
    acknowledged: i64,
}

impl Model {
    fn new(delay_ms: u64) -> Self {
        let config = GroupConfig { initial_rebalance_delay_ms: delay_ms, ..GroupConfig::default() };
        Self {
            lossy: Lossy::new(config),
            clients: vec![Client::default(); CLIENTS],
            lives: vec![0; CLIENTS],
            asked: BTreeMap::new(),
            generation_told: 0,
            out: BTreeSet::new(),
            ghosts: Vec::new(),
            decisions: BTreeMap::new(),
            next_offset: 1,
            acknowledged: -1,
        }
    }

    fn instance(client: usize) -> Option<Str> {
        (client == STATIC).then(|| Str::from("i"))
    }

    fn ask(&mut self, client: usize, version: i16, request: impl Into<GroupRequest>, what: What) {
        let member = self.clients[client].member.clone();
        let life = self.lives[client];
        let token = self.lossy.send(version, request);
        self.asked.insert(token, Asked { client, life, member, what });
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Join(client) => self.join(client),
            Op::JoinAgain(client) => {
                self.lives[client] += 1;
                self.clients[client].busy = false;
                self.join(client);
            }
            Op::Sync(client) => self.sync(client),
            Op::Heartbeat(client) if self.clients[client].generation == 0 => {}
            Op::Heartbeat(client) => {
                let Client { member, generation, .. } = self.clients[client].clone();
                let request = HeartbeatRequest {
                    group_id: GROUP.into(),
                    generation_id: generation,
                    member_id: member,
                    group_instance_id: Self::instance(client),
                };
                self.ask(client, 4, request, What::Heartbeat);
            }
            Op::Leave(client) if !self.clients[client].member.is_empty() => {
                let identity = MemberIdentity {
                    member_id: self.clients[client].member.clone(),
                    group_instance_id: Self::instance(client),
                    reason: None,
                };
                let request = LeaveGroupRequest {
                    group_id: GROUP.into(),
                    members: vec![identity],
                    ..LeaveGroupRequest::default()
                };
                self.ask(client, 5, request, What::Leave);
                self.remember(client);
            }
            Op::Leave(_) => {}
            Op::Commit(client) => {
                let Client { member, generation, .. } = self.clients[client].clone();
                self.commit(client, member, Self::instance(client), generation);
            }
            Op::GhostCommit(which) => {
                if let Some((member, instance, generation)) = self.ghosts.iter().rev().nth(which).cloned() {
                    self.commit(0, member, instance, generation);
                }
            }
            Op::Reborn(client) => {
                self.lives[client] += 1;
                self.remember(client);
                self.clients[client] = Client::default();
            }
            Op::Fetch => self.fetch(),
            Op::Pass(ms) => self.lossy.pass(ms),
            Op::Flush(persists) => self.lossy.flush(persists),
            Op::Crash(effects) => {
                self.lossy.crash(effects);
                // Whoever waited has lost the connection and will ask again.
                self.asked.retain(|token, _| self.lossy.delivered.iter().any(|(told, _)| told == token));
                self.clients.iter_mut().for_each(|client| client.busy = false);
            }
        }
        self.take_answers();
    }

    fn join(&mut self, client: usize) {
        if !self.clients[client].busy {
            self.clients[client].busy = true;
            let member = self.clients[client].member.clone();
            let request = JoinGroupRequest { group_instance_id: Self::instance(client), ..join(&member) };
            self.ask(client, 9, request, What::Join);
        }
    }

    fn sync(&mut self, client: usize) {
        let Client { member, generation, leads, busy } = self.clients[client].clone();
        if busy || generation == 0 {
            return;
        }
        self.clients[client].busy = true;
        // One decision: every member gets its own share, marked so that two decisions can be told apart.
        let mark = format!("decision {} of {member}", self.asked.len());
        let shares: Vec<(Str, String)> = leads.iter().map(|member| (member.clone(), mark.clone())).collect();
        let shares: Vec<(&str, &str)> =
            shares.iter().map(|(member, mark)| (member.as_str(), mark.as_str())).collect();
        let request = SyncGroupRequest {
            group_instance_id: Self::instance(client),
            ..sync(&member, generation, &shares)
        };
        self.ask(client, 5, request, What::Sync { generation });
    }

    fn remember(&mut self, client: usize) {
        let Client { member, generation, .. } = self.clients[client].clone();
        if generation > 0 {
            self.ghosts.push((member, Self::instance(client), generation));
        }
    }

    fn commit(&mut self, client: usize, member: Str, instance: Option<Str>, generation: i32) {
        if member.is_empty() || generation == 0 {
            return;
        }
        let offset = self.next_offset;
        self.next_offset += 1;
        let was_out = self.out.contains(&member) || generation < self.generation_told;
        let request =
            OffsetCommitRequest { group_instance_id: instance, ..commit(&member, generation, 0, offset) };
        let token = self.lossy.send(9, request);
        let what = What::Commit { generation, offset, was_out };
        self.asked.insert(token, Asked { client, life: self.lives[client], member, what });
    }

    fn fetch(&mut self) {
        let request = OffsetFetchRequest {
            group_id: GROUP.into(),
            topics: Some(vec![OffsetFetchRequestTopic { name: "a".into(), partition_indexes: vec![0] }]),
            ..OffsetFetchRequest::default()
        };
        let at_least = self.acknowledged;
        self.ask(0, 7, request, What::Fetch { at_least });
    }

    fn take_answers(&mut self) {
        while let Some((token, response)) = self.lossy.delivered.pop_front() {
            let asked = self.asked.remove(&token).expect("G5: every request is answered once");
            self.take(asked, response);
        }
    }

    fn take(&mut self, asked: Asked, response: GroupResponse) {
        let alive = asked.life == self.lives[asked.client];
        match (asked.what.clone(), response) {
            (What::Join, GroupResponse::JoinGroup(joined)) => self.take_join(&asked, joined, alive),
            (What::Sync { generation }, GroupResponse::SyncGroup(synced)) => {
                self.told_error(&asked, synced.error_code);
                if alive {
                    self.clients[asked.client].busy = false;
                }
                if synced.error_code == ErrorCode::None && !synced.assignment.is_empty() {
                    let mark = String::from_utf8(synced.assignment.to_vec()).expect("a mark");
                    let first = self.decisions.entry(generation).or_insert_with(|| mark.clone());
                    assert_eq!(*first, mark, "G2: generation {generation} has two decisions");
                }
            }
            (What::Heartbeat, GroupResponse::Heartbeat(beat)) => self.told_error(&asked, beat.error_code),
            (What::Leave, GroupResponse::LeaveGroup(left)) => {
                if left.members[0].error_code == ErrorCode::None {
                    self.out.insert(asked.member.clone());
                }
            }
            (What::Commit { generation, offset, was_out }, GroupResponse::OffsetCommit(committed)) => {
                let error = committed.topics[0].partitions[0].error_code;
                self.told_error(&asked, error);
                if error == ErrorCode::None {
                    assert!(!was_out, "G3: {} committed at {generation} though it was out", asked.member);
                    self.acknowledged = self.acknowledged.max(offset);
                }
            }
            (What::Fetch { at_least }, GroupResponse::OffsetFetch(fetched)) => {
                let offset = fetched.topics[0].partitions[0].committed_offset;
                assert!(offset >= at_least, "G4: {offset} was told though {at_least} was acknowledged");
            }
            (what, response) => panic!("{what:?} answered by {response:?}"),
        }
    }

    fn take_join(&mut self, asked: &Asked, joined: JoinGroupResponse, alive: bool) {
        self.told_error(asked, joined.error_code);
        if joined.error_code == ErrorCode::None {
            assert!(joined.generation_id >= self.generation_told, "G1: generations never go back");
            self.generation_told = joined.generation_id;
            if asked.client == STATIC && joined.member_id != asked.member && !asked.member.is_empty() {
                self.out.insert(asked.member.clone());
            }
        }
        if alive {
            if matches!(joined.error_code, ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId) {
                self.remember(asked.client);
            }
            let client = &mut self.clients[asked.client];
            client.busy = false;
            match joined.error_code {
                ErrorCode::None => {
                    if client.generation > 0 && client.generation < joined.generation_id {
                        let instance = Self::instance(asked.client);
                        self.ghosts.push((client.member.clone(), instance, client.generation));
                    }
                    let leads = joined.leader == joined.member_id && !joined.skip_assignment;
                    client.member = joined.member_id;
                    client.generation = joined.generation_id;
                    client.leads =
                        joined.members.into_iter().map(|member| member.member_id).filter(|_| leads).collect();
                }
                ErrorCode::MemberIdRequired => client.member = joined.member_id,
                ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => *client = Client::default(),
                _ => {}
            }
        }
    }

    fn told_error(&mut self, asked: &Asked, error: ErrorCode) {
        if matches!(error, ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId) {
            self.out.insert(asked.member.clone());
        }
    }

    /// The disk works again and time passes: everyone who waits is answered.
    fn settle(&mut self) {
        for _ in 0..40 {
            self.lossy.flush(usize::MAX);
            self.take_answers();
            self.lossy.pass(60_000);
        }
        self.lossy.flush(usize::MAX);
        self.take_answers();
        assert!(self.asked.is_empty(), "G5: {:?} wait for ever", self.asked);
        self.fetch();
        self.take_answers();
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_promises_of_a_classic_group_hold(
        delay_ms in prop_oneof![Just(0_u64), Just(3_000_u64)],
        ops in proptest::collection::vec(any_op(), 1..120),
    ) {
        let mut model = Model::new(delay_ms);
        for op in ops {
            model.run(op);
        }
        model.settle();
    }
}
