//! What operators ask: ListGroups (key 16, v0-5), DescribeGroups (key 15, v0-6), DeleteGroups (key 42, v0-2) and
//! ConsumerGroupDescribe (key 69, v0-1).

use poruka_wire::api::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupDescribedGroup,
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember, ListGroupsRequest, ListGroupsResponse,
    ListedGroup,
};
use poruka_wire::{ErrorCode, Str};

use super::classic::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, Member};
use super::cx::Cx;
use super::limits::GROUPS_PER_REQUEST_MAX;
use super::record::classic_group::Phase;
use super::request::GroupCall;
use super::state::{Group, State};

/// From this version on DescribeGroups tells an unknown group from a dead one (KIP-1043).
const GROUP_NOT_FOUND_FROM: i16 = 6;
/// All operations on a group, as bits: read, delete, describe, describe and alter configs. There is no authorizer yet.
const OPERATIONS_ALL: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;
/// Operations were not asked for.
const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

fn operations(asked: bool) -> i32 {
    if asked { OPERATIONS_ALL } else { OPERATIONS_NOT_ASKED }
}

fn not_found(group: &str) -> Str {
    Str::from(format!("group {group} does not exist"))
}

impl State {
    pub(crate) fn list_groups(&self, request: &ListGroupsRequest) -> ListGroupsResponse {
        let matches = |filter: &[Str], value: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(value))
        };
        let listed = self.groups.iter().map(|(id, group)| {
            let (protocol_type, state, kind) = match group {
                Group::Classic(group) => {
                    (group.protocol_type().cloned().unwrap_or_default(), group.state_name(), "classic")
                }
                Group::Consumer(group) => (Str::from(CONSUMER_PROTOCOL_TYPE), group.state_name(), "consumer"),
            };
            ListedGroup {
                group_id: id.clone(),
                protocol_type,
                group_state: state.into(),
                group_type: kind.into(),
            }
        });
        let wanted = |group: &ListedGroup| {
            matches(&request.states_filter, &group.group_state)
                && matches(&request.types_filter, &group.group_type)
        };
        ListGroupsResponse { groups: listed.filter(wanted).collect(), ..ListGroupsResponse::default() }
    }

    pub(crate) fn describe_groups(
        &self,
        call: &GroupCall,
        request: &DescribeGroupsRequest,
    ) -> DescribeGroupsResponse {
        let describe = |id: &Str| {
            let mut described = match self.groups.get(id) {
                _ if id.is_empty() => {
                    DescribedGroup { error_code: ErrorCode::InvalidGroupId, ..DescribedGroup::default() }
                }
                Some(Group::Classic(group)) => describe_classic(group),
                Some(Group::Consumer(_)) | None => dead(call.api_version, id),
            };
            described.group_id = id.clone();
            described.authorized_operations = operations(request.include_authorized_operations);
            described
        };
        let groups = request.groups.iter().take(GROUPS_PER_REQUEST_MAX).map(describe).collect();
        DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }
    }

    pub(crate) fn describe_consumer_groups(
        &self,
        cx: &Cx<'_>,
        request: &ConsumerGroupDescribeRequest,
    ) -> ConsumerGroupDescribeResponse {
        let describe = |id: &Str| {
            let mut described = match self.groups.get(id) {
                _ if id.is_empty() => ConsumerGroupDescribedGroup {
                    error_code: ErrorCode::InvalidGroupId,
                    ..ConsumerGroupDescribedGroup::default()
                },
                Some(Group::Consumer(group)) => group.describe(cx.topics),
                Some(Group::Classic(_)) | None => ConsumerGroupDescribedGroup {
                    error_code: ErrorCode::GroupIdNotFound,
                    error_message: Some(not_found(id)),
                    ..ConsumerGroupDescribedGroup::default()
                },
            };
            described.group_id = id.clone();
            described.authorized_operations = operations(request.include_authorized_operations);
            described
        };
        let groups = request.group_ids.iter().take(GROUPS_PER_REQUEST_MAX).map(describe).collect();
        ConsumerGroupDescribeResponse { groups, ..ConsumerGroupDescribeResponse::default() }
    }

    pub(crate) fn delete_groups(
        &mut self,
        cx: &mut Cx<'_>,
        request: &DeleteGroupsRequest,
    ) -> DeleteGroupsResponse {
        let mut results = Vec::new();
        for id in request.groups_names.iter().take(GROUPS_PER_REQUEST_MAX) {
            let error_code = match self.groups.get(id) {
                None => ErrorCode::GroupIdNotFound,
                Some(group) if !group.is_empty() => ErrorCode::NonEmptyGroup,
                Some(_) => {
                    self.erase_group(cx, id);
                    ErrorCode::None
                }
            };
            results.push(DeletableGroupResult { group_id: id.clone(), error_code });
        }
        DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
    }
}

fn dead(api_version: i16, id: &Str) -> DescribedGroup {
    let modern = api_version >= GROUP_NOT_FOUND_FROM;
    DescribedGroup {
        error_code: if modern { ErrorCode::GroupIdNotFound } else { ErrorCode::None },
        error_message: modern.then(|| not_found(id)),
        group_state: "Dead".into(),
        ..DescribedGroup::default()
    }
}

/// Protocol and metadata are told of stable groups only: before, they are those of no generation.
fn describe_classic(group: &ClassicGroup) -> DescribedGroup {
    let stable = group.phase() == Phase::Stable;
    let describe = |(id, member): (&Str, &Member)| DescribedGroupMember {
        member_id: id.clone(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        member_metadata: if stable { group.member_metadata(member) } else { Default::default() },
        member_assignment: member.assignment.clone(),
    };
    DescribedGroup {
        group_state: group.state_name().into(),
        protocol_type: group.protocol_type().cloned().unwrap_or_default(),
        protocol_data: group.protocol_name().filter(|_| stable).cloned().unwrap_or_default(),
        members: group.members().map(describe).collect(),
        ..DescribedGroup::default()
    }
}
