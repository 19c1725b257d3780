//! Hostile clients against a whole broker: every frame costs its own connection at most, one clear error, and nothing
//! that stays. A good client on another connection goes on as if nothing happened, and memory stays flat.
//!
//! All of it runs in the simulated world, so a seed gives the same run twice, and waiting costs nothing.
//! `PORUKA_HOSTILE_FRAMES` says how many frames, `PORUKA_HOSTILE_SEED` which; the run prints what it did, and with
//! `PORUKA_HOSTILE_LOG` what the broker says.

mod attack;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use peak_alloc::PeakAlloc;
use poruka_broker::{Broker, BrokerConfig};
use poruka_env::sim::Sim;
use poruka_env::{Ended, Env, Stream};
use poruka_wire::Request;
use poruka_wire::api::*;
use poruka_wire::frame::{decode_response, encode_request};
use poruka_wire::records::{self, BatchBuilder, Compression};
use poruka_wire::sample::Choices;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use attack::{Attacker, Fate, no_frames};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Frames of an ordinary run; a million takes half a minute of one processor.
const FRAMES: u64 = 100_000;
/// Hostile clients at one time.
const ATTACKERS: u64 = 8;
/// Frames that one connection is given before it ends by itself.
const FRAMES_PER_CONNECTION: usize = 40;
/// What the heap may grow by between the first tenth of a run and its end: valid requests among the hostile ones make
/// topics and groups under a few names, with records that are kept in memory while they are new.
const HEAP_GROWTH_BYTES_MAX: usize = 64 << 20;
/// What it may grow by in the second half, when there is nothing left to make.
const HEAP_GROWTH_LATE_BYTES_MAX: usize = 24 << 20;
/// No answer takes this long, in virtual time: members of a group wait for each other for half an hour at most.
const PATIENCE: Duration = Duration::from_secs(30 * 24 * 3600);
const ADDRESS: &str = "127.0.0.1:9092";
/// The good client's topic.
const GOOD: &str = "good";

#[derive(Default)]
struct Tally {
    frames: AtomicU64,
    answered: AtomicU64,
    closed: AtomicU64,
    connections: AtomicU64,
}

impl Tally {
    fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

async fn read_frame(stream: &mut dyn Stream) -> Option<Bytes> {
    let size = stream.read_i32().await.ok()?;
    let mut frame = BytesMut::zeroed(usize::try_from(size).expect("a size"));
    stream.read_exact(&mut frame).await.ok()?;
    Some(frame.freeze())
}

async fn call<R: Request>(stream: &mut dyn Stream, version: i16, request: &R) -> R::Response {
    let frame = encode_request(1, Some("good"), request, version).expect("encoded");
    stream.write_all(&frame).await.expect("the connection is open");
    let answer = read_frame(stream).await.expect("an answer");
    decode_response::<R>(answer, version).expect("a response").1
}

/// One connection: hostile frames until one that has to end it, then what became of each.
async fn connection(env: &Env, attacker: &Attacker, seed: u64, budget: u64, tally: &Tally) {
    let mut choices = Choices::seeded(seed);
    let mut stream = env.connect(ADDRESS).await.expect("connected");
    let (mut sent, mut fates, mut frames) = (Vec::new(), Vec::new(), Vec::new());
    while frames.len() < FRAMES_PER_CONNECTION.min(budget as usize) && !fates.contains(&Fate::Closed) {
        let frame = attacker.frame(&mut choices, frames.len() as i32);
        sent.extend_from_slice(&(frame.len() as i32).to_be_bytes());
        sent.extend_from_slice(&frame);
        fates.push(attacker.fate(&frame));
        frames.push(frame);
    }
    let torn = !fates.contains(&Fate::Closed) && choices.flag();
    if torn {
        sent.extend(no_frames(&mut choices));
    }
    // In pieces of any size; a broker that has had enough may have closed already.
    let mut rest = &sent[..];
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + choices.below(rest.len()));
        if stream.write_all(now).await.is_err() {
            break;
        }
        rest = later;
    }
    if torn {
        // Half a frame is followed by nothing more.
        let _ = stream.shutdown().await;
    }
    Tally::add(&tally.frames, frames.len() as u64);
    Tally::add(&tally.connections, 1);
    let mut may_end = false;
    for (fate, frame) in fates.iter().zip(&frames) {
        let context = || format!("seed {seed}: {fate:?} for {frame:02x?}");
        match *fate {
            Fate::Unanswered => may_end = true,
            Fate::Answered { kind, version, id } => {
                let answer = env.timeout(PATIENCE, read_frame(&mut *stream)).await;
                let Some(answer) = answer.unwrap_or_else(|_| panic!("no answer in time, {}", context()))
                else {
                    assert!(may_end, "the connection ended, {}", context());
                    return;
                };
                let read = (attacker.kinds[kind].answer)(answer, version);
                assert_eq!(read, Ok(id), "{}", context());
                Tally::add(&tally.answered, 1);
            }
            Fate::Closed => {
                let answer = env.timeout(PATIENCE, read_frame(&mut *stream)).await;
                assert_eq!(answer, Ok(None), "{}", context());
                Tally::add(&tally.closed, 1);
                return;
            }
        }
    }
    if torn {
        let answer = env.timeout(PATIENCE, read_frame(&mut *stream)).await;
        assert_eq!(answer, Ok(None), "seed {seed}: a stream that is no frames");
    }
}

/// Produces and reads back, on one connection, until told to stop; returns how many records.
async fn good_client(env: Env, stop: Arc<AtomicBool>) -> i64 {
    let mut stream = env.connect(ADDRESS).await.expect("connected");
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        let value = format!("value {next}");
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(env.wall_ms(), Some(b"key"), Some(value.as_bytes()), &[]).expect("room");
        let data = PartitionProduceData { index: 0, records: Some(builder.build()) };
        let topic = TopicProduceData { name: GOOD.into(), partition_data: vec![data], ..Default::default() };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() };
        let answer = call(&mut *stream, 9, &request).await;
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(
            (partition.error_code.code(), partition.base_offset),
            (0, next),
            "the good client's records"
        );
        let partition =
            FetchPartition { fetch_offset: next, partition_max_bytes: 1 << 20, ..Default::default() };
        let topic = FetchTopic { topic: GOOD.into(), partitions: vec![partition], ..Default::default() };
        let answer =
            call(&mut *stream, 12, &FetchRequest { topics: vec![topic], ..Default::default() }).await;
        let batch = answer.responses[0].partitions[0].records.clone().expect("records");
        let record = records::records(&batch).expect("a batch").next().expect("a record").expect("sound");
        assert_eq!(record.value.expect("a value"), value, "what was acknowledged is read back");
        next += 1;
        env.sleep(Duration::from_millis(20)).await;
    }
    next
}

async fn shown(env: &Env) -> Vec<(i16, i16, i16)> {
    let mut stream = env.connect(ADDRESS).await.expect("connected");
    let answer = call(&mut *stream, 0, &ApiVersionsRequest::default()).await;
    answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect()
}

async fn create_good_topic(env: &Env) {
    let topic =
        CreatableTopic { name: GOOD.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    let mut stream = env.connect(ADDRESS).await.expect("connected");
    let answer = call(&mut *stream, 7, &request).await;
    assert_eq!(answer.topics[0].error_code.code(), 0);
}

/// Hostile clients share the frames of a run among them.
async fn attack(env: &Env, attacker: &Arc<Attacker>, seed: u64, frames: u64, tally: &Arc<Tally>) {
    let until = tally.frames.load(Ordering::Relaxed) + frames;
    let mut tasks = Vec::new();
    for lane in 0..ATTACKERS {
        let (env, attacker, tally) = (env.clone(), Arc::clone(attacker), Arc::clone(tally));
        let mine = env.clone();
        tasks.push(env.spawn("hostile", async move {
            let mut seeds = Choices::seeded(seed ^ lane << 56);
            loop {
                let sent = tally.frames.load(Ordering::Relaxed);
                if sent >= until {
                    return;
                }
                connection(&mine, &attacker, seeds.number(), until - sent, &tally).await;
            }
        }));
    }
    for task in tasks {
        assert_eq!(task.join().await, Ended::Finished, "a hostile client");
    }
}

#[test]
fn hostile_frames_cost_their_own_connections_and_nothing_that_stays() {
    let frames =
        std::env::var("PORUKA_HOSTILE_FRAMES").ok().map_or(FRAMES, |text| text.parse().expect("a number"));
    let seed = std::env::var("PORUKA_HOSTILE_SEED").ok().map_or(1, |text| text.parse().expect("a number"));
    if std::env::var_os("PORUKA_HOSTILE_LOG").is_some() {
        tracing_subscriber::fmt().init();
    }
    let sim = Sim::new(seed);
    let env = sim.env();
    let tally = Arc::new(Tally::default());
    let (good, heap) = sim.block_on(async {
        let broker = Broker::open(env.clone(), BrokerConfig::new("/data")).await.expect("opened");
        broker.listen(ADDRESS).await.expect("listening");
        create_good_topic(&env).await;
        let attacker = Arc::new(Attacker::new(&shown(&env).await));
        let stop = Arc::new(AtomicBool::new(false));
        let (mine, stopped) = (env.clone(), Arc::clone(&stop));
        let counted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&counted);
        let good = env.spawn("good", async move {
            count.store(good_client(mine, stopped).await as u64, Ordering::Relaxed);
        });
        let mut heap = Vec::new();
        for tenth in 0..10 {
            attack(&env, &attacker, seed << 8 | tenth, frames / 10, &tally).await;
            // The disk is in memory here, and what stands on it is no memory of the broker.
            heap.push(HEAP.current_usage().saturating_sub(sim.disk().used() as usize));
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(good.join().await, Ended::Finished, "the good client");
        broker.close().await;
        (counted.load(Ordering::Relaxed), heap)
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "seed {seed}: {} hostile frames on {} connections: {} answered, {} closed theirs; {good} good records; heap without disk in KiB {:?}, disk {} MiB",
        count(&tally.frames),
        count(&tally.connections),
        count(&tally.answered),
        count(&tally.closed),
        heap.iter().map(|bytes| bytes >> 10).collect::<Vec<_>>(),
        sim.disk().used() >> 20,
    );
    assert!(count(&tally.closed) > frames / 10 && count(&tally.answered) > frames / 10);
    assert!(good > 10, "the good client made {good} records meanwhile");
    let growth = |from: usize| heap[9].saturating_sub(heap[from]);
    assert!(growth(0) <= HEAP_GROWTH_BYTES_MAX, "the heap grew by {} bytes: {heap:?}", growth(0));
    assert!(growth(5) <= HEAP_GROWTH_LATE_BYTES_MAX, "the heap still grew by {} bytes: {heap:?}", growth(5));
}
