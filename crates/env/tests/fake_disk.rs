//! The fake disk case by case: what fails on command, what a failed sync leaves, and that damage really happens.
#![expect(clippy::unwrap_used, reason = "a test crate")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poruka_env::{Disk, DiskFile, DiskOp, Env, FakeDisk, LockError, OpenMode};

fn disk() -> (FakeDisk, PathBuf) {
    let disk = FakeDisk::in_memory(1);
    let folder = PathBuf::from("/d");
    disk.create_dir_all(&folder).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    (disk, folder)
}

/// A file with a durable name.
fn file(disk: &FakeDisk, path: &Path) -> Arc<dyn DiskFile> {
    let file = disk.open(path, OpenMode::Create).unwrap();
    disk.sync_dir(path.parent().unwrap()).unwrap();
    file
}

fn contents(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).unwrap();
    let mut all = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut all, 0).unwrap();
    all
}

#[test]
fn cuts_really_lose_tear_and_reorder() {
    let (mut lost, mut torn, mut reordered, mut whole) = (0, 0, 0, 0);
    for seed in 0..200 {
        let (disk, folder) = disk();
        let path = folder.join("a");
        let handle = file(&disk, &path);
        handle.write_at(&[1; 8192], 0).unwrap();
        handle.sync_data().unwrap();
        handle.write_at(&[2; 4096], 0).unwrap();
        handle.write_at(&[3; 4096], 4096).unwrap();
        disk.crash(seed).unwrap();
        let found = contents(&disk, &path);
        let (first, second) = found.split_at(4096);
        lost += usize::from(found.iter().all(|&byte| byte == 1));
        whole += usize::from(!found.contains(&1));
        torn += usize::from(first.contains(&1) && first.contains(&2));
        reordered += usize::from(first.contains(&1) && !second.contains(&1));
    }
    assert!(lost > 0 && torn > 0 && reordered > 0 && whole > 0, "{lost} {torn} {reordered} {whole}");
}

#[test]
fn a_kill_without_a_power_cut_loses_nothing_but_ends_the_handles() {
    let (disk, folder) = disk();
    let path = folder.join("a");
    let old = disk.open(&path, OpenMode::CreateNew).unwrap();
    old.write_at(b"not synced", 0).unwrap();
    let _lock = disk.lock(&folder.join("lock")).unwrap();
    disk.kill();
    assert_eq!(contents(&disk, &path), b"not synced");
    assert!(old.write_at(b"x", 0).is_err());
    disk.lock(&folder.join("lock")).unwrap();
}

#[test]
fn an_unsynced_folder_takes_its_synced_files_with_it() {
    for seed in 0..50 {
        let disk = FakeDisk::in_memory(seed);
        disk.create_dir_all(Path::new("/x/y")).unwrap();
        let path = Path::new("/x/y/a");
        let handle = disk.open(path, OpenMode::Create).unwrap();
        handle.write_at(b"synced", 0).unwrap();
        handle.sync_data().unwrap();
        disk.sync_dir(Path::new("/x/y")).unwrap();
        disk.sync_dir(Path::new("/x")).unwrap();
        if seed % 2 == 0 {
            disk.sync_dir(Path::new("/")).unwrap();
        }
        disk.crash(seed).unwrap();
        if seed % 2 == 0 || disk.exists(path) {
            assert_eq!(contents(&disk, path), b"synced");
        } else {
            assert!(!disk.exists(Path::new("/x")));
        }
    }
}

#[test]
fn a_rename_is_all_or_nothing() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..100 {
        let (disk, folder) = disk();
        let (fresh, place) = (folder.join("fresh"), folder.join("place"));
        let first = file(&disk, &place);
        first.write_at(b"old", 0).unwrap();
        first.sync_all().unwrap();
        let second = disk.open(&fresh, OpenMode::Create).unwrap();
        second.write_at(b"new", 0).unwrap();
        second.sync_all().unwrap();
        disk.rename(&fresh, &place).unwrap();
        disk.crash(seed).unwrap();
        match contents(&disk, &place).as_slice() {
            b"old" => old += 1,
            b"new" => {
                assert!(!disk.exists(&fresh));
                new += 1;
            }
            other => panic!("neither: {other:?}"),
        }
    }
    assert!(old > 0 && new > 0);
}

#[test]
fn after_a_failed_sync_a_later_one_does_not_save_what_it_lost() {
    let mut missing = 0;
    for seed in 0..50 {
        let disk = FakeDisk::in_memory(seed);
        disk.create_dir_all(Path::new("/d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let path = Path::new("/d/a");
        let handle = file(&disk, path);
        handle.write_at(&[7; 4096], 0).unwrap();
        disk.fail(DiskOp::Sync, 0, 1);
        assert!(handle.sync_data().is_err());
        assert_eq!(contents(&disk, path), [7; 4096], "still readable");
        handle.sync_data().unwrap();
        disk.crash(seed).unwrap();
        missing += usize::from(contents(&disk, path).contains(&0));
    }
    assert!(missing > 0);
}

#[test]
fn a_full_disk_refuses_growth_only() {
    let (disk, folder) = disk();
    let handle = file(&disk, &folder.join("a"));
    disk.set_capacity(Some(1000));
    handle.write_at(&[1; 900], 0).unwrap();
    assert_eq!(handle.write_at(&[1; 200], 900).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(handle.len().unwrap(), 1000, "a part of the refused write is there");
    handle.write_at(&[2; 1000], 0).unwrap();
    assert_eq!(handle.set_len(1001).unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.remove(&folder.join("a")).unwrap();
    assert_eq!(disk.used(), 0);
}

#[test]
fn calls_fail_when_told_to_and_the_power_goes_where_it_is_told_to() {
    let (disk, folder) = disk();
    let handle = file(&disk, &folder.join("a"));
    disk.fail(DiskOp::Write, 1, 2);
    let failed: Vec<bool> = (0..4).map(|at| handle.write_at(b"x", at).is_err()).collect();
    assert_eq!(failed, [false, true, true, false]);
    disk.fail(DiskOp::SyncDir, 0, 1);
    assert!(disk.sync_dir(&folder).is_err());
    disk.cut_power_after(1);
    handle.write_at(b"y", 0).unwrap();
    assert!(handle.write_at(b"z", 0).is_err());
    assert!(disk.is_off() && handle.sync_data().is_err() && handle.len().is_err());
    disk.crash(3).unwrap();
    disk.open(&folder.join("a"), OpenMode::Read).unwrap();
}

#[test]
fn folders_are_listed_moved_and_removed() {
    let (disk, folder) = disk();
    let t = folder.join("t");
    assert!(disk.open(&t.join("a"), OpenMode::Create).is_err(), "no folder yet");
    disk.create_dir_all(&t).unwrap();
    disk.open(&t.join("a"), OpenMode::Create).unwrap().write_at(b"1", 0).unwrap();
    let moved = folder.join("u");
    disk.rename(&t, &moved).unwrap();
    assert_eq!(disk.list(&folder).unwrap(), ["u"]);
    disk.open(&moved.join("a"), OpenMode::Create).unwrap().sync_all().unwrap();
    disk.sync_dir(&moved).unwrap();
    disk.sync_dir(&folder).unwrap();
    disk.crash(9).unwrap();
    assert_eq!(contents(&disk, &moved.join("a")), b"1");
    disk.remove_dir_all(&moved).unwrap();
    assert!(!disk.exists(&moved) && disk.list(&folder).unwrap().is_empty());
    disk.sync_dir(&folder).unwrap();
    disk.crash(9).unwrap();
    assert!(!disk.exists(&moved));
}

#[test]
fn a_lock_over_a_folder_holds_against_the_real_disk_and_names_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::over_folder(folder.path(), 1).unwrap();
    let path = folder.path().join("lock");
    let held = disk.lock(&path).unwrap();
    let env = Env::real();
    assert!(matches!(env.disk().lock(&path), Err(LockError::HeldBy(pid)) if pid == std::process::id()));
    drop(held);
    assert!(disk.open(Path::new("/elsewhere"), OpenMode::Create).is_err());
}
