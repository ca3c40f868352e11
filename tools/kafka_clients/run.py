#!/usr/bin/env python3
"""Runs programs that use Kafka's clients against a broker of ours, and prints who can do what.

run.py MILLRACE [--folder DIR] [CLIENT...]

CLIENT is one of those in CLIENTS below; none: all whose tools (java and mvn, go, node and npm) are
there. Clients are fetched by the package manager of their language. Status 0: no part failed.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from broker_under_test import BrokerUnderTest  # noqa: E402
from command_line_tools import check_command_line_tools  # noqa: E402

PARTS = ("produce", "consume", "group", "transaction", "admin")
CLIENT_SECONDS_MAX = 600


def call(command, folder, **more):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def jars(folder, version, pom="java"):
    """The folder with Kafka's jars of this version, fetched by Maven once."""
    into = folder / f"{pom}-{version}"
    if not (into / "complete").exists():
        print(f"fetching {pom} {version}", flush=True)
        setting = f"-D{'kafka' if pom == 'java' else pom}.version={version}"
        call(
            ["mvn", "-q", "-B", "-f", HERE / pom / "pom.xml", setting,
             "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={into}"],
            folder,
        )  # fmt: skip
        (into / "complete").touch()
    return into


def java(source, version, pom="java", *more):
    def command(folder, address):
        class_path = f"{jars(folder, version, pom)}/*"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        return ["java", quiet, "-cp", class_path, HERE / pom / source, address, *more]

    return command


def streams(version):
    def command(folder, address):
        shutil.rmtree(folder / "streams", ignore_errors=True)
        shutil.rmtree(folder / "streams-second", ignore_errors=True)
        return [*java("StreamsCheck.java", version)(folder, address), folder / "streams"]

    return command


def flink(version):
    def command(folder, address):
        shutil.rmtree(folder / "flink", ignore_errors=True)
        # Its tasks load the program's classes again, so they must lie somewhere.
        class_path = f"{jars(folder, version, 'flink')}/*"
        source, classes = HERE / "flink" / "FlinkCheck.java", folder / "flink-classes"
        call(["javac", "-cp", class_path, "-d", classes, source], folder)
        opened = ["java.base/java.util", "java.base/java.lang", "java.base/java.time"]
        return [
            "java", *[f"--add-opens={package}=ALL-UNNAMED" for package in opened],
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{class_path}:{classes}",
            "FlinkCheck", address, folder / "flink",
        ]  # fmt: skip

    return command


def go(name):
    def command(folder, address):
        (folder / "go").mkdir(exist_ok=True)
        call(["go", "build", "-o", folder / "go" / name, f"./{name}"], HERE / "go")
        return [folder / "go" / name, address]

    return command


def javascript(folder, address):
    target = folder / "javascript"
    if not (target / "node_modules").exists():
        target.mkdir(exist_ok=True)
        shutil.copy(HERE / "javascript" / "package.json", target)
        call(["npm", "install", "--silent", "--no-audit", "--no-fund"], target)
    shutil.copy(HERE / "javascript" / "check.mjs", target)
    return ["node", target / "check.mjs", address]


# What a client is called in the table, which programs it needs, how it is run.
CLIENTS = {
    "java4": ("Java 4.3.1", ("java", "mvn"), java("ClientCheck.java", "4.3.1")),
    "java3": ("Java 3.9.1", ("java", "mvn"), java("ClientCheck.java", "3.9.1")),
    "tools": ("Kafka's command-line tools 4.3.1", ("java", "mvn"), None),
    "streams": ("Kafka Streams 4.3.1, exactly_once_v2", ("java", "mvn"), streams("4.3.1")),
    "flink": ("Flink 2.2.1, exactly-once sink", ("java", "mvn"), flink("2.2.1")),
    "franz_go": ("franz-go 1.22.2 (Go)", ("go",), go("franz_go")),
    "sarama": ("sarama 1.61.1 (Go)", ("go",), go("sarama")),
    "kafkajs": ("kafkajs 2.2.4 (Node)", ("node", "npm"), javascript),
}


def run_client(name, folder, address):
    """{part: (yes, no or -, reason)} of one client."""
    _, _, command = CLIENTS[name]
    if command is None:
        return check_command_line_tools(jars(folder, "4.3.1"), address)
    log = folder / f"{name}.log"
    with open(log, "w") as errors:
        try:
            done = subprocess.run(
                command(folder, address), stdout=subprocess.PIPE, stderr=errors, text=True,
                timeout=CLIENT_SECONDS_MAX, check=False,
            )  # fmt: skip
            said, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as late:
            said, status = (late.stdout or b"").decode(), f"none within {CLIENT_SECONDS_MAX} s"
    results = {}
    for part, verdict, reason in re.findall(r"^(\w+) (yes|no|-) ?(.*)$", said, re.M):
        results[part] = (verdict, reason)
    for part in PARTS:
        results.setdefault(part, ("no", f"ended with status {status}; see {log}"))
    return results


def print_table(rows):
    print(f"\n| | {' | '.join(PARTS)} |\n|---{'|---' * len(PARTS)}|")
    for name, results in rows:
        print(f"| {name} | {' | '.join(results[part][0] for part in PARTS)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millrace")
    parser.add_argument("--folder", type=Path, default=Path("build/clients"))
    parser.add_argument("clients", nargs="*")
    options = parser.parse_intermixed_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started, too
    unknown = [name for name in options.clients if name not in CLIENTS]
    if unknown:
        raise SystemExit(f"no client {unknown[0]}; there are: {' '.join(CLIENTS)}")
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("GOFLAGS", "-mod=mod")
    rows, failed = [], False
    for name in options.clients or CLIENTS:
        title, programs, _ = CLIENTS[name]
        lacking = [program for program in programs if shutil.which(program) is None]
        if lacking:
            print(f"{name}: left out, {' and '.join(lacking)} not found: install it first")
            failed = failed or bool(options.clients)
            continue
        with BrokerUnderTest(options.millrace, folder / "broker", default_partitions=1) as broker:
            results = run_client(name, folder, broker.address)
        for part in PARTS:
            verdict, reason = results[part]
            failed = failed or verdict == "no"
            print(f"{name}: {part} {verdict} {reason}".rstrip(), flush=True)
        rows.append((title, results))
    print_table(rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
