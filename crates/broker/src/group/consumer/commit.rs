//! Who may commit offsets to, and fetch them from, a consumer-protocol group.

use poruka_wire::api::OffsetCommitRequest;
use poruka_wire::{ErrorCode, Str};

use super::ConsumerGroup;
use crate::group::partitions::TopicPartition;

/// Members of these groups must use this version of OffsetCommit or a later one.
const COMMIT_FROM: i16 = 9;

impl ConsumerGroup {
    /// A member commits at its own epoch, or at an earlier one if it has held every partition since then (KIP-1251).
    pub(crate) fn check_commit(
        &self,
        api_version: i16,
        request: &OffsetCommitRequest,
        partitions: &[TopicPartition],
    ) -> Result<(), ErrorCode> {
        let epoch = request.generation_id_or_member_epoch;
        if epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        let member = self.members.get(&request.member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if api_version < COMMIT_FROM {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if epoch >= 0 && epoch == member.current.epoch {
            return Ok(());
        }
        let held_since = |partition: &TopicPartition| {
            let current = &member.current;
            current.assigned.get(partition).or_else(|| current.revoking.get(partition)).copied()
        };
        let all_held =
            || partitions.iter().all(|partition| held_since(partition).is_some_and(|since| epoch >= since));
        if epoch < member.current.epoch && all_held() { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
    }

    /// A member that says who it is must be at its current epoch.
    pub(crate) fn check_fetch(&self, member_id: Option<&Str>, epoch: i32) -> Result<(), ErrorCode> {
        if member_id.is_none() && epoch < 0 {
            return Ok(());
        }
        let member = member_id.and_then(|id| self.members.get(id)).ok_or(ErrorCode::UnknownMemberId)?;
        if epoch == member.current.epoch { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
    }
}
