//! `check`: reads a whole data folder without serving it, and says what is proven, torn or damaged; `repair` makes a damaged
//! folder openable again and loses nothing that can still be read.
//!
//! Both do everything in memory first, on an overlay over the disk ([`overlay`]): the same steps as a start, but they go on
//! after damage ([`examine`]). Without damage nothing is ever written. A repair then puts every byte that will change
//! into quarantine and only after that changes it ([`commit`]); it deletes nothing, and a crash in its middle is
//! finished by the next one.
//!
//! Fault model: anything may be wrong with the bytes; calls of the disk work, or their error is told by file.

mod commit;
mod examine;
mod journal;
mod outcome;
mod overlay;
mod rope;
mod segment;
mod strays;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poruka_env::{DiskLock, Env, LockError};

use crate::config::{Class, LogConfig};
use crate::error::OpenError;
use crate::layout::{JOURNAL, LOCK, META, REPAIR_PLAN as PLAN};

/// How a folder, or a part of it, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Soundness {
    /// Nothing is wrong.
    Sound,
    /// What a crash may leave: a start cuts it by itself, and nothing of it was ever acknowledged.
    Torn,
    /// Something that was on the medium is not what it was.
    Damaged,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub soundness: Soundness,
    /// The file or folder.
    pub file: PathBuf,
    /// The first byte that is wrong, as far as it can be told.
    pub at: u64,
    /// What it is; a fragment.
    pub what: String,
    /// Partition, and the offsets of it that cannot be read for that reason: from, until.
    pub lost: Option<(String, i32, i64, i64)>,
}

/// What was found of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionCheck {
    /// Name of the topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// What is promised about its records.
    pub class: Class,
    /// The worst that was found of it.
    pub soundness: Soundness,
    /// The first offset that may be read.
    pub log_start: i64,
    /// Records below this offset are proven, except those that are named as lost.
    pub end: i64,
    /// Its segments.
    pub segments: usize,
    /// Bytes of them that are proven.
    pub bytes: u64,
    /// Whole batches that were read and compared with their checksums.
    pub batches: u64,
    /// Bytes past the proven end, which a start cuts.
    pub torn_bytes: u64,
    /// Whole records in them.
    pub torn_records: u64,
    /// Offsets that a start leaves out, since records may have been seen there.
    pub left_out: i64,
    /// Offsets whose records are lost: from, until.
    pub lost: Vec<(i64, i64)>,
    /// The journal is damaged where it may have had records of this partition after `end`; how many is not known.
    pub may_have_lost_more: bool,
}

/// What was found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderCheck {
    /// Version of the folder's format; 0 when nothing says it.
    pub format: u32,
    /// By topic and number.
    pub partitions: Vec<PartitionCheck>,
    /// In the order in which a start would meet them.
    pub findings: Vec<Finding>,
    /// Journal groups past the checkpoint.
    pub journal_groups: u64,
    /// Entries in them.
    pub journal_entries: u64,
    /// Damage that a repair cannot mend: the folder has to be restored from a copy.
    pub is_beyond_repair: bool,
}

impl FolderCheck {
    /// The worst that was found.
    pub fn soundness(&self) -> Soundness {
        let found = self.findings.iter().map(|finding| finding.soundness);
        found.max().unwrap_or(Soundness::Sound)
    }
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// What was found before.
    pub before: FolderCheck,
    /// What is found now.
    pub after: FolderCheck,
    /// Where everything that was changed lies as it was; nothing when nothing was damaged.
    pub quarantine: Option<PathBuf>,
}

/// Why a folder could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// In use, of a newer format, not a data folder, not readable.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A repair was interrupted; only another repair finishes it.
    #[error("{file} says that a repair was interrupted; finish it with `poruka check --repair`")]
    Unfinished {
        /// The plan of the repair.
        file: PathBuf,
    },
    /// The repair could not write. What was done so far is finished by the next one.
    #[error("write {file}: {error}")]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

/// Reads the whole folder. Changes nothing in it but the number in its lock file.
///
/// # Errors
/// See [`CheckError`]. Damage is no error but a finding.
pub fn check(env: &Env, root: &Path, config: &LogConfig) -> Result<FolderCheck, CheckError> {
    let _lock = lock(env, root)?;
    let plan = root.join(PLAN);
    if env.disk().exists(&plan) {
        return Err(CheckError::Unfinished { file: plan });
    }
    Ok(examine::examine(env, root, config)?.0)
}

/// Makes a damaged folder openable again. Changes nothing in one that is sound or torn.
///
/// # Errors
/// See [`CheckError`].
pub fn repair(env: &Env, root: &Path, config: &LogConfig) -> Result<Repaired, CheckError> {
    let _lock = lock(env, root)?;
    let resumed = commit::resume(&**env.disk(), root)?;
    let (before, overlay) = examine::examine(env, root, config)?;
    if before.soundness() < Soundness::Damaged || before.is_beyond_repair {
        return Ok(Repaired { after: before.clone(), before, quarantine: resumed });
    }
    let quarantine = commit::commit(env, root, &overlay, &before)?;
    let (after, _) = examine::examine(env, root, config)?;
    Ok(Repaired { before, after, quarantine: Some(quarantine) })
}

/// The folder's lock. A folder that holds nothing of ours gets not even that.
fn lock(env: &Env, root: &Path) -> Result<Box<dyn DiskLock>, OpenError> {
    let disk: &Arc<_> = env.disk();
    let ours = [META, JOURNAL, PLAN].iter().any(|name| disk.exists(&root.join(name)));
    if !ours {
        return match disk.exists(root) {
            true => Err(OpenError::NotOurs { dir: root.to_owned() }),
            false => Err(OpenError::Missing { file: root.to_owned() }),
        };
    }
    let path = root.join(LOCK);
    disk.lock(&path).map_err(|error| match error {
        LockError::HeldBy(pid) => OpenError::InUse { dir: root.to_owned(), pid },
        LockError::Io(error) => OpenError::Io { file: path, error },
    })
}
