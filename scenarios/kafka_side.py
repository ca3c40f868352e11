"""The brokers' view of a shared log, by a Kafka client that has nothing to do with millrace."""

import base64
import json
import threading
import time

import confluent_kafka as confluent
from compare import expect
from confluent_kafka.admin import AdminClient

# metadata.recovery.strategy: a client must not forget brokers that are all away for a moment.
CONNECTION = {
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 500,
    "metadata.recovery.strategy": "none",
    "log_level": 0,
}
READ_SECONDS = 60
END_SECONDS = 120
PENDING_MAX = 20_000  # records that the brokers have not acknowledged


class Feed(threading.Thread):
    """Lines at a steady rate, each once and in order per partition, until told to end.

    sources: (topic, field the records are keyed by, lines) of each topic; they take turns.
    """

    def __init__(self, address, sources, rate):
        super().__init__(daemon=True)
        self.sources = sources
        self.rate = rate
        self.sent = [0] * len(sources)
        self.ending = threading.Event()
        self.refused = []
        # Idempotent and never giving up: what is in the topic is what was sent.
        self.producer = confluent.Producer(
            CONNECTION
            | {
                "bootstrap.servers": address,
                "enable.idempotence": True,
                "message.timeout.ms": 0,
                "partitioner": "murmur2_random",  # as Java's clients
                "linger.ms": 5,
            }
        )

    def run(self):
        began = time.monotonic()
        while not self.ending.is_set():
            # Records that wait for a broker do not let those of the other partitions run ahead.
            while len(self.producer) > PENDING_MAX and not self.ending.is_set():
                self.producer.poll(0.1)
                began = time.monotonic() - sum(self.sent) / self.rate
            due = int((time.monotonic() - began) * self.rate) - sum(self.sent)
            for _ in range(max(due, 0)):
                self._send_next()
            self.producer.poll(0.005)
            self.ending.wait(0.005)

    def _send_next(self):
        left = [
            turn
            for turn, (_, _, lines) in enumerate(self.sources)
            if self.sent[turn] < len(lines)
        ]
        if not left:
            self.ending.set()
            return
        turn = min(left, key=lambda turn: self.sent[turn])
        topic, field, lines = self.sources[turn]
        line = lines[self.sent[turn]]
        self.producer.produce(topic, line, _key_of(line, field), on_delivery=self._delivered)
        self.sent[turn] += 1

    def _delivered(self, error, _):
        if error is not None:
            self.refused.append(str(error))

    def end(self):
        """Sends no more; the lines of each source that are in its topic, all of them."""
        self.ending.set()
        self.join()
        left = self.producer.flush(END_SECONDS)
        expect(left == 0, f"{left} records were not acknowledged within {END_SECONDS} s")
        expect(not self.refused, f"refused: {self.refused[:3]}")
        return [lines[:sent] for (_, _, lines), sent in zip(self.sources, self.sent, strict=True)]


def _key_of(line, field):
    try:
        key = json.loads(line)[field]
    except (ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, str) else None


class KafkaSide:
    """What compare.py asks of a run, answered by the brokers: read committed."""

    def __init__(self, address, workspace):
        self.address = address
        self.workspace = workspace

    def _consumer(self, isolation="read_committed"):
        return confluent.Consumer(
            CONNECTION
            | {
                "bootstrap.servers": self.address,
                "group.id": "reader",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
            }
        )

    def status(self):
        return {"process": "none of them"}  # compare.py asks for it to know a shared log

    def topics(self):
        known = AdminClient({"bootstrap.servers": self.address}).list_topics(timeout=READ_SECONDS)
        return {topic.topic: sorted(topic.partitions) for topic in known.topics.values()}

    def messages(self, topic):
        """Of all partitions, in the order of each."""
        consumer = self._consumer()
        places = []
        for partition in self.topics()[topic]:
            at = confluent.TopicPartition(topic, partition)
            at.offset = consumer.get_watermark_offsets(at, timeout=READ_SECONDS)[0]
            places.append(at)
        consumer.assign(places)
        found, ended = [], set()
        give_up = time.monotonic() + READ_SECONDS
        while len(ended) < len(places):
            for message in consumer.consume(1000, 0.5):
                if message.error() is None:
                    found.append(message)
                elif message.error().code() == confluent.KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
            expect(time.monotonic() < give_up, f"{topic} was not read within {READ_SECONDS} s")
        consumer.close()
        return sorted(found, key=lambda message: (message.partition(), message.offset()))

    def consume(self, topic):
        """As `millrace consume` prints them."""
        return [_as_printed(message) for message in self.messages(topic)]

    def unstable(self):
        """Partitions that some transaction holds back: (topic, partition, stable, end)."""
        found = []
        of_all, of_stable = self._consumer("read_uncommitted"), self._consumer()
        for topic, partitions in self.topics().items():
            for partition in partitions:
                at = confluent.TopicPartition(topic, partition)
                _, stable = of_stable.get_watermark_offsets(at, timeout=READ_SECONDS)
                _, end = of_all.get_watermark_offsets(at, timeout=READ_SECONDS)
                if stable < end:
                    found.append((topic, partition, stable, end))
        of_all.close()
        of_stable.close()
        return found

    def group_offsets(self, group):
        """partition -> (offset, metadata).

        confluent-kafka 2.16.1 reads metadata beyond its end: there may be more, and None is what
        is no text for that reason.
        """
        client = AdminClient({"bootstrap.servers": self.address})
        request = confluent.ConsumerGroupTopicPartitions(group)
        answer = client.list_consumer_group_offsets([request], require_stable=True)
        offsets = answer[group].result(READ_SECONDS).topic_partitions
        return {at.partition: (at.offset, _metadata_of(at)) for at in offsets}


def _metadata_of(at):
    try:
        return at.metadata
    except UnicodeDecodeError:
        return None


def _as_printed(message):
    printed = {"partition": message.partition(), "offset": message.offset()}
    value = message.value()
    try:
        printed["value"] = value.decode()
    except UnicodeDecodeError:
        printed["value_base64"] = base64.b64encode(value).decode()
    printed["headers"] = {name: held.decode() for name, held in message.headers() or ()}
    return printed
