#!/usr/bin/env python3
"""Breaks the sources on purpose and looks whether the simulation notices. `./dev mutants` runs it.

Every sim/mutants/NAME.patch takes one sync, order, check or fence away that a rule of the core
demands; its first lines say which. In a copy of the sources (build/mutants) each is applied, the
simulation built, and run until a seed fails. Where the first lines say "Seen by: PROGRAM FILTER",
what no seed's world can get to is run instead: those tests. A mutant that lives through all seeds
or tests, or whose patch does not apply any more, is a failure.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = ROOT / "sim" / "mutants"
COPY = ROOT / "build" / "mutants"
COPIED = ["CMakeLists.txt", "CMakePresets.json", "cmake", "src", "sim", "bench", "schemas", "fuzz",
          "tools"]
BUILD_SECONDS_MAX = 1800


def run(command, seconds_max=None, **more):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds_max, **more)


def copy_sources():
    """Brings the copy up to date; files that are the same keep their times, so little is built."""
    COPY.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, target = ROOT / name, COPY / name
        paths = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
        wanted = set()
        for path in paths:
            to = COPY / path.relative_to(ROOT)
            wanted.add(to)
            if to.is_file() and to.read_bytes() == path.read_bytes():
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
        if target.is_dir():
            for path in [p for p in target.rglob("*") if p.is_file()]:
                if path not in wanted:
                    path.unlink()
    venv = COPY / ".venv"
    if (ROOT / ".venv").exists() and not venv.exists():
        venv.symlink_to(ROOT / ".venv")


def build(build_command, program="millrace_sim"):
    if not (COPY / "build" / "bench" / "build.ninja").is_file():
        done = run(["cmake", "--preset", "bench", "-B", "build/bench", "-DMILLRACE_TESTS=ON"],
                   cwd=COPY)
        if done.returncode != 0:
            sys.exit(done.stdout)
    done = run([*build_command, program], BUILD_SECONDS_MAX, cwd=COPY)
    return done.returncode == 0, done.stdout


def seen_by(patch):
    """(program, filter of its tests) or None: the simulation"""
    head = patch.read_text().split("\n---", 1)[0]
    found = re.search(r"^Seen by: (\w+) (\S+)$", head, re.M)
    return found.groups() if found else None


def run_tests(program, tests, seconds_max):
    """(whether one failed, which, seconds)"""
    begun = time.monotonic()
    paths = [p for p in (COPY / "build" / "bench").rglob(program) if p.is_file()]
    done = run([str(paths[0]), f"--gtest_filter={tests}"], seconds_max, cwd=COPY)
    failed = re.search(r"^\[  FAILED  \] ([\w.]+)", done.stdout, re.M)
    why = failed[1] if failed else "it ends with status " + str(done.returncode)
    return done.returncode != 0, why, time.monotonic() - begun


def simulate(seeds, jobs, seconds_max):
    """(seed that failed or 0, how, seconds)"""
    begun = time.monotonic()
    done = run([str(COPY / "build" / "bench" / "millrace_sim"), "--quiet", "--seeds", str(seeds),
                "--jobs", str(jobs), "--seconds", str(seconds_max)], cwd=COPY)
    seconds = time.monotonic() - begun
    failed = re.search(r"^seed (\d+): FAILED \(([^)]*)\)", done.stdout, re.M)
    if not failed:
        return 0, "", seconds
    why = re.search(r"^VIOLATION \([^)]*\): (.*)|^(.*check failed:.*)|^simulation stuck.*: (.*)",
                    done.stdout, re.M)
    text = next((g for g in why.groups() if g), "") if why else failed[2]
    return int(failed[1]), text, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="mutants; all by default")
    parser.add_argument("--seeds", type=int, default=20000, help="after so many it has survived")
    parser.add_argument("--seconds", type=int, default=300, help="or after so long")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="names and what each breaks")
    parser.add_argument("--build", default="ninja -C build/bench", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    known = {
        path.stem: path for path in sorted(MUTANTS.glob("*.patch")) if path.stem[:2] != "k_"
    }
    names = arguments.names or list(known)
    for name in names:
        if name not in known:
            sys.exit(f"mutants: there is no {name}; --list has them")
    if arguments.list:
        for name in names:
            print(f"{name:44} {known[name].read_text().splitlines()[0]}")
        return 0

    build_command = arguments.build.split()
    copy_sources()
    is_built, output = build(build_command)
    if not is_built:
        sys.exit(output[-4000:])
    # `again`, below: the sources as they are must hold.
    seed, why, _ = simulate(200, arguments.jobs, arguments.seconds)
    if seed:
        sys.exit(f"mutants: without any, seed {seed} fails: {why}")
    survivors = []
    print(f"{'mutant':44} {'seed':>6} {'s':>6}  caught by", flush=True)
    for name in names:
        copy_sources()
        done = run(["patch", "-p1", "--no-backup-if-mismatch", "-i", str(known[name])], cwd=COPY)
        if done.returncode != 0:
            survivors.append(name)
            print(f"{name:44} {'-':>6} {'-':>6}  the patch does not apply", flush=True)
            continue
        tests = seen_by(known[name])
        is_built, output = build(build_command, tests[0] if tests else "millrace_sim")
        if not is_built:
            survivors.append(name)
            errors = [line for line in output.splitlines() if "error" in line]
            print(f"{name:44} {'-':>6} {'-':>6}  does not build: {(errors or [''])[0]}", flush=True)
            continue
        if tests:
            is_seen, why, seconds = run_tests(*tests, arguments.seconds)
            seed = "test" if is_seen else 0
        else:
            seed, why, seconds = simulate(arguments.seeds, arguments.jobs, arguments.seconds)
        if seed == 0:
            survivors.append(name)
            why = "SURVIVED"
        print(f"{name:44} {seed:>6} {seconds:6.1f}  {why[:110]}", flush=True)
    copy_sources()
    print(f"{len(names) - len(survivors)} caught, {len(survivors)} not"
          + (": " + " ".join(survivors) if survivors else ""))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
