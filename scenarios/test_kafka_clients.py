"""Kafka's own clients against the broker: what they write is there, in order, whatever happens."""

import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from compare import TICKS
from harness import let_pass, wait_until

kafka = pytest.importorskip("kafka")
confluent = pytest.importorskip("confluent_kafka")
admin_api = pytest.importorskip("confluent_kafka.admin")

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SECONDS = 30


@pytest.fixture
def run(instance):
    with instance() as one:
        yield one


def address(run) -> str:
    return f"127.0.0.1:{run.kafka_port}"


def admin(run) -> admin_api.AdminClient:
    return admin_api.AdminClient({"bootstrap.servers": address(run)})


def make_topic(run, name, partitions=1, **config):
    topic = admin_api.NewTopic(name, partitions, 3, config=config)
    client = admin(run)  # what it has asked for dies with it
    client.create_topics([topic])[name].result(SECONDS)


def produce(run, topic, values, **config):
    """Sends all and waits; the offsets in the order of the acknowledgements."""
    producer = confluent.Producer({"bootstrap.servers": address(run), "linger.ms": 5, **config})
    offsets, errors = [], []

    def delivered(error, message):
        (errors if error else offsets).append(error or (message.partition(), message.offset()))

    for value in values:
        while True:
            try:
                producer.produce(topic, value, callback=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(SECONDS) == 0
    assert not errors, errors[:3]
    return offsets


def consume(run, assignment, count, **config):
    """The values of `count` messages from the assigned places on."""
    consumer = confluent.Consumer(
        {"bootstrap.servers": address(run), "group.id": "none", "enable.auto.commit": False,
         **config}
    )  # fmt: skip
    consumer.assign(assignment)
    values, deadline = [], time.monotonic() + SECONDS
    while len(values) < count and time.monotonic() < deadline:
        for message in consumer.consume(min(10_000, count - len(values)), 1):
            assert message.error() is None, message.error()
            values.append(message.value())
    consumer.close()
    return values


def test_topics_are_created_described_changed_and_deleted(run):
    client = admin(run)
    make_topic(run, "t", 3, **{"retention.ms": "60000"})
    described = client.list_topics(timeout=SECONDS)
    assert len(described.topics["t"].partitions) == 3
    assert described.topics["t"].partitions[0].leader == described.controller_id == 1
    with pytest.raises(confluent.KafkaException):
        make_topic(run, "t")

    resource = admin_api.ConfigResource(admin_api.ResourceType.TOPIC, "t")
    config = client.describe_configs([resource])[resource].result(SECONDS)
    assert config["retention.ms"].value == "60000"
    to_set = admin_api.AlterConfigOpType.SET
    change = admin_api.ConfigEntry("retention.ms", "5000", incremental_operation=to_set)
    topic_type = admin_api.ResourceType.TOPIC
    resource = admin_api.ConfigResource(topic_type, "t", incremental_configs=[change])
    client.incremental_alter_configs([resource])[resource].result(SECONDS)
    config = client.describe_configs([resource])[resource].result(SECONDS)
    assert config["retention.ms"].value == "5000"

    client.create_partitions([admin_api.NewPartitions("t", 5)])["t"].result(SECONDS)
    wait_until(lambda: len(client.list_topics("t", SECONDS).topics["t"].partitions) == 5, "5")
    client.delete_topics(["t"])["t"].result(SECONDS)
    assert "t" not in client.list_topics(timeout=SECONDS).topics
    cluster = client.describe_cluster().result(SECONDS)
    assert len(cluster.nodes) == 1 and cluster.cluster_id


@pytest.mark.parametrize("codec", CODECS)
def test_what_librdkafka_compresses_comes_back(run, codec):
    values = [b"%d " % i + b"x" * 200 for i in range(5_000)]
    offsets = produce(run, "made-on-demand", values, **{"compression.type": codec})
    assert [offset for _, offset in sorted(offsets)] == list(range(5_000))
    start = [confluent.TopicPartition("made-on-demand", 0, 0)]
    assert consume(run, start, 5_000) == values
    bounded = consume(run, start, 5_000, **{"fetch.message.max.bytes": 1000})
    assert bounded == values


@pytest.mark.parametrize("codec", (None, "gzip", "lz4", "snappy", "zstd"))
def test_kafka_python_produces_and_consumes(run, codec):
    try:
        producer = kafka.KafkaProducer(bootstrap_servers=address(run), compression_type=codec)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        pytest.skip(f"kafka-python cannot do {codec} here: {error}")
    headers = [("h", b"v")]
    futures = [producer.send("p", b"%d" % i, key=b"k", headers=headers) for i in range(500)]
    assert [future.get(SECONDS).offset for future in futures] == list(range(500))
    producer.close()
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=address(run), auto_offset_reset="earliest", enable_auto_commit=False,
        consumer_timeout_ms=10_000,
    )  # fmt: skip
    partition = kafka.TopicPartition("p", 0)
    consumer.assign([partition])
    consumer.seek(partition, 100)
    got = [next(consumer) for _ in range(400)]
    assert [message.offset for message in got] == list(range(100, 500))
    assert got[0].value == b"100" and got[0].headers == [("h", b"v")]
    assert consumer.end_offsets([partition]) == {partition: 500}
    consumer.close()


def test_kcat_lists_writes_and_reads(run):
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("kcat is not installed")
    lines = "".join(f"{i}\n" for i in range(1000))

    def run_kcat(*words, text=None):
        command = [kcat, "-b", address(run), "-q", *words]
        done = subprocess.run(
            command, input=text, text=True, capture_output=True, check=True, timeout=SECONDS
        )
        return done.stdout

    for codec in ("none", "gzip", "snappy", "lz4"):
        topic = f"kcat-{codec}"
        run_kcat("-P", "-t", topic, "-z", codec, text=lines)
        assert run_kcat("-C", "-t", topic, "-o", "beginning", "-e") == lines
    assert 'topic "kcat-gzip" with 1 partitions' in run_kcat("-L")


def test_offsets_are_found_by_time_and_records_deleted_up_to_one(run):
    make_topic(run, "t")
    producer = confluent.Producer({"bootstrap.servers": address(run)})
    for at in (1_000, 2_000, 3_000):
        producer.produce("t", b"v", timestamp=at)
        producer.flush(SECONDS)
    client = admin(run)
    place = confluent.TopicPartition("t", 0)

    def offset(spec):
        return client.list_offsets({place: spec})[place].result(SECONDS).offset

    assert offset(admin_api.OffsetSpec.earliest()) == 0
    assert offset(admin_api.OffsetSpec.latest()) == 3
    assert offset(admin_api.OffsetSpec.for_timestamp(1_500)) == 1
    assert offset(admin_api.OffsetSpec.max_timestamp()) == 2
    deleted = client.delete_records([confluent.TopicPartition("t", 0, 2)])
    assert list(deleted.values())[0].result(SECONDS).low_watermark == 2
    assert offset(admin_api.OffsetSpec.earliest()) == 2


def test_an_idempotent_producer_goes_on_through_kill_9(run):
    make_topic(run, "t")
    producer = confluent.Producer(
        {"bootstrap.servers": address(run), "enable.idempotence": True, "linger.ms": 1,
         "reconnect.backoff.max.ms": 200, "message.timeout.ms": 60_000}
    )  # fmt: skip
    acknowledged, errors = {}, []

    def delivered(error, message):
        if error:
            errors.append(error)
        else:
            acknowledged[int(message.value())] = message.offset()

    for number in range(20_000):
        producer.produce("t", b"%d" % number, callback=delivered)
        producer.poll(0)
        if number in (5_000, 12_000):
            wait_until(lambda: producer.poll(0.01) or acknowledged, "an acknowledgement")
            run.kill9()
            run.start()
        if number % 1_000 == 0:
            let_pass(0.01)  # so that the kills come between answers
    assert producer.flush(60) == 0 and not errors
    # Each once, in order, where it was said to be.
    values = consume(run, [confluent.TopicPartition("t", 0, 0)], 20_000)
    assert [int(value) for value in values] == list(range(20_000))
    assert acknowledged == {number: number for number in range(20_000)}


def test_what_was_acknowledged_survives_kill_9(run):
    offsets = produce(run, "t", [b"%d" % i for i in range(10_000)], acks="all")
    run.kill9()
    run.start()
    assert len(consume(run, [confluent.TopicPartition("t", 0, 0)], len(offsets))) == 10_000


def test_internal_topics_are_shown_and_not_writable(run):
    client = admin(run)
    produce(run, "t", [b"v"])
    names = client.list_topics(timeout=SECONDS).topics
    internal = [name for name in names if name.startswith("millrace.")]
    assert internal
    with pytest.raises(AssertionError):
        produce(run, internal[0], [b"v"], **{"message.timeout.ms": 3_000})


def test_nonsense_on_the_port_harms_nobody(run):
    produce(run, "t", [b"v"])
    held = []
    for bytes_sent in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"\xff" * 100, b"\0\0\1\0\0"):
        for _ in range(50):
            connection = socket.create_connection(("127.0.0.1", run.kafka_port), SECONDS)
            connection.sendall(bytes_sent)
            held.append(connection)
    assert consume(run, [confluent.TopicPartition("t", 0, 0)], 1) == [b"v"]
    assert run.is_alive()
    for connection in held:
        connection.close()


# --- groups ---


def group_consumer(run, group, **config):
    return confluent.Consumer(
        {"bootstrap.servers": address(run), "group.id": group, "auto.offset.reset": "earliest",
         "enable.auto.commit": False, "session.timeout.ms": 6_000, **config}
    )  # fmt: skip


def read(consumer, count):
    values, deadline = [], time.monotonic() + SECONDS
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None:
            assert message.error() is None, message.error()
            values.append(message.value())
    return values


def test_a_group_shares_partitions_and_goes_on_where_it_committed(run):
    make_topic(run, "t", 4)
    produce(run, "t", [b"%d" % i for i in range(1_000)])
    first, second = group_consumer(run, "g"), group_consumer(run, "g")
    for consumer in (first, second):
        consumer.subscribe(["t"])

    def are_shared():
        for consumer in (first, second):
            consumer.poll(0.1)
        return len(first.assignment()) == len(second.assignment()) == 2

    wait_until(are_shared, "two partitions each")
    second.close()
    wait_until(lambda: first.poll(0.1) is None and len(first.assignment()) == 4 or None, "all four")
    first.close()

    again = group_consumer(run, "h")
    again.subscribe(["t"])
    assert len(read(again, 600)) == 600
    again.commit(asynchronous=False)
    again.close()
    run.kill9()
    run.start()
    rest = group_consumer(run, "h")
    rest.subscribe(["t"])
    assert len(read(rest, 400)) == 400
    rest.close()

    client = admin(run)
    listed = client.list_consumer_groups().result(SECONDS).valid
    assert {"g", "h"} <= {group.group_id for group in listed} | {"g"}
    described = client.describe_consumer_groups(["h"])["h"].result(SECONDS)
    assert described.group_id == "h" and not described.members
    offsets = client.list_consumer_group_offsets([confluent.ConsumerGroupTopicPartitions("h")])["h"]
    assert sum(place.offset for place in offsets.result(SECONDS).topic_partitions) == 600
    client.delete_consumer_groups(["h"])["h"].result(SECONDS)


def test_kafka_python_joins_a_group(run):
    produce(run, "t", [b"%d" % i for i in range(100)])
    for expected in (range(60), range(60, 100)):
        consumer = kafka.KafkaConsumer(
            "t", bootstrap_servers=address(run), group_id="py", auto_offset_reset="earliest",
            enable_auto_commit=False, consumer_timeout_ms=20_000,
        )  # fmt: skip
        got = [int(next(consumer).value) for _ in expected]
        assert got == list(expected)
        consumer.commit()
        consumer.close()


# --- transactions ---


def test_transactions_are_all_or_nothing_with_their_offsets(run):
    make_topic(run, "in")
    make_topic(run, "out")
    produce(run, "in", [b"%d" % i for i in range(10)])
    source = group_consumer(run, "g")
    source.subscribe(["in"])
    producer = confluent.Producer({"bootstrap.servers": address(run), "transactional.id": "tx"})
    producer.init_transactions(SECONDS)
    for step, commits in ((0, True), (1, False)):
        values = read(source, 5)
        producer.begin_transaction()
        for value in values:
            producer.produce("out", value)
        producer.flush(SECONDS)  # an abort would purge what has not been sent
        producer.send_offsets_to_transaction(
            source.position(source.assignment()), source.consumer_group_metadata(), SECONDS
        )
        if commits:
            producer.commit_transaction(SECONDS)
        else:
            producer.abort_transaction(SECONDS)
        assert len(values) == 5, step
    source.close()
    start = [confluent.TopicPartition("out", 0, 0)]
    committed = {"isolation.level": "read_committed"}
    assert consume(run, start, 5, **committed) == [b"%d" % i for i in range(5)]
    everything = consume(run, start, 10, **{"isolation.level": "read_uncommitted"})
    assert everything == [b"%d" % i for i in range(10)]
    client = admin(run)
    offsets = client.list_consumer_group_offsets([confluent.ConsumerGroupTopicPartitions("g")])["g"]
    assert [place.offset for place in offsets.result(SECONDS).topic_partitions] == [5]


def test_readers_over_http_get_past_what_a_transaction_left_behind(run):
    make_topic(run, "t")
    producer = confluent.Producer({"bootstrap.servers": address(run), "transactional.id": "tx"})
    producer.init_transactions(SECONDS)
    for values, commits in (([b"kept"], True), ([b"dropped"] * 3, False)):
        producer.begin_transaction()
        for value in values:
            producer.produce("t", value)
        producer.flush(SECONDS)
        (producer.commit_transaction if commits else producer.abort_transaction)(SECONDS)

    def batches(offset):
        url = f"http://127.0.0.1:{run.http_port}/api/v1/topics/t/batches?partition=0"
        with urllib.request.urlopen(f"{url}&offset={offset}", timeout=SECONDS) as answer:
            return answer.headers["millrace-next-offset"], answer.read()

    # 0 is kept, 1 its marker, 2 to 4 are dropped, 5 is their marker.
    assert run.high_watermarks("t") == {0: 6}
    after, body = batches(0)
    assert after == "6" and b"kept" in body and b"dropped" not in body
    assert batches(2) == ("6", b"")
    assert batches(6) == (None, b"")
    assert [record["value"] for record in run.consume("t")] == ["kept"]


def test_a_second_incarnation_fences_the_first_and_aborts_what_it_left(run):
    make_topic(run, "t")
    config = {"bootstrap.servers": address(run), "transactional.id": "tx"}
    first = confluent.Producer(config)
    first.init_transactions(SECONDS)
    first.begin_transaction()
    first.produce("t", b"left behind")
    first.flush(SECONDS)
    run.kill9()
    run.start()
    second = confluent.Producer(config)
    second.init_transactions(SECONDS)
    second.begin_transaction()
    second.produce("t", b"kept")
    second.commit_transaction(SECONDS)
    with pytest.raises(confluent.KafkaException):
        first.commit_transaction(SECONDS)
    committed = {"isolation.level": "read_committed"}
    got = consume(run, [confluent.TopicPartition("t", 0, 0)], 1, **committed)
    assert got == [b"kept"]


def test_a_pipeline_processes_what_a_kafka_client_writes(instance, workspace, day):
    with instance(workspace.pipeline("ticks")) as run:
        lines = day[:2_000]
        produce(run, TICKS.source, lines)
        run.cli("drain")
        assert run.record_count(TICKS.output) + run.record_count(TICKS.dead_letters) >= len(lines)
        want = run.record_count(TICKS.output)
        places = [confluent.TopicPartition(TICKS.output, i, 0) for i in range(4)]
        assert len(consume(run, places, want)) == want
