//! One pass of compaction over one partition, in small steps that its driver may pause or give up between.
//!
//! First it looks at all batches for ends of transactions. Then it puts the keys of what was never compacted into the map, as
//! far as that has room. Then, group by group from the oldest on, it copies what stays into a new segment, syncs it, puts it
//! in place of the old ones, waits for the journal, and gives the files their names. The order of groups matters: when a
//! deletion gets its delete horizon, every older value of its key is gone. Giving up leaves whole groups done or not.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use poruka_wire::records::{BatchError, ControlType, records};

use super::counters::Counters;
use super::filter::{Filter, Left};
use super::map::{MapFull, OffsetMap};
use super::plan::groups;
use super::reader::{Reader, ScanError};
use super::target::Target;
use super::transactions::{Met, Transactions};
use crate::batch::Head;
use crate::context::Context;
use crate::error::StorageError;
use crate::partition::PartitionLog;
use crate::partition::compact::Start;
use crate::segment::SegmentRecord;

/// A step reads about this much.
const STEP_BYTES: u64 = 1 << 20;
/// The map is made for four times the bytes that its keys lie in: one slot for every 6 bytes of log.
const MAP_BYTES_FACTOR: u64 = 4;
const MAP_BYTES_MIN: u64 = 64 << 10;

/// Why a pass was given up. Nothing is lost: the old segments stand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompactError {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error("a batch cannot be read: {0}")]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("write {file}: {error}")]
    Io {
        file: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("one batch has more keys than the memory for keys takes")]
    MapTooSmall,
    #[error("a rewritten batch is not one")]
    Lost,
}

impl CompactError {
    pub(super) fn io(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CompactError {
        let file = file.into();
        move |error| CompactError::Io { file, error }
    }
}

/// What the driver does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Call again, after a pause for this many bytes read and written.
    Step(u64),
    /// Call again when the journal has this entry.
    AfterJournal(u64),
    /// The pass is over. False: nothing was gained, and the partition is not to be tried again soon.
    Done(bool),
}

enum Phase {
    Look(Reader),
    Map(Reader),
    Group,
    Copy(Box<Copying>),
    Names { base: i64, entry: u64 },
    Over,
}

/// A group on its way into a new segment.
struct Copying {
    group: Vec<SegmentRecord>,
    end: i64,
    reader: Reader,
    target: Target,
    changed: bool,
    gone: u64,
}

/// See the module.
pub(super) struct Compaction {
    context: Arc<Context>,
    log: Arc<PartitionLog>,
    start: Start,
    now_ms: i64,
    transactions: Transactions,
    met: Met,
    map: OffsetMap,
    map_bytes: usize,
    /// Offset of the last batch whose keys are in the map.
    mapped_to: i64,
    todo: VecDeque<Vec<SegmentRecord>>,
    phase: Phase,
}

impl Compaction {
    /// Begins a pass, if the partition has something to compact.
    pub(super) fn begin(context: &Arc<Context>, log: Arc<PartitionLog>, now_ms: i64) -> Option<Compaction> {
        let start = log.begin_compaction(now_ms).filter(|start| start.plan.is_due)?;
        let reader = Reader::new(&log, start.plan.segments.iter().copied());
        let dirty = start.plan.segments.iter().filter(|segment| segment.end > start.clean_until);
        let dirty_bytes: u64 = dirty.map(|segment| u64::from(segment.len)).sum();
        let most = context.config.clean_map_bytes as u64;
        let map_bytes = (dirty_bytes * MAP_BYTES_FACTOR).max(MAP_BYTES_MIN).min(most) as usize;
        Some(Compaction {
            map: new_map(context, 0),
            map_bytes,
            mapped_to: -1,
            context: Arc::clone(context),
            log,
            start,
            now_ms,
            transactions: Transactions::default(),
            met: Met::default(),
            todo: VecDeque::new(),
            phase: Phase::Look(reader),
        })
    }

    pub(super) fn step(&mut self) -> Result<Next, CompactError> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Look(reader) => self.look(reader),
            Phase::Map(reader) => self.fill_map(reader),
            Phase::Group => self.next_group(),
            Phase::Copy(copying) => self.copy(copying),
            Phase::Names { base, entry } => {
                if self.context.journal.durable_index() < entry {
                    self.phase = Phase::Names { base, entry };
                    return Ok(Next::AfterJournal(entry));
                }
                self.log.take_names(base).map_err(CompactError::io(self.log.topic()))?;
                self.phase = Phase::Group;
                Ok(Next::Step(0))
            }
            Phase::Over => Ok(Next::Done(false)),
        }
    }

    fn look(&mut self, mut reader: Reader) -> Result<Next, CompactError> {
        let until = reader.bytes + STEP_BYTES;
        let before = reader.bytes;
        while reader.bytes < until {
            let Some((head, batch)) = reader.next()? else {
                return Ok(self.begin_map());
            };
            let go_on = match (head.is_transactional(), head.is_control()) {
                (true, false) => {
                    self.transactions.data(head.producer_id, head.base_offset);
                    true
                }
                (true, true) => match marker(&batch)? {
                    Some(aborted) => self.transactions.end(head.producer_id, head.base_offset, aborted),
                    None => true,
                },
                (false, _) => true,
            };
            if !go_on {
                return Ok(self.begin_map());
            }
        }
        let bytes = reader.bytes - before;
        self.phase = Phase::Look(reader);
        Ok(self.read(bytes))
    }

    /// Everything about transactions is known: the stretch ends where one is not over.
    fn begin_map(&mut self) -> Next {
        if let Some(bound) = self.transactions.bound() {
            self.start.plan.segments.retain(|segment| segment.end <= bound);
        }
        let clean_until = self.start.clean_until;
        let dirty = self.start.plan.segments.iter().filter(|segment| segment.end > clean_until).copied();
        let dirty: Vec<SegmentRecord> = dirty.collect();
        if dirty.is_empty() {
            return Next::Done(false);
        }
        self.map = new_map(&self.context, self.map_bytes);
        self.mapped_to = -1;
        self.phase = Phase::Map(Reader::new(&self.log, dirty));
        Next::Step(0)
    }

    fn fill_map(&mut self, mut reader: Reader) -> Result<Next, CompactError> {
        let until = reader.bytes + STEP_BYTES;
        let before = reader.bytes;
        while reader.bytes < until {
            let Some((head, batch)) = reader.next()? else { return Ok(self.begin_groups()) };
            if head.next_offset() <= self.start.clean_until {
                continue;
            }
            if self.map_batch(&head, &batch)? == Err(MapFull) {
                let most = self.context.config.clean_map_bytes;
                if self.mapped_to >= 0 {
                    return Ok(self.begin_groups());
                }
                if self.map_bytes == most {
                    return Err(CompactError::MapTooSmall);
                }
                self.map_bytes = most;
                return Ok(self.begin_map());
            }
            self.mapped_to = head.last_offset();
        }
        let bytes = reader.bytes - before;
        self.phase = Phase::Map(reader);
        Ok(self.read(bytes))
    }

    fn map_batch(&mut self, head: &Head, batch: &Bytes) -> Result<Result<(), MapFull>, CompactError> {
        let aborted =
            head.is_transactional() && self.transactions.is_aborted(head.producer_id, head.base_offset);
        if head.is_control() || aborted {
            return Ok(Ok(()));
        }
        let mut all = records(batch)?;
        while let Some(record) = all.next_view() {
            let record = record?;
            if let Some(key) = record.key
                && self.map.put(key, record.offset).is_err()
            {
                return Ok(Err(MapFull));
            }
        }
        Ok(Ok(()))
    }

    /// Segments past the map have nothing to gain yet.
    fn begin_groups(&mut self) -> Next {
        let mapped_to = self.mapped_to;
        let covered = self.start.plan.segments.iter().take_while(|segment| segment.base <= mapped_to);
        let covered: Vec<SegmentRecord> = covered.copied().collect();
        self.todo = groups(&covered, self.start.segment_bytes).into();
        self.phase = Phase::Group;
        Next::Step(0)
    }

    fn next_group(&mut self) -> Result<Next, CompactError> {
        let Some(group) = self.todo.pop_front() else {
            self.log.set_clean_until(self.mapped_to + 1);
            return Ok(Next::Done(true));
        };
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(Next::Step(0)) };
        let made = self.log.create_cleaned(first.base).map_err(CompactError::io(self.log.topic()))?;
        let Some(made) = made else { return Ok(Next::Done(false)) };
        let target = Target::new(made, self.start.index_interval_bytes);
        let (end, reader) = (last.end, Reader::new(&self.log, group.iter().copied()));
        let changed = group.len() > 1;
        self.phase = Phase::Copy(Box::new(Copying { group, end, reader, target, changed, gone: 0 }));
        Ok(Next::Step(0))
    }

    fn copy(&mut self, mut copying: Box<Copying>) -> Result<Next, CompactError> {
        let (base, generation) = (copying.target.base(), copying.target.generation);
        let before = copying.reader.bytes + copying.target.bytes();
        match self.copy_some(&mut copying) {
            Ok(false) => {
                let bytes = copying.reader.bytes + copying.target.bytes() - before;
                self.phase = Phase::Copy(copying);
                Ok(self.read(bytes))
            }
            Ok(true) => self.put_in_place(*copying, before).inspect_err(|_| {
                self.log.remove_cleaned(base, generation);
            }),
            Err(error) => {
                self.log.remove_cleaned(base, generation);
                Err(error)
            }
        }
    }

    /// Copies for one step; true at the end of the group.
    fn copy_some(&mut self, copying: &mut Copying) -> Result<bool, CompactError> {
        let filter = Filter {
            map: &self.map,
            mapped_to: self.mapped_to,
            transactions: &self.transactions,
            last_of_producer: &self.start.last_of_producer,
            now_ms: self.now_ms,
            delete_retention_ms: self.start.clean.delete_retention_ms,
        };
        let until = copying.reader.bytes + STEP_BYTES;
        while copying.reader.bytes < until {
            let Some((head, batch)) = copying.reader.next()? else { return Ok(true) };
            let is_last = head.next_offset() == copying.end;
            let disk = self.context.disk();
            match filter.batch(&batch, &mut self.met, is_last)? {
                Left::All => copying.target.put(disk, &batch)?,
                Left::Some(rest, gone) => {
                    copying.target.put(disk, &rest)?;
                    copying.gone += gone;
                    copying.changed = true;
                }
                Left::Nothing(gone) => {
                    copying.gone += gone;
                    copying.changed = true;
                }
            }
        }
        Ok(false)
    }

    fn put_in_place(&mut self, copying: Copying, before: u64) -> Result<Next, CompactError> {
        let Copying { group, reader, target, changed, gone, .. } = copying;
        let (base, generation) = (target.base(), target.generation);
        let bytes = reader.bytes + target.bytes() - before;
        self.phase = Phase::Group;
        if !changed {
            self.log.remove_cleaned(base, generation);
            return Ok(self.read(bytes));
        }
        let segment = target.finish(self.context.disk())?;
        let written = u64::from(segment.len());
        match self.log.replace(&group, segment, generation)? {
            Some(entry) => {
                let cleaned = &self.context.cleaned;
                Counters::add(&cleaned.compactions, 1);
                Counters::add(&cleaned.compacted_bytes_written, written);
                Counters::add(&cleaned.records_compacted, gone);
                self.phase = Phase::Names { base, entry };
                self.read(bytes);
                Ok(Next::AfterJournal(entry))
            }
            None => {
                self.log.remove_cleaned(base, generation);
                Ok(Next::Done(false))
            }
        }
    }

    fn read(&self, bytes: u64) -> Next {
        Counters::add(&self.context.cleaned.compacted_bytes_read, bytes);
        Next::Step(bytes)
    }

    /// The pass is given up between two steps: what was being written goes.
    pub(super) fn give_up(&mut self) {
        if let Phase::Copy(copying) = std::mem::replace(&mut self.phase, Phase::Over) {
            self.log.remove_cleaned(copying.target.base(), copying.target.generation);
        }
    }
}

fn new_map(context: &Context, bytes: usize) -> OffsetMap {
    OffsetMap::new(bytes, [context.env.random_u64(), context.env.random_u64()])
}

/// Whether a marker aborts; none for a batch that is no marker.
fn marker(batch: &Bytes) -> Result<Option<bool>, BatchError> {
    let mut all = records(batch)?;
    let Some(record) = all.next_view() else { return Ok(None) };
    Ok(match record?.key.and_then(ControlType::of_key) {
        Some(ControlType::Abort) => Some(true),
        Some(ControlType::Commit) => Some(false),
        _ => None,
    })
}
