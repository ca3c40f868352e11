#!/usr/bin/env python3
"""Sums up the reports of `./dev test` and ends with one line: `N passed, N failed`.

usage: test_summary.py FOLDER. The folder holds what the steps left behind:

    ctest.xml       one entry per test program (ctest --output-junit)
    gtest/*.xml     the cases of each GoogleTest program, `log_test.xml` for the ctest entry `log`
    pytest-*.xml    pytest --junitxml
    STEP.failed     a step that ended with an error, such as a build

Before the line come the names of what failed and, of the first few, the first lines of why: the end
of a long run's output is what is looked at.

Status 0 only if something passed and nothing failed. A step or test program that failed although no
case of it did (it crashed, it leaked, it did not link) counts as one failure of its own.
"""

import sys
import xml.etree.ElementTree as ET
from itertools import islice
from pathlib import Path

REASONS_MAX = 8  # so many failures are told with their reasons
REASON_LINES_MAX = 20


def case_name(case):
    """The name of a <testcase>, with its class."""
    return f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")


def cases(path):
    """Yields (name, "passed" | "failed" | "skipped") of a GoogleTest or pytest report."""
    for case in ET.parse(path).getroot().iter("testcase"):
        name = case_name(case)
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            yield name, "skipped"
        else:
            yield name, "passed"


def ctest_entries(path):
    """Yields (name, whether it succeeded) of each test program."""
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.get("status") != "disabled":
            yield case.get("name"), case.get("status") == "run" and case.find("failure") is None


def reason_of(case):
    """The lines that tell why a <testcase> failed: pytest's begin with E, else the last ones."""
    marks = [mark for mark in case if mark.tag in ("failure", "error")]
    texts = [mark.text or mark.get("message", "") for mark in marks]
    lines = "\n".join(texts).splitlines()
    telling = [line for line in lines if line.startswith("E ")] or lines[-REASON_LINES_MAX:]
    return telling[:REASON_LINES_MAX]


def reasons(folder):
    """Yields (name, lines) of each failed case."""
    folder = Path(folder)
    for path in [*sorted(folder.glob("gtest/*.xml")), *sorted(folder.glob("pytest-*.xml"))]:
        for case in ET.parse(path).getroot().iter("testcase"):
            lines = reason_of(case)
            if lines:
                yield case_name(case), lines


def summarise(folder):
    """Returns (count of passed, count of skipped, names of failed)."""
    folder = Path(folder)
    results = []
    explained = set()  # steps whose failure shows in a case

    def add(step, entries):
        results.extend(entries)
        if any(outcome == "failed" for _, outcome in entries):
            explained.add(step)

    if (folder / "ctest.xml").is_file():
        for name, is_ok in ctest_entries(folder / "ctest.xml"):
            report = folder / "gtest" / f"{name}_test.xml"
            entries = []
            if report.is_file():
                entries = [(f"{name}: {case}", outcome) for case, outcome in cases(report)]
            if not is_ok and not any(outcome == "failed" for _, outcome in entries):
                entries.append((f"{name}: the test program failed", "failed"))
            elif not report.is_file():
                entries.append((name, "passed"))
            add("ctest", entries)
    for report in sorted(folder.glob("pytest-*.xml")):
        add(report.stem.removeprefix("pytest-"), list(cases(report)))
    for mark in sorted(folder.glob("*.failed")):
        if mark.stem not in explained:
            results.append((f"step {mark.stem}", "failed"))
    failed = [name for name, outcome in results if outcome == "failed"]
    passed = sum(outcome == "passed" for _, outcome in results)
    return passed, len(results) - passed - len(failed), failed


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    passed, skipped, failed = summarise(sys.argv[1])
    for name, lines in islice(reasons(sys.argv[1]), REASONS_MAX):
        print(f"why {name} failed:", *lines, sep="\n  ")
    for name in failed:
        print(f"failed: {name}")
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {len(failed)} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
