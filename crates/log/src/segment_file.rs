//! A segment's `.log` file as the journal and the checkpoint see it: bytes to be synced, and a name to be synced once.
//!
//! Assumes S1 (synced bytes stay) and S3 (a name is durable only after its folder is synced).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use poruka_env::{Disk, DiskFile};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// An open `.log` file.
pub(crate) struct SegmentFile {
    id: u64,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    named: AtomicBool,
}

impl SegmentFile {
    /// `named`: the file's name is known to be durable.
    pub(crate) fn new(path: PathBuf, file: Arc<dyn DiskFile>, named: bool) -> Arc<Self> {
        // The number only tells files of one process apart; it never reaches the disk.
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, path, file, named: AtomicBool::new(named) })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Returns once every byte written so far, and the file's name, is on the medium.
    pub(crate) fn sync(&self, disk: &dyn Disk) -> io::Result<()> {
        if !self.named.load(Ordering::Acquire) {
            if let Some(folder) = self.path.parent() {
                // From the top: a name in a folder whose own name is not durable yet would not help.
                if let Some(topics) = folder.parent() {
                    disk.sync_dir(topics)?;
                }
                disk.sync_dir(folder)?;
            }
            self.named.store(true, Ordering::Release);
        }
        self.file.sync_data()
    }
}

impl std::fmt::Debug for SegmentFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentFile").field("path", &self.path).finish_non_exhaustive()
    }
}
