//! A small broker for tests: one node, one log per partition, duplicate detection as Apache Kafka's, and faults on order.
//!
//! Fault model, chosen per produce request by the test: the answer is lost after the append (the connection closes), the
//! request is lost before it, or a code is answered instead of appending. It is not a broker to run anything on: no
//! durability, no groups, requests of a connection are served one after the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use poruka_env::{Env, Stream};
use poruka_wire::api::*;
use poruka_wire::records::{batches, set_base_offset, set_leader_epoch};
use poruka_wire::{ApiKey, ErrorCode, Reader, Request, Str, Uuid, api_table, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

/// What happens to a produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Appended; the connection closes without an answer.
    LoseAnswer,
    /// Not appended; the connection closes.
    LoseRequest,
    /// Appended; no answer ever comes, and the connection stays.
    Silence,
    /// Not appended; this code is answered.
    Refuse(ErrorCode),
}

/// First sequence, records and base offset of a batch.
type Seen = (i32, i32, i64);

#[derive(Default)]
struct Log {
    batches: Vec<(i64, i64, Bytes)>,
    end: i64,
    /// By producer: its epoch and its last five batches.
    producers: BTreeMap<i64, (i16, VecDeque<Seen>)>,
}

pub(crate) struct State {
    pub(crate) topic_id: Uuid,
    logs: Vec<Log>,
    /// Faults for the next produce requests.
    pub(crate) faults: VecDeque<Option<Fault>>,
    /// Produce requests seen.
    pub(crate) produces: usize,
    /// Versions to advertise; `None` takes all that the wire crate speaks.
    pub(crate) versions: Option<Vec<(i16, i16, i16)>>,
    next_producer: i64,
}

/// The broker; clones share it.
#[derive(Clone)]
pub(crate) struct FakeKafka {
    env: Env,
    state: Arc<Mutex<State>>,
    appended: Arc<Notify>,
    pub(crate) address: String,
}

pub(crate) const TOPIC: &str = "t";

impl FakeKafka {
    /// Listens; has one topic.
    pub(crate) async fn start(env: &Env, partitions: usize) -> FakeKafka {
        let listener = env.listen("127.0.0.1:0").await.expect("listen");
        let state = State {
            topic_id: Uuid([1; 16]),
            logs: (0..partitions).map(|_| Log::default()).collect(),
            faults: VecDeque::new(),
            produces: 0,
            versions: None,
            next_producer: 100,
        };
        let address = listener.local_addr().expect("address");
        let fake = FakeKafka {
            env: env.clone(),
            state: Arc::new(Mutex::new(state)),
            appended: Arc::new(Notify::new()),
            address,
        };
        let accepting = fake.clone();
        env.spawn("fake-kafka", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = accepting.clone();
                accepting.env.spawn("fake-connection", async move {
                    let _ = serving.serve(stream).await;
                });
            }
        });
        fake
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// The topic is made anew: empty, with another id.
    pub(crate) fn reborn(&self) {
        let mut state = self.lock();
        state.topic_id.0[0] += 1;
        for log in &mut state.logs {
            *log = Log::default();
        }
    }

    /// The values in a partition's log, in order.
    pub(crate) fn values(&self, partition: usize) -> Vec<String> {
        let state = self.lock();
        let records = state.logs[partition].batches.iter().flat_map(|(_, _, batch)| {
            poruka_wire::records::records(batch).expect("records").map(|record| record.expect("a record"))
        });
        let text =
            |value: Option<Bytes>| String::from_utf8(value.unwrap_or_default().to_vec()).expect("text");
        records.map(|record| text(record.value)).collect()
    }

    async fn serve(&self, mut stream: Box<dyn Stream>) -> std::io::Result<()> {
        let mut buffer = BytesMut::new();
        loop {
            while buffer.len() < 4 || buffer.len() < 4 + (&buffer[..4]).get_u32() as usize {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            }
            let size = buffer.get_u32() as usize;
            let request = buffer.split_to(size).freeze();
            match self.answer(request).await {
                Some(Some(answer)) => stream.write_all(&answer).await?,
                Some(None) => {}
                None => return Ok(()),
            }
            stream.flush().await?;
        }
    }

    /// `None` closes the connection; `Some(None)` gives no answer.
    async fn answer(&self, request: Bytes) -> Option<Option<Bytes>> {
        let mut reader = Reader::new(request);
        let header = frame::decode_request_header(&mut reader).ok()?;
        let (id, version) = (header.correlation_id, header.api_version);
        let body = &mut reader;
        match header.key()? {
            ApiKey::ApiVersions => reply::<ApiVersionsRequest>(id, version, &self.versions()),
            ApiKey::Metadata => {
                reply::<MetadataRequest>(id, version, &self.metadata(&decode(body, version)?))
            }
            ApiKey::InitProducerId => {
                let mut state = self.lock();
                state.next_producer += 1;
                let answer =
                    InitProducerIdResponse { producer_id: state.next_producer, ..Default::default() };
                reply::<InitProducerIdRequest>(id, version, &answer)
            }
            ApiKey::Produce => {
                let request: ProduceRequest = decode(body, version)?;
                let silent = self.lock().faults.front() == Some(&Some(Fault::Silence));
                let answer = self.produce(&request)?;
                if silent {
                    return Some(None);
                }
                let mut codes = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
                if request.acks != 0 {
                    return reply::<ProduceRequest>(id, version, &answer);
                }
                // As Kafka: with nobody to tell an error to, the connection is closed.
                codes.all(|part| part.error_code.is_none()).then_some(None)
            }
            ApiKey::ListOffsets => {
                reply::<ListOffsetsRequest>(id, version, &self.offsets(&decode(body, version)?))
            }
            ApiKey::Fetch => reply::<FetchRequest>(id, version, &self.fetch(&decode(body, version)?).await),
            _ => None,
        }
    }

    fn versions(&self) -> ApiVersionsResponse {
        let all = || api_table().iter().map(|api| (api.key.code(), api.min, api.max)).collect();
        let known = self.lock().versions.clone().unwrap_or_else(all);
        let entry = |(api_key, min_version, max_version)| ApiVersion { api_key, min_version, max_version };
        ApiVersionsResponse { api_keys: known.into_iter().map(entry).collect(), ..Default::default() }
    }

    fn metadata(&self, request: &MetadataRequest) -> MetadataResponse {
        let state = self.lock();
        let (host, port) = self.address.split_once(':').expect("host and port");
        let partition = |partition_index| MetadataResponsePartition { partition_index, ..Default::default() };
        let known = MetadataResponseTopic {
            name: Some(Str::from(TOPIC)),
            topic_id: state.topic_id,
            partitions: (0..state.logs.len() as i32).map(partition).collect(),
            ..Default::default()
        };
        let topic = |asked: &MetadataRequestTopic| {
            if asked.name.as_deref() == Some(TOPIC) {
                return known.clone();
            }
            let error_code = ErrorCode::UnknownTopicOrPartition;
            MetadataResponseTopic { name: asked.name.clone(), error_code, ..Default::default() }
        };
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 0,
                host: Str::from(host),
                port: port.parse().expect("a port"),
                rack: None,
            }],
            topics: request.topics.iter().flatten().map(topic).collect(),
            ..Default::default()
        }
    }

    fn produce(&self, request: &ProduceRequest) -> Option<ProduceResponse> {
        let mut state = self.lock();
        state.produces += 1;
        let fault = state.faults.pop_front().flatten();
        if fault == Some(Fault::LoseRequest) {
            return None;
        }
        let mut answer = ProduceResponse::default();
        for topic in &request.topic_data {
            let mut parts = Vec::new();
            for data in &topic.partition_data {
                let appended = match fault {
                    Some(Fault::Refuse(code)) => Err(code),
                    _ if topic.topic_id != state.topic_id => Err(ErrorCode::UnknownTopicId),
                    _ => state.logs[data.index as usize].append(data.records.clone().unwrap_or_default()),
                };
                let (error_code, base_offset) = match appended {
                    Ok(offset) => (ErrorCode::None, offset),
                    Err(code) => (code, -1),
                };
                parts.push(PartitionProduceResponse {
                    index: data.index,
                    error_code,
                    base_offset,
                    ..Default::default()
                });
            }
            answer.responses.push(TopicProduceResponse {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partition_responses: parts,
            });
        }
        drop(state);
        self.appended.notify_waiters();
        (fault != Some(Fault::LoseAnswer)).then_some(answer)
    }

    fn offsets(&self, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let state = self.lock();
        let topic = |asked: &ListOffsetsTopic| ListOffsetsTopicResponse {
            name: asked.name.clone(),
            partitions: asked
                .partitions
                .iter()
                .map(|partition| ListOffsetsPartitionResponse {
                    partition_index: partition.partition_index,
                    offset: match partition.timestamp {
                        TIMESTAMP_LATEST => state.logs[partition.partition_index as usize].end,
                        _ => 0,
                    },
                    ..Default::default()
                })
                .collect(),
        };
        ListOffsetsResponse { topics: request.topics.iter().map(topic).collect(), ..Default::default() }
    }

    async fn fetch(&self, request: &FetchRequest) -> FetchResponse {
        let (answer, empty) = self.fetch_now(request);
        if !empty {
            return answer;
        }
        let wait = Duration::from_millis(request.max_wait_ms as u64);
        let _ = self.env.timeout(wait, self.appended.notified()).await;
        self.fetch_now(request).0
    }

    fn fetch_now(&self, request: &FetchRequest) -> (FetchResponse, bool) {
        let state = self.lock();
        let mut empty = true;
        let mut answer = FetchResponse::default();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let mut data = FetchPartitionData { partition_index: asked.partition, ..Default::default() };
                let log = &state.logs[asked.partition as usize];
                data.high_watermark = log.end;
                if topic.topic_id != state.topic_id {
                    data.error_code = ErrorCode::UnknownTopicId;
                } else if asked.fetch_offset > log.end {
                    data.error_code = ErrorCode::OffsetOutOfRange;
                } else {
                    let from = log.batches.iter().filter(|(_, next, _)| *next > asked.fetch_offset);
                    let bytes: Vec<u8> = from.flat_map(|(_, _, batch)| batch.to_vec()).collect();
                    empty &= bytes.is_empty();
                    data.records = Some(Bytes::from(bytes));
                }
                empty &= data.error_code.is_none();
                partitions.push(data);
            }
            answer.responses.push(FetchableTopicResponse {
                topic: topic.topic.clone(),
                topic_id: topic.topic_id,
                partitions,
            });
        }
        (answer, empty)
    }
}

impl Log {
    fn append(&mut self, batch: Bytes) -> Result<i64, ErrorCode> {
        let mut bytes = batch.to_vec();
        let (header, _) =
            batches(&batch).next().ok_or(ErrorCode::InvalidRecord)?.map_err(|_| ErrorCode::InvalidRecord)?;
        let base = self.end;
        if header.has_producer_id() {
            let fresh = (header.producer_epoch, VecDeque::new());
            let is_new = !self.producers.contains_key(&header.producer_id);
            let known = self.producers.entry(header.producer_id).or_insert(fresh);
            let same =
                |seen: &&(i32, i32, i64)| seen.0 == header.base_sequence && seen.1 == header.record_count;
            if let (true, Some(seen)) = (known.0 == header.producer_epoch, known.1.iter().find(same)) {
                return Ok(seen.2);
            }
            if header.producer_epoch < known.0 {
                return Err(ErrorCode::InvalidProducerEpoch);
            }
            let expected = match known.1.back() {
                Some(last) if known.0 == header.producer_epoch => last.0 + last.1,
                _ if is_new => header.base_sequence,
                _ => 0,
            };
            if header.base_sequence != expected {
                return Err(ErrorCode::OutOfOrderSequenceNumber);
            }
            if header.producer_epoch > known.0 {
                *known = (header.producer_epoch, VecDeque::new());
            }
            known.1.push_back((header.base_sequence, header.record_count, base));
            if known.1.len() > 5 {
                known.1.pop_front();
            }
        }
        set_base_offset(&mut bytes, base);
        set_leader_epoch(&mut bytes, 0);
        self.end = base + i64::from(header.record_count);
        self.batches.push((base, self.end, Bytes::from(bytes)));
        Ok(base)
    }
}

fn decode<R: Request>(reader: &mut Reader, version: i16) -> Option<R> {
    frame::decode_request(reader, version).ok()
}

fn reply<R: Request>(id: i32, version: i16, answer: &R::Response) -> Option<Option<Bytes>> {
    Some(Some(frame::encode_response::<R>(id, answer, version).expect("an answer of ours")))
}
