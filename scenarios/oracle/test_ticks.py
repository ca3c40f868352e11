"""The ticks twin: the real day against its published windows, and small days worked out by hand."""

import csv
import json
from pathlib import Path

import pytest

from oracle import reading
from oracle.__main__ import read_lines
from oracle.engine import Settings
from oracle.ticks import Ticks

DATA = Path(__file__).resolve().parents[2] / "data"
NEVER = reading.parse_instant("2013-01-01T00:00:00Z")


def tick(number, at, price="1.00", volume=1, ticker="A", **changes):
    """A line; `at` is "hh:mm:ss" on one fixed day."""
    event = {
        "event_id": f"e{number}",
        "timestamp": f"2012-06-21T{at}Z",
        "ticker": ticker,
        "price": price,
        "volume": volume,
        "source": "test",
    }
    event.update(changes)
    return json.dumps({k: v for k, v in event.items() if v is not None}).encode()


def run(*lines, first_votes=0, **settings):
    """By default the first event is believed, so that few lines show what a watermark does."""
    return Ticks(Settings(processing_time=NEVER, first_votes=first_votes, **settings)).run(lines)


def causes(outcome):
    return [letter.error_type for letter in outcome.dead_letters]


def window(outcome, at, ticker="A"):
    return outcome.windows.get((ticker, reading.parse_instant(f"2012-06-21T{at}Z")))


def test_the_real_day_gives_the_387_published_windows():
    outcome = Ticks().run(read_lines(DATA / "amzn_trades_2012-06-21.jsonl.gz"))
    got = {
        (reading.format_instant(start), ticker): [str(w[name]) for name in COLUMNS]
        for (ticker, start), w in outcome.windows.items()
    }
    with open(DATA / "amzn_trades_2012-06-21.expected_windows.csv", newline="") as file:
        want = {
            (row["window_start"], row["ticker"]): [row[name] for name in COLUMNS]
            for row in csv.DictReader(file)
        }
    assert len(want) == 387
    assert got == want
    assert len(outcome.enriched) == 11_419
    assert outcome.dead_letters == []


COLUMNS = ("event_count", "min_price", "max_price", "avg_price", "total_volume")


def test_a_window_by_hand():
    outcome = run(
        tick(1, "13:30:10", "2.50", 10),
        tick(2, "13:30:05", "1.25", 20),  # earlier in time, later in the feed
        tick(3, "13:30:10", "3.00", 30),  # same time as the first, later in the feed
        tick(4, "13:31:00", "9.00", 40),  # the next window: ends are exclusive
    )
    assert window(outcome, "13:30:00") == {
        "event_count": 3,
        "min_price": "1.25",
        "max_price": "3.00",
        "avg_price": "2.2500",
        "total_volume": 60,
        "first_price": "1.25",
        "last_price": "3.00",
    }
    assert window(outcome, "13:31:00")["event_count"] == 1
    assert len(outcome.windows) == 2


def test_windows_are_per_ticker():
    outcome = run(tick(1, "13:30:10"), tick(2, "13:30:10", ticker="B"))
    assert window(outcome, "13:30:00")["event_count"] == 1
    assert window(outcome, "13:30:00", "B")["event_count"] == 1


def test_enrichment():
    pipeline = Ticks(Settings(processing_time=NEVER), {"A": "tech"})
    rows = pipeline.run(
        [tick(1, "13:30:00", "0.0015", 7), tick(2, "13:30:00", "2.5", 3, "B")]
    ).enriched
    assert (rows[0].row["notional"], rows[0].row["sector"]) == ("0.0105", "tech")
    assert (rows[1].row["notional"], rows[1].row["sector"]) == ("7.5000", None)


def test_the_source_may_be_absent():
    outcome = run(tick(1, "13:30:00", source=None))
    assert causes(outcome) == []
    assert "source" not in outcome.enriched[0].row


@pytest.mark.parametrize(
    "changes",
    [{"price": None}, {"price": "abc"}, {"price": 1.5}, {"volume": "1"}, {"volume": True},
     {"event_id": 7}, {"event_id": ""}, {"ticker": None}, {"source": 1},
     {"price": "1.00005"}, {"price": "100000000000000"}, {"timestamp": "yesterday"}],
)  # fmt: skip
def test_schema_errors(changes):
    outcome = run(tick(1, "13:30:00", **changes))
    assert causes(outcome) == ["SCHEMA_INVALID"]
    assert outcome.windows == {}
    assert outcome.enriched == []


def test_unreadable_json_and_other_documents_are_schema_errors_without_an_id():
    outcome = run(b"{", b"[]", b"\xff\xfe")
    assert causes(outcome) == ["SCHEMA_INVALID"] * 3
    assert [letter.attempted_id for letter in outcome.dead_letters] == [None] * 3


def test_all_rules_are_checked():
    outcome = run(tick(1, "13:30:00", price="0.00", volume=-1, ticker="a"))
    assert causes(outcome) == ["BUSINESS_RULE_VIOLATION"]
    assert outcome.dead_letters[0].error_message == (
        "price must be greater than 0; volume must not be negative; "
        "ticker must be 1 to 10 upper-case letters"
    )
    assert outcome.dead_letters[0].attempted_id == "e1"


def test_a_duplicate_is_refused_and_not_counted():
    outcome = run(tick(1, "13:30:00"), tick(2, "13:30:01"), tick(1, "13:30:00"))
    assert causes(outcome) == ["DUPLICATE"]
    assert window(outcome, "13:30:00")["event_count"] == 2


def test_a_refused_event_does_not_use_up_its_id():
    outcome = run(tick(1, "13:30:00", price="0"), tick(1, "13:30:00"), tick(1, "13:30:00"))
    assert causes(outcome) == ["BUSINESS_RULE_VIOLATION", "DUPLICATE"]


def test_an_id_is_forgotten_after_a_day_of_event_time():
    def at(number, day, hour):
        return tick(number, "", timestamp=f"2012-06-{day}T{hour:02}:00:00Z")

    still = run(at(1, 21, 1), at(2, 21, 20), at(1, 22, 0))
    assert causes(still) == ["DUPLICATE"]
    later = run(at(1, 21, 1), at(2, 21, 20), at(3, 22, 10), at(1, 22, 10))
    assert causes(later) == []


@pytest.mark.parametrize("refused", [{"price": "0"}, {"event_id": "e1"}, {"volume": "x"}])
def test_only_an_event_that_passes_moves_the_watermark(refused):
    # The refused one claims 15:00; with it the last one would be late.
    outcome = run(tick(1, "13:30:00"), tick(2, "15:00:00", **refused), tick(3, "13:30:01"))
    assert len(outcome.dead_letters) == 1
    assert window(outcome, "13:30:00")["event_count"] == 2


def test_lateness_to_the_microsecond():
    # Window 13:30 ends 13:31, accepts until the watermark is 13:41, i.e. an event at 13:41:30 came.
    just = run(tick(1, "13:41:29.999999"), tick(2, "13:30:59"))
    assert causes(just) == []
    assert window(just, "13:30:00")["event_count"] == 1
    late = run(tick(1, "13:41:30"), tick(2, "13:30:59"))
    assert causes(late) == ["LATE_EVENT"]
    assert window(late, "13:30:00") is None
    assert len(late.enriched) == 2  # the event itself stays in the enriched output
    bound = run(tick(1, "13:41:30"), tick(2, "13:30:59"), out_of_orderness=31 * reading.SECOND)
    assert causes(bound) == []


def test_an_older_event_does_not_take_the_watermark_back():
    outcome = run(tick(1, "13:41:30"), tick(2, "13:33:00"), tick(3, "13:30:59"))
    assert causes(outcome) == ["LATE_EVENT"]


def test_a_late_event_uses_up_its_id():
    late = run(tick(1, "14:00:00"), tick(2, "13:30:00"), tick(2, "13:30:00"))
    assert causes(late) == ["LATE_EVENT", "DUPLICATE"]


def test_lateness_is_judged_per_partition():
    # murmur2 puts A into partition 2 and B into partition 3 of 4 (checked in the next lines).
    pipeline = Ticks(Settings(processing_time=NEVER, partition_count=4))
    lines = [tick(1, "15:00:00", ticker="A"), tick(2, "13:30:00", ticker="B")]
    apart = pipeline.run(lines)
    assert apart.enriched[0].partition != apart.enriched[1].partition
    assert causes(apart) == []
    assert causes(run(*lines)) == ["LATE_EVENT"]


def test_a_far_future_event_moves_nothing():
    outcome = run(
        tick(1, "13:30:00"),
        tick(2, "", timestamp="9999-12-31T23:59:59Z"),
        tick(3, "13:30:01"),
    )
    assert causes(outcome) == ["FUTURE_EVENT"]
    assert window(outcome, "13:30:00")["event_count"] == 2


def test_a_single_jump_of_days_is_counted_but_does_not_close_windows():
    def jump(number):
        return tick(number, "", timestamp="2012-07-21T00:00:00Z")

    one = run(tick(1, "13:30:00"), jump(2), tick(3, "13:30:01"))
    assert causes(one) == []
    assert len(one.windows) == 2
    # With ten more that agree the watermark follows.
    ten = run(tick(1, "13:30:00"), *map(jump, range(2, 12)), tick(99, "13:30:01"))
    assert causes(ten) == []
    eleven = run(tick(1, "13:30:00"), *map(jump, range(2, 13)), tick(99, "13:30:01"))
    assert causes(eleven) == ["LATE_EVENT"]


def test_offsets_count_per_partition():
    pipeline = Ticks(Settings(processing_time=NEVER, partition_count=4))
    lines = [tick(n, "13:30:00", ticker=t) for n, t in enumerate("ABAAB")]
    places = [(e.partition, e.offset) for e in pipeline.run(lines).enriched]
    a, b = places[0][0], places[1][0]
    assert places == [(a, 0), (b, 0), (a, 1), (a, 2), (b, 1)]


def test_no_event_is_late_before_the_first_eleven_are_in():
    old = [tick(n, "13:30:00") for n in range(2, 20)]
    late = causes(run(tick(1, "23:00:00"), *old))
    assert late == ["LATE_EVENT"] * len(old)
    assert causes(run(tick(1, "23:00:00"), *old, first_votes=10)) == []
    # The watermark then follows the events, not the one that came first.
    later = [tick(99, "18:00:00"), tick(100, "13:30:00")]
    assert causes(run(tick(1, "23:00:00"), *old, *later, first_votes=10)) == ["LATE_EVENT"]
