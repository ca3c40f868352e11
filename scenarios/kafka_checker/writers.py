"""Producers: plain, idempotent, transactional."""

import time
from collections import Counter

import confluent_kafka as confluent
from confluent_kafka import KafkaException

from kafka_checker.client import CALL_SECONDS, GIVE_UP_SECONDS, Broken, Client
from kafka_checker.history import ABORTED, COMMITTED, OPEN, UNKNOWN

TRANSACTION_MS = 10_000
IN_FLIGHT_MAX = 2_000
CODECS = ("none", "none", "gzip", "snappy", "lz4", "zstd")


class Writer(Client):
    """What all that produce have in common."""

    kind = ""

    def start_producer(self, **config) -> None:
        codec = {"compression.type": self.rng.choice(CODECS)}
        self.producer = confluent.Producer(self.config(**{"linger.ms": 2, **codec, **config}))
        self.producer_name = f"{self.name}.{self.incarnation}"
        self.number = 0
        self.unanswered = Counter()  # late answers to earlier incarnations go to theirs

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

    def wait_for_leave(self) -> None:
        """Between two pieces of work: until the run allows more values."""
        while self.history.is_full() and not self.stopping.is_set():
            self.producer.poll(0.05)

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
            self.wait_for_leave()
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
            self.wait_for_leave()
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
