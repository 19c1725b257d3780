//! A broker under test and clients that speak the protocol by hand, without crates/client.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use poruka_broker::{Broker, BrokerConfig, LocalConnection};
use poruka_env::{Env, FakeDisk, Stream};
use poruka_wire::api::*;
use poruka_wire::frame::{decode_response, encode_request};
use poruka_wire::records::{self, BatchBuilder, Compression};
use poruka_wire::{ErrorCode, Request, Str, Uuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs an asynchronous test on the real host.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let env = Env::real();
        env.timeout(4 * PATIENCE, test).await.expect("the test ends in time")
    })
}

/// A broker on a real folder.
pub(crate) struct Node {
    pub(crate) broker: Broker,
    pub(crate) env: Env,
    pub(crate) address: String,
    config: BrokerConfig,
    dir: tempfile::TempDir,
}

impl Node {
    pub(crate) async fn start() -> Node {
        Node::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut BrokerConfig)) -> Node {
        let dir = tempfile::tempdir().expect("a folder");
        let env = Env::real();
        let mut config = BrokerConfig::new(dir.path().join("data"));
        change(&mut config);
        Node::open(env, config, dir).await
    }

    async fn open(env: Env, config: BrokerConfig, dir: tempfile::TempDir) -> Node {
        let broker = Broker::open(env.clone(), config.clone()).await.expect("opened");
        let address = broker.listen("127.0.0.1:0").await.expect("listening").to_string();
        Node { broker, env, address, config, dir }
    }

    /// Opens the folder again, after a close.
    pub(crate) async fn reopen(self) -> Node {
        Node::open(self.env, self.config, self.dir).await
    }

    pub(crate) async fn connect(&self) -> Tcp {
        Tcp::connect(&self.env, &self.address).await
    }
}

/// A broker on the disk that loses power.
pub(crate) struct Mortal {
    pub(crate) broker: Broker,
    pub(crate) disk: FakeDisk,
    env: Env,
    config: BrokerConfig,
}

impl Mortal {
    pub(crate) async fn start(seed: u64) -> Mortal {
        Mortal::start_with(seed, BrokerConfig::new("/data")).await
    }

    pub(crate) async fn start_with(seed: u64, config: BrokerConfig) -> Mortal {
        let disk = FakeDisk::in_memory(seed);
        let env = Env::real().with_disk(Arc::new(disk.clone()));
        let broker = Broker::open(env.clone(), config.clone()).await.expect("opened");
        Mortal { broker, disk, env, config }
    }

    pub(crate) fn connect(&self) -> Local {
        Local::new(&self.broker)
    }

    /// As `kill -9`, and then a start on the same folder.
    pub(crate) async fn kill_and_restart(self) -> Mortal {
        self.disk.kill();
        self.reopen().await
    }

    /// The power goes, and comes back.
    pub(crate) async fn cut_power_and_restart(self, seed: u64) -> Mortal {
        self.disk.crash(seed).expect("a disk in memory");
        self.reopen().await
    }

    async fn reopen(self) -> Mortal {
        drop(self.broker);
        let broker = Broker::open(self.env.clone(), self.config.clone()).await.expect("opened again");
        Mortal { broker, ..self }
    }
}

/// A client inside the process.
#[derive(Clone)]
pub(crate) struct Local(LocalConnection);

impl Local {
    pub(crate) fn new(broker: &Broker) -> Local {
        Local(broker.connect_local())
    }

    pub(crate) async fn try_call<R: Request>(&self, version: i16, request: &R) -> Option<R::Response> {
        let frame = encode_request(7, Some("test"), request, version).expect("encoded").slice(4..);
        let answer = self.0.call(frame).await.ok()??;
        Some(decode_response::<R>(answer, version).expect("a response").1)
    }
}

/// A client on a socket.
pub(crate) struct Tcp {
    pub(crate) stream: Box<dyn Stream>,
    env: Env,
    next_id: i32,
}

impl Tcp {
    pub(crate) async fn connect(env: &Env, address: &str) -> Tcp {
        let stream = env.connect(address).await.expect("connected");
        Tcp { stream, env: env.clone(), next_id: 1 }
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        let id = self.next_id;
        self.next_id += 1;
        let frame = encode_request(id, Some("test"), request, version).expect("encoded");
        self.stream.write_all(&frame).await.expect("sent");
        id
    }

    /// The next response, or `None` when the broker closed the connection.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let env = self.env.clone();
        env.timeout(PATIENCE, async {
            let size = self.stream.read_i32().await.ok()?;
            let mut frame = BytesMut::zeroed(usize::try_from(size).expect("a size"));
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(frame.freeze())
        })
        .await
        .expect("an answer in time")
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let frame = self.receive_frame().await.expect("a response");
        decode_response::<R>(frame, version).expect("a response")
    }
}

/// What both clients can do.
pub(crate) trait Client {
    async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response;

    async fn create(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let made = self.call(7, &create_request(topic, partitions, configs)).await.topics.remove(0);
        assert_eq!((made.error_code, made.error_message), (ErrorCode::None, None), "{topic}");
        made.topic_id
    }

    async fn produce(&mut self, topic: &str, acks: i16, batch: Bytes) -> PartitionProduceResponse {
        let mut response = self.call(9, &produce_request(topic, acks, batch)).await;
        response.responses.remove(0).partition_responses.remove(0)
    }

    async fn fetch(&mut self, topic: &str, offset: i64) -> FetchPartitionData {
        let mut response = self.call(12, &fetch_request(topic, offset, 0, 0)).await;
        response.responses.remove(0).partitions.remove(0)
    }

    /// The values of all records from `offset` on, with their offsets.
    async fn values(&mut self, topic: &str, mut offset: i64) -> Vec<(i64, String)> {
        let mut values = Vec::new();
        loop {
            let data = self.fetch(topic, offset).await;
            assert_eq!(data.error_code, ErrorCode::None);
            let before = values.len();
            values.extend(values_of(&data).into_iter().filter(|(at, _)| *at >= offset));
            if offset >= data.high_watermark {
                return values;
            }
            offset = next_offset(&data).unwrap_or(data.high_watermark);
            assert!(values.len() > before || offset == data.high_watermark, "a fetch makes progress");
        }
    }

    async fn list_offset(&mut self, topic: &str, timestamp: i64) -> ListOffsetsPartitionResponse {
        let partition = ListOffsetsPartition { timestamp, ..Default::default() };
        let asked = ListOffsetsTopic { name: topic.into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![asked], ..Default::default() };
        self.call(10, &request).await.topics.remove(0).partitions.remove(0)
    }

    async fn producer_id(&mut self) -> i64 {
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let response = self.call(4, &request).await;
        assert_eq!(response.error_code, ErrorCode::None);
        response.producer_id
    }
}

impl Client for Local {
    async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.try_call(version, request).await.expect("the connection is open")
    }
}

impl Client for Tcp {
    async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request).await;
        let (received, response) = self.receive::<R>(version).await;
        assert_eq!(sent, received, "responses come in the order of requests");
        response
    }
}

pub(crate) fn create_request(topic: &str, partitions: i32, configs: &[(&str, &str)]) -> CreateTopicsRequest {
    let configs = configs
        .iter()
        .map(|(name, value)| CreatableTopicConfig { name: Str::from(*name), value: Some(Str::from(*value)) })
        .collect();
    let topic = CreatableTopic {
        name: topic.into(),
        num_partitions: partitions,
        replication_factor: -1,
        configs,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..Default::default() }
}

pub(crate) fn produce_request(topic: &str, acks: i16, batch: Bytes) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(batch) }];
    ProduceRequest {
        acks,
        timeout_ms: 1000,
        topic_data: vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }],
        ..Default::default()
    }
}

pub(crate) fn fetch_request(
    topic: &str,
    fetch_offset: i64,
    min_bytes: i32,
    max_wait_ms: i32,
) -> FetchRequest {
    let partition = FetchPartition { fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { min_bytes, max_wait_ms, topics: vec![topic], ..Default::default() }
}

/// A batch with one record for each value, stamped now.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    build(BatchBuilder::new(Compression::None), values)
}

pub(crate) fn batch_of(producer: (i64, i16, i32), values: &[&str]) -> Bytes {
    let (id, epoch, sequence) = producer;
    build(BatchBuilder::new(Compression::None).producer(id, epoch, sequence), values)
}

pub(crate) fn build(mut builder: BatchBuilder, values: &[&str]) -> Bytes {
    let now = Env::real().wall_ms();
    for value in values {
        builder.push(now, Some(b"key"), Some(value.as_bytes()), &[]).expect("room");
    }
    builder.build()
}

pub(crate) fn values_of(data: &FetchPartitionData) -> Vec<(i64, String)> {
    let bytes = data.records.clone().unwrap_or_default();
    let mut values = Vec::new();
    for found in records::batches_of(&bytes) {
        let (header, batch) = found.expect("whole batches");
        if header.is_control() {
            continue;
        }
        for record in records::records(&batch).expect("records") {
            let record = record.expect("a record");
            let value = String::from_utf8(record.value.expect("a value").to_vec()).expect("text");
            values.push((record.offset, value));
        }
    }
    values
}

fn next_offset(data: &FetchPartitionData) -> Option<i64> {
    let bytes = data.records.clone().unwrap_or_default();
    let last = records::batches_of(&bytes).last()?;
    Some(last.expect("whole batches").0.next_offset())
}

/// Values with offsets from `first` on.
pub(crate) fn numbered(first: i64, values: &[&str]) -> Vec<(i64, String)> {
    (first..).zip(values).map(|(offset, value)| (offset, (*value).to_owned())).collect()
}
