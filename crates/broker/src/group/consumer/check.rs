//! Whether a ConsumerGroupHeartbeat makes sense, before any group is looked at.

use std::collections::BTreeSet;

use poruka_wire::api::{ConsumerGroupHeartbeatRequest, EPOCH_JOIN, EPOCH_LEAVE, EPOCH_LEAVE_STATIC};
use poruka_wire::{ErrorCode, Str};
use regex::Regex;

use super::{Refused, assign, pattern};
use crate::group::classic_calls::check_group_id;
use crate::group::limits::{ID_BYTES_MAX, OWNED_PARTITIONS_MAX, SUBSCRIBED_TOPICS_MAX};
use crate::group::partitions::PartitionSet;

/// From this version on the client brings its own member id (KIP-1082).
const MEMBER_ID_FROM_CLIENT: i16 = 1;

/// The parts of a heartbeat in the form in which the group uses them.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) topic_names: Option<BTreeSet<Str>>,
    /// The compiled pattern, if the request names one that is not empty.
    pub(crate) pattern: Option<Regex>,
    pub(crate) owned: Option<PartitionSet>,
}

fn invalid(message: &str) -> Refused {
    Refused::new(ErrorCode::InvalidRequest, message)
}

fn check_ids(api_version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refused> {
    let epoch = request.member_epoch;
    let needs_id = api_version >= MEMBER_ID_FROM_CLIENT || epoch > 0 || epoch == EPOCH_LEAVE;
    if needs_id && request.member_id.is_empty() {
        return Err(invalid("the member id must not be empty"));
    }
    if request.group_id.is_empty() {
        return Err(invalid("the group id must not be empty"));
    }
    check_group_id(&request.group_id).map_err(|code| Refused::new(code, "the group id is too long"))?;
    if request.instance_id.as_deref() == Some("") || request.rack_id.as_deref() == Some("") {
        return Err(invalid("an instance id or rack id must not be empty"));
    }
    let ids = [Some(&request.member_id), request.instance_id.as_ref(), request.rack_id.as_ref()];
    if ids.into_iter().flatten().any(|id| id.len() > ID_BYTES_MAX) {
        return Err(invalid("an id is too long"));
    }
    Ok(())
}

fn check_epoch(request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refused> {
    match request.member_epoch {
        EPOCH_JOIN => {
            if request.rebalance_timeout_ms == -1 {
                return Err(invalid("a rebalance timeout must come with the first heartbeat"));
            }
            if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
                return Err(invalid("a member that joins must own an empty list of partitions"));
            }
            if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
                return Err(invalid("a subscription must come with the first heartbeat"));
            }
            Ok(())
        }
        EPOCH_LEAVE_STATIC if request.instance_id.is_none() => {
            Err(invalid("only a member with an instance id can leave for a while"))
        }
        epoch if epoch < EPOCH_LEAVE_STATIC => Err(invalid("the member epoch is below -2")),
        _ => Ok(()),
    }
}

/// Checks everything that needs no group. A pattern is compiled here, so that nothing fails halfway later.
pub(crate) fn check(api_version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<Checked, Refused> {
    check_ids(api_version, request)?;
    check_epoch(request)?;
    if let Some(name) = request.server_assignor.as_ref().filter(|name| !assign::is_known(name)) {
        let message = format!("assignor {name} is not supported; supported are {}", assign::NAMES.join(", "));
        return Err(Refused::new(ErrorCode::UnsupportedAssignor, message));
    }
    let names = request.subscribed_topic_names.as_ref();
    if names.is_some_and(|names| names.len() > SUBSCRIBED_TOPICS_MAX) {
        return Err(invalid("too many subscribed topics"));
    }
    let owned = request.topic_partitions.as_ref();
    let owned_count: usize = owned.into_iter().flatten().map(|topic| topic.partitions.len()).sum();
    if owned_count > OWNED_PARTITIONS_MAX {
        return Err(invalid("too many owned partitions"));
    }
    let text = request.subscribed_topic_regex.as_ref().filter(|text| !text.is_empty());
    Ok(Checked {
        topic_names: names.map(|names| names.iter().cloned().collect()),
        pattern: text.map(|text| pattern::compile(text)).transpose()?,
        owned: owned.map(|topics| {
            let of_topic = |topic: &poruka_wire::api::ConsumerGroupHeartbeatTopicPartitions| {
                let id = topic.topic_id;
                topic.partitions.iter().map(move |partition| (id, *partition)).collect::<Vec<_>>()
            };
            topics.iter().flat_map(of_topic).collect()
        }),
    })
}
