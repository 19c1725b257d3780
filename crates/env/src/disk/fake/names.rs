//! The folder tree of a fake disk, kept twice: as the process sees it and as the medium holds it, with the
//! list of changes between the two (S3).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::content::Content;
use super::lock;

/// Real files whose names start so are half-made images of an interrupted run; they are swept at the start.
const SCRATCH_PREFIX: &str = ".poruka-scratch-";
/// Folders below the root of a real folder that are read at the start.
const DEPTH_MAX: usize = 16;

/// A file apart from its names.
pub(super) struct Inode {
    pub(super) content: Mutex<Content>,
    /// It has a live name, so that its bytes count.
    named: AtomicBool,
}

impl Inode {
    fn new(content: Content) -> Arc<Inode> {
        Arc::new(Inode { content: Mutex::new(content), named: AtomicBool::new(true) })
    }
}

#[derive(Clone)]
enum Node {
    Folder,
    File(Arc<Inode>),
}

type Tree = BTreeMap<PathBuf, Node>;

#[derive(Clone)]
enum Change {
    Create(PathBuf, Arc<Inode>),
    MakeFolder(PathBuf),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Change {
    fn touches(&self, path: &Path) -> bool {
        match self {
            Change::Create(at, _) | Change::MakeFolder(at) | Change::Remove(at) => at == path,
            Change::Rename(from, to) => from == path || to == path,
        }
    }

    fn shares_a_name_with(&self, other: &Change) -> bool {
        match self {
            Change::Create(at, _) | Change::MakeFolder(at) | Change::Remove(at) => other.touches(at),
            Change::Rename(from, to) => other.touches(from) || other.touches(to),
        }
    }

    /// The name whose folder must be synced for this change to be durable.
    fn target(&self) -> &Path {
        match self {
            Change::Create(at, _) | Change::MakeFolder(at) | Change::Remove(at) => at,
            Change::Rename(_, to) => to,
        }
    }
}

struct Pending {
    change: Change,
    /// Its folder was synced; it waits only for that folder's own name.
    synced: bool,
}

pub(super) struct Names {
    /// The real folder that is the durable image; `None` when it is in memory.
    root: Option<PathBuf>,
    live: Tree,
    durable: Tree,
    pending: Vec<Pending>,
    used: u64,
    scratch: u64,
}

impl Names {
    pub(super) fn in_memory() -> Names {
        Names {
            root: None,
            live: Tree::new(),
            durable: Tree::new(),
            pending: Vec::new(),
            used: 0,
            scratch: 0,
        }
    }

    pub(super) fn over_folder(root: &Path) -> io::Result<Names> {
        fs::create_dir_all(root)?;
        let root = super::clean(root);
        let mut names = Names { root: Some(root.clone()), ..Names::in_memory() };
        names.load(&root, 0)?;
        names.durable = names.live.clone();
        Ok(names)
    }

    fn load(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::other(format!(
                "folders more than {DEPTH_MAX} deep at {}",
                folder.display()
            )));
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX) {
                fs::remove_file(&path)?;
            } else if entry.file_type()?.is_dir() {
                self.live.insert(path.clone(), Node::Folder);
                self.load(&path, depth + 1)?;
            } else {
                let content = Content::load(&path)?;
                self.used += content.len();
                self.live.insert(path, Node::File(Inode::new(content)));
            }
        }
        Ok(())
    }

    pub(super) fn is_over_folder(&self) -> bool {
        self.root.is_some()
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// A file went from `before` to `after` bytes.
    pub(super) fn account(&mut self, inode: &Inode, before: u64, after: u64) {
        if inode.named.load(Ordering::Relaxed) {
            self.used = (self.used + after).saturating_sub(before);
        }
    }

    /// Above the tree: always there, never lost.
    fn is_ground(&self, path: &Path) -> bool {
        match &self.root {
            Some(root) => root.starts_with(path),
            None => path.parent().is_none(),
        }
    }

    fn is_folder(&self, tree: &Tree, path: &Path) -> bool {
        self.is_ground(path) || matches!(tree.get(path), Some(Node::Folder))
    }

    fn check_inside(&self, path: &Path) -> io::Result<()> {
        match &self.root {
            Some(root) if !path.starts_with(root) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} is outside of {}", path.display(), root.display()),
            )),
            _ => Ok(()),
        }
    }

    fn check_parent(&self, path: &Path) -> io::Result<()> {
        self.check_inside(path)?;
        match path.parent() {
            Some(parent) if self.is_folder(&self.live, parent) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.is_ground(path) || self.live.contains_key(path)
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<Option<Arc<Inode>>> {
        self.check_inside(path)?;
        match self.live.get(path) {
            Some(Node::File(inode)) => Ok(Some(Arc::clone(inode))),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Ok(None),
        }
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        if !self.is_folder(&self.live, path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = self.live.keys().filter(|name| name.parent() == Some(path));
        let mut names: Vec<String> =
            inside.filter_map(|name| name.file_name()?.to_str().map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<()> {
        self.check_parent(path)?;
        let inode = Inode::new(Content::new());
        self.live.insert(path.to_owned(), Node::File(Arc::clone(&inode)));
        self.push(Change::Create(path.to_owned(), inode));
        Ok(())
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        self.check_inside(path)?;
        let mut missing = Vec::new();
        let mut at = Some(path);
        while let Some(folder) = at {
            if self.is_ground(folder) {
                break;
            }
            match self.live.get(folder) {
                Some(Node::Folder) => break,
                Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                None => missing.push(folder.to_owned()),
            }
            at = folder.parent();
        }
        for folder in missing.into_iter().rev() {
            self.live.insert(folder.clone(), Node::Folder);
            self.push(Change::MakeFolder(folder));
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        match self.file(path)? {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(_) => {
                self.forget_live(path);
                self.push(Change::Remove(path.to_owned()));
                Ok(())
            }
        }
    }

    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        self.check_inside(path)?;
        if !matches!(self.live.get(path), Some(Node::Folder)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // The deepest names come last in the tree's order, and must go first.
        for name in below(&self.live, path).into_iter().rev() {
            self.forget_live(&name);
            self.push(Change::Remove(name));
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.check_inside(from)?;
        self.check_parent(to)?;
        let Some(moved) = self.live.get(from).cloned() else { return Err(io::ErrorKind::NotFound.into()) };
        if from == to {
            return Ok(());
        }
        let occupied = below(&self.live, to);
        let fits = match (&moved, self.live.get(to)) {
            (_, None) => true,
            (Node::File(_), Some(node)) => matches!(node, Node::File(_)),
            (Node::Folder, Some(node)) => matches!(node, Node::Folder) && occupied.len() == 1,
        };
        if !fits || to.starts_with(from) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.forget_live(to);
        if matches!(moved, Node::Folder) {
            // Unsynced changes below it go with it: they become durable where the folder is then.
            for pending in &mut self.pending {
                pending.change = moved_with(&pending.change, from, to);
            }
        }
        move_tree(&mut self.live, from, to);
        self.push(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn forget_live(&mut self, path: &Path) {
        if let Some(Node::File(inode)) = self.live.remove(path) {
            inode.named.store(false, Ordering::Relaxed);
            self.used = self.used.saturating_sub(lock(&inode.content).len());
        }
    }

    fn push(&mut self, change: Change) {
        self.pending.push(Pending { change, synced: false });
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        if !self.is_folder(&self.live, path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        for pending in &mut self.pending {
            pending.synced |= pending.change.target().parent() == Some(path);
        }
        self.settle()
    }

    /// The medium takes the newest change early.
    pub(super) fn write_last_early(&mut self) -> io::Result<()> {
        match self.pending.len().checked_sub(1) {
            Some(last) => self.apply_with_earlier(last),
            None => Ok(()),
        }
    }

    /// Applies every synced change whose folder is durable, until none is left to apply.
    fn settle(&mut self) -> io::Result<()> {
        let mut from = 0;
        while let Some(found) = (from..self.pending.len()).find(|&i| self.pending[i].synced) {
            let before = self.pending.len();
            self.apply_with_earlier(found)?;
            // An applied change may have been what others waited for.
            from = if self.pending.len() < before { 0 } else { found + 1 };
        }
        Ok(())
    }

    /// Applies change `index`, after all earlier changes of the same names. Nothing happens while its folder has
    /// no durable name.
    fn apply_with_earlier(&mut self, index: usize) -> io::Result<()> {
        let wanted = self.pending[index].change.clone();
        let parent_there =
            wanted.target().parent().is_some_and(|parent| self.is_folder(&self.durable, parent));
        if !parent_there {
            return Ok(());
        }
        let earlier = (0..index).find(|&i| self.pending[i].change.shares_a_name_with(&wanted));
        if let Some(earlier) = earlier {
            let before = self.pending.len();
            self.apply_with_earlier(earlier)?;
            let applied = before - self.pending.len();
            return if applied > 0 { self.apply_with_earlier(index - applied) } else { Ok(()) };
        }
        self.pending.remove(index);
        if let Change::Remove(gone) = &wanted {
            // With a folder goes all that was still to happen in it.
            let mut place = 0;
            self.pending.retain(|pending| {
                place += 1;
                let inside = pending.change.target() != gone && pending.change.target().starts_with(gone);
                place > index || !inside || matches!(pending.change, Change::Rename(..))
            });
        }
        self.apply(wanted)
    }

    fn apply(&mut self, change: Change) -> io::Result<()> {
        let real = self.root.clone();
        match change {
            Change::Create(path, inode) => {
                if let Some(root) = real {
                    self.scratch += 1;
                    let scratch = root.join(format!("{SCRATCH_PREFIX}{}", self.scratch));
                    lock(&inode.content).materialise(&path, &scratch)?;
                }
                self.durable.insert(path, Node::File(inode));
            }
            Change::MakeFolder(path) => {
                if real.is_some() {
                    fs::create_dir_all(&path)?;
                }
                self.durable.insert(path, Node::Folder);
            }
            Change::Remove(path) => {
                if real.is_some() {
                    match self.durable.get(&path) {
                        Some(Node::Folder) => fs::remove_dir_all(&path)?,
                        Some(Node::File(_)) => fs::remove_file(&path)?,
                        None => {}
                    }
                }
                for name in below(&self.durable, &path) {
                    self.durable.remove(&name);
                }
            }
            Change::Rename(from, to) => {
                if real.is_some() && self.durable.contains_key(&from) {
                    fs::rename(&from, &to)?;
                }
                move_tree(&mut self.durable, &from, &to);
            }
        }
        Ok(())
    }

    /// The power goes: some of the unsynced changes survive, and the live tree is the durable one.
    pub(super) fn crash(&mut self, rng: &mut fastrand::Rng) -> io::Result<()> {
        let odds = match rng.u8(0..4) {
            0 => 0.0,
            1 => 1.0,
            _ => rng.f64(),
        };
        for pending in &mut self.pending {
            pending.synced |= rng.f64() < odds;
        }
        self.settle()?;
        self.pending.clear();
        self.live = self.durable.clone();
        self.used = 0;
        for node in self.live.values() {
            if let Node::File(inode) = node {
                let mut content = lock(&inode.content);
                content.crash(rng)?;
                self.used += content.len();
                inode.named.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// `path` and every name below it that is in the tree, in order.
fn below(tree: &Tree, path: &Path) -> Vec<PathBuf> {
    tree.range(path.to_owned()..)
        .take_while(|(name, _)| name.starts_with(path))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Moves a name, and what is below it, over whatever is at `to`.
fn move_tree(tree: &mut Tree, from: &Path, to: &Path) {
    let moved: Vec<(PathBuf, Node)> =
        below(tree, from).into_iter().filter_map(|name| tree.remove_entry(&name)).collect();
    if moved.is_empty() {
        return;
    }
    for name in below(tree, to) {
        tree.remove(&name);
    }
    for (name, node) in moved {
        tree.insert(rebase(&name, from, to), node);
    }
}

fn rebase(name: &Path, from: &Path, to: &Path) -> PathBuf {
    match name.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
        Ok(rest) => to.join(rest),
        Err(_) => name.to_owned(),
    }
}

/// `change` after the folder `from` has moved to `to`; changes of the folder's own name stay as they are.
fn moved_with(change: &Change, from: &Path, to: &Path) -> Change {
    let inside = |name: &PathBuf| if name == from { name.clone() } else { rebase(name, from, to) };
    match change {
        Change::Create(at, inode) => Change::Create(inside(at), Arc::clone(inode)),
        Change::MakeFolder(at) => Change::MakeFolder(inside(at)),
        Change::Remove(at) => Change::Remove(inside(at)),
        Change::Rename(a, b) => Change::Rename(inside(a), inside(b)),
    }
}
