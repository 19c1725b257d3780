//! The fake disk against a model that knows, for each byte and each name, every value that may be found after a
//! power cut. What was synced must be there; what was not may be lost or torn, inside its own range only.
#![expect(clippy::unwrap_used, reason = "a test crate")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poruka_env::{Disk, DiskFile, FakeDisk, OpenMode};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Op {
    Write { name: usize, at: u64, len: usize, byte: u8 },
    SetLen { name: usize, len: u64 },
    Sync { name: usize },
    SyncDir,
    Remove { name: usize },
    Rename { from: usize, to: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let name = 0..NAMES.len();
    prop_oneof![
        6 => (name.clone(), 0u64..4000, 1usize..3000, 1u8..=255)
            .prop_map(|(name, at, len, byte)| Op::Write { name, at, len, byte }),
        1 => (name.clone(), 0u64..5000).prop_map(|(name, len)| Op::SetLen { name, len }),
        2 => name.clone().prop_map(|name| Op::Sync { name }),
        2 => Just(Op::SyncDir),
        1 => name.clone().prop_map(|name| Op::Remove { name }),
        1 => (name.clone(), name).prop_map(|(from, to)| Op::Rename { from, to }),
    ]
}

/// What may be found of one file.
#[derive(Clone, Default)]
struct File {
    live: Vec<u8>,
    /// Values that the medium may hold at each place, and lengths that the file may have.
    may: Vec<Vec<u8>>,
    len_min: usize,
    len_max: usize,
}

impl File {
    fn note(&mut self, at: usize, byte: u8) {
        if self.may.len() <= at {
            self.may.resize(at + 1, vec![0]);
        }
        self.may[at].push(byte);
    }

    fn write(&mut self, at: usize, len: usize, byte: u8) {
        if self.live.len() < at + len {
            self.live.resize(at + len, 0);
        }
        self.live[at..at + len].fill(byte);
        (at..at + len).for_each(|place| self.note(place, byte));
        self.len_max = self.len_max.max(at + len);
    }

    fn set_len(&mut self, len: usize) {
        for place in len..self.live.len() {
            self.note(place, 0);
        }
        self.live.resize(len, 0);
        self.len_min = self.len_min.min(len);
        self.len_max = self.len_max.max(len);
    }

    fn sync(&mut self) {
        self.may = self.live.iter().map(|&byte| vec![byte]).collect();
        self.len_min = self.live.len();
        self.len_max = self.live.len();
    }

    fn check(&self, found: &[u8]) {
        assert!(found.len() >= self.len_min, "{} bytes found, {} were synced", found.len(), self.len_min);
        assert!(found.len() <= self.len_max, "{} bytes found, {} is the most", found.len(), self.len_max);
        for (place, byte) in found.iter().enumerate() {
            let known = self.may.get(place).is_some_and(|may| may.contains(byte));
            assert!(known || (*byte == 0 && place >= self.len_min), "byte {place} is {byte}");
        }
    }
}

/// Ids of files by name; the sets of ids that each name may have after a cut.
#[derive(Default)]
struct Model {
    files: Vec<File>,
    live: BTreeMap<usize, usize>,
    may: BTreeMap<usize, Vec<Option<usize>>>,
}

impl Model {
    fn set(&mut self, name: usize, to: Option<usize>) {
        match to {
            Some(id) => self.live.insert(name, id),
            None => self.live.remove(&name),
        };
        self.may.entry(name).or_insert_with(|| vec![None]).push(to);
    }

    fn id(&mut self, name: usize) -> usize {
        if let Some(&id) = self.live.get(&name) {
            return id;
        }
        self.files.push(File::default());
        let id = self.files.len() - 1;
        self.set(name, Some(id));
        id
    }

    fn sync_dir(&mut self) {
        for name in 0..NAMES.len() {
            self.may.insert(name, vec![self.live.get(&name).copied()]);
        }
    }
}

fn path(folder: &Path, name: usize) -> PathBuf {
    folder.join(NAMES[name])
}

fn apply(disk: &FakeDisk, folder: &Path, model: &mut Model, op: &Op) {
    let open =
        |name: usize| -> Arc<dyn DiskFile> { disk.open(&path(folder, name), OpenMode::Create).unwrap() };
    match *op {
        Op::Write { name, at, len, byte } => {
            open(name).write_at(&vec![byte; len], at).unwrap();
            let id = model.id(name);
            model.files[id].write(at as usize, len, byte);
        }
        Op::SetLen { name, len } => {
            open(name).set_len(len).unwrap();
            let id = model.id(name);
            model.files[id].set_len(len as usize);
        }
        Op::Sync { name } => {
            open(name).sync_data().unwrap();
            let id = model.id(name);
            model.files[id].sync();
        }
        Op::SyncDir => {
            disk.sync_dir(folder).unwrap();
            model.sync_dir();
        }
        Op::Remove { name } => {
            if disk.remove(&path(folder, name)).is_ok() {
                model.set(name, None);
            }
        }
        Op::Rename { from, to } => {
            let known = model.live.get(&from).copied();
            assert_eq!(disk.rename(&path(folder, from), &path(folder, to)).is_ok(), known.is_some());
            if let Some(id) = known.filter(|_| from != to) {
                model.set(from, None);
                model.set(to, Some(id));
            }
        }
    }
}

fn contents(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).unwrap();
    let mut all = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut all, 0).unwrap();
    all
}

fn check_live(disk: &FakeDisk, folder: &Path, model: &Model) {
    for (&name, &id) in &model.live {
        assert_eq!(contents(disk, &path(folder, name)), model.files[id].live, "the live view differs");
    }
    assert_eq!(disk.used(), model.live.values().map(|&id| model.files[id].live.len() as u64).sum::<u64>());
}

/// Which file a name has cannot be told from outside; its bytes must fit one of those that it may have.
fn check_after_cut(disk: &dyn Disk, folder: &Path, model: &Model) {
    let listed = disk.list(folder).unwrap();
    for (name, text) in NAMES.iter().enumerate() {
        let may = model.may.get(&name).cloned().unwrap_or_else(|| vec![None]);
        if !listed.iter().any(|found| found == text) {
            assert!(may.contains(&None), "the durable name {text} is lost");
            continue;
        }
        let found = contents(disk, &path(folder, name));
        let ids: Vec<usize> = may.iter().copied().flatten().collect();
        assert!(!ids.is_empty(), "the name {text} came from nowhere");
        let fits = ids.iter().any(|&id| std::panic::catch_unwind(|| model.files[id].check(&found)).is_ok());
        if ids.len() == 1 {
            model.files[ids[0]].check(&found);
        }
        assert!(fits, "the bytes of {text} are those of no file that it may be");
    }
}

fn snapshot(disk: &FakeDisk, folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = disk.list(folder).unwrap();
    names.into_iter().map(|name| (name.clone(), contents(disk, &folder.join(&name)))).collect()
}

fn in_memory(ops: &[Op], seed: u64) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new("/data");
    let disk = FakeDisk::in_memory(seed);
    disk.create_dir_all(folder).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let mut model = Model::default();
    for op in ops {
        apply(&disk, folder, &mut model, op);
    }
    check_live(&disk, folder, &model);
    disk.crash(seed ^ 1).unwrap();
    check_after_cut(&disk, folder, &model);
    snapshot(&disk, folder)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn after_a_cut_synced_bytes_and_names_are_there_and_others_may_be(
        ops in proptest::collection::vec(op(), 0..40),
        seed in any::<u64>(),
    ) {
        in_memory(&ops, seed);
    }

    #[test]
    fn the_same_seed_gives_the_same_disk(ops in proptest::collection::vec(op(), 0..40), seed in any::<u64>()) {
        prop_assert_eq!(in_memory(&ops, seed), in_memory(&ops, seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_killed_process_leaves_in_the_folder_what_a_power_cut_leaves(
        ops in proptest::collection::vec(op(), 0..40),
        seed in any::<u64>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let disk = FakeDisk::over_folder(root, seed).unwrap();
        let mut model = Model::default();
        for op in &ops {
            apply(&disk, root, &mut model, op);
        }
        check_live(&disk, root, &model);
        disk.abandon();
        drop(disk);
        check_after_cut(&FakeDisk::over_folder(root, seed).unwrap(), root, &model);
        check_after_cut(&poruka_env::RealDisk, root, &model);
    }
}
