//! Who may commit offsets to a classic group, and when its offsets may go.

use poruka_wire::ErrorCode;
use poruka_wire::api::OffsetCommitRequest;

use super::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, subscription};
use crate::group::cx::Cx;
use crate::group::offsets::Expiry;
use crate::group::record::classic_group::Phase;

impl ClassicGroup {
    /// Fencing of OffsetCommit: members of the current generation, or anyone without a generation while the group is
    /// empty (simple consumers and administrators). A commit counts as a sign of life.
    pub(crate) fn check_commit(
        &self,
        cx: &mut Cx<'_>,
        request: &OffsetCommitRequest,
    ) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        let instance = request.group_instance_id.as_ref();
        if generation < 0 && self.is_empty() {
            return Ok(());
        }
        if generation < 0 && request.member_id.is_empty() && instance.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.check_member(&request.member_id, instance)?;
        if generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if self.phase == Phase::Completing {
            // The member knows the generation but not its assignment: what it commits belongs to the one before.
            return Err(ErrorCode::RebalanceInProgress);
        }
        self.keep_alive(cx, &request.member_id);
        Ok(())
    }

    /// Offsets of a group with live members are not for an administrator to delete, unless the group's protocol tells
    /// which topics it reads.
    pub(crate) fn check_offset_delete(&self) -> Result<(), ErrorCode> {
        let reads_topics = self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE);
        if self.is_empty() || reads_topics { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    /// Whether a member reads the topic; yes, if a consumer's subscription cannot be understood.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        if self.protocol_type.as_deref() != Some(CONSUMER_PROTOCOL_TYPE) || self.members.is_empty() {
            return false;
        }
        self.members.values().any(|member| {
            let metadata = member.metadata(self.protocol_name.as_ref());
            subscription::topics(&metadata).is_none_or(|topics| topics.contains(&topic))
        })
    }

    /// From which moment the retention of the group's offsets counts.
    pub(crate) fn expiry(&self) -> Expiry {
        match (&self.protocol_type, self.phase) {
            (None, _) => Expiry::SinceCommit,
            (Some(_), Phase::Empty) => self.empty_since_wall_ms.map_or(Expiry::SinceCommit, Expiry::Since),
            (Some(kind), Phase::Stable) if kind.as_str() == CONSUMER_PROTOCOL_TYPE => Expiry::SinceCommit,
            _ => Expiry::Never,
        }
    }
}
