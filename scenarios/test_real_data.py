"""The real day of trades and the real orders, exactly; and the records that must be refused."""

import csv
from collections import Counter

from compare import ORDERS, TICKS, expect, expect_exact, final_windows
from conftest import DATA
from oracle import perturb, reading
from oracle.__main__ import read_lines


def test_the_real_day_gives_the_387_published_windows(instance, workspace, day, write_lines):
    ticks = workspace.pipeline("ticks")
    with instance(ticks) as run:
        sent = run.produce(TICKS.source, write_lines("day.jsonl", day), ticks.key)
        assert sent["sent"] == len(day)
        assert sent["duplicates_refused"] == 0
        run.cli("drain")
        windows = final_windows(run.consume(TICKS.aggregates), TICKS)
        got = {
            (reading.format_instant(start), ticker): [
                str(window[name]) for name in TICKS.required_aggregates
            ]
            for (ticker, start), window in windows.items()
        }
        with open(DATA / "amzn_trades_2012-06-21.expected_windows.csv", newline="") as file:
            want = {
                (row["window_start"], row["ticker"]): [
                    row[name] for name in TICKS.required_aggregates
                ]
                for row in csv.DictReader(file)
            }
        assert len(want) == 387
        assert got == want
        outcome = expect_exact(run, TICKS, ticks, day)
        assert outcome.dead_letters == []
        assert run.terminate() == 0


def test_the_real_orders_are_exact(instance, workspace, real_orders, write_lines):
    orders = workspace.pipeline("orders")
    with instance(orders) as run:
        path = write_lines("orders.jsonl", real_orders)
        assert run.produce(ORDERS.source, path, orders.key)["sent"] == len(real_orders)
        run.cli("drain")
        outcome = expect_exact(run, ORDERS, orders, real_orders)
        assert outcome.counts["BUSINESS_RULE_VIOLATION"] == 80
        assert run.terminate() == 0


def test_both_pipelines_at_once_with_every_kind_of_refused_record(
    instance, workspace, day, real_orders, write_lines
):
    ticks, orders = workspace.pipeline("ticks"), workspace.pipeline("orders")
    days = day + read_lines(DATA / "mixed_ticks.jsonl") + [b'{"event_id":"\xff\xfe"}']
    shop = real_orders[-5000:] + read_lines(DATA / "mixed_orders.jsonl")
    with instance(ticks, orders) as run:
        run.produce(TICKS.source, write_lines("day.jsonl", days), ticks.key)
        run.produce(ORDERS.source, write_lines("orders.jsonl", shop), orders.key)
        run.cli("drain")
        day_outcome = expect_exact(run, TICKS, ticks, days)
        shop_outcome = expect_exact(run, ORDERS, orders, shop)
        for pipeline in run.status()["pipelines"]:
            ours = day_outcome if pipeline["pipeline"] == "ticks" else shop_outcome
            expect_counters(pipeline["counters"], ours)


def expect_counters(counters, outcome):
    """`status` counts what happened, cause by cause."""
    causes = Counter(letter.error_type for letter in outcome.dead_letters)
    shown = {cause: n for cause, n in counters["dead_letters"].items() if n}
    expect(shown == dict(causes), f"dead letters counted {shown}, not {dict(causes)}")
    for name, want in (
        ("in", outcome.counts["in"]),
        ("out", outcome.counts["out"]),
        ("duplicates", causes["DUPLICATE"]),
        ("late", causes["LATE_EVENT"]),
    ):
        expect(counters[name] == want, f"{name} counted {counters[name]}, not {want}")


def test_mixed_records_before_anything_else_harm_nothing(instance, workspace, day, write_lines):
    """Broken records as the very first ones; the one of 13:31 is not late then."""
    ticks = workspace.pipeline("ticks")
    lines = [*perturb.mixed_ticks()[:12], *day[:500]]
    with instance(ticks) as run:
        run.produce(TICKS.source, write_lines("day.jsonl", lines), ticks.key)
        run.cli("drain")
        expect_exact(run, TICKS, ticks, lines)
