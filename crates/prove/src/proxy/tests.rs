//! The proxy against a broker of a hundred lines, in the simulated world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use poruka_env::sim::Sim;
use poruka_env::{Env, Stream};
use poruka_wire::api::{
    ApiVersionsRequest, ApiVersionsResponse, ListOffsetsPartitionResponse, ListOffsetsRequest,
    ListOffsetsResponse, ListOffsetsTopicResponse, PartitionProduceData, PartitionProduceResponse,
    ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use poruka_wire::frame::{
    FrameDecoder, decode_request, decode_request_header, decode_response, encode_request, encode_response,
};
use poruka_wire::{ApiKey, Reader};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, split};

use super::connection::next_frame;
use super::*;
use crate::faults::{FaultKind, FaultPlan, Planned};
use crate::payload::Phase;

const TOPIC: &str = "t";
const VERSION: i16 = 8;

/// Appends whatever it is sent and counts it.
#[derive(Clone, Default)]
struct ToyBroker {
    ends: Arc<Mutex<BTreeMap<i32, i64>>>,
}

impl ToyBroker {
    async fn serve(self, env: Env, addr: &str) {
        let listener = env.listen(addr).await.expect("a free address");
        let own = env.clone();
        env.spawn("toy-broker", async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let broker = self.clone();
                own.spawn("toy-connection", async move { drop(broker.connection(stream).await) });
            }
        });
    }

    async fn connection(&self, stream: Box<dyn Stream>) -> std::io::Result<()> {
        let (mut from, mut to) = split(stream);
        let mut decoder = FrameDecoder::default();
        while let Some(frame) = next_frame(&mut decoder, &mut from).await? {
            if let Some(answer) = self.answer(&frame) {
                to.write_all(&answer).await?;
            }
        }
        Ok(())
    }

    fn end(&self) -> i64 {
        self.ends.lock().expect("no panic").values().sum()
    }

    fn answer(&self, frame: &Bytes) -> Option<Bytes> {
        let mut reader = Reader::new(frame.clone());
        let header = decode_request_header(&mut reader).expect("a header");
        let (id, version) = (header.correlation_id, header.api_version);
        let mut ends = self.ends.lock().expect("no panic");
        let answer = match header.key().expect("known") {
            ApiKey::Produce => {
                let request: ProduceRequest = decode_request(&mut reader, version).expect("a produce");
                let mut answer = ProduceResponse::default();
                let mut topic = TopicProduceResponse::default();
                for partition in &request.topic_data[0].partition_data {
                    let end = ends.entry(partition.index).or_default();
                    topic.partition_responses.push(PartitionProduceResponse {
                        index: partition.index,
                        base_offset: *end,
                        ..Default::default()
                    });
                    *end += 1;
                }
                answer.responses.push(topic);
                if request.acks == 0 {
                    return None;
                }
                encode_response::<ProduceRequest>(id, &answer, version)
            }
            ApiKey::ListOffsets => {
                let partitions = ends.iter().map(|(index, end)| ListOffsetsPartitionResponse {
                    partition_index: *index,
                    offset: *end,
                    ..Default::default()
                });
                let mut answer = ListOffsetsResponse::default();
                answer
                    .topics
                    .push(ListOffsetsTopicResponse { name: TOPIC.into(), partitions: partitions.collect() });
                encode_response::<ListOffsetsRequest>(id, &answer, version)
            }
            _ => encode_response::<ApiVersionsRequest>(id, &ApiVersionsResponse::default(), version),
        };
        Some(answer.expect("fits"))
    }
}

struct Client {
    from: ReadHalf<Box<dyn Stream>>,
    to: WriteHalf<Box<dyn Stream>>,
    decoder: FrameDecoder,
}

impl Client {
    async fn connect(env: &Env, addr: &str) -> Client {
        let (from, to) = split(env.connect(addr).await.expect("the proxy listens"));
        Client { from, to, decoder: FrameDecoder::default() }
    }

    async fn produce(&mut self, acks: i16) -> std::io::Result<()> {
        let mut batch = vec![0_u8; 61];
        batch[8..12].copy_from_slice(&49_i32.to_be_bytes());
        batch[57..61].copy_from_slice(&1_i32.to_be_bytes());
        let partition = PartitionProduceData { index: 0, records: Some(batch.into()) };
        let topic =
            TopicProduceData { name: TOPIC.into(), partition_data: vec![partition], ..Default::default() };
        let request = ProduceRequest { acks, topic_data: vec![topic], ..Default::default() };
        let frame = encode_request(7, None, &request, VERSION).expect("fits");
        self.to.write_all(&frame).await
    }

    /// The answer's correlation id; `None` when the connection is gone.
    async fn answer(&mut self) -> Option<i32> {
        let frame = next_frame(&mut self.decoder, &mut self.from).await.ok()??;
        Some(decode_response::<ProduceRequest>(frame, VERSION).expect("an answer").0)
    }
}

fn only(kind: FaultKind) -> FaultPlan {
    FaultPlan { faults: vec![Planned { kind, at: 1, salt: 3 }] }
}

async fn world(env: &Env, plan: FaultPlan) -> (ToyBroker, Arc<Director>, Proxy) {
    let broker = ToyBroker::default();
    broker.clone().serve(env.clone(), "127.0.0.1:9000").await;
    let director = Arc::new(Director::new(env, Phase::Kill, TOPIC, &plan));
    director.set_upstream("127.0.0.1:9000");
    let proxy = Proxy::start(env, Arc::clone(&director)).await.expect("a free port");
    (broker, director, proxy)
}

fn effective(director: &Director, kind: FaultKind) -> u64 {
    director.counts().into_iter().find(|count| count.kind == kind).map_or(0, |count| count.effective)
}

fn simulated<F: Future>(seed: u64, run: impl FnOnce(Env) -> F) -> F::Output {
    let sim = Sim::new(seed);
    sim.block_on(run(sim.env()))
}

#[test]
fn without_faults_requests_and_answers_pass_in_order() {
    simulated(1, async |env| {
        let (broker, director, proxy) = world(&env, FaultPlan::default()).await;
        let mut client = Client::connect(&env, proxy.addr()).await;
        for _ in 0..20 {
            client.produce(1).await.expect("open");
        }
        for _ in 0..20 {
            assert_eq!(client.answer().await, Some(7));
        }
        assert_eq!((broker.end(), director.in_flight().unacked), (20, 0));
    });
}

#[test]
fn a_dropped_answer_leaves_the_append_and_no_connection() {
    simulated(2, async |env| {
        let (broker, director, proxy) = world(&env, only(FaultKind::ResponseDropped)).await;
        director.progress(1);
        let mut client = Client::connect(&env, proxy.addr()).await;
        client.produce(1).await.expect("open");
        assert_eq!(client.answer().await, None);
        assert_eq!((broker.end(), effective(&director, FaultKind::ResponseDropped)), (1, 1));
        assert_eq!(director.in_flight().unacked, 0, "a dead connection has nothing in flight");
    });
}

#[test]
fn without_acks_the_cut_comes_after_the_log_has_moved() {
    simulated(3, async |env| {
        let (broker, director, proxy) = world(&env, only(FaultKind::ResponseDropped)).await;
        broker.ends.lock().expect("no panic").insert(0, 40);
        director.progress(1);
        let mut client = Client::connect(&env, proxy.addr()).await;
        client.produce(0).await.expect("open");
        assert_eq!(client.answer().await, None);
        assert_eq!((broker.end(), effective(&director, FaultKind::ResponseDropped)), (41, 1));
    });
}

#[test]
fn a_request_that_is_cut_reaches_the_broker_in_part_only() {
    for seed in 0..20 {
        simulated(seed, async |env| {
            let (broker, director, proxy) = world(&env, only(FaultKind::RequestCut)).await;
            director.progress(1);
            let mut client = Client::connect(&env, proxy.addr()).await;
            client.produce(1).await.expect("open");
            assert_eq!(client.answer().await, None);
            assert_eq!((broker.end(), effective(&director, FaultKind::RequestCut)), (0, 1));
        });
    }
}

#[test]
fn a_repeated_request_reaches_the_broker_twice_and_is_answered_once() {
    simulated(5, async |env| {
        let (broker, director, proxy) = world(&env, only(FaultKind::RequestRepeated)).await;
        director.progress(1);
        let mut client = Client::connect(&env, proxy.addr()).await;
        client.produce(1).await.expect("open");
        assert_eq!(client.answer().await, Some(7));
        env.sleep(Duration::from_secs(2)).await;
        assert_eq!((broker.end(), effective(&director, FaultKind::RequestRepeated)), (2, 1));
    });
}

#[test]
fn a_dribbled_request_arrives_whole() {
    simulated(6, async |env| {
        let (broker, director, proxy) = world(&env, only(FaultKind::Dribbled)).await;
        director.progress(1);
        let mut client = Client::connect(&env, proxy.addr()).await;
        client.produce(1).await.expect("open");
        assert_eq!(client.answer().await, Some(7));
        assert_eq!((broker.end(), effective(&director, FaultKind::Dribbled)), (1, 1));
    });
}

#[test]
fn an_ending_meets_appends_whose_answers_were_held_back() {
    simulated(7, async |env| {
        let (broker, director, proxy) = world(&env, only(FaultKind::BrokerEnded)).await;
        director.progress(1);
        director.end_due.notified().await;
        let fault = director.take(FaultKind::BrokerEnded).expect("due");
        director.hold();
        let mut client = Client::connect(&env, proxy.addr()).await;
        client.produce(1).await.expect("open");
        director.in_flight_changed.notified().await;
        let in_flight = director.in_flight();
        assert_eq!((in_flight.unacked, in_flight.appended), (1, 1), "appended, and the client does not know");
        assert_eq!(broker.end(), 1);
        director.broker_ended();
        fault.took_effect("");
        assert_eq!(client.answer().await, None);
        assert_eq!(director.in_flight().unacked, 0);
    });
}

/// A late answer would pass for one of the next broker: what the ending made forgotten then looked lost for no reason.
#[test]
fn an_answer_that_was_delayed_over_an_ending_is_never_delivered() {
    simulated(8, async |env| {
        let delayed = Planned { kind: FaultKind::Delayed, at: 1, salt: 100 };
        let (broker, director, proxy) = world(&env, FaultPlan { faults: vec![delayed] }).await;
        director.progress(1);
        let mut client = Client::connect(&env, proxy.addr()).await;
        client.produce(1).await.expect("open");
        for _ in 0..50 {
            env.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(broker.end(), 1, "appended, and the answer is on its way");
        director.broker_ended();
        assert_eq!(client.answer().await, None);
        assert_eq!(effective(&director, FaultKind::Delayed), 0, "it is made again");
    });
}
