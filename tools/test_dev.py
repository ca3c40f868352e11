"""The edges of ./dev that need no build, on a copy of the script in an empty folder."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEV = Path(__file__).resolve().parent.parent / "dev"


@pytest.fixture
def dev(tmp_path):
    shutil.copy(DEV, tmp_path / "dev")

    def run(*arguments):
        return subprocess.run([tmp_path / "dev", *arguments], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL, timeout=60)

    return run


def test_help_lists_every_verb(dev):
    verbs = set(re.findall(r"^verb_(\w+)\(\)", DEV.read_text(), re.M)) | {"setup", "help"}
    listed = set(re.findall(r"^  (\w+) ", dev("help").stdout, re.M))
    assert verbs == listed
    assert dev().stdout == dev("help").stdout == dev("clean", "--help").stdout


@pytest.mark.parametrize("arguments", [
    ["nonsense"], ["build", "nonsense"], ["setup", "nonsense"], ["fuzz", "long"],
    ["clean", "everything"], ["test", "log"], ["conformance", "nonsense"],
])
def test_what_is_not_understood_is_an_error_that_changes_nothing(dev, tmp_path, arguments):
    done = dev(*arguments)
    assert done.returncode == 1 and done.stderr.startswith("dev: "), done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["dev"]


def test_clean_removes_what_was_built_and_nothing_else(dev, tmp_path):
    kept = ["build/own/a", "build/fuzz-findings/x/crash", "millrace-data/wal", ".venv/a"]
    for name in ["build/dev/a", "build/release/a", "build/test-results/a", *kept]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "build" / "configure-dev.log").write_text("")
    assert dev("clean").returncode == 0
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {"dev", *kept}
    assert dev("clean", "--all").returncode == 0
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {"dev", "build/own/a", "millrace-data/wal"}
