"""Processes on Apache Kafka whose shared folder of objects fails: nothing is lost, it is said."""

import errno
import os
import signal
import sys

import pytest
from ballast import Ballast
from compare import ORDERS, expect, expect_exact
from final_state import expect_lake
from faults import Faults
from harness import background_result, wait_until
from shared_log import owned
from workspace import ROOT, with_roll

sys.path.insert(0, str(ROOT / "tools"))
from apache_kafka import ApacheKafka  # noqa: E402

ORDER_COUNT = 3_000
REQUESTS = "millrace.lake.flushes"


def test_a_full_disk_under_the_objects_delays_and_loses_nothing(
    kafka_jars, tmp_path, small_disk, worker, orders, write_lines, real_orders
):
    lines = real_orders[:ORDER_COUNT]
    objects = small_disk / "objects"
    with ApacheKafka(kafka_jars, tmp_path / "broker") as broker:
        a = worker("a", broker.address, orders, objects=objects).start()
        wait_until(lambda: len(owned(a)) == 4, "all partitions")
        ballast = Ballast(small_disk)
        for _ in range(3):
            ballast.fill()
        a.cli("produce", ORDERS.source, "--file", write_lines("o", lines), "--key", orders.key)
        said = a.cli_fails("drain")
        expect("No space left" in said and "process a" in said, f"the drain said: {said}")
        expect("No space left" in a.stderr(), a.stderr())
        expect(a.status()["state"] == "running", "it must keep going")
        ballast.drop()
        a.cli("drain")
        expect_exact(a, ORDERS, orders, lines)
        expect_lake(a, ORDERS, objects)
        expect(a.terminate() == 0, a.stderr())


def test_a_drain_names_the_process_that_cannot_deliver(
    kafka, tmp_path, worker, orders, write_lines, real_orders
):
    lines = real_orders[:ORDER_COUNT]
    faults = Faults(tmp_path)
    a = worker("a", kafka.address, orders, objects=kafka.objects).start()
    b = worker(
        "b", kafka.address, orders, objects=kafka.objects, env=faults.environment()
    ).start()
    wait_until(lambda: len(owned(a)) == 2 and len(owned(b)) == 2, "two partitions each")
    faults.set("/objects/", sync=-1, write=-1, error=errno.EACCES)
    a.cli("produce", ORDERS.source, "--file", write_lines("o", lines), "--key", orders.key)
    said = a.cli_fails("drain")
    expect("process b" in said and "Permission denied" in said, f"the drain of a said: {said}")
    said = b.cli_fails("drain")
    expect("process b" in said and "Permission denied" in said, f"the drain of b said: {said}")
    faults.set()
    a.cli("drain")
    expect_exact(a, ORDERS, orders, lines)
    expect_lake(a, ORDERS, kafka.objects)
    expect(b.terminate() == 0, b.stderr())
    expect(a.terminate() == 0, a.stderr())


def test_requests_that_expired_before_they_were_heard_are_asked_again(
    kafka_jars, tmp_path, worker, orders, write_lines, real_orders
):
    admin = pytest.importorskip("confluent_kafka.admin")
    from confluent_kafka import TopicPartition

    lines = real_orders[:ORDER_COUNT]
    orders.change(with_roll(orders.text, "256MiB", "10m"))
    objects = tmp_path / "objects"
    with ApacheKafka(kafka_jars, tmp_path / "broker") as broker:
        a = worker("a", broker.address, orders, objects=objects).start()
        b = worker("b", broker.address, orders, objects=objects).start()
        wait_until(lambda: len(owned(a)) == 2 and len(owned(b)) == 2, "two partitions each")
        a.cli("drain")
        a.cli("produce", ORDERS.source, "--file", write_lines("o", lines), "--key", orders.key)
        outputs = (ORDERS.output, ORDERS.dead_letters)
        wait_until(
            lambda: sum(len(a.consume(topic)) for topic in outputs) == len(lines), "all outputs"
        )
        client = admin.AdminClient({"bootstrap.servers": broker.address})
        everything = TopicPartition(REQUESTS, 0, -1)

        def deleted():
            (future,) = client.delete_records([everything]).values()
            return future.result(30).low_watermark

        before = deleted()
        os.kill(b.ready["pid"], signal.SIGSTOP)
        draining = a.cli_background("drain")
        wait_until(lambda: deleted() > before, "a request that b has not heard")
        os.kill(b.ready["pid"], signal.SIGCONT)
        background_result(draining)
        expect_exact(a, ORDERS, orders, lines)
        expect_lake(a, ORDERS, objects)
        expect(b.terminate() == 0, b.stderr())
        expect(a.terminate() == 0, a.stderr())
