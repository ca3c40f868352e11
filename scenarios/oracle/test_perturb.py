"""The harder inputs are what they claim to be."""

import json
from collections import Counter
from pathlib import Path

import pytest

from oracle import perturb, reading
from oracle.__main__ import read_lines
from oracle.engine import Settings
from oracle.orders import Orders
from oracle.ticks import Ticks

DATA = Path(__file__).resolve().parents[2] / "data"
BOUND = 30 * reading.SECOND


@pytest.fixture(scope="module")
def day():
    return read_lines(DATA / "amzn_trades_2012-06-21.jsonl.gz")


def event_time(line):
    return reading.parse_instant(json.loads(line)["timestamp"])


def test_shuffled_lines_stay_within_the_bound(day):
    shuffled = perturb.shuffle_within(day, BOUND, seed=7)
    assert shuffled != day
    assert sorted(shuffled) == sorted(day)
    newest, worst = 0, 0
    for line in shuffled:
        newest = max(newest, event_time(line))
        worst = max(worst, newest - event_time(line))
    assert BOUND // 2 < worst < BOUND
    assert shuffled == perturb.shuffle_within(day, BOUND, seed=7)
    assert shuffled != perturb.shuffle_within(day, BOUND, seed=8)


def test_shuffling_changes_no_window_but_first_and_last(day):
    def essence(lines):
        windows = Ticks().run(lines).windows
        return {
            at: {k: v for k, v in w.items() if k not in ("first_price", "last_price")}
            for at, w in windows.items()
        }

    assert essence(perturb.shuffle_within(day, BOUND, seed=7)) == essence(day)


def test_sent_twice_means_every_line_is_there_twice(day):
    twice = perturb.send_twice(day, seed=7)
    assert Counter(twice) == {line: 2 for line in day}
    outcome = Ticks().run(twice)
    assert outcome.counts["DUPLICATE"] == len(day)
    assert outcome.windows == Ticks().run(day).windows


def test_generated_ticks_have_the_shares_asked_for():
    lines = perturb.generate_ticks(1, 20_000, 200, bad=0.02, duplicate=0.02, late=0.01)
    outcome = Ticks().run(lines)
    assert len(lines) == 20_000
    assert 250 < outcome.counts["SCHEMA_INVALID"] + outcome.counts["BUSINESS_RULE_VIOLATION"] < 600
    assert 250 < outcome.counts["DUPLICATE"] < 600
    assert 80 < outcome.counts["LATE_EVENT"] < 300
    assert len({ticker for ticker, _ in outcome.windows}) == 200
    assert lines == perturb.generate_ticks(1, 20_000, 200, bad=0.02, duplicate=0.02, late=0.01)


@pytest.mark.parametrize("partitions", [1, 4, 16])
def test_generated_lateness_does_not_depend_on_the_partitions(partitions):
    lines = perturb.generate_ticks(2, 20_000, 200, bad=0.02, duplicate=0.02, late=0.01)
    one = Ticks().run(lines)
    more = Ticks(Settings(partition_count=partitions)).run(lines)
    assert more.windows == one.windows
    assert more.counts == one.counts


def test_the_clean_generator_gives_clean_lines():
    assert Ticks().run(perturb.generate_ticks(3, 5_000)).dead_letters == []


def test_mixed_files_are_what_the_generator_says():
    for name, lines in (("ticks", perturb.mixed_ticks()), ("orders", perturb.mixed_orders())):
        assert read_lines(DATA / f"mixed_{name}.jsonl") == lines


def test_mixed_ticks_change_no_window_of_the_day(day):
    alone, mixed = Ticks().run(day), Ticks().run(day + perturb.mixed_ticks())
    assert mixed.windows == alone.windows
    assert mixed.counts == {
        "in": 11_432, "out": 11_420, "windows": 387, "SCHEMA_INVALID": 7,
        "BUSINESS_RULE_VIOLATION": 3, "FUTURE_EVENT": 1, "LATE_EVENT": 1, "DUPLICATE": 1,
    }  # fmt: skip


def test_mixed_orders_change_no_window_of_the_real_ones():
    lines = read_lines(DATA / "cdnow_orders_1997.jsonl.gz")
    pipeline = Orders(Settings(partition_count=10))
    mixed = pipeline.run(lines + perturb.mixed_orders())
    assert mixed.windows == pipeline.run(lines).windows
    assert mixed.counts == {
        "in": 69_675, "out": 69_580, "windows": 65_214, "SCHEMA_INVALID": 7,
        "BUSINESS_RULE_VIOLATION": 86, "FUTURE_EVENT": 1, "LATE_EVENT": 1, "DUPLICATE": 1,
    }  # fmt: skip
