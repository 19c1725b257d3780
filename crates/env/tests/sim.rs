//! The simulated world: time is virtual, the network is slow and breaks, the same seed gives the same run.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poruka_env::sim::Sim;
use poruka_env::{Ended, Env, FakeDisk, OpenMode};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Log = Arc<Mutex<Vec<String>>>;

async fn echo_server(env: Env, addr: &'static str) {
    let listener = env.listen(addr).await.expect("listen");
    loop {
        let (mut stream, _) = listener.accept().await.expect("accept");
        env.spawn("echo", async move {
            let mut buffer = vec![0; 1000];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn echo(env: &Env, addr: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = env.connect(addr).await?;
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await?;
    Ok(back)
}

/// A small world whose every step leaves a line.
fn history(seed: u64) -> Vec<String> {
    let sim = Sim::new(seed);
    let env = sim.env();
    let log = Log::default();
    env.spawn("server", echo_server(env.clone(), "a:1"));
    let tasks: Vec<_> = (0..5u8)
        .map(|number| {
            let (env, log) = (env.clone(), Arc::clone(&log));
            env.clone().spawn("client", async move {
                for round in 0..5 {
                    env.sleep(Duration::from_nanos(env.random_below(2_000_000))).await;
                    let answer = echo(&env, "a:1", &[number; 3000]).await.map(|bytes| bytes.len());
                    let line = format!("{number} {round} {answer:?} {}", env.now().as_nanos());
                    log.lock().expect("log").push(line);
                }
            })
        })
        .collect();
    sim.block_on(async {
        env.sleep(Duration::from_millis(3)).await;
        log.lock().expect("log").push(format!("cut {}", sim.cut("a:1")));
        for task in tasks {
            assert_eq!(task.join().await, Ended::Finished);
        }
    });
    log.lock().expect("log").clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_seed_gives_the_same_run(seed in any::<u64>()) {
        prop_assert_eq!(history(seed), history(seed));
    }
}

#[test]
fn different_seeds_give_different_runs() {
    assert_ne!(history(1), history(2));
}

#[test]
fn an_hour_passes_at_once_and_the_earlier_timer_comes_first() {
    let sim = Sim::new(1);
    let env = sim.env();
    sim.block_on(async {
        let start = env.now();
        let wall = env.wall_ms();
        let short = env.timeout(Duration::from_secs(60), env.sleep(Duration::from_secs(3600))).await;
        assert!(short.is_err());
        assert_eq!(env.now() - start, Duration::from_secs(60));
        env.sleep(Duration::from_secs(3600)).await;
        assert_eq!(env.wall_ms() - wall, 3_660_000);
    });
}

#[test]
fn a_cut_resets_both_ends_and_a_refused_address_takes_nobody() {
    let sim = Sim::new(3);
    let env = sim.env();
    env.spawn("server", echo_server(env.clone(), "a:1"));
    sim.block_on(async {
        env.sleep(Duration::from_millis(1)).await;
        let mut stream = env.connect("a:1").await.expect("connect");
        assert_eq!(sim.cut("a:1"), 1);
        let error = stream.read_u8().await.expect_err("reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        sim.refuse("a:1", true);
        let refused = env.connect("a:1").await.err().map(|error| error.kind());
        assert_eq!(refused, Some(std::io::ErrorKind::ConnectionRefused));
        sim.refuse("a:1", false);
        assert_eq!(echo(&env, "a:1", b"again").await.expect("echo"), b"again");
    });
}

#[test]
fn a_writer_waits_for_a_reader_that_does_not_read() {
    let sim = Sim::new(4);
    let env = sim.env();
    sim.block_on(async {
        let listener = env.listen("a:0").await.expect("listen");
        let addr = listener.local_addr().expect("addr");
        let mut writer = env.connect(&addr).await.expect("connect");
        let (mut reader, _) = listener.accept().await.expect("accept");
        let big = vec![7; 1_000_000];
        assert!(env.timeout(Duration::from_secs(1), writer.write_all(&big)).await.is_err());
        drop(writer);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.expect("what was sent before the end arrives");
        assert!(all.len() >= 100_000 && all.len() < big.len());
    });
}

#[test]
fn a_killed_process_is_gone_and_its_disk_keeps_what_was_synced() {
    let sim = Sim::new(5);
    let process = sim.process(FakeDisk::in_memory(9));
    let env = process.env();
    let task = env.spawn("server", echo_server(env.clone(), "a:1"));
    sim.block_on(async {
        let here = sim.env();
        here.sleep(Duration::from_millis(1)).await;
        assert!(echo(&here, "a:1", b"alive").await.is_ok());
        let root = Path::new("/");
        let file = env.disk().open(&root.join("f"), OpenMode::Create).expect("open");
        file.write_at(b"kept", 0).expect("write");
        file.sync_data().expect("sync");
        env.disk().sync_dir(root).expect("sync");
        process.cut_power(1).expect("cut");
        assert_eq!(task.join().await, Ended::Aborted);
        assert!(here.connect("a:1").await.is_err());
        assert!(file.len().is_err());
        let mut found = [0; 4];
        let file = process.env().disk().open(&root.join("f"), OpenMode::Read).expect("open");
        file.read_exact_at(&mut found, 0).expect("read");
        assert_eq!(&found, b"kept");
    });
    assert!(env.spawn_thread("none", || {}).is_err() && !env.has_threads());
}

#[test]
#[should_panic(expected = "stands still")]
fn a_world_in_which_all_wait_says_so() {
    Sim::new(6).block_on(std::future::pending::<()>());
}

/// A `tokio::sync::watch` keeps its waiters in shards that it chooses at random, and wakes them shard by shard.
#[test]
fn tasks_that_are_woken_together_run_in_an_order_that_the_seed_decides() {
    let order = |seed| {
        let sim = Sim::new(seed);
        let env = sim.env();
        let log = Log::default();
        sim.block_on(async {
            let (told, _) = tokio::sync::watch::channel(());
            let tasks: Vec<_> = (0..12)
                .map(|number| {
                    let (mut heard, log) = (told.subscribe(), Arc::clone(&log));
                    env.spawn("waits", async move {
                        heard.changed().await.expect("the sender lives");
                        log.lock().expect("no panic").push(number.to_string());
                    })
                })
                .collect();
            env.sleep(Duration::from_millis(1)).await;
            told.send_replace(());
            for task in tasks {
                task.join().await;
            }
        });
        log.lock().expect("no panic").clone()
    };
    assert_ne!(order(1), order(2), "the seed decides");
    for _ in 0..20 {
        assert_eq!(order(1), order(1));
    }
}
