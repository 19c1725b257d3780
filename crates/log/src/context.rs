//! What all partitions of one engine share.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use poruka_env::{Disk, Env};

use crate::clean::counters::Counters;
use crate::config::LogConfig;
use crate::doorbell::Doorbell;
use crate::journal::Journal;
use crate::partition::PartitionLog;
use crate::tail::TailBudget;

pub(crate) struct Context {
    pub(crate) env: Env,
    pub(crate) root: PathBuf,
    pub(crate) config: LogConfig,
    pub(crate) journal: Arc<Journal>,
    pub(crate) checkpoint: Arc<Doorbell>,
    /// Rung when the cleaner has reason to look before its time.
    pub(crate) cleaner: Doorbell,
    pub(crate) cleaned: Counters,
    /// The cleaner has something to do after the next checkpoint.
    pub(crate) cleaner_waits: AtomicBool,
    pub(crate) tails: Arc<TailBudget>,
    /// Bytes appended to Cached partitions since the last checkpoint.
    cached_bytes: AtomicU64,
    /// Bytes that the journal refers to since the last checkpoint.
    referred_bytes: AtomicU64,
    trash: Mutex<Vec<Discarded>>,
}

/// What is to be removed once a checkpoint that does not need it is on the medium.
#[derive(Debug)]
pub(crate) enum Discarded {
    /// A folder or a file that nobody else will ever use the name of.
    Path(PathBuf),
    /// The files of a segment, if the partition is still the owner of its folder then.
    Segment(Weak<PartitionLog>, i64),
}

impl Discarded {
    pub(crate) fn remove(&self, disk: &dyn Disk) {
        match self {
            Discarded::Path(path) => remove(disk, path),
            Discarded::Segment(log, base) => {
                // A partition that is gone has no folder, or recovery finds the files.
                if let Some(log) = log.upgrade() {
                    log.remove_segment(disk, *base);
                }
            }
        }
    }
}

/// Removes a file or a folder with all that is in it; tells when it cannot.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) {
    let removed = if disk.list(path).is_ok() { disk.remove_dir_all(path) } else { disk.remove(path) };
    if let Err(error) = removed
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "not removed");
    }
}

impl Context {
    pub(crate) fn new(
        env: Env,
        root: PathBuf,
        config: LogConfig,
        journal: Arc<Journal>,
        checkpoint: Arc<Doorbell>,
    ) -> Self {
        Self {
            env,
            root,
            config,
            journal,
            checkpoint,
            cleaner: Doorbell::default(),
            cleaned: Counters::default(),
            cleaner_waits: AtomicBool::new(false),
            tails: TailBudget::new(config.tail_bytes_max),
            cached_bytes: AtomicU64::new(0),
            referred_bytes: AtomicU64::new(0),
            trash: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &**self.env.disk()
    }

    pub(crate) fn cached_appended(&self, bytes: u64) {
        self.count(&self.cached_bytes, bytes, self.config.cached_unsynced_bytes_max);
    }

    /// The journal refers to that many bytes more. A start reads all of them and compares their checksums.
    pub(crate) fn referred(&self, bytes: u64) {
        self.count(&self.referred_bytes, bytes, self.config.referred_bytes_max);
    }

    fn count(&self, counter: &AtomicU64, bytes: u64, limit: u64) {
        let before = counter.fetch_add(bytes, Ordering::Relaxed);
        if before < limit && before + bytes >= limit {
            self.checkpoint.ring();
        }
    }

    pub(crate) fn reset_counts(&self) {
        self.cached_bytes.store(0, Ordering::Relaxed);
        self.referred_bytes.store(0, Ordering::Relaxed);
    }

    /// A checkpoint is in force that the cleaner may have waited for.
    pub(crate) fn wake_cleaner(&self) {
        if self.cleaner_waits.swap(false, Ordering::Relaxed) {
            self.cleaner.ring();
        }
    }

    /// See [`Discarded`].
    pub(crate) fn discard(&self, what: impl IntoIterator<Item = Discarded>) {
        self.trash.lock().unwrap_or_else(PoisonError::into_inner).extend(what);
    }

    pub(crate) fn take_trash(&self) -> Vec<Discarded> {
        std::mem::take(&mut *self.trash.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
