"""Random Kafka clients while the broker is killed, stopped and cut off: promises are kept."""

import json
import os
import random
import resource
import time

import pytest

pytest.importorskip("confluent_kafka")

from kafka_checker.checker import check  # noqa: E402
from kafka_checker.workload import Workload  # noqa: E402

SEED = int(os.environ.get("MILLRACE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
KILLS = int(os.environ.get("MILLRACE_KILLS", "0"))
MEMORY_MB_MAX = 2048  # of clients, history and judge, however many kills
JUDGE_SECONDS_MAX = 120


@pytest.mark.skipif(not KILLS, reason="takes minutes: MILLRACE_KILLS says how many kills")
@pytest.mark.timeout(120 + 20 * KILLS)
def test_a_history_under_faults_has_no_anomaly(instance):
    print(f"MILLRACE_SEED={SEED}")
    with instance() as run:
        workload = Workload(run, SEED)
        history = workload.execute(KILLS)
    figures = workload.figures()
    print(json.dumps(figures, indent=1))
    began = time.monotonic()
    anomalies = check(history)
    judge_seconds = time.monotonic() - began
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{len(anomalies)} anomalies; judged in {judge_seconds:.1f} s; {memory_mb} MB at most")
    assert not anomalies, "\n".join(f"{one.kind}: {one.text}" for one in anomalies[:20])
    # That nothing was found means something only if much was done.
    assert figures["transactions"]["committed"] and figures["transactions"]["aborted"]
    assert figures["copied"] and figures["reads"] and figures["sends_acknowledged"]
    assert memory_mb < MEMORY_MB_MAX and judge_seconds < JUDGE_SECONDS_MAX
