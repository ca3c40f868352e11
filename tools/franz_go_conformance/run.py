#!/usr/bin/env python3
"""Runs the tests of franz-go's client against a broker of ours.

run.py MILLRACE [--folder DIR] [--records N] [TEST...]

The tests come with the Go module github.com/twmb/franz-go (go.mod here pins it); TEST is the name
of one of its test functions. Each is run in a process of its own, all against one broker. Status 0:
none failed.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from broker_under_test import BrokerUnderTest  # noqa: E402

PACKAGE = "github.com/twmb/franz-go/pkg/kgo"
TEST_SECONDS_MAX = 900


def skipped_tests():
    """{name: reason} out of skipped.txt."""
    lines = (HERE / "skipped.txt").read_text().splitlines()
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


def tests_with_a_broker():
    """Names of the test functions in the files that make a client of the suite's own."""
    listed = subprocess.run(
        ["go", "list", "-test", "-f", "{{.Dir}}", PACKAGE],
        cwd=HERE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = []
    for path in sorted(Path(listed.stdout.splitlines()[0]).glob("*_test.go")):
        for body in re.split(r"^func ", path.read_text(), flags=re.M):
            test = re.match(r"(Test\w+)\(", body)
            if test and re.search(r"testClientOpts|newTestClient|getSeedBrokers|tmpTopic", body):
                names.append(test[1])
    return names


def run_test(program, name, environment, log):
    """'passed', 'failed' or 'skipped', and what a skipped one says about it."""
    command = [program, "-test.run", f"^{name}$", "-test.v"]
    command += ["-test.timeout", f"{TEST_SECONDS_MAX}s"]
    with open(log, "wb") as out:
        done = subprocess.run(
            command, env=environment, stdout=out, stderr=subprocess.STDOUT, check=False
        )
    text = log.read_text(errors="replace")
    took = re.search(rf"^--- \w+: {name} \(([0-9.]+)s\)", text, re.M)
    seconds = float(took[1]) if took else 0.0
    if done.returncode != 0:
        return "failed", seconds, f": see {log}"
    if re.search(rf"^--- SKIP: {name} ", text, re.M):
        reason = re.search(r"^\s+\w+_test\.go:\d+: (.*)", text, re.M)
        return "skipped", seconds, f": {reason[1] if reason else 'left itself out'}"
    parts = re.findall(r"^ +--- SKIP: (\S+)", text, re.M)
    return "passed", seconds, f" without {', '.join(parts)}" if parts else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millrace")
    parser.add_argument("--folder", type=Path, default=Path("build/conformance/franz_go"))
    parser.add_argument("--records", type=int, default=50_000, help="of each of the large tests")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_intermixed_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started, too
    folder = options.folder.resolve()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    program = folder / "kgo.test"
    subprocess.run(["go", "test", "-c", "-o", program, PACKAGE], cwd=HERE, check=True)
    left_out = skipped_tests()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with BrokerUnderTest(options.millrace, folder / "broker", default_partitions=1) as broker:
        environment = {
            **os.environ,
            "KGO_SEEDS": broker.address,
            "KGO_TEST_RF": "1",
            "KGO_TEST_RECORDS": str(options.records),
            "KGO_LOG_LEVEL": "info",
        }
        for name in options.tests or tests_with_a_broker():
            log = folder / "logs" / f"{name}.log"
            if name in left_out and not options.tests:
                state, seconds, note = "skipped", 0.0, f": {left_out[name]}"
            else:
                state, seconds, note = run_test(program, name, environment, log)
            counts[state] += 1
            print(f"franz-go {state:7} {seconds:6.1f} s  {name}{note}", flush=True)
    text = ", ".join(f"{count} {state}" for state, count in counts.items())
    print(f"franz-go: {text}", flush=True)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
