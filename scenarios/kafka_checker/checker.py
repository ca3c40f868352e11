"""The judge of a history: every way in which it breaks what docs/kafka.md promises.

Pure: a History in, anomalies out. An outcome that a client was not told counts as either. The order
of a producer's values is judged by their first appearance, because a producer that is not
idempotent may write a batch twice.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from kafka_checker.history import (
    ABORTED, COMMITTED, OPEN, READ_COMMITTED, READ_UNCOMMITTED, UNKNOWN, History,
)  # fmt: skip

NOT_TO_BE_SEEN = (OPEN, ABORTED)


@dataclass(frozen=True)
class Anomaly:
    kind: str
    text: str


class Facts:
    """A history with the look-ups that the checks share."""

    def __init__(self, history: History):
        self.history = history
        self.final = {READ_COMMITTED: {}, READ_UNCOMMITTED: {}}  # place -> [(offset, value)]
        for session in history.final:  # a later final read of a partition replaces an earlier one
            self.final[session.isolation][session.topic, session.partition] = session.reads
        self.offsets = {isolation: self._offsets(isolation) for isolation in self.final}
        self.sends_of = defaultdict(list)
        for send in history.sends.values():
            if send.transaction is not None:
                self.sends_of[send.transaction].append(send)

    def _offsets(self, isolation) -> dict[str, tuple[int, ...]]:
        """value -> offsets, in order. Nearly all have one: a tuple of it is the smallest."""
        found = {}
        for reads in self.final[isolation].values():
            for offset, value in reads:
                found[value] = (*found.get(value, ()), offset)
        return found

    def state(self, transaction: str | None) -> str:
        """A send outside transactions is committed as soon as it is there."""
        return COMMITTED if transaction is None else self.history.transactions[transaction]

    def all_sessions(self):
        yield from self.history.sessions
        yield from self.history.final


def where(session, offset) -> str:
    return f"{session.topic}/{session.partition}@{offset} ({session.reader}, {session.isolation})"


def lost(facts) -> Iterator[str]:
    """Acknowledged, not in a transaction, and not to be read by everybody."""
    for send in facts.history.sends.values():
        if send.offset is not None and send.transaction is None:
            for isolation, offsets in facts.offsets.items():
                if send.value not in offsets:
                    yield f"{send} is not there for {isolation}"


def misplaced(facts) -> Iterator[str]:
    """Acknowledged at one offset, found at others."""
    for send in facts.history.sends.values():
        found = facts.offsets[READ_UNCOMMITTED].get(send.value)
        if found and send.offset is not None and send.offset >= 0 and send.offset not in found:
            yield f"{send} is at {found}"


def duplicate(facts) -> Iterator[str]:
    for value, offsets in facts.offsets[READ_UNCOMMITTED].items():
        send = facts.history.sends.get(value)
        if send is not None and send.kind != "plain" and len(offsets) > 1:
            yield f"{send} is at {offsets}"


def reordered(facts) -> Iterator[str]:
    for place, reads in facts.final[READ_UNCOMMITTED].items():
        newest, seen = {}, set()
        for offset, value in reads:
            send = facts.history.sends.get(value)
            if send is None or value in seen:
                continue
            seen.add(value)
            before = newest.get(send.producer, -1)
            if send.number < before:
                yield f"{send.producer}: {send.number} comes after {before} at {place}@{offset}"
            newest[send.producer] = max(before, send.number)


def aborted_read(facts) -> Iterator[str]:
    for session in facts.all_sessions():
        if session.isolation != READ_COMMITTED:
            continue
        for offset, value in session.reads:
            send = facts.history.sends.get(value)
            if send is not None and facts.state(send.transaction) in NOT_TO_BE_SEEN:
                yield f"{value} of {send.transaction} is seen at {where(session, offset)}"


def torn(facts) -> Iterator[str]:
    """Part of a transaction is there and part is not; of a committed one all must be."""
    for transaction, sends in facts.sends_of.items():
        state = facts.state(transaction)
        missing = [send.value for send in sends if send.value not in facts.offsets[READ_COMMITTED]]
        whole = state == COMMITTED or (state == UNKNOWN and len(missing) < len(sends))
        if missing and whole:
            text = f"{transaction} ({state}): {len(missing)} of {len(sends)} missing"
            yield f"{text}, first {missing[0]}"


def two_values(facts) -> Iterator[str]:
    """An offset had one value for one and another for another, now or earlier."""
    known = defaultdict(dict)  # place -> offset -> value
    for send in facts.history.sends.values():
        if send.offset is not None and send.offset >= 0:
            other = known[send.topic, send.partition].setdefault(send.offset, send.value)
            if other != send.value:
                at = f"{send.topic}/{send.partition}@{send.offset}"
                yield f"{at} was acknowledged for {other} and for {send.value}"
    for session in facts.all_sessions():
        known_here = known[session.topic, session.partition]
        for offset, value in session.reads:
            other = known_here.setdefault(offset, value)
            if other != value:
                yield f"{where(session, offset)} is {value} and was {other}"


def phantom(facts) -> Iterator[str]:
    """Read and never sent, or sent elsewhere."""
    for session in facts.all_sessions():
        for offset, value in session.reads:
            send = facts.history.sends.get(value)
            place = (session.topic, session.partition)
            if send is None or (send.topic, send.partition) != place:
                yield f"{value} at {where(session, offset)} is {send}"


def went_back(facts) -> Iterator[str]:
    for session in facts.all_sessions():
        next_offset = session.start
        for offset, _ in session.reads:
            if offset < next_offset:
                yield f"{where(session, offset)} after {next_offset - 1}"
            next_offset = offset + 1


def skipped(facts) -> Iterator[str]:
    """A reader went past a value that it should have been given."""
    for session in facts.history.sessions:
        if not session.reads:
            continue
        seen, last = {offset for offset, _ in session.reads}, session.reads[-1][0]
        there = facts.final[session.isolation][session.topic, session.partition]
        first, end = bisect_left(there, (session.start, "")), bisect_left(there, (last + 1, ""))
        for index in range(first, end):
            offset, value = there[index]
            if offset not in seen:
                yield f"{value} at {where(session, offset)}, from {session.start} to {last}"


def vanished(facts) -> Iterator[str]:
    """Somebody was given what is not there in the end: it was not durable when it was shown."""
    for session in facts.all_sessions():
        for offset, value in session.reads:
            if offset not in facts.offsets[session.isolation].get(value, ()):
                yield f"{value} at {where(session, offset)}"


def hung(facts) -> Iterator[str]:
    """All transactions have ended and read_committed does not get to the end."""
    ends = defaultdict(dict)
    for session in facts.history.final:
        ends[session.topic, session.partition][session.isolation] = session.end
    for place, end in ends.items():
        if end[READ_COMMITTED] != end[READ_UNCOMMITTED]:
            yield f"{place}: {end}"


def _commits(facts):
    """(group, topic, partition) -> its commits without those that did not take place."""
    made = defaultdict(list)
    for commit in facts.history.commits:
        if facts.state(commit.transaction) not in NOT_TO_BE_SEEN:
            made[commit.group, commit.topic, commit.partition].append(commit)
    return made


def commit_lost(facts) -> Iterator[str]:
    """The committed offset is behind one that was acknowledged before it was asked for."""
    commits = _commits(facts)
    for fetched in facts.history.fetched:
        for commit in commits[fetched.group, fetched.topic, fetched.partition]:
            is_sure = commit.ended is not None and commit.ended < fetched.begun
            if is_sure and commit.offset > fetched.offset:
                yield f"{fetched} after {commit}"
                break


def commit_from_nowhere(facts) -> Iterator[str]:
    """The committed offset is one that nobody had asked to commit by then."""
    commits = _commits(facts)
    for fetched in facts.history.fetched:
        place = (fetched.group, fetched.topic, fetched.partition)
        known = {one.offset for one in commits[place] if one.begun < fetched.ended}
        if fetched.offset != -1 and fetched.offset not in known:
            yield f"{fetched} and the last commits are {sorted(known)[-3:]}"


def unprocessed(facts) -> Iterator[str]:
    """A group's committed offset is past a value that no member was given."""
    seen, isolations = defaultdict(set), {}
    for session in facts.history.sessions:
        if session.group is not None:
            place = (session.group, session.topic, session.partition)
            seen[place].update(offset for offset, _ in session.reads)
            isolations[session.group] = session.isolation
    for place, committed in facts.history.final_committed.items():
        group, topic, partition = place
        isolation = isolations.get(group, READ_COMMITTED)
        for offset, value in facts.final[isolation][topic, partition]:
            if offset < committed and offset not in seen[place]:
                yield f"{value} at {topic}/{partition}@{offset}, {group} committed {committed}"


def effects(facts) -> Iterator[str]:
    """Exactly once: what a copying group has committed has one copy, and the rest has none."""
    found = Counter()
    for value in facts.offsets[READ_COMMITTED]:
        send = facts.history.sends.get(value)
        if send is not None and send.origin is not None:
            found[send.origin] += 1
    for (group, topic, partition), committed in facts.history.final_committed.items():
        if group not in facts.history.copying_groups:
            continue
        for offset, value in facts.final[READ_COMMITTED][topic, partition]:
            count, want = found[topic, partition, offset], int(offset < committed)
            if count != want:
                at = f"{topic}/{partition}@{offset}"
                yield f"{value} at {at} has {count} copies; {group} committed {committed}"


def zombie(facts) -> Iterator[str]:
    """A producer whose id a successor had taken over was told that it has committed."""
    yield from facts.history.accepted_zombies


def out_of_range(facts) -> Iterator[str]:
    """A place that existed once is beyond the end."""
    yield from facts.history.out_of_range


CHECKS = (
    lost, misplaced, duplicate, reordered, aborted_read, torn, two_values, phantom, went_back,
    skipped, vanished, hung, commit_lost, commit_from_nowhere, unprocessed, effects, zombie,
    out_of_range,
)  # fmt: skip


def check(history: History) -> list[Anomaly]:
    facts = Facts(history)
    return [Anomaly(one.__name__, text) for one in CHECKS for text in one(facts)]
