"""Random Kafka clients while the broker is killed, stopped and cut off: promises are kept."""

import json
import os
import random

import pytest

pytest.importorskip("confluent_kafka")

from kafka_checker.checker import check  # noqa: E402
from kafka_checker.workload import Workload  # noqa: E402

SEED = int(os.environ.get("MILLRACE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
KILLS = int(os.environ.get("MILLRACE_KILLS", "0"))


@pytest.mark.skipif(not KILLS, reason="takes minutes: MILLRACE_KILLS says how many kills")
@pytest.mark.timeout(120 + 20 * KILLS)
def test_a_history_under_faults_has_no_anomaly(instance):
    print(f"MILLRACE_SEED={SEED}")
    with instance() as run:
        workload = Workload(run, SEED)
        history = workload.execute(KILLS)
    anomalies = check(history)
    figures = workload.figures()
    print(json.dumps(figures, indent=1))
    assert not anomalies, "\n".join(f"{one.kind}: {one.text}" for one in anomalies[:20])
    # That nothing was found means something only if much was done.
    assert figures["transactions"]["committed"] and figures["transactions"]["aborted"]
    assert figures["copied"] and figures["reads"] and figures["sends_acknowledged"]
