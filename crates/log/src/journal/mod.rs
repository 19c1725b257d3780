//! The journal: one for all Synced partitions of a data folder (docs/storage-format.md §Journal).
//!
//! [`state::JournalState`] decides, [`writer::Writer`] does the I/O, [`driver`] runs the two on a thread of the real host
//! or as a task of the simulated one. This file is the door through which partitions push and wait.

pub(crate) mod driver;
pub(crate) mod entry;
pub(crate) mod group;
pub(crate) mod recover;
pub(crate) mod state;
pub(crate) mod writer;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poruka_env::Env;
use tokio::sync::{Notify, watch};

use self::entry::{Entry, PartitionId, Place};
use self::state::{Group, Hint, JournalState, Position, Refused, Shape};
use self::writer::{CommitError, Writer};
use crate::codec::crc32c;
use crate::config::LogConfig;
use crate::progress::{Progress, StorageFailed};
use crate::segment_file::SegmentFile;
use crate::stats::{JournalFigures, LogStats};

/// Appends should wait while more than this is pushed and not yet durable ([`Journal::room`]).
const BACKLOG_BYTES_MAX: usize = 32 << 20;
/// Pause before a group is written again after the disk was full.
pub(crate) const FULL_RETRY: Duration = Duration::from_millis(100);
/// A journal that has been idle for this long says in a proof that its newest group was synced.
pub(crate) const PROOF_DELAY: Duration = Duration::from_millis(20);

/// What to do once an entry is durable.
#[derive(Debug)]
pub(crate) enum Told {
    Visible(Arc<Progress>, i64),
    Reserved(Arc<Progress>, i64),
}

impl Told {
    fn done(self) {
        match self {
            Told::Visible(progress, end) => progress.visible(end),
            Told::Reserved(progress, until) => progress.reserved(until),
        }
    }

    fn failed(self) {
        let (Told::Visible(progress, _) | Told::Reserved(progress, _)) = self;
        progress.fail();
    }
}

/// What is known of the journal as a whole.
#[derive(Debug, Clone, Copy)]
struct Standing {
    durable: u64,
    poisoned: bool,
}

struct Core {
    state: JournalState<Told, Arc<SegmentFile>>,
    idle: bool,
    stopping: bool,
    /// The driver has ended: everything pushed is durable, or never will be.
    finished: bool,
}

/// A batch on its way into the journal.
pub(crate) struct Append<'a> {
    pub(crate) partition: PartitionId,
    pub(crate) place: Place,
    pub(crate) batch: &'a [u8],
    pub(crate) segment: &'a Arc<SegmentFile>,
}

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Worked,
    /// Nothing to do until woken.
    Idle,
    /// As above, but call [`Journal::prove`] when nothing has come after [`PROOF_DELAY`].
    Unproven,
    /// The disk is full: try again after [`FULL_RETRY`].
    Full,
    Stopped,
}

/// See the module.
pub(crate) struct Journal {
    core: Mutex<Core>,
    work: Condvar,
    work_task: Notify,
    /// Wakes a thread that waits for [`Journal::wait_durable_blocking`].
    durable: Condvar,
    standing: watch::Sender<Standing>,
    shape: Shape,
    reference_bytes_min: usize,
    reference_segments_max: usize,
    /// Rung when the ring fills up.
    checkpoint: Arc<crate::doorbell::Doorbell>,
    /// For timing only.
    clock: Env,
    pub(crate) stats: Arc<LogStats>,
}

impl Journal {
    pub(crate) fn new(
        clock: Env,
        config: &LogConfig,
        shape: Shape,
        position: Position,
        checkpoint: Arc<crate::doorbell::Doorbell>,
    ) -> Self {
        let state = JournalState::new(shape, position);
        let standing = Standing { durable: state.durable_index(), poisoned: false };
        Self {
            core: Mutex::new(Core { state, idle: false, stopping: false, finished: false }),
            work: Condvar::new(),
            work_task: Notify::new(),
            durable: Condvar::new(),
            standing: watch::Sender::new(standing),
            shape,
            reference_bytes_min: config.reference_bytes_min,
            reference_segments_max: config.reference_segments_max,
            checkpoint,
            clock,
            stats: Arc::default(),
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what an append would be refused for.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        self.core().state.check()
    }

    /// Pushes a batch that is already written into its segment; true when the journal only refers to it. Call it under the
    /// partition's lock, so that both orders are the same.
    pub(crate) fn append(&self, append: Append<'_>, hint: &mut Hint, told: Told) -> Result<bool, Refused> {
        let Append { partition, place, batch, segment } = append;
        let mut core = self.core();
        core.state.check()?;
        let by_reference = self.by_reference(&mut core.state, batch.len(), segment);
        if by_reference {
            let entry = Entry::AppendRef { partition, place, length: batch.len() as u32, crc: crc32c(batch) };
            core.state.push(&entry)?;
        } else {
            core.state.push(&Entry::Append { partition, place, batch })?;
        }
        core.state.touch(hint, told);
        self.wake(&mut core);
        Ok(by_reference)
    }

    fn by_reference(
        &self,
        state: &mut JournalState<Told, Arc<SegmentFile>>,
        bytes: usize,
        segment: &Arc<SegmentFile>,
    ) -> bool {
        let too_large = bytes > self.shape.payload_bytes_max() - 64;
        let segments_max = if too_large { usize::MAX } else { self.reference_segments_max };
        (too_large || bytes >= self.reference_bytes_min)
            && state.sync_with_group(segment.id(), segment, segments_max)
    }

    /// Pushes any other entry; returns its index, for [`Journal::wait_durable`].
    pub(crate) fn record(&self, entry: &Entry<'_>, told: Option<Told>) -> Result<u64, Refused> {
        let mut core = self.core();
        let index = core.state.push(entry)?;
        if let Some(told) = told {
            core.state.tell(told);
        }
        self.wake(&mut core);
        Ok(index)
    }

    fn wake(&self, core: &mut Core) {
        if std::mem::take(&mut core.idle) {
            self.work.notify_one();
            self.work_task.notify_one();
        }
    }

    pub(crate) async fn wait_durable(&self, index: u64) -> Result<(), StorageFailed> {
        let mut standing = self.standing.subscribe();
        match standing.wait_for(|standing| standing.poisoned || standing.durable >= index).await {
            Ok(standing) if standing.durable >= index => Ok(()),
            _ => Err(StorageFailed),
        }
    }

    /// Blocks until the entry is durable, or never will be, or the ring has no room until a checkpoint is made.
    pub(crate) fn wait_durable_blocking(&self, index: u64) {
        let core = self.core();
        let waits = |core: &mut Core| {
            !core.state.is_poisoned()
                && !core.state.is_starved()
                && core.state.durable_index() < index
                && !core.finished
        };
        drop(self.durable.wait_while(core, waits).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until the backlog is small enough for another append.
    pub(crate) async fn room(&self) {
        // Watching starts before looking. What is published tells when to look again, and no more: it is as old as the
        // last group, and a disk that takes long is just when the backlog grows.
        let mut standing = self.standing.subscribe();
        while self.is_crowded() {
            // The sender lives as long as `self`; it cannot go away during the wait.
            if standing.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_crowded(&self) -> bool {
        let core = self.core();
        !core.state.is_poisoned() && core.state.backlog_bytes() >= BACKLOG_BYTES_MAX
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.core().state.is_poisoned()
    }

    /// Position of the next group, for a checkpoint.
    pub(crate) fn position(&self) -> Position {
        self.core().state.position()
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.core().state.last_index()
    }

    pub(crate) fn durable_index(&self) -> u64 {
        self.core().state.durable_index()
    }

    /// See [`JournalState::is_starved`].
    pub(crate) fn is_starved(&self) -> bool {
        self.core().state.is_starved()
    }

    pub(crate) fn backlog_bytes(&self) -> usize {
        self.core().state.backlog_bytes()
    }

    pub(crate) fn figures(&self) -> JournalFigures {
        let core = self.core();
        JournalFigures {
            backlog_bytes: core.state.backlog_bytes(),
            lap: core.state.position().lap,
            laps_since_checkpoint: core.state.laps_since_checkpoint(),
            poisoned: core.state.is_poisoned(),
        }
    }

    pub(crate) fn mark(&self) -> u64 {
        self.shape.mark
    }

    /// A checkpoint that starts at `lap` is on the medium: older files may be overwritten.
    pub(crate) fn checkpointed(&self, lap: u64) {
        let mut core = self.core();
        core.state.checkpointed(lap);
        self.wake(&mut core);
    }

    /// A sync outside of the journal failed: nothing is acknowledged any more.
    pub(crate) fn poison(&self, path: &std::path::Path, error: &std::io::Error) {
        self.group_failed(path, error);
    }

    /// The driver ends once everything pushed is durable (or never will be).
    pub(crate) fn stop(&self) {
        let mut core = self.core();
        core.stopping = true;
        core.state.close();
        self.wake(&mut core);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.core().stopping
    }

    /// The driver has ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.core().finished
    }

    /// One step of the driver. `retry` holds a group for which there was no room.
    pub(crate) fn turn(&self, writer: &mut Writer, retry: &mut Option<Group<Arc<SegmentFile>>>) -> Turn {
        let group = {
            let mut core = self.core();
            match retry.take().or_else(|| core.state.take_group()) {
                Some(group) => group,
                None if core.state.is_starved() => {
                    core.idle = true;
                    self.durable.notify_all();
                    self.checkpoint.ring();
                    return Turn::Idle;
                }
                None if core.stopping => {
                    core.finished = true;
                    self.durable.notify_all();
                    self.checkpoint.ring();
                    return Turn::Stopped;
                }
                None => {
                    core.idle = true;
                    return if core.state.is_unproven() { Turn::Unproven } else { Turn::Idle };
                }
            }
        };
        let begun = self.clock.now();
        match writer.commit(&group) {
            Ok(()) => {
                self.stats.group_micros.observe_micros(self.clock.now() - begun);
                self.stats.group_entries.observe(u64::from(group.entries));
                self.stats.group_bytes.observe(group.bytes.len() as u64);
                self.group_done(group);
            }
            Err(CommitError::Full(error)) => return self.group_delayed(group, retry, &error),
            Err(CommitError::Broken(path, error)) => self.group_failed(&path, &error),
        }
        Turn::Worked
    }

    /// Writes down, without a sync, that the newest group was synced, so that damage in it is not taken for a torn tail.
    /// For the driver, between two turns.
    pub(crate) fn prove(&self, writer: &mut Writer) {
        let proof = self.core().state.take_proof();
        if let Some(Err(error)) = proof.map(|proof| writer.prove(&proof)) {
            // Nothing relies on it, and the next group is written over it.
            tracing::debug!(%error, "proof not written");
        }
    }

    fn group_done(&self, group: Group<Arc<SegmentFile>>) {
        let mut core = self.core();
        let done = core.state.group_done(group.bytes);
        let standing = Standing { durable: done.index, poisoned: core.state.is_poisoned() };
        let wants_checkpoint = core.state.laps_since_checkpoint() > 0;
        drop(core);
        for told in done.touched {
            told.done();
        }
        self.standing.send_replace(standing);
        self.durable.notify_all();
        if wants_checkpoint {
            self.checkpoint.ring();
        }
    }

    fn group_delayed(
        &self,
        group: Group<Arc<SegmentFile>>,
        retry: &mut Option<Group<Arc<SegmentFile>>>,
        error: &std::io::Error,
    ) -> Turn {
        let mut core = self.core();
        if core.stopping {
            drop(core);
            self.group_failed(std::path::Path::new("journal"), error);
            return Turn::Worked;
        }
        core.state.set_full();
        *retry = Some(group);
        Turn::Full
    }

    fn group_failed(&self, path: &std::path::Path, error: &std::io::Error) {
        tracing::error!(file = %path.display(), %error, "journal stopped: nothing is acknowledged until a restart");
        let mut core = self.core();
        let lost = core.state.group_failed();
        let durable = core.state.durable_index();
        drop(core);
        for told in lost {
            told.failed();
        }
        self.standing.send_replace(Standing { durable, poisoned: true });
        self.durable.notify_all();
    }

    /// Blocks the driver's thread until there is work, or for `limit`.
    fn wait_for_work(&self, limit: Option<Duration>) {
        let core = self.core();
        match limit {
            None => {
                drop(self.work.wait_while(core, |core| core.idle).unwrap_or_else(PoisonError::into_inner));
            }
            Some(limit) => {
                drop(self.work.wait_timeout(core, limit).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Blocks the driver's thread until there is work; false when there was none for `limit`.
    fn wait_for_work_at_most(&self, limit: Duration) -> bool {
        let waited = self.work.wait_timeout_while(self.core(), limit, |core| core.idle);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}
