//! The same promises on our own broker and on a real Apache Kafka (4.0 or newer), over sockets.
//!
//! Apache Kafka is tested when PORUKA_KAFKA names a bootstrap address; else the tests say that they skip it.

use std::time::Duration;

use bytes::Bytes;
use poruka_broker::{Broker, BrokerConfig};
use poruka_client::admin::{Admin, ConfigChange, NewTopic, Resource};
use poruka_client::consume::{Consumer, ConsumerConfig, Event, GroupConfig, Reset, Start};
use poruka_client::produce::{
    Acks, Cause, Mode, Outcome, Payload, Pending, Producer, ProducerConfig, Record, TopicPartition,
};
use poruka_client::{Client, ClientConfig, Commit, Spot};
use poruka_env::Env;
use poruka_wire::records::{Compression, Header};
use poruka_wire::{Str, Uuid};

/// No step of these tests takes longer than this.
const STEP_MAX: Duration = Duration::from_secs(30);

/// Our own broker, or an Apache Kafka.
struct Target {
    client: Client,
    _broker: Option<(Broker, tempfile::TempDir)>,
}

async fn targets() -> Vec<Target> {
    let env = Env::real();
    let config = ClientConfig { retry_timeout: STEP_MAX, ..Default::default() };
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::open(env.clone(), BrokerConfig::new(folder.path())).await.expect("open");
    let address = broker.listen("127.0.0.1:0").await.expect("listen").to_string();
    let client = Client::connect(env.clone(), &address, config.clone()).await.expect("connect");
    let mut targets = vec![Target { client, _broker: Some((broker, folder)) }];
    match std::env::var("PORUKA_KAFKA") {
        Ok(bootstrap) => {
            let client =
                Client::connect(env, &bootstrap, config).await.expect("PORUKA_KAFKA names a running Kafka");
            targets.push(Target { client, _broker: None });
        }
        Err(_) => println!("skipped on Apache Kafka: PORUKA_KAFKA names none"),
    }
    targets
}

fn unique(name: &str) -> Str {
    Str::from(format!("{name}-{:016x}", Env::real().random_u64()))
}

async fn new_topic(client: &Client, name: &str, partitions: i32) -> Str {
    let topic = NewTopic { name: unique(name), partitions: Some(partitions), ..Default::default() };
    let admin = Admin::new(client);
    admin.create_topic(&topic).await.expect("create");
    admin.wait_for_topic(&topic.name).await.expect("ready");
    // Apache Kafka names a leader a moment before the leader knows; until then it refuses, and what is sent once is lost.
    let all: Vec<_> = (0..partitions).map(|partition| (at(&topic.name, partition), Spot::Latest)).collect();
    admin.list_offsets(&all).await.expect("led");
    topic.name
}

fn record(topic: &Str, partition: Option<i32>, value: String) -> Record {
    let payload = Payload {
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::from(value)),
        headers: vec![Header::new("h", Bytes::from_static(b"v"))],
        timestamp_ms: None,
    };
    Record { topic: topic.clone(), partition, payload }
}

async fn send_all(
    producer: &Producer,
    topic: &Str,
    partition: Option<i32>,
    from: usize,
    count: usize,
) -> Vec<Outcome> {
    let mut pending: Vec<Pending> = Vec::new();
    for number in from..from + count {
        pending.push(producer.send(record(topic, partition, number.to_string())).await.expect("taken"));
    }
    let mut outcomes = Vec::new();
    for one in pending {
        outcomes.push(one.await);
    }
    outcomes
}

/// Reads until `count` records have come; returns their values by partition order of arrival.
async fn read(client: &Client, consumer: &Consumer, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    while values.len() < count {
        let Ok(event) = client.env().timeout(STEP_MAX, consumer.next()).await else {
            panic!("{} of {count} records came in time", values.len());
        };
        let event = event.expect("open");
        if let Event::Records(records) = event {
            values.extend(records.records.iter().map(|record| {
                String::from_utf8(record.value.clone().unwrap_or_default().to_vec()).expect("text")
            }));
        }
    }
    values
}

fn at(topic: &Str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acked_is_read_back_in_order_with_every_mode_and_compression() {
    for target in targets().await {
        read_back(&target.client).await;
    }
}

async fn read_back(client: &Client) {
    let modes = [Mode::Plain, Mode::Stamped, Mode::SingleAttempt { stamped: true }];
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (number, codec) in codecs.into_iter().enumerate() {
        let topic = new_topic(client, "modes", 1).await;
        let mode = modes[number % modes.len()];
        let config = ProducerConfig { mode, compression: codec, batch_bytes_max: 4096, ..Default::default() };
        let producer = Producer::start(client, config);
        let outcomes = send_all(&producer, &topic, None, 0, 1000).await;
        for (offset, outcome) in outcomes.iter().enumerate() {
            let Outcome::Acked(acked) = outcome else { panic!("{mode:?} {codec:?}: {outcome:?}") };
            assert_eq!(acked.offset, Some(offset as i64));
        }
        producer.close(STEP_MAX).await;
        let consumer = Consumer::standalone(client, ConsumerConfig::default(), None);
        consumer.assign(&[(at(&topic, 0), Start::Earliest)]).await.expect("assign");
        let values = read(client, &consumer, 1000).await;
        assert_eq!(values, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
        consumer.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acks_zero_is_told_as_sent_and_arrives() {
    for target in targets().await {
        acks_zero(&target.client).await;
    }
}

async fn acks_zero(client: &Client) {
    let topic = new_topic(client, "fire", 1).await;
    let mode = Mode::SingleAttempt { stamped: true };
    let producer = Producer::start(client, ProducerConfig { mode, acks: Acks::None, ..Default::default() });
    producer.prepare(&topic).await.expect("known");
    let outcomes = send_all(&producer, &topic, None, 0, 200).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Sent { partition: 0 })), "{outcomes:?}");
    let consumer = Consumer::standalone(client, ConsumerConfig::default(), None);
    consumer.assign(&[(at(&topic, 0), Start::Earliest)]).await.expect("assign");
    assert_eq!(read(client, &consumer, 200).await.len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_for_the_topic_is_told_as_not_appended() {
    for target in targets().await {
        too_large(&target.client).await;
    }
}

async fn too_large(client: &Client) {
    let topic = new_topic(client, "large", 1).await;
    let admin = Admin::new(client);
    let resource = Resource::Topic(topic.clone());
    let change = ConfigChange::Set(Str::from("max.message.bytes"), Str::from("1000"));
    admin.alter_configs(&resource, &[change]).await.expect("alter");
    // The controller has the change at once, the broker a moment later.
    let mut looks = 0;
    loop {
        let entries =
            admin.describe_configs(&resource, Some(&["max.message.bytes"])).await.expect("describe");
        if entries[0].value.as_deref() == Some("1000") {
            assert!(entries[0].is_own);
            break;
        }
        looks += 1;
        assert!(looks < 200, "{entries:?}");
        client.env().sleep(Duration::from_millis(50)).await;
    }
    let producer = Producer::start(client, ProducerConfig::default());
    let outcome = producer.send(record(&topic, None, "x".repeat(5000))).await.expect("taken").await;
    let Outcome::NotAppended(failure) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.cause, Cause::Code(10));
    // The sequence has no hole for the broker: the next one is accepted.
    let outcome = producer.send(record(&topic, None, "small".to_owned())).await.expect("taken").await;
    assert!(matches!(outcome, Outcome::Acked(_)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_found_by_end_and_by_timestamp() {
    for target in targets().await {
        spots(&target.client).await;
    }
}

async fn spots(client: &Client) {
    let topic = new_topic(client, "spots", 1).await;
    let producer = Producer::start(client, ProducerConfig::default());
    for number in 0..10i64 {
        let payload = Payload { timestamp_ms: Some(1_000_000 + number), ..Default::default() };
        let outcome = producer.send(Record { topic: topic.clone(), partition: Some(0), payload }).await;
        assert!(matches!(outcome.expect("taken").await, Outcome::Acked(_)));
    }
    let admin = Admin::new(client);
    for (spot, offset) in [
        (Spot::Earliest, Some(0)),
        (Spot::Latest, Some(10)),
        (Spot::MaxTimestamp, Some(9)),
        (Spot::Timestamp(1_000_004), Some(4)),
        (Spot::Timestamp(2_000_000), None),
    ] {
        let found = admin.list_offsets(&[(at(&topic, 0), spot)]).await.expect("list");
        assert_eq!(found[0].1.offset, offset, "{spot:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_outside_the_log_is_reset_and_told() {
    for target in targets().await {
        reset_and_told(&target.client).await;
    }
}

async fn reset_and_told(client: &Client) {
    let topic = new_topic(client, "reset", 1).await;
    let producer = Producer::start(client, ProducerConfig::default());
    send_all(&producer, &topic, None, 0, 5).await;
    for (reset, to) in [(Reset::Earliest, 0), (Reset::Latest, 5)] {
        let consumer = Consumer::standalone(client, ConsumerConfig { reset, ..Default::default() }, None);
        consumer.assign(&[(at(&topic, 0), Start::Offset(1000))]).await.expect("assign");
        let event = client.env().timeout(STEP_MAX, consumer.next()).await.expect("in time").expect("open");
        assert_eq!(event, Event::Reset { at: at(&topic, 0), from: Some(1000), to });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_is_told_and_read_from_its_start() {
    for target in targets().await {
        made_anew(&target.client).await;
    }
}

async fn made_anew(client: &Client) {
    let topic = new_topic(client, "reborn", 1).await;
    let producer = Producer::start(client, ProducerConfig::default());
    send_all(&producer, &topic, None, 0, 7).await;
    let consumer = Consumer::standalone(client, ConsumerConfig::default(), None);
    consumer.assign(&[(at(&topic, 0), Start::Earliest)]).await.expect("assign");
    assert_eq!(read(client, &consumer, 7).await.len(), 7);
    let admin = Admin::new(client);
    let old = client.topic(&topic).await.expect("known").id;
    admin.delete_topic(&topic).await.expect("delete");
    let mut tries = 0;
    while admin.create_topic(&NewTopic { name: topic.clone(), ..Default::default() }).await.is_err() {
        tries += 1;
        assert!(tries < 100, "the old topic does not go away");
        client.env().sleep(Duration::from_millis(100)).await;
    }
    admin.wait_for_topic(&topic).await.expect("ready");
    // The producer follows by itself: the old id is refused, and looked up anew.
    let outcomes = send_all(&producer, &topic, None, 100, 3).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Acked(_))), "{outcomes:?}");
    let event = client.env().timeout(STEP_MAX, consumer.next()).await.expect("in time").expect("open");
    let Event::TopicReborn { old: told, new, .. } = event else { panic!("{event:?}") };
    assert_eq!(told, old);
    assert_ne!(new, Uuid::ZERO);
    assert_eq!(read(client, &consumer, 3).await, ["100", "101", "102"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_share_a_topic_and_the_second_one_resumes_where_the_first_committed() {
    for target in targets().await {
        two_members(&target.client).await;
    }
}

async fn two_members(client: &Client) {
    let topic = new_topic(client, "group", 4).await;
    let producer = Producer::start(client, ProducerConfig::default());
    for partition in 0..4 {
        send_all(&producer, &topic, Some(partition), 0, 10).await;
    }
    let group = unique("g");
    let join = || {
        Consumer::subscribe(
            client,
            ConsumerConfig::default(),
            GroupConfig::new(group.clone(), [topic.clone()]),
        )
    };
    let first = join();
    let mut commits = Vec::new();
    let mut seen = 0;
    while seen < 40 {
        let event = client.env().timeout(STEP_MAX, first.next()).await.expect("in time").expect("open");
        if let Event::Records(records) = event {
            seen += records.records.len();
            commits.push(Commit {
                at: records.at.clone(),
                topic_id: records.topic_id,
                offset: records.next_offset,
                leader_epoch: records.leader_epoch,
                note: Str::default(),
            });
        }
    }
    first.commit(&commits).await.expect("commit");
    assert_eq!(first.assignment().len(), 4);
    let second = join();
    let shared = async {
        while first.assignment().len() != 2 || second.assignment().len() != 2 {
            tokio::select! {
                biased;
                event = first.next() => if let Event::Revoking(partitions) = event.expect("open") {
                    first.release(&partitions);
                },
                event = second.next() => {
                    let event = event.expect("open");
                    assert!(!matches!(event, Event::Records(_)), "committed records come again: {event:?}");
                }
                () = client.env().sleep(Duration::from_millis(50)) => {}
            }
        }
    };
    client.env().timeout(STEP_MAX, shared).await.expect("the members share");
    for partition in 0..4 {
        send_all(&producer, &topic, Some(partition), 10, 1).await;
    }
    assert_eq!(read(client, &second, 2).await, ["10", "10"]);
    assert_eq!(read(client, &first, 2).await, ["10", "10"]);
    let admin = Admin::new(client);
    let described = admin.describe_group(&group).await.expect("describe");
    assert_eq!(described.members.len(), 2);
    let offsets = admin.group_offsets(&group).await.expect("offsets");
    assert_eq!(offsets.len(), 4);
    assert!(offsets.iter().all(|committed| committed.offset == Some(10) && committed.at.topic == topic));
    first.close().await;
    second.close().await;
    assert!(admin.list_groups().await.expect("list").iter().any(|listed| listed.group == group));
    let reset = Commit {
        at: at(&topic, 0),
        topic_id: Uuid::ZERO,
        offset: 3,
        leader_epoch: -1,
        note: Str::from("by hand"),
    };
    admin.alter_group_offsets(&group, &[reset]).await.expect("alter");
    let offsets = admin.group_offsets(&group).await.expect("offsets");
    assert_eq!(
        offsets.iter().find(|committed| committed.at.partition == 0).and_then(|found| found.offset),
        Some(3)
    );
    admin.delete_group(&group).await.expect("delete");
}
