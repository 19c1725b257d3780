//! The journal's I/O: one group in, written and synced. The only place that writes journal files.
//!
//! Files are pre-written in growing steps ahead of the groups, so that from the second lap on (and mostly on the first)
//! a sync has no metadata to write. A file's name is synced before the first group goes into it (S3).

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poruka_env::{Disk, DiskFile, OpenMode};

use super::state::{Group, Proof, Shape};
use crate::segment_file::SegmentFile;

/// First step of pre-writing a file; later steps double it, up to the last one.
const PREWRITE_BYTES_MIN: u64 = 64 * 1024;
const PREWRITE_BYTES_MAX: u64 = 1024 * 1024;

/// Path of the file of a lap.
pub(crate) fn lap_path(dir: &Path, shape: Shape, lap: u64) -> PathBuf {
    dir.join(format!("{:02}.journal", lap % shape.files))
}

struct LapFile {
    file: Arc<dyn DiskFile>,
    len: u64,
}

/// How a group's commit went wrong.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// No room; nothing was lost, the same group may be committed again.
    Full(io::Error),
    /// Nothing can be said about what is on the disk.
    Broken(PathBuf, io::Error),
}

/// See the module.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    shape: Shape,
    current: Option<(u64, LapFile)>,
}

impl Writer {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, shape: Shape) -> Self {
        Self { disk, dir, shape, current: None }
    }

    /// Makes sure that the file of `lap` exists and keeps its name.
    pub(crate) fn open_lap(&mut self, lap: u64) -> io::Result<()> {
        if matches!(self.current, Some((open, _)) if open == lap) {
            return Ok(());
        }
        let path = lap_path(&self.dir, self.shape, lap);
        let is_new = !self.disk.exists(&path);
        let file = self.disk.open(&path, OpenMode::Create)?;
        if is_new {
            self.disk.sync_dir(&self.dir)?;
        }
        let len = file.len()?;
        self.current = Some((lap, LapFile { file, len }));
        Ok(())
    }

    /// Writes the group and returns once it, and every segment that it refers to, is on the medium.
    pub(crate) fn commit(&mut self, group: &Group<Arc<SegmentFile>>) -> Result<(), CommitError> {
        let path = lap_path(&self.dir, self.shape, group.lap);
        let broken = |error| CommitError::Broken(path.clone(), error);
        for segment in &group.segments {
            segment
                .sync(&*self.disk)
                .map_err(|error| CommitError::Broken(segment.path().to_owned(), error))?;
        }
        let written = self.open_lap(group.lap).and_then(|()| self.write(group.at, &group.bytes));
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Err(CommitError::Full(error)),
            Err(error) => return Err(broken(error)),
        }
        match &self.current {
            Some((_, lap)) => lap.file.sync_data().map_err(broken),
            None => Ok(()),
        }
    }

    /// Writes a proof; the sync of the next group covers it, or the system writes it sooner.
    pub(crate) fn prove(&mut self, proof: &Proof) -> io::Result<()> {
        self.open_lap(proof.lap)?;
        self.write(proof.at, &proof.bytes)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let Some((_, lap)) = &mut self.current else { return Ok(()) };
        let end = at + bytes.len() as u64;
        if end > lap.len {
            let step = lap.len.clamp(PREWRITE_BYTES_MIN, PREWRITE_BYTES_MAX);
            let len = (end + step).min(self.shape.file_bytes as u64).max(end);
            let zeros = vec![0; (len - end) as usize];
            lap.file.write_at(&zeros, end)?;
            lap.len = len;
        }
        lap.file.write_at(bytes, at)
    }
}
