//! Handles of a fake disk: open files and locks.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::names::Inode;
use super::state::{State, Verdict};
use super::{DiskFile, DiskLock, DiskOp, failed_on_command, lock, no_power};

pub(super) struct FakeFile {
    shared: Arc<Mutex<State>>,
    generation: u64,
    inode: Arc<Inode>,
    writable: bool,
}

impl FakeFile {
    pub(super) fn new(
        shared: Arc<Mutex<State>>,
        generation: u64,
        inode: Arc<Inode>,
        writable: bool,
    ) -> FakeFile {
        FakeFile { shared, generation, inode, writable }
    }

    fn enter(&self, op: DiskOp) -> io::Result<(MutexGuard<'_, State>, Verdict)> {
        let mut state = lock(&self.shared);
        if state.generation != self.generation {
            return Err(no_power());
        }
        if op == DiskOp::Write && !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let verdict = state.admit(op)?;
        Ok((state, verdict))
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, verdict) = self.enter(DiskOp::Sync)?;
        let mut content = lock(&self.inode.content);
        match verdict {
            Verdict::Go => content.sync(),
            Verdict::Fail => {
                content.sync_and_fail(|| state.rng.bool())?;
                Err(failed_on_command())
            }
            Verdict::Cut => Err(no_power()),
        }
    }
}

impl DiskFile for FakeFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let (_state, verdict) = self.enter(DiskOp::Read)?;
        if verdict == Verdict::Fail {
            return Err(failed_on_command());
        }
        lock(&self.inode.content).read_at(into, at)
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        let (mut state, verdict) = self.enter(DiskOp::Write)?;
        let mut content = lock(&self.inode.content);
        let total: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        let before = content.len();
        let growth = (at + total).saturating_sub(before);
        let end = (at + total).min(before + state.room(growth)).max(before.min(at + total));
        let fits = end.saturating_sub(at);
        let mut left = match verdict {
            Verdict::Fail => state.rng.u64(0..=fits),
            Verdict::Go | Verdict::Cut => fits,
        };
        let mut position = at;
        for slice in slices {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(slice.len());
            content.write_at(&slice[..take], position, || state.sector_goes_early())?;
            position += take as u64;
            left -= take as u64;
        }
        let after = content.len();
        state.names.account(&self.inode, before, after);
        match verdict {
            Verdict::Fail => Err(failed_on_command()),
            Verdict::Cut => Err(no_power()),
            Verdict::Go if fits < total => Err(io::ErrorKind::StorageFull.into()),
            Verdict::Go => Ok(()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn len(&self) -> io::Result<u64> {
        let state = lock(&self.shared);
        if state.generation != self.generation {
            return Err(no_power());
        }
        state.powered()?;
        Ok(lock(&self.inode.content).len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (mut state, verdict) = self.enter(DiskOp::Write)?;
        let mut content = lock(&self.inode.content);
        let before = content.len();
        let growth = len.saturating_sub(before);
        if verdict == Verdict::Fail {
            return Err(failed_on_command());
        }
        if state.room(growth) < growth {
            return Err(io::ErrorKind::StorageFull.into());
        }
        content.set_len(len)?;
        state.names.account(&self.inode, before, len);
        if verdict == Verdict::Cut { Err(no_power()) } else { Ok(()) }
    }
}

pub(super) struct FakeLock {
    shared: Arc<Mutex<State>>,
    generation: u64,
    path: PathBuf,
}

impl FakeLock {
    pub(super) fn new(shared: Arc<Mutex<State>>, generation: u64, path: PathBuf) -> FakeLock {
        FakeLock { shared, generation, path }
    }
}

impl DiskLock for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        if state.generation == self.generation {
            state.locks.remove(&self.path);
        }
    }
}

impl std::fmt::Debug for FakeLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeLock").field("path", &self.path).finish_non_exhaustive()
    }
}
