//! `check` and `repair`: damage anywhere is named, crashes leave nothing but torn tails, and a repair loses only what it
//! says, deletes nothing, and may itself be interrupted anywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use poruka_env::sim::Sim;
use poruka_env::{Disk, Env, FakeDisk, OpenMode};
use poruka_log::{
    CheckError, Class, FolderCheck, LogEngine, OpenError, Origin, Repaired, Soundness, check, repair,
};

use crate::common::{Seen, batch, read_all, small};
use crate::world::{End, World};

const ROOT: &str = "/var/data";

/// Every file below a folder, with its bytes.
fn files(disk: &FakeDisk, folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for name in disk.list(folder).expect("listed") {
        let path = folder.join(name);
        match disk.open(&path, OpenMode::Read) {
            Ok(file) => {
                let mut bytes = vec![0; file.len().expect("length") as usize];
                file.read_exact_at(&mut bytes, 0).expect("read");
                into.insert(path, bytes);
            }
            Err(_) => files(disk, &path, into),
        }
    }
}

fn all_files(disk: &FakeDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    files(disk, ROOT.as_ref(), &mut all);
    all.remove(Path::new("/var/data/poruka.lock"));
    all
}

/// A machine whose disk holds these files.
struct Machine {
    sim: Sim,
    disk: FakeDisk,
    env: Env,
}

impl Machine {
    fn with(files: &BTreeMap<PathBuf, Vec<u8>>) -> Machine {
        let (sim, disk) = (Sim::new(1), FakeDisk::in_memory(1));
        for (path, bytes) in files {
            disk.create_dir_all(path.parent().expect("a folder")).expect("made");
            let file = disk.open(path, OpenMode::Create).expect("made");
            file.write_at(bytes, 0).expect("written");
            file.sync_all().expect("synced");
            for folder in path.ancestors().skip(1) {
                disk.sync_dir(folder).expect("synced");
            }
        }
        let env = sim.process(disk.clone()).env();
        Machine { sim, disk, env }
    }

    fn check(&self) -> FolderCheck {
        check(&self.env, ROOT.as_ref(), &small()).expect("a check")
    }

    fn repair(&self) -> Repaired {
        repair(&self.env, ROOT.as_ref(), &small()).expect("a repair")
    }

    fn open(&self) -> Result<Arc<LogEngine>, OpenError> {
        let env = self.env.clone();
        self.sim.block_on(async { LogEngine::open(env, ROOT.as_ref(), small()) }).map(|(engine, _)| engine)
    }
}

type Truth = BTreeMap<String, Vec<Seen>>;

fn read_topics(engine: &LogEngine) -> Truth {
    engine.all().iter().map(|log| (log.topic().to_owned(), read_all(log, 3000))).collect()
}

/// A folder with two Synced partitions and a Cached one, several segments each, and a journal with entries of every
/// kind past the checkpoint; everything acknowledged. The files after the end, and what was in them.
fn folder(seed: u64, end: End) -> (BTreeMap<PathBuf, Vec<u8>>, Truth) {
    let mut world = World::new(seed);
    world.open().expect("open");
    let logs: Vec<_> = (0..3).map(|which| world.log(which).expect("a log")).collect();
    for round in 0..30 {
        for (which, log) in logs.iter().enumerate() {
            let size = if round % 7 == 3 { 4000 } else { 300 + round * 10 };
            assert!(world.append(which, log, size));
            world.acknowledge(which, log);
        }
        if round == 20 {
            world.engine.as_ref().expect("open").checkpoint_soon();
        }
    }
    // The journal has something to say past the checkpoint, and was idle for a moment.
    for _ in 0..10 {
        world.let_pass_ms(50);
        if Machine::with(&all_files(&world.disk)).check().journal_entries >= 4 {
            break;
        }
        for (which, log) in logs.iter().enumerate() {
            for size in [200, 4000] {
                assert!(world.append(which, log, size));
                world.acknowledge(which, log);
            }
        }
    }
    let truth = read_topics(world.engine.as_ref().expect("open"));
    drop(logs);
    world.end(end);
    (all_files(&world.disk), truth)
}

fn flipped(files: &BTreeMap<PathBuf, Vec<u8>>, path: &Path, at: usize) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files.clone();
    files.get_mut(path).expect("there")[at] ^= 1 << (at % 8);
    files
}

/// Everything that was not named as lost is there as it was, and no offset is given out again.
fn assert_kept(machine: &Machine, before: &FolderCheck, truth: &Truth, context: &str) {
    let engine = machine.open().unwrap_or_else(|error| panic!("{context}: {error}"));
    for (topic, batches) in truth {
        let log = engine.all().into_iter().find(|log| log.topic() == topic).expect("the partition is there");
        let found = read_all(&log, 3000);
        let told = before.partitions.iter().find(|told| told.topic == *topic).expect("told");
        let lost =
            |seen: &Seen| told.lost.iter().any(|(from, until)| *from < seen.next && seen.base < *until);
        for seen in batches.iter().filter(|seen| !seen.is_control) {
            let kept = found.iter().any(|found| found == seen);
            // Past its checkpoint, only a Cached partition's own files say what it had, and a start leaves the rest out.
            let is_cached_tail = told.class == Class::Cached && told.left_out > 0;
            let unsure = (told.may_have_lost_more || is_cached_tail) && seen.base >= told.end;
            assert!(kept || lost(seen) || unsure, "{context}: {topic} lost {} in silence", seen.base);
        }
        let strange = found.iter().find(|found| !found.is_control && !batches.contains(found));
        assert!(strange.is_none(), "{context}: {topic} has {strange:?}");
        let end = batches.last().map_or(0, |last| last.next);
        assert!(log.log_end() >= end, "{context}: {topic} would give offset {} again", log.log_end());
        log.append(batch(b"x", 1, 0, None), Origin::Internal).expect("it goes on");
    }
    machine.sim.block_on(engine.close());
}

#[test]
fn a_sound_folder_is_called_sound_and_a_check_changes_nothing() {
    for end in [End::Close, End::Kill] {
        let (files, truth) = folder(1, end);
        let machine = Machine::with(&files);
        let found = machine.check();
        assert_eq!(found.soundness(), Soundness::Sound, "{end:?}: {:?}", found.findings);
        assert_eq!(found.partitions.len(), 3);
        for told in &found.partitions {
            let last = truth[&told.topic].last().expect("batches");
            assert_eq!(told.end, last.next, "{told:?}");
            assert!(told.bytes > 5000 && told.segments > 1 && told.batches > 5, "{told:?}");
        }
        assert_eq!(found.journal_entries > 0, end == End::Kill);
        assert_eq!(machine.repair().quarantine, None, "nothing to repair");
        assert_eq!(all_files(&machine.disk), files);
    }
}

#[test]
fn what_crashes_leave_is_torn_at_most_and_a_start_cuts_what_the_check_said() {
    let (mut torn, mut sound) = (0, 0);
    for seed in 500..540 {
        let mut world = World::new(seed);
        world.open().expect("open");
        for _ in 0..6 {
            let steps = world.rng.u32(1..300);
            if world.rng.bool() {
                let cut = world.rng.u64(..200);
                world.disk.cut_power_after(cut);
            }
            world.work(steps);
            let end = match world.disk.is_off() {
                true => End::PowerCut,
                false => [End::Kill, End::PowerCut, End::Close][world.rng.usize(..3)],
            };
            world.disk.heal();
            world.end(end);
            let before = all_files(&world.disk);
            let env = world.process.env();
            let found = check(&env, ROOT.as_ref(), &world.config).expect("a check");
            assert!(found.soundness() <= Soundness::Torn, "seed {seed}, {end:?}: {:?}", found.findings);
            assert_eq!(all_files(&world.disk), before, "seed {seed}: it changed something");
            match found.soundness() {
                Soundness::Torn => torn += 1,
                _ => sound += 1,
            }
            world.open().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            for told in &found.partitions {
                let all = world.engine.as_ref().expect("open").all();
                let log = all.iter().find(|log| log.topic() == told.topic).expect("there");
                assert_eq!(log.log_end(), told.end + told.left_out, "seed {seed}: {told:?}");
            }
            let bytes: u64 = found.partitions.iter().map(|told| told.torn_bytes).sum();
            assert!(bytes >= world.report.torn_bytes, "seed {seed}: {:?}", world.report);
            world.check(end);
        }
    }
    assert!(torn > 20 && sound > 20, "both happened: {torn} torn, {sound} sound");
}

/// Flips bits of one file, one at a time, and demands that each is named, and that a repair keeps the rest.
fn flip_each(
    seed: u64,
    end: End,
    path: &str,
    places: impl Iterator<Item = usize>,
    may_pass: impl Fn(usize) -> bool,
) {
    let (files, truth) = folder(seed, end);
    let path = Path::new(ROOT).join(path);
    let (mut damaged, mut lossless) = (0, 0);
    for at in places.take_while(|at| *at < files[&path].len()) {
        let machine = Machine::with(&flipped(&files, &path, at));
        let found = machine.check();
        let context = format!("{} byte {at}", path.display());
        if found.soundness() < Soundness::Damaged {
            assert!(may_pass(at), "{context} passes in silence: {:?}", found.findings);
            assert_kept(&machine, &found, &truth, &context);
            continue;
        }
        damaged += 1;
        let named = found.findings.iter().find(|finding| finding.soundness == Soundness::Damaged);
        let named = named.expect("a finding");
        assert!(
            found.findings.iter().any(|finding| finding.file == path && finding.at <= at as u64),
            "{context}: {named:?}"
        );
        let kept_before = all_files(&machine.disk);
        let repaired = machine.repair();
        assert_eq!(repaired.before, found, "{context}");
        assert!(repaired.after.soundness() <= Soundness::Torn, "{context}: {:?}", repaired.after.findings);
        let quarantine = repaired.quarantine.expect("a quarantine");
        assert_nothing_is_deleted(&machine, &kept_before, &quarantine, &context);
        assert_kept(&machine, &found, &truth, &context);
        lossless += u32::from(found.partitions.iter().all(|told| told.lost.is_empty()));
    }
    assert!(damaged > 0, "{} has damage to find; {lossless} cost nothing", path.display());
}

/// What a repair changed is in quarantine as it was.
fn assert_nothing_is_deleted(
    machine: &Machine,
    before: &BTreeMap<PathBuf, Vec<u8>>,
    quarantine: &Path,
    context: &str,
) {
    let after = all_files(&machine.disk);
    assert!(after.contains_key(&quarantine.join("note.txt")), "{context}: a note says why");
    for (path, bytes) in before {
        let now = after.get(path).map(Vec::as_slice).unwrap_or_default();
        let same = now.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        if same == bytes.len() {
            continue;
        }
        let kept = quarantine.join("kept").join(path.strip_prefix(ROOT).expect("inside"));
        let kept = kept.to_str().expect("utf-8").to_owned();
        let saved = after.iter().find_map(|(path, saved)| {
            let rest = path.to_str()?.strip_prefix(&kept)?;
            let from = rest.strip_prefix(".from-byte-").map_or(Some(0), |from| from.parse().ok())?;
            Some((from, saved))
        });
        let (from, saved) = saved.unwrap_or_else(|| panic!("{context}: {} is not kept", path.display()));
        assert!(from <= same && saved[..] == bytes[from..], "{context}: {} as it was", path.display());
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_closed_segment_is_named() {
    let log = "topics/s-0/00000000000000000000.log";
    flip_each(1, End::Close, log, (0..200).chain((200..12_000).step_by(37)), |_| false);
    flip_each(2, End::Kill, "topics/c-0/00000000000000000000.log", (0..9000).step_by(61), |_| false);
}

#[test]
fn a_flipped_bit_in_a_small_file_is_named_and_costs_nothing() {
    for path in ["meta", "journal/checkpoint", "journal/checkpoint.copy", "topics/s-0/partition.metadata"] {
        flip_each(1, End::Kill, path, 0..400, |_| false);
    }
}

#[test]
fn a_flipped_bit_in_a_proven_index_entry_is_named_and_costs_nothing() {
    for path in ["topics/s-0/00000000000000000000.index", "topics/s-0/00000000000000000000.timeindex"] {
        flip_each(1, End::Close, path, 0..400, |_| false);
    }
}

#[test]
fn a_flipped_bit_in_the_journal_is_named_wherever_something_relies_on_it() {
    let (files, _) = folder(1, End::Kill);
    for slot in 0..3 {
        let path = format!("journal/{slot:02}.journal");
        let bytes = &files[&Path::new(ROOT).join(&path)];
        // Headers, entry headers, payloads, and what lies between.
        let groups = (0..bytes.len()).step_by(4096);
        let places: Vec<usize> =
            groups.flat_map(|at| (at..at + 100).step_by(5).chain((at + 100..at + 700).step_by(90))).collect();
        let machine = |at: usize| Machine::with(&flipped(&files, &Path::new(ROOT).join(&path), at));
        let refused = places.iter().filter(|at| machine(**at).open().is_err()).count();
        if refused > 0 {
            flip_each(1, End::Kill, &path, places.into_iter(), |at| machine(at).open().is_ok());
        }
    }
}

#[test]
fn whatever_a_start_refuses_the_check_names_and_the_repair_mends() {
    let mut refused = 0;
    for seed in 0..150 {
        let mut rng = Rng::with_seed(seed);
        let (mut files, truth) = folder(seed % 5, [End::Kill, End::Close][rng.usize(..2)]);
        let mut context = format!("seed {seed}");
        for _ in 0..rng.usize(1..4) {
            let paths: Vec<PathBuf> = files.keys().cloned().collect();
            let path = &paths[rng.usize(..paths.len())];
            let bytes = files.get_mut(path).expect("there");
            let (at, kind) = (rng.usize(..bytes.len().max(1)), rng.u8(..4));
            context.push_str(&format!(", {} {kind} at {at}", path.display()));
            match kind {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << rng.u8(..8),
                1 => bytes.truncate(at),
                2 => bytes.iter_mut().skip(at).take(600).for_each(|byte| *byte = 0xa5),
                _ => drop(files.remove(path)),
            }
        }
        let machine = Machine::with(&files);
        let found = match check(&machine.env, ROOT.as_ref(), &small()) {
            Ok(found) => found,
            // With meta and everything else gone, nothing says whose folder it is.
            Err(CheckError::Open(OpenError::NotOurs { .. } | OpenError::Missing { .. })) => continue,
            Err(error) => panic!("{context}: {error}"),
        };
        let opens = Machine::with(&files).open().is_ok();
        assert!(opens || found.soundness() == Soundness::Damaged, "{context}: refused, and not named");
        refused += u32::from(!opens);
        if found.is_beyond_repair || found.soundness() < Soundness::Damaged {
            continue;
        }
        let repaired = machine.repair();
        assert!(repaired.after.soundness() <= Soundness::Torn, "{context}: {:?}", repaired.after.findings);
        let engine = machine.open().unwrap_or_else(|error| panic!("{context}: {error}"));
        for log in engine.all() {
            let found = read_all(&log, 3000);
            let known = &truth[log.topic()];
            let strange = found.iter().find(|seen| !seen.is_control && !known.contains(seen));
            assert!(strange.is_none(), "{context}: {strange:?}");
        }
        machine.sim.block_on(engine.close());
    }
    assert!(refused > 30, "{refused} were refused");
}

#[test]
fn missing_files_are_named_and_what_they_cost_is_said() {
    let (files, truth) = folder(1, End::Kill);
    let names: Vec<PathBuf> = files.keys().cloned().collect();
    for path in names {
        let mut files = files.clone();
        files.remove(&path);
        let machine = Machine::with(&files);
        let found = machine.check();
        if found.soundness() == Soundness::Damaged {
            assert!(found.findings.iter().any(|finding| finding.file == path), "{}", path.display());
            let after = machine.repair().after;
            assert!(after.soundness() <= Soundness::Torn, "{}: {:?}", path.display(), after.findings);
        }
        assert_kept(&machine, &found, &truth, &path.display().to_string());
    }
}

#[test]
fn files_too_many_are_named_and_left_alone() {
    let (mut files, truth) = folder(1, End::Kill);
    let strangers = [
        "thesis.txt",
        "journal/77.journal",
        "topics/elsewhere-0/00000000000000000000.log",
        "topics/s-0/notes.txt",
        "topics/s-0/00000000000000000003.log",
        "topics/s-0/00000000000000000000.log.bak",
    ];
    for name in strangers {
        files.insert(Path::new(ROOT).join(name), b"not ours".to_vec());
    }
    let machine = Machine::with(&files);
    let found = machine.check();
    assert_eq!(found.soundness(), Soundness::Sound, "{:?}", found.findings);
    assert_kept(&machine, &found, &truth, "strangers");
    for name in strangers {
        let path = Path::new(ROOT).join(name);
        let told = found.findings.iter().any(|finding| path.starts_with(&finding.file));
        assert!(told, "{name}: {:?}", found.findings);
        assert!(machine.disk.exists(&path), "{name} is left alone");
    }
}

#[test]
fn a_folder_in_use_a_foreign_one_and_a_newer_one_are_refused() {
    let (files, _) = folder(1, End::Kill);
    let machine = Machine::with(&files);
    let engine = machine.open().expect("open");
    let in_use = check(&machine.env, ROOT.as_ref(), &small());
    assert!(matches!(in_use, Err(CheckError::Open(OpenError::InUse { .. }))));
    drop(engine);
    let foreign = Machine::with(&BTreeMap::from([("/var/data/thesis.txt".into(), b"dear all".to_vec())]));
    let refused = check(&foreign.env, ROOT.as_ref(), &small());
    assert!(matches!(refused, Err(CheckError::Open(OpenError::NotOurs { .. }))));
    let mut newer = files.clone();
    let meta = newer.get_mut(Path::new("/var/data/meta")).expect("there");
    meta[8..12].copy_from_slice(&9_u32.to_be_bytes());
    let crc = |bytes: &[u8]| crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32;
    let sum = crc(&meta[..16]) ^ crc(&meta[20..]).rotate_left(1);
    meta[16..20].copy_from_slice(&sum.to_be_bytes());
    let refused = check(&Machine::with(&newer).env, ROOT.as_ref(), &small());
    assert!(matches!(refused, Err(CheckError::Open(OpenError::NewerFormat { found: 9, .. }))));
}

#[test]
fn the_first_checkpoint_of_a_folder_has_no_copy_and_is_made_again() {
    let mut world = World::new(3);
    world.open().expect("open");
    let log = world.log(0).expect("a log");
    for _ in 0..4 {
        assert!(world.append(0, &log, 300));
        world.acknowledge(0, &log);
    }
    let truth = Truth::from([("s".to_owned(), read_all(&log, 3000))]);
    drop(log);
    world.end(End::Kill);
    let mut files = all_files(&world.disk);
    assert!(!files.contains_key(Path::new("/var/data/journal/checkpoint.copy")));
    files.get_mut(Path::new("/var/data/journal/checkpoint")).expect("there")[30] ^= 1;
    let machine = Machine::with(&files);
    let repaired = machine.repair();
    assert_eq!(repaired.after.soundness(), Soundness::Sound, "{:?}", repaired.after.findings);
    assert_kept(&machine, &repaired.before, &truth, "first life");
}

#[test]
fn without_both_copies_of_the_checkpoint_a_repair_says_that_it_cannot_help() {
    let (mut files, _) = folder(1, End::Kill);
    for name in ["checkpoint", "checkpoint.copy"] {
        files.get_mut(&Path::new(ROOT).join("journal").join(name)).expect("there")[40] ^= 1;
    }
    let machine = Machine::with(&files);
    let repaired = machine.repair();
    assert!(repaired.before.is_beyond_repair);
    assert_eq!(all_files(&machine.disk), files, "nothing is changed");
    assert!(machine.open().is_err());
}

#[test]
fn a_repair_that_is_interrupted_anywhere_is_finished_by_the_next_one() {
    let (files, truth) = folder(1, End::Kill);
    let files = flipped(&files, &Path::new(ROOT).join("topics/s-0/00000000000000000000.log"), 700);
    let files = flipped(&files, &Path::new(ROOT).join("journal/01.journal"), 300);
    let whole = Machine::with(&files);
    let before = whole.disk.changes();
    let found = whole.repair().before;
    let changes = whole.disk.changes() - before;
    assert!(changes > 20, "it does something");
    let mut unfinished = 0;
    for cut in 0..changes {
        let machine = Machine::with(&files);
        machine.disk.cut_power_after(cut);
        assert!(repair(&machine.env, ROOT.as_ref(), &small()).is_err(), "cut {cut}");
        machine.disk.crash(cut).expect("in memory");
        match machine.open() {
            Err(OpenError::Unfinished { .. }) => unfinished += 1,
            Ok(engine) => machine.sim.block_on(engine.close()),
            Err(OpenError::Damaged { .. }) => {}
            Err(other) => panic!("cut {cut}: {other}"),
        }
        let env = machine.sim.process(machine.disk.clone()).env();
        let machine = Machine { env, ..machine };
        let after = machine.repair().after;
        assert!(after.soundness() <= Soundness::Torn, "cut {cut}: {:?}", after.findings);
        assert_kept(&machine, &found, &truth, &format!("cut {cut}"));
    }
    assert!(unfinished > 3, "some were in the middle: {unfinished}");
}

#[test]
fn a_folder_copied_while_it_is_written_is_an_earlier_state_or_refused_by_name() {
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..60 {
        let mut world = World::new(seed);
        world.open().expect("open");
        world.work(150);
        let steps = seed as u32 % 6;
        let mut copied = BTreeMap::new();
        let mut names: Vec<PathBuf> = all_files(&world.disk).into_keys().collect();
        world.rng.shuffle(&mut names);
        for name in names {
            if let Some(bytes) = all_files(&world.disk).remove(&name) {
                copied.insert(name, bytes);
            }
            world.work(steps);
        }
        let engine = world.engine.as_ref().expect("open");
        let truth: std::collections::HashMap<_, _> =
            engine.all().iter().map(|log| (log.key(), read_all(log, 3000))).collect();
        let machine = Machine::with(&copied);
        match machine.open() {
            Ok(engine) => {
                opened += 1;
                for log in engine.all().iter().filter(|log| log.class() == Class::Synced) {
                    let Some(known) = truth.get(&log.key()) else { continue };
                    let known_from = known.first().map_or(0, |first| first.base);
                    let found = read_all(log, 3000);
                    let strange = found
                        .iter()
                        .find(|seen| seen.base >= known_from && !seen.is_control && !known.contains(seen));
                    assert!(strange.is_none(), "seed {seed}: {strange:?}");
                }
            }
            Err(OpenError::Damaged { .. } | OpenError::Missing { .. }) => refused += 1,
            Err(OpenError::NotOurs { .. }) if !copied.contains_key(Path::new("/var/data/meta")) => {}
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(opened > 5 && refused > 5, "{opened} opened, {refused} refused");
}
