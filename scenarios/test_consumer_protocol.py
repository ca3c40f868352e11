"""Consumer groups of Kafka's newer protocol (KIP-848): the broker assigns, librdkafka follows."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from consumer_heartbeats import GROUP_MAX_SIZE_REACHED, LEAVE, Connection, settle
from consumer_heartbeats import Member as BareMember
from harness import wait_until

confluent = pytest.importorskip("confluent_kafka")
admin_api = pytest.importorskip("confluent_kafka.admin")

SECONDS = 60
SESSION_MS = 6_000


@pytest.fixture
def run(instance, workspace):
    """A broker whose members are told to be quick."""
    settings = {"consumer_session_timeout_ms": SESSION_MS, "consumer_heartbeat_interval_ms": 500}
    config = workspace.folder / "groups.json"
    config.write_text(json.dumps({"kafka": settings}))
    with instance(extra=["--config", str(config)]) as one:
        yield one


def address(run) -> str:
    return f"127.0.0.1:{run.kafka_port}"


def admin(run) -> admin_api.AdminClient:
    return admin_api.AdminClient({"bootstrap.servers": address(run)})


def make_topic(run, name, partitions):
    client = admin(run)  # what it has asked for dies with it
    client.create_topics([admin_api.NewTopic(name, partitions, 1)])[name].result(SECONDS)


def produce(run, topic, count, partitions):
    producer = confluent.Producer({"bootstrap.servers": address(run), "linger.ms": 5})
    for i in range(count):
        producer.produce(topic, b"%d" % i, partition=i % partitions)
    assert producer.flush(SECONDS) == 0


def cpu_seconds(run) -> float:
    fields = Path(f"/proc/{run.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Member:
    """A consumer, with what it was given and what it read."""

    def __init__(self, run, topics, **config):
        self.values = []
        self.consumer = confluent.Consumer(
            {"bootstrap.servers": address(run), "group.id": "g", "group.protocol": "consumer",
             "auto.offset.reset": "earliest", "enable.auto.commit": False, **config}
        )  # fmt: skip
        self.consumer.subscribe(topics)

    def poll(self) -> None:
        message = self.consumer.poll(0.05)
        if message is not None and message.error() is None:
            self.values.append(message.value())

    def has(self) -> set:
        return {(place.topic, place.partition) for place in self.consumer.assignment()}


@contextlib.contextmanager
def members(*each):
    """Closes them, whatever happens."""
    try:
        yield each
    finally:
        for member in each:
            member.consumer.close()


def until(condition, what, *each):
    """Polls the members until the condition holds."""

    def holds():
        for member in each:
            member.poll()
        return condition()

    wait_until(holds, what, SECONDS)


def described(run, group="g"):
    client = admin(run)
    return client.describe_consumer_groups([group])[group].result(SECONDS)


def test_two_share_one_goes_and_the_topic_grows(run):
    make_topic(run, "t", 4)
    produce(run, "t", 400, 4)
    with members(Member(run, ["t"]), Member(run, ["t"])) as (first, second):
        until(lambda: len(first.has()) == len(second.has()) == 2, "two each", first, second)
        assert not first.has() & second.has()
        group = described(run)
        assert group.type == confluent.ConsumerGroupType.CONSUMER
        assert group.partition_assignor == "uniform"
        assert sorted(len(m.assignment.topic_partitions) for m in group.members) == [2, 2]

        second.consumer.close()
        until(lambda: len(first.has()) == 4, "all four", first)
        client = admin(run)
        client.create_partitions([admin_api.NewPartitions("t", 6)])["t"].result(SECONDS)
        until(lambda: len(first.has()) == 6, "the new ones", first)
        until(lambda: len(set(first.values)) == 400, "all, the uncommitted again", first)
        first.consumer.commit(asynchronous=False)
    client = admin(run)
    asked = client.list_consumer_group_offsets([confluent.ConsumerGroupTopicPartitions("g")])["g"]
    assert sum(place.offset for place in asked.result(SECONDS).topic_partitions) == 400
    wait_until(lambda: described(run).state == confluent.ConsumerGroupState.EMPTY, "empty")
    client.delete_consumer_groups(["g"])["g"].result(SECONDS)


DYING = """
import sys, confluent_kafka
consumer = confluent_kafka.Consumer(
    {"bootstrap.servers": sys.argv[1], "group.id": "g", "group.protocol": "consumer"})
consumer.subscribe(["t"])
while True:
    consumer.poll(0.1)
"""


def test_who_dies_is_replaced_when_its_session_is_over(run):
    make_topic(run, "t", 4)
    dying = subprocess.Popen([sys.executable, "-c", DYING, address(run)])
    try:
        with members(Member(run, ["t"])) as (other,):
            until(lambda: len(other.has()) == 2, "two each", other)
            stable = confluent.ConsumerGroupState.STABLE
            wait_until(lambda: described(run).state == stable, "stable")
            dying.kill()
            until(lambda: len(other.has()) == 4, "all four", other)
    finally:
        dying.kill()
        dying.wait(SECONDS)


def test_a_static_member_comes_back_to_its_partitions(run):
    make_topic(run, "t", 4)
    static = {"group.instance.id": "i"}
    with members(Member(run, ["t"], **static), Member(run, ["t"])) as (first, second):
        until(lambda: len(first.has()) == len(second.has()) == 2, "two each", first, second)
        had = first.has()
        first.consumer.close()
        epoch = {m.member_id for m in described(run).members}
        assert len(epoch) == 2, "its place is kept"
        back = Member(run, ["t"], **static)
        with members(back):
            until(lambda: back.has() == had, "the same ones", back, second)
            assert len(second.has()) == 2


def test_a_group_goes_on_through_kill_9_of_the_broker(run):
    make_topic(run, "t", 4)
    with members(Member(run, ["t"]), Member(run, ["t"])) as (first, second):
        until(lambda: len(first.has()) == len(second.has()) == 2, "two each", first, second)
        produce(run, "t", 400, 4)  # not before: who comes first would read of all four
        until(lambda: len(first.values) == len(second.values) == 200, "all", first, second)
        for member in (first, second):
            member.consumer.commit(asynchronous=False)
        before, ids = first.has(), sorted(m.member_id for m in described(run).members)
        run.kill9()
        run.start()
        assert sorted(m.member_id for m in described(run).members) == ids
        produce(run, "t", 400, 4)
        until(lambda: len(first.values) == len(second.values) == 400, "the rest", first, second)
        assert first.has() == before, "nobody had to give anything up"


def test_regular_expressions_find_topics_that_come_later(run):
    make_topic(run, "orders-a", 2)
    with members(Member(run, ["^orders-.*"])) as (member,):
        until(lambda: len(member.has()) == 2, "the first topic", member)
        make_topic(run, "orders-b", 3)
        make_topic(run, "other", 3)
        until(lambda: len(member.has()) == 5, "the second topic", member)
        produce(run, "orders-b", 30, 3)
        until(lambda: len(member.values) == 30, "its records", member)


def test_both_protocols_take_turns_in_a_group(run):
    make_topic(run, "t", 2)
    produce(run, "t", 20, 2)
    classic = {"group.protocol": "classic", "session.timeout.ms": 6_000}
    with members(Member(run, ["t"])) as (member,):
        until(lambda: len(member.values) == 20, "all", member)
        member.consumer.commit(asynchronous=False)
        # Not both at once.
        with members(Member(run, ["t"], **classic)) as (other,):
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                other.poll()
            assert not other.has()
    wait_until(lambda: described(run).state == confluent.ConsumerGroupState.EMPTY, "empty")
    produce(run, "t", 10, 2)
    with members(Member(run, ["t"], **classic)) as (member,):
        until(lambda: len(member.values) == 10, "what is new", member)
        assert described(run).type == confluent.ConsumerGroupType.CLASSIC


MANY = 1_000  # as many as a group may have
CONNECTIONS = 50


def test_a_thousand_members_share_a_topic_through_kill_9(instance):
    """And when half of them go, each of the others has twice as many partitions."""
    with instance() as run:
        make_topic(run, "t", 2 * MANY)
        connections = [Connection(run.kafka_port) for _ in range(CONNECTIONS)]
        members = [BareMember(connections[i % CONNECTIONS], "many", "t") for i in range(MANY)]
        for i, member in enumerate(members):
            assert member.beat().error == 0
            if i % 100 == 99:  # the others go on meanwhile
                for other in members[: i + 1]:
                    assert other.beat().error == 0
        too_many = BareMember(connections[0], "many", "t")
        assert too_many.beat().error == GROUP_MAX_SIZE_REACHED
        settle(members)
        assert len(set().union(*(member.has for member in members))) == 2 * MANY
        assert {len(member.has) for member in members} == {2}
        spent = cpu_seconds(run)
        print(f"{MANY} members joined and settled for {spent:.1f} s of the process's CPU")
        assert spent < 20

        before = [member.has for member in members]
        run.kill9()
        run.start()
        connections = [Connection(run.kafka_port) for _ in range(CONNECTIONS)]
        for i, member in enumerate(members):
            member.connection = connections[i % CONNECTIONS]
        settle(members)
        assert [member.has for member in members] == before, "nobody had to give anything up"
        for member in members[::2]:
            assert member.beat(LEAVE).error == 0
        settle(members[1::2])
        assert len(set().union(*(member.has for member in members[1::2]))) == 2 * MANY
        assert {len(member.has) for member in members[1::2]} == {4}
