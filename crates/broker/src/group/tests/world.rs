//! A driver for tests: a log in memory, a clock that the test moves, and the answers by token.

use std::collections::BTreeMap;

use bytes::Bytes;
use poruka_wire::api::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, OffsetCommitRequest, OffsetCommitRequestPartition,
    OffsetCommitRequestTopic, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchRequestTopic,
    OffsetFetchResponse, SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};
use poruka_wire::{ErrorCode, Str, Uuid};

use crate::group::{
    Effect, GroupCall, GroupConfig, GroupRequest, GroupResponse, Groups, Now, Token, TopicView,
};

/// One atomic append.
pub(super) type Entry = Vec<(Bytes, Option<Bytes>)>;

pub(super) const GROUP: &str = "g";

/// The id of a test topic.
pub(super) fn topic_id(number: u8) -> Uuid {
    Uuid([number; 16])
}

/// Topics `a` (4 partitions) and `b` (2 partitions).
pub(super) fn two_topics() -> TopicView {
    [("a", topic_id(1), 4), ("b", topic_id(2), 2)].into_iter().collect()
}

pub(super) struct World {
    pub(super) groups: Groups,
    pub(super) now: Now,
    pub(super) topics: TopicView,
    pub(super) config: GroupConfig,
    /// Everything persisted so far.
    pub(super) log: Vec<Entry>,
    answers: BTreeMap<Token, GroupResponse>,
    tokens: u64,
    starts: u128,
}

impl World {
    /// No initial rebalance delay, so that the first join is answered at once.
    pub(super) fn new() -> Self {
        Self::with(GroupConfig { initial_rebalance_delay_ms: 0, ..GroupConfig::default() })
    }

    pub(super) fn with(config: GroupConfig) -> Self {
        let mut world = Self {
            groups: Groups::new(config.clone(), 0),
            now: Now { mono_ms: 1_000, wall_ms: 1_000_000_000 },
            topics: two_topics(),
            config,
            log: Vec::new(),
            answers: BTreeMap::new(),
            tokens: 0,
            starts: 0,
        };
        world.restart();
        world
    }

    /// Dies with everything durable, and starts again from the log.
    pub(super) fn restart(&mut self) {
        self.starts += 1;
        self.groups = Groups::new(self.config.clone(), self.starts);
        for (key, value) in self.log.iter().flatten() {
            self.groups.replay(key, value.as_deref()).expect("own records can be read");
        }
        self.answers.clear();
        let effects = self.groups.start(self.now, self.topics.clone());
        self.apply(effects);
    }

    pub(super) fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Persist { records } => self.log.push(records),
                Effect::Reply { token, response } => {
                    assert!(self.answers.insert(token, response).is_none(), "each request is answered once");
                }
            }
        }
    }

    /// Sends a request; its answer may come later.
    pub(super) fn send(&mut self, api_version: i16, request: impl Into<GroupRequest>) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        let call = GroupCall {
            api_version,
            client_id: Str::from("client"),
            client_host: Str::from("/127.0.0.1"),
            request: request.into(),
        };
        let effects = self.groups.handle(self.now, token, call);
        self.apply(effects);
        token
    }

    /// The answer, if it has come.
    pub(super) fn take<R: TryFrom<GroupResponse>>(&mut self, token: Token) -> Option<R> {
        self.answers.remove(&token).and_then(|response| R::try_from(response).ok())
    }

    /// Sends a request and expects its answer at once.
    pub(super) fn call<R: TryFrom<GroupResponse>>(
        &mut self,
        api_version: i16,
        request: impl Into<GroupRequest>,
    ) -> R {
        let token = self.send(api_version, request);
        self.take(token).expect("answered at once, in kind")
    }

    /// Lets time pass, stopping at every deadline on the way.
    pub(super) fn pass(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        for _ in 0..10_000 {
            let Some(at_ms) = self.groups.next_deadline().filter(|at_ms| *at_ms <= end_ms) else { break };
            self.move_clock(at_ms.max(self.now.mono_ms));
            let effects = self.groups.tick(self.now);
            self.apply(effects);
        }
        self.move_clock(end_ms);
    }

    fn move_clock(&mut self, mono_ms: u64) {
        self.now.wall_ms += (mono_ms - self.now.mono_ms) as i64;
        self.now.mono_ms = mono_ms;
    }

    pub(super) fn set_topics(&mut self, topics: TopicView) {
        self.topics = topics.clone();
        let effects = self.groups.topics_changed(self.now, topics);
        self.apply(effects);
    }

    // Classic groups.

    pub(super) fn join(&mut self, member: &str) -> Token {
        self.send(9, join(member))
    }

    /// Joins as a new dynamic member, with the id that the group hands out.
    pub(super) fn join_new(&mut self) -> (Str, Token) {
        let told: JoinGroupResponse = self.call(9, join(""));
        assert_eq!(told.error_code, ErrorCode::MemberIdRequired);
        let token = self.join(&told.member_id);
        (told.member_id, token)
    }

    pub(super) fn joined(&mut self, token: Token) -> JoinGroupResponse {
        self.take(token).expect("the join is answered")
    }

    pub(super) fn sync(&mut self, member: &str, generation: i32, assignments: &[(&str, &str)]) -> Token {
        self.send(5, sync(member, generation, assignments))
    }

    pub(super) fn synced(&mut self, token: Token) -> SyncGroupResponse {
        self.take(token).expect("the sync is answered")
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: generation,
            member_id: member.into(),
            ..HeartbeatRequest::default()
        };
        self.call::<HeartbeatResponse>(4, request).error_code
    }

    pub(super) fn leave(&mut self, member: &str, instance: Option<&str>) -> ErrorCode {
        let identity = MemberIdentity {
            member_id: member.into(),
            group_instance_id: instance.map(Str::from),
            ..MemberIdentity::default()
        };
        let request = LeaveGroupRequest {
            group_id: GROUP.into(),
            members: vec![identity],
            ..LeaveGroupRequest::default()
        };
        self.call::<LeaveGroupResponse>(5, request).members[0].error_code
    }

    /// A stable group of one dynamic member: its id and generation.
    pub(super) fn one_member(&mut self) -> (Str, i32) {
        let (member, token) = self.join_new();
        let generation = self.joined(token).generation_id;
        let token = self.sync(&member, generation, &[(&member, "all")]);
        assert_eq!(self.synced(token).assignment, "all");
        (member, generation)
    }

    /// A stable group of a leader and a follower, and its generation.
    pub(super) fn two_members(&mut self) -> (Str, Str, i32) {
        let (leader, _) = self.one_member();
        let (follower, follower_join) = self.join_new();
        let leader_join = self.join(&leader);
        let generation = self.joined(leader_join).generation_id;
        assert_eq!(self.joined(follower_join).generation_id, generation);
        let token = self.sync(&leader, generation, &[(&leader, "left"), (&follower, "right")]);
        assert_eq!(self.synced(token).assignment, "left");
        let token = self.sync(&follower, generation, &[]);
        assert_eq!(self.synced(token).assignment, "right");
        (leader, follower, generation)
    }

    // Offsets.

    pub(super) fn commit(&mut self, member: &str, epoch: i32, partition: i32, offset: i64) -> ErrorCode {
        self.call::<OffsetCommitResponse>(9, commit(member, epoch, partition, offset)).topics[0].partitions[0]
            .error_code
    }

    /// The committed offset of a partition of topic `a`, -1 if there is none.
    pub(super) fn committed(&mut self, partition: i32) -> i64 {
        let request = OffsetFetchRequest {
            group_id: GROUP.into(),
            topics: Some(vec![OffsetFetchRequestTopic {
                name: "a".into(),
                partition_indexes: vec![partition],
            }]),
            ..OffsetFetchRequest::default()
        };
        self.call::<OffsetFetchResponse>(7, request).topics[0].partitions[0].committed_offset
    }
}

pub(super) fn protocols(names: &[&str]) -> Vec<JoinGroupRequestProtocol> {
    let protocol = |name: &&str| JoinGroupRequestProtocol { name: (*name).into(), metadata: Bytes::new() };
    names.iter().map(protocol).collect()
}

pub(super) fn join(member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: GROUP.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"]),
        ..JoinGroupRequest::default()
    }
}

pub(super) fn join_static(instance: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest { group_instance_id: Some(instance.into()), ..join(member) }
}

pub(super) fn sync(member: &str, generation: i32, assignments: &[(&str, &str)]) -> SyncGroupRequest {
    let assignment = |(member, bytes): &(&str, &str)| SyncGroupRequestAssignment {
        member_id: (*member).into(),
        assignment: Bytes::copy_from_slice(bytes.as_bytes()),
    };
    SyncGroupRequest {
        group_id: GROUP.into(),
        generation_id: generation,
        member_id: member.into(),
        assignments: assignments.iter().map(assignment).collect(),
        ..SyncGroupRequest::default()
    }
}

pub(super) fn commit(member: &str, epoch: i32, partition: i32, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        committed_metadata: Some("note".into()),
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: "a".into(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    OffsetCommitRequest {
        group_id: GROUP.into(),
        generation_id_or_member_epoch: epoch,
        member_id: member.into(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    }
}
