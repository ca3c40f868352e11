#!/usr/bin/env python3
"""House rules, pyflakes, clang-format and clang-tidy. `./dev lint` runs this.

The text rules (tools/lint_rules.py) and pyflakes always look at every file: they take seconds.
clang-format, clang-tidy, shellcheck and the check that headers stand alone look at what changed, or
at everything with --all. Changed is: not committed, or different from the merge base with
origin/main (from the parent commit when HEAD is that base). Status 0 means clean.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import lint_rules  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
CLANG = "clang++-19"
TIDY_SECONDS_MAX = 300


def git(*args):
    done = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def all_paths():
    listed = git("ls-files", "--cached", "--others", "--exclude-standard")
    return sorted(p for p in set(listed.splitlines()) if (ROOT / p).is_file())


def base_commit():
    """The commit that `changed` counts from; empty in a repository without an earlier one."""
    head = git("rev-parse", "--verify", "-q", "HEAD")
    for branch in ("origin/main", "main"):
        base = git("merge-base", "HEAD", branch)
        if base and base != head:
            return base
    return git("rev-parse", "--verify", "-q", "HEAD~1")


def changed_paths():
    base = base_commit()
    if not base:
        return all_paths()
    names = git("diff", "--name-only", base).splitlines()
    names += git("ls-files", "--others", "--exclude-standard").splitlines()
    return sorted(p for p in set(names) if (ROOT / p).is_file())


class Deadline:
    """When no further file is begun, and how many were left out for it."""

    def __init__(self):
        self.at = float("inf")
        self.left_out = 0

    def has_passed(self):
        if time.monotonic() < self.at:
            return False
        self.left_out += 1
        return True


deadline = Deadline()


def run_each(command_of, items, job_count=None, seconds_max=TIDY_SECONDS_MAX):
    """Runs command_of(item) for all items in parallel; yields (item, status, output) of failures.
    """

    def run(item):
        if deadline.has_passed():
            return item, 0, ""
        try:
            done = subprocess.run(command_of(item), cwd=ROOT, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=seconds_max)
            return item, done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired:
            return item, 1, f"gave up after {seconds_max} s\n"

    with ThreadPoolExecutor(job_count or os.cpu_count()) as pool:
        yield from (result for result in pool.map(run, items) if result[1] != 0)


def report(name, failures, brief=False):
    """Prints failures, returns how many."""
    count = 0
    for item, _, output in failures:
        count += 1
        text = "\n".join(output.strip().splitlines()[: 6 if brief else 60])
        print(f"{item}: [{name}]\n{text}", flush=True)
    return count


def check_format(paths):
    sources = [p for p in paths if p.endswith((".cc", ".h"))]
    return report("clang-format: ./dev format mends it", run_each(
        lambda p: ["clang-format-19", "--dry-run", "-Werror", p], sources), brief=True)


def compile_commands():
    """{path relative to ROOT: entry} of the first configured preset."""
    for preset in ("dev", "release", "bench"):
        database = ROOT / "build" / preset / "compile_commands.json"
        if database.is_file():
            entries = json.loads(database.read_text())
            return database.parent, {os.path.relpath(e["file"], ROOT): e for e in entries}
    return None, {}


def system_includes(entries):
    """Include folders of third-party libraries, taken from how the sources are compiled."""
    found = set()
    for entry in entries.values():
        found.update(re.findall(r"-isystem\s*(\S+)", entry["command"]))
    return sorted(found)


def check_headers(paths, entries):
    """Compiles a file that includes nothing but the header."""
    headers = [p for p in paths if p.endswith(".h") and not p.startswith("tools/")]
    flags = ["-std=c++20", "-Isrc", "-I.", "-march=x86-64-v3", "-Wall", "-Wextra",
             "-Wno-pragma-once-outside-header", '-DMILLRACE_SOURCE_DIR=""']
    for folder in system_includes(entries):
        flags += ["-isystem", folder]
    with tempfile.TemporaryDirectory() as folder:

        def command(path):
            one_include = Path(folder) / (path.replace("/", "_") + ".cc")
            name = path.removeprefix("src/")
            one_include.write_text(f'#include "{name}"\n#include "{name}"\n')
            return [CLANG, *flags, "-fsyntax-only", str(one_include)]

        return report("self_contained: the header needs an include of its own",
                      run_each(command, headers))


def check_tidy(paths, build_folder, entries):
    sources = [p for p in paths if p in entries]
    if build_folder is None:
        print("clang-tidy: skipped, nothing is configured; ./dev build dev does that")
        return 0
    # A changed header is seen through the .cc beside it.
    for path in paths:
        beside = path[:-2] + ".cc"
        if path.endswith(".h") and beside in entries and beside not in sources:
            sources.append(beside)

    def command(path):
        return ["clang-tidy-19", "--quiet", "-p", str(build_folder), path]

    # What is wrong with a header shows in every source that includes it; it is said once.
    seen = set()
    for path, _, output in run_each(command, sources):
        diagnostics = re.split(r"(?m)^(?=\S+:\d+:\d+: (?:error|warning):)", output)
        for diagnostic in diagnostics[1:] or [f"{path}: clang-tidy failed:\n{output}"]:
            head = diagnostic.splitlines()[0]
            if head not in seen:
                seen.add(head)
                print(diagnostic.strip().replace(f"{ROOT}/", ""), flush=True)
    return len(seen)


def check_shell(paths):
    def is_shell(path):
        if path.endswith(".sh"):
            return True
        with open(ROOT / path, "rb") as file:
            return re.match(rb"#!.*\b(?:ba)?sh\b", file.readline(80)) is not None

    scripts = [p for p in paths if is_shell(p)]
    if not shutil.which("shellcheck"):
        print("shellcheck: skipped, it is not installed")
        return 0
    return report("shellcheck", run_each(lambda p: ["shellcheck", p], scripts))


def check_python(paths):
    """Names that are not defined or not used, in all Python files at once."""
    sources = [p for p in paths if p.endswith(".py")]
    done = subprocess.run([sys.executable, "-m", "pyflakes", *sources], cwd=ROOT,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return 0
    lines = (done.stdout + done.stderr).strip().splitlines()
    print(*(f"{line} [pyflakes]" for line in lines), sep="\n", flush=True)
    return len(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="the compiler's checks on every file")
    which.add_argument("--changed", action="store_true", help="... on what changed (the default)")
    which.add_argument("--text", action="store_true", help="only the text rules, on every file")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help="begin no further file after so long, and say how many were left out")
    parser.add_argument("paths", nargs="*", help="the compiler's checks on these files only")
    options = parser.parse_args()
    if options.seconds:
        deadline.at = time.monotonic() + options.seconds

    everything = all_paths()
    findings = lint_rules.check(lint_rules.Tree(ROOT, everything))
    for finding in findings:
        print(finding)
    count = len(findings) + check_python(everything)
    chosen = []
    if not options.text:
        if options.paths:
            chosen = [os.path.relpath(os.path.abspath(p), ROOT) for p in options.paths]
        else:
            chosen = everything if options.all else changed_paths()
        build_folder, entries = compile_commands()
        count += check_format(chosen)
        count += check_shell(chosen)
        count += check_headers(chosen, entries)
        count += check_tidy(chosen, build_folder, entries)
    print(f"lint: {count} findings; text rules on {len(everything)} files, "
          f"format and compilers on {len(chosen)}")
    if deadline.left_out:
        print(f"lint: {deadline.left_out} checks of a file were left out, the time was up")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
