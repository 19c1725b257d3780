//! Memory stays bounded whoever is slow: by the broker's own accounting, which `/metrics` shows.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use poruka_broker::{Broker, BrokerConfig, IN_FLIGHT_BYTES_MAX};
use poruka_env::sim::Sim;
use poruka_env::{Disk, DiskFile, DiskLock, Env, FakeDisk, LockError, OpenMode};
use poruka_wire::ErrorCode;
use poruka_wire::api::*;
use poruka_wire::frame::encode_request;
use tokio::io::AsyncWriteExt;

use crate::harness::*;

const MIB: u64 = 1 << 20;

fn memory(broker: &Broker, of: &str) -> u64 {
    broker.metrics().value("poruka_memory_bytes", &[("use", of)]).expect("on the page") as u64
}

fn requests(broker: &Broker, api: &str) -> u64 {
    broker.metrics().value("poruka_requests_total", &[("api", api)]).expect("on the page") as u64
}

/// Waits until a number has not moved for a while, and is not 0; the number.
async fn settled(env: &Env, mut number: impl FnMut() -> u64) -> u64 {
    let (mut last, mut same) = (0, 0);
    for _ in 0..2_000 {
        env.sleep(Duration::from_millis(10)).await;
        let now = number();
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
        if same == 30 {
            return now;
        }
    }
    panic!("it never came to rest: {last}");
}

#[test]
fn a_consumer_that_reads_nothing_costs_a_few_answers_not_all_it_asked_for() {
    run(async {
        let node = Node::start().await;
        let mut client = node.connect().await;
        client.create("t", 1, &[("poruka.durability", "cached")]).await;
        let large = "x".repeat(900_000);
        for _ in 0..8 {
            assert_eq!(client.produce("t", -1, batch(&[&large])).await.error_code, ErrorCode::None);
        }
        // 200 answers of 7 MiB each would be 1.4 GiB.
        let mut slow = node.connect().await;
        let mut request = fetch_request("t", 0, 0, 0);
        request.max_bytes = i32::MAX;
        request.topics[0].partitions[0].partition_max_bytes = i32::MAX;
        for _ in 0..200 {
            slow.send(12, &request).await;
        }
        settled(&node.env, || requests(&node.broker, "Fetch")).await;
        let held = settled(&node.env, || memory(&node.broker, "connections")).await;
        assert!(held < 16 * MIB, "{held} bytes are held for a consumer that does not read");
        // Who reads is served meanwhile; and the slow one gets everything once it reads.
        assert_eq!(client.fetch("t", 0).await.error_code, ErrorCode::None);
        for _ in 0..200 {
            let (_, response) = slow.receive::<FetchRequest>(12).await;
            assert_eq!(response.responses[0].partitions[0].high_watermark, 8);
        }
    });
}

/// A disk whose syncs wait for a gate.
struct Gated {
    disk: FakeDisk,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock().expect("not poisoned") = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let closed = self.closed.lock().expect("not poisoned");
        drop(self.opened.wait_while(closed, |closed| *closed).expect("not poisoned"));
    }
}

struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl Disk for Gated {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(GatedFile { file: self.disk.open(path, mode)?, gate: Arc::clone(&self.gate) }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }
    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        self.disk.lock(path)
    }
}

impl DiskFile for GatedFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(into, at)
    }
    fn write_vectored_at(&self, slices: &[io::IoSlice<'_>], at: u64) -> io::Result<()> {
        self.file.write_vectored_at(slices, at)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_all()
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

#[test]
fn producers_faster_than_the_disk_are_stopped_and_lose_nothing() {
    const PRODUCERS: u64 = 4;
    const BATCHES: u64 = 1_500;
    run(async {
        let gate = Arc::new(Gate::default());
        let disk = Gated { disk: FakeDisk::in_memory(5), gate: Arc::clone(&gate) };
        let env = Env::real().with_disk(Arc::new(disk));
        let broker = Broker::open(env.clone(), BrokerConfig::new("/data")).await.expect("opened");
        let address = broker.listen("127.0.0.1:0").await.expect("listening").to_string();
        let mut client = Tcp::connect(&env, &address).await;
        client.create("t", 1, &[]).await;
        gate.set(true);
        // 4 times 45 MiB, in batches that travel in the journal.
        let value = "x".repeat(30_000);
        let mut sending = Vec::new();
        for acks in [-1, -1, 0, 0] {
            let frame = encode_request(1, Some("test"), &produce_request("t", acks, batch(&[&value])), 9);
            let frame = frame.expect("encoded");
            let mut stream = env.connect(&address).await.expect("connected");
            let (sent, all_sent) = tokio::sync::oneshot::channel();
            let _detached = env.spawn("sender", async move {
                for _ in 0..BATCHES {
                    stream.write_all(&frame).await.expect("sent");
                }
                let _ = sent.send(stream);
            });
            sending.push(all_sent);
        }
        let taken = settled(&env, || requests(&broker, "Produce")).await;
        assert!(taken < PRODUCERS * BATCHES, "all {taken} batches were taken while nothing was on the disk");
        let (journal, held) = (memory(&broker, "journal"), memory(&broker, "connections"));
        assert!(journal < 40 * MIB, "{journal} bytes wait for the disk");
        assert!(held < PRODUCERS * IN_FLIGHT_BYTES_MAX as u64, "{held} bytes are held for connections");
        assert!(memory(&broker, "tails") < 80 * MIB);
        gate.set(false);
        // Kept open: to close with answers unread would reset the connection, and what is under way on it.
        let mut open = Vec::new();
        for sent in sending {
            open.push(sent.await.expect("everything is taken at last"));
        }
        for _ in 0..2_000 {
            if client.list_offset("t", TIMESTAMP_LATEST).await.offset == (PRODUCERS * BATCHES) as i64 {
                return;
            }
            env.sleep(Duration::from_millis(10)).await;
        }
        panic!("some batches were not appended");
    });
}

#[test]
fn a_thousand_idle_connections_hold_nothing() {
    const CONNECTIONS: usize = 1_000;
    let sim = Sim::new(3);
    let env = sim.env();
    sim.block_on(async {
        let broker = Broker::open(env.clone(), BrokerConfig::new("/data")).await.expect("opened");
        broker.listen("127.0.0.1:9092").await.expect("listening");
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Tcp::connect(&env, "127.0.0.1:9092").await);
        }
        for client in &mut clients {
            let hello = ApiVersionsRequest {
                client_software_name: "test".into(),
                client_software_version: "1".into(),
            };
            assert_eq!(client.call(3, &hello).await.error_code, ErrorCode::None);
        }
        let page = broker.metrics();
        assert_eq!(page.value("poruka_connections_open", &[]), Some(CONNECTIONS as f64));
        assert_eq!(memory(&broker, "connections"), 0, "idle connections hold no bytes");
        // Silent for too long, they are let go.
        env.sleep(Duration::from_secs(2 * 600 + 1)).await;
        let page = broker.metrics();
        assert_eq!(page.value("poruka_connections_open", &[]), Some(0.0));
        let idle = page.value("poruka_connections_closed_total", &[("reason", "idle")]);
        assert_eq!(idle, Some(CONNECTIONS as f64));
    });
}
