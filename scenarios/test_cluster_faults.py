"""Three processes on three brokers, all killed and stopped at random: exact results."""

import json
import os
import random
import sys
from collections import Counter

import pytest
from compare import ORDERS, TICKS, expect, expect_exact, value_bytes
from final_state import expect_lake
from harness import wait_until
from oracle import perturb
from workspace import ROOT, with_roll

pytest.importorskip("confluent_kafka")
sys.path.insert(0, str(ROOT / "tools"))
from cluster_faults import Faults, wait_until_all_run  # noqa: E402
from journals import expect_in_agreement  # noqa: E402
from kafka_cluster import KafkaCluster  # noqa: E402
from kafka_side import Feed, KafkaSide  # noqa: E402

FAULTS = int(os.environ.get("MILLRACE_FAULTS", "5"))
SEED = int(os.environ.get("MILLRACE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
RATE = 300  # records a second
STAGES = {("ticks", "source"), ("orders", "source"), ("orders", "orders_5m")}


@pytest.fixture(scope="module")
def cluster(kafka_jars, tmp_path_factory):
    with KafkaCluster(kafka_jars, tmp_path_factory.mktemp("cluster") / "brokers") as brokers:
        yield brokers


@pytest.fixture
def pipelines(workspace):
    """Ticks and orders, without idle partitions.

    While a broker is away its partitions bring nothing; the twin knows no idleness.
    """
    found = []
    for kind in (TICKS, ORDERS):
        file = workspace.pipeline(kind.name)
        text = with_roll(file.text, "256KiB", "2s")
        file.change(text.replace("  partitions: 4\n", "  partitions: 4\n  idle_after: 2h\n"))
        expect("idle_after" in file.text, file.text)
        found.append(file)
    return found


@pytest.fixture
def objects(tmp_path):
    """What all processes have their snapshots and their lake in."""
    return tmp_path / "objects"


@pytest.fixture
def processes(instance, tmp_path, cluster, pipelines, objects):
    made = []
    for name in ("a", "b", "c"):
        config = {
            "process": name,
            "objects": {"folder": str(objects)},
            "log": {"kafka": {"bootstrap_servers": cluster.address}},
            "flink": {"checkpoint_interval_ms": 1000},
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(config))
        extra = ("--config", str(path))
        made.append(instance(*pipelines, name=name, parallelism=2, extra=extra))
    for run in made:
        run.launch()
    for run in made:
        run.await_ready()
    return made


def expect_in_order(side, kind):
    """Rows of one input partition came out in its order: nobody wrote after its successor had."""
    last = {}
    for record in side.consume(kind.output):
        _, partition, offset = record["headers"]["millrace-source"].rsplit("/", 2)
        at = (record["partition"], partition)
        expect(last.get(at, -1) < int(offset), f"{kind.output}: {offset} after {last.get(at)}")
        last[at] = int(offset)


def arrived(side, kind, lines):
    """The lines as they are in the topic: each is there, and what the feed's client wrote again.

    librdkafka's idempotent producer takes a new epoch after some answers that do not come, and
    sends what is open under it; a broker that has it already cannot know it again.
    """
    found = Counter(map(value_bytes, side.consume(kind.source)))
    lost, again = Counter(lines) - found, found - Counter(lines)
    expect(not lost, f"{kind.source}: {lost.total()} are missing: {list(lost)[:3]}")
    expect(again.keys() <= set(lines), f"{kind.source}: never sent: {again.keys() - set(lines)}")
    print(f"{kind.source}: {again.total()} lines were written again by the feed's client")
    return lines + list(again.elements())


def counters(processes):
    """Sums over what runs now; what a killed process had counted is gone."""
    found = Counter()
    for run in processes:
        for pipeline in run.status()["pipelines"]:
            for stage in pipeline["stages"]:
                found.update(stage["commits"]["transactions"])
                found.update(stage["commits"]["ownership_changes"])
    return found


def test_results_are_exact_whoever_dies(
    cluster, processes, pipelines, workspace, real_orders, objects
):
    print(f"MILLRACE_SEED={SEED} MILLRACE_FAULTS={FAULTS}")
    side = KafkaSide(cluster.address, workspace)
    stages = {(*stage, partition) for stage in STAGES for partition in range(4)}
    wait_until_all_run(processes, stages)
    events = 5_000 + 6_000 * FAULTS
    ticks = perturb.generate_ticks(
        SEED, events, 20, bad=0.02, duplicate=0.02, late=0.01, span=events * 10_000 * 5
    )
    orders = perturb.mixed_orders() + real_orders
    feed = Feed(
        cluster.address,
        [(TICKS.source, pipelines[0].key, ticks), (ORDERS.source, pipelines[1].key, orders)],
        RATE,
    )
    feed.start()
    course = Faults(cluster, processes, SEED, FAULTS).run()
    sent = feed.end()
    print(f"sent {[len(lines) for lines in sent]}; {dict(course.done)}")
    print(f"starts refused: {len(course.refused_starts)} {course.refused_starts[:2]}")
    wait_until_all_run(processes, stages)
    for run in processes[:2]:  # both pipelines; the second time nothing is left
        run.cli("drain", seconds=120)
    wait_until(lambda: not side.unstable(), f"the end of all transactions: {side.unstable()}")
    for kind, file, lines in zip((TICKS, ORDERS), pipelines, sent, strict=True):
        outcome = expect_exact(side, kind, file, arrived(side, kind, lines))
        expect_in_order(side, kind)
        expect_lake(processes[0], kind, objects)
        print(f"{kind.name}: {dict(sorted(outcome.counts.items()))}")
    for name, stage in sorted(STAGES):
        topic, group = f"millrace.{name}.{stage}.journal", f"millrace.{name}.{stage}"
        made = expect_in_agreement(side, topic, group)
        print(f"{group}: {[commits[-1].sequence for commits in made.values()]} commits")
    print(f"counted by those that live: {dict(counters(processes))}")
