#!/usr/bin/env python3
"""Millrace's broker beside Apache Kafka, by Kafka's own tools, in one run on one machine.

run.py MILLRACE [--folder DIR] [--repeats N] [--records N] [--latency-records N]
       [--only latency]

Each broker in turn, on an empty folder: start, memory at rest; one producer (acks=all) and one
consumer of records of 140 bytes as fast as they can; the latency from a send to the consumer, one
record at a time, by Kafka's tool and by Latency.java, which is warm before it counts. Kafka runs
with its defaults, which leave syncing to the operating system, and with
log.flush.interval.messages=1, which syncs each batch as millrace always does. Prints medians.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from apache_kafka import ApacheKafka, jars  # noqa: E402
from broker_under_test import BrokerUnderTest  # noqa: E402

RECORD_BYTES = 140
TOPIC = "bench"
TOOL_SECONDS_MAX = 600
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# What each figure is, and its unit.
FIGURES = {
    "start": ("from the process to an answer on its port", "s"),
    "idle_mb": ("resident after the start", "MB"),
    "produce": ("produced, acks=all", "records/s"),
    "produce_cpu": ("CPU of the broker for it", "s per million records"),
    "consume": ("consumed", "records/s"),
    "consume_cpu": ("CPU of the broker for it", "s per million records"),
    "warm_p50": ("send to waiting consumer, p50", "us"),
    "warm_p99": ("send to waiting consumer, p99", "us"),
    "warm_p999": ("send to waiting consumer, p99.9", "us"),
    "ack_p50": ("send to acknowledgement, p50", "us"),
    "ack_p99": ("send to acknowledgement, p99", "us"),
    "p50": ("send to consumer, p50", "ms"),
    "p99": ("send to consumer, p99", "ms"),
    "p999": ("send to consumer, p99.9", "ms"),
    "peak_mb": ("resident at the peak", "MB"),
}


def process_status(pid, name):
    """A line of /proc/PID/status in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB$", text, re.M)[1]) / 1024


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND  # user, system


class Bench:
    """Kafka's tools against one broker that runs."""

    def __init__(self, class_path, address, pid, options):
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        self.java = ["java", "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", quiet]
        self.java += ["-cp", f"{class_path}/*"]
        self.address, self.pid, self.options = address, pid, options

    def tool(self, name, *arguments):
        done = subprocess.run(
            [*self.java, name, *map(str, arguments)], capture_output=True, text=True, check=False,
            timeout=TOOL_SECONDS_MAX, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"{name} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def make_topic(self, name):
        self.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.address,
                  "--create", "--topic", name, "--partitions", 1)  # fmt: skip

    def produce(self, count):
        return self.tool(
            "org.apache.kafka.tools.ProducerPerformance", "--bootstrap-server", self.address,
            "--topic", TOPIC, "--num-records", count, "--record-size", RECORD_BYTES,
            "--throughput", -1, "--command-property", "acks=all", "linger.ms=5",
            "batch.size=262144", "--warmup-records", count // 5,
        )  # fmt: skip

    def run(self):
        out = {"idle_mb": process_status(self.pid, "VmRSS")}
        if self.options.only != "latency":
            self.measure_rates(out)
        self.measure_latency(out)
        out["peak_mb"] = process_status(self.pid, "VmHWM")
        return out

    def measure_rates(self, out):
        count = self.options.records
        self.make_topic(TOPIC)
        before = cpu_seconds(self.pid)
        said = self.produce(count)
        out["produce_cpu"] = (cpu_seconds(self.pid) - before) / count * 1e6
        # The last line is of all after the warm-up.
        out["produce"] = float(re.findall(r"([\d.]+) records/sec", said)[-1])
        before = cpu_seconds(self.pid)
        said = self.tool(
            "org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", self.address,
            "--topic", TOPIC, "--num-records", count, "--hide-header",
        )  # fmt: skip
        out["consume_cpu"] = (cpu_seconds(self.pid) - before) / count * 1e6
        values = said.strip().splitlines()[-1].split(",")
        if int(values[4]) < count:
            raise SystemExit(f"only {values[4]} of {count} records came back")
        out["consume"] = float(values[9])  # fetch.nMsg.sec: without the wait for the group

    def measure_latency(self, out):
        count = self.options.latency_records
        self.make_topic(TOPIC + "-latency")
        said = self.tool(
            "org.apache.kafka.tools.EndToEndLatency", self.address, TOPIC + "-latency", count,
            "all", RECORD_BYTES,
        )  # fmt: skip
        found = re.search(r"50th = (\d+), 99th = (\d+), 99.9th = (\d+)", said)
        out["p50"], out["p99"], out["p999"] = (int(text) for text in found.groups())
        self.make_topic(TOPIC + "-warm")
        said = self.tool(
            HERE / "Latency.java", self.address, TOPIC + "-warm", count, count, RECORD_BYTES
        )
        found = re.findall(r"p50=(\d+) p99=(\d+) p99.9=(\d+)", said)
        out["warm_p50"], out["warm_p99"], out["warm_p999"] = (int(text) for text in found[0])
        out["ack_p50"], out["ack_p99"], _ = (int(text) for text in found[1])


def shown(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def brokers(options, class_path):
    """Name and a context manager for each, in the order they take turns."""
    folder = options.folder / "broker"
    yield "millrace", BrokerUnderTest(options.millrace, folder, auto_create_topics=False)
    yield "Kafka", ApacheKafka(class_path, folder)
    yield "Kafka, synced", ApacheKafka(
        class_path, folder, **{"log.flush.interval.messages": 1}
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millrace")
    parser.add_argument("--folder", type=Path, default=Path("build/broker_bench"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--latency-records", type=int, default=10_000)
    parser.add_argument("--only", choices=["latency"], help="without the rates")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started, too
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    class_path = jars("build/clients")
    found = {}
    for turn in range(options.repeats):
        for name, broker in brokers(options, class_path):
            with broker:
                figures = Bench(class_path, broker.address, broker.process.pid, options).run()
            figures["start"] = broker.start_s
            print(f"{turn + 1}. {name}: {figures}", flush=True)
            for figure, value in figures.items():
                found.setdefault(figure, {}).setdefault(name, []).append(value)
    names = list(found["start"])
    print(f"\n| median of {options.repeats} | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")
    for figure, (text, unit) in FIGURES.items():
        if figure not in found:
            continue
        medians = [statistics.median(found[figure][name]) for name in names]
        print(f"| {text}, {unit} | {' | '.join(map(shown, medians))} |")


if __name__ == "__main__":
    main()
