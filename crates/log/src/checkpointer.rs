//! Makes checkpoints: syncs what the segments have, writes down that they have it, and lets journal files be reused.
//!
//! One step per partition, so that the simulated host can do other things between them. The order is what matters:
//! 1. take the journal's position: every entry before it is in a segment, synced or not;
//! 2. per partition, take its state and sync its files: the state covers every entry before the position;
//! 3. wait until the journal has all that those states cover, so that no entry is remembered in part;
//! 4. replace the checkpoint file; only then reuse journal files and remove discarded files.
//!
//! A failed sync of records poisons the journal; any other failure leaves the old checkpoint in force.

use std::io;
use std::sync::Arc;

use poruka_env::Mono;

use crate::checkpoint::{Checkpoint, PartitionRecord};
use crate::context::{Context, Discarded};
use crate::journal::state::Position;
use crate::layout::{CHECKPOINT, JOURNAL, TOPICS};
use crate::partition::PartitionLog;
use crate::partition::snapshot::{Kind, SyncError};
use crate::registry::Registry;

/// What the checkpoint's driver does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Call again at once.
    Step,
    /// Call again when the journal has this entry.
    AfterJournal(u64),
    Done,
    /// The old checkpoint stays.
    Failed,
}

/// One checkpoint in the making.
pub(crate) struct Checkpointing {
    context: Arc<Context>,
    registry: Arc<Registry>,
    kind: Kind,
    position: Position,
    todo: Vec<Arc<PartitionLog>>,
    records: Vec<PartitionRecord>,
    /// The partitions of the records, with their ends.
    proven: Vec<(Arc<PartitionLog>, i64)>,
    trash: Vec<Discarded>,
    covered: Option<u64>,
    begun: Mono,
}

impl Checkpointing {
    pub(crate) fn begin(context: &Arc<Context>, registry: &Arc<Registry>, kind: Kind) -> Self {
        // Trash first: what was discarded before now is in no state that is taken later.
        let trash = context.take_trash();
        let position = context.journal.position();
        context.reset_counts();
        Self {
            context: Arc::clone(context),
            registry: Arc::clone(registry),
            kind,
            position,
            todo: registry.all(),
            records: Vec::new(),
            proven: Vec::new(),
            trash,
            covered: None,
            begun: context.env.now(),
        }
    }

    pub(crate) fn step(&mut self) -> Next {
        if self.context.journal.is_poisoned() {
            return self.fail();
        }
        if let Some(partition) = self.todo.pop() {
            return self.prove(partition);
        }
        let covered = *self.covered.get_or_insert_with(|| self.context.journal.last_index());
        if self.context.journal.durable_index() < covered && !self.context.journal.is_starved() {
            return Next::AfterJournal(covered);
        }
        match self.publish() {
            Ok(()) => {
                let took = self.context.env.now() - self.begun;
                self.context.journal.stats.checkpoint_micros.observe_micros(took);
                Next::Done
            }
            Err(error) => {
                tracing::warn!(%error, "checkpoint not written; the old one stays");
                self.fail()
            }
        }
    }

    fn prove(&mut self, partition: Arc<PartitionLog>) -> Next {
        let Some(mut snapshot) = partition.snapshot(self.kind) else { return Next::Step };
        match snapshot.sync(self.context.disk()) {
            Ok(()) => {
                partition.synced(&mut snapshot);
                self.proven.push((partition, snapshot.record.end));
                self.records.push(snapshot.record);
                Next::Step
            }
            Err(SyncError::Log(file, error)) => {
                partition.not_synced(&snapshot);
                self.context.journal.poison(&file, &error);
                self.fail()
            }
            Err(SyncError::Index(error)) => {
                partition.not_synced(&snapshot);
                tracing::warn!(%error, "index not saved; the old checkpoint stays");
                self.fail()
            }
        }
    }

    fn publish(&mut self) -> io::Result<()> {
        let checkpoint = Checkpoint {
            mark: self.context.journal.mark(),
            position: self.position,
            next_partition: self.registry.next_id(),
            partitions: std::mem::take(&mut self.records),
        };
        let disk = self.context.disk();
        checkpoint.write(disk, &self.context.root.join(JOURNAL).join(CHECKPOINT))?;
        self.context.journal.checkpointed(self.position.lap);
        self.proven.drain(..).for_each(|(partition, end)| partition.published(end));
        self.context.wake_cleaner();
        let has_folders = self.trash.iter().any(|discarded| matches!(discarded, Discarded::Path(_)));
        for discarded in self.trash.drain(..) {
            discarded.remove(disk);
        }
        if has_folders {
            // A name may be used again: what was under it must not come back after a crash.
            disk.sync_dir(&self.context.root.join(TOPICS))?;
        }
        Ok(())
    }

    fn fail(&mut self) -> Next {
        self.context.discard(self.trash.drain(..));
        self.context.journal.stats.checkpoints_failed.add(1);
        Next::Failed
    }
}
