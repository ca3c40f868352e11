"""Processes that stand still for longer than every time-out, and one that is out of memory."""

import os
import signal
import socket
from pathlib import Path

import pytest

from compare import expect
from feeds import Feed
from harness import let_pass, wait_until

# Longer than every time-out of client (30 s) and server (60 s): set MILLRACE_PAUSE_SECONDS=70. The
# default only outlasts what runs in tenths of a second: retries, ticks, idle partitions' checks.
PAUSE_SECONDS = float(os.environ.get("MILLRACE_PAUSE_SECONDS", "6"))
EVENTS = 12_000


def pause(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    let_pass(seconds)
    os.kill(pid, signal.SIGCONT)


def test_a_server_that_stood_still_loses_and_doubles_nothing(instance, workspace, write_lines):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 4)
    for share in (0.3, 0.7):
        feed.wait_for(share)
        pause(run.ready["pid"], PAUSE_SECONDS)
        expect(run.is_alive(), f"it ended:\n{run.stderr()}")
    feed.expect_exact()


def test_a_producer_that_stood_still_loses_and_doubles_nothing(instance, workspace, write_lines):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 4)
    for share in (0.3, 0.7):
        feed.wait_for(share)
        pause(feed.producer.pid, PAUSE_SECONDS)
    feed.expect_exact()


def test_a_server_that_is_replaced_while_its_client_stands_still(instance, workspace, write_lines):
    """The client wakes up with an answer half read from a process that is gone."""
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    feed = Feed(run, ticks, write_lines, EVENTS, 4)
    for share in (0.2, 0.4, 0.6, 0.8):
        feed.wait_for(share)
        os.kill(feed.producer.pid, signal.SIGSTOP)
        run.kill9()
        run.start()
        os.kill(feed.producer.pid, signal.SIGCONT)
    feed.expect_exact()


# --- memory ---

MEMORY_BYTES = 96 << 20
MEMORY_EVENTS = 60_000


@pytest.fixture
def memory_group():
    """A control group whose processes are killed above MEMORY_BYTES."""
    own = {line.split(":", 2)[1]: line.rstrip("\n").split(":", 2)[2]
           for line in Path("/proc/self/cgroup").read_text().splitlines()}  # fmt: skip
    name = f"millrace-test-{os.getpid()}"
    if "memory" in own:
        folder, limit = Path("/sys/fs/cgroup/memory" + own["memory"]) / name, "limit_in_bytes"
    else:
        folder, limit = Path("/sys/fs/cgroup" + own.get("", "/")) / name, "max"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group of its own: {error}")
    try:
        (folder / f"memory.{limit}").write_text(str(MEMORY_BYTES))
    except OSError as error:
        folder.rmdir()
        pytest.skip(f"the control group takes no memory limit: {error}")
    yield folder
    wait_until(lambda: not (folder / "cgroup.procs").read_text(), "its processes to end", 30)
    folder.rmdir()


def test_out_of_memory_is_a_kill_like_any_other(
    instance, workspace, write_lines, memory_group
):
    """Killed under load until the feed has ended without the limit; nothing is lost or doubled."""
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    feed = Feed(run, ticks, write_lines, MEMORY_EVENTS, 6)
    killed = 0
    for share in (0.3, 0.6):
        feed.wait_for(share)
        (memory_group / "cgroup.procs").write_text(str(run.ready["pid"]))
        # What it had before counts elsewhere: requests with large bodies take the rest.
        killed += press_on_memory(run)
        run.start()
    expect(killed > 0, "it never ran out of memory")
    feed.expect_exact()
    run.stop()


def press_on_memory(run) -> int:
    """Half-sent requests of 32 MB, until the process is gone; 1 when it was killed."""
    head = (
        "POST /api/v1/topics/input_topic/batches HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 33554432\r\n\r\n"
    ).encode()
    held = []
    try:
        for _ in range(16):
            held.append(socket.create_connection(("127.0.0.1", run.http_port), 5))
            held[-1].sendall(head + bytes(33_554_000))
    except OSError:
        pass
    wait_until(lambda: not run.is_alive(), "the end of the process", 30)
    for connection in held:
        connection.close()
    return int(run.process.returncode == -signal.SIGKILL)
