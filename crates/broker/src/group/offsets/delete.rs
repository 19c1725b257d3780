//! OffsetDelete (key 47), v0: an administrator removes offsets of topics that the group does not read.

use poruka_wire::ErrorCode;
use poruka_wire::api::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use crate::group::cx::Cx;
use crate::group::state::{Group, State};

impl State {
    /// Removes offsets, or says for each why not.
    pub(crate) fn offset_delete(
        &mut self,
        cx: &mut Cx<'_>,
        request: &OffsetDeleteRequest,
    ) -> OffsetDeleteResponse {
        let checked = match self.groups.get(&request.group_id) {
            _ if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
            Some(Group::Classic(group)) => group.check_offset_delete(),
            Some(Group::Consumer(_)) => Ok(()),
            None => Err(ErrorCode::GroupIdNotFound),
        };
        if let Err(error_code) = checked {
            return OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() };
        }
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let id = cx.topics.get(&topic.name).map(|info| info.id);
            let is_read = self.groups.get(&request.group_id).is_some_and(|group| match group {
                Group::Classic(group) => group.is_subscribed_to(&topic.name),
                Group::Consumer(group) => group.is_subscribed_to(&topic.name),
            });
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let index = partition.partition_index;
                let error_code = match id.filter(|id| cx.topics.has_partition(*id, index)) {
                    None => ErrorCode::UnknownTopicOrPartition,
                    Some(_) if is_read => ErrorCode::GroupSubscribedToTopic,
                    Some(id) => {
                        self.offsets.remove(cx.out, &request.group_id, (id, index));
                        ErrorCode::None
                    }
                };
                partitions.push(OffsetDeleteResponsePartition { partition_index: index, error_code });
            }
            topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions });
        }
        OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() }
    }
}
