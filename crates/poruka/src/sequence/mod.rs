//! Sequence numbers for `ordered`: a header that the producer writes, and a watcher at the consumer that tells gaps
//! from silence.

mod header;
mod watch;

pub use header::{SEQUENCE_HEADER, Stamp};
pub use watch::{GapReason, INSTANCES_PER_PARTITION_MAX, SequenceEvent, SequenceNotice};
pub(crate) use watch::{Seen, Watch};
