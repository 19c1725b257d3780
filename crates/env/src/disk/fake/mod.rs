//! A disk that loses power: every write is at first only in this process's memory, and what happens to it when
//! the power goes is decided by a seed.
//!
//! # Fault model
//! Each file has a *durable* image (what the medium holds) and a *live* view (what the process reads): the
//! durable image with the unsynced sectors of 512 bytes on top. The folder tree is kept twice in the same way,
//! with the list of name changes between the two.
//! - A sync of a file moves its sectors to the durable image; a sync of a folder moves the name changes in it.
//! - At a power cut each unsynced sector survives or not, by itself: writes are lost, torn and reordered, but
//!   only inside the ranges that were written (S2), and synced bytes stay (S1). The length is the old one, the
//!   new one or between; bytes that the length covers and that did not survive read as zeros. An unsynced cut
//!   (`set_len`) survives or not.
//! - Each unsynced name change (create, rename, remove, folder made) survives or not (S3), except that changes of
//!   the same name keep their order and a rename is one step.
//! - While it runs, one write in [`EARLY_SECTOR_ONE_IN`] sectors and one name change in [`EARLY_NAME_ONE_IN`] goes to
//!   the medium at once, as write-back by the kernel does: so a file may be torn even where nobody rolls dice
//!   when the power goes.
//! - On command: reads, writes, syncs and name changes fail ([`FakeDisk::fail`]); the disk is full
//!   ([`FakeDisk::set_capacity`]); the power goes at the n-th change ([`FakeDisk::cut_power_after`]). A failing
//!   write leaves a part of itself. After a failed sync the sectors that it did not write are *never* written
//!   by a later sync unless they are written again, though they can still be read: so Linux behaves.
//!
//! # Two backings, one mechanism
//! [`FakeDisk::in_memory`] keeps the durable image in memory; [`FakeDisk::over_folder`] keeps it in a real folder,
//! while all that is unsynced stays in this process: SIGKILL of the process is then a power cut, and another
//! process that opens the folder finds what a machine would find after one.
//!
//! # What it does not do
//! Bit rot, misdirected writes and lost syncs (S1 holds). The size of the disk counts lengths, not blocks: holes
//! cost as much as data. Over a folder each file that has a name holds one file descriptor.

mod content;
mod file;
mod names;
mod state;
mod store;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, DiskLock, LockError, OpenMode, RealDisk};
use file::{FakeFile, FakeLock};
use names::Names;
use state::{State, Verdict};

/// One in so many written sectors goes to the medium at once.
pub const EARLY_SECTOR_ONE_IN: u32 = 16;
/// One in so many name changes goes to the medium at once.
pub const EARLY_NAME_ONE_IN: u32 = 8;

/// The kinds of call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOp {
    /// Reading bytes.
    Read,
    /// Writing bytes, or setting a length.
    Write,
    /// Syncing a file.
    Sync,
    /// Creating, renaming or removing a name.
    Name,
    /// Syncing a folder.
    SyncDir,
}

/// The disk that loses power; its fault model is described at the top of its module. Clones are the same disk.
#[derive(Clone)]
pub struct FakeDisk {
    shared: Arc<Mutex<State>>,
}

impl FakeDisk {
    /// A disk in memory. The seed decides what is written early.
    pub fn in_memory(seed: u64) -> FakeDisk {
        FakeDisk { shared: Arc::new(Mutex::new(State::new(Names::in_memory(), seed))) }
    }

    /// A disk whose durable image is the real folder `root` (made when it is missing). Paths are real paths; one
    /// outside of `root` is refused with `InvalidInput`.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn over_folder(root: &Path, seed: u64) -> io::Result<FakeDisk> {
        let names = Names::over_folder(root)?;
        Ok(FakeDisk { shared: Arc::new(Mutex::new(State::new(names, seed))) })
    }

    /// The power goes and comes back: by the seed, parts of what was not synced are lost. Open handles and locks
    /// are dead afterwards; the disk is as full and as faultless as new.
    ///
    /// # Errors
    /// When the real folder under it cannot be written.
    pub fn crash(&self, seed: u64) -> io::Result<()> {
        self.state().crash(seed)
    }

    /// The process is killed and the machine stays up: nothing is lost, but open handles and locks are dead.
    pub fn kill(&self) {
        self.state().restart();
    }

    /// Every later call fails and nothing more reaches the medium, as if the process had been killed here. Only
    /// what was synced (or written early) is left in the folder of [`FakeDisk::over_folder`].
    pub fn abandon(&self) {
        self.state().off = true;
    }

    /// The power goes at the change after the next `changes` ones (writes, syncs and name changes): that call
    /// and every later one fails until [`FakeDisk::crash`].
    pub fn cut_power_after(&self, changes: u64) {
        self.state().cut_after = Some(changes);
    }

    /// How many changes (writes, syncs and name changes) were asked for so far: the places where a cut may be put.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// True when the power is gone.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// Lets calls of the kind `op` fail with an I/O error: the first `skip` of them pass, then `times` fail.
    pub fn fail(&self, op: DiskOp, skip: u32, times: u32) {
        self.state().faults.push((op, skip, times));
    }

    /// Withdraws what [`FakeDisk::fail`] and [`FakeDisk::cut_power_after`] ordered.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.cut_after = None;
    }

    /// The disk holds so many bytes and not one more; `None` lifts the limit. What is there stays.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// The bytes that the files hold now.
    pub fn used(&self) -> u64 {
        self.state().names.used()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }

    /// Runs a name change under the fault plan. A change that the power cut falls into is made and may survive.
    fn change_name(&self, change: impl FnOnce(&mut Names) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state();
        let verdict = state.admit(DiskOp::Name)?;
        if verdict == Verdict::Fail {
            return Err(failed_on_command());
        }
        change(&mut state.names)?;
        if verdict == Verdict::Cut {
            return Err(no_power());
        }
        state.write_names_early()
    }
}

impl Disk for FakeDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let path = clean(path);
        let mut state = self.state();
        state.powered()?;
        let found = state.names.file(&path)?;
        let inode = match (found, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, OpenMode::Read) => return Err(io::ErrorKind::NotFound.into()),
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                drop(state);
                self.change_name(|names| names.create(&path))?;
                state = self.state();
                state.names.file(&path)?.ok_or(io::ErrorKind::NotFound)?
            }
        };
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(FakeFile::new(Arc::clone(&self.shared), state.generation, inode, writable)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change_name(|names| names.rename(&clean(from), &clean(to)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change_name(|names| names.remove(&clean(path)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change_name(|names| names.create_dir_all(&clean(path)))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change_name(|names| names.remove_dir_all(&clean(path)))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        if state.admit(DiskOp::Read)? == Verdict::Fail {
            return Err(failed_on_command());
        }
        state.names.list(&clean(path))
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.state();
        !state.off && state.names.exists(&clean(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        match state.admit(DiskOp::SyncDir)? {
            Verdict::Go => state.names.sync_dir(&clean(path)),
            Verdict::Fail => Err(failed_on_command()),
            Verdict::Cut => Err(no_power()),
        }
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        let path = clean(path);
        let mut state = self.state();
        state.powered()?;
        if state.names.is_over_folder() {
            // The lock must hold between processes, so it is taken on the real file.
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            return RealDisk.lock(&path);
        }
        if !state.locks.insert(path.clone()) {
            return Err(LockError::HeldBy(std::process::id()));
        }
        Ok(Box::new(FakeLock::new(Arc::clone(&self.shared), state.generation, path)))
    }
}

impl std::fmt::Debug for FakeDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeDisk").field("used", &self.used()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same name for "a/./b/" and "a/b".
fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect()
}

fn no_power() -> io::Error {
    io::Error::other("the disk has no power")
}

fn failed_on_command() -> io::Error {
    io::Error::other("the disk fails on command")
}
