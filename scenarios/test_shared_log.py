"""Processes that share a pipeline on Apache Kafka: one that dies is replaced, results are exact."""

import json
import sys
from pathlib import Path

from compare import ORDERS, TICKS, expect, expect_exact, final_windows
from final_state import expect_lake
from harness import background_result, wait_until
from oracle import perturb
from shared_log import owned
from workspace import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from apache_kafka import free_ports  # noqa: E402

ORDER_COUNT = 6_000
FEED_SECONDS = 12
TICK_COUNT = 2_000
TICKERS = ("AMZN", "GE", "KO")


def test_one_of_two_is_killed_and_the_other_takes_over(
    kafka, worker, orders, write_lines, real_orders
):
    lines = real_orders[:ORDER_COUNT] + perturb.mixed_orders()
    path = write_lines("orders.jsonl", lines)
    a = worker("a", kafka.address, orders, objects=kafka.objects).start()
    b = worker("b", kafka.address, orders, objects=kafka.objects).start()
    wait_until(lambda: len(owned(a)) == 2 and len(owned(b)) == 2, "two partitions each")
    wait_until(lambda: owned(a, "orders_5m") and owned(b, "orders_5m"), "merging in both")
    producer = b.cli_background(
        "produce", ORDERS.source, "--file", path, "--key", orders.key,
        "--rate", len(lines) // FEED_SECONDS,
    )  # fmt: skip
    wait_until(lambda: b.record_count(ORDERS.output) > ORDER_COUNT // 4, "a quarter of the output")
    a.kill9()
    wait_until(lambda: len(owned(b)) == 4, "all partitions in the one that is left")
    sent = background_result(producer)
    expect(sent["sent"] == len(lines), f"the producer sent {sent}, not {len(lines)}")
    a.start()
    wait_until(lambda: len(owned(a)) == 2 and len(owned(b)) == 2, "two partitions each, again")
    a.cli("drain")
    expect_exact(a, ORDERS, orders, lines)
    expect_lake(a, ORDERS, kafka.objects)
    # A clean stop hands over at once, and nothing is done twice.
    before = a.record_count(ORDERS.output)
    expect(b.terminate() == 0, b.stderr())
    wait_until(lambda: len(owned(a)) == 4, "all partitions in the other one")
    a.cli("drain")
    expect(a.record_count(ORDERS.output) == before, "a stop produced output again")
    expect_exact(a, ORDERS, orders, lines)
    expect_lake(a, ORDERS, kafka.objects)


def test_every_process_has_the_newest_features(kafka, worker, ticks, write_lines, day):
    trades = [json.loads(line) for line in day[:TICK_COUNT]]
    lines = [
        json.dumps({**trade, "ticker": ticker, "event_id": f"{ticker}-{i}"}).encode()
        for ticker in TICKERS
        for i, trade in enumerate(trades)
    ]
    (group,) = ticks.feature_groups

    def newest_windows(run):
        found = {}
        windows = final_windows(run.consume(TICKS.aggregates), TICKS)
        for (ticker, _), window in windows.items():
            if ticker not in found or window["window_end"] > found[ticker]["window_end"]:
                found[ticker] = window
        return found

    def serves(run, want):
        return want == {
            ticker: run.cli("features", "get", group, ticker)["record"] for ticker in want
        }

    a = worker("a", kafka.address, ticks, objects=kafka.objects).start()
    b = worker("b", kafka.address, ticks, objects=kafka.objects).start()
    path = write_lines("ticks.jsonl", lines)
    a.cli("produce", TICKS.source, "--file", path, "--key", ticks.key)
    a.cli("drain")
    want = newest_windows(a)
    expect(set(want) == set(TICKERS), f"windows of {set(want)}")
    expect(serves(a, want), "a drain returned before its process had the newest features")
    wait_until(lambda: serves(b, want), "the newest features in the other process")
    b.kill9()
    b.start()
    wait_until(lambda: serves(b, want), "the newest features after a restart")
    expect_lake(a, TICKS, kafka.objects)
    # A third one begins with an empty store.
    c = worker("c", kafka.address, ticks, objects=kafka.objects).start()
    wait_until(lambda: serves(c, want), "the newest features in one that came late")


def test_what_cannot_be_shared_is_refused(kafka, worker, orders):
    with worker("a", kafka.address, orders, objects=kafka.objects) as a:
        for verb in (["snapshot", "list"],):
            said = a.cli_fails(*verb)
            expect("log.kafka" in said, f"{verb}: {said}")
        text = orders.text
        orders.change(text + "# another text\n")
        b = worker("b", kafka.address, orders, objects=kafka.objects)
        said = b.refuses_to_start()
        expect("ran with another content; raise its version" in said, said)
        orders.change(text)
        elsewhere = a.data / "elsewhere"
        said = worker("c", kafka.address, orders, objects=elsewhere).refuses_to_start()
        expect("objects.folder must be the same" in said, said)


def test_a_broker_that_is_not_there_is_named(worker, orders):
    (port,) = free_ports(1)
    said = worker("a", f"127.0.0.1:{port}", orders).refuses_to_start()
    expect(f"no broker answers at 127.0.0.1:{port}" in said, said)


def test_a_configuration_that_lacks_something_says_what(worker, orders):
    run = worker("a", "somewhere", orders)
    said = run.refuses_to_start()
    expect("must be like broker-1:9092" in said, said)
    path = run.extra[1]
    config = json.loads(Path(path).read_text())
    del config["objects"]
    Path(path).write_text(json.dumps(config))
    said = run.refuses_to_start()
    expect("needs objects.folder: a folder that all processes" in said, said)
