"""Audits and traces of pipelines that several processes run on Apache Kafka, whichever is asked."""

import json
import subprocess
import time

import pytest

from compare import ORDERS, TICKS, expect, expect_exact
from forging import forged_batch, post_batch
from harness import background_result, wait_until
from oracle import perturb

OK, FAILED, USAGE, NOT_EXACT = range(4)
TICK_COUNT = 12_000
TASKS = 3 * 4  # of both pipelines
NEVER_MS = 3_600_000
PLACE = ("topic", "partition", "offset")
FEED_SECONDS = 12


def answer(run, verb, *arguments, code=OK):
    done = subprocess.run(
        run.verb(verb, *arguments), cwd=run.cwd, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    said = f"{verb} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    expect(done.returncode == code, said)
    return json.loads(done.stdout)


def running(run) -> int:
    """How many tasks run in this process."""
    return sum(
        one["process"] == run.status()["process"] and one["state"] == "running"
        for pipeline in run.status()["pipelines"]
        for stage in pipeline["stages"]
        for one in stage["ownership"]
    )


def wrong(run, pipeline) -> str:
    checks = answer(run, "audit", code=NOT_EXACT)["checks"]
    return "\n".join(
        check["detail"] for check in checks if not check["ok"] and check["pipeline"] == pipeline
    )


@pytest.fixture
def pair(kafka, worker, orders, ticks):
    """pair(...) starts two processes with both pipelines, each with half of the tasks."""

    def start(**more):
        made = [
            worker(name, kafka.address, ticks, orders, objects=kafka.objects, **more).start()
            for name in "ab"
        ]
        wait_until(lambda: [running(run) for run in made] == [TASKS // 2] * 2, "half of it each")
        return made

    return start


def test_audits_prove_what_two_processes_did_though_one_was_killed(
    pair, ticks, orders, write_lines, real_orders
):
    a, b = pair()
    lines = perturb.generate_ticks(5, TICK_COUNT, 50, bad=0.02, duplicate=0.02, late=0.01)
    shop = [*real_orders[:4000], *real_orders[5:25], *perturb.mixed_orders()]
    producers = [
        a.cli_background("produce", TICKS.source, "--file", write_lines("t", lines),
                         "--key", ticks.key, "--rate", len(lines) // FEED_SECONDS),
        a.cli_background("produce", ORDERS.source, "--file", write_lines("o", shop),
                         "--key", orders.key, "--rate", len(shop) // FEED_SECONDS),
    ]  # fmt: skip
    wait_until(lambda: a.record_count(TICKS.output) > TICK_COUNT // 5, "some of the output")
    expect(answer(b, "audit")["exact"], "while both are at work")
    b.kill9()
    # What nobody runs for now is judged as it was committed, too.
    expect(answer(a, "audit")["exact"], "while half of the tasks are nobody's")
    b.start()
    expect(answer(b, "audit")["exact"], "after a restart, while the feed goes on")
    for producer in producers:
        background_result(producer)
    a.cli("drain")
    expect_exact(a, TICKS, ticks, lines)
    expect_exact(a, ORDERS, orders, shop)
    for run in (a, b):
        audit = answer(run, "audit")
        rows = {one["pipeline"]: one["detail"] for one in audit["checks"] if one["check"] == "rows"}
        expect(f"{a.record_count(TICKS.source)} source offsets" in rows["ticks"], rows["ticks"])
        kinds = {check["check"].split()[0] for check in audit["checks"]}
        want = {"positions", "conservation", "rows", "merging", "windows", "features", "lake"}
        expect(want <= kinds, f"checked were {kinds}")
        replayed = answer(run, "audit", "--replay")["tasks"]
        expect(len(replayed) == TASKS and all(task["ok"] for task in replayed), str(replayed))

    expect_traces(a, b)


def first(records, holds):
    return next(record for record in records if holds(record))


def expect_traces(a, b):
    rows, letters = a.consume(TICKS.output), a.consume(TICKS.dead_letters)
    duplicate = first(letters, lambda one: one["headers"]["millrace-error"] == "DUPLICATE")
    refused = first(
        letters, lambda one: json.loads(one["value"])["stage"] in ("schema", "rules")
        and "event_id" in json.loads(one["value"])["original_message"],
    )  # fmt: skip
    for run in (a, b):
        began = time.monotonic()
        good = json.loads(rows[-1]["value"])["event_id"]
        (one,) = answer(run, "trace", good)["occurrences"]
        took = time.monotonic() - began
        expect(one["outcome"] == "passed", f"{one}")
        expect(one["rows"] == [{k: rows[-1][k] for k in PLACE}], f"{one}")
        expect(one["windows"][0]["panes"][0]["decision"] in ("counted", "late"), f"{one}")
        expect(took < 5, f"a trace took {took:.1f} s")
        print(f"a trace took {took:.2f} s")
        source = duplicate["headers"]["millrace-source"]
        event = json.loads(json.loads(duplicate["value"])["original_message"])["event_id"]
        found = answer(run, "trace", event)["occurrences"]
        outcomes = {f"{one['topic']}/{one['partition']}/{one['offset']}": one for one in found}
        expect(outcomes[source]["outcome"] == "duplicate", f"{found}")
        original = outcomes[source]["steps"][-1]["first_occurrence"]
        expect(outcomes[original]["outcome"] == "passed", f"{found}")
        topic, partition, offset = refused["headers"]["millrace-source"].rsplit("/", 2)
        found = answer(run, "trace", "--topic", topic, "--partition", partition, "--offset", offset)
        (one,) = found["occurrences"]
        expect(one["outcome"] == "dead_lettered", f"{one}")
        (letter,) = one["dead_letters"]
        expect(letter["offset"] == refused["offset"], f"{one}")


def test_what_others_wrote_or_removed_is_named(kafka, pair, ticks, orders, write_lines, day):
    admin = pytest.importorskip("confluent_kafka.admin")
    a, b = pair(flink={"checkpoint_interval_ms": NEVER_MS})  # so that a replay reaches back to it
    lines = [*day[4000:4300], *day[4000:4010], *perturb.mixed_ticks()]
    a.produce(TICKS.source, write_lines("t", lines), ticks.key)
    a.produce(ORDERS.source, write_lines("o", perturb.mixed_orders()), orders.key)
    send_in_transactions(kafka, TICKS.source, day[4300:4320])
    b.cli("drain")
    rows = next(check for check in answer(b, "audit")["checks"] if check["check"] == "rows")
    expect(rows["ok"], rows["detail"])  # markers and aborted records are nothing
    newest = json.loads(day[4299])["event_id"]  # that a replay reaches
    row = first(a.consume(TICKS.output), lambda one: newest in one["value"])
    result = a.consume(TICKS.aggregates)[-1]
    letter = a.consume(TICKS.dead_letters)[-1]
    never = {**row["headers"], "millrace-source": f"{TICKS.source}/{row['partition']}/123456789"}
    forged = [
        (b, TICKS.output, row, row["headers"], "twice"),
        (a, TICKS.output, row, never, "123456789"),
        (a, TICKS.aggregates, result, result["headers"], "revision"),
        (b, TICKS.dead_letters, letter, letter["headers"], "second dead letter"),
    ]
    for run, topic, record, headers, said in forged:
        before = a.high_watermarks(topic)[record["partition"]]
        key = record["key"].encode()
        body = forged_batch(record["partition"], record["value"].encode(), headers, key)
        post_batch(a, topic, body)
        found = wrong(run, "ticks")
        place = f"{topic}/{record['partition']}/{before}"
        expect(place in found and said in found, f"{place} {said} is not in: {found}")
    replayed = answer(b, "audit", "--replay", "--pipeline", "ticks", code=NOT_EXACT)
    findings = [finding for task in replayed["tasks"] for finding in task["findings"]]
    kinds = {(one["topic"], one["source"], one["kind"]) for one in findings}
    named = (TICKS.output, row["headers"]["millrace-source"], "extra")
    expect(named in kinds, f"{named} is not in {findings}")

    lost = a.consume(ORDERS.dead_letters)
    client = admin.AdminClient({"bootstrap.servers": kafka.address})
    for future in client.delete_topics([ORDERS.dead_letters]).values():
        future.result(30)
    partitions = len(a.high_watermarks(ORDERS.source))
    wait_until(lambda: made_again(client, admin, partitions), "the topic made again")
    for run in (a, b):
        found = wrong(run, "orders")
        expect("offsets have neither row nor dead letter, the first" in found, found)
    source = lost[0]["headers"]["millrace-source"]
    topic, partition, offset = source.rsplit("/", 2)
    found = answer(a, "trace", "--topic", topic, "--partition", partition, "--offset", offset)
    expect(found["occurrences"][0]["outcome"] == "unknown", str(found))


def send_in_transactions(kafka, topic, lines):
    """Half of it aborted."""
    from confluent_kafka import Producer

    producer = Producer({
        "bootstrap.servers": kafka.address, "transactional.id": "someone",
        "partitioner": "murmur2_random",  # as all others: a key is in one partition
    })  # fmt: skip
    producer.init_transactions(30)
    for i, line in enumerate(lines):
        producer.begin_transaction()
        producer.produce(topic, line, json.loads(line)["ticker"])
        producer.flush(30)
        producer.commit_transaction(30) if i % 2 else producer.abort_transaction(30)


def made_again(client, admin, partitions) -> bool:
    topic = admin.NewTopic(ORDERS.dead_letters, partitions)
    try:
        for future in client.create_topics([topic]).values():
            future.result(30)
    except admin.KafkaException:
        return False
    return True
