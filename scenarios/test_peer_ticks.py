"""The job that is measured beside other stream processors: every output against its own twin."""

import json
import sys

import pytest
from compare import expect, value_bytes
from workspace import ROOT

sys.path.insert(0, str(ROOT / "tools" / "peer_bench"))
from events import Events  # noqa: E402
from expected import Expected  # noqa: E402

EVENT_COUNT = 25_000
US_PER_EVENT = 8_000  # three minutes of event time in all


def expect_none(wrong, what):
    expect(not wrong, f"{len(wrong)} wrong {what}, such as {wrong[:3]}")


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_dead_letters_and_windows_are_those_of_the_twin(
    instance, workspace, write_lines, seed
):
    file = workspace.pipeline("peer_ticks")
    events = Events(seed, US_PER_EVENT)
    expected = Expected()
    lines = [event[1].encode() for event in (events.next() for _ in range(EVENT_COUNT))]
    with instance(file) as run:
        run.produce("input_topic", write_lines("events.jsonl", lines), file.key)
        for line in lines:
            expected.take(line)
        run.cli("drain")
        rows = run.consume("output_topic")
        keyed = [(record["key"].encode(), record["value"]) for record in rows]
        expect_none(expected.wrong_rows(keyed), "rows")
        letters = [record["value"] for record in run.consume("dlq_topic")]
        expect_none(expected.wrong_letters(letters), "dead letters")
        results = [record["value"] for record in run.consume("aggregates_topic")]
        expect_none(expected.wrong_windows(results, is_drained=True), "windows")
        expect(run.cli("audit")["exact"] is True, "audit is not exact")
        expect(run.cli("audit", "--replay")["exact"] is True, "the replay is not exact")
        event_id = json.loads(value_bytes(rows[100]))["event_id"]
        [found] = run.cli("trace", event_id)["occurrences"]
        expect("window_start" in json.dumps(found), f"no window in {found}")
    expect(expected.duplicates > 100 and len(expected.letters) > 100, "too plain an input")
