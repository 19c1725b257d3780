//! The disk as the storage engine sees it: positioned reads and writes, syncs, and names that have to be
//! synced apart from the bytes.
//!
//! Assumptions about media that every implementation keeps, and that users may rely on (numbered in
//! docs/storage-format.md): S1 bytes stay once a sync returned; S2 a torn write leaves any mix of old and new
//! sectors inside its own range, never outside; S3 a file's name is durable only after its folder is synced.
//!
//! Calls block. `EINTR` and short writes are dealt with here; a failed sync is never retried here, since the
//! system may already have dropped the bytes that it could not write.

mod fake;
mod real;

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub use fake::{DiskOp, EARLY_NAME_ONE_IN, EARLY_SECTOR_ONE_IN, FakeDisk};
pub use real::{RealDisk, raise_open_files_limit};

/// How [`Disk::open`] treats a file that is there, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Read only; `NotFound` when it is not there.
    Read,
    /// Read and write; created empty when it is not there.
    Create,
    /// Read and write; `AlreadyExists` when it is there.
    CreateNew,
}

/// Why a folder's lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A living process holds it. 0 when its number could not be read.
    #[error("locked by process {0}")]
    HeldBy(u32),
    /// The lock file could not be opened or written.
    #[error("open the lock file")]
    Io(#[from] io::Error),
}

/// A held lock; dropping it, or the end of the process however it comes, releases it.
pub trait DiskLock: Send + Sync + std::fmt::Debug {}

/// A file system. Paths are used as given.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Moves a file or folder; one that is at `to` is replaced in the same step. Durable once the folder of
    /// `to` is synced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name. Open handles stay usable.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder and those above it that are missing. Each is durable once the folder that holds it is synced.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all below it. `NotFound` when it is not there.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names directly inside a folder, files and folders, sorted. A name that is not UTF-8 is an error.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// True when there is a file or folder at `path`; false also when that cannot be found out.
    fn exists(&self, path: &Path) -> bool;
    /// Makes the names directly inside a folder durable (S3).
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the lock at `path` for this process, and writes the process's number into it.
    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError>;
}

/// An open file. Calls may come from several threads at once; writes to the same bytes have no order then.
pub trait DiskFile: Send + Sync {
    /// Reads at most `into.len()` bytes at `at`; 0 past the end.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `at`; the file grows when they reach past its end.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_vectored_at(&[IoSlice::new(bytes)], at)
    }

    /// Writes all the slices, one behind the other, at `at`.
    fn write_vectored_at(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<()>;

    /// Returns once the bytes, and the length as far as it is needed to read them, are on the medium (S1).
    fn sync_data(&self) -> io::Result<()>;

    /// As [`DiskFile::sync_data`], with all the file's metadata.
    fn sync_all(&self) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// True when the length is 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or grows it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The operating system's file behind it, if there is one: for the calls that move bytes inside the system.
    fn system_file(&self) -> Option<&std::fs::File> {
        None
    }

    /// Exactly `count` bytes from `at`; `UnexpectedEof` when the file ends first.
    fn read_range(&self, at: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// Fills `into` from `at`; `UnexpectedEof` when the file ends first.
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let mut done = 0;
        while done < into.len() {
            match self.read_at(&mut into[done..], at + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }
}
