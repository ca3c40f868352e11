"""What is told of single events, against what the topics, the lake and the feature store hold."""

import json
import subprocess
import time
from collections import Counter

import pyarrow.parquet as pq
import pytest

from compare import ORDERS, TICKS, expect
from harness import BINARY
from oracle import perturb

OK, FAILED, USAGE = range(3)


def trace(run, *arguments, code=OK):
    done = subprocess.run(
        run.verb("trace", *arguments), cwd=run.cwd, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    expect(done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout) if done.stdout else done.stderr


def trace_place(run, source: str):
    """Of "topic/partition/offset"."""
    topic, partition, offset = source.rsplit("/", 2)
    [one] = trace(run, "--topic", topic, "--partition", partition, "--offset", offset)[
        "occurrences"
    ]
    assert (one["topic"], one["partition"], one["offset"]) == (topic, int(partition), int(offset))
    return one


def place(record: dict) -> tuple:
    return record["topic"], record["partition"], record["offset"]


@pytest.fixture
def both(instance, workspace, write_lines, day, real_orders):
    """Both pipelines with duplicates, late and bad events and windows that are revised."""
    ticks, orders = workspace.pipeline("ticks"), workspace.pipeline("orders")
    run = instance(ticks, orders).start()
    lines = [*day[:3000], *day[100:140], *perturb.mixed_ticks()[:12]]
    run.produce(TICKS.source, write_lines("a.jsonl", lines), ticks.key)
    shop = [*real_orders[:2000], *real_orders[5:25], *perturb.mixed_orders()]
    run.produce(ORDERS.source, write_lines("o.jsonl", shop), orders.key)
    run.cli("drain")
    # Within the lateness of the windows that were drained.
    run.produce(TICKS.source, write_lines("b.jsonl", day[3000:3400]), ticks.key)
    run.cli("drain")
    return run


def results_of(run, kind, window_start: str, key: str) -> list[dict]:
    records = [
        record
        for record in run.consume(kind.aggregates)
        if record["key"] == key and json.loads(record["value"])["window_start"] == window_start
    ]
    return sorted(records, key=place)


def expect_row(run, kind, one, event: dict) -> None:
    """The traced row is the event, and its file in the lake has it."""
    [at] = one["rows"]
    [row] = [record for record in run.consume(kind.output) if place(record) == place(at)]
    value = json.loads(row["value"])
    assert value[kind.id_field] == event[kind.id_field]
    fields = next(step for step in one["steps"] if step["stage"] == "enrich")["fields"]
    assert fields and fields == {name: value[name] for name in fields}
    [effect] = [effect for effect in one["stored_in"] if effect["kind"] == "lake"]
    assert effect["state"] == "delivered"
    [file] = effect["files"]
    assert file["first_offset"] <= at["offset"] < file["next_offset"]
    if file["path"].endswith(".parquet"):
        rows = pq.ParquetFile(run.data / "objects" / file["path"]).read().to_pylist()
        assert [r["_offset"] for r in rows if r["event_id"] == event["event_id"]] == [at["offset"]]


def test_a_counted_tick_is_followed_to_the_end(both, day):
    event = json.loads(day[2900])
    answer = trace(both, event["event_id"], "--pipeline", "ticks")
    [one] = answer["occurrences"]
    assert one["outcome"] == "passed"
    assert [step["stage"] for step in one["steps"]] == [
        "decode", "schema", "key", "rules", "time", "dedup", "enrich",
    ]  # fmt: skip
    rules = next(step for step in one["steps"] if step["stage"] == "rules")["rules"]
    assert [rule["rule"] for rule in rules] == [
        "positive_price", "volume_not_negative", "ticker_format",
    ]  # fmt: skip
    assert all(rule["holds"] for rule in rules)
    expect_row(both, TICKS, one, event)
    [window] = one["windows"]
    [pane] = window["panes"]
    assert (window["key"], pane["decision"]) == ("AMZN", "counted")
    assert pane["start"] <= event["timestamp"] < pane["end"]
    stored = results_of(both, TICKS, pane["start"], "AMZN")
    assert stored
    assert [place(result) for result in pane["results"]] == [place(record) for record in stored]
    assert pane["results"][-1]["value"] == json.loads(stored[-1]["value"])
    [feature] = [effect for effect in one["stored_in"] if effect["kind"] == "feature"]
    assert feature["feature_group"] == "tick_features"
    assert feature["state"] in ("current", "superseded")


def test_an_event_that_revised_a_window_has_no_part_in_the_revisions_before(both, day):
    """The first event after the drain: the window had fired without it."""
    late = json.loads(day[3000])
    [one] = trace(both, late["event_id"])["occurrences"]
    [pane] = one["windows"][0]["panes"]
    stored = results_of(both, TICKS, pane["start"], "AMZN")
    first = json.loads(stored[0]["value"])
    assert first["revision"] == 0
    own = [result["revision"] for result in pane["results"]]
    assert own[0] == 1 and pane["result_count"] == len(stored) - 1
    # Each revision adds one event: the first with it counts one more.
    assert pane["results"][0]["value"]["event_count"] == first["event_count"] + 1


def test_duplicates_name_their_first_occurrence(both, day):
    for line in day[100:140:13]:
        event_id = json.loads(line)["event_id"]
        first, second = trace(both, event_id)["occurrences"]
        assert (first["outcome"], second["outcome"]) == ("passed", "duplicate")
        dedup = second["steps"][-1]
        assert dedup["stage"] == "dedup" and dedup["id"] == event_id
        assert dedup["first_occurrence"] == "/".join(map(str, place(first)))
        [letter] = second["dead_letters"]
        assert letter["error_type"] == "DUPLICATE"


def test_every_dead_letter_is_explained(both):
    seen = Counter()
    for kind in (TICKS, ORDERS):
        for record in both.consume(kind.dead_letters):
            letter = json.loads(record["value"])
            one = trace_place(both, record["headers"]["millrace-source"])
            mine = [at for at in one["dead_letters"] if place(at) == place(record)]
            assert len(mine) == 1, one
            for name in ("error_type", "stage", "error_message"):
                assert mine[0][name] == letter[name]
            seen[letter["error_type"]] += 1
            if letter["stage"].startswith("window "):
                assert one["outcome"] == "passed" and len(one["rows"]) == 1
                [window] = one["windows"]
                assert [pane["decision"] for pane in window["panes"]] == ["late"]
                continue
            last = one["steps"][-1]
            assert (last["stage"], last["result"]) == (letter["stage"], "refused")
            assert last["error_type"] == letter["error_type"]
            assert one["rows"] == [] and one["windows"] == []
    assert {"SCHEMA_INVALID", "BUSINESS_RULE_VIOLATION", "DUPLICATE", "LATE_EVENT"} <= set(seen)


def test_a_merged_window_shows_the_partial_result_on_the_way(both, real_orders):
    event = json.loads(real_orders[1500])
    [one] = trace(both, event["order_id"])["occurrences"]
    expect_row(both, ORDERS, one, event)
    [window] = one["windows"]
    [pane] = window["panes"]
    assert pane["partial"]["topic"].startswith("millrace.orders.")
    stored = results_of(both, ORDERS, pane["start"], window["key"])
    last = pane["results"][-1]
    assert place(last) == place(stored[-1])
    assert last["value"] == json.loads(stored[-1]["value"])


def test_an_unreadable_event_is_found_by_its_text(both):
    [one] = trace(both, "mixed-tick-00")["occurrences"]
    assert one["found_by"] == "text"
    assert one["outcome"] == "dead_lettered"
    letters = [json.loads(record["value"]) for record in both.consume(TICKS.dead_letters)]
    decode = [letter for letter in letters if letter["stage"] == "decode"]
    assert decode
    for letter in decode:
        source = [str(letter[f"original_{name}"]) for name in ("topic", "partition", "offset")]
        one = trace_place(both, "/".join(source))
        assert one["steps"][-1]["stage"] == "decode"
        assert one["steps"][-1]["message"] == letter["error_message"]


def test_answers_stay_the_same_after_kill_9(both, day):
    ids = [json.loads(day[i])["event_id"] for i in (0, 120, 2999, 3399)]
    before = [trace(both, event_id)["occurrences"] for event_id in ids]
    both.kill9()
    both.start()
    both.cli("drain")
    assert [trace(both, event_id)["occurrences"] for event_id in ids] == before


def test_what_is_not_found_says_how_to_look_further(both, day):
    answer = trace(both, "no-such-event", "--pipeline", "ticks", code=FAILED)
    assert answer["found"] is False
    count = both.record_count(TICKS.source)
    looked_at = f"the last {count} records of {TICKS.source}"
    assert answer["hint"] == f"not found within {looked_at}, which is all that is retained"
    old = json.loads(day[0])["event_id"]
    answer = trace(both, old, "--pipeline", "ticks", "--max-scan", "100", code=FAILED)
    assert answer["hint"] == (
        f"not found within the last 100 records of {TICKS.source}; widen with --max-scan"
    )
    answer = trace(both, old, "--pipeline", "ticks", "--since", "2999-01-01T00:00:00Z", code=FAILED)
    assert "widen with an earlier --since" in answer["hint"]
    trace(both, "x", "--pipeline", "nothing", code=FAILED)
    trace(both, "--topic", TICKS.source, "--partition", "0", "--offset", "99999999", code=FAILED)
    trace(both, code=USAGE)
    trace(both, "x", "--offset", "5", code=USAGE)


def test_people_read_it_and_do_not_wait(both, day):
    event = json.loads(day[3399])
    server = f"127.0.0.1:{both.http_port}"
    began = time.monotonic()
    text = subprocess.run(
        [str(BINARY), "trace", event["event_id"], "--server", server],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert time.monotonic() - began < 3  # far less where nothing else runs
    for part in (
        "in ticks@1: passed", "positive_price: price > 0 is true", "window ticks_1m, key AMZN",
        "counted", "revision ", "row output_topic/", "lake ticks: delivered",
        "feature tick_features AMZN",
    ):  # fmt: skip
        assert part in text, text
