//! The engine: one data folder, its partitions, its journal and the workers that drive them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poruka_env::{DiskLock, Env};
use poruka_wire::Uuid;

use crate::checkpoint::PartitionRecord;
use crate::checkpointer::{Checkpointing, Next};
use crate::clean::counters::CleanStats;
use crate::clean::worker as cleaner;
use crate::config::{Class, LogConfig, LogSpec, PartitionKey};
use crate::context::{Context, Discarded};
use crate::doorbell::Doorbell;
use crate::error::{CreateError, OpenError, StorageError, at};
use crate::journal::Journal;
use crate::journal::driver::{self, Worker};
use crate::journal::entry::Entry;
use crate::journal::writer::Writer;
use crate::layout::{JOURNAL, PARTITION_METADATA, TOPICS, is_topic_name, metadata_text, partition_dir};
use crate::open::{OpenReport, Opened, move_deleted, open};
use crate::partition::snapshot::Kind;
use crate::partition::{Files, PartitionLog};
use crate::registry::Registry;
use crate::stats::{JournalFigures, LogStats};
use crate::workers;

/// All logs of one data folder. Open at most once at a time, by one process.
pub struct LogEngine {
    context: Arc<Context>,
    registry: Arc<Registry>,
    workers: Mutex<Vec<Worker>>,
    lock: Lock,
}

/// The folder's lock. The workers hold it too, so that it is free only after everything that writes has ended.
type Lock = Arc<Mutex<Option<Box<dyn DiskLock>>>>;

impl LogEngine {
    /// Opens the folder, or makes it; recovers whatever a crash left.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed that a later opening depends on.
    pub fn open(env: Env, root: &Path, config: LogConfig) -> Result<(Arc<LogEngine>, OpenReport), OpenError> {
        let Opened { lock, shape, position, next_partition, partitions, report, discarded } =
            open(&env, root, &config)?;
        let bell = Arc::new(Doorbell::default());
        let journal = Arc::new(Journal::new(env.clone(), &config, shape, position, Arc::clone(&bell)));
        let mut writer = Writer::new(Arc::clone(env.disk()), root.join(JOURNAL), shape);
        writer.open_lap(position.lap).map_err(at(root.join(JOURNAL)))?;
        let context =
            Arc::new(Context::new(env.clone(), root.to_owned(), config, Arc::clone(&journal), bell));
        let registry = Arc::new(Registry::new(next_partition));
        for (record, files) in partitions {
            let dir = partition_dir(root, &record.topic, record.key.partition);
            if files.active.is_none() {
                context.disk().create_dir_all(&dir).map_err(at(&dir))?;
            }
            let log = PartitionLog::new(Arc::clone(&context), dir, record, Some(files), Default::default());
            registry.table().insert(log);
        }
        context.discard(discarded.into_iter().map(Discarded::Path));
        if !report.is_new {
            first_checkpoint(&context, &registry)?;
        }
        let lock: Lock = Arc::new(Mutex::new(Some(lock)));
        let started = [
            driver::start(&env, journal, writer, Arc::clone(&lock)),
            workers::start_checkpoints(&context, &registry, Arc::clone(&lock)),
            cleaner::start(&context, &registry, Arc::clone(&lock)),
        ];
        let mut workers = Vec::new();
        for worker in started {
            workers.push(worker.map_err(at(root))?);
        }
        let workers = Mutex::new(workers);
        Ok((Arc::new(LogEngine { context, registry, workers, lock }), report))
    }

    /// Makes a partition, or returns the one with that topic id and number (its sizes are set anew).
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create(&self, spec: LogSpec) -> Result<Arc<PartitionLog>, CreateError> {
        let key = spec.key();
        let mut table = self.registry.table();
        if let Some(known) = table.by_key.get(&key) {
            if known.class() != spec.durability {
                return Err(CreateError::OtherClass);
            }
            known.set_config(spec.config);
            return Ok(Arc::clone(known));
        }
        if !is_topic_name(&spec.topic) || spec.partition < 0 {
            return Err(CreateError::BadName(spec.topic));
        }
        if table.names.contains_key(&(spec.topic.clone(), spec.partition)) {
            return Err(CreateError::NameTaken(spec.topic));
        }
        let id = table.next_id;
        let dir = partition_dir(&self.context.root, &spec.topic, spec.partition);
        let files = match spec.durability {
            Class::Memory => None,
            _ => {
                self.make_folder(&dir, &spec.topic_id)?;
                let (topic, class) = (spec.topic.as_str(), spec.durability);
                let entry = Entry::Create { partition: id, key, topic, class, reserved: 0 };
                self.context.journal.record(&entry, None).map_err(StorageError::from)?;
                Some(Files { sealed: Default::default(), active: None })
            }
        };
        table.next_id += 1;
        let record = PartitionRecord::new(id, &spec.topic, key, spec.durability, 0);
        let log = PartitionLog::new(Arc::clone(&self.context), dir, record, files, spec.config);
        table.insert(Arc::clone(&log));
        Ok(log)
    }

    /// The folder with Kafka's own note of the topic id. A folder that is there belongs to no partition: what a crash
    /// left of one that was never acknowledged, or a stranger's. It is moved aside, never written into.
    fn make_folder(&self, dir: &Path, topic_id: &Uuid) -> Result<(), StorageError> {
        let disk = self.context.disk();
        let io = |error| StorageError::io(dir, error);
        if disk.exists(dir) {
            let stray = dir.with_extension(format!("{:016x}-stray", self.context.env.random_u64()));
            tracing::warn!(from = %dir.display(), to = %stray.display(), "unknown folder moved aside");
            disk.rename(dir, &stray).map_err(io)?;
            disk.sync_dir(&self.context.root.join(TOPICS)).map_err(io)?;
        }
        disk.create_dir_all(dir).map_err(io)?;
        let metadata = disk.open(&dir.join(PARTITION_METADATA), poruka_env::OpenMode::Create).map_err(io)?;
        metadata.write_at(metadata_text(topic_id).as_bytes(), 0).map_err(io)
    }

    /// The partition, if it is there.
    pub fn get(&self, topic_id: Uuid, partition: i32) -> Option<Arc<PartitionLog>> {
        self.registry.table().by_key.get(&PartitionKey { topic_id, partition }).cloned()
    }

    /// All partitions, by topic name and number.
    pub fn all(&self) -> Vec<Arc<PartitionLog>> {
        self.registry.all()
    }

    /// Deletes all partitions of a topic; their names are free when it returns.
    ///
    /// # Errors
    /// See [`CreateError`]; some partitions may be gone and others not.
    pub async fn delete(&self, topic_id: Uuid) -> Result<(), CreateError> {
        let (mut gone, mut last) = (Vec::new(), None);
        {
            let mut table = self.registry.table();
            let mut keys: Vec<_> =
                table.by_key.keys().filter(|key| key.topic_id == topic_id).copied().collect();
            keys.sort_by_key(|key| key.partition);
            for key in keys {
                let Some(log) = table.by_key.get(&key).cloned() else { continue };
                // In the journal first: what leaves the table leaves the next checkpoint.
                last = log.mark_deleted()?.or(last);
                table.by_key.remove(&key);
                gone.push(log);
            }
        }
        if let Some(index) = last {
            self.context.journal.wait_durable(index).await.map_err(|_| StorageError::Poisoned)?;
        }
        for log in gone {
            if log.class() != Class::Memory {
                let moved = move_deleted(self.context.disk(), &self.context.root, log.topic(), &log.key());
                let moved = moved.map_err(|error| StorageError::io(log.topic(), error))?;
                self.context.discard([Discarded::Path(moved)]);
            }
            self.registry.table().names.remove(&(log.topic().to_owned(), log.key().partition));
        }
        Ok(())
    }

    /// A sync failed: nothing is acknowledged any more, until a restart.
    pub fn is_poisoned(&self) -> bool {
        self.context.journal.is_poisoned()
    }

    /// Bytes that were appended to Synced partitions and are not durable yet.
    pub fn backlog_bytes(&self) -> usize {
        self.context.journal.backlog_bytes()
    }

    /// What was done since the engine was opened.
    pub fn stats(&self) -> &LogStats {
        &self.context.journal.stats
    }

    /// How the journal stands.
    pub fn journal(&self) -> JournalFigures {
        self.context.journal.figures()
    }

    /// Makes a checkpoint soon.
    pub fn checkpoint_soon(&self) {
        self.context.checkpoint.ring();
    }

    /// Looks for what retention drops and compaction can gain, soon.
    pub fn clean_soon(&self) {
        self.context.cleaner.ring();
    }

    /// What cleaning did since the engine was opened.
    pub fn clean_stats(&self) -> CleanStats {
        self.context.cleaned.stats()
    }

    pub(crate) fn env(&self) -> &Env {
        &self.context.env
    }

    /// Ends cleanly: appends are refused from now on, everything appended becomes durable, and the exact ends are
    /// recorded, so that Cached partitions go on without a gap.
    pub async fn close(&self) {
        self.refuse_appends();
        self.context.journal.stop();
        self.context.cleaner.ring();
        let env = &self.context.env;
        while !self.workers_have_ended() {
            env.sleep(CLOSE_POLL).await;
        }
        let mut last = Checkpointing::begin(&self.context, &self.registry, Kind::Final);
        while last.step() == Next::Step {}
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Appends under way are finished, and none begins after this: whoever still holds a partition cannot write into files
    /// that the folder's next owner has opened.
    fn refuse_appends(&self) {
        for log in self.registry.all() {
            log.lock().closed = true;
        }
    }

    fn workers_have_ended(&self) -> bool {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).iter().all(Worker::is_finished)
    }
}

/// How often a closing engine looks whether its workers have ended.
const CLOSE_POLL: Duration = Duration::from_millis(1);

/// Makes what recovery wrote durable, before anything is served or any journal file is written.
fn first_checkpoint(context: &Arc<Context>, registry: &Arc<Registry>) -> Result<(), OpenError> {
    let mut first = Checkpointing::begin(context, registry, Kind::Running);
    loop {
        match first.step() {
            Next::Step => {}
            Next::Done => return Ok(()),
            Next::AfterJournal(_) | Next::Failed => {
                let error = std::io::Error::other("the first checkpoint could not be written");
                return Err(OpenError::Io { file: context.root.join(JOURNAL), error });
            }
        }
    }
}

impl Drop for LogEngine {
    fn drop(&mut self) {
        self.refuse_appends();
        self.context.journal.stop();
        self.context.cleaner.ring();
    }
}

impl std::fmt::Debug for LogEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogEngine").field("root", &self.context.root).finish_non_exhaustive()
    }
}
