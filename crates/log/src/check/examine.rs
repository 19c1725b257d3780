//! The examination: the steps of a start, on an overlay, past every damage.
//!
//! Checkpoint (or its copy), journal, and then per partition every batch of every segment. What a damaged place costs is
//! known only at the end, when everything that could be read has been taken in. If something was damaged, the overlay
//! holds a folder that opens; whether it reaches the disk is for the caller.

use std::collections::{BTreeMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use poruka_env::{Disk, DiskFile, Env, OpenMode};

use super::commit::overlay_of;
use super::journal::{self, Damage, End, Heard};
use super::overlay::Overlay;
use super::segment::{Indexes, inspect};
use super::{CheckError, Finding, FolderCheck, Soundness, strays};
use crate::checkpoint::{Checkpoint, PartitionRecord, copy_path, read_whole, write_aside};
use crate::codec::{BadFrame, frame, unframe};
use crate::config::{Class, LogConfig};
use crate::error::{OpenError, at};
use crate::journal::entry::{Entry, PartitionId};
use crate::journal::group::{GROUP_HEADER_BYTES, GroupHeader};
use crate::journal::recover::{Applied, Ring};
use crate::journal::state::{Position, Shape};
use crate::journal::writer::lap_path;
use crate::layout::{
    CHECKPOINT, FORMAT_VERSION, JOURNAL, META, META_MAGIC, PARTITION_METADATA, TOPICS, deleted_dir,
    metadata_text, partition_dir,
};
use crate::open::Recovery;
use crate::partition::replaced;
use crate::partition::salvage::Salvage;
use crate::segment::Segment;

/// What was found, and the overlay that has it mended.
pub(super) fn examine(
    env: &Env,
    root: &Path,
    config: &LogConfig,
) -> Result<(FolderCheck, Overlay), CheckError> {
    let overlay = overlay_of(env);
    let under = &**env.disk();
    let mut examiner = Examiner {
        root,
        config,
        under,
        overlay: &overlay,
        now_ms: env.wall_ms(),
        findings: Vec::new(),
        batches: BTreeMap::new(),
        worst: BTreeMap::new(),
        journal_files: HashSet::new(),
    };
    let check = examiner.run()?;
    Ok((check, overlay))
}

pub(super) struct Examiner<'a> {
    pub(super) root: &'a Path,
    config: &'a LogConfig,
    pub(super) under: &'a dyn Disk,
    pub(super) overlay: &'a Overlay,
    pub(super) now_ms: i64,
    pub(super) findings: Vec<Finding>,
    /// Whole batches by partition.
    pub(super) batches: BTreeMap<PartitionId, u64>,
    /// The worst that was found of a partition.
    pub(super) worst: BTreeMap<PartitionId, Soundness>,
    /// Journal files that are damaged.
    journal_files: HashSet<PathBuf>,
}

impl<'a> Examiner<'a> {
    pub(super) fn find(&mut self, soundness: Soundness, file: &Path, at: u64, what: impl Into<String>) {
        let what = what.into();
        self.findings.push(Finding { soundness, file: file.to_owned(), at, what, lost: None });
    }

    fn run(&mut self) -> Result<FolderCheck, CheckError> {
        let mut check = FolderCheck {
            format: 0,
            partitions: Vec::new(),
            findings: Vec::new(),
            journal_groups: 0,
            journal_entries: 0,
            is_beyond_repair: false,
        };
        let checkpoint = match self.meta()? {
            None => None,
            Some(format) => {
                check.format = format;
                self.checkpoint(&mut check)?
            }
        };
        if let Some(checkpoint) = checkpoint {
            self.folder(checkpoint, &mut check)?;
        }
        check.findings = std::mem::take(&mut self.findings);
        Ok(check)
    }

    /// The folder's format version. `None`: it was being made when a crash came, and holds nothing.
    fn meta(&mut self) -> Result<Option<u32>, OpenError> {
        let path = self.root.join(META);
        let topics = self.root.join(TOPICS);
        let bytes = match read_whole(self.under, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let used = self.under.list(&topics).is_ok_and(|names| !names.is_empty());
                if !used {
                    self.find(Soundness::Torn, &path, 0, "the folder was being made; a start makes it anew");
                    return Ok(None);
                }
                self.find(Soundness::Damaged, &path, 0, "is missing");
                Vec::new()
            }
            Err(error) => return Err(OpenError::Io { file: path, error }),
        };
        match unframe(META_MAGIC, FORMAT_VERSION, &bytes) {
            Ok(_) => return Ok(Some(FORMAT_VERSION)),
            Err(BadFrame::Newer(found)) => {
                return Err(OpenError::NewerFormat { file: path, found, supported: FORMAT_VERSION });
            }
            Err(BadFrame::Damaged) if !bytes.is_empty() => {
                self.find(Soundness::Damaged, &path, 0, "has no right checksum");
            }
            Err(BadFrame::Damaged) => {}
        }
        let whole = frame(META_MAGIC, FORMAT_VERSION, b"poruka");
        write_aside(self.overlay, &path, &whole).map_err(at(&path))?;
        Ok(Some(FORMAT_VERSION))
    }

    /// The checkpoint, or its copy when only that can be read.
    fn checkpoint(&mut self, check: &mut FolderCheck) -> Result<Option<Checkpoint>, OpenError> {
        let path = self.root.join(JOURNAL).join(CHECKPOINT);
        let mut good = Vec::new();
        for (path, must_exist) in [(path.clone(), true), (copy_path(&path), false)] {
            match Checkpoint::read(self.under, &path) {
                Ok(Ok(checkpoint)) => good.push(checkpoint),
                Ok(Err(BadFrame::Newer(found))) => {
                    return Err(OpenError::NewerFormat { file: path, found, supported: FORMAT_VERSION });
                }
                Ok(Err(BadFrame::Damaged)) => {
                    self.find(Soundness::Damaged, &path, 0, "has no right checksum");
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if must_exist {
                        self.find(Soundness::Damaged, &path, 0, "is missing");
                    }
                }
                Err(error) => return Err(OpenError::Io { file: path, error }),
            }
        }
        if good.is_empty()
            && !self.under.exists(&copy_path(&path))
            && let Some(mark) = self.mark_of_first_life()?
        {
            // No copy was made yet: the folder is still on its first checkpoint, which held nothing but the mark.
            let position = Position::START;
            good.push(Checkpoint { mark, position, next_partition: 1, partitions: Vec::new() });
        }
        if good.is_empty() {
            check.is_beyond_repair = true;
            let what =
                "neither it nor its copy can be read, and nothing else says which partitions there are";
            self.find(Soundness::Damaged, &path, 0, what);
        }
        Ok(good.into_iter().next())
    }

    /// The mark that the journal's very first group carries, if it is still there.
    fn mark_of_first_life(&self) -> Result<Option<u64>, OpenError> {
        let (file_bytes, files) = (self.config.journal_file_bytes, self.config.journal_files);
        let shape = Shape { file_bytes, files, mark: 0 };
        let path = lap_path(&self.root.join(JOURNAL), shape, Position::START.lap);
        let mut header = [0; GROUP_HEADER_BYTES];
        let read = self.under.open(&path, OpenMode::Read).and_then(|file| file.read_exact_at(&mut header, 0));
        match read {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {
                return Ok(None);
            }
            Err(error) => return Err(OpenError::Io { file: path, error }),
        }
        let mark = header.iter().take(8).fold(0_u64, |mark, byte| mark << 8 | u64::from(*byte));
        let first = GroupHeader::read(&header, mark).filter(|first| (first.lap, first.group) == (1, 1));
        Ok(first.map(|first| first.mark))
    }

    fn folder(&mut self, checkpoint: Checkpoint, check: &mut FolderCheck) -> Result<(), CheckError> {
        let journal = self.root.join(JOURNAL);
        let shape = Shape {
            file_bytes: self.config.journal_file_bytes,
            files: self.config.journal_files,
            mark: checkpoint.mark,
        };
        let (ring, missing) = journal::load(self.under, &journal, shape, checkpoint.position)?;
        let journal_is_missing = !missing.is_empty();
        for path in missing {
            self.find(Soundness::Damaged, &path, 0, "is missing");
        }
        let mut recovery = Recovery::new(self.overlay, self.root, Vec::new(), checkpoint.next_partition);
        recovery.salvage = Some((self.under, self.now_ms));
        let deleted = self.deletions(&ring, &mut recovery)?;
        for record in checkpoint.partitions {
            let dir = partition_dir(self.root, &record.topic, record.key.partition);
            let moved = deleted_dir(self.root, &record.topic, &record.key);
            let is_deleted =
                deleted.contains(&record.id) || (!self.under.exists(&dir) && self.under.exists(&moved));
            if is_deleted {
                recovery.deleted.insert(format!("{}-{}", record.topic, record.key.partition));
            } else {
                self.add(&mut recovery, record, dir)?;
            }
        }
        if journal_is_missing {
            recovery.partitions.values_mut().for_each(|target| target.missed(true));
        }
        let (next, end) = journal::read_all(&ring, &mut |heard| match heard {
            Heard::Entry(entry) => recovery.apply(entry, &deleted),
            Heard::Damage(damage) => self.hear_damage(&damage, &mut recovery).map(|()| Applied::Good),
        })?;
        self.torn_journal(&ring, &end);
        (check.journal_groups, check.journal_entries) = (end.groups, end.entries);
        let next_partition = recovery.next_partition;
        let (records, folders) = self.finish(recovery, check)?;
        strays::look(self, &folders, &records, shape)?;
        if self.findings.iter().any(|finding| finding.soundness == Soundness::Damaged) {
            let checkpoint =
                Checkpoint { mark: shape.mark, position: next, next_partition, partitions: records };
            self.mend(&checkpoint, shape)?;
        }
        Ok(())
    }

    /// First pass: which partitions the journal deletes, and which segments took the place of others.
    fn deletions(&self, ring: &Ring, recovery: &mut Recovery<'a>) -> Result<HashSet<PartitionId>, OpenError> {
        let mut deleted = HashSet::new();
        journal::read_all(ring, &mut |heard| {
            match heard {
                Heard::Entry(Entry::Delete { partition }) => drop(deleted.insert(*partition)),
                Heard::Entry(Entry::Create { partition, .. }) => {
                    recovery.next_partition = recovery.next_partition.max(*partition + 1);
                }
                Heard::Entry(Entry::Replace { partition, cleaned, segment }) => {
                    recovery.replaced.entry(*partition).or_default().push((*cleaned, *segment));
                }
                _ => {}
            }
            Ok(Applied::Good)
        })?;
        Ok(deleted)
    }

    /// A partition that the checkpoint names: its segments are read whole, and mended in the overlay.
    fn add(
        &mut self,
        recovery: &mut Recovery<'a>,
        mut record: PartitionRecord,
        dir: PathBuf,
    ) -> Result<(), CheckError> {
        let known: Vec<_> = record.segments.iter().map(|segment| (segment.base, segment.len)).collect();
        for (cleaned, segment) in recovery.replaced_of(record.id) {
            replaced::apply(&mut record, *cleaned, segment);
        }
        replaced::settle_names(self.overlay, &dir, &record)?;
        let raw = record.segments.last().map_or((record.end, 0), |last| (last.base, last.len));
        let (mut moved, mut lost) = (false, Vec::new());
        self.metadata(&dir, &record)?;
        for number in 0..record.segments.len() {
            let is_last = number + 1 == record.segments.len();
            let was_changed = self.segment(&dir, &mut record, number, &mut lost)?;
            moved |= was_changed && is_last;
        }
        // Nothing but its own file says what a Cached partition had past its checkpoint.
        let tail_is_gone = lost.last().is_some_and(|(_, until)| *until == record.end);
        let uncertain = record.class == Class::Cached && tail_is_gone;
        let salvage = Salvage { moved, known, lost, uncertain, ..Salvage::new(self.under, raw, self.now_ms) };
        Ok(recovery.add_salvaged(record, salvage)?)
    }

    /// True when the segment's file is another one now.
    fn segment(
        &mut self,
        dir: &Path,
        record: &mut PartitionRecord,
        number: usize,
        lost: &mut Vec<(i64, i64)>,
    ) -> Result<bool, OpenError> {
        let known = record.segments[number];
        let path = Segment::known(dir, known).path();
        // On the overlay, where a compacted segment has its final name already.
        let file = match self.overlay.open(&path, OpenMode::Read) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(OpenError::Io { file: path, error }),
        };
        if file.is_none() && known.len == 0 {
            // Nothing was ever proven to be in it, its name neither.
            return Ok(false);
        }
        let indexes = self.indexes(dir, &known, record.id)?;
        let found =
            inspect(file.as_deref(), &known, &record.epochs, indexes.as_ref().unwrap_or(&Indexes::default()))
                .map_err(at(&path))?;
        *self.batches.entry(record.id).or_insert(0) += found.batches;
        for wrong in &found.wrong {
            lost.extend(wrong.lost);
            self.damage(&path, wrong.at, wrong.what, record, wrong.lost);
        }
        let bad_entries = [
            ("index", found.wrong_offset_entry, "an entry that names no batch; lookups walk further"),
            ("timeindex", found.wrong_time_entry, "an entry that names no batch; searches by time may miss"),
        ];
        let mut bad_index = indexes.is_none();
        for (ending, wrong, what) in bad_entries.into_iter().filter(|_| found.wrong.is_empty()) {
            if let Some(place) = wrong {
                self.damage(&path.with_extension(ending), place, what, record, None);
                bad_index = true;
            }
        }
        let is_last = number + 1 == record.segments.len();
        if !found.wrong.is_empty() {
            let tail = if is_last { file.as_ref().map_or(Ok(0), |file| file.len()) } else { Ok(0) };
            let tail = tail.map_err(at(&path))?;
            let pieces = pieces(&found.parts, file.as_deref(), self.now_ms).map_err(at(&path))?;
            record.segments[number].len = pieces.1 as u32;
            let mut pieces = pieces.0;
            if tail > u64::from(known.len) {
                let (at, len) = (u64::from(known.len), tail - u64::from(known.len));
                pieces.push(super::rope::Piece::Base { at, len });
            }
            self.overlay.create_dir_all(dir).map_err(at(dir))?;
            self.overlay.replace(&path, pieces);
        }
        if bad_index || !found.wrong.is_empty() {
            let interval = crate::config::SegmentConfig::default().index_interval_bytes;
            let segment = &mut record.segments[number];
            *segment = Segment::rebuild_index(self.overlay, dir, *segment, interval).map_err(at(&path))?;
        }
        Ok(!found.wrong.is_empty())
    }

    /// The index files of a segment as far as they are proven; `None` when one of them is not as long as that.
    fn indexes(
        &mut self,
        dir: &Path,
        known: &crate::segment::SegmentRecord,
        id: PartitionId,
    ) -> Result<Option<Indexes>, OpenError> {
        let (segment, disk) = (Segment::known(dir, *known), self.overlay);
        let mut whole = true;
        let mut entries = |ending: &str, read: std::io::Result<Vec<(i64, i64)>>| match read {
            Ok(entries) => Ok(entries),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {
                let missing = error.kind() == ErrorKind::NotFound;
                let what = if missing { "is missing; lookups walk further" } else { "is too short" };
                whole = false;
                self.worst.insert(id, Soundness::Damaged);
                self.find(Soundness::Damaged, &segment.path().with_extension(ending), 0, what);
                Ok(Vec::new())
            }
            Err(error) => Err(OpenError::Io { file: segment.path().with_extension(ending), error }),
        };
        let offsets = entries("index", segment.proven_offsets(disk))?;
        let times = entries("timeindex", segment.proven_times(disk))?;
        let offsets = offsets.into_iter().map(|(offset, position)| (offset, position as u32)).collect();
        Ok(whole.then_some(Indexes { offsets, times }))
    }

    pub(super) fn damage(
        &mut self,
        file: &Path,
        at: u64,
        what: &str,
        record: &PartitionRecord,
        lost: Option<(i64, i64)>,
    ) {
        self.worst.insert(record.id, Soundness::Damaged);
        self.findings.push(Finding {
            soundness: Soundness::Damaged,
            file: file.to_owned(),
            at,
            what: what.to_owned(),
            lost: lost.map(|(from, until)| (record.topic.clone(), record.key.partition, from, until)),
        });
    }

    /// Kafka's note of the topic id. It is not synced, so a crash may leave it empty.
    fn metadata(&mut self, dir: &Path, record: &PartitionRecord) -> Result<(), OpenError> {
        let path = dir.join(PARTITION_METADATA);
        let wanted = metadata_text(&record.key.topic_id);
        match read_whole(self.under, &path) {
            Ok(found) if found == wanted.as_bytes() || found.iter().all(|byte| *byte == 0) => return Ok(()),
            Ok(found) => {
                let same = found.iter().zip(wanted.as_bytes()).take_while(|(a, b)| a == b).count() as u64;
                self.damage(&path, same, "does not name the topic id of the checkpoint", record, None);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(OpenError::Io { file: path, error }),
        }
        write_aside(self.overlay, &path, wanted.as_bytes()).map_err(at(&path))
    }

    fn hear_damage(&mut self, damage: &Damage<'_>, recovery: &mut Recovery<'a>) -> Result<(), OpenError> {
        self.journal_files.insert(damage.file.clone());
        let Damage { file, at, what, claim, is_open } = damage;
        let place = self.findings.len();
        self.find(Soundness::Damaged, file, *at, *what);
        recovery.partitions.values_mut().for_each(|target| target.missed(false));
        let target = claim.as_ref().and_then(|claim| recovery.partitions.get_mut(&claim.partition()));
        match (claim, target) {
            (Some(Entry::Append { place: to, batch, .. }), Some(target)) => {
                let of = format!("{what}, of {}-{}", target.record.topic, target.record.key.partition);
                let found = target.take_or_find(*to, batch)?;
                target.missed(!found);
                self.findings[place].what = of;
            }
            (Some(Entry::AppendRef { .. } | Entry::Reserve { .. }), Some(target)) => target.missed(true),
            _ => recovery.partitions.values_mut().for_each(|target| target.missed(*is_open)),
        }
        Ok(())
    }

    fn torn_journal(&mut self, ring: &Ring, end: &End) {
        if let Some((at, lap)) = end.torn_at {
            let file = ring.file(lap).0.clone();
            let what = format!("a group of {} bytes that was not synced; a start cuts it", end.torn_bytes);
            self.find(Soundness::Torn, &file, at, what);
        }
    }

    /// Completes the overlay to a folder that opens: a checkpoint that needs nothing of the journal.
    fn mend(&mut self, checkpoint: &Checkpoint, shape: Shape) -> Result<(), OpenError> {
        let journal = self.root.join(JOURNAL);
        for path in self.journal_files.drain() {
            if path.starts_with(&journal) {
                self.overlay.replace(&path, Vec::new());
            }
        }
        let lap = lap_path(&journal, shape, checkpoint.position.lap);
        self.overlay.open(&lap, OpenMode::Create).map_err(at(&lap))?;
        checkpoint.write(self.overlay, &journal.join(CHECKPOINT)).map_err(at(&journal))
    }
}

/// What a mended segment consists of, and its length.
fn pieces(
    parts: &[super::segment::Part],
    file: Option<&dyn DiskFile>,
    now_ms: i64,
) -> std::io::Result<(Vec<super::rope::Piece>, u64)> {
    use super::rope::Piece;
    use super::segment::Part;
    let (mut pieces, mut bytes) = (Vec::new(), 0);
    for part in parts {
        match *part {
            Part::Good(from, until) => {
                bytes += until - from;
                pieces.push(Piece::Base { at: from, len: until - from });
            }
            Part::Mended { at, size, base_offset, leader_epoch } => {
                let mut head = vec![0; 16];
                if let Some(file) = file {
                    file.read_exact_at(&mut head, at)?;
                }
                crate::batch::assign(&mut head, base_offset, leader_epoch);
                pieces.push(Piece::New(head));
                pieces.push(Piece::Base { at: at + 16, len: size - 16 });
                bytes += size;
            }
            Part::Lost { last_offset, leader_epoch } => {
                let gap_end = crate::batch::gap_end(last_offset, leader_epoch, now_ms);
                bytes += gap_end.len() as u64;
                pieces.push(Piece::New(gap_end.to_vec()));
            }
        }
    }
    Ok((pieces, bytes))
}
