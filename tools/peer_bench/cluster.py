"""The topics of the job on one Apache Kafka: made, filled, watched and read."""

import time

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from expected import Expected

INPUT = "input_topic"
OUTPUTS = ("output_topic", "dlq_topic", "aggregates_topic")
PARTITIONS = 8
READ_SECONDS_MAX = 600
POLL_RECORDS = 10_000


class Cluster:
    def __init__(self, address):
        self.address = address
        # Without a word when a broker ends before its clients do.
        self.common = {"bootstrap.servers": address, "log_level": 2}
        self.admin = AdminClient(dict(self.common))

    def make_topics(self):
        topics = [NewTopic(name, PARTITIONS, 1) for name in (INPUT, *OUTPUTS)]
        for made in self.admin.create_topics(topics).values():
            made.result()

    def producer(self, linger_ms):
        return Producer({
            **self.common, "acks": "all", "linger.ms": linger_ms,
            "partitioner": "murmur2_random", "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 1 << 20,
        })  # fmt: skip

    def fill(self, events, count):
        """Puts `count` events into the input; returns once they are acknowledged."""
        producer = self.producer(20)
        for number in range(count):
            key, value, _ = events.next()
            producer.produce(INPUT, value, key)
            if number % POLL_RECORDS == 0:
                producer.poll(0)
        if producer.flush(READ_SECONDS_MAX) != 0:
            raise RuntimeError("the input was not taken")

    def committed(self):
        """Per output topic the sum of last stable offsets, markers included."""
        wanted = {
            TopicPartition(name, partition): OffsetSpec.latest()
            for name in OUTPUTS for partition in range(PARTITIONS)
        }  # fmt: skip
        answers = self.admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED
        )  # fmt: skip
        sums = dict.fromkeys(OUTPUTS, 0)
        for at, answer in answers.items():
            sums[at.topic] += answer.result().offset
        return tuple(sums.values())

    def consumer(self):
        return Consumer({
            **self.common, "group.id": "peer-bench-reader",
            "isolation.level": "read_committed", "enable.auto.commit": False,
            "enable.partition.eof": True, "fetch.wait.max.ms": 100,
        })  # fmt: skip

    def read(self, topic):
        """(key, value) of every committed record, partition by partition in order."""
        consumer = self.consumer()
        consumer.assign([TopicPartition(topic, at, 0) for at in range(PARTITIONS)])
        ended = set()
        give_up = time.monotonic() + READ_SECONDS_MAX
        while len(ended) < PARTITIONS:
            for message in consumer.consume(POLL_RECORDS, 0.5):
                if message.error() is None:
                    yield message.key(), message.value()
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise RuntimeError(str(message.error()))
            if time.monotonic() > give_up:
                raise RuntimeError(f"{topic} was not read in time")
        consumer.close()

    def verify(self):
        """What is wrong with the outputs, as texts; and what was compared."""
        expected = Expected()
        for _, value in self.read(INPUT):
            expected.take(value)
        wrong = expected.wrong_rows(self.read(OUTPUTS[0]))
        wrong += expected.wrong_letters(value for _, value in self.read(OUTPUTS[1]))
        wrong += expected.wrong_windows(value for _, value in self.read(OUTPUTS[2]))
        compared = (
            f"{len(expected.rows)} rows, {expected.letters.total()} dead letters, "
            f"{expected.closed_windows()} windows"
        )
        return wrong, compared
