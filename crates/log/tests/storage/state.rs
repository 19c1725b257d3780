//! State logs under crashes: what was acknowledged is there, changes are whole, rewrites never lose a key.

use std::collections::BTreeMap;

use bytes::Bytes;
use fastrand::Rng;
use poruka_env::FakeDisk;
use poruka_env::sim::Sim;
use poruka_log::{LogConfig, LogEngine, StateLog};

type Map = BTreeMap<Bytes, Bytes>;

/// Each change sets a counter key and one other, so that a torn change would show.
fn change(rng: &mut Rng, number: u64) -> Vec<(Bytes, Option<Bytes>)> {
    let key = Bytes::from(format!("key {}", rng.u8(..12)));
    let value = (rng.u8(..4) > 0).then(|| Bytes::from(vec![number as u8; rng.usize(20_000..60_000)]));
    vec![("count".into(), Some(Bytes::from(number.to_string()))), (key, value)]
}

fn apply(map: &mut Map, changes: &[(Bytes, Option<Bytes>)]) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

#[test]
fn acknowledged_state_survives_power_cuts_in_the_middle_of_rewrites() {
    let mut rewritten = 0;
    for seed in 0..12 {
        let mut rng = Rng::with_seed(seed);
        let sim = Sim::new(seed);
        let disk = FakeDisk::in_memory(seed);
        let process = sim.process(disk.clone());
        let config = LogConfig { journal_file_bytes: 256 << 10, ..LogConfig::default() };
        // States after 0, 1, 2... changes, and how many of those were acknowledged.
        let mut states = vec![Map::new()];
        let mut acknowledged = 0;
        for _ in 0..6 {
            let env = process.env();
            let (engine, _) =
                sim.block_on(async { LogEngine::open(env, "/data".as_ref(), config) }).expect("open");
            let (state, living) = StateLog::open(&engine, "s").expect("a state log");
            let living: Map = living.into_iter().collect();
            let found =
                states.iter().rposition(|known| *known == living).expect("the state after some change");
            assert!(
                found >= acknowledged,
                "seed {seed}: {acknowledged} changes were acknowledged, {found} are there"
            );
            states.truncate(found + 1);
            acknowledged = found;
            disk.cut_power_after(rng.u64(..400));
            for number in found as u64 + 1..found as u64 + 200 {
                let changes = change(&mut rng, number);
                let Ok(ticket) = state.append(changes.clone()) else { break };
                let mut next = states.last().expect("never empty").clone();
                apply(&mut next, &changes);
                states.push(next);
                if rng.bool() && sim.block_on(state.wait(ticket)).is_ok() {
                    acknowledged = number as usize;
                }
            }
            rewritten += u32::from(state.partition().log_start() > 0);
            drop((state, engine));
            process.cut_power(rng.u64(..)).expect("a disk in memory");
            disk.heal();
        }
    }
    assert!(rewritten > 10, "rewrites happened: {rewritten}");
}
