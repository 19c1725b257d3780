//! A disk over a disk: what is written stays in memory, so that everything a start or a repair would do can be done, and
//! looked at, without changing a byte. [`super::commit`] may write it down afterwards.
//!
//! Folders are neither moved nor removed here, since neither a start nor a repair does so before it serves.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poruka_env::{Disk, DiskFile, DiskLock, LockError, OpenMode};

use super::rope::{Piece, Rope};

/// A file as it is in memory.
#[derive(Debug)]
struct Held {
    /// The real file under it, if there is one.
    base: Option<PathBuf>,
    rope: Mutex<Rope>,
}

impl Held {
    fn rope(&self) -> MutexGuard<'_, Rope> {
        self.rope.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone)]
enum Node {
    File(Arc<Held>),
    Folder,
    Gone,
}

/// One file that is not as it was.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) path: PathBuf,
    /// Bytes at its start that stay as they are on the disk.
    pub(super) kept: u64,
    /// Its length from now on; `None` when it is gone.
    pub(super) len: Option<u64>,
}

/// See the module.
pub(super) struct Overlay {
    under: Arc<dyn Disk>,
    nodes: Mutex<BTreeMap<PathBuf, Node>>,
}

impl Overlay {
    pub(super) fn new(under: Arc<dyn Disk>) -> Overlay {
        Overlay { under, nodes: Mutex::new(BTreeMap::new()) }
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, held: Arc<Held>) -> io::Result<Arc<dyn DiskFile>> {
        let base = match &held.base {
            Some(path) => Some(self.under.open(path, OpenMode::Read)?),
            None => None,
        };
        Ok(Arc::new(OverlayFile { held, base }))
    }

    /// The file at `path` consists of these pieces of the real one from now on.
    pub(super) fn replace(&self, path: &Path, pieces: Vec<Piece>) {
        let mut nodes = self.nodes();
        let base = match nodes.get(path) {
            Some(Node::File(held)) => held.base.clone(),
            _ => self.under.exists(path).then(|| path.to_owned()),
        };
        let held = Held { base, rope: Mutex::new(Rope::of(pieces)) };
        nodes.insert(path.to_owned(), Node::File(Arc::new(held)));
    }

    /// Every file that is not as it was, by name.
    pub(super) fn changed(&self) -> io::Result<Vec<Changed>> {
        let mut changed = Vec::new();
        for (path, node) in self.nodes().iter() {
            let path = path.clone();
            match node {
                Node::Folder => {}
                Node::Gone if self.under.exists(&path) => changed.push(Changed { path, kept: 0, len: None }),
                Node::Gone => {}
                Node::File(held) => {
                    let rope = held.rope();
                    let in_place = held.base.as_ref() == Some(&path);
                    let real = match self.under.open(&path, OpenMode::Read) {
                        Ok(file) if in_place => Some(file.len()?),
                        _ => None,
                    };
                    if !real.is_some_and(|len| rope.is_base(len)) {
                        let kept = if in_place { rope.kept() } else { 0 };
                        changed.push(Changed { path, kept, len: Some(rope.len()) });
                    }
                }
            }
        }
        Ok(changed)
    }
}

impl Disk for Overlay {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut nodes = self.nodes();
        let node = nodes.get(path).cloned();
        let there = match &node {
            Some(Node::File(_)) => true,
            Some(Node::Folder) => return Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::Gone) => false,
            None => self.under.exists(path),
        };
        match (there, mode, node) {
            (true, OpenMode::CreateNew, _) => Err(io::ErrorKind::AlreadyExists.into()),
            (false, OpenMode::Read, _) => Err(io::ErrorKind::NotFound.into()),
            (true, _, Some(Node::File(held))) => self.handle(held),
            // Not in memory: descriptors are not held for files that are only read.
            (true, OpenMode::Read, _) => self.under.open(path, OpenMode::Read),
            (true, ..) => {
                let len = self.under.open(path, OpenMode::Read)?.len()?;
                let held = Held { base: Some(path.to_owned()), rope: Mutex::new(Rope::of_base(len)) };
                let held = Arc::new(held);
                nodes.insert(path.to_owned(), Node::File(Arc::clone(&held)));
                self.handle(held)
            }
            (false, ..) => {
                let held = Arc::new(Held { base: None, rope: Mutex::default() });
                nodes.insert(path.to_owned(), Node::File(Arc::clone(&held)));
                self.handle(held)
            }
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut nodes = self.nodes();
        let held = match nodes.get(from) {
            Some(Node::File(held)) => Arc::clone(held),
            Some(_) => return Err(io::ErrorKind::NotFound.into()),
            None => {
                let len = self.under.open(from, OpenMode::Read)?.len()?;
                Arc::new(Held { base: Some(from.to_owned()), rope: Mutex::new(Rope::of_base(len)) })
            }
        };
        nodes.insert(to.to_owned(), Node::File(held));
        nodes.insert(from.to_owned(), Node::Gone);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !self.exists(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.nodes().insert(path.to_owned(), Node::Gone);
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if !self.exists(path) {
            self.nodes().insert(path.to_owned(), Node::Folder);
        }
        Ok(())
    }

    fn remove_dir_all(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let nodes = self.nodes();
        let mut names = match self.under.list(path) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound && nodes.contains_key(path) => Vec::new(),
            Err(error) => return Err(error),
        };
        names.retain(|name| !matches!(nodes.get(&path.join(name)), Some(Node::Gone)));
        let added =
            nodes.iter().filter(|(at, node)| at.parent() == Some(path) && !matches!(node, Node::Gone));
        names.extend(added.filter_map(|(at, _)| Some(at.file_name()?.to_str()?.to_owned())));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        match self.nodes().get(path) {
            Some(Node::Gone) => false,
            Some(_) => true,
            None => self.under.exists(path),
        }
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        Ok(Box::new(NoLock))
    }
}

/// Whoever uses the overlay holds the real lock.
#[derive(Debug)]
struct NoLock;

impl DiskLock for NoLock {}

struct OverlayFile {
    held: Arc<Held>,
    base: Option<Arc<dyn DiskFile>>,
}

impl DiskFile for OverlayFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.held.rope().read_at(self.base.as_deref(), into, at)
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        if !bytes.is_empty() {
            self.held.rope().write_at(&bytes, at);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.held.rope().len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.held.rope().set_len(len);
        Ok(())
    }
}
