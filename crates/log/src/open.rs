//! Opening a data folder: lock, format, checkpoint, journal, partitions. Nothing is served before all of it is proven.
//!
//! A crash in the middle changes nothing that the next opening depends on: the checkpoint that decides what is read is
//! replaced as the last step, after every segment that was written to is synced.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use poruka_env::{Disk, DiskLock, Env, LockError, OpenMode};

use crate::checkpoint::{Checkpoint, PartitionRecord, read_whole, write_aside};
use crate::codec::{BadFrame, frame, unframe};
use crate::config::LogConfig;
use crate::error::{OpenError, at};
use crate::journal::entry::{Cleaned, Entry, PartitionId};
use crate::journal::recover::{Applied, Replayed, Ring};
use crate::journal::state::{Position, Shape};
use crate::journal::writer::lap_path;
use crate::layout::{
    CHECKPOINT, DELETED, FORMAT_VERSION, JOURNAL, LOCK, META, META_MAGIC, REPAIR_PLAN, TOPICS, deleted_dir,
    partition_dir,
};
use crate::partition::Files;
use crate::partition::recover::{Recovered, Recovering};
use crate::partition::salvage::Salvage;
use crate::root::Names;
use crate::segment::SegmentRecord;

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The folder was empty.
    pub is_new: bool,
    /// Partitions that are there.
    pub partitions: usize,
    /// Journal entries past the last checkpoint.
    pub journal_entries: u64,
    /// Bytes past the proven end that were cut, over all partitions.
    pub torn_bytes: u64,
    /// Cached partitions that lost a tail, or may have, and go on above their reservation: topic, partition, offsets left
    /// out.
    pub gaps: Vec<(String, i32, i64)>,
    /// Folders in `topics/` that belong to no partition; left alone.
    pub strangers: Vec<String>,
}

/// A folder, read.
pub(crate) struct Opened {
    pub(crate) lock: Box<dyn DiskLock>,
    pub(crate) shape: Shape,
    pub(crate) position: Position,
    pub(crate) next_partition: PartitionId,
    pub(crate) partitions: Vec<(PartitionRecord, Files)>,
    pub(crate) report: OpenReport,
    /// What is to be removed once a checkpoint does not name it any more.
    pub(crate) discarded: Vec<PathBuf>,
}

/// Opens or makes the folder.
pub(crate) fn open(env: &Env, root: &Path, config: &LogConfig) -> Result<Opened, OpenError> {
    let disk = &**env.disk();
    let names = Names::make(env, root).map_err(at(root))?;
    let lock_path = root.join(LOCK);
    if !disk.exists(&lock_path) {
        // A folder of something else gets not even a lock.
        check_meta(disk, root)?;
    }
    let lock = disk.lock(&lock_path).map_err(|error| match error {
        LockError::HeldBy(pid) => OpenError::InUse { dir: root.to_owned(), pid },
        LockError::Io(error) => OpenError::Io { file: lock_path, error },
    })?;
    let plan = root.join(REPAIR_PLAN);
    if disk.exists(&plan) {
        return Err(OpenError::Unfinished { file: plan });
    }
    let journal = root.join(JOURNAL);
    let shape = |mark| Shape { file_bytes: config.journal_file_bytes, files: config.journal_files, mark };
    if !check_meta(disk, root)? {
        let mark = env.random_u64();
        make(disk, root, shape(mark))?;
        names.wait().map_err(at(root))?;
        let report = OpenReport { is_new: true, ..OpenReport::default() };
        let position = Position::START;
        let (shape, partitions) = (shape(mark), Vec::new());
        let discarded = Vec::new();
        return Ok(Opened { lock, shape, position, next_partition: 1, partitions, report, discarded });
    }
    let path = journal.join(CHECKPOINT);
    let checkpoint = Checkpoint::read(disk, &path).map_err(at(&path))?.map_err(|bad| bad_file(path, bad))?;
    let shape = shape(checkpoint.mark);
    let ring = Ring::load(disk, &journal, shape, checkpoint.position)?;
    let Checkpoint { next_partition, partitions, .. } = checkpoint;
    let mut recovery = Recovery::new(disk, root, partitions, next_partition);
    let replayed = recovery.replay(&ring)?;
    drop(ring);
    let next_partition = recovery.next_partition;
    let (partitions, report, discarded) = recovery.finish(env.wall_ms(), replayed)?;
    Ok(Opened { lock, shape, position: replayed.next, next_partition, partitions, report, discarded })
}

/// False: the folder is to be made. The `meta` file is written last, so that with it everything else is there.
fn check_meta(disk: &dyn Disk, root: &Path) -> Result<bool, OpenError> {
    let path = root.join(META);
    if disk.exists(&path) {
        let bytes = read_whole(disk, &path).map_err(at(&path))?;
        return unframe(META_MAGIC, FORMAT_VERSION, &bytes).map(|_| true).map_err(|bad| bad_file(path, bad));
    }
    let topics = root.join(TOPICS);
    if disk.exists(&topics) && !disk.list(&topics).map_err(at(&topics))?.is_empty() {
        return Err(OpenError::Missing { file: path });
    }
    let ours = [LOCK, JOURNAL, TOPICS, "meta.new"];
    match disk
        .list(root)
        .map_err(at(root))?
        .iter()
        .all(|name| ours.contains(&name.as_str()) || name == "lost+found")
    {
        true => Ok(false),
        false => Err(OpenError::NotOurs { dir: root.to_owned() }),
    }
}

fn bad_file(file: PathBuf, bad: BadFrame) -> OpenError {
    match bad {
        BadFrame::Newer(found) => OpenError::NewerFormat { file, found, supported: FORMAT_VERSION },
        BadFrame::Damaged => OpenError::Damaged { file, at: 0, what: "a header with a right checksum" },
    }
}

fn make(disk: &dyn Disk, root: &Path, shape: Shape) -> Result<(), OpenError> {
    let journal = root.join(JOURNAL);
    for folder in [&journal, &root.join(TOPICS)] {
        disk.create_dir_all(folder).map_err(at(folder))?;
    }
    // Its name is synced with the checkpoint's, which relies on it.
    let lap = lap_path(&journal, shape, Position::START.lap);
    disk.open(&lap, OpenMode::Create).map_err(at(&lap))?;
    let checkpoint =
        Checkpoint { mark: shape.mark, position: Position::START, next_partition: 1, partitions: Vec::new() };
    checkpoint.write_first(disk, &journal.join(CHECKPOINT)).map_err(at(&journal))?;
    disk.sync_dir(root).map_err(at(root))?;
    let meta = root.join(META);
    write_aside(disk, &meta, &frame(META_MAGIC, FORMAT_VERSION, b"poruka")).map_err(at(&meta))
}

/// Replacements by partition, in the journal's order.
pub(crate) type Replaced = HashMap<PartitionId, Vec<(Cleaned, SegmentRecord)>>;

/// All partitions of a folder on their way back.
pub(crate) struct Recovery<'a> {
    disk: &'a dyn Disk,
    root: &'a Path,
    records: Vec<PartitionRecord>,
    pub(crate) partitions: BTreeMap<PartitionId, Recovering<'a>>,
    pub(crate) next_partition: PartitionId,
    /// Folder names of partitions that the journal deletes.
    pub(crate) deleted: HashSet<String>,
    /// Segments that took the place of others since the checkpoint.
    pub(crate) replaced: Replaced,
    /// Only in a repair: the disk as it is, and the time.
    pub(crate) salvage: Option<(&'a dyn Disk, i64)>,
}

impl<'a> Recovery<'a> {
    pub(crate) fn new(
        disk: &'a dyn Disk,
        root: &'a Path,
        records: Vec<PartitionRecord>,
        next_partition: PartitionId,
    ) -> Self {
        let (partitions, deleted, replaced) = (BTreeMap::new(), HashSet::new(), HashMap::new());
        Self { disk, root, records, partitions, next_partition, deleted, replaced, salvage: None }
    }

    /// Two passes: a partition that is deleted further on may have no files any more, and segments that are replaced further
    /// on may be gone.
    fn replay(&mut self, ring: &Ring) -> Result<Replayed, OpenError> {
        let mut deleted = HashSet::new();
        let mut max = 0;
        let replaced = &mut self.replaced;
        ring.replay(|entry| {
            match entry {
                Entry::Delete { partition } => drop(deleted.insert(*partition)),
                Entry::Create { partition, .. } => max = max.max(*partition),
                Entry::Replace { partition, cleaned, segment } => {
                    replaced.entry(*partition).or_default().push((*cleaned, *segment));
                }
                _ => {}
            }
            Ok(Applied::Good)
        })?;
        self.next_partition = self.next_partition.max(max + 1);
        for record in std::mem::take(&mut self.records) {
            if deleted.contains(&record.id) {
                self.deleted.insert(format!("{}-{}", record.topic, record.key.partition));
            } else {
                self.add(record)?;
            }
        }
        ring.replay(|entry| self.apply(entry, &deleted))
    }

    fn add(&mut self, record: PartitionRecord) -> Result<(), OpenError> {
        let dir = partition_dir(self.root, &record.topic, record.key.partition);
        let id = record.id;
        let raw = (record.end, 0);
        let mut recovering = Recovering::new(self.disk, dir, record, self.replaced_of(id))?;
        if let Some((originals, now_ms)) = self.salvage {
            recovering = recovering.with_salvage(Salvage::new(originals, raw, now_ms));
        }
        self.partitions.insert(id, recovering);
        Ok(())
    }

    /// What took the place of segments of that partition since the checkpoint.
    pub(crate) fn replaced_of(&self, id: PartitionId) -> &[(Cleaned, SegmentRecord)] {
        self.replaced.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// A partition whose segments a repair has seen to.
    pub(crate) fn add_salvaged(
        &mut self,
        record: PartitionRecord,
        salvage: Salvage<'a>,
    ) -> Result<(), OpenError> {
        let dir = partition_dir(self.root, &record.topic, record.key.partition);
        let id = record.id;
        let recovering = Recovering::new(self.disk, dir, record, &[])?.with_salvage(salvage);
        self.partitions.insert(id, recovering);
        Ok(())
    }

    pub(crate) fn apply(
        &mut self,
        entry: &Entry<'_>,
        deleted: &HashSet<PartitionId>,
    ) -> Result<Applied, OpenError> {
        if let Entry::Create { partition, key, topic, class, reserved } = entry
            && !self.partitions.contains_key(partition)
        {
            if deleted.contains(partition) {
                self.deleted.insert(format!("{topic}-{}", key.partition));
                return Ok(Applied::Good);
            }
            self.add(PartitionRecord::new(*partition, topic, *key, *class, *reserved))?;
        }
        let Some(target) = self.partitions.get_mut(&entry.partition()) else { return Ok(Applied::Good) };
        match *entry {
            Entry::Append { place, batch, .. } => return target.append(place, batch),
            Entry::AppendRef { place, length, crc, .. } => {
                return target.append_reference(place, length, crc);
            }
            Entry::LogStart { offset, .. } => target.start_at(offset),
            Entry::Reserve { until, .. } => target.record.reserved = target.record.reserved.max(until),
            // Done before anything else was.
            Entry::Replace { .. } | Entry::Create { .. } | Entry::Delete { .. } => {}
        }
        Ok(Applied::Good)
    }

    fn finish(self, now_ms: i64, replayed: Replayed) -> Result<Finished, OpenError> {
        let mut report = OpenReport { journal_entries: replayed.entries, ..OpenReport::default() };
        let (mut partitions, mut discarded) = (Vec::new(), Vec::new());
        let mut folders = HashSet::new();
        for recovering in self.partitions.into_values() {
            let Recovered { record, files, mended, below, .. } = recovering.finish(now_ms)?;
            discarded.extend(below);
            report.torn_bytes += mended.torn_bytes;
            if mended.gap_offsets > 0 {
                report.gaps.push((record.topic.clone(), record.key.partition, mended.gap_offsets));
            }
            folders.insert(format!("{}-{}", record.topic, record.key.partition));
            partitions.push((record, files));
        }
        let topics = self.root.join(TOPICS);
        for name in self.disk.list(&topics).map_err(at(&topics))? {
            if name.ends_with(DELETED) || (self.deleted.contains(&name) && !folders.contains(&name)) {
                discarded.push(topics.join(&name));
            } else if !folders.contains(&name) {
                report.strangers.push(name);
            }
        }
        report.partitions = partitions.len();
        Ok((partitions, report, discarded))
    }
}

type Finished = (Vec<(PartitionRecord, Files)>, OpenReport, Vec<PathBuf>);

/// The folder of a deleted partition, moved out of the way of a new one with its name.
pub(crate) fn move_deleted(
    disk: &dyn Disk,
    root: &Path,
    topic: &str,
    key: &crate::config::PartitionKey,
) -> std::io::Result<PathBuf> {
    let (from, to) = (partition_dir(root, topic, key.partition), deleted_dir(root, topic, key));
    if disk.exists(&from) {
        disk.rename(&from, &to)?;
        disk.sync_dir(&root.join(TOPICS))?;
    }
    Ok(to)
}
