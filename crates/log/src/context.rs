//! What all partitions of one engine share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use poruka_env::{Disk, Env};

use crate::config::LogConfig;
use crate::doorbell::Doorbell;
use crate::journal::Journal;
use crate::tail::TailBudget;

pub(crate) struct Context {
    pub(crate) env: Env,
    pub(crate) root: PathBuf,
    pub(crate) config: LogConfig,
    pub(crate) journal: Arc<Journal>,
    pub(crate) checkpoint: Arc<Doorbell>,
    pub(crate) tails: Arc<TailBudget>,
    /// Bytes appended to Cached partitions since the last checkpoint.
    cached_bytes: AtomicU64,
    trash: Mutex<Vec<PathBuf>>,
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
            tails: TailBudget::new(config.tail_bytes_max),
            cached_bytes: AtomicU64::new(0),
            trash: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &**self.env.disk()
    }

    pub(crate) fn cached_appended(&self, bytes: u64) {
        let before = self.cached_bytes.fetch_add(bytes, Ordering::Relaxed);
        let limit = self.config.cached_unsynced_bytes_max;
        if before < limit && before + bytes >= limit {
            self.checkpoint.ring();
        }
    }

    pub(crate) fn reset_cached_bytes(&self) {
        self.cached_bytes.store(0, Ordering::Relaxed);
    }

    /// Files and folders to be removed once a checkpoint that does not need them is on the medium.
    pub(crate) fn discard(&self, paths: impl IntoIterator<Item = PathBuf>) {
        self.trash.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
    }

    pub(crate) fn take_trash(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.trash.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
