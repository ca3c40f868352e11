"""Damage in the write-ahead log: a torn tail is cut and reported, anything else is an error."""

import random
import shutil
from pathlib import Path

import pytest

from compare import TICKS, expect, expect_exact, value_bytes
from harness import Failed, Millrace, wait_until
from oracle import perturb

FEED_EVENTS = 30_000


@pytest.fixture
def killed_in_the_feed(instance, workspace, write_lines):
    """An instance killed while records arrive, so that its newest groups are in no checkpoint."""
    ticks = workspace.pipeline("ticks")
    ticks.set_partitions(1)
    lines = perturb.generate_ticks(5, FEED_EVENTS, 50)
    path = write_lines("feed.jsonl", lines)
    run = instance(ticks).start()
    producer = run.cli_background(
        "produce", TICKS.source, "--file", path, "--key", ticks.key,
        "--rate", FEED_EVENTS // 4, "--retry-for", "120",
    )  # fmt: skip
    try:
        half = FEED_EVENTS // 2
        wait_until(lambda: run.record_count(TICKS.source) >= half, f"{half} records")
        acknowledged = run.record_count(TICKS.source)
        run.kill9()
    finally:
        producer.kill()
        producer.communicate()
    return run, ticks, lines, acknowledged


FILE_HEADER_BYTES = 4096


def newest_wal(data: Path) -> Path:
    """The newest one that holds groups; the log keeps one more ready, with nothing in it."""
    files = sorted(data.rglob("*.wal"))
    expect(files, f"no *.wal under {data}")
    used = [file for file in files if used_bytes(file.read_bytes()) > FILE_HEADER_BYTES]
    return used[-1] if used else files[0]


def used_bytes(content: bytes) -> int:
    """Length without the zeros of a preallocated rest."""
    return len(content.rstrip(b"\0"))


def flip(path: Path, position: int) -> None:
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 0x5A]))


def expect_prefix(run: Millrace, lines: list[bytes]) -> int:
    """The input topic holds the first lines, in order, nothing else; how many."""
    got = [value_bytes(record) for record in run.consume(TICKS.source)]
    expect(got == lines[: len(got)], "the input is not a prefix of what was sent")
    return len(got)


def expect_goes_on(run: Millrace, ticks, lines, count: int, write_lines) -> None:
    """The rest can be sent, and then everything is exact."""
    rest = write_lines("rest.jsonl", lines[count:])
    run.produce(TICKS.source, rest, ticks.key)
    run.cli("drain")
    expect_exact(run, TICKS, ticks, lines)


def test_nothing_acknowledged_is_lost_by_a_kill(killed_in_the_feed, write_lines):
    run, ticks, lines, acknowledged = killed_in_the_feed
    run.start()
    count = expect_prefix(run, lines)
    assert count >= acknowledged
    assert run.status()["recovery"]["groups_replayed"] > 0
    expect_goes_on(run, ticks, lines, count, write_lines)


def test_a_damaged_tail_is_cut_and_reported(killed_in_the_feed, write_lines):
    run, ticks, lines, _ = killed_in_the_feed
    wal = newest_wal(run.data)
    flip(wal, used_bytes(wal.read_bytes()) - 1)
    run.start()
    recovery = run.status()["recovery"]
    assert recovery["torn_tail_bytes"] > 0
    assert recovery["notes"]
    count = expect_prefix(run, lines)
    expect_goes_on(run, ticks, lines, count, write_lines)


def test_a_half_written_group_is_cut_and_reported(killed_in_the_feed, write_lines):
    """As a power loss in the middle of a write leaves it: the end of the last group is missing."""
    run, ticks, lines, _ = killed_in_the_feed
    wal = newest_wal(run.data)
    with open(wal, "r+b") as file:
        file.truncate(used_bytes(wal.read_bytes()) - 9)
    run.start()
    assert run.status()["recovery"]["torn_tail_bytes"] > 0
    count = expect_prefix(run, lines)
    expect_goes_on(run, ticks, lines, count, write_lines)


def test_damage_in_the_middle_is_never_silent(killed_in_the_feed, tmp_path, write_lines):
    """One byte changed at many places: an error naming file and position, or no harm at all.

    From the end of the log backwards: the last group is a torn tail, groups before it are damage in
    the middle, and what lies before the last checkpoint is not read again.
    """
    run, ticks, lines, acknowledged = killed_in_the_feed
    whole = tmp_path / "whole"
    shutil.copytree(run.data, whole)
    end = used_bytes(newest_wal(whole).read_bytes())
    rng = random.Random(11)
    distances = [d for d in (100, 400, 1_600, 6_400, 25_600, 102_400, 204_800, 409_600) if d < end]
    outcomes = []
    for distance in distances:
        position = end - distance - rng.randrange(distance // 4)
        shutil.rmtree(run.data)
        shutil.copytree(whole, run.data)
        wal = newest_wal(run.data)
        flip(wal, max(0, position))
        try:
            run.start()
        except Failed as error:
            message = str(error)
            expect(not run.is_alive(), f"neither ready nor ended: {message}")
            expect(wal.name in message, f"no file named: {message}")
            expect(any(c.isdigit() for c in message.replace(wal.name, "")), f"where? {message}")
            outcomes.append("refused")
            continue
        count = expect_prefix(run, lines)
        if run.status()["recovery"]["torn_tail_bytes"] > 0:
            outcomes.append("torn")
        else:
            expect(count >= acknowledged, f"{acknowledged - count} records lost in silence")
            outcomes.append("unharmed")
        run.kill9()
    print(dict(zip(distances, outcomes, strict=True)))
    assert "refused" in outcomes
    assert outcomes == sorted(outcomes, key=["torn", "refused", "unharmed"].index)
    shutil.rmtree(run.data)
    shutil.copytree(whole, run.data)
    run.start()
    expect_goes_on(run, ticks, lines, expect_prefix(run, lines), write_lines)
