"""What the scenarios share: a workspace and running instances that are cleared up afterwards."""

import json
import shutil
import subprocess
import sys

import pytest

from harness import BINARY, Millrace
from oracle.__main__ import read_lines
from pki import make_pki
from workspace import ROOT, Workspace, with_roll

sys.path.insert(0, str(ROOT / "tools"))
from apache_kafka import VERSION, ApacheKafka  # noqa: E402

DATA = ROOT / "data"


@pytest.fixture(scope="session")
def day():
    """The real trades, as lines."""
    return read_lines(DATA / "amzn_trades_2012-06-21.jsonl.gz")


@pytest.fixture(scope="session")
def real_orders():
    return read_lines(DATA / "cdnow_orders_1997.jsonl.gz")


@pytest.fixture(scope="session")
def kafka_jars():
    """Where Apache Kafka lies on this machine; scenarios that need one are skipped without it."""
    jars = ROOT / "build" / "clients" / f"java-{VERSION}"
    if shutil.which("java") is None or not (jars / "complete").exists():
        pytest.skip("Apache Kafka is not there: ./dev conformance kafka_log fetches it")
    return jars


@pytest.fixture
def workspace(tmp_path):
    if not BINARY.exists():
        pytest.fail(f"{BINARY} does not exist: build it, or set MILLRACE_BINARY")
    folder = tmp_path / "project"
    folder.mkdir()
    return Workspace(folder)


@pytest.fixture
def instance(tmp_path, workspace):
    """instance(pipelines...) makes a Millrace that is not started; all end with the test."""
    made = []

    def make(*pipelines, name="data", **options):
        run = Millrace(tmp_path / name, workspace, pipelines, **options)
        made.append(run)
        return run

    yield make
    for run in made:
        run.stop()


@pytest.fixture
def write_lines(tmp_path):
    """write_lines(name, lines) gives the path of a new file of these lines."""

    def write(name, lines):
        path = tmp_path / name
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    return write


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own that can be filled."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=768m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount is not there: {error}")
    if done.returncode != 0:
        pytest.skip(f"mounting a tmpfs is not permitted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """Certificates: see make_pki."""
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def kafka(kafka_jars, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kafka")
    with ApacheKafka(kafka_jars, folder / "broker") as broker:
        broker.objects = folder / "objects"  # of all who share its log
        yield broker


@pytest.fixture
def orders(workspace):
    file = workspace.pipeline("orders")
    file.change(with_roll(file.text, "256KiB", "1s"))
    return file


@pytest.fixture
def ticks(workspace):
    return workspace.pipeline("ticks")


@pytest.fixture
def worker(instance, tmp_path):
    """worker(name, address, pipelines...) makes one process of those that share the log."""

    def make(name, address, *pipelines, objects=None, env=None, **more):
        folder = tmp_path / f"config-{name}"
        folder.mkdir(exist_ok=True)
        config = {
            "process": name,
            "objects": {"folder": str(objects or tmp_path / "objects")},
            "log": {"kafka": {"bootstrap_servers": address}},
            "flink": {"checkpoint_interval_ms": 1000},
            **more,
        }
        path = folder / "project_config.json"
        path.write_text(json.dumps(config))
        return instance(*pipelines, name=name, extra=("--config", str(path)), env=env)

    return make
