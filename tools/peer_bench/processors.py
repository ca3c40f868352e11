"""The job as each processor runs it: what is made once, and the command of one process."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from apache_kafka import jars  # noqa: E402

HEAP = ("-Xms1g", "-Xmx2g")
QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
FLINK_VERSION = "2.2.1"
FLINK_CHECKPOINT_MS = 1000


def compiled(class_path, sources, classes):
    classes.mkdir(parents=True, exist_ok=True)
    files = [str(HERE / "java" / name) for name in sources]
    subprocess.run(["javac", "-cp", f"{class_path}/*", "-d", str(classes), *files], check=True)
    return f"{classes}:{class_path}/*"


class Millrace:
    name = "millrace"

    def __init__(self, options):
        self.binary = options.millrace.resolve()

    def command(self, address, state):
        """Of a process that goes on from what is in `state`, or begins."""
        config = state / "project_config.json"
        config.write_text(json.dumps({
            "process": "peer-bench",
            "objects": {"folder": str(state / "objects")},
            "log": {"kafka": {"bootstrap_servers": address}},
        }))  # fmt: skip
        return [
            self.binary, "up", "--config", config, "--data", state / "data",
            "--pipeline", ROOT / "pipelines" / "peer_ticks.yaml", "--http-port", "0",
        ]  # fmt: skip


class KafkaStreams:
    name = "streams"

    def __init__(self, options):
        sources = ("Tick.java", "Totals.java", "StreamsJob.java")
        self.class_path = compiled(jars("build/clients"), sources, options.folder / "streams")

    def command(self, address, state):
        return ["java", *HEAP, QUIET, "-cp", self.class_path, "StreamsJob", address, state]


class Flink:
    name = "flink"

    def __init__(self, options):
        into = jars(options.folder, FLINK_VERSION, HERE / "flink" / "pom.xml", "flink")
        sources = ("Tick.java", "Totals.java", "FlinkJob.java")
        self.class_path = compiled(into, sources, options.folder / "flink")

    def command(self, address, state):
        # Flink in one process does not look for its own last checkpoint.
        found = sorted(state.glob("*/chk-*/_metadata"), key=lambda path: path.stat().st_mtime)
        last = [found[-1].parent] if found else []
        opened = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("util", "lang")]
        return [
            "java", *HEAP, QUIET, *opened, "-cp", self.class_path, "FlinkJob", address,
            str(FLINK_CHECKPOINT_MS), state, *last,
        ]  # fmt: skip


PROCESSORS = {kind.name: kind for kind in (Millrace, KafkaStreams, Flink)}
