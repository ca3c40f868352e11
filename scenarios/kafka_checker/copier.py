"""Read, process, write: a member of a group that is a transactional producer."""

from confluent_kafka import KafkaException, TopicPartition

from kafka_checker.client import Broken
from kafka_checker.history import ABORTED, READ_COMMITTED
from kafka_checker.readers import Member
from kafka_checker.writers import Transactional


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
