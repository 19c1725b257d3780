//! Faults that are not crashes: failing syncs, a full disk, flipped bits, missing files, a newer format.

use crate::common::{batch, read_all};
use crate::world::{End, World};
use poruka_env::{Disk, DiskOp, OpenMode};
use poruka_log::{AppendError, OpenError, Origin, ReadError, StorageError};
use poruka_wire::records::batches_of;

/// A world with some records in the first (Synced) partition, all durable.
fn filled(seed: u64, batches: i64) -> World {
    let mut world = World::new(seed);
    world.open().expect("open");
    let log = world.log(0).expect("a log");
    for _ in 0..batches {
        assert!(world.append(0, &log, 500));
    }
    world.acknowledge(0, &log);
    world
}

fn flip(world: &World, path: &str, at: u64) {
    let file = world.disk.open(path.as_ref(), OpenMode::Create).expect("there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("long enough");
    file.write_at(&[byte[0] ^ 4], at).expect("written");
    file.sync_all().expect("synced");
}

#[test]
fn a_failed_sync_stops_all_acks_until_a_restart_and_reads_go_on() {
    let mut world = filled(1, 10);
    let (log, cached) = (world.log(0).expect("a log"), world.log(1).expect("a log"));
    let before = log.high_watermark();
    world.disk.fail(DiskOp::Sync, 0, 1);
    assert!(world.append(0, &log, 100));
    let waited = world.sim.block_on(log.wait_durable(log.ticket_of_end()));
    assert!(waited.is_err(), "what could not be synced is never acknowledged");
    for log in [&log, &cached] {
        let refused = log.append(batch(b"x", 1, 0, None), Origin::Client);
        assert!(matches!(refused, Err(AppendError::Storage(StorageError::Poisoned))));
    }
    assert_eq!(log.high_watermark(), before);
    assert_eq!(read_all(&log, 1000).len(), 10);
    assert!(world.engine.as_ref().expect("open").is_poisoned());
    drop((log, cached));
    world.end(End::PowerCut);
    world.open().expect("open again");
    world.check(End::PowerCut);
}

#[test]
fn a_full_disk_refuses_appends_keeps_reads_and_goes_on_once_there_is_room() {
    let mut world = filled(2, 10);
    let log = world.log(0).expect("a log");
    world.disk.set_capacity(Some(world.disk.used() + 3000));
    let mut refused = 0;
    for _ in 0..100 {
        world.append(0, &log, 900);
        world.let_pass();
        refused += u32::from(log.append(batch(b"x", 1, 0, None), Origin::Client).is_err());
        assert!(read_all(&log, 1000).len() >= 10);
    }
    assert!(refused > 0, "the disk was full");
    assert!(!world.engine.as_ref().expect("open").is_poisoned(), "a full disk is no broken disk");
    world.disk.set_capacity(None);
    world.sim.block_on(log.wait_durable(log.ticket_of_end())).expect("room again");
    log.append(batch(b"x", 1, 0, None), Origin::Client).expect("room again");
}

#[test]
fn a_flipped_bit_in_the_journal_below_the_proven_end_is_refused_by_name() {
    let mut world = filled(3, 3);
    let log = world.log(0).expect("a log");
    for _ in 0..3 {
        assert!(world.append(0, &log, 500));
        world.acknowledge(0, &log);
    }
    drop(log);
    world.end(End::Kill);
    // The first group: later ones prove that it had been synced.
    flip(&world, "/var/data/journal/01.journal", 200);
    match world.open() {
        Err(OpenError::Damaged { file, at, .. }) => {
            assert_eq!(file, std::path::Path::new("/var/data/journal/01.journal"));
            assert!(at < 4096);
        }
        other => panic!("{other:?}"),
    }
    // Nothing was deleted or mended: with the bit back, everything is there.
    flip(&world, "/var/data/journal/01.journal", 200);
    world.end(End::Kill);
    world.open().expect("whole again");
    world.check(End::Kill);
}

#[test]
fn a_flipped_bit_in_the_newest_group_is_refused_once_the_journal_was_idle() {
    for at in [9, 30, 64, 70, 90, 100, 130, 200, 300] {
        let mut world = filled(11, 1);
        let log = world.log(0).expect("a log");
        for _ in 0..3 {
            assert!(world.append(0, &log, 500));
            world.acknowledge(0, &log);
        }
        drop(log);
        world.let_pass_ms(50);
        world.end(End::Kill);
        let path = "/var/data/journal/01.journal";
        let newest = newest_group(&world, path);
        flip(&world, path, newest + at);
        match world.open() {
            Err(OpenError::Damaged { file, at, .. }) => {
                assert_eq!(file, std::path::Path::new(path));
                assert!((newest..newest + 4096).contains(&at), "{at} in the group at {newest}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Where the newest group of the first lap starts: the last block but one that begins with the folder's mark, for the last
/// one is the proof.
fn newest_group(world: &World, path: &str) -> u64 {
    let file = world.disk.open(path.as_ref(), OpenMode::Read).expect("there");
    let mut bytes = vec![0; file.len().expect("length") as usize];
    file.read_exact_at(&mut bytes, 0).expect("read");
    let mark = bytes[..8].to_vec();
    let groups = bytes.chunks(4096).filter(|block| block.starts_with(&mark)).count();
    (groups as u64 - 2) * 4096
}

#[test]
fn a_flipped_bit_in_a_segment_is_told_to_the_reader_by_name_and_never_served() {
    let mut world = filled(4, 40);
    world.end(End::Close);
    let path = "/var/data/topics/s-0/00000000000000000000.log";
    flip(&world, path, 700);
    world.open().expect("a sealed segment is not scanned");
    let log = world.log(0).expect("a log");
    let mut offset = log.log_start();
    for _ in 0..40 {
        match log.read(offset, 600, true) {
            Ok(read) => {
                assert!(read.bytes() > 0);
                offset =
                    batches_of(&read.records[0]).last().expect("a batch").expect("whole").0.next_offset();
            }
            Err(ReadError::Damaged { file, at }) => {
                assert_eq!(file, std::path::Path::new(path));
                return assert!(at <= 700);
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the damaged batch was served");
}

#[test]
fn a_flipped_bit_in_a_batch_that_the_journal_only_refers_to_is_refused_by_name() {
    let mut world = filled(8, 1);
    let log = world.log(0).expect("a log");
    assert!(world.append(0, &log, 4000));
    for _ in 0..3 {
        world.acknowledge(0, &log);
        assert!(world.append(0, &log, 10));
    }
    world.acknowledge(0, &log);
    drop(log);
    world.end(End::Kill);
    let path = "/var/data/topics/s-0/00000000000000000000.log";
    flip(&world, path, 3000);
    match world.open() {
        Err(OpenError::Damaged { file, .. }) => assert_eq!(file, std::path::Path::new(path)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_index_costs_time_and_nothing_else() {
    let mut world = filled(9, 200);
    let log = world.log(0).expect("a log");
    let whole = read_all(&log, 2000);
    drop(log);
    world.end(End::Close);
    let indexes: Vec<String> = world.disk.list("/var/data/topics/s-0".as_ref()).expect("listed");
    let mut flipped = 0;
    for name in indexes.iter().filter(|name| name.ends_with("index")) {
        let path = format!("/var/data/topics/s-0/{name}");
        let len = world.disk.open(path.as_ref(), OpenMode::Read).expect("there").len().expect("length");
        for at in (0..len).step_by(5) {
            flip(&world, &path, at);
            flipped += 1;
        }
    }
    assert!(flipped > 20);
    world.open().expect("indexes are not proven");
    let log = world.log(0).expect("a log");
    assert_eq!(read_all(&log, 2000), whole);
    for offset in 0..log.high_watermark() {
        let read = log.read(offset, 100, true).expect("readable");
        let first = batches_of(&read.records[0]).next().expect("a batch").expect("whole").0;
        assert!((first.base_offset..first.next_offset()).contains(&offset));
    }
}

#[test]
fn a_missing_or_short_segment_a_missing_journal_and_a_missing_meta_are_named() {
    let mut world = filled(5, 12);
    world.engine.as_ref().expect("open").checkpoint_soon();
    world.let_pass();
    world.end(End::Kill);
    let aside = std::path::Path::new("/var/aside");
    for path in [
        "/var/data/topics/s-0/00000000000000000000.log",
        "/var/data/journal/checkpoint",
        "/var/data/journal/01.journal",
        "/var/data/meta",
    ] {
        let path = std::path::Path::new(path);
        world.disk.rename(path, aside).expect("moved away");
        match world.open() {
            Err(OpenError::Missing { file }) => assert_eq!(file, path),
            other => panic!("{}: {other:?}", path.display()),
        }
        world.end(End::Kill);
        world.disk.rename(aside, path).expect("moved back");
    }
    let path = std::path::Path::new("/var/data/topics/s-0/00000000000000000000.log");
    let file = world.disk.open(path, OpenMode::Create).expect("there");
    file.set_len(1000).expect("cut");
    match world.open() {
        Err(OpenError::Damaged { file, at, .. }) => assert_eq!((file.as_path(), at), (path, 1000)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_foreign_folder_is_left_alone() {
    let mut world = World::new(6);
    world.disk.create_dir_all("/var/data".as_ref()).expect("made");
    let _ = world.disk.open("/var/data/thesis.txt".as_ref(), OpenMode::Create).expect("made");
    assert!(matches!(world.open(), Err(OpenError::NotOurs { .. })));
}

#[test]
fn a_newer_format_is_refused_by_number() {
    let mut world = filled(7, 1);
    world.end(End::Close);
    let file = world.disk.open("/var/data/meta".as_ref(), OpenMode::Create).expect("there");
    // Version 9 with a right checksum: the frame is magic, version, length, checksum, body.
    let mut bytes = vec![0; file.len().expect("length") as usize];
    file.read_exact_at(&mut bytes, 0).expect("read");
    bytes[8..12].copy_from_slice(&9_u32.to_be_bytes());
    let crc = |bytes: &[u8]| crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32;
    let sum = crc(&bytes[..16]) ^ crc(&bytes[20..]).rotate_left(1);
    bytes[16..20].copy_from_slice(&sum.to_be_bytes());
    file.write_at(&bytes, 0).expect("written");
    assert!(matches!(world.open(), Err(OpenError::NewerFormat { found: 9, supported: 2, .. })));
}
