#!/usr/bin/env python3
"""Breaks the rules of shared logs on purpose and looks whether the random runs notice.

Every sim/mutants/k_*.patch takes one rule away; its first line says which. In a copy of the sources
(build/mutants) each is applied, millrace_kafka_sim built, and run until a seed fails. A
mutant that lives through all seeds, or whose patch does not apply any more, is a failure.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutants"  # as tools/mutants.py: most of it is built there already
COPIED = ["CMakeLists.txt", "CMakePresets.json", "cmake", "src", "sim", "bench", "schemas", "fuzz",
          "tools"]


def run(command, seconds_max, **more):
    try:
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds_max, **more)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        return -1, (expired.stdout or b"").decode(errors="replace") + "\ntook too long"


def copy_sources():
    """Files that are the same keep their times, so little is built."""
    for name in COPIED:
        source = ROOT / name
        for path in [source] if source.is_file() else source.rglob("*"):
            to = COPY / path.relative_to(ROOT)
            if not path.is_file() or (to.is_file() and to.read_bytes() == path.read_bytes()):
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
    if (ROOT / ".venv").exists() and not (COPY / ".venv").exists():
        (COPY / ".venv").symlink_to(ROOT / ".venv")


def build(command):
    if not (COPY / "build" / "bench" / "build.ninja").is_file():
        configure = ["cmake", "--preset", "bench", "-B", "build/bench", "-DMILLRACE_TESTS=ON"]
        status, output = run(configure, 600, cwd=COPY)
        if status != 0:
            sys.exit(output)
    return run([*command, "millrace_kafka_sim"], 3600, cwd=COPY)


def simulate(seeds, seconds_max):
    """What failed, or nothing; and the seconds it took."""
    begun = time.monotonic()
    program = COPY / "build" / "bench" / "millrace_kafka_sim"
    status, output = run([str(program), "--seeds", str(seeds)], seconds_max, cwd=COPY)
    seconds = time.monotonic() - begun
    if status == 0 or output.endswith("took too long"):
        return "", seconds
    failed = re.search(r"^seed (\d+) failed:\n +(.*)", output, re.M)
    if failed:
        return f"seed {failed[1]}: {failed[2]}", seconds
    check = re.search(r"^.*(check failed:.*|stuck.*)", output, re.M)
    return check[1] if check else f"status {status}", seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="mutants; all by default")
    parser.add_argument("--seeds", type=int, default=3000, help="after so many it has survived")
    parser.add_argument("--seconds", type=int, default=300, help="or after so long")
    parser.add_argument("--build", default="ninja -C build/bench", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    known = {path.stem: path for path in sorted((ROOT / "sim" / "mutants").glob("k_*.patch"))}
    survivors = []
    for name in arguments.names or list(known):
        copy_sources()
        status, output = run(["patch", "-p1", "--no-backup-if-mismatch", "-i", str(known[name])],
                             60, cwd=COPY)
        if status != 0:
            sys.exit(f"{name}: the patch does not apply\n{output}")
        status, output = build(arguments.build.split())
        if status != 0:
            copy_sources()
            sys.exit(f"{name}: does not build\n{output[-3000:]}")
        caught, seconds = simulate(arguments.seeds, arguments.seconds)
        print(f"{name:32} {seconds:5.0f} s  {caught[:110] or 'SURVIVED'}", flush=True)
        if not caught:
            survivors.append(name)
    copy_sources()
    if survivors:
        sys.exit(f"kafka_mutants: {len(survivors)} survived: {', '.join(survivors)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
