//! Retention: offsets that nobody has used for long enough go, and with the last of them an empty group.
//!
//! Measured by the wall clock, because it has to count through restarts; a wall clock that is set forward by days
//! expires offsets early, as it does in Apache Kafka.

use poruka_wire::Str;

use crate::group::cx::Cx;
use crate::group::record::offset::OffsetRecord;
use crate::group::state::{Group, State};

/// From which moment a group's retention counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// The group is in use: nothing expires.
    Never,
    /// From each offset's own commit.
    SinceCommit,
    /// From this moment of the wall clock, or an offset's own commit if that is later.
    Since(i64),
}

impl Expiry {
    fn is_over(self, record: &OffsetRecord, now_wall_ms: i64, retention_ms: i64) -> bool {
        let since = match self {
            Self::Never => return false,
            Self::SinceCommit => record.committed_wall_ms,
            Self::Since(moment) => moment.max(record.committed_wall_ms),
        };
        match record.expires_wall_ms {
            Some(own) => now_wall_ms >= own,
            None => now_wall_ms.saturating_sub(since) >= retention_ms,
        }
    }
}

impl State {
    /// Removes expired offsets, then empty groups that have none left.
    pub(crate) fn expire(&mut self, cx: &mut Cx<'_>) {
        let (groups, topics) = (&self.groups, cx.topics);
        let (now, retention) = (cx.now.wall_ms, cx.config.offsets_retention_ms);
        self.offsets.expired += self.offsets.remove_where(cx.out, |group, (topic, _), record| {
            let name = topics.name(*topic);
            let (expiry, is_read) = match groups.get(group) {
                Some(Group::Classic(group)) => {
                    (group.expiry(), name.is_some_and(|name| group.is_subscribed_to(name)))
                }
                Some(Group::Consumer(group)) => {
                    (Expiry::SinceCommit, name.is_some_and(|name| group.is_subscribed_to(name)))
                }
                None => (Expiry::SinceCommit, false),
            };
            !is_read && expiry.is_over(record, now, retention)
        });
        let idle: Vec<Str> = self
            .groups
            .iter()
            .filter(|(id, group)| group.is_empty() && !self.offsets.has_any(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in idle {
            self.erase_group(cx, &id);
        }
    }
}
