//! The durable image of one file: bytes in memory, or a real file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

#[derive(Debug)]
pub(super) enum Store {
    Memory(Vec<u8>),
    Folder(File),
}

impl Store {
    pub(super) fn open(path: &Path) -> io::Result<Store> {
        Ok(Store::Folder(OpenOptions::new().read(true).write(true).open(path)?))
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Store::Memory(bytes) => Ok(bytes.len() as u64),
            Store::Folder(file) => Ok(file.metadata()?.len()),
        }
    }

    /// Fills `into` from `at`; what lies past the end is left as it was.
    pub(super) fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Store::Memory(bytes) => {
                let start = index(at)?.min(bytes.len());
                let end = start.saturating_add(into.len()).min(bytes.len());
                into[..end - start].copy_from_slice(&bytes[start..end]);
            }
            Store::Folder(file) => {
                let mut done = 0;
                while done < into.len() {
                    match file.read_at(&mut into[done..], at + done as u64) {
                        Ok(0) => break,
                        Ok(n) => done += n,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn write_at(&mut self, from: &[u8], at: u64) -> io::Result<()> {
        match self {
            Store::Memory(bytes) => {
                let start = index(at)?;
                let end = start + from.len();
                if end > bytes.len() {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(from);
                Ok(())
            }
            Store::Folder(file) => file.write_all_at(from, at),
        }
    }

    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        match self {
            Store::Memory(bytes) => {
                bytes.resize(index(len)?, 0);
                Ok(())
            }
            Store::Folder(file) => file.set_len(len),
        }
    }

    /// Moves an image in memory into the real file `path`, in one step as other processes see it.
    pub(super) fn materialise(&mut self, path: &Path, scratch: &Path) -> io::Result<()> {
        let Store::Memory(bytes) = self else { return Ok(()) };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(scratch)?;
        file.write_all(bytes)?;
        fs::rename(scratch, path)?;
        *self = Store::Folder(file);
        Ok(())
    }
}

fn index(at: u64) -> io::Result<usize> {
    usize::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge.into())
}
