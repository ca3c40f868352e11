"""Starts, kills and asks the real binary. Nothing here knows what a right result is."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from workspace import ROOT

BINARY = Path(os.environ.get("MILLRACE_BINARY", ROOT / "build" / "release" / "millrace"))
READY_SECONDS = 60
CALL_SECONDS = 300
POLL_SECONDS = 0.01


class Failed(AssertionError):
    """A process ended in another way than the scenario needs; the message has its output."""


def wait_until(condition, what: str, seconds: float = 60):
    """Polls until `condition()` is true and returns what it gave; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:g} s: {what}")
        time.sleep(POLL_SECONDS)


def let_pass(seconds: float) -> None:
    """For pauses and moments of kills, whose length is what is tested; not to wait for things."""
    time.sleep(seconds)


class Millrace:
    """One instance: a data folder, its pipelines, and the process while it runs."""

    _starts = itertools.count(1)  # numbers the files that hold the processes' stderr

    def __init__(self, data, workspace, pipelines, parallelism=None, extra=(), wrapper=(), **popen):
        self.data = Path(data)
        self.workspace = workspace
        self.pipelines = pipelines
        self.parallelism = parallelism
        self.extra = list(extra)
        self.wrapper = list(wrapper)  # e.g. strace and its options
        self.popen = popen
        self.binary = BINARY
        self.cwd = workspace.folder
        self.process = None
        self.ready = None
        self.http_port = 0  # picked by the first start, kept by later ones
        self.kafka_port = 0  # likewise
        self._lines = []
        self._stderr_path = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # --- the process ---

    def command(self) -> list[str]:
        command = [*self.wrapper, str(self.binary), "up", "--data", str(self.data)]
        for pipeline in self.pipelines:
            command += ["--pipeline", str(pipeline.path)]
        if self.parallelism is not None:
            command += ["--parallelism", str(self.parallelism)]
        command += ["--kafka-port", str(self.kafka_port), "--http-port", str(self.http_port)]
        return [*command, "--output", "json", *self.extra]

    def launch(self) -> "Millrace":
        """Starts the process without waiting for it."""
        self.ready, self._lines = None, []
        self._stderr_path = self.workspace.folder / f"{next(Millrace._starts)}.stderr"
        with open(self._stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                **self.popen,
            )
        arguments = (self.process.stdout, self._lines)
        threading.Thread(target=_collect, args=arguments, daemon=True).start()
        return self

    def start(self) -> "Millrace":
        """Starts the process and waits for its ready line."""
        return self.launch().await_ready()

    def await_ready(self) -> "Millrace":
        """Waits for the ready line of a process that was launched."""
        wait_until(lambda: self._lines or self.process.poll() is not None, "ready", READY_SECONDS)
        if not self._lines:
            raise Failed(f"ended with {self.process.wait()} before it was ready:\n{self.stderr()}")
        self.ready = json.loads(self._lines[0])
        if self.ready.get("ready") is not True:
            raise Failed(f"not a ready line: {self._lines[0]}")
        self.http_port = self.ready["http_port"]
        self.kafka_port = self.ready["kafka_port"] or 0  # none on a shared log
        return self

    def refuses_to_start(self, seconds: float = READY_SECONDS) -> str:
        """Starts a process that must end by itself with an error; its stderr."""
        self.launch()
        wait_until(lambda: self._lines or self.process.poll() is not None, "an end", seconds)
        if self.process.poll() is None and self._lines:
            self.process.kill()
            raise Failed(f"did not refuse to start: {self._lines[0]}")
        code = self.process.wait(30)
        if code <= 0:
            raise Failed(f"ended with {code} instead of an error status:\n{self.stderr()}")
        return self.stderr()

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill9(self) -> None:
        """Kills the process itself (not a wrapper around it) and waits for its end."""
        os.kill(self.ready["pid"], signal.SIGKILL)
        self.process.wait(30)

    def terminate(self) -> int:
        """Asks for a clean stop; the exit status."""
        os.kill(self.ready["pid"], signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed(f"did not stop within 60 s of SIGTERM:\n{self.stderr()}") from None

    def restart(self) -> "Millrace":
        """Starts again on the same folder and port; ends the process before if it still runs."""
        if self.is_alive():
            self.terminate()
        return self.start()

    def stop(self) -> None:
        """Ends the process whatever state it is in; for clearing up."""
        if self.process is None or self.process.poll() is not None:
            return
        if self.ready is None:
            self.process.kill()
        else:
            os.kill(self.ready["pid"], signal.SIGKILL)
        self.process.wait(30)

    def stderr(self) -> str:
        return self._stderr_path.read_text(errors="replace")

    # --- verbs ---

    def verb(self, *arguments) -> list[str]:
        server = f"127.0.0.1:{self.http_port}"
        return [str(self.binary), *map(str, arguments), "--server", server, "--output", "json"]

    def cli_lines(self, *arguments, seconds: float = CALL_SECONDS) -> list[str]:
        """Runs a verb that must succeed; the lines of its stdout."""
        done = subprocess.run(
            self.verb(*arguments), cwd=self.cwd, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=seconds, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Failed(
                f"millrace {' '.join(map(str, arguments))} ended with {done.returncode}:\n"
                f"{done.stdout[-2000:]!r}\n{done.stderr.decode(errors='replace')}"
            )
        return done.stdout.decode().splitlines()

    def cli(self, *arguments, seconds: float = CALL_SECONDS):
        """Runs a verb that must succeed; its one JSON answer."""
        return json.loads("\n".join(self.cli_lines(*arguments, seconds=seconds)))

    def cli_fails(self, *arguments, seconds: float = CALL_SECONDS) -> str:
        """Runs a verb that must fail; what it printed."""
        done = subprocess.run(
            self.verb(*arguments), cwd=self.cwd, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            raise Failed(f"millrace {' '.join(map(str, arguments))} succeeded:\n{done.stdout}")
        return done.stdout + done.stderr

    def has_verb(self, name: str) -> bool:
        """Whether this binary has the verb at all."""
        done = subprocess.run([str(self.binary), name, "--help"], capture_output=True, check=False)
        return done.returncode == 0

    def cli_background(self, *arguments) -> subprocess.Popen:
        return subprocess.Popen(
            self.verb(*arguments), cwd=self.cwd, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    # --- what scenarios ask for most ---

    def produce(self, topic: str, path, key: str, *more) -> dict:
        return self.cli("produce", topic, "--file", path, "--key", key, *more)

    def consume(self, topic: str, *more) -> list[dict]:
        lines = self.cli_lines("consume", topic, "--from-beginning", *more)
        return [json.loads(line) for line in lines]

    def high_watermarks(self, topic: str) -> dict[int, int]:
        for entry in self.cli("topics")["topics"]:
            if entry["topic"] == topic:
                return {at["partition"]: at["high_watermark"] for at in entry["offsets"]}
        return {}

    def record_count(self, topic: str) -> int:
        return sum(self.high_watermarks(topic).values())

    def status(self) -> dict:
        return self.cli("status")


def _collect(stream, lines: list[str]) -> None:
    for line in stream:
        lines.append(line)
    stream.close()


def background_result(process: subprocess.Popen, seconds: float = CALL_SECONDS) -> dict:
    """The JSON answer of a verb started in the background, which must succeed."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed(f"still running after {seconds:g} s: {process.args}") from None
    if process.returncode != 0:
        raise Failed(f"{process.args} ended with {process.returncode}:\n{out}\n{err}")
    return json.loads(out)
