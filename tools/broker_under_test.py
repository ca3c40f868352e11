"""A broker for other people's tests: the real binary on a new data folder and a free port."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

READY_SECONDS = 60
STOP_SECONDS = 60


class BrokerUnderTest:
    """`millrace up` without pipelines, as long as the `with` block lasts.

    kafka: further settings of the section `kafka`.
    folder: is emptied first; holds the configuration, the data and the process's stderr.
    data_folder: elsewhere, if the data shall outlive the block.
    """

    def __init__(
        self, binary, folder, auto_create_topics=True, default_partitions=4,
        data_folder="./data", **kafka,
    ):  # fmt: skip
        self.binary = Path(binary).resolve()
        self.folder = Path(folder)
        self.settings = {
            "pipelines": [],
            "data_folder": data_folder,
            "ports": {"kafka": 0, "http": 0, "aws": 0},
            "kafka": {
                "auto_create_topics": auto_create_topics,
                "default_partitions": default_partitions,
                **kafka,
            },
        }
        self.process = None
        self.address = ""
        self.start_s = 0.0  # until it was ready

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "project_config.json").write_text(json.dumps(self.settings))
        began = time.monotonic()
        with open(self.folder / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(
                [self.binary, "up", "--output", "json"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        ready = self.process.stdout.readline()
        if not ready:
            self.process.wait(READY_SECONDS)
            raise RuntimeError(f"{self.binary} did not start: {self.stderr()}")
        self.start_s = time.monotonic() - began
        self.address = f"127.0.0.1:{json.loads(ready)['kafka_port']}"
        return self

    def __exit__(self, *_):
        if self.process.poll() is not None:
            raise RuntimeError(
                f"the broker ended by itself with {self.process.returncode}: {self.stderr()}"
            )
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the broker did not stop within {STOP_SECONDS} s") from None

    def stderr(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")[-4000:]
