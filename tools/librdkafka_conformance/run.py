#!/usr/bin/env python3
"""Fetches librdkafka with its test suite, builds it, and runs the tests against a broker of ours.

run.py MILLRACE [--version 2.0.2|2.15.1] [--folder DIR] [--kafka DIR] [--quick] [TEST...]

TEST is a number as in the suite (0103) or the beginning of a name; none: all. Only tests that talk
to a broker are run, each number in a process of its own. Status 0: none failed.
"""

import argparse
import hashlib
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from brokers import KINDS, Brokers  # noqa: E402

# What the suite takes the broker for: tests that need a newer one leave themselves out.
BROKER_VERSION = "4.0.0"
TEST_SECONDS_MAX = 900
NEED_TOOLS = ("0052", "0077", "0098")
NO_TOOLS = ": needs Kafka's tools; see ./dev clients"
KAFKA_TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-run-class.sh": "",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
# Tests that are run in parts, and the function that calls these.
CALLERS_OF_PARTS = {
    "0081_admin": "do_test_apis",
    "0113_cooperative_rebalance": "main_0113_cooperative_rebalance",
    "0135_sasl_credentials": "main_0135_sasl_credentials",
}
STATES = {"PASSED": "passed", "FAILED": "failed", "SKIPPED": "skipped"}
SHA256 = {
    "2.0.2": "f321bcb1e015a34114c83cf1aa7b99ee260236aab096b85c003170c90a47ca9d",
    "2.15.1": "ada7d703bb1d3237e2292bfabf438d663b6160c9f1ac2a2406b5dc4257c81b66",
}


def call(command, cwd, log, **more):
    with open(log, "ab") as out:
        done = subprocess.run(command, cwd=cwd, stdout=out, stderr=out, check=False, **more)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed; see {log}")


def fetch_2_0_2(folder, log):
    """Debian 12's source package, with package lists of its own: no change of the system."""
    state = folder / "apt"
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "src.sources").write_text(
        "Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: bookworm\n"
        "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    options = [
        f"Dir::Etc::sourcelist={state}/src.sources",
        "Dir::Etc::sourceparts=-",
        f"Dir::State::lists={state}/lists",
        f"Dir::Cache={state}/cache",
    ]
    apt = ["apt-get", *[word for option in options for word in ("-o", option)]]
    call([*apt, "update"], state, log)
    call([*apt, "source", "--download-only", "librdkafka"], state, log)
    return state / "librdkafka_2.0.2.orig.tar.gz", "librdkafka-2.0.2"


def fetch_2_15_1(folder, log):
    """The npm package of Confluent's client carries librdkafka's sources, tests included."""
    call(["npm", "pack", "--silent", "@confluentinc/kafka-javascript@1.10.1"], folder, log)
    return folder / "confluentinc-kafka-javascript-1.10.1.tgz", "package/deps/librdkafka"


FETCH = {"2.0.2": fetch_2_0_2, "2.15.1": fetch_2_15_1}


def built(version, folder):
    """The folder of the tests, built; made once."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    tests = folder / "source" / "tests"
    if (folder / "built").exists():
        return tests
    print(f"fetching and building librdkafka {version}; its output is in {log}", flush=True)
    archive, inside = FETCH[version](folder, log)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256[version]:
        raise SystemExit(f"{archive} is not what it was when this was written: its SHA-256 differs")
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            if member.name.startswith(inside + "/"):
                member.name = "source" + member.name[len(inside) :]
                opened.extract(member, folder, filter="tar")
    without = ["--disable-gssapi", "--disable-sasl", "--disable-curl", "--enable-static"]
    call(["./configure", *without], folder / "source", log)
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    call(["make", jobs, "libs"], folder / "source", log)
    call(["make", jobs, "build"], tests, log)
    (folder / "built").touch()
    return tests


def known_tests(tests):
    """Name and scenario of each test that needs a broker, as tests/test.c registers them."""
    text = (tests / "test.c").read_text()
    table = text[text.index("struct test tests[] = {") :]
    found = []
    for entry in re.split(r"\n\s*_TEST\(", table[: table.index("{NULL}")])[1:]:
        name, flags = re.match(r"(\w+),\s*([^,)]+)", entry).groups()
        if re.search(r"TEST_F_(LOCAL|MANUAL)\b", flags) or name.endswith("_mock"):
            continue
        scenario = re.search(r'\.scenario = "(\w+)', entry)
        found.append((name, scenario[1] if scenario else "default"))
    return found


def skipped_tests(version):
    """{name: reason} out of skipped.txt."""
    reasons = {}
    for line in (HERE / "skipped.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            versions, name, reason = line.split(None, 2)
            if versions in ("all", version):
                reasons[name] = reason
    return reasons


def kafka_tools(folder, jars):
    """Makes what tests call of a Kafka distribution out of its jars; None without them."""
    if not jars.is_dir():
        return None
    kafka = folder / "kafka"
    (kafka / "bin").mkdir(parents=True, exist_ok=True)
    (kafka / "libs").unlink(missing_ok=True)
    (kafka / "libs").symlink_to(jars)
    for name, class_name in KAFKA_TOOLS.items():
        script = kafka / "bin" / name
        script.write_text(
            "#!/bin/sh\nexec java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn "
            f'-cp "$CLASSPATH:{jars}/*" {class_name} "$@"\n'
        )
        script.chmod(0o755)
    java = folder / "source" / "tests" / "java"
    call(["make", f"KAFKA_PATH={kafka}"], java, folder / "build.log")
    return kafka


def parts_of(tests, name):
    """The parts that a test is run in, so that one can be left out: [""] for most."""
    if name not in CALLERS_OF_PARTS:
        return [""]
    text = next(tests.glob(f"{name[:4]}-*.c*")).read_text()
    caller = re.search(rf"^[\w ]+ {CALLERS_OF_PARTS[name]}\(.*?^}}", text, re.M | re.S)[0]
    calls = re.findall(r"^\s+((?:do_test|[a-z]_)\w*)\(", caller, re.M)
    return list(dict.fromkeys(calls))


def run_number(tests, number, part, scenario, broker, client, log, quick, tools):
    """Runs all tests of one number; {name: (state, seconds)}."""
    environment = {
        **os.environ,
        **({"KAFKA_PATH": str(tools)} if tools else {}),
        # A subtest calls itself NAME:LINE.
        **({"SUBTESTS": f"{part}:"} if part else {}),
        "BROKERS": broker.address,
        "TESTS": number,
        "TEST_KAFKA_VERSION": BROKER_VERSION,
        "RDKAFKA_TEST_CONF": str(log.parent / f"{scenario}.conf"),
        # Otherwise it would be the system's librdkafka that is tested.
        "LD_LIBRARY_PATH": f"{tests.parent / 'src'}:{tests.parent / 'src-cpp'}",
    }
    command = ["./test-runner", "-p1", "-L", "-s", scenario, *(["-Q"] if quick else [])]
    settings = {"bootstrap.servers": broker.address, **client}
    Path(environment["RDKAFKA_TEST_CONF"]).write_text(
        "".join(f"{name}={value}\n" for name, value in settings.items())
    )
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command, cwd=tests, env=environment, stdout=out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(TEST_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    lines = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    summary = re.findall(r"^\|\s*(\w+)\s*\|\s*(\w+)\s*\|\s*([0-9.]+)s\s*\|", lines, re.M)
    return {name: (STATES.get(state, "failed"), float(took)) for name, state, took in summary}


def needs_tools(name):
    """Its broker needs them, or the test itself."""
    return KINDS.get(name) == "acl" or name.startswith(NEED_TOOLS)


def skip_reason(log):
    """What the test says itself about why it was left out."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    said = re.findall(r"SKIPPING TEST[^:]*: *(.+)|(?:WARN|SKIP)\w*: SKIP\w*:? *(.+)", lines)
    return next((a or b for a, b in said), "left itself out")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millrace")
    parser.add_argument("--version", choices=sorted(FETCH), action="append")
    parser.add_argument("--folder", type=Path, default=Path("build/conformance/librdkafka"))
    parser.add_argument(
        "--kafka", type=Path, default=Path("build/clients/java-4.3.1"),
        help="folder of Kafka's jars",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="the suite's own quick mode")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_intermixed_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started, too
    failed = 0
    for version in options.version or sorted(FETCH):
        failed += run_version(options, version, options.folder.resolve() / version)
    return 1 if failed else 0


def run_version(options, version, folder):
    tests = built(version, folder)
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    left_out = skipped_tests(version)
    tools = kafka_tools(folder, options.kafka.resolve())
    wanted = [
        (name, scenario)
        for name, scenario in known_tests(tests)
        if not options.tests or name.startswith(tuple(options.tests))
    ]
    counts = {"passed": 0, "failed": 0, "skipped": 0}

    def tell(name, state, seconds, note=""):
        counts[state] += 1
        print(f"{version} {state:7} {seconds:6.1f} s  {name}{note}", flush=True)

    for scenario in sorted({scenario for _, scenario in wanted}):
        names = [name for name, of in wanted if of == scenario]
        automatic = scenario != "noautocreate"
        with Brokers(options.millrace, folder / scenario, automatic, tools) as brokers:
            for number in sorted({name[:4] for name in names}):
                to_run = []
                for name in (name for name in names if name.startswith(number)):
                    if name in left_out:
                        tell(name, "skipped", 0, f": {left_out[name]}")
                    elif needs_tools(name) and tools is None:
                        tell(name, "skipped", 0, NO_TOOLS)
                    else:
                        to_run.append(name)
                for part in parts_of(tests, to_run[0]) if to_run else []:
                    label = f":{part}" if part else ""
                    if part and f"{to_run[0]}{label}" in left_out:
                        reason = left_out[f"{to_run[0]}{label}"]
                        tell(f"{to_run[0]}{label}", "skipped", 0, f": {reason}")
                        continue
                    if part and needs_tools(to_run[0] + label) and tools is None:
                        tell(to_run[0] + label, "skipped", 0, NO_TOOLS)
                        continue
                    broker, client = brokers.of(KINDS.get(to_run[0] + label, "open"))
                    short = "-" * bool(part) + part.removeprefix("do_test_")
                    log = logs / f"{number}{short}-{scenario}.log"
                    begin = time.monotonic()
                    done = run_number(
                        tests, number, part, scenario, broker, client, log, options.quick, tools
                    )
                    for name in to_run:
                        state, took = done.get(name, ("failed", time.monotonic() - begin))
                        note = f": {skip_reason(log)}" if state == "skipped" else ""
                        tell(name + label, state, took, note if state != "failed" else f": {log}")
    text = ", ".join(f"{count} {state}" for state, count in counts.items())
    print(f"librdkafka {version}: {text}", flush=True)
    return counts["failed"]


if __name__ == "__main__":
    sys.exit(main())
