"""The whole run: topics, clients, faults, and what is there when all is over."""

import os
import random
import signal
import sys
import time
import traceback
from collections import Counter

import confluent_kafka as confluent
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from harness import let_pass, wait_until

from kafka_checker.client import Client
from kafka_checker.copier import Copier
from kafka_checker.history import (
    ABORTED, COMMITTED, OPEN, READ_COMMITTED, READ_UNCOMMITTED, UNKNOWN, VALUES_MAX, History,
    Session,
)  # fmt: skip
from kafka_checker.proxy import FAULTS, Proxy
from kafka_checker.readers import Member, Reader, consumer_config, fetch_committed
from kafka_checker.writers import IdempotentWriter, PlainWriter, TransactionalWriter

TOPICS = {"source": 4, "transactions": 3, "sink": 3}
GROUPS = {"copiers": "source", "followers": "transactions", "watchers": "sink"}
TRANSACTIONAL_IDS = ("transactional-1", "transactional-2", "copier-1", "copier-2")
SECONDS = 60  # for an undisturbed client to get something done


class Workload:
    """Runs against `run`, a Millrace that has been started; ends by itself."""

    def __init__(self, run, seed: int):
        self.run = run
        self.seed = seed
        self.rng = random.Random(seed)
        self.history = History()
        self.faults = Counter()
        self.proxy = Proxy(run.kafka_port, random.Random(f"{seed}/proxy"))
        self.direct = f"127.0.0.1:{run.kafka_port}"
        self.clients = []

    def execute(self, kills: int) -> History:
        self.make_topics()
        self.clients = self.make_clients()
        try:
            for client in self.clients:
                client.start()
            let_pass(1)  # undisturbed
            while (done := self.faults["kill"]) < kills:
                self.history.values_allowed = VALUES_MAX * (done + 1) // kills
                self.harm()
                let_pass(self.rng.uniform(0.2, 1.5))  # between faults
            self.end_clients()
        finally:
            for client in self.clients:
                client.stopping.set()
            self.proxy.close()
        self.clients.clear()
        self.end_transactions()
        self.read_all()
        self.run.kill9()
        self.run.start()
        self.read_all()
        return self.history

    def make_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.direct})
        made = admin.create_topics([NewTopic(name, count, 1) for name, count in TOPICS.items()])
        for future in made.values():
            future.result(SECONDS)

    def make_clients(self) -> list[Client]:
        address = f"127.0.0.1:{self.proxy.port}"

        def make(kind, name, **options):
            return kind(name, address, self.history, self.seed, **options)

        source = {"topic": "source", "partitions": TOPICS["source"]}
        several = {"topic": "transactions", "partitions": TOPICS["transactions"]}
        copier = {"group": "copiers", "topic": "source", "sink": "sink",
                  "sink_partitions": TOPICS["sink"]}  # fmt: skip
        follower = {"group": "followers", "topic": "transactions", "isolation": READ_COMMITTED}
        watcher = {"group": "watchers", "topic": "sink", "isolation": READ_UNCOMMITTED}
        return [
            make(PlainWriter, "plain", **source),
            make(IdempotentWriter, "idempotent-1", **source),
            make(IdempotentWriter, "idempotent-2", **source),
            make(TransactionalWriter, "transactional-1", **several),
            make(TransactionalWriter, "transactional-2", **several),
            make(Copier, "copier-1", **copier),
            make(Copier, "copier-2", **copier),
            make(Member, "follower-1", **follower),
            make(Member, "follower-2", strategy="range", **follower),
            make(Member, "watcher-1", strategy="roundrobin", **watcher),
            make(Member, "watcher-2", strategy="roundrobin", **watcher),
            make(Reader, "committed", isolation=READ_COMMITTED, topics=TOPICS),
            make(Reader, "uncommitted", isolation=READ_UNCOMMITTED, topics=TOPICS),
        ]

    # --- faults ---

    def harm(self) -> None:
        what = self.rng.choice(("kill", "kill", "kill", "stop", *FAULTS))
        if what == "kill":
            self.kill()
        elif what == "stop":
            pid = self.run.ready["pid"]
            os.kill(pid, signal.SIGSTOP)
            let_pass(self.rng.choice((0.1, 0.5, 2, 4)))  # clients give up after 3 s
            os.kill(pid, signal.SIGCONT)
            self.faults["stop"] += 1
        else:
            share = self.rng.choice((0.2, 0.5, 1))
            seconds = self.rng.choice((0.2, 1, 5))
            self.faults[what] += self.proxy.fault(what, share, seconds)

    def kill(self) -> None:
        self.run.kill9()
        self.faults["kill"] += 1
        while self.rng.random() < 0.2:  # again, while it recovers
            self.run.launch()
            let_pass(self.rng.random() * 0.3)
            self.run.process.kill()
            self.run.process.wait(30)
            self.faults["kill in a start"] += 1
        self.run.start()

    # --- the end ---

    def end_clients(self) -> None:
        for client in self.clients:
            client.stopping.set()
        deadline = time.monotonic() + SECONDS
        for client in self.clients:
            client.join(max(0, deadline - time.monotonic()))
            if client.is_alive():
                stack = "".join(traceback.format_stack(sys._current_frames()[client.ident]))
                raise AssertionError(f"{client.name} does not end, the broker being well:\n{stack}")
        for client in self.clients:
            if client.failure is not None:
                raise client.failure

    def end_transactions(self) -> None:
        """Successors of all transactional clients: what was left open is aborted."""
        for name in TRANSACTIONAL_IDS:
            config = {"bootstrap.servers": self.direct, "transactional.id": name}
            confluent.Producer(config).init_transactions(SECONDS)

    def read_all(self) -> None:
        for isolation in (READ_UNCOMMITTED, READ_COMMITTED):
            for topic, partitions in TOPICS.items():
                self.history.final += self.read_topic(isolation, topic, partitions)
        for group, topic in GROUPS.items():
            asking = Client("end", self.direct, self.history, self.seed)
            asking.group, asking.isolation = group, READ_COMMITTED
            consumer = confluent.Consumer(consumer_config(asking, group))
            places = [TopicPartition(topic, number) for number in range(TOPICS[topic])]
            for (name, number), offset in fetch_committed(asking, consumer, places).items():
                self.history.final_committed[group, name, number] = max(offset, 0)
            consumer.close()

    def read_topic(self, isolation, topic, partitions) -> list[Session]:
        consumer = confluent.Consumer(
            {"bootstrap.servers": self.direct, "group.id": "none", "enable.auto.commit": False,
             "isolation.level": isolation, "enable.partition.eof": True, "check.crcs": True}
        )  # fmt: skip
        sessions = [Session("end", isolation, topic, number, 0) for number in range(partitions)]
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])

        def have_ended():
            for message in consumer.consume(5_000, 0.1):
                session = sessions[message.partition()]
                if message.error() is None:
                    self.history.read(session, message)
                elif message.error().code() == confluent.KafkaError._PARTITION_EOF:
                    session.end = message.offset()
                else:
                    raise confluent.KafkaException(message.error())
            return all(session.end is not None for session in sessions)

        wait_until(have_ended, f"the end of {topic} ({isolation})", SECONDS)
        consumer.close()
        return sessions

    def figures(self) -> dict:
        """What took place, for people."""
        history = self.history
        sends, states = history.sends.values(), Counter(history.transactions.values())
        return {
            "seed": self.seed,
            "faults": dict(self.faults),
            "sends": Counter(send.kind for send in sends),
            "sends_acknowledged": sum(send.offset is not None for send in sends),
            "transactions": {s: states[s] for s in (COMMITTED, ABORTED, OPEN, UNKNOWN)},
            "reads": sum(len(session.reads) for session in history.sessions),
            "reader_sessions": len(history.sessions),
            "offset_commits": len(history.commits),
            "copied": sum(history.final_committed[at] for at in history.final_committed
                          if at[0] in history.copying_groups),
            "told": dict(history.errors),
        }  # fmt: skip
