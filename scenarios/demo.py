"""`./dev run`: real trades and orders through the whole pipeline, watched and verified."""

import argparse
import json
import os
import shutil
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from compare import ORDERS, TICKS, expect_exact, final_windows
from harness import Failed, Millrace
from oracle.__main__ import read_lines
from workspace import ROOT, Workspace

FOLDER = ROOT / "build" / "demo"
DATA = ROOT / "data"
FEEDS = (
    (TICKS, "amzn_trades_2012-06-21.jsonl.gz", "mixed_ticks.jsonl"),
    (ORDERS, "cdnow_orders_1997.jsonl.gz", "mixed_orders.jsonl"),
)
PROGRESS_SECONDS = 0.25


def say(text: str) -> None:
    print(text, flush=True)


def totals(status: dict) -> Counter:
    sums = Counter()
    for pipeline in status["pipelines"]:
        sums["in"] += pipeline["counters"]["in"]
        for stage in pipeline["stages"]:
            for task in stage["tasks"]:
                sums["commits"] += task["commits"]
                sums["lag"] += task["lag"]
    return sums


def watermarks(status: dict) -> str:
    shown = []
    for pipeline in status["pipelines"]:
        known = [t["watermark"] for t in pipeline["stages"][0]["tasks"] if t["watermark"]]
        shown.append(f"{pipeline['pipeline']} {min(known)[:19] if known else '-'}")
    return ", ".join(shown)


class Progress:
    """Prints one line per interval while the feeds run."""

    def __init__(self, run: Millrace):
        self.run = run
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def loop(self) -> None:
        before, at = Counter(), time.monotonic()
        while not self.done.wait(PROGRESS_SECONDS):
            status, now = self.run.status(), time.monotonic()
            sums = totals(status)
            if sums == before:
                continue
            events = (sums["in"] - before["in"]) / (now - at)
            commits = (sums["commits"] - before["commits"]) / (now - at)
            say(
                f"  {sums['in']:>7} events  {events:>9,.0f} events/s  {commits:>6,.0f} commits/s  "
                f"lag {sums['lag']:>6}  watermarks: {watermarks(status)}"
            )
            before, at = sums, now


def feed(run: Millrace, workspace: Workspace) -> dict:
    """Sends both real data sets, with a handful of records behind them that must be refused."""
    sent = {}
    for kind, real, mixed in FEEDS:
        lines = read_lines(DATA / real) + read_lines(DATA / mixed)
        path = workspace.folder / f"{kind.name}.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        run.produce(kind.source, path, workspace.pipeline(kind.name).key)
        sent[kind.name] = lines
    return sent


def report(run: Millrace, kind, outcome) -> None:
    counters = next(
        p["counters"] for p in run.status()["pipelines"] if p["pipeline"] == kind.name
    )
    causes = ", ".join(f"{cause} {n}" for cause, n in counters["dead_letters"].items()) or "none"
    windows = final_windows(run.consume(kind.aggregates), kind)
    say(f"  {kind.name}")
    shown = ("in", "out", "duplicates", "late")
    say("    " + ", ".join(f"{name} {counters[name]}" for name in shown))
    say(f"    dead letters: {causes}")
    say(f"    windows: {len(windows)}, each equal to the expected one")
    say(f"    rows: {len(outcome.enriched)}, each equal to the expected one")


def report_sinks(run: Millrace) -> None:
    if run.has_verb("lake"):
        files = run.cli("lake", "list")["files"]
        rows = sum(file["rows"] for file in files)
        say(f"  lake files: {len(files)}, {rows} rows in {run.data}/objects/lake")
    if run.has_verb("features"):
        newest = run.cli("features", "get", "tick_features", "AMZN")["record"]
        say(f"  features get tick_features AMZN: {json.dumps(newest)}")


def play(run: Millrace, workspace: Workspace) -> bool:
    begin = time.monotonic()
    with Progress(run):
        sent = feed(run, workspace)
        run.cli("drain")
    seconds = time.monotonic() - begin
    events = sum(map(len, sent.values()))
    say("verifying every result against an independent computation in Python's decimal ...")
    try:
        outcomes = [
            (kind, expect_exact(run, kind, workspace.pipeline(kind.name), sent[kind.name]))
            for kind, _, _ in FEEDS
        ]
    except Failed as error:
        say(f"NOT EXACT: {error}")
        return False
    say("\nsummary: every result is exact")
    for kind, outcome in outcomes:
        report(run, kind, outcome)
    report_sinks(run)
    say(f"  {events} events in {seconds:.2f} s: {events / seconds:,.0f} events/s, feeding included")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end after verifying")
    parser.add_argument("--http-port", type=int, default=8080, help="0 picks one")
    options = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    project = FOLDER / "project"
    project.mkdir(parents=True)
    workspace = Workspace(project)
    pipelines = [workspace.pipeline(kind.name) for kind, _, _ in FEEDS]
    run = Millrace(FOLDER / "data", workspace, pipelines)
    run.http_port = 0 if options.exit else options.http_port
    run.start()
    try:
        say(f"millrace serves http://127.0.0.1:{run.http_port}, data in {Path(run.data)}")
        is_exact = play(run, workspace)
        if options.exit or not is_exact:
            return 0 if is_exact else 3
        say(f"\nserving on http://127.0.0.1:{run.http_port} until Ctrl-C; try:")
        say(f"  build/release/millrace status --data {os.path.relpath(run.data)}")
        threading.Event().wait()
        return 0
    except KeyboardInterrupt:
        return 0
    finally:
        if run.is_alive():
            run.terminate()


if __name__ == "__main__":
    sys.exit(main())
