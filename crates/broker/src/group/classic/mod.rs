//! Classic groups: JoinGroup, SyncGroup, Heartbeat and LeaveGroup (KIP-62, 134, 345, 394, 429, 559, 814).
//!
//! Members join, the leader computes the assignment, the group hands it out. One generation follows the other:
//! Empty → Preparing (members are asked to join again) → Completing (the leader's assignment is awaited) → Stable.
//!
//! Architecture invariants, checked by the property tests:
//! - a generation number is used once, over restarts too: it is persisted before any member hears of it;
//! - within a generation every member belongs to it until it leaves, is replaced or times out, and never comes back
//!   under its old id;
//! - whoever waits in JoinGroup or SyncGroup is answered: by the phase's end, by a timer, or because it is replaced.
//!
//! Stronger than Apache Kafka: phase, membership and generation are persisted at every change and not only when the
//! leader syncs, so a restart in mid-rebalance continues it (docs/decisions/0402). Not here: what the bytes of
//! protocols and assignments mean, except for the topics that a `consumer` group reads (`subscription`).

mod commit;
mod join;
mod leave;
mod member;
mod persist;
mod rebalance;
mod subscription;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use poruka_wire::{ErrorCode, Str};

pub(crate) use join::{check as check_join, refusal};
pub(crate) use member::Member;
pub(crate) use sync::failure as sync_failure;

use super::record::classic_group::Phase;

/// The protocol type of groups whose members are consumers.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// The delay of the first rebalance of an empty group.
#[derive(Debug, Clone)]
struct InitialDelay {
    /// Length of the step that is running.
    step_ms: u64,
    /// What may still be added to it.
    remaining_ms: u64,
    /// A member has joined during the step.
    grew: bool,
}

/// A classic group.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    id: Str,
    phase: Phase,
    generation: i32,
    protocol_type: Option<Str>,
    protocol_name: Option<Str>,
    leader: Option<Str>,
    members: BTreeMap<Str, Member>,
    /// Instance id to member id.
    static_members: BTreeMap<Str, Str>,
    /// Ids handed out with MEMBER_ID_REQUIRED that have not come back yet.
    pending_join: BTreeSet<Str>,
    /// Members that have not fetched the assignment of this generation yet.
    pending_sync: BTreeSet<Str>,
    initial_delay: Option<InitialDelay>,
    empty_since_wall_ms: Option<i64>,
    stored: persist::Stored,
}

impl ClassicGroup {
    pub(crate) fn new(id: Str) -> Self {
        Self {
            id,
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            initial_delay: None,
            empty_since_wall_ms: None,
            stored: persist::Stored::default(),
        }
    }

    /// A group that goes on where a consumer-protocol group of the same name ended.
    pub(crate) fn following(id: Str, epoch: i32) -> Self {
        Self { generation: epoch, ..Self::new(id) }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    /// Nothing would be forgotten with this group but its name.
    pub(crate) fn is_blank(&self) -> bool {
        self.is_empty() && self.pending_join.is_empty() && self.stored.is_nothing()
    }

    pub(crate) fn protocol_type(&self) -> Option<&Str> {
        self.protocol_type.as_ref()
    }

    pub(crate) fn protocol_name(&self) -> Option<&Str> {
        self.protocol_name.as_ref()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&Str, &Member)> {
        self.members.iter()
    }

    pub(crate) fn member_metadata(&self, member: &Member) -> bytes::Bytes {
        member.metadata(self.protocol_name.as_ref())
    }

    /// The name of the phase as clients know it.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.phase {
            Phase::Empty => "Empty",
            Phase::Preparing => "PreparingRebalance",
            Phase::Completing => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    fn rebalance_timeout_ms(&self) -> u64 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    fn joined(&self) -> usize {
        self.members.values().filter(|member| member.awaiting_join.is_some()).count()
    }

    fn all_have_joined(&self) -> bool {
        self.pending_join.is_empty() && self.members.values().all(|member| member.awaiting_join.is_some())
    }

    /// Whether the group knows this member, and under this id.
    fn check_member(&self, member: &str, instance: Option<&Str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current.as_str() != member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Whether a member that offers these protocols can be in the group.
    fn accepts_protocols<'a>(&self, protocol_type: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && names.next().is_some();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && names.any(|name| self.members.values().all(|member| member.supports(name)))
    }

    /// The protocol that most members prefer among those that all support; the first by name when votes are equal.
    fn elect_protocol(&self) -> Option<Str> {
        let mut votes: BTreeMap<&Str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let common = |name: &Str| self.members.values().all(|other| other.supports(name));
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| common(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.clone())
    }
}
