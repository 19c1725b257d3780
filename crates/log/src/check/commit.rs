//! Writing a repair down: quarantine first, then a plan, then the changes. Nothing is deleted.
//!
//! 1. Into `quarantine-<number>/`: every byte that will change, as it is (`kept/`), every byte that takes its place
//!    (`new/`), and a note that says what was found. All of it is synced.
//! 2. `repair.plan` in the folder's root names the changes. From now on the folder is refused until they are done.
//! 3. The changes, each of which may be repeated; then the plan is removed.
//!
//! A crash before step 2 leaves the folder as it was; one after it is finished by [`resume`]. Assumes S1 and S3.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poruka_env::{Disk, DiskFile, Env, OpenMode};

use super::overlay::{Changed, Overlay};
use super::{CheckError, FolderCheck, Soundness};
use crate::checkpoint::{read_whole, write_aside};
use crate::codec::{Cursor, Malformed, frame, put_string, unframe};
use crate::layout::{FORMAT_VERSION, QUARANTINE, REPAIR_PLAN as PLAN};

const KEPT: &str = "kept";
const NEW: &str = "new";
const NOTE: &str = "note.txt";
const PLAN_MAGIC: [u8; 8] = *b"PRKREPAR";
const COPY_BYTES: usize = 1 << 20;

/// One change to one file, told so that it may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// Inside the data folder.
    file: String,
    /// The first byte that changes.
    from: u64,
    /// The length afterwards; `None`: the file goes.
    len: Option<u64>,
}

impl Step {
    fn name(&self) -> String {
        match self.from {
            0 => self.file.clone(),
            from => format!("{}.from-byte-{from}", self.file),
        }
    }
}

struct Plan {
    quarantine: String,
    steps: Vec<Step>,
}

/// Attaches a path to an error.
fn writing(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CheckError {
    let file = file.into();
    move |error| CheckError::Write { file, error }
}

/// Does everything that the overlay has; returns the quarantine folder.
pub(super) fn commit(
    env: &Env,
    root: &Path,
    overlay: &Overlay,
    found: &FolderCheck,
) -> Result<PathBuf, CheckError> {
    let disk = &**env.disk();
    let name = format!("{QUARANTINE}{}", env.wall_ms());
    let quarantine = root.join(&name);
    let mut steps = Vec::new();
    for Changed { path, kept, len } in overlay.changed().map_err(writing(root))? {
        let file = path.strip_prefix(root).ok().and_then(Path::to_str);
        // Names of ours are all UTF-8, and all below the root.
        let file =
            file.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput)).map_err(writing(&path))?;
        steps.push(Step { file: file.to_owned(), from: kept, len });
    }
    for step in &steps {
        let path = root.join(&step.file);
        if disk.exists(&path) {
            copy(disk, &path, step.from, disk, &quarantine.join(KEPT).join(step.name()))?;
        }
        if step.len.is_some() {
            copy(overlay, &path, step.from, disk, &quarantine.join(NEW).join(step.name()))?;
        }
    }
    let note = quarantine.join(NOTE);
    make_folder(disk, &quarantine)?;
    write_aside(disk, &note, note_text(found, &steps).as_bytes()).map_err(writing(&note))?;
    disk.sync_dir(root).map_err(writing(root))?;
    let plan = Plan { quarantine: name, steps };
    let path = root.join(PLAN);
    write_aside(disk, &path, &frame(PLAN_MAGIC, FORMAT_VERSION, &plan.encode())).map_err(writing(&path))?;
    plan.carry_out(disk, root)
}

/// Finishes a repair that was interrupted; its quarantine folder, if there was one.
pub(super) fn resume(disk: &dyn Disk, root: &Path) -> Result<Option<PathBuf>, CheckError> {
    let path = root.join(PLAN);
    if !disk.exists(&path) {
        return Ok(None);
    }
    let bytes = read_whole(disk, &path).map_err(writing(&path))?;
    let body = unframe(PLAN_MAGIC, FORMAT_VERSION, &bytes).ok();
    let plan = body.and_then(|body| Plan::decode(body).ok());
    let plan = plan.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)).map_err(writing(&path))?;
    plan.carry_out(disk, root).map(Some)
}

impl Plan {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_string(&mut out, &self.quarantine);
        out.extend((self.steps.len() as u32).to_be_bytes());
        for step in &self.steps {
            put_string(&mut out, &step.file);
            out.extend(step.from.to_be_bytes());
            out.extend(step.len.unwrap_or(u64::MAX).to_be_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Plan, Malformed> {
        let mut from = Cursor::new(bytes);
        let quarantine = from.string()?.to_owned();
        let mut steps = Vec::new();
        for _ in 0..from.count(2 + 8 + 8)? {
            let file = from.string()?.to_owned();
            let (from, len) = (from.u64()?, from.u64()?);
            steps.push(Step { file, from, len: (len != u64::MAX).then_some(len) });
        }
        from.end()?;
        Ok(Plan { quarantine, steps })
    }

    fn carry_out(&self, disk: &dyn Disk, root: &Path) -> Result<PathBuf, CheckError> {
        let quarantine = root.join(&self.quarantine);
        for step in &self.steps {
            let path = root.join(&step.file);
            let Some(len) = step.len else {
                // Its bytes are in quarantine.
                match disk.remove(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other.map_err(writing(&path))?,
                }
                continue;
            };
            let staged = quarantine.join(NEW).join(step.name());
            let (file, _) = copy_bytes(disk, (&staged, 0), disk, (&path, step.from))?;
            file.set_len(len).and_then(|()| file.sync_all()).map_err(writing(&path))?;
        }
        for step in &self.steps {
            sync_folders(disk, root, &root.join(&step.file))?;
        }
        disk.remove(&root.join(PLAN)).map_err(writing(root.join(PLAN)))?;
        disk.sync_dir(root).map_err(writing(root))?;
        // What took the place of the damaged bytes is in place now; it was ours.
        let staged = quarantine.join(NEW);
        if disk.exists(&staged) {
            disk.remove_dir_all(&staged).map_err(writing(&staged))?;
        }
        Ok(quarantine)
    }
}

/// The end of a file, from `at` on, as a file of its own; synced, with its name.
fn copy(from_disk: &dyn Disk, from: &Path, at: u64, disk: &dyn Disk, to: &Path) -> Result<(), CheckError> {
    let (target, len) = copy_bytes(from_disk, (from, at), disk, (to, 0))?;
    target.set_len(len).and_then(|()| target.sync_all()).map_err(writing(to))?;
    match to.parent() {
        Some(folder) => disk.sync_dir(folder).map_err(writing(folder)),
        None => Ok(()),
    }
}

/// Bytes from a place in one file up to its end, written to a place in another, which is made if need be. Not synced.
/// Returns that file, and how many bytes they were.
fn copy_bytes(
    from_disk: &dyn Disk,
    (from, from_at): (&Path, u64),
    disk: &dyn Disk,
    (to, to_at): (&Path, u64),
) -> Result<(Arc<dyn DiskFile>, u64), CheckError> {
    let source = from_disk.open(from, OpenMode::Read).map_err(writing(from))?;
    if let Some(folder) = to.parent() {
        make_folder(disk, folder)?;
    }
    let target = disk.open(to, OpenMode::Create).map_err(writing(to))?;
    let (mut block, mut done) = (vec![0; COPY_BYTES], 0);
    loop {
        match source.read_at(&mut block, from_at + done).map_err(writing(from))? {
            0 => return Ok((target, done)),
            count => {
                target.write_at(&block[..count], to_at + done).map_err(writing(to))?;
                done += count as u64;
            }
        }
    }
}

/// Makes a folder, and each name on the way to it durable.
fn make_folder(disk: &dyn Disk, folder: &Path) -> Result<(), CheckError> {
    if disk.exists(folder) {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(disk, parent)?;
        disk.create_dir_all(folder).map_err(writing(folder))?;
        disk.sync_dir(parent).map_err(writing(parent))?;
    }
    Ok(())
}

fn sync_folders(disk: &dyn Disk, root: &Path, file: &Path) -> Result<(), CheckError> {
    for folder in file.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
        if disk.exists(folder) {
            disk.sync_dir(folder).map_err(writing(folder))?;
        }
    }
    Ok(())
}

fn note_text(found: &FolderCheck, steps: &[Step]) -> String {
    let mut text = "A repair by `poruka check --repair` changed this data folder. What was changed lies in kept/ as it was.\n\nFound:\n".to_owned();
    for finding in found.findings.iter().filter(|finding| finding.soundness == Soundness::Damaged) {
        text.push_str(&format!("  {} byte {}: {}", finding.file.display(), finding.at, finding.what));
        if let Some((topic, partition, from, until)) = &finding.lost {
            text.push_str(&format!("; lost: {topic}-{partition} offsets {from} to {}", until - 1));
        }
        text.push('\n');
    }
    text.push_str("\nChanged:\n");
    for step in steps {
        let change = match step.len {
            None => "taken out".to_owned(),
            Some(len) => format!("changed from byte {} on, {len} bytes long now", step.from),
        };
        text.push_str(&format!("  {}: {change}\n", step.file));
    }
    text
}

/// The disk under an overlay is shared with it.
pub(super) fn overlay_of(env: &Env) -> Overlay {
    Overlay::new(Arc::clone(env.disk()))
}
