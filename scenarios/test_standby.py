"""A process dies, and the one that followed its partitions goes on without restoring anything."""

import re
import sys
import time

import pytest
from compare import TICKS, expect, expect_exact
from harness import wait_until
from kafka_side import Feed, KafkaSide
from oracle import perturb
from shared_log import owned
from test_takeover import Watch
from workspace import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from apache_kafka import ApacheKafka  # noqa: E402

STATE = 200_000  # events before anything happens, each an id to remember
STATE_RATE = 15_000
RATE = 400
NEVER_MS = 3_600_000
FOLLOWER_LAG_MAX = 500


@pytest.fixture
def kafka(kafka_jars, tmp_path):
    with ApacheKafka(kafka_jars, tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def ticks(workspace):
    file = workspace.pipeline("ticks")
    text = re.sub(r"  - (lake|feature_group):.*?(?=^  - |^\S)", "", file.text, flags=re.M | re.S)
    file.change(text.replace("  partitions: 4\n", "  partitions: 4\n  idle_after: 2h\n"))
    return file


def source_stage(run):
    (pipeline,) = run.status()["pipelines"]
    (stage,) = [one for one in pipeline["stages"] if one["stage"] == "source"]
    return stage


def follows(run, partitions):
    near = [
        one["partition"]
        for one in source_stage(run)["followers"]
        if one["state"] == "following" and one["lag"] <= FOLLOWER_LAG_MAX
    ]
    return set(partitions) <= set(near)


# Without snapshots a takeover has everything to apply again; with one a second there is little of
# that, and deduplication follows from run to run.
@pytest.mark.parametrize(
    ("standby", "checkpoint_ms"), [(0, NEVER_MS), (1, NEVER_MS), (1, 1_000)]
)
def test_a_follower_takes_over(
    kafka, worker, workspace, ticks, tmp_path, standby, checkpoint_ms
):
    more = {
        "objects": tmp_path / "objects",
        "processor": {
            "standby": standby,
            "checkpoint_interval_ms": checkpoint_ms,
            "dedup_open_ids_max": 4096 if checkpoint_ms < NEVER_MS else 131_072,
        },
        "flink": {},
    }
    a = worker("a", kafka.address, ticks, **more).start()
    b = worker("b", kafka.address, ticks, **more).start()
    wait_until(lambda: len(owned(a)) == 2 and len(owned(b)) == 2, "two partitions each")
    mine = owned(a)
    lines = perturb.generate_ticks(7, STATE + 20_000, 50, duplicate=0.02)
    first = Feed(kafka.address, [(TICKS.source, ticks.key, lines[:STATE])], STATE_RATE)
    first.start()
    first.join()
    (sent,) = first.end()
    feed = Feed(kafka.address, [(TICKS.source, ticks.key, lines[STATE:])], RATE)
    watch = Watch(kafka.address)
    feed.start()
    watch.start()
    watch.seconds_until(range(4), time.time() * 1000)
    if standby:
        wait_until(lambda: follows(b, mine), "followers of all that the other one has", 60)
    killed = time.time() * 1000
    a.kill9()
    seconds = watch.seconds_until(mine, killed)
    stage = source_stage(b)
    changes = stage["commits"]["ownership_changes"]
    replayed = [
        task["replayed_records"] for task in stage["tasks"] if task["partition"] in mine
    ]
    print(
        f"standby {standby}, checkpoints {checkpoint_ms} ms: rows again after {seconds:.2f} s, "
        f"{sum(replayed)} records applied again, {changes['takeovers_by_standby']} takeovers "
        "by a follower"
    )
    watch.ending.set()
    watch.join()
    (more_sent,) = feed.end()
    b.cli("drain", seconds=60)
    expect_exact(KafkaSide(kafka.address, workspace), TICKS, ticks, sent + more_sent)
    expected = len(mine) if standby else 0
    expect(changes["takeovers_by_standby"] == expected, f"ownership changes: {changes}")
    if standby:
        expect(sum(replayed) < STATE // 20, f"applied again: {replayed}")
        # What the killed one had is followed again by nobody, as there is no third process; it
        # follows once it is back.
        a.start()
        wait_until(lambda: len(owned(a)) == 2 and follows(b, owned(a)), "followed again", 60)
