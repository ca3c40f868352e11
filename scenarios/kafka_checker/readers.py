"""Consumers, by assignment and in groups."""

import time

import confluent_kafka as confluent
from confluent_kafka import KafkaException, TopicPartition

from kafka_checker.client import CALL_SECONDS, GIVE_UP_SECONDS, Broken, Client
from kafka_checker.history import Fetched

READS_MAX = 20_000  # of one incarnation of a reader: each may begin at the very beginning again


class Reader(Client):
    """Reads partitions from random places on, by assignment."""

    def __init__(self, *arguments, isolation: str, topics: dict[str, int]):
        super().__init__(*arguments)
        self.isolation, self.topics = isolation, topics
        self.reached = {(t, p): 0 for t, count in topics.items() for p in range(count)}

    def live(self) -> None:
        consumer = confluent.Consumer(consumer_config(self, "none"))
        sessions = {}
        for place, reached in self.reached.items():
            start = self.rng.choice((0, reached, self.rng.randint(0, reached)))
            name = f"{self.name}.{self.incarnation}"
            sessions[place] = self.history.session(
                reader=name, isolation=self.isolation, topic=place[0], partition=place[1],
                start=start,
            )  # fmt: skip
        consumer.assign([TopicPartition(*place, one.start) for place, one in sessions.items()])
        until = time.monotonic() + self.rng.uniform(0.5, 8)
        left = READS_MAX
        while left > 0 and time.monotonic() < until and not self.stopping.is_set():
            for message in consumer.consume(500, 0.2):
                if is_record(self, message):
                    left -= 1
                    place = (message.topic(), message.partition())
                    self.history.read(sessions[place], message)
        for place, session in sessions.items():
            if session.reads:
                self.reached[place] = max(self.reached[place], session.reads[-1][0] + 1)
        consumer.close()
        self.pause(1)


def consumer_config(client: Client, group: str, **more) -> dict:
    return client.config(
        **{"group.id": group, "enable.auto.commit": False, "isolation.level": client.isolation,
           "auto.offset.reset": "error", "fetch.wait.max.ms": 100, "check.crcs": True,
           "session.timeout.ms": 6_000, "heartbeat.interval.ms": 500, **more}
    )  # fmt: skip


def is_record(client: Client, message) -> bool:
    error = message.error()
    if error is None:
        return True
    client.told(KafkaException(error))
    if error.code() == confluent.KafkaError._AUTO_OFFSET_RESET:
        client.history.out_of_range.append(f"{client.name}: {error.str()}")
    return False


class Member(Client):
    """A member of a group that goes on where the group has committed."""

    def __init__(self, *arguments, group: str, isolation: str, topic: str, strategy="range"):
        super().__init__(*arguments)
        self.group, self.isolation, self.topic = group, isolation, topic
        self.strategy = strategy

    def enter(self) -> None:
        config = {"partition.assignment.strategy": self.strategy}
        self.consumer = confluent.Consumer(consumer_config(self, self.group, **config))
        self.sessions, self.batch, self.positions = {}, [], {}
        self.metadata = None
        callbacks = {"on_revoke": self.on_revoke, "on_lost": self.on_revoke}
        self.consumer.subscribe([self.topic], on_assign=self.on_assign, **callbacks)

    def on_assign(self, consumer, partitions) -> None:
        self.history.errors["(assignments)"] += 1
        self.forget()
        self.metadata = consumer.consumer_group_metadata()
        starts = self.committed(partitions) if partitions else {}
        for place, offset in starts.items():
            self.sessions[place] = self.start_session(place, max(offset, 0))
        consumer.assign([TopicPartition(*at, max(offset, 0)) for at, offset in starts.items()])

    def on_revoke(self, consumer, _) -> None:
        self.forget()
        consumer.unassign()

    def forget(self) -> None:
        """What has been read of partitions that may be another's now is not processed."""
        self.batch, self.positions, self.sessions = [], {}, {}

    def start_session(self, place, offset: int):
        return self.history.session(
            reader=f"{self.name}.{self.incarnation}", isolation=self.isolation, topic=place[0],
            partition=place[1], start=offset, group=self.group,
        )  # fmt: skip

    def committed(self, partitions) -> dict[tuple[str, int], int]:
        return fetch_committed(self, self.consumer, partitions)

    def poll_batch(self, count: int) -> None:
        until = time.monotonic() + 0.5
        while len(self.batch) < count and time.monotonic() < until:
            message = self.consumer.poll(0.1)
            if message is not None and is_record(self, message):
                place = (message.topic(), message.partition())
                self.history.read(self.sessions[place], message)
                self.batch.append((*place, message.offset()))
                self.positions[place] = message.offset() + 1

    def offsets_to_commit(self) -> list[TopicPartition]:
        return [TopicPartition(*place, offset) for place, offset in self.positions.items()]

    def note_commits(self, **more) -> list:
        return [
            self.history.commit(
                group=self.group, topic=place[0], partition=place[1], offset=offset, **more
            )
            for place, offset in self.positions.items()
        ]

    def leave(self) -> None:
        """As a good member, or as one that is killed."""
        if self.stopping.is_set() or self.rng.random() < 0.7:
            self.consumer.close()
        self.consumer = None

    def live(self) -> None:
        self.enter()
        try:
            while self.lives_on(0.01):
                self.poll_batch(self.rng.randint(1, 300))
                if self.positions and self.rng.random() < 0.7:
                    self.commit_positions()
        finally:
            self.leave()

    def commit_positions(self) -> None:
        noted = self.note_commits()
        told = self.consumer.commit(offsets=self.offsets_to_commit(), asynchronous=False)
        if any(one.error for one in told):
            raise Broken("an offset was not committed")
        ended = self.history.tick()
        for commit in noted:
            commit.ended = ended
        self.batch, self.positions = [], {}


def fetch_committed(client: Client, consumer, partitions) -> dict[tuple[str, int], int]:
    """Asks until all partitions are answered; place -> offset, -1 for none."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while True:
        begun = client.history.tick()
        try:
            asked = [TopicPartition(one.topic, one.partition) for one in partitions]
            told = consumer.committed(asked, CALL_SECONDS)
            errors = [one.error for one in told if one.error]
            if errors:
                raise KafkaException(errors[0])
            break
        except KafkaException as error:
            client.told(error)
            if time.monotonic() > deadline:
                raise
            client.stopping.wait(0.05)  # a transaction with offsets may be about to end
    ended = client.history.tick()
    found = {(one.topic, one.partition): max(one.offset, -1) for one in told}
    for (topic, partition), offset in found.items():
        client.history.fetched.append(
            Fetched(client.group, topic, partition, offset, begun, ended)
        )
    return found
