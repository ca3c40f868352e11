"""Every anomaly is found in a history made by hand, and is the only one found there."""

import pytest

from kafka_checker.checker import CHECKS, check
from kafka_checker.history import (
    ABORTED, COMMITTED, OPEN, READ_COMMITTED, READ_UNCOMMITTED, UNKNOWN, Fetched, History,
)  # fmt: skip

BOTH = (READ_COMMITTED, READ_UNCOMMITTED)


class Made(History):
    """A history of one partition, t/0, and its copy in s/0."""

    def sent(self, value, number, offset=None, transaction=None, **more):
        fields = {"topic": "t", "partition": 0, "producer": "p", "kind": "idempotent", **more}
        return self.send(
            value=value, number=number, offset=offset, transaction=transaction, **fields
        )

    def ends_with(self, reads, isolations=BOTH, topic="t", end=10):
        for isolation in isolations:
            fields = {"reader": "end", "topic": topic, "partition": 0, "start": 0, "end": end}
            session = self.session(isolation=isolation, **fields)
            self.sessions.remove(session)
            session.reads.extend(reads)
            self.final.append(session)

    def reads(self, reads, start=0, isolation=READ_UNCOMMITTED, group=None):
        session = self.session(
            reader="r", isolation=isolation, topic="t", partition=0, start=start, group=group
        )
        session.reads.extend(reads)

    def committed(self, offset, is_sure=True, group="g", transaction=None):
        one = self.commit(
            group=group, topic="t", partition=0, offset=offset, transaction=transaction
        )
        if is_sure:
            one.ended = self.tick()

    def fetches(self, offset):
        self.fetched.append(Fetched("g", "t", 0, offset, self.tick(), self.tick()))


def clean() -> Made:
    """a, b, c are idempotent, x and y in a committed transaction, z in an aborted one."""
    made = Made()
    for number, value in enumerate("abc"):
        made.sent(value, number, offset=number)
    made.transactions = {"T": COMMITTED, "U": ABORTED}
    made.sent("x", 3, offset=3, transaction="T", kind="transactional")
    made.sent("y", 4, offset=4, transaction="T", kind="transactional")
    made.sent("z", 5, offset=6, transaction="U", kind="transactional")
    values = [(0, "a"), (1, "b"), (2, "c"), (3, "x"), (4, "y")]
    made.ends_with(values, (READ_COMMITTED,))
    made.ends_with([*values, (6, "z")], (READ_UNCOMMITTED,))
    return made


def expect_only(history, *kinds):
    assert {one.kind for one in check(history)} == set(kinds)


def test_a_clean_history_passes():
    made = clean()
    made.reads([(1, "b"), (2, "c"), (3, "x")], start=1)
    made.reads([(4, "y"), (6, "z")], start=4)
    made.reads([(3, "x"), (4, "y")], start=3, isolation=READ_COMMITTED)
    made.fetches(-1)
    made.committed(2)
    made.fetches(2)
    made.committed(4, is_sure=False)
    made.fetches(2)  # the commit without an answer: not yet,
    made.fetches(4)  # and now
    expect_only(made)


def test_unknown_outcomes_count_as_either():
    made = clean()
    made.sent("not there", 6).failed = True
    made.transactions |= {"V": UNKNOWN, "W": UNKNOWN}
    for value, number, transaction in (("v1", 7, "V"), ("v2", 8, "V"), ("w1", 9, "W")):
        made.sent(value, number, transaction=transaction, kind="transactional")
    for session in made.final:
        session.reads += [(7, "v1"), (8, "v2")]
    expect_only(made)


@pytest.mark.parametrize("missing_for", BOTH)
def test_lost(missing_for):
    made = clean()
    made.sent("acknowledged", 6, offset=-1)
    other = BOTH[1 - BOTH.index(missing_for)]
    for session in made.final:
        if session.isolation == other:
            session.reads.append((7, "acknowledged"))
    expect_only(made, "lost")


def test_misplaced():
    made = clean()
    made.sends["b"].offset = 9
    expect_only(made, "misplaced")


@pytest.mark.parametrize("kind", ("idempotent", "transactional", "plain"))
def test_duplicate(kind):
    made = clean()
    made.sends["b"].kind = kind
    for session in made.final:
        session.reads.append((7, "b"))
    expect_only(made, *(["duplicate"] if kind != "plain" else []))


def test_reordered():
    made = clean()
    made.sends["a"].number, made.sends["b"].number = 1, 0
    expect_only(made, "reordered")


@pytest.mark.parametrize("state", (ABORTED, OPEN))
def test_aborted_read_by_one_who_was_there_early(state):
    made = clean()
    made.transactions["U"] = state
    made.reads([(6, "z")], start=6, isolation=READ_COMMITTED)
    # It is not there for the last reader, so it has vanished, too.
    expect_only(made, "aborted_read", "vanished")


def test_aborted_read_in_the_end():
    made = clean()
    made.final[0].reads.append((6, "z"))
    expect_only(made, "aborted_read")


@pytest.mark.parametrize("state", (COMMITTED, UNKNOWN))
def test_torn(state):
    made = clean()
    made.transactions["T"] = state
    made.final[0].reads.remove((4, "y"))
    expect_only(made, "torn")


def test_torn_altogether():
    made = clean()
    made.final[0].reads = made.final[0].reads[:3]
    expect_only(made, "torn")


def test_two_values_acknowledged_for_one_offset():
    made = clean()
    made.sends["b"].offset = 0
    expect_only(made, "two_values", "misplaced")


def test_two_values_read_at_one_offset():
    made = clean()
    made.reads([(1, "c")], start=1)
    expect_only(made, "two_values", "vanished")


def test_phantom():
    made = clean()
    for session in made.final:
        session.reads.append((7, "never sent"))
    expect_only(made, "phantom")


def test_phantom_of_another_topic():
    made = clean()
    made.sent("s", 9, topic="s", offset=7)
    for session in made.final:
        session.reads.append((7, "s"))
    expect_only(made, "phantom")


def test_went_back():
    made = clean()
    made.reads([(0, "a"), (1, "b"), (1, "b"), (2, "c")])
    expect_only(made, "went_back")


def test_went_back_before_its_start():
    made = clean()
    made.reads([(1, "b"), (2, "c")], start=2)
    expect_only(made, "went_back")


def test_skipped():
    made = clean()
    made.reads([(0, "a"), (2, "c")])
    expect_only(made, "skipped")


def test_skipped_the_first():
    made = clean()
    made.reads([(1, "b")], start=0)
    expect_only(made, "skipped")


def test_vanished():
    made = clean()
    made.sent("shown", 6)
    made.reads([(6, "z"), (7, "shown")], start=5)
    expect_only(made, "vanished")


def test_hung():
    made = clean()
    made.final[0].end = 6
    expect_only(made, "hung")


def test_commit_lost():
    made = clean()
    made.committed(1)
    made.committed(2)
    made.fetches(1)
    expect_only(made, "commit_lost")


def test_commit_lost_altogether():
    made = clean()
    made.committed(1)
    made.fetches(-1)
    expect_only(made, "commit_lost")


def test_commit_from_nowhere():
    made = clean()
    made.committed(1)
    made.fetches(2)
    made.committed(2)  # too late
    expect_only(made, "commit_from_nowhere")


def test_commit_of_an_aborted_transaction():
    made = clean()
    made.committed(3, is_sure=False, transaction="U")
    made.fetches(3)
    expect_only(made, "commit_from_nowhere")


def test_unprocessed():
    made = clean()
    made.reads([(0, "a")], group="g")
    made.reads([(2, "c")], start=2, group="g")
    made.final_committed["g", "t", 0] = 3
    expect_only(made, "unprocessed")


def copied() -> Made:
    """a and b are copied and committed, c is not."""
    made = clean()
    made.copying_groups.add("g")
    made.reads([(0, "a"), (1, "b"), (2, "c")], isolation=READ_COMMITTED, group="g")
    made.transactions["C"] = COMMITTED
    for number in range(2):
        made.sent(
            f"copy {number}", number, offset=number, transaction="C", kind="transactional",
            topic="s", producer="copier", origin=("t", 0, number),
        )  # fmt: skip
    made.ends_with([(0, "copy 0"), (1, "copy 1")], topic="s")
    made.final_committed["g", "t", 0] = 2
    return made


def test_copies_that_are_there_once_pass():
    expect_only(copied())


def test_an_effect_lost():
    made = copied()
    made.final_committed["g", "t", 0] = 3
    expect_only(made, "effects")


def test_an_effect_that_came_without_its_offset():
    made = copied()
    made.final_committed["g", "t", 0] = 1
    expect_only(made, "effects")


def test_an_effect_twice():
    made = copied()
    made.sent(
        "again", 2, offset=2, transaction="C", kind="transactional", topic="s",
        producer="copier", origin=("t", 0, 1),
    )  # fmt: skip
    for session in made.final[-2:]:
        session.reads.append((2, "again"))
    expect_only(made, "effects")


def test_zombie():
    made = clean()
    made.accepted_zombies.append("U")
    expect_only(made, "zombie")


def test_out_of_range():
    made = clean()
    made.out_of_range.append("r: t/0")
    expect_only(made, "out_of_range")


def test_every_check_has_a_test_that_needs_it():
    text = open(__file__).read()
    assert all(f'"{one.__name__}"' in text for one in CHECKS)


class Message:
    def __init__(self, offset, value):
        self._offset, self._value = offset, value

    def offset(self):
        return self._offset

    def value(self):
        return self._value


def test_what_is_read_again_is_kept_once_and_what_differs_is_kept():
    made = Made()
    made.reads([])
    session = made.sessions[0]
    for value in (b"a", b"a", b"b"):
        made.read(session, Message(7, value))
    assert session.reads == [(7, "a"), (7, "a"), (7, "b")]
    assert session.reads[0] is session.reads[1]


def test_writers_wait_when_the_run_allows_no_more_values():
    made = Made()
    made.values_allowed = 2
    made.sent("a", 0)
    assert not made.is_full()
    made.sent("b", 1)
    assert made.is_full()
