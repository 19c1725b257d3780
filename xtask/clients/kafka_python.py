"""kafka-python against a broker: a client written without librdkafka, classic groups only."""

import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import InvalidTopicError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

from harness import CODECS, awkward_records, check, main, same, until


def admin(driver):
    if driver.admin is None:
        driver.admin = KafkaAdminClient(bootstrap_servers=driver.address)
    return driver.admin


def make_topic(driver, stem, partitions=1, config=None):
    name = driver.name(stem)
    admin(driver).create_topics([NewTopic(name, partitions, 1, topic_configs=config or {})])
    return name


def producer(driver, **settings):
    return KafkaProducer(bootstrap_servers=driver.address, linger_ms=5, **settings)


def consumer(driver, group=None, **settings):
    return KafkaConsumer(bootstrap_servers=driver.address, group_id=group, enable_auto_commit=False,
                         auto_offset_reset="earliest", **settings)


def send(client, topic, records, partition=0):
    """Sends and waits for every report; what the broker answered for each."""
    futures = []
    for key, value, headers, timestamp in records:
        # This producer refuses a record that has neither key nor value, and headers without a value.
        futures.append(client.send(topic, value, key, headers, partition, timestamp))
    client.flush(60)
    return [future.get(timeout=60) for future in futures]


def sendable(records):
    """What this client can express: a value of null needs a key, and a header needs a value."""
    return [(key if value is not None else b"k", value, [(n, v) for n, v in headers if v is not None], when)
            for key, value, headers, when in records]


def read(driver, topic, count, partition=0, start=0):
    """`count` records of a partition, and then nothing more."""
    client, place = consumer(driver), TopicPartition(topic, partition)
    client.assign([place])
    client.seek(place, start)
    found = []

    def more():
        found.extend(client.poll(500).get(place, []))
        return len(found) >= count

    until(more, f"{count} records of {topic}")
    found.extend(client.poll(300).get(place, []))
    client.close()
    same(len(found), count, f"records of {topic}")
    return found


def as_record(record):
    return (record.key, record.value, list(record.headers), record.timestamp)


def plain(count, stem="r"):
    return [(None, f"{stem}-{i}".encode(), [], None) for i in range(count)]


def topics_come_and_go(driver):
    name = make_topic(driver, "topics", 3)
    (found,) = admin(driver).describe_topics([name])
    same(len(found["partitions"]), 3, "partitions")
    for bad, wanted in [(name, TopicAlreadyExistsError), ("no/slash", InvalidTopicError)]:
        try:
            admin(driver).create_topics([NewTopic(bad, 1, 1)])
            raise AssertionError(f"created {bad}")
        except wanted:
            pass
    admin(driver).delete_topics([name])
    until(lambda: name not in names(admin(driver).list_topics()), "the topic is gone")


def names(topics):
    return {topic["name"] if isinstance(topic, dict) else topic for topic in topics}


def every_acks_and_codec_reads_back_alike(driver):
    for acks in (0, 1, "all"):
        topic = make_topic(driver, f"acks{acks}", len(CODECS))
        for partition, codec in enumerate(CODECS):
            records = sendable(awkward_records(200, seed=partition))
            client = producer(driver, acks=acks, compression_type=None if codec == "none" else codec,
                              enable_idempotence=False)
            send(client, topic, records, partition)
            client.close()
            found = read(driver, topic, len(records), partition)
            same([as_record(r) for r in found], records, f"records, acks {acks}, {codec}")
            same([r.offset for r in found], list(range(200)), "offsets")


def idempotent_records_are_there_once_and_in_order(driver):
    topic = make_topic(driver, "idempotent")
    records = sendable(awkward_records(2000, seed=9))
    client = producer(driver, acks="all", enable_idempotence=True)
    same([answer.offset for answer in send(client, topic, records)], list(range(2000)), "reported offsets")
    client.close()
    same([as_record(r) for r in read(driver, topic, 2000)], records, "records")


def seek_by_offset_and_by_time(driver):
    topic = make_topic(driver, "seek")
    start = int(time.time() * 1000) - 200_000
    client = producer(driver)
    send(client, topic, [(None, str(i).encode(), [], start + 1000 * i) for i in range(100)])
    client.close()
    reader, place = consumer(driver), TopicPartition(topic, 0)
    for moment, wanted in [(0, 0), (50_000, 50), (50_001, 51), (99_000, 99), (99_001, None)]:
        found = reader.offsets_for_times({place: start + moment})[place]
        same(found and found.offset, wanted, f"offset for {moment} ms")
    same((reader.beginning_offsets([place])[place], reader.end_offsets([place])[place]), (0, 100), "ends")
    reader.close()
    same([r.value for r in read(driver, topic, 23, start=77)], [str(i).encode() for i in range(77, 100)], "tail")


class Member:
    """A group member that keeps what it was given."""

    def __init__(self, driver, group, topic):
        self.client = consumer(driver, group, heartbeat_interval_ms=300, session_timeout_ms=6000)
        self.client.subscribe([topic])
        self.seen = []

    def poll(self, milliseconds=200):
        for place, records in self.client.poll(milliseconds).items():
            self.seen.extend((place.partition, record.offset) for record in records)
        return self

    def partitions(self):
        return {place.partition for place in self.client.assignment()}


def group_rebalances_commits_and_resumes(driver):
    topic, group = make_topic(driver, "group", 4), driver.name("group")
    sender = producer(driver)
    for partition in range(4):
        send(sender, topic, plain(100), partition)
    one = Member(driver, group, topic)
    until(lambda: one.poll().partitions() == {0, 1, 2, 3}, "one member has everything")
    two = Member(driver, group, topic)

    def shared():
        first, second = one.poll().partitions(), two.poll().partitions()
        return len(first) == 2 and len(second) == 2 and not first & second

    until(shared, "two members share four partitions")
    described = admin(driver).describe_groups([group])[group]
    same((described["group_state"], len(described["members"])), ("Stable", 2), "state and members")
    two.client.close()
    until(lambda: one.poll().partitions() == {0, 1, 2, 3}, "the rest takes over")
    places = [TopicPartition(topic, p) for p in range(4)]
    until(lambda: [one.poll().client.position(p) for p in places] == [100] * 4, "one member is at every end")
    same(len(set(one.seen + two.seen)), 400, "records seen")
    one.client.commit()
    same([one.client.committed(place) for place in places], [100] * 4, "committed")
    one.client.close()
    send(sender, topic, plain(40), 1)
    sender.close()
    three = Member(driver, group, topic)
    until(lambda: len(three.poll().seen) >= 40, "the new records")
    same(sorted(set(three.poll(500).seen)), [(1, o) for o in range(100, 140)], "resumed at")
    three.client.close()


def admin_sees_and_changes(driver):
    client = admin(driver)
    topic = make_topic(driver, "admin", 2, {"retention.ms": "7200000"})
    same(config_of(client, topic, "retention.ms"), "7200000", "config at creation")
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "54321"})],
                         incremental=True)
    same(config_of(client, topic, "max.message.bytes"), "54321", "config after a change")
    same(config_of(client, topic, "retention.ms"), "7200000", "the other config")
    client.create_partitions({topic: 5})
    until(lambda: len(client.describe_topics([topic])[0]["partitions"]) == 5, "five partitions")
    cluster = client.describe_cluster()
    same(len(cluster["brokers"]), 1, "brokers")
    sender = producer(driver)
    send(sender, topic, plain(30), 4)
    sender.close()
    client.delete_records({TopicPartition(topic, 4): 12})
    same(read(driver, topic, 18, 4, start=12)[0].offset, 12, "first record that is left")


def config_of(client, topic, name):
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    found = client.describe_configs([resource], config_filter="all")
    entries = next(iter(found.values()))
    return next(iter(entries.values()))[name]["value"] if topic in entries else entries[name]["value"]


def groups_are_listed_described_moved_and_deleted(driver):
    client = admin(driver)
    topic, group = make_topic(driver, "managed"), driver.name("managed")
    sender = producer(driver)
    send(sender, topic, plain(20))
    sender.close()
    place = TopicPartition(topic, 0)
    member = consumer(driver, group)
    member.assign([place])
    member.commit({place: OffsetAndMetadata(15, "half way", -1)})
    member.close()
    check(group in {found["group_id"] for found in client.list_groups()}, "the group is listed")
    same(client.describe_groups([group])[group]["group_state"], "Empty", "state")
    found = client.list_group_offsets({group: None})[group][place]
    same((found.offset, found.metadata), (15, "half way"), "offset and metadata")
    client.alter_group_offsets(group, {place: OffsetAndMetadata(4, "", -1)})
    same(client.list_group_offsets({group: None})[group][place].offset, 4, "moved offset")
    client.delete_groups([group])
    check(group not in {found["group_id"] for found in client.list_groups()}, "the group is gone")


def acked_records_live_through_kills(driver):
    topic = make_topic(driver, "killed", 2)
    client = producer(driver, acks="all", enable_idempotence=True, delivery_timeout_ms=110_000)
    futures = []
    for step in range(3):
        for _ in range(600):
            index = len(futures)
            futures.append(client.send(topic, f"{index}".encode(), partition=index % 2))
        if step < 2:
            first = futures[step * 600]
            until(lambda: first.is_done or time.sleep(0.002), "an ack before the kill")
            driver.restart_broker()
    client.flush(120)
    answers = [future.get(timeout=120) for future in futures]
    client.close()
    for partition in (0, 1):
        found = [(r.offset, r.value) for r in read(driver, topic, len(futures) // 2, partition)]
        wanted = [(answers[i].offset, f"{i}".encode()) for i in range(partition, len(futures), 2)]
        same(found, wanted, "every record once, in order, where its ack said")


def groups_live_through_a_kill(driver):
    topic, group = make_topic(driver, "livegroup", 2), driver.name("livegroup")
    sender = producer(driver)
    send(sender, topic, plain(50))
    member = Member(driver, group, topic)
    until(lambda: len(member.poll().seen) == 50, "records before the kill")
    member.client.commit()
    driver.restart_broker()
    send(sender, topic, plain(50), 1)
    sender.close()
    until(lambda: len(set(member.poll().seen)) >= 100, "the same member goes on after the kill")
    member.client.close()
    after = consumer(driver, group)
    same(after.committed(TopicPartition(topic, 0)), 50, "committed before the kill")
    after.close()


CASES = [
    topics_come_and_go,
    every_acks_and_codec_reads_back_alike,
    idempotent_records_are_there_once_and_in_order,
    seek_by_offset_and_by_time,
    group_rebalances_commits_and_resumes,
    admin_sees_and_changes,
    groups_are_listed_described_moved_and_deleted,
    acked_records_live_through_kills,
    groups_live_through_a_kill,
]

if __name__ == "__main__":
    main(CASES)
