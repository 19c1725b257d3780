//! What a consumer tells beside records. None of it has to be acted upon; all of it is worth a line in a log.

use std::fmt;

use crate::sequence::SequenceNotice;

/// Why a position moved without records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The records up to there were removed by retention or by a delete request.
    Expired,
    /// The log ended below the position: it was cut back, or records were lost with their broker.
    LogEndedBefore,
}

/// Something that happened between records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// On an ordered topic: a start, a gap, a repeat, an eviction.
    Sequence(SequenceNotice),
    /// The position jumped.
    PositionMoved {
        /// The partition.
        partition: i32,
        /// The position before.
        from: i64,
        /// The position now.
        to: i64,
        /// Why.
        because: Moved,
    },
    /// Records were given up before they were handed out, since it could not be made sure that nobody else handles
    /// them (at-most-once only).
    GivenUp {
        /// The partition.
        partition: i32,
        /// The first offset given up.
        from: i64,
        /// The offset after the last one.
        to: i64,
        /// What went wrong.
        why: String,
    },
    /// These partitions are read by this consumer from now on.
    Assigned(Vec<i32>),
    /// These partitions were handed back: another member may read them.
    Revoked(Vec<i32>),
    /// These partitions were taken away without asking; what was handled of them and not committed comes again elsewhere.
    Lost(Vec<i32>),
    /// The topic was made anew under its name: reading goes on at the start of the new one.
    TopicMadeAnew,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Sequence(told) => told.fmt(f),
            Notice::PositionMoved { partition, from, to, because } => {
                let because = match because {
                    Moved::Expired => "the records between have expired",
                    Moved::LogEndedBefore => "the log ended before it",
                };
                write!(f, "partition {partition}: position moved from {from} to {to}: {because}")
            }
            Notice::GivenUp { partition, from, to, why } => {
                write!(f, "partition {partition}: records {from} to {} given up: {why}", to - 1)
            }
            Notice::Assigned(partitions) => write!(f, "partitions {partitions:?} assigned"),
            Notice::Revoked(partitions) => write!(f, "partitions {partitions:?} handed back"),
            Notice::Lost(partitions) => write!(f, "partitions {partitions:?} lost"),
            Notice::TopicMadeAnew => f.write_str("the topic was made anew; reading from its start"),
        }
    }
}
