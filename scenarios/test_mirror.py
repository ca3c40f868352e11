"""Topics copied between Apache Kafka and an instance, both ways, while all of it dies: each record
once, in order, with its key, headers, timestamp and partition."""

import json
import random
import subprocess
import sys
import threading

import pytest
from compare import expect
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from harness import Failed, let_pass, wait_until
from workspace import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from apache_kafka import ApacheKafka, free_ports  # noqa: E402

PARTITIONS = 3
FEED_SECONDS = 9
FEED_PER_SECOND = 600
START_MS = 1_600_000_000_000
OK, FAILED, USAGE, _, NO_INSTANCE = range(5)
# Records have old times; by default brokers would delete them.
KEPT = {"retention.ms": "-1"}


@pytest.fixture(scope="module")
def kafka(kafka_jars, tmp_path_factory):
    with ApacheKafka(kafka_jars, tmp_path_factory.mktemp("kafka") / "broker") as broker:
        yield broker


@pytest.fixture
def run(instance, workspace):
    """An instance whose pipeline has nothing to do with what is copied."""
    return instance(workspace.pipeline("orders")).start()


def kafka_address(run):
    return f"127.0.0.1:{run.kafka_port}"


def make_topic(address, topic, partitions=PARTITIONS, **config):
    admin = AdminClient({"bootstrap.servers": address, "log_level": 2})
    new = NewTopic(topic, partitions, 1, config={**KEPT, **config})
    for made in admin.create_topics([new]).values():
        made.result()
    return admin


class Source:
    """Writes records of every kind and remembers, per partition, those that are committed."""

    def __init__(self, address, topic, seed):
        self.random = random.Random(seed)
        self.address, self.topic = address, topic
        self.rows = [[] for _ in range(PARTITIONS)]
        self.count = 0
        self.plain = Producer({
            "bootstrap.servers": address, "log_level": 2, "enable.idempotence": True,
        })  # fmt: skip
        self.transactional = Producer({
            "bootstrap.servers": address, "log_level": 2, "transactional.id": f"{topic}-source",
        })  # fmt: skip
        self.transactional.init_transactions(60)

    def record(self):
        draw = self.random.randrange
        self.count += 1
        key = [None, b"", b"\xff\x00", f"key-{draw(20)}".encode()][draw(4)]
        value = [None, b"", f"value {self.count}".encode(), bytes([draw(256)]) * draw(300)][
            min(draw(20), 3)
        ]
        headers = [(f"h{draw(2)}", [None, b"", b"\x80", b"text"][draw(4)]) for _ in range(draw(4))]
        return draw(PARTITIONS), key, value, headers, START_MS + draw(10**11)

    def send(self, producer, row):
        partition, key, value, headers, time_ms = row
        producer.produce(self.topic, value, key, partition, timestamp=time_ms, headers=headers)

    def write(self, count):
        """So many more; of ten groups one is an aborted transaction, two committed ones."""
        while count > 0:
            rows = [self.record() for _ in range(min(count, 1 + self.random.randrange(40)))]
            kind = self.random.randrange(10)
            producer = self.plain if kind > 2 else self.transactional
            if kind <= 2:
                producer.begin_transaction()
            for row in rows:
                self.send(producer, row)
            producer.flush(60)
            if kind == 0:
                producer.abort_transaction(60)
                continue
            if kind <= 2:
                producer.commit_transaction(60)
            for partition, *rest in rows:
                self.rows[partition].append(tuple(rest))
            count -= len(rows)

    def feed(self):
        """In the background for FEED_SECONDS; a thread to be joined."""

        def write():
            for _ in range(FEED_SECONDS * 10):
                self.write(FEED_PER_SECOND // 10)
                let_pass(0.1)

        thread = threading.Thread(target=write)
        thread.start()
        return thread


def read(address, topic):
    """Per partition what a read_committed consumer gets."""
    consumer = Consumer({
        "bootstrap.servers": address, "log_level": 2, "group.id": "reader",
        "isolation.level": "read_committed", "enable.partition.eof": True,
        "enable.auto.commit": False, "auto.offset.reset": "earliest",
    })  # fmt: skip
    consumer.assign([TopicPartition(topic, at, 0) for at in range(PARTITIONS)])
    rows, ended = [[] for _ in range(PARTITIONS)], set()
    while len(ended) < PARTITIONS:
        message = consumer.poll(30)
        expect(message is not None, f"{topic} cannot be read")
        if message.error() is None:
            headers = message.headers() or []
            kept = (message.key(), message.value(), headers, message.timestamp()[1])
            rows[message.partition()].append(kept)
        else:
            expect(message.error().code() == KafkaError._PARTITION_EOF, str(message.error()))
            ended.add(message.partition())
    consumer.close()
    return rows


def expect_copied(source, address):
    for partition, (got, want) in enumerate(
        zip(read(address, source.topic), source.rows, strict=True)
    ):
        for at, (mine, theirs) in enumerate(zip(got, want, strict=False)):
            expect(mine == theirs, f"partition {partition}, record {at}: {mine} is not {theirs}")
        expect(len(got) == len(want), f"partition {partition}: {len(got)}, not {len(want)}")
    expect(sum(map(len, source.rows)) > 50, "hardly anything was copied")


def mirror(run, direction, kafka, *topics_and_options):
    return ["mirror", direction, *topics_and_options, "--kafka", kafka.address]


class Following:
    """`mirror --follow` in the background, which dies now and then."""

    def __init__(self, run, command):
        self.run, self.command = run, command
        self.process = None
        self.start()

    def start(self):
        self.process = self.run.cli_background(*self.command, "--follow")

    def kill_and_start(self):
        expect(self.process.poll() is None, f"ended by itself: {self.process.poll()}")
        self.stop()
        self.start()

    def stop(self):
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("direction", ["in", "out"])
def test_nothing_is_lost_doubled_or_changed_while_all_of_it_dies(kafka, run, direction):
    topic = f"kinds-{direction}"
    addresses = {"in": [kafka.address, kafka_address(run)]}
    addresses["out"] = addresses["in"][::-1]
    at, to = addresses[direction]
    make_topic(at, topic)
    source = Source(at, topic, seed=31)
    source.write(200)
    command = mirror(run, direction, kafka, topic, "--name", f"all-{direction}")
    # Topics that the mirror makes keep their records by the source's configuration.
    found = run.cli(*command)
    expect(found["records"] == sum(map(len, source.rows)), f"{found}")
    following = Following(run, command)
    feed = source.feed()
    try:
        moments = random.Random()
        while feed.is_alive():
            let_pass(moments.uniform(0.1, 1.5))
            following.kill_and_start()
        feed.join()
        # What was copied once waits for both sides; a side that is not there at first is an error.
        wait_until(lambda: sum(map(len, read(to, topic))) == sum(map(len, source.rows)), "copied")
        for _ in range(2):
            source.write(1500)
            let_pass(moments.uniform(0, 0.5))
            run.kill9()
            run.start()
            kafka.broker.kill()
            kafka.broker.start()
        wanted = [len(rows) for rows in source.rows]

        def is_copied():
            if following.process.poll() is not None:
                raise Failed(f"ended by itself: {following.process.communicate()}")
            return [len(rows) for rows in read(to, topic)] == wanted

        try:
            wait_until(is_copied, "all copied", 120)
        except Failed as failed:
            got = [len(rows) for rows in read(to, topic)]
            raise Failed(f"{failed}: {got}, not {wanted}") from None
    finally:
        following.stop()
    expect_copied(source, to)
    again = run.cli(*command)
    expect(again["records"] == 0, f"copied again: {again}")
    expect_copied(source, to)


def fails(run, command, code):
    done = subprocess.run(
        run.verb(*command), cwd=run.cwd, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    expect(done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}")
    return done.stderr


def delete_records(address, topic, partition, before):
    admin = AdminClient({"bootstrap.servers": address, "log_level": 2})
    asked = admin.delete_records([TopicPartition(topic, partition, before)])
    for deleted in asked.values():
        deleted.result()


def test_a_gap_is_an_error_until_it_is_accepted(kafka, run):
    make_topic(kafka.address, "gap")
    source = Source(kafka.address, "gap", seed=5)
    source.write(300)
    command = mirror(run, "in", kafka, "gap", "--name", "gap")
    run.cli(*command)
    copied = [list(rows) for rows in source.rows]
    source.write(300)
    [first] = [one for one in run.cli(*command)["partitions"] if one["partition"] == 0]
    copied = [list(rows) for rows in source.rows]
    source.rows = [[] for _ in range(PARTITIONS)]
    source.write(400)
    deleted = first["position"] + 20
    delete_records(kafka.address, "gap", 0, deleted)
    said = fails(run, command, FAILED)
    expect(f"offsets {first['position']} to {deleted - 1} of gap/0" in said, said)
    expect("--accept-gap" in said, said)
    run.cli(*command, "--accept-gap")
    left = read(kafka.address, "gap")[0]
    expect(0 < len(left) < len(source.rows[0]), "nothing was deleted")
    source.rows[0] = left
    source.rows = [before + after for before, after in zip(copied, source.rows, strict=True)]
    expect_copied(source, kafka_address(run))


def test_what_does_not_fit_is_refused(kafka, run):
    address = kafka_address(run)
    make_topic(kafka.address, "narrow")
    make_topic(address, "narrow", 2)
    said = fails(run, mirror(run, "in", kafka, "narrow"), USAGE)
    expect("has 3 partitions in the source and 2 in the target" in said, said)
    said = fails(run, mirror(run, "in", kafka, "nowhere"), FAILED)
    expect("nowhere" in said, said)
    said = fails(run, mirror(run, "out", kafka, "nowhere"), FAILED)
    expect("nowhere" in said, said)
    [port] = free_ports(1)
    said = fails(run, ["mirror", "in", "t", "--kafka", f"127.0.0.1:{port}"], FAILED)
    expect(f"no broker answers at 127.0.0.1:{port}" in said, said)
    expect("which cluster?" in fails(run, ["mirror", "in", "t"], USAGE), "no cluster")
    said = fails(run, mirror(run, "in", kafka, "t", "--name", "a/b"), USAGE)
    expect("--name must be" in said, said)


def test_records_without_a_position_are_copied_only_if_told(kafka, run):
    make_topic(kafka.address, "unknown")
    source = Source(kafka.address, "unknown", seed=6)
    source.write(100)
    run.cli(*mirror(run, "in", kafka, "unknown", "--name", "first"))
    other = mirror(run, "in", kafka, "unknown", "--name", "second")
    said = fails(run, other, FAILED)
    expect("has records, but no position of mirror second" in said, said)
    run.cli(*other, "--start-anew")
    source.rows = [rows * 2 for rows in source.rows]
    expect_copied(source, kafka_address(run))
    said = fails(run, mirror(run, "out", kafka, "unknown", "--name", "second"), FAILED)
    expect("the other way round" in said, said)


def test_a_topic_that_was_made_anew_is_not_gone_on_with(kafka, run):
    admin = make_topic(kafka.address, "anew")
    source = Source(kafka.address, "anew", seed=7)
    source.write(100)
    command = mirror(run, "in", kafka, "anew", "--name", "anew")
    run.cli(*command)
    admin.delete_topics(["anew"])["anew"].result()
    wait_until(lambda: "anew" not in admin.list_topics(timeout=10).topics, "deleted")
    make_topic(kafka.address, "anew")
    Source(kafka.address, "anew", seed=8).write(500)
    said = fails(run, command, FAILED)
    expect("was deleted in the source and made again" in said, said)


def test_a_second_process_ends_the_first(kafka, run):
    make_topic(kafka.address, "twice")
    source = Source(kafka.address, "twice", seed=9)
    source.write(100)
    command = mirror(run, "in", kafka, "twice", "--name", "twice")
    first = run.cli_background(*command, "--follow")
    wait_until(lambda: run.record_count("twice") >= 100, "copied")
    run.cli(*command)
    source.write(100)
    out, err = first.communicate(timeout=60)
    expect(first.returncode == FAILED, f"{first.returncode} {err}")
    expect("another process mirrors under the name twice" in err, err)
    expect(all("records" in json.loads(line) for line in out.splitlines()), out)
    run.cli(*command)
    expect_copied(source, kafka_address(run))


def test_topics_that_are_made_have_the_sources_configuration(kafka, run):
    make_topic(kafka.address, "compacted", **{"cleanup.policy": "compact"})
    run.cli(*mirror(run, "in", kafka, "compacted", "--name", "compacted"))
    [found] = [one for one in run.cli("topics")["topics"] if one["topic"] == "compacted"]
    expect(len(found["offsets"]) == PARTITIONS, f"{found}")
    expect("compact" in json.dumps(found), f"{found}")


def test_without_an_instance_it_says_so(kafka, run):
    run.terminate()
    said = fails(run, mirror(run, "in", kafka, "t"), NO_INSTANCE)
    expect("127.0.0.1" in said or "instance" in said, said)
