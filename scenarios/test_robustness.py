"""What an operator does wrong and what disks do: clear errors, no silent loss, and a way back."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import pytest

import harness
from compare import TICKS, expect, expect_exact, value_bytes
from harness import Failed, Millrace, background_result, wait_until
from oracle import perturb

NOBODY = 65534


# --- starting ---


def test_a_data_folder_under_a_file_is_a_clear_error(instance, workspace, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    message = instance(workspace.pipeline("ticks"), name="file/data").refuses_to_start()
    assert str(tmp_path / "file") in message


def test_an_unwritable_data_folder_is_a_clear_error(workspace):
    """As another user where the tests run as root, whom no permission stops."""
    folder = Path(tempfile.mkdtemp(prefix="millrace-unwritable-"))
    run = None
    try:
        data = folder / "data"
        data.mkdir()
        popen = {}
        if os.geteuid() == 0:
            shutil.copytree(workspace.folder, folder / "project")
            shutil.copy(harness.BINARY, folder / "millrace")
            folder.chmod(0o755)
            popen = {"user": NOBODY}
            version = [str(folder / "millrace"), "version"]
            try:
                subprocess.run(version, user=NOBODY, check=True, capture_output=True, timeout=30)
            except (OSError, subprocess.SubprocessError) as error:
                pytest.skip(f"the binary does not run as another user: {error}")
        data.chmod(0o555)
        run = Millrace(data, workspace, [workspace.pipeline("ticks")], **popen)
        if popen:
            run.binary = folder / "millrace"
            run.cwd = folder / "project"
            for pipeline in run.pipelines:
                pipeline.path = run.cwd / "pipelines" / pipeline.path.name
        assert str(data) in run.refuses_to_start()
    finally:
        if run is not None:
            run.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_second_process_on_the_same_folder_is_refused(instance, workspace):
    ticks = workspace.pipeline("ticks")
    with instance(ticks) as first:
        message = instance(ticks).refuses_to_start()
        assert str(first.data) in message
        assert first.is_alive()
        assert first.status()["state"] == "running"


def test_the_folder_is_free_again_after_a_kill(instance, workspace):
    ticks = workspace.pipeline("ticks")
    with instance(ticks) as run:
        assert int((run.data / "millrace.pid").read_text().split()[0]) == run.ready["pid"]
        run.kill9()
        run.start()
        assert run.status()["state"] == "running"


def test_a_busy_port_is_a_clear_error(instance, workspace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = instance(workspace.pipeline("ticks"))
        run.http_port = taken.getsockname()[1]
        message = run.refuses_to_start()
        assert str(run.http_port) in message


def test_an_unknown_topic_is_a_clear_error(instance, workspace, write_lines, day):
    with instance(workspace.pipeline("ticks")) as run:
        assert "no_such_topic" in run.cli_fails("consume", "no_such_topic", "--from-beginning")
        path = write_lines("one.jsonl", day[:1])
        message = run.cli_fails("produce", "no_such_topic", "--file", path, "--retry-for", "1")
        assert "no_such_topic" in message
        assert TICKS.source in message  # what there is instead


# --- a full disk ---


def free_bytes(folder: Path) -> int:
    at = os.statvfs(folder)
    return at.f_bavail * at.f_frsize


def test_a_full_disk_loses_nothing_acknowledged(small_disk, instance, workspace, write_lines):
    ticks = workspace.pipeline("ticks")
    ticks.set_partitions(1)
    lines = perturb.generate_ticks(6, 20_000, 50)
    path = write_lines("feed.jsonl", lines)
    run = instance(ticks, name="small/data").start()
    run.produce(TICKS.source, write_lines("first.jsonl", lines[:1000]), ticks.key)
    ballast = small_disk / "ballast"
    rounds = 0
    failure = None
    while failure is None:
        rounds += 1
        assert rounds <= 400, "the disk was full and nobody noticed"
        try:
            with open(ballast, "ab") as file:
                file.write(b"x" * max(0, free_bytes(small_disk) - 65_536))
        except OSError:
            pass  # the instance took the space first: full all the same
        more = ("produce", TICKS.source, "--file", path, "--key", ticks.key, "--retry-for", "2")
        try:
            run.cli(*more)
        except Failed as error:
            failure = str(error)
        if not run.is_alive():
            failure = failure or "ended"
    wait_until(lambda: "No space left" in run.stderr() + failure, "the reason in the messages", 10)
    if run.is_alive():  # it may go on serving; what it says must then be true
        run.kill9()
    ballast.unlink()
    run.start()
    got = Counter(value_bytes(record) for record in run.consume(TICKS.source))
    acknowledged = Counter(lines[:1000])
    for _ in range(rounds - 1):
        acknowledged.update(lines)
    assert not acknowledged - got
    run.cli("drain")
    expect(run.cli("audit")["exact"] is True, "audit is not exact")


# --- the producer ---


def test_a_producer_waits_for_a_server_that_is_away(instance, workspace, write_lines, day):
    ticks = workspace.pipeline("ticks")
    lines = day[:2000]
    run = instance(ticks).start()
    run.terminate()
    path = write_lines("feed.jsonl", lines)
    producer = run.cli_background("produce", TICKS.source, "--file", path, "--key", ticks.key)
    run.start()
    assert background_result(producer)["sent"] == len(lines)
    run.cli("drain")
    expect_exact(run, TICKS, ticks, lines)


def test_a_producer_gives_up_after_the_time_it_was_told(instance, workspace, write_lines, day):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    run.terminate()
    path = write_lines("feed.jsonl", day[:10])
    message = run.cli_fails(
        "produce", TICKS.source, "--file", path, "--key", ticks.key, "--retry-for", "1", seconds=30
    )
    assert str(run.http_port) in message


def test_the_largest_garbage_is_dead_lettered_and_more_is_refused(
    instance, workspace, write_lines
):
    ticks = workspace.pipeline("ticks")
    random = Random(7)
    # Nothing compresses it, and every byte of it takes six in the dead letter's JSON.
    garbage = bytes(random.randrange(1, 9) for _ in range(1_000_000))
    too_large = random.randbytes(1_100_000).replace(b"\n", b"\0").replace(b"\r", b"\0")
    good = perturb.generate_ticks(3, 10, 2)
    with instance(ticks) as run:
        lines = [good[0], garbage, *good[1:]]
        run.produce(TICKS.source, write_lines("lines.jsonl", lines), ticks.key)
        path = write_lines("large.jsonl", [too_large])
        message = run.cli_fails("produce", TICKS.source, "--file", path, "--key", ticks.key)
        assert "at most 1048576 are allowed" in message
        run.cli("drain")
        (letter,) = run.consume(TICKS.dead_letters)
        assert json.loads(letter["value"])["original_message"].encode() == garbage
        assert len(run.consume(TICKS.output)) == len(good)
        assert run.cli("audit")["exact"] is True
