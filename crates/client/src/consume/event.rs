//! What a consumer hands out: records, and everything else that the application should know about.

use poruka_wire::records::Record;
use poruka_wire::{ErrorCode, Str, Uuid};

use crate::produce::TopicPartition;

/// Records of one partition, in order: those of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// Where they are from.
    pub at: TopicPartition,
    /// Which incarnation of the topic.
    pub topic_id: Uuid,
    /// Leader epoch of the batch.
    pub leader_epoch: i32,
    /// The records; never empty.
    pub records: Vec<Record>,
    /// The position after them: what to commit once they are done.
    pub next_offset: i64,
    /// The partition's high watermark when they were fetched: the offset after its last visible record.
    pub high_watermark: i64,
}

/// What a consumer tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Records to handle.
    Records(Records),
    /// The coordinator gave us these partitions.
    Assigned(Vec<TopicPartition>),
    /// The coordinator wants these partitions back. Nothing more of them is handed out; finish and commit what was, then
    /// call `Consumer::release`.
    Revoking(Vec<TopicPartition>),
    /// These partitions are no longer ours: another member may own them already. Commits for them will be refused.
    Lost(Vec<TopicPartition>),
    /// A position was not in the log, and the reset policy chose another one.
    Reset {
        /// The partition.
        at: TopicPartition,
        /// The position that is not in the log; `None` when there was none (no committed offset).
        from: Option<i64>,
        /// Where reading goes on.
        to: i64,
    },
    /// A position is not in the log (or there is none), and the reset policy is to stop: seek.
    NoPosition {
        /// The partition.
        at: TopicPartition,
        /// The position that is not in the log, if there was one.
        from: Option<i64>,
    },
    /// The topic was made anew under the same name (or a Memory topic was born again with its broker). What was fetched of
    /// the old one is gone, and reading goes on at the start of the new one.
    TopicReborn {
        /// The topic.
        topic: Str,
        /// Its old id.
        old: Uuid,
        /// Its new id.
        new: Uuid,
    },
    /// The log was cut back behind our position (an unclean leader election): records that were read are gone.
    Truncated {
        /// The partition.
        at: TopicPartition,
        /// The position before.
        from: i64,
        /// Where the log ends now, and reading goes on.
        to: i64,
    },
    /// A partition cannot be read and is stopped: seek past the damage, or mend the cause and resume it.
    Failed {
        /// The partition.
        at: TopicPartition,
        /// The offset at which it stopped.
        offset: i64,
        /// Why.
        why: String,
    },
    /// The membership of the group has ended for a reason that does not pass by itself.
    GroupFailed {
        /// The coordinator's code.
        code: ErrorCode,
        /// Its words.
        message: String,
    },
}
