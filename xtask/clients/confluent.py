"""confluent-kafka (librdkafka) against a broker: both group protocols, every codec, every acks."""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic

from harness import CODECS, awkward_records, check, main, same, until


def admin(driver):
    """One client a run: its requests die with it."""
    if driver.admin is None:
        driver.admin = AdminClient({"bootstrap.servers": driver.address})
    return driver.admin


def make_topic(driver, stem, partitions=1, config=None):
    name = driver.name(stem)
    wait(admin(driver).create_topics([NewTopic(name, partitions, 1, config=config or {})]))
    return name


def wait(futures):
    return {key: future.result(timeout=30) for key, future in futures.items()}


def producer(driver, **settings):
    base = {"bootstrap.servers": driver.address, "linger.ms": 5}
    return Producer(base | {key.replace("_", "."): value for key, value in settings.items()})


def consumer(driver, group="unused", **settings):
    base = {"bootstrap.servers": driver.address, "group.id": group, "enable.auto.commit": False,
            "auto.offset.reset": "earliest"}
    return Consumer(base | settings)


def send(client, topic, records, partition=0):
    """Sends and waits for every report; the (offset, record) of each."""
    reports = []
    for record in records:
        key, value, headers, timestamp = record
        extra = {"timestamp": timestamp} if timestamp else {}

        def report(error, message, record=record):
            reports.append((error, message.offset(), record))

        client.produce(topic, value, key, partition, on_delivery=report, headers=headers, **extra)
        client.poll(0)
    same(client.flush(60), 0, "records without a report")
    errors = [str(error) for error, _, _ in reports if error]
    same(errors, [], "delivery errors")
    return [(offset, record) for _, offset, record in reports]


def read(driver, topic, count, partition=0, start=OFFSET_BEGINNING):
    """`count` messages of a partition, and then nothing more."""
    client = consumer(driver)
    client.assign([TopicPartition(topic, partition, start)])
    found = []

    def more():
        found.extend(good(client.consume(count, 1)))
        return len(found) >= count

    until(more, f"{count} records of {topic}")
    found.extend(good(client.consume(1, 0.3)))
    client.close()
    same(len(found), count, f"records of {topic}")
    return found


def good(messages):
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
    return messages


def as_record(message):
    return (message.key(), message.value(), message.headers() or [], message.timestamp()[1])


def plain(count, stem="r"):
    return [(None, f"{stem}-{i}".encode(), [], 0) for i in range(count)]


def topics_come_and_go(driver):
    name = make_topic(driver, "topics", 3)
    same(sorted(admin(driver).list_topics(name, timeout=30).topics[name].partitions), [0, 1, 2], "partitions")
    for bad, wanted in [(name, "TOPIC_ALREADY_EXISTS"), ("no/slash", "TOPIC_EXCEPTION")]:
        try:
            wait(admin(driver).create_topics([NewTopic(bad, 1, 1)]))
            raise AssertionError(f"created {bad}")
        except KafkaException as error:
            same(error.args[0].name(), wanted, f"error for {bad}")
    wait(admin(driver).delete_topics([name]))
    until(lambda: name not in admin(driver).list_topics(timeout=30).topics, "the topic is gone")


def every_acks_and_codec_reads_back_alike(driver):
    for acks in ("0", "1", "all"):
        topic = make_topic(driver, f"acks{acks}", len(CODECS))
        for partition, codec in enumerate(CODECS):
            records = awkward_records(200, seed=partition)
            send(producer(driver, acks=acks, compression_type=codec), topic, records, partition)
            found = read(driver, topic, len(records), partition)
            same([as_record(m) for m in found], records, f"records, acks {acks}, {codec}")
            same([m.offset() for m in found], list(range(200)), "offsets")


def idempotent_records_are_there_once_and_in_order(driver):
    topic = make_topic(driver, "idempotent")
    records = awkward_records(3000, seed=9)
    reports = send(producer(driver, enable_idempotence=True), topic, records)
    same([offset for offset, _ in reports], list(range(3000)), "reported offsets")
    same([as_record(m) for m in read(driver, topic, 3000)], records, "records")


def seek_by_offset_and_by_time(driver):
    topic = make_topic(driver, "seek")
    start = int(time.time() * 1000) - 200_000
    records = [(None, str(i).encode(), [], start + 1000 * i) for i in range(100)]
    send(producer(driver), topic, records[:60])
    send(producer(driver, compression_type="zstd"), topic, records[60:])
    client = consumer(driver)
    for moment, wanted in [(0, 0), (50_000, 50), (50_001, 51), (99_000, 99), (99_001, -1)]:
        (found,) = client.offsets_for_times([TopicPartition(topic, 0, start + moment)], timeout=30)
        same(found.offset, wanted, f"offset for {moment} ms")
    same(client.get_watermark_offsets(TopicPartition(topic, 0), timeout=30), (0, 100), "watermarks")
    client.assign([TopicPartition(topic, 0, 0)])
    same(until(lambda: client.poll(1), "a record").offset(), 0, "first offset")
    client.seek(TopicPartition(topic, 0, 77))
    same(until(lambda: client.poll(1), "a record").value(), b"77", "record after a seek")
    client.close()
    same([m.value() for m in read(driver, topic, 10, start=90)], [str(i).encode() for i in range(90, 100)], "tail")


class Member:
    """A group member that keeps what it was given."""

    def __init__(self, driver, group, topic, protocol):
        settings = {"group.protocol": protocol}
        if protocol == "classic":
            settings |= {"heartbeat.interval.ms": 300, "session.timeout.ms": 6000}
        self.client = consumer(driver, group, **settings)
        self.client.subscribe([topic])
        self.seen = []

    def poll(self, seconds=0.2):
        self.seen.extend((m.partition(), m.offset(), m.value()) for m in good(self.client.consume(200, seconds)))
        return self

    def partitions(self):
        return {p.partition for p in self.client.assignment()}


def group_rebalances_commits_and_resumes(driver, protocol):
    topic, group = make_topic(driver, "group", 4), driver.name(f"group-{protocol}")
    sender = producer(driver)
    for partition in range(4):
        send(sender, topic, plain(100, f"first-{partition}"), partition)
    one = Member(driver, group, topic, protocol)
    until(lambda: one.poll().partitions() == {0, 1, 2, 3}, "one member has everything")
    two = Member(driver, group, topic, protocol)

    def shared():
        first, second = one.poll().partitions(), two.poll().partitions()
        return len(first) == 2 and len(second) == 2 and not first & second

    until(shared, "two members share four partitions")
    description = admin(driver).describe_consumer_groups([group])[group].result(30)
    same(len(description.members), 2, "members described")
    same(description.state.name, "STABLE", "state described")
    two.client.close()
    until(lambda: one.poll().partitions() == {0, 1, 2, 3}, "the rest takes over")
    places = [TopicPartition(topic, p) for p in range(4)]
    until(lambda: [p.offset for p in one.poll().client.position(places)] == [100] * 4, "one member is at every end")
    same(len(set(one.seen + two.seen)), 400, "records seen")
    one.client.commit(asynchronous=False)
    same([p.offset for p in one.client.committed(places, timeout=30)], [100] * 4, "committed")
    one.client.close()
    send(sender, topic, plain(40, "second"), 1)
    three = Member(driver, group, topic, protocol)
    until(lambda: len(three.poll().seen) >= 40, "the new records")
    same(sorted({place[:2] for place in three.poll(0.5).seen}), [(1, o) for o in range(100, 140)], "resumed at")
    three.client.close()


def classic_group_rebalances_commits_and_resumes(driver):
    group_rebalances_commits_and_resumes(driver, "classic")


def consumer_protocol_group_rebalances_commits_and_resumes(driver):
    group_rebalances_commits_and_resumes(driver, "consumer")


def groups_live_through_a_kill(driver):
    for protocol in ("classic", "consumer"):
        topic, group = make_topic(driver, "livegroup", 2), driver.name(f"livegroup-{protocol}")
        send(producer(driver), topic, plain(50))
        member = Member(driver, group, topic, protocol)
        until(lambda: len(member.poll().seen) == 50, "records before the kill")
        member.client.commit(asynchronous=False)
        driver.restart_broker()
        send(producer(driver), topic, plain(50, "later"), 1)
        until(lambda: len(set(member.poll().seen)) >= 100, "the same member goes on after the kill")
        member.client.close()
        after = consumer(driver, group)
        same(after.committed([TopicPartition(topic, 0)], timeout=30)[0].offset, 50, "committed before the kill")
        after.close()


def acked_records_live_through_kills(driver):
    topic = make_topic(driver, "killed", 2)
    acked, failed = {0: [], 1: []}, []

    def report(error, message):
        if error:
            failed.append(str(error))
        else:
            acked[message.partition()].append((message.offset(), message.value()))

    client = producer(driver, enable_idempotence=True, compression_type="lz4", linger_ms=1)
    sent = 0
    for step in range(4):
        for _ in range(2000):
            client.produce(topic, f"{sent}".encode(), partition=sent % 2, on_delivery=report)
            client.poll(0)
            sent += 1
        before = len(acked[0]) + len(acked[1])
        if step < 3:
            until(lambda: client.poll(0.01) or len(acked[0]) + len(acked[1]) > before, "an ack before the kill")
            driver.restart_broker()
    same(client.flush(120), 0, "records without a report")
    same(failed, [], "delivery errors")
    for partition in (0, 1):
        found = [(m.offset(), m.value()) for m in read(driver, topic, sent // 2, partition)]
        wanted = [f"{i}".encode() for i in range(partition, sent, 2)]
        same([value for _, value in found], wanted, "every record once, in order")
        same(sorted(acked[partition]), found, "each is where its ack said")


def admin_sees_and_changes(driver):
    client = admin(driver)
    topic = make_topic(driver, "admin", 2, {"retention.ms": "7200000"})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    same(config_of(client, resource, "retention.ms"), "7200000", "config at creation")
    change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
        ConfigEntry("max.message.bytes", "54321", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)])
    wait(client.incremental_alter_configs([change]))
    same(config_of(client, resource, "max.message.bytes"), "54321", "config after a change")
    same(config_of(client, resource, "retention.ms"), "604800000", "config after a removal")
    wait(client.create_partitions([NewPartitions(topic, 5)]))
    until(lambda: len(client.list_topics(topic, timeout=30).topics[topic].partitions) == 5, "five partitions")
    cluster = client.describe_cluster().result(30)
    same(len(cluster.nodes), 1, "nodes")
    check(cluster.cluster_id, "the cluster has an id")
    send(producer(driver), topic, plain(30), 4)
    (left,) = wait(client.delete_records([TopicPartition(topic, 4, 12)])).values()
    same(left.low_watermark, 12, "low watermark after records are deleted")
    same(read(driver, topic, 18, 4)[0].offset(), 12, "first record that is left")


def config_of(client, resource, name):
    (entries,) = wait(client.describe_configs([resource])).values()
    return entries[name].value


def groups_are_listed_described_moved_and_deleted(driver):
    client = admin(driver)
    topic, group = make_topic(driver, "managed"), driver.name("managed")
    send(producer(driver), topic, plain(20))
    member = consumer(driver, group)
    member.commit(offsets=[TopicPartition(topic, 0, 15)], asynchronous=False)
    member.close()
    listed = client.list_consumer_groups().result(30)
    check(group in {g.group_id for g in listed.valid}, "the group is listed")
    same(client.describe_consumer_groups([group])[group].result(30).state.name, "EMPTY", "state")
    move = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 4)])
    wait(client.alter_consumer_group_offsets([move]))
    (found,) = wait(client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).values()
    same([(p.topic, p.offset) for p in found.topic_partitions], [(topic, 4)], "offsets")
    wait(client.delete_consumer_groups([group]))
    listed = client.list_consumer_groups().result(30)
    check(group not in {g.group_id for g in listed.valid}, "the group is gone")


CASES = [
    topics_come_and_go,
    every_acks_and_codec_reads_back_alike,
    idempotent_records_are_there_once_and_in_order,
    seek_by_offset_and_by_time,
    classic_group_rebalances_commits_and_resumes,
    consumer_protocol_group_rebalances_commits_and_resumes,
    admin_sees_and_changes,
    groups_are_listed_described_moved_and_deleted,
    acked_records_live_through_kills,
    groups_live_through_a_kill,
]

if __name__ == "__main__":
    main(CASES)
