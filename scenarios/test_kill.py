"""kill -9 at random moments while records come in and are processed: the result is the same."""

import os
import random

import pytest

from compare import ORDERS, TICKS, expect, expect_exact
from final_state import expect_lake_tiles, expect_same_state, final_state
from harness import background_result, wait_until
from oracle import perturb
from workspace import with_roll

KILLS = int(os.environ.get("MILLRACE_KILLS", "5"))
SEED = int(os.environ.get("MILLRACE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
FEED_SECONDS = 2 + KILLS  # how long the feed lasts: time for each kill to hit something


def run_undisturbed(run, kind, file, path):
    with run:
        run.produce(kind.source, path, file.key)
        run.cli("drain")
        return final_state(run, kind), aftermath(run, kind, file)


def run_with_kills(run, kind, file, path, line_count, rng):
    """Kills at random lengths of the input, the last one once all is in; the producer goes on."""
    run.start()
    producer = run.cli_background(
        "produce", kind.source, "--file", path, "--key", file.key,
        "--rate", line_count // FEED_SECONDS, "--retry-for", "120",
    )  # fmt: skip
    lengths = sorted(rng.randrange(1, line_count) for _ in range(KILLS - 1)) + [line_count]
    for number, length in enumerate(lengths, 1):

        def has_come(length=length):
            return run.record_count(kind.source) >= length

        wait_until(has_come, f"{kind.source} to have {length} records", 120)
        # Then after the next sign of life of a random topic, so that kills hit every stage.
        watched = rng.choice((kind.source, kind.output, kind.aggregates, kind.dead_letters))
        mark = run.record_count(watched)
        latest = min(line_count, length + line_count // 50)

        def has_moved(watched=watched, mark=mark, latest=latest):
            return run.record_count(watched) > mark or run.record_count(kind.source) >= latest

        wait_until(has_moved, f"{watched} to grow beyond {mark}", 120)
        print(f"kill {number} of {KILLS}: at {run.record_count(kind.source)} of {line_count}")
        run.kill9()
        run.start()
    sent = background_result(producer)
    expect(sent["sent"] == line_count, f"the producer sent {sent}, not {line_count}")
    run.cli("drain")
    return final_state(run, kind), aftermath(run, kind, file)


def aftermath(run, kind, file):
    """Rows in the lake and features, where both pipeline and binary have any."""
    found = {}
    if file.has_lake and run.has_verb("lake"):
        rows = run.record_count(kind.output)

        def delivered():
            sinks = expect_lake_tiles(run)
            return sinks if rows in sinks.values() else None

        found["lake"] = wait_until(delivered, f"{rows} rows in the lake", 60)
    for group in file.feature_groups if run.has_verb("features") else ():
        keys = sorted({record["key"] for record in run.consume(kind.aggregates)})[:20]
        found[group] = {key: run.cli("features", "get", group, key)["record"] for key in keys}
    return found


def scenario(instance, workspace, write_lines, kind, lines, partitions, parallelism):
    print(f"MILLRACE_SEED={SEED} MILLRACE_KILLS={KILLS}")
    rng = random.Random(SEED)
    file = workspace.pipeline(kind.name)
    file.set_partitions(partitions)
    file.change(with_roll(file.text, "1MiB", "1s"))
    path = write_lines("feed.jsonl", lines)
    calm = instance(file, name="calm", parallelism=parallelism)
    want = run_undisturbed(calm, kind, file, path)
    killed = instance(file, name="killed", parallelism=parallelism)
    got = run_with_kills(killed, kind, file, path, len(lines), rng)
    expect_same_state(got[0], want[0])
    expect(got[1] == want[1], f"lake or features differ: {got[1]} {want[1]}")
    expect_exact(killed, kind, file, lines)


@pytest.mark.parametrize("partitions, parallelism", [(1, 1), (4, 2)])
def test_ticks_survive_kill_9(instance, workspace, write_lines, partitions, parallelism):
    lines = perturb.generate_ticks(SEED, 30_000, 200, bad=0.02, duplicate=0.02, late=0.01)
    scenario(instance, workspace, write_lines, TICKS, lines, partitions, parallelism)


def test_orders_survive_kill_9(instance, workspace, write_lines, real_orders):
    lines = real_orders[:20_000] + perturb.mixed_orders()
    scenario(instance, workspace, write_lines, ORDERS, lines, partitions=4, parallelism=2)


def test_a_clean_stop_replays_nothing(instance, workspace, write_lines, day):
    """Stopped and started in the middle of the day: nothing to recover, the same windows."""
    ticks = workspace.pipeline("ticks")
    half = len(day) // 2
    with instance(ticks) as run:
        run.produce(TICKS.source, write_lines("first.jsonl", day[:half]), ticks.key)
        run.restart()
        recovery = run.status()["recovery"]
        expect(recovery["groups_replayed"] == 0, f"a clean stop left work behind: {recovery}")
        expect(recovery["torn_tail_bytes"] == 0, f"a clean stop left a torn tail: {recovery}")
        run.produce(TICKS.source, write_lines("second.jsonl", day[half:]), ticks.key)
        run.cli("drain")
        expect_exact(run, TICKS, ticks, day)
