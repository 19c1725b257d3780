//! The root folder and those above it: made, and each given a durable name (S3) before anything in it counts.
//!
//! Each name costs a sync, and a sync costs milliseconds on a busy disk; none of them waits for another, so they are made beside
//! the folder's own files, on a thread where there are threads.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use poruka_env::{Disk, Env, ThreadHandle};

use crate::layout::META;

/// Names that are on their way to the medium.
pub(crate) struct Names {
    thread: Option<ThreadHandle>,
    outcome: Arc<Mutex<io::Result<()>>>,
}

impl Names {
    /// Makes the folder and those above it.
    pub(crate) fn make(env: &Env, root: &Path) -> io::Result<Names> {
        let disk = env.disk();
        disk.create_dir_all(root)?;
        let outcome = Arc::new(Mutex::new(Ok(())));
        if disk.exists(&root.join(META)) {
            // Written last, when all of it was durable.
            return Ok(Names { thread: None, outcome });
        }
        let folders = above(root);
        if !env.has_threads() {
            sync_all(&**disk, &folders)?;
            return Ok(Names { thread: None, outcome });
        }
        let (disk, told) = (Arc::clone(disk), Arc::clone(&outcome));
        let body = move || {
            let synced = sync_all(&*disk, &folders);
            *told.lock().unwrap_or_else(PoisonError::into_inner) = synced;
        };
        let thread = env.spawn_thread("names", body)?;
        Ok(Names { thread: Some(thread), outcome })
    }

    /// Returns once they are durable. Nothing may be acknowledged before.
    pub(crate) fn wait(self) -> io::Result<()> {
        if self.thread.is_some_and(|thread| !thread.join()) {
            return Err(io::Error::other("the thread that syncs folder names ended early"));
        }
        std::mem::replace(&mut *self.outcome.lock().unwrap_or_else(PoisonError::into_inner), Ok(()))
    }
}

/// The folders that hold the names of `root` and of those above it. Those that are there already may have been made by a
/// process that was killed before it could sync them.
fn above(root: &Path) -> Vec<PathBuf> {
    let named = root.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let holders = named.filter_map(Path::parent);
    let here = |folder: &Path| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.to_owned();
    holders.map(here).collect()
}

fn sync_all(disk: &dyn Disk, folders: &[PathBuf]) -> io::Result<()> {
    for folder in folders {
        match disk.sync_dir(folder) {
            // A folder that we may not even read was not made by us.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => break,
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_on_the_way_to_the_folder_has_its_holder_synced() {
        let holders = |root: &str| above(Path::new(root));
        assert_eq!(holders("/a/b"), [Path::new("/a"), Path::new("/")]);
        assert_eq!(holders("data"), [Path::new(".")]);
        assert_eq!(holders("x/data"), [Path::new("x"), Path::new(".")]);
    }
}
