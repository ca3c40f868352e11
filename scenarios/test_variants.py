"""The same results for inputs out of order, sent twice, spread over partitions and workers."""

import pytest

from compare import ORDERS, TICKS, expect_exact
from oracle import perturb, reading

SEED = 20120621


def run_ticks(instance, workspace, write_lines, lines, partitions=None, parallelism=None):
    ticks = workspace.pipeline("ticks")
    if partitions is not None:
        ticks.set_partitions(partitions)
    with instance(ticks, parallelism=parallelism) as run:
        run.produce(TICKS.source, write_lines("ticks.jsonl", lines), ticks.key)
        run.cli("drain")
        if partitions is not None:
            assert len(run.high_watermarks(TICKS.source)) == partitions
        return expect_exact(run, TICKS, ticks, lines)


def test_shuffled_within_the_out_of_orderness(instance, workspace, day, write_lines):
    bound = workspace.pipeline("ticks").settings().out_of_orderness
    lines = perturb.shuffle_within(day, bound, SEED)
    outcome = run_ticks(instance, workspace, write_lines, lines)
    assert len(outcome.windows) == 387
    assert outcome.dead_letters == []


def test_every_event_twice(instance, workspace, day, write_lines):
    lines = perturb.send_twice(day, SEED)
    outcome = run_ticks(instance, workspace, write_lines, lines)
    assert len(outcome.windows) == 387
    assert outcome.counts["DUPLICATE"] == len(day)


def test_every_order_twice(instance, workspace, real_orders, write_lines):
    orders = workspace.pipeline("orders")
    # Close together: orders are minutes apart, and an id is forgotten after a day.
    lines = perturb.send_twice(real_orders[:10_000], SEED, distance_max=20)
    with instance(orders) as run:
        run.produce(ORDERS.source, write_lines("orders.jsonl", lines), orders.key)
        run.cli("drain")
        outcome = expect_exact(run, ORDERS, orders, lines)
    # All but the free ones, which are refused by the amount rule both times.
    assert outcome.counts["DUPLICATE"] == outcome.counts["out"] > 9_900


@pytest.mark.parametrize("parallelism", [1, 2])
@pytest.mark.parametrize("partitions", [1, 4, 16])
def test_200_tickers(instance, workspace, write_lines, partitions, parallelism):
    lines = perturb.generate_ticks(SEED, 30_000, 200, bad=0.02, duplicate=0.02, late=0.01)
    outcome = run_ticks(instance, workspace, write_lines, lines, partitions, parallelism)
    assert len(outcome.windows) > 10_000
    assert outcome.counts["LATE_EVENT"] > 50
    assert outcome.counts["DUPLICATE"] > 300


@pytest.mark.parametrize("parallelism", [1, 2])
@pytest.mark.parametrize("partitions", [1, 4, 16])
def test_orders_of_one_region_meet_whatever_partition_they_come_from(
    instance, workspace, real_orders, write_lines, partitions, parallelism
):
    orders = workspace.pipeline("orders")
    orders.set_partitions(partitions)
    lines = real_orders[:15_000]
    with instance(orders, parallelism=parallelism) as run:
        run.produce(ORDERS.source, write_lines("orders.jsonl", lines), orders.key)
        run.cli("drain")
        expect_exact(run, ORDERS, orders, lines)


def test_a_second_batch_after_a_drain_goes_on(instance, workspace, day, write_lines):
    """drain fires windows early; what comes later for them is a revision, not a loss."""
    ticks = workspace.pipeline("ticks")
    half = len(day) // 2
    cut = reading.parse_instant("2012-06-21T16:00:00Z")
    with instance(ticks) as run:
        run.produce(TICKS.source, write_lines("first.jsonl", day[:half]), ticks.key)
        run.cli("drain")
        run.produce(TICKS.source, write_lines("second.jsonl", day[half:]), ticks.key)
        run.cli("drain")
        outcome = expect_exact(run, TICKS, ticks, day)
    assert any(start > cut for _, start in outcome.windows)
