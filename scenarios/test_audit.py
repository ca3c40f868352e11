"""What an audit proves by counting, and what a replay proves record by record."""

import json
import re
import subprocess

import pytest

from compare import ORDERS, TICKS, expect
from forging import forged_batch, post_batch
from harness import BINARY, wait_until
from oracle import perturb
from workspace import with_roll

OK, FAILED, USAGE, NOT_EXACT = range(4)
NEVER_MS = 3_600_000


def audit(run, *arguments, code=OK):
    """The audit's answer; its exit status must be `code`."""
    done = subprocess.run(
        run.verb("audit", *arguments), cwd=run.cwd, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    expect(done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout) if code in (OK, NOT_EXACT) else done.stderr


@pytest.fixture
def both(instance, workspace, write_lines, day, real_orders):
    """Both pipelines with duplicates, late and bad events, revised windows, drained twice."""
    ticks, orders = workspace.pipeline("ticks"), workspace.pipeline("orders")
    workspace.set_checkpoint_interval(NEVER_MS)  # all of it can be replayed
    run = instance(ticks, orders).start()
    lines = [*day[:3000], *day[100:140], *perturb.mixed_ticks()[:12]]
    run.produce(TICKS.source, write_lines("a.jsonl", lines), ticks.key)
    shop = [*real_orders[:2000], *real_orders[5:25], *perturb.mixed_orders()]
    run.produce(ORDERS.source, write_lines("o.jsonl", shop), orders.key)
    run.cli("drain")
    # Within the lateness of the windows that were drained: they are revised.
    run.produce(TICKS.source, write_lines("b.jsonl", day[3000:3400]), ticks.key)
    run.cli("drain")
    return run


def expect_all_replayed(run):
    """Every record of every output topic was given again, byte for byte."""
    replayed = audit(run, "--replay")
    assert replayed["exact"] is True
    topics = {topic["topic"]: topic for topic in run.cli("topics", "--internal")["topics"]}
    written = []
    for kind in (TICKS, ORDERS):
        written += [kind.output, kind.aggregates, kind.dead_letters]
    written += [name for name in topics if "partial" in name or "tick_features" in name]
    stored = sum(at["high_watermark"] for name in written for at in topics[name]["offsets"])
    assert sum(task["outputs"] for task in replayed["tasks"]) == stored
    return replayed


def test_a_replay_gives_every_record_again(both):
    replayed = expect_all_replayed(both)
    stages = {(task["pipeline"], task["stage"]) for task in replayed["tasks"]}
    assert stages == {("ticks", "source"), ("orders", "source"), ("orders", "orders_5m")}
    for task in replayed["tasks"]:
        assert task["first_offset"] == 0 and task["next_offset"] == task["committed"]
    one = audit(both, "--replay", "100..200", "--pipeline", "ticks", "--partition", _busiest(both))
    [task] = one["tasks"]
    assert (task["first_offset"], task["next_offset"], task["records"]) == (100, 200, 100)
    assert task["outputs"] >= 100
    text = subprocess.run(
        [str(BINARY), "audit", "--replay", "--server", f"127.0.0.1:{both.http_port}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert text.endswith("exact\n") and "orders_5m" in text


def _busiest(run) -> int:
    marks = run.high_watermarks(TICKS.source)
    return max(marks, key=marks.get)


def test_a_replay_is_exact_after_kills_in_the_feed(instance, workspace, write_lines):
    ticks, orders = workspace.pipeline("ticks"), workspace.pipeline("orders")
    workspace.set_checkpoint_interval(NEVER_MS)
    lines = perturb.generate_ticks(3, 20_000, 50, bad=0.02, duplicate=0.02, late=0.01)
    run = instance(ticks, orders, parallelism=2).start()
    producers = [
        run.cli_background("produce", TICKS.source, "--file", write_lines("t.jsonl", lines),
                           "--key", ticks.key, "--rate", "6000", "--retry-for", "120"),
        run.cli_background("produce", ORDERS.source, "--generate", "orders", "--count", "20000",
                           "--rate", "6000", "--bad", "0.02", "--retry-for", "120"),
    ]  # fmt: skip
    for length in (4_000, 11_000):
        wait_until(lambda n=length: run.record_count(TICKS.source) >= n, f"{length} records")
        run.kill9()
        run.start()
        audit(run, "--replay")
    for producer in producers:
        producer.communicate(timeout=120)
    run.cli("drain")
    expect_all_replayed(run)
    assert audit(run)["exact"] is True
    run.restart()
    assert audit(run, "--replay")["exact"] is True


def test_what_is_stored_and_not_given_is_named(both):
    row = both.consume(TICKS.output, "--max", "1")[0]
    result = both.consume(ORDERS.aggregates, "--max", "1")[0]
    forged = [
        # A row that is there twice, and one that says something else.
        (TICKS.output, row["value"], row["headers"], row["key"]),
        (TICKS.output, row["value"].replace("price", "prize"), row["headers"], row["key"]),
        # A result of a merged window.
        (ORDERS.aggregates, result["value"], result["headers"], result["key"]),
    ]
    for topic, value, headers, key in forged:
        before = both.high_watermarks(topic)[row["partition"]]
        body = forged_batch(row["partition"], value.encode(), headers, key.encode())
        post_batch(both, topic, body)
        found = audit(both, "--replay", code=NOT_EXACT)
        findings = [finding for task in found["tasks"] for finding in task["findings"]]
        at = (topic, row["partition"], before, headers["millrace-source"], "extra")
        names = ("topic", "partition", "offset", "source", "kind")
        assert at in [tuple(finding[name] for name in names) for finding in findings]


def test_a_dropped_duplicate_that_has_a_row_is_found(instance, workspace, write_lines, day):
    """Duplicates leave no record: counters prove how many there are, a replay which."""
    ticks = workspace.pipeline("ticks")
    ticks.change(ticks.text.replace("on_duplicate: dead_letter", "on_duplicate: drop"))
    with instance(ticks) as run:
        run.produce(TICKS.source, write_lines("a.jsonl", [*day[:300], *day[40:50]]), ticks.key)
        run.cli("drain")
        rows = next(check for check in audit(run)["checks"] if check["check"] == "rows")
        assert "10 duplicates dropped" in rows["detail"]
        assert audit(run, "--replay")["exact"] is True
        row = run.consume(TICKS.output, "--max", "1")[0]
        headers = {**row["headers"], "millrace-source": f"{TICKS.source}/{row['partition']}/305"}
        body = forged_batch(row["partition"], row["value"].encode(), headers, row["key"].encode())
        post_batch(run, TICKS.output, body)
        wrong = [check for check in audit(run, code=NOT_EXACT)["checks"] if not check["ok"]]
        assert "9 offsets have neither row nor dead letter" in wrong[0]["detail"]
        [finding] = audit(run, "--replay", code=NOT_EXACT)["tasks"][row["partition"]]["findings"]
        assert finding["source"] == f"{TICKS.source}/{row['partition']}/305"


def test_a_second_feature_record_is_found(both):
    topics = [topic["topic"] for topic in both.cli("topics", "--internal")["topics"]]
    [features] = [name for name in topics if "tick_features" in name]
    assert features
    result = both.consume(TICKS.aggregates, "--max", "1")[0]
    body = forged_batch(
        result["partition"], result["value"].encode(), result["headers"], result["key"].encode()
    )
    checks = {check["check"] for check in audit(both)["checks"]}
    assert "features" in checks
    post_batch(both, TICKS.aggregates, body)
    wrong = [check for check in audit(both, code=NOT_EXACT)["checks"] if not check["ok"]]
    assert {"windows", "features"} <= {check["check"] for check in wrong}


def test_snapshots_bound_what_can_be_replayed(instance, workspace, write_lines, day):
    ticks = workspace.pipeline("ticks")
    ticks.set_partitions(1)
    workspace.set_checkpoint_interval(100)
    with instance(ticks) as run:
        for part in range(6):
            lines = day[part * 500 : part * 500 + 500]
            run.produce(TICKS.source, write_lines("part.jsonl", lines), ticks.key)
            run.cli("drain")
            # Snapshots are named by the offset they are of.
            wanted = f"{run.record_count(TICKS.source):020}-"
            wait_until(lambda name=wanted: list(run.data.rglob(f"{name}*")), f"snapshot {wanted}")
        workspace.set_checkpoint_interval(NEVER_MS)
        run.restart()
        run.produce(TICKS.source, write_lines("more.jsonl", day[3000:3500]), ticks.key)
        run.cli("drain")
        refused = audit(run, "--replay", "0..10", code=FAILED)
        earliest = re.search(r"the earliest possible is (\d+)", refused)
        assert earliest, refused
        assert int(earliest[1]) > 500
        assert audit(run, "--replay", f"{earliest[1]}..")["exact"] is True
        [task] = audit(run, "--replay")["tasks"]
        assert task["snapshot"].startswith("snapshots/ticks/source/0000/")
        assert task["first_offset"] >= int(earliest[1])


def test_replays_that_make_no_sense_are_refused(both):
    for range_ in ("x", "5..5", "9..3", "0..99999999"):
        audit(both, "--replay", range_, code=USAGE)
    assert "ticks, orders" in audit(both, "--replay", "--pipeline", "tocks", code=FAILED)
    audit(both, "--replay", "--stage", "nothing", code=FAILED)
    audit(both, "--pipeline", "ticks", code=USAGE)  # only with --replay


def test_lake_verify_reads_the_files(instance, workspace, write_lines, day):
    ticks = workspace.pipeline("ticks")
    ticks.change(with_roll(ticks.text, "64KiB", "1s"))
    with instance(ticks) as run:
        run.produce(TICKS.source, write_lines("day.jsonl", day[:4000]), ticks.key)
        run.cli("drain")
        assert run.cli("lake", "verify")["exact"] is True
        files = sorted(run.data.rglob("lake/**/*.parquet"))
        assert len(files) >= 2
        whole = files[0].read_bytes()
        for damage in (lambda: files[0].write_bytes(whole[:-7]), files[1].unlink):
            damage()
        done = subprocess.run(
            run.verb("lake", "verify"), capture_output=True, text=True, check=False
        )
        assert done.returncode == NOT_EXACT
        wrong = [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]
        assert {check["check"] for check in wrong} == {"files_whole"}
        for file in files[:2]:
            assert any(file.name in check["detail"] for check in wrong)
        assert any(not check["ok"] and "lake" in check["check"]
                   for check in audit(run, code=NOT_EXACT)["checks"])  # fmt: skip
