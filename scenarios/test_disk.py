"""Disks that fail or are full while records come in: an end with a reason, or a pause; no loss."""

import base64
import errno
import os
import resource
import signal
import time

import pytest

from ballast import Ballast
from compare import TICKS, expect
from faults import Faults
from feeds import Feed
from foreign_batches import create_topic
from harness import Failed, let_pass, wait_until
from oracle import perturb

EVENTS = 12_000
# A stop waits for space so long: DiskPatience in src/runtime/task_runner.h, and the log's close.
STOP_PATIENCE_SECONDS = 2 * 10


@pytest.fixture
def faults(tmp_path):
    return Faults(tmp_path)


FILLER = "filler"  # a topic that no pipeline reads


def fill_the_wal(run, write_lines, megabytes: int) -> str:
    """Sends until the log begins new files and moves old ones' batches away; why it ended early."""
    create_topic(run.http_port, FILLER)
    line = base64.b64encode(os.urandom(750_000))  # a million letters that hardly compress
    path = write_lines("filler.jsonl", [line] * megabytes)
    try:
        run.cli("produce", FILLER, "--file", path, "--retry-for", "1")
    except Failed as error:
        return str(error)
    return ""


# --- a disk that fails ---


def expect_end(run, message: str) -> None:
    """The process ends by itself with status 1 and says why."""
    wait_until(lambda: not run.is_alive(), f"an end because of {message}", 30)
    expect(run.process.returncode == 1, f"ended with {run.process.returncode}:\n{run.stderr()}")
    expect(message in run.stderr(), f"no {message!r} in:\n{run.stderr()}")


@pytest.mark.parametrize(
    "path_part, call, message",
    [
        (".wal", "sync", "the write-ahead log failed and takes no more commits"),
        (".wal", "write", "the write-ahead log failed and takes no more commits"),
        ("/topics/", "sync", "cannot go on"),
    ],
)
def test_a_failed_write_or_sync_ends_the_process_and_loses_nothing(
    instance, workspace, write_lines, faults, path_part, call, message
):
    """R17: after a failed fdatasync nobody knows what is on the disk; only a restart finds out."""
    ticks = workspace.pipeline("ticks")
    run = instance(ticks, env=faults.environment()).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 5)
    for share in (0.2, 0.5):
        feed.wait_for(share)
        faults.set(path_part, **{call: 3}, error=errno.EIO)
        if path_part == "/topics/":
            fill_the_wal(run, write_lines, 200)
        expect_end(run, message)
        expect("Input/output error" in run.stderr(), run.stderr())
        faults.set()
        run.start()
    feed.expect_exact()


def test_a_failing_object_store_delays_snapshots_and_nothing_else(
    instance, workspace, write_lines, faults
):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks, env=faults.environment()).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 3)
    faults.set("/objects/", sync=-1, write=-1)
    feed.wait_for(1.0)
    assert run.is_alive()
    run.kill9()
    faults.set()
    run.start()
    feed.expect_exact()


# --- a full disk ---


def stalled_instance(small_disk, instance, workspace, write_lines, events=20_000):
    """One whose log takes nothing more."""
    ticks = workspace.pipeline("ticks")
    ticks.set_partitions(1)
    run = instance(ticks, name="small/data").start()
    if events:
        first = write_lines("first.jsonl", perturb.generate_ticks(77, events, 50))
        run.produce(TICKS.source, first, ticks.key)
    ballast = Ballast(small_disk)
    for _ in range(20):
        ballast.fill()
        reason = fill_the_wal(run, write_lines, 50)
        if reason:
            expect("No space left" in reason, f"another reason: {reason}")
            ballast.fill()
            return run, ticks, ballast
    raise Failed("the disk was full and nobody noticed")


def test_a_feed_goes_on_when_a_full_disk_is_freed(small_disk, instance, workspace, write_lines):
    """Meanwhile the process says so to whoever sends, and answers everybody else."""
    run, ticks, ballast = stalled_instance(small_disk, instance, workspace, write_lines, 0)
    feed = Feed(run, ticks, write_lines, EVENTS, 1)
    for _ in range(20):
        expect(run.status()["state"] == "running", "it must keep going")
    expect(not feed.is_over(), "the disk was not full")
    ballast.drop()
    feed.expect_exact()


def test_a_stop_on_a_full_disk_waits_says_so_and_loses_nothing(
    small_disk, instance, workspace, write_lines
):
    run, _, ballast = stalled_instance(small_disk, instance, workspace, write_lines)
    acknowledged = run.record_count(TICKS.source)
    ballast.fill()
    began = time.monotonic()
    assert run.terminate() == 1
    assert time.monotonic() - began < STOP_PATIENCE_SECONDS + 10
    assert "stopped, but not cleanly" in run.stderr()
    assert "No space left" in run.stderr()
    assert not (run.data / "millrace.pid").exists()
    ballast.drop()
    run.start()
    assert run.record_count(TICKS.source) >= acknowledged
    run.cli("drain")
    assert run.cli("audit")["exact"] is True
    assert run.terminate() == 0


def test_a_stop_is_clean_when_space_is_freed_in_time(small_disk, instance, workspace, write_lines):
    run, _, ballast = stalled_instance(small_disk, instance, workspace, write_lines)
    ballast.fill()
    os.kill(run.ready["pid"], signal.SIGTERM)
    let_pass(1)  # the stop is to be under way, with nowhere to write
    assert run.is_alive()
    ballast.drop()
    code = run.process.wait(30)
    expect(code == 0, f"ended with {code}:\n{run.stderr()}")
    run.start()
    assert run.status()["recovery"]["groups_replayed"] == 0
    run.cli("drain")
    assert run.cli("audit")["exact"] is True


def test_a_start_on_a_full_disk_is_a_clear_error(small_disk, instance, workspace):
    ballast = Ballast(small_disk)
    ballast.fill()
    run = instance(workspace.pipeline("ticks"), name="small/data")
    assert "No space left" in run.refuses_to_start()
    ballast.drop()
    run.start()
    assert run.status()["state"] == "running"


def test_files_that_may_not_grow_end_it_with_a_reason(instance, workspace, write_lines):
    """`ulimit -f`, lowered while it runs: also where no small disk can be mounted."""
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 4)
    feed.wait_for(0.3)
    _, hard = resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (65_536, hard))
    expect_end(run, "File too large")
    run.start()
    feed.expect_exact()
