"""What all clients of the workload have in common.

They do what applications do, at random, and write down what they asked and were told. Each is a
thread with random numbers of its own. A client that cannot tell what became of what it asked for
starts anew, as an application would that was restarted.
"""

import random
import threading

import confluent_kafka as confluent
from confluent_kafka import KafkaException

from kafka_checker.history import History

# Short, so that clients notice soon what the faults did to them.
CONNECTION = {
    "socket.timeout.ms": 3_000,
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 300,
    "retry.backoff.ms": 50,
    # By default librdkafka forgets all brokers when none is reachable, here at every kill. Then
    # send_offsets_to_transaction may wait, past its time-out, for a broker that was forgotten.
    "metadata.recovery.strategy": "none",
    "log_level": 0,
}
CALL_SECONDS = 4
GIVE_UP_SECONDS = 90  # for one thing to succeed; no fault lasts nearly as long


class Broken(Exception):
    """The client cannot go on with what it has in its hands."""


class Client(threading.Thread):
    """One incarnation after the other until it is asked to stop."""

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
