//! At-most-once when the answer to a commit is lost: the commit is read back, and no record is handled twice.
#![expect(clippy::unwrap_used, reason = "a test crate")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use poruka::{Bus, Consumer, ConsumerOptions, Name, Notice, Record, TopicSpec};
use poruka_broker::{Broker, BrokerConfig, LocalConnection};
use poruka_client::net::{Dial, Dialer, FrameReply, Transport, TransportError};
use poruka_client::{Client, ClientConfig};
use poruka_env::Env;

/// The API key of OffsetCommit.
const OFFSET_COMMIT: i16 = 8;
const TEST_TIME_MAX: Duration = Duration::from_secs(60);

/// What happens to the next commits.
#[derive(Default)]
struct Faults {
    /// So many commits take effect, and their answers are lost.
    answers_lost: AtomicI64,
    /// So many commits are lost on the way there.
    requests_lost: AtomicI64,
}

fn take(count: &AtomicI64) -> bool {
    count.fetch_sub(1, Ordering::SeqCst) > 0
}

#[derive(Clone)]
struct Faulty {
    broker: Broker,
    faults: Arc<Faults>,
}

impl Dialer for Faulty {
    fn dial(&self, _address: &str) -> Dial {
        let transport =
            FaultyTransport { connection: self.broker.connect_local(), faults: Arc::clone(&self.faults) };
        Box::pin(std::future::ready(Ok(Arc::new(transport) as Arc<dyn Transport>)))
    }
}

struct FaultyTransport {
    connection: LocalConnection,
    faults: Arc<Faults>,
}

impl Transport for FaultyTransport {
    fn call(&self, frame: Bytes, _expects_response: bool) -> FrameReply {
        let (connection, faults) = (self.connection.clone(), Arc::clone(&self.faults));
        Box::pin(async move {
            let lost = || Err(TransportError::Lost("on purpose".to_owned()));
            let commit = i16::from_be_bytes([frame[4], frame[5]]) == OFFSET_COMMIT;
            if commit && take(&faults.requests_lost) {
                return lost();
            }
            let answer = connection.call(frame.slice(4..)).await;
            if commit && take(&faults.answers_lost) {
                return lost();
            }
            answer.map_err(|closed| TransportError::Lost(closed.to_string()))
        })
    }

    fn close(&self) {}

    fn is_closed(&self) -> bool {
        false
    }

    fn closed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

struct World {
    bus: Bus,
    faults: Arc<Faults>,
    broker: Broker,
    _folder: tempfile::TempDir,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let env = Env::real();
    let broker = Broker::open(env.clone(), BrokerConfig::new(folder.path())).await.unwrap();
    let faults = Arc::new(Faults::default());
    let dialer = Faulty { broker: broker.clone(), faults: Arc::clone(&faults) };
    let client =
        Client::connect_with(env, Arc::new(dialer), "local:1", ClientConfig::default()).await.unwrap();
    World { bus: Bus::over(client), faults, broker, _folder: folder }
}

/// A consumer whose commits are tried once before they count as unknown.
async fn consumer(world: &World, count: u32) -> Consumer {
    let topic = world.bus.topic("t", TopicSpec::from(Name::AtMostOnce).partitions(1)).await.unwrap();
    let producer = topic.producer().await.unwrap();
    for number in 0..count {
        producer.send(Record::new(number.to_string())).await.unwrap();
    }
    producer.close().await;
    let options = ConsumerOptions { commit_timeout: Duration::ZERO, ..ConsumerOptions::group("g") };
    topic.consumer_with(options).await.unwrap()
}

/// Offsets handed out and ranges given up, until `count` offsets are accounted for.
async fn offsets(consumer: &mut Consumer, count: usize) -> (Vec<i64>, Vec<(i64, i64)>) {
    let (mut handed, mut given_up) = (Vec::new(), Vec::new());
    while handed.len() + given_up.iter().map(|(from, to): &(i64, i64)| (to - from) as usize).sum::<usize>()
        < count
    {
        let batch = consumer.next().await.unwrap();
        handed.extend(batch.records.iter().map(|record| record.offset));
        for notice in batch.notices {
            if let Notice::GivenUp { from, to, .. } = notice {
                given_up.push((from, to));
            }
        }
    }
    (handed, given_up)
}

async fn limited<T>(test: impl Future<Output = T>) -> T {
    Env::real().timeout(TEST_TIME_MAX, test).await.unwrap()
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_read_back_and_the_records_are_handed_out_once() {
    limited(async {
        let world = world().await;
        let mut first = consumer(&world, 5).await;
        world.faults.answers_lost.store(1, Ordering::SeqCst);
        let (handed, given_up) = offsets(&mut first, 5).await;
        assert_eq!((handed, given_up), ((0..5).collect(), Vec::new()));
        first.close().await;
        let mut second = consumer(&world, 3).await;
        assert_eq!(offsets(&mut second, 3).await.0, [5, 6, 7]);
        second.close().await;
        world.broker.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_did_not_arrive_is_made_again_before_anything_is_handed_out() {
    limited(async {
        let world = world().await;
        let mut consumer = consumer(&world, 4).await;
        world.faults.requests_lost.store(2, Ordering::SeqCst);
        let (handed, given_up) = offsets(&mut consumer, 4).await;
        assert_eq!((handed, given_up), ((0..4).collect(), Vec::new()));
        consumer.close().await;
        world.broker.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_cannot_be_settled_gives_its_records_up_and_says_so() {
    limited(async {
        let world = world().await;
        let mut consumer = consumer(&world, 1).await;
        world.faults.requests_lost.store(3, Ordering::SeqCst);
        let (handed, given_up) = offsets(&mut consumer, 1).await;
        assert_eq!((handed, given_up), (Vec::new(), vec![(0, 1)]));
        consumer.close().await;
        world.broker.close().await;
    })
    .await;
}
