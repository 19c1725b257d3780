//! One member of a classic group.

use bytes::Bytes;
use poruka_wire::Str;
use poruka_wire::api::JoinGroupRequest;

use crate::group::cx::Waiting;
use crate::group::record::classic_member::ClassicMemberRecord;
use crate::group::request::GroupCall;

/// A member, with the request of it that waits for an answer.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<Str>,
    pub(crate) client_id: Str,
    pub(crate) client_host: Str,
    pub(crate) rebalance_timeout_ms: u64,
    pub(crate) session_timeout_ms: u64,
    /// Protocol names and metadata in order of preference.
    pub(crate) protocols: Vec<(Str, Bytes)>,
    pub(crate) assignment: Bytes,
    /// The member has not been part of a generation yet, so it is neither persisted nor does waiting keep it alive.
    pub(crate) is_new: bool,
    pub(crate) awaiting_join: Option<Waiting>,
    pub(crate) awaiting_sync: Option<Waiting>,
    /// The persisted record is behind this state.
    pub(crate) dirty: bool,
}

impl Member {
    pub(super) fn new(call: &GroupCall, request: &JoinGroupRequest) -> Self {
        let mut member = Self {
            instance_id: request.group_instance_id.clone(),
            client_id: call.client_id.clone(),
            client_host: call.client_host.clone(),
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            is_new: true,
            awaiting_join: None,
            awaiting_sync: None,
            dirty: true,
        };
        member.update(call, request);
        member
    }

    pub(super) fn from_record(record: ClassicMemberRecord) -> Self {
        Self {
            instance_id: record.instance_id,
            client_id: record.client_id,
            client_host: record.client_host,
            rebalance_timeout_ms: record.rebalance_timeout_ms,
            session_timeout_ms: record.session_timeout_ms,
            protocols: record.protocols,
            assignment: record.assignment,
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
            dirty: false,
        }
    }

    pub(super) fn to_record(&self) -> ClassicMemberRecord {
        ClassicMemberRecord {
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            protocols: self.protocols.clone(),
            assignment: self.assignment.clone(),
        }
    }

    /// Takes over what the member says of itself. Metadata is copied, so that no frame stays in memory because of it.
    pub(super) fn update(&mut self, call: &GroupCall, request: &JoinGroupRequest) {
        let session_ms = request.session_timeout_ms.max(0) as u64;
        // Version 0 has no rebalance timeout: the session timeout serves for both.
        let rebalance_ms = if call.api_version == 0 || request.rebalance_timeout_ms < 0 {
            session_ms
        } else {
            request.rebalance_timeout_ms as u64
        };
        self.session_timeout_ms = session_ms;
        self.rebalance_timeout_ms = rebalance_ms;
        self.protocols = request
            .protocols
            .iter()
            .map(|protocol| (protocol.name.clone(), Bytes::copy_from_slice(&protocol.metadata)))
            .collect();
        self.dirty = true;
    }

    pub(super) fn offers_the_same(&self, request: &JoinGroupRequest) -> bool {
        self.protocols.len() == request.protocols.len()
            && self
                .protocols
                .iter()
                .zip(&request.protocols)
                .all(|((name, metadata), other)| *name == other.name && *metadata == other.metadata)
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name.as_str() == protocol)
    }

    pub(super) fn metadata(&self, protocol: Option<&Str>) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| Some(name) == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// A member that waits for the group is alive, whatever its last heartbeat; a new one is not trusted so far.
    pub(super) fn waiting_keeps_it_alive(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
