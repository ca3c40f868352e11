#!/usr/bin/env python3
"""The job of pipelines/peer_ticks.yaml by several stream processors, on one Apache Kafka each.

run.py MILLRACE [millrace|streams|flink ...] [--only backlog|steady|kill] [--events N]
                [--rate N] [--seconds N] [--folder DIR]

backlog: the input is there before the processor starts. steady: so many events a second, and how
long each takes to a read_committed consumer. kill: the same with a kill -9 and a restart. What a
processor wrote is compared with expected.py; without equality there is no figure, and status 1.
"""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from apache_kafka import ApacheKafka, jars  # noqa: E402
from cluster import Cluster  # noqa: E402
from events import Events  # noqa: E402
from expected import SHOWN_MAX  # noqa: E402
from measure import Tree, run_backlog, run_steady  # noqa: E402
from processors import PROCESSORS  # noqa: E402

RUNS = ("backlog", "steady", "kill")
# Jobs write records with the events' times, which are past: by default Kafka would delete them.
BROKER = {"log.retention.ms": -1, "log.retention.check.interval.ms": 86_400_000}
FIGURES = {
    "first_output_s": "process start to the first committed output, s",
    "last_output_s": "process start to the last one, s",
    "events_per_s": "events a second, start included",
    "cpu_s_per_million": "CPU of the processor, s per million events",
    "broker_cpu_s_per_million": "CPU of the broker, s per million events",
    "p50_ms": "event to reader, p50, ms",
    "p99_ms": "event to reader, p99, ms",
    "max_ms": "event to reader, the longest, ms",
    "cores": "cores of the processor",
    "broker_cores": "cores of the broker",
    "restart_to_output_s": "kill -9: restart to new output, s",
    "gap_s": "kill -9: time without output, s",
    "peak_mb": "resident at the peak, MB",
}


def one_run(run, processor, options, class_path):
    """The figures, and what is wrong with the outputs."""
    folder = options.folder / processor.name
    shutil.rmtree(folder / "state", ignore_errors=True)
    (folder / "state").mkdir(parents=True)
    with ApacheKafka(class_path, options.folder / "kafka", **BROKER) as broker:
        cluster = Cluster(broker.address)
        cluster.make_topics()
        events = Events(options.seed)

        def start():
            command = processor.command(broker.address, folder / "state")
            return Tree(command, folder / f"{run}.log")

        if run == "backlog":
            cluster.fill(events, options.events)
            tree = start()
            try:
                found = run_backlog(tree, cluster, events.rows, broker.process.pid)
            finally:
                tree.stop()
        else:
            is_killed = run == "kill"
            found = run_steady(start, cluster, events, options, is_killed, broker.process.pid)
        wrong, compared = cluster.verify()
    print(f"{processor.name}, {run}: {compared}: {'WRONG' if wrong else 'exact'}", flush=True)
    for text in wrong[:SHOWN_MAX]:
        print(f"  {text[:300]}")
    return found, wrong


def shown(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def print_table(run, found):
    names = list(found)
    print(f"\n| {run} | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for figure, text in FIGURES.items():
        values = [found[name].get(figure) for name in names]
        if any(value is not None for value in values):
            print(f"| {text} | {' | '.join(map(shown, values))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millrace", type=Path)
    parser.add_argument("processors", nargs="*", metavar="|".join(PROCESSORS))
    parser.add_argument("--only", choices=RUNS)
    parser.add_argument("--events", type=int, default=2_000_000, help="of the backlog (2000000)")
    parser.add_argument("--rate", type=int, default=1000, help="events a second (1000)")
    parser.add_argument("--seconds", type=int, default=40, help="that are measured (40)")
    parser.add_argument("--warm-s", type=int, default=10, help="seconds before that (10)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/peer_bench"))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started, too
    unknown = set(options.processors) - set(PROCESSORS)
    if unknown:
        parser.error(f"no processor {', '.join(unknown)}; there are {', '.join(PROCESSORS)}")
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    class_path = jars("build/clients")
    chosen = [PROCESSORS[name](options) for name in options.processors or PROCESSORS]
    found = {}
    is_exact = True
    for run in (options.only,) if options.only else RUNS:
        for processor in chosen:
            try:
                figures, wrong = one_run(run, processor, options, class_path)
            except RuntimeError as error:
                figures, wrong = {}, [str(error)]
                print(f"{processor.name}, {run}: FAILED: {error}", flush=True)
            is_exact = is_exact and not wrong
            found.setdefault(run, {})[processor.name] = {} if wrong else figures
    load = os.getloadavg()[0]
    print(f"\nload at the end {load:.1f}, {os.cpu_count()} cores")
    for run, of_run in found.items():
        print_table(run, of_run)
    return 0 if is_exact else 1


if __name__ == "__main__":
    sys.exit(main())
