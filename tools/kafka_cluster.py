"""A cluster of Apache Kafka for tests, whose brokers are killed, stopped and started again."""

import shutil
import time
from pathlib import Path

from apache_kafka import (
    SETTINGS,
    Broker,
    free_ports,
    java_command,
    properties,
    random_cluster_id,
)

HEAP_MIB_MAX = 320
WHOLE_SECONDS = 120

# Everything three times, acknowledged by two; a broker that is away is noticed within seconds, and
# three of them fit beside what is tested.
CLUSTER_SETTINGS = {
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 500,
    "replica.lag.time.max.ms": 3_000,
    "replica.fetch.wait.max.ms": 100,
    "controller.quorum.election.timeout.ms": 500,
    "controller.quorum.election.backoff.max.ms": 500,
    "controller.quorum.fetch.timeout.ms": 1_500,
    "leader.imbalance.check.interval.seconds": 10,  # brokers that are back lead again
    "num.network.threads": 2,
    "num.io.threads": 2,
    "background.threads": 2,
    "num.recovery.threads.per.data.dir": 1,
    "log.cleaner.dedupe.buffer.size": 4 << 20,
    "log.index.size.max.bytes": 1 << 20,
}


class KafkaCluster:
    """Brokers that are controllers, too, as long as the `with` block lasts.

    folder: is emptied first. Needs the Python package confluent-kafka.
    """

    def __init__(self, class_path, folder, count=3, **settings):
        # What is compiled well takes longer to compile than it saves in the minutes of a test.
        self.java = java_command(class_path, HEAP_MIB_MAX, "-XX:TieredStopAtLevel=1", "-Xss512k")
        self.folder = Path(folder).resolve()
        self.count = count
        self.settings = CLUSTER_SETTINGS | settings
        self.brokers = []
        self.address = ""  # of all of them

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        ports = free_ports(2 * self.count)
        public, controllers = ports[: self.count], ports[self.count :]
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers, 1))
        cluster = random_cluster_id(self.java)
        for node in range(1, self.count + 1):
            folder = self.folder / f"broker-{node}"
            text = SETTINGS.format(
                node=node, voters=voters, port=public[node - 1], controller=controllers[node - 1],
                folder=folder, more_listeners="",
            )  # fmt: skip
            broker = Broker(self.java, folder, public[node - 1], text + properties(self.settings))
            broker.format(cluster)
            self.brokers.append(broker)
        self.address = ",".join(f"127.0.0.1:{port}" for port in public)
        try:
            for broker in self.brokers:
                broker.launch()
            for broker in self.brokers:
                broker.wait_until_ready()
            self.wait_until_whole()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # Together: the last one would wait for a majority of controllers otherwise.
        for broker in self.brokers:
            broker.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def incomplete(self):
        """What lacks for every broker to have every partition that is its; empty: nothing."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
            known = client.list_topics(timeout=5)
        except KafkaException as error:
            return [str(error)]
        lacking = [] if len(known.brokers) == self.count else [f"{len(known.brokers)} brokers"]
        for topic in known.topics.values():
            for partition in topic.partitions.values():
                if partition.leader < 0 or len(partition.isrs) < len(partition.replicas):
                    lacking.append(f"{topic.topic}/{partition.id}: {partition.isrs}")
        return lacking

    def wait_until_whole(self, seconds=WHOLE_SECONDS):
        give_up = time.monotonic() + seconds
        while lacking := self.incomplete():
            if time.monotonic() > give_up:
                raise RuntimeError(f"not whole within {seconds} s: {lacking[:5]}")
            time.sleep(0.1)
