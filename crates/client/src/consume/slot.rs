//! One partition as a consumer reads it: where it is, what of it is buffered, why it waits. Pure.

use std::collections::VecDeque;

use bytes::Bytes;
use poruka_env::Mono;
use poruka_wire::Uuid;

use super::config::Start;

/// What the position of a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// To be read from the group's committed offsets.
    Committed,
    /// To be looked up; `from` is the position that turned out not to be in the log, `told` whether the answer is told.
    Look { start: Start, from: Option<i64>, told: bool },
    /// The next offset to hand out.
    At(i64),
    /// Stopped until the application seeks.
    Stopped,
}

/// One fetched stretch of a partition's log.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Whole batches, perhaps with a cut one at the end.
    pub(crate) records: Bytes,
    pub(crate) high_watermark: i64,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) topic_id: Uuid,
    pub(crate) leader: Option<i32>,
    pub(crate) leader_epoch: i32,
    pub(crate) position: Position,
    /// The next offset to ask for: after what is buffered.
    pub(crate) fetch_at: i64,
    /// Leader epoch of the last batch taken in, to notice that the log was cut back; -1 before the first.
    pub(crate) last_epoch: i32,
    pub(crate) chunks: VecDeque<Chunk>,
    pub(crate) buffered: usize,
    pub(crate) paused: bool,
    /// Rises with every seek, so that an answer to an older question is not taken in.
    pub(crate) generation: u64,
    pub(crate) failures: u32,
    pub(crate) not_before: Mono,
    /// A look-up of its position is on its way.
    pub(crate) looking: bool,
}

impl Slot {
    pub(crate) fn new(topic_id: Uuid, position: Position, generation: u64) -> Slot {
        let fetch_at = if let Position::At(offset) = position { offset } else { 0 };
        Slot {
            topic_id,
            leader: None,
            leader_epoch: -1,
            position,
            fetch_at,
            last_epoch: -1,
            chunks: VecDeque::new(),
            buffered: 0,
            paused: false,
            generation,
            failures: 0,
            not_before: Mono::ZERO,
            looking: false,
        }
    }

    /// Drops what is buffered and starts over from another position.
    pub(crate) fn restart(&mut self, position: Position, generation: u64) {
        self.position = position;
        self.generation = generation;
        self.chunks.clear();
        self.buffered = 0;
        self.looking = false;
        self.last_epoch = -1;
        if let Position::At(offset) = position {
            self.fetch_at = offset;
        }
    }

    /// Whether it may be asked for now.
    pub(crate) fn is_fetchable(&self, now: Mono, partition_bytes_max: usize) -> bool {
        matches!(self.position, Position::At(_))
            && !self.paused
            && self.buffered < partition_bytes_max
            && now >= self.not_before
    }
}
