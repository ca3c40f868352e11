"""An acknowledged record is on the disk: seen from outside, in the order of system calls."""

import shutil
import subprocess

import pytest

from compare import TICKS
from trace_lines import read_calls

PRODUCES = 20
REQUEST = f"POST /api/v1/topics/{TICKS.source}/batches"
READS = {"read", "recvfrom", "recvmsg", "readv"}
WRITES = {"write", "writev", "pwrite64", "pwritev", "pwritev2"}
SENDS = {"write", "writev", "sendto", "sendmsg"}
SYNCS = {"fdatasync", "fsync"}


@pytest.fixture
def strace():
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    done = subprocess.run([path, "-f", "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"tracing is not permitted: {done.stderr.strip()[-200:]}")
    return path


def test_every_acknowledged_produce_was_synced_before(
    strace, instance, workspace, write_lines, day, tmp_path
):
    ticks = workspace.pipeline("ticks")
    trace = tmp_path / "trace"
    names = ",".join(sorted(READS | WRITES | SENDS | SYNCS))
    wrapper = [strace, "-f", "-y", "-s", "1000", "-e", f"trace={names}", "-o", str(trace)]
    with instance(ticks, wrapper=wrapper) as run:
        for number in range(PRODUCES):
            path = write_lines("one.jsonl", [day[number]])
            assert run.produce(TICKS.source, path, ticks.key)["sent"] == 1
        run.terminate()
    calls = read_calls(trace.read_text(errors="replace").splitlines())
    check_order(calls)


def check_order(calls):
    """request read < WAL written < WAL synced, all finished, before the answer begins."""
    requests = [call for call in calls if call.name in READS and REQUEST in call.text]
    answers = [call for call in calls if call.name in SENDS and "base_offset" in call.text]
    assert len(requests) == len(answers) == PRODUCES
    for request, answer in zip(requests, answers, strict=True):
        assert request.ended < answer.begun
        written = [
            call
            for call in calls
            if call.name in WRITES
            and ".wal>" in call.text
            and request.ended < call.begun
            and call.ended < answer.begun
        ]
        assert written, f"nothing was written to the log between {request} and {answer}"
        synced = [
            call
            for call in calls
            if call.name in SYNCS
            and ".wal>" in call.text
            and call.result == 0
            and written[0].ended < call.begun
            and call.ended < answer.begun
        ]
        assert synced, f"no completed sync between {written[0]} and {answer}"
