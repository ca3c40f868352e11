"""Deduplication beyond its bound of memory: slower, said so, and every answer the same."""

import json

from compare import expect
from harness import wait_until
from workspace import PipelineFile

IDS = 320_000  # 1 MiB lists some 200,000
PIPELINE = """\
pipeline: ids
version: 1
source:
  { topic: ids_in, format: json, key: id, event_time: at, out_of_orderness: 1s, partitions: 1 }
validate: { schema: schemas/id.schema.json }
dedup: { id: id, ttl: 24h, on_duplicate: drop }
sinks:
  - { topic: ids_out }
dead_letters: { topic: ids_dead }
"""
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["id", "at"],
    "properties": {"id": {"type": "string"}, "at": {"type": "string", "format": "date-time"}},
}


def lines_of(first: int, last: int) -> list[bytes]:
    return [b'{"id":"id-%07d","at":"2024-05-01T10:00:00Z"}' % i for i in range(first, last)]


def deduplication(run) -> dict:
    return run.status()["pipelines"][0]["stages"][0]["tasks"][0]["deduplication"]


def counters(run) -> dict:
    return run.status()["pipelines"][0]["counters"]


def test_beyond_its_memory_deduplication_is_exact_and_says_so(instance, workspace, write_lines):
    config = workspace.folder / "config" / "dev.json"
    known = '"environment": "dev",'
    bounded = known + '"processor": {"dedup_memory_mb": 1, "dedup_open_ids_max": 16384},'
    config.write_text(config.read_text().replace(known, bounded, 1))
    path = workspace.folder / "pipelines" / "ids.yaml"
    path.write_text(PIPELINE)
    (workspace.folder / "schemas" / "id.schema.json").write_text(json.dumps(SCHEMA))
    run = instance(PipelineFile(path)).start()

    def send(name: str, first: int, last: int) -> None:
        before = counters(run)["in"]
        run.produce("ids_in", write_lines(name, lines_of(first, last)), "id")
        wait_until(lambda: counters(run)["in"] == before + last - first, f"{name} applied")

    send("all.jsonl", 0, IDS)
    assert counters(run)["out"] == IDS and counters(run)["duplicates"] == 0
    memory = deduplication(run)
    expect(memory["fingerprint_bytes"] <= memory["fingerprint_bytes_max"] <= 1 << 20, memory)
    expect(memory["compact_ids"] > 50_000, f"the bound is not in force: {memory}")
    expect(memory["direct_lookups"] > 0, memory)
    assert run.stderr().count("dedup_memory_mb") == 1, run.stderr()

    def expect_known(name: str, first: int, last: int) -> None:
        before = counters(run)
        send(name, first, last)
        after = counters(run)
        expect(after["duplicates"] - before["duplicates"] == last - first, f"{name}: {after}")
        expect(after["out"] == before["out"], f"{name}: {after}")

    expect_known("old.jsonl", 0, 30_000)
    run.kill9()
    run.start()
    expect_known("after_kill.jsonl", 100_000, 110_000)
    assert run.terminate() == 0
    run.start()
    memory = deduplication(run)
    expect(memory["fingerprint_bytes"] <= memory["fingerprint_bytes_max"], memory)
    expect_known("after_stop.jsonl", IDS - 20_000, IDS)
    send("new.jsonl", IDS, IDS + 20_000)
    assert counters(run)["out"] == IDS + 20_000
    assert run.terminate() == 0
