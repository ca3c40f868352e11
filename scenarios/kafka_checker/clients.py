"""Clients that do what applications do, at random, and write down what they asked and were told.

Each is a thread with random numbers of its own. A client that cannot tell what became of what it
asked for starts anew, as an application would that was restarted.
"""

import random
import threading
import time
from collections import Counter

import confluent_kafka as confluent
from confluent_kafka import KafkaException, TopicPartition

from kafka_checker.history import (
    ABORTED, COMMITTED, OPEN, READ_COMMITTED, UNKNOWN, Fetched, History,
)  # fmt: skip

# Short, so that clients notice soon what the faults did to them.
CONNECTION = {
    "socket.timeout.ms": 3_000,
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 300,
    "retry.backoff.ms": 50,
    # By default librdkafka forgets all brokers when none is reachable, here at every kill. A call of
    # send_offsets_to_transaction then waits, past its time-out, for a broker that it has forgotten.
    "metadata.recovery.strategy": "none",
    "log_level": 0,
}
TRANSACTION_MS = 10_000
CALL_SECONDS = 4
GIVE_UP_SECONDS = 90  # for one thing to succeed; no fault lasts nearly as long
IN_FLIGHT_MAX = 2_000
CODECS = ("none", "none", "gzip", "snappy", "lz4", "zstd")


class Broken(Exception):
    """The client cannot go on with what it has in its hands."""


class Client(threading.Thread):
    def __init__(self, name: str, address: str, history: History, seed: int):
        super().__init__(name=name, daemon=True)
        self.address = address
        self.history = history
        self.rng = random.Random(f"{seed}/{name}")
        self.stopping = threading.Event()
        self.incarnation = 0
        self.failure: BaseException | None = None  # what must not happen: an error of ours

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.incarnation += 1
                try:
                    self.live()
                except (Broken, KafkaException) as error:
                    self.told(error)
                    self.stopping.wait(0.05)
        except BaseException as error:  # noqa: BLE001  the scenario raises it again
            self.failure = error

    def live(self) -> None:
        """One incarnation."""
        raise NotImplementedError

    def told(self, error) -> None:
        cause = error.args[0] if error.args else error
        is_kafkas = isinstance(cause, confluent.KafkaError)
        self.history.errors[cause.name() if is_kafkas else str(cause)] += 1

    def config(self, **more) -> dict:
        return {"bootstrap.servers": self.address, **CONNECTION, **more}

    def lives_on(self, chance_of_end: float) -> bool:
        return not self.stopping.is_set() and self.rng.random() >= chance_of_end

    def pause(self, seconds_max: float) -> None:
        self.stopping.wait(self.rng.random() * seconds_max)


class Writer(Client):
    """What all that produce have in common."""

    kind = ""

    def start_producer(self, **config) -> None:
        codec = {"compression.type": self.rng.choice(CODECS)}
        self.producer = confluent.Producer(self.config(**{"linger.ms": 2, **codec, **config}))
        self.producer_name = f"{self.name}.{self.incarnation}"
        self.number = 0
        self.unanswered = Counter()  # of this incarnation: late answers to an earlier one are its own

    def write(self, topic, partition, transaction=None, origin=None) -> None:
        self.number += 1
        value = f"{self.producer_name}.{self.number}"
        send = self.history.send(
            value=value, topic=topic, partition=partition, producer=self.producer_name,
            number=self.number, kind=self.kind, transaction=transaction, origin=origin,
        )  # fmt: skip

        unanswered = self.unanswered

        def delivered(error, message):
            unanswered["sends"] -= 1
            if error is None:
                offset = message.offset()
                send.offset = -1 if offset is None or offset < 0 else offset
            else:
                send.failed = True
                self.told(KafkaException(error))

        unanswered["sends"] += 1
        self.producer.produce(topic, value, partition=partition, callback=delivered)
        self.producer.poll(0)

    def wait_for_answers(self, left: int) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while self.unanswered["sends"] > left:
            self.producer.poll(0.05)
            if time.monotonic() > deadline:
                raise Broken("no answers")


class PlainWriter(Writer):
    """acks=all, no idempotence: a batch may be there twice. One request at a time keeps order."""

    kind = "plain"
    settings = {"acks": "all", "max.in.flight": 1}

    def __init__(self, *arguments, topic: str, partitions: int):
        super().__init__(*arguments)
        self.topic, self.partitions = topic, partitions

    def live(self) -> None:
        self.start_producer(**{"message.timeout.ms": 300_000, **self.settings})
        while self.lives_on(0.01):
            partition = self.rng.randrange(self.partitions)
            for _ in range(self.rng.randint(1, 40)):
                self.write(self.topic, partition)
            self.wait_for_answers(IN_FLIGHT_MAX)
            self.pause(0.05)
        if self.stopping.is_set() or self.rng.random() < 0.5:
            self.wait_for_answers(0)
        # Else it goes without waiting, as one that is killed.


class IdempotentWriter(PlainWriter):
    kind = "idempotent"
    settings = {"enable.idempotence": True}


class Transactional(Writer):
    kind = "transactional"

    def start_transactional(self) -> None:
        self.start_producer(
            **{"transactional.id": self.name, "transaction.timeout.ms": TRANSACTION_MS}
        )
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                self.producer.init_transactions(CALL_SECONDS)
                return
            except KafkaException as error:
                is_over = time.monotonic() > deadline or self.stopping.is_set()
                if is_over or not error.args[0].retriable():
                    raise

    def begin(self) -> str:
        self.producer.begin_transaction()
        transaction = f"{self.producer_name}#{self.history.tick()}"
        self.history.transactions[transaction] = OPEN
        return transaction

    def insist(self, call) -> None:
        """Asks until there is an answer."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return call(CALL_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
                self.told(error)

    def abort(self, transaction) -> None:
        self.insist(self.producer.abort_transaction)
        self.history.transactions[transaction] = ABORTED

    def commit(self, transaction) -> bool:
        """Whether it is committed; Broken, or what the client raised, if that is not known."""
        self.history.transactions[transaction] = UNKNOWN
        try:
            self.insist(self.producer.commit_transaction)
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            self.told(error)
            self.abort(transaction)
            return False
        self.history.transactions[transaction] = COMMITTED
        return True

    def commit_and_go(self, transaction) -> None:
        """Asks and does not wait for the answer: nobody knows whether it is committed."""
        self.history.transactions[transaction] = UNKNOWN
        self.producer.flush(CALL_SECONDS)
        self.producer.commit_transaction(self.rng.random() * 0.005)
        self.history.transactions[transaction] = COMMITTED  # it was faster than expected

    def commit_as_a_zombie(self, transaction) -> None:
        """A successor takes over the id while this one goes on as if nothing were.

        From then on the transaction is aborted, whatever the zombie asks for.
        """
        successor = confluent.Producer(self.config(**{"transactional.id": self.name}))
        successor.init_transactions(CALL_SECONDS)
        self.history.transactions[transaction] = ABORTED
        self.insist(self.producer.commit_transaction)
        self.history.accepted_zombies.append(transaction)
        raise Broken("a zombie's commit was accepted")


class TransactionalWriter(Transactional):
    """Transactions over several partitions, some of them given up."""

    def __init__(self, *arguments, topic: str, partitions: int):
        super().__init__(*arguments)
        self.topic, self.partitions = topic, partitions

    def live(self) -> None:
        self.start_transactional()
        while self.lives_on(0.02):
            transaction = self.begin()
            try:
                for _ in range(self.rng.randint(1, 30)):
                    self.write(self.topic, self.rng.randrange(self.partitions), transaction)
                if self.rng.random() < 0.3:
                    self.pause(0.3)  # so that it is half written for a while
            except KafkaException as error:
                self.told(error)
                self.abort(transaction)
                continue
            what = self.rng.random()
            if what < 0.2:
                if what < 0.1:  # else it is aborted before it has been sent
                    self.wait_for_answers(0)
                self.abort(transaction)
            elif what < 0.23:
                self.commit_as_a_zombie(transaction)
            elif what < 0.25:
                raise Broken("gone in a transaction")
            elif what < 0.3:
                self.commit_and_go(transaction)
            else:
                self.commit(transaction)
            self.pause(0.05)


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
        while time.monotonic() < until and not self.stopping.is_set():
            for message in consumer.consume(500, 0.2):
                if is_record(self, message):
                    place = (message.topic(), message.partition())
                    sessions[place].reads.append((message.offset(), message.value().decode()))
        for place, session in sessions.items():
            if session.reads:
                self.reached[place] = max(self.reached[place], session.reads[-1][0] + 1)
        consumer.close()


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
                value = message.value().decode()
                self.sessions[place].reads.append((message.offset(), value))
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
            time.sleep(0.05)  # a transaction with offsets may be about to end
    ended = client.history.tick()
    found = {(one.topic, one.partition): max(one.offset, -1) for one in told}
    for (topic, partition), offset in found.items():
        client.history.fetched.append(
            Fetched(client.group, topic, partition, offset, begun, ended)
        )
    return found


class Copier(Transactional, Member):
    """Reads, processes, writes: exactly once, with the offsets in the transaction."""

    def __init__(self, *arguments, sink: str, sink_partitions: int, **member):
        Member.__init__(self, *arguments, isolation=READ_COMMITTED, **member)
        self.sink, self.sink_partitions = sink, sink_partitions
        self.history.copying_groups.add(self.group)

    def live(self) -> None:
        self.start_transactional()
        self.enter()
        try:
            while self.lives_on(0.01):
                self.poll_batch(self.rng.randint(1, 500))
                if self.batch:
                    self.copy_batch()
        finally:
            self.leave()

    def copy_batch(self) -> None:
        transaction = self.begin()
        first = {}
        try:
            for *place, offset in self.batch:
                first.setdefault(tuple(place), offset)
                to = self.rng.randrange(self.sink_partitions)
                self.write(self.sink, to, transaction, (*place, offset))
            noted = self.note_commits(transaction=transaction)
            offsets = self.offsets_to_commit()
            self.insist(
                lambda s: self.producer.send_offsets_to_transaction(offsets, self.metadata, s)
            )
            what = self.rng.random()
            if what < 0.03:
                self.commit_as_a_zombie(transaction)
            if what < 0.05:
                raise Broken("gone while it copied")
            if what < 0.1:
                self.commit_and_go(transaction)
                raise Broken("committed and gone")
            is_committed = what > 0.2 and self.commit(transaction)
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            self.told(error)
            self.abort(transaction)
            raise Broken("begins anew after an error in a transaction") from error
        if is_committed:
            ended = self.history.tick()
            for commit in noted:
                commit.ended = ended
            self.batch, self.positions = [], {}
            return
        if self.history.transactions[transaction] != ABORTED:
            self.abort(transaction)
        self.rewind(first)

    def rewind(self, first) -> None:
        """Back to where the transaction began; each partition is a new session from there."""
        self.batch, self.positions = [], {}
        for place, offset in first.items():
            self.sessions[place] = self.start_session(place, offset)
            self.consumer.seek(TopicPartition(*place, offset))
