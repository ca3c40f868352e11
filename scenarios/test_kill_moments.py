"""kill -9 where it hurts: in starts, stops, drains, rolls, new tables, on an empty folder."""

import csv
import json
import os
import random
import signal
import time

import pytest

from compare import TICKS, expect, expect_exact
from feeds import Feed
from final_state import expect_lake_tiles
from harness import let_pass, wait_until
from oracle import perturb
from workspace import with_roll

SEED = int(os.environ.get("MILLRACE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
EVENTS = 12_000


@pytest.fixture
def rng():
    print(f"MILLRACE_SEED={SEED}")
    return random.Random(SEED)


def kill_during_start(run, rng, seconds_max: float) -> None:
    """Starts a process and kills it after a random part of `seconds_max`, ready or not."""
    run.launch()
    let_pass(rng.random() * seconds_max)  # the moment of the kill
    expect(run.process.poll() is None, f"ended by itself:\n{run.stderr()}")
    run.process.kill()
    run.process.wait(30)


def seconds_to_ready(run) -> float:
    began = time.monotonic()
    run.start()
    return time.monotonic() - began


def test_kills_in_starts_on_an_empty_folder(instance, workspace, write_lines, rng):
    """Topics, secret, first commits: whatever half of it is there, the next start goes on."""
    ticks = workspace.pipeline("ticks")
    timing = instance(ticks, name="timing")
    whole = seconds_to_ready(timing)
    timing.stop()
    lines = perturb.generate_ticks(SEED, 2_000, 20, bad=0.02)
    path = write_lines("feed.jsonl", lines)
    for number in range(5):
        run = instance(ticks, name=f"data-{number}")
        for _ in range(5):
            kill_during_start(run, rng, whole)
        run.start()
        run.produce(TICKS.source, path, ticks.key)
        run.cli("drain")
        expect_exact(run, TICKS, ticks, lines)
        run.stop()


def test_kills_in_recoveries(instance, workspace, write_lines, rng):
    """A process killed in the feed, and again and again while the next one recovers."""
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 4, seed=SEED)
    for share in (0.2, 0.4, 0.6, 0.8, 1.0):
        feed.wait_for(share)
        run.kill9()
        whole = seconds_to_ready(run)
        run.kill9()
        for _ in range(4):
            kill_during_start(run, rng, whole)
        run.start()
    feed.expect_exact()


def test_kills_in_clean_stops(instance, workspace, write_lines, rng):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 4, seed=SEED)
    feed.wait_for(0.1)
    began = time.monotonic()
    assert run.terminate() == 0
    whole = time.monotonic() - began
    run.start()
    for number in range(1, 16):
        feed.wait_for(0.1 + number * 0.05)
        os.kill(run.ready["pid"], signal.SIGTERM)
        let_pass(rng.random() * whole)  # the moment of the kill
        if run.is_alive():
            run.process.kill()
        run.process.wait(30)
        run.start()
    feed.expect_exact()


def test_kills_in_drains(instance, workspace, write_lines, rng):
    """Half a drain is journalled or not; either way the next one ends it.

    The oracle does not model drains in the middle of a feed, so all of it is in before.
    """
    ticks = workspace.pipeline("ticks")
    lines = perturb.generate_ticks(SEED, EVENTS, 50, bad=0.02, duplicate=0.02)
    path = write_lines("feed.jsonl", lines)
    run = instance(ticks).start()
    run.produce(TICKS.source, path, ticks.key)
    for _ in range(10):
        drain = run.cli_background("drain")
        let_pass(rng.random() * 0.05)  # the moment of the kill
        run.kill9()
        drain.communicate(timeout=30)
        run.start()
    run.cli("drain")
    expect_exact(run, TICKS, ticks, lines)


def test_kills_while_the_lake_rolls_all_the_time(instance, workspace, write_lines, rng):
    ticks = workspace.pipeline("ticks")
    ticks.change(with_roll(ticks.text, "16KiB", "1s"))
    run = instance(ticks).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 5, seed=SEED)
    for number in range(1, 16):
        feed.wait_for(number / 16)
        let_pass(rng.random() * 0.1)  # the moment of the kill
        run.kill9()
        run.start()
    feed.expect_exact()
    rows = run.record_count(TICKS.output)

    def delivered():
        return rows in expect_lake_tiles(run).values()

    wait_until(delivered, f"{rows} rows in the lake", 60)
    run.cli("drain")
    assert run.cli("lake", "verify")["exact"] is True


def test_kills_while_new_tables_are_published(instance, workspace, write_lines, rng):
    """Every start brings another version of the table; each row has one that was in force.

    What is in force only moves forward: along a partition the versions of its rows never go back.
    """
    ticks = workspace.pipeline("ticks")
    (table,) = workspace.folder.rglob("sectors.csv")
    with open(table, newline="") as file:
        header, *_ = csv.reader(file)

    def publish(version: int) -> None:
        names = perturb.ticker_names(50)
        rows = [",".join(["v" + str(version) if name == "sector" else ticker for name in header])
                for ticker in names]  # fmt: skip
        table.write_text("\n".join([",".join(header), *rows]) + "\n")

    publish(0)
    run = instance(ticks)
    whole = seconds_to_ready(run)
    feed = Feed(run, ticks, write_lines, EVENTS, 4, seed=SEED)
    for version in range(1, 9):
        feed.wait_for(version / 10)
        run.kill9()
        publish(version)
        for _ in range(2):
            kill_during_start(run, rng, whole)
        run.start()
    feed.wait_for(1.0)
    run.cli("drain")
    assert run.cli("audit")["exact"] is True
    newest: dict[int, int] = {}
    seen = set()
    for record in run.consume(TICKS.output):
        version = int(json.loads(record["value"])["sector"].removeprefix("v"))
        at = record["partition"]
        expect(version >= newest.get(at, 0), f"partition {at}: {version} after {newest.get(at)}")
        newest[at] = version
        seen.add(version)
    expect(len(seen) > 4, f"only {seen} were ever in force")
