"""Named snapshots: what a name keeps, and that going back to one changes no result."""

import pytest

from compare import TICKS, expect, final_windows
from harness import wait_until


def snapshots_of(run) -> list[dict]:
    return run.cli("snapshot", "list")["snapshots"]


def objects_in(run) -> set[str]:
    folder = run.data / "objects"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_name_survives_a_kill_and_a_restore_changes_nothing(
    instance, workspace, day, write_lines
):
    ticks = workspace.pipeline("ticks")
    half = len(day) // 2
    run = instance(ticks).start()
    run.produce(TICKS.source, write_lines("first.jsonl", day[:half]), ticks.key)
    made = run.cli("snapshot", "create", "half")["snapshots"]
    assert [snapshot["pipeline"] for snapshot in made] == ["ticks"]
    objects = {task["object"] for task in made[0]["tasks"]}
    assert objects <= objects_in(run)
    run.produce(TICKS.source, write_lines("second.jsonl", day[half:]), ticks.key)
    run.cli("drain")
    before = run.consume(TICKS.aggregates)
    run.kill9()
    run.start()
    listed = snapshots_of(run)
    assert [snapshot["name"] for snapshot in listed] == ["half"]
    at = sum(task["next_offset"] for task in listed[0]["tasks"])
    expect(at <= half, "the snapshot holds more than was sent before it")
    expect(listed[0]["held_records"] == len(day) - at, "what the name keeps is miscounted")

    tasks = run.cli("snapshot", "restore", "half")["tasks"]
    assert sum(task["to_offset"] - task["from_offset"] for task in tasks) == len(day) - at
    assert run.consume(TICKS.aggregates) == before, "a restore must write nothing"
    # All ids are known again and all windows are there: the day once more is all duplicates.
    run.produce(TICKS.source, write_lines("again.jsonl", day), ticks.key)
    run.cli("drain")
    assert final_windows(run.consume(TICKS.aggregates), TICKS) == final_windows(before, TICKS)
    assert len(run.consume(TICKS.dead_letters)) == len(day)
    run.cli("audit")
    assert run.terminate() == 0


def test_names_are_refused_with_what_would_be_right(instance, workspace):
    run = instance(workspace.pipeline("ticks")).start()
    run.cli("snapshot", "create", "one")
    for words, text in [
        (["create", "one"], "delete it first or take another name"),
        (["create", "No Name"], "lower-case letters"),
        (["create", "two", "--pipeline", "tocks"], "there is ticks"),
        (["restore", "two"], "there is one"),
        (["delete", "two", "--pipeline", "ticks"], "it has one"),
    ]:
        assert text in run.cli_fails("snapshot", *words)
    run.cli("snapshot", "delete", "one")
    assert snapshots_of(run) == []
    assert run.terminate() == 0


def test_a_name_of_an_earlier_version_stays_and_is_not_restored(instance, workspace):
    ticks = workspace.pipeline("ticks")
    run = instance(ticks).start()
    made = run.cli("snapshot", "create", "one")["snapshots"]
    objects = {task["object"] for task in made[0]["tasks"]}
    assert run.terminate() == 0
    ticks.change(ticks.text.replace("version: 1\n", "version: 2\n"))
    run.start()
    assert objects <= objects_in(run)
    assert "is of version 1 of the pipeline" in run.cli_fails("snapshot", "restore", "one")
    run.cli("snapshot", "delete", "one")
    assert run.terminate() == 0
    run.start()
    wait_until(lambda: not objects & objects_in(run), "what no name holds must go")
    assert run.terminate() == 0


def test_a_snapshot_is_restored_at_another_parallelism(instance, workspace, day, write_lines):
    ticks = workspace.pipeline("ticks")
    ticks.set_partitions(4)
    tickers = [b'"AMZN"', b'"GOOG"', b'"INTC"', b'"MSFT"', b'"AAPL"']
    day = [line.replace(b'"AMZN"', tickers[i % 5]) for i, line in enumerate(day)]
    half = len(day) // 2
    run = instance(ticks, parallelism=1).start()
    run.produce(TICKS.source, write_lines("first.jsonl", day[:half]), ticks.key)
    run.cli("snapshot", "create", "half")
    run.produce(TICKS.source, write_lines("second.jsonl", day[half:]), ticks.key)
    run.cli("drain")
    before = run.consume(TICKS.aggregates)
    assert run.terminate() == 0
    run.parallelism = 2
    run.start()
    tasks = run.cli("snapshot", "restore", "half")["tasks"]
    assert sum(task["to_offset"] - task["from_offset"] for task in tasks) >= len(day) - half
    assert run.consume(TICKS.aggregates) == before, "a restore must write nothing"
    run.produce(TICKS.source, write_lines("again.jsonl", day), ticks.key)
    run.cli("drain")
    assert final_windows(run.consume(TICKS.aggregates), TICKS) == final_windows(before, TICKS)
    assert len(run.consume(TICKS.dead_letters)) == len(day)
    run.cli("audit")
    assert run.terminate() == 0


def test_a_source_with_more_partitions_is_refused_and_nothing_is_lost(
    instance, workspace, day, write_lines
):
    admin = pytest.importorskip("confluent_kafka.admin")
    ticks = workspace.pipeline("ticks")
    ticks.set_partitions(2)
    half = len(day) // 2
    run = instance(ticks).start()
    run.produce(TICKS.source, write_lines("first.jsonl", day[:half]), ticks.key)
    run.cli("snapshot", "create", "half")
    assert run.terminate() == 0

    run.pipelines = (workspace.pipeline("orders"),)
    run.start()
    client = admin.AdminClient({"bootstrap.servers": f"127.0.0.1:{run.kafka_port}"})
    grown = client.create_partitions([admin.NewPartitions(TICKS.source, 4)])
    grown[TICKS.source].result(30)
    assert run.terminate() == 0

    run.pipelines = (ticks,)
    assert "topic input_topic has 4 partitions" in run.refuses_to_start()
    ticks.set_partitions(4)
    ticks.change(ticks.text.replace("version: 1\n", "version: 2\n"))
    reason = run.refuses_to_start()
    assert "ran over 2 partitions" in reason and "has 4" in reason, reason
    # Under a name of its own it begins with everything the topic holds.
    ticks.change(ticks.text.replace("pipeline: ticks", "pipeline: ticks_by_four", 1))
    run.start()
    run.produce(TICKS.source, write_lines("second.jsonl", day[half:]), ticks.key)
    run.cli("drain")
    run.cli("audit")
    assert run.terminate() == 0
