//! Crashes on the disk that loses power: at every change of short histories, and at random in long ones.

use crate::world::{End, World};

/// One short history: open, work, cut at the given change, open again, check, work, cut, check.
fn short_history(seed: u64, cut: Option<u64>) -> u64 {
    let mut world = World::new(seed);
    let crash_seed = cut.unwrap_or(0);
    if let Some(cut) = cut {
        world.disk.cut_power_after(cut);
    }
    if world.open().is_ok() {
        world.work(60);
    }
    let changes = world.disk.changes();
    world.rng = fastrand::Rng::with_seed(seed ^ (crash_seed << 20));
    world.end(End::PowerCut);
    world.open().unwrap_or_else(|error| panic!("seed {seed}, cut {cut:?}: {error}"));
    world.check(End::PowerCut);
    world.work(20);
    world.end(End::PowerCut);
    world.open().unwrap_or_else(|error| panic!("seed {seed}, cut {cut:?}, second: {error}"));
    world.check(End::PowerCut);
    changes
}

#[test]
fn a_power_cut_at_any_change_loses_nothing_that_was_acked_or_seen() {
    for seed in 0..3 {
        let changes = short_history(seed, None);
        assert!(changes > 50, "the history does something");
        for cut in 0..changes {
            short_history(seed, Some(cut));
        }
    }
}

#[test]
fn long_random_lives_of_kills_cuts_and_clean_ends_keep_every_promise() {
    for seed in 100..140 {
        let mut world = World::new(seed);
        world.open().expect("open");
        for _ in 0..12 {
            let steps = world.rng.u32(1..400);
            if world.rng.bool() {
                let cut = world.rng.u64(..200);
                world.disk.cut_power_after(cut);
            }
            world.work(steps);
            let mut end = match world.disk.is_off() {
                true => End::PowerCut,
                false => [End::Kill, End::PowerCut, End::Close][world.rng.usize(..3)],
            };
            world.disk.heal();
            world.end(end);
            // The power may go again while it recovers.
            while world.rng.u32(..3) == 0 {
                let cut = world.rng.u64(..30);
                world.disk.cut_power_after(cut);
                let _ = world.open();
                world.end(End::PowerCut);
                end = End::PowerCut;
            }
            world.open().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            world.check(end);
        }
    }
}
