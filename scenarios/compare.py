"""Reads what an instance wrote and compares it with the oracle. All mismatches end in Failed."""

import base64
import json
from collections import Counter
from dataclasses import dataclass

from harness import Failed, Millrace
from oracle import reading
from oracle.engine import LATE_EVENT, Outcome
from oracle.orders import Orders
from oracle.ticks import Ticks
from workspace import PipelineFile, Workspace

SHOWN_MAX = 5


@dataclass
class Kind:
    """Names of one pipeline's topics and fields."""

    name: str
    source: str
    output: str
    aggregates: str
    dead_letters: str
    id_field: str
    window_key: str
    required_aggregates: tuple
    twin: type

    def oracle(self, workspace: Workspace, file: PipelineFile):
        settings = file.settings()
        twin = Ticks(settings, workspace.sectors()) if self.name == "ticks" else Orders(settings)
        twin.key_field = file.key
        return twin


TICKS = Kind(
    "ticks", "input_topic", "output_topic", "aggregates_topic", "dlq_topic", "event_id", "ticker",
    ("event_count", "min_price", "max_price", "avg_price", "total_volume"), Ticks,
)  # fmt: skip
ORDERS = Kind(
    "orders", "ecommerce.orders.raw", "ecommerce.orders.processed", "ecommerce.orders.aggregates",
    "ecommerce.orders.dlq", "order_id", "region",
    ("total_orders", "total_amount", "avg_order_value", "max_order_value"), Orders,
)  # fmt: skip


def value_bytes(record: dict) -> bytes:
    if "value_base64" in record:
        return base64.b64decode(record["value_base64"])
    return record["value"].encode()


def expect(condition, message: str) -> None:
    if not condition:
        raise Failed(message)


def expect_same_multiset(got: Counter, want: Counter, what: str) -> None:
    missing, foreign = want - got, got - want
    if missing or foreign:
        raise Failed(
            f"{what}: {missing.total()} missing, {foreign.total()} too many\n"
            f"missing: {list(missing.items())[:SHOWN_MAX]}\n"
            f"too many: {list(foreign.items())[:SHOWN_MAX]}"
        )


# --- the input ---


def expect_input(run: Millrace, kind: Kind, lines: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Every line sent is there exactly once; (partition, offset) -> value."""
    records = run.consume(kind.source)
    expect_same_multiset(Counter(map(value_bytes, records)), Counter(lines), kind.source)
    return {(r["partition"], r["offset"]): value_bytes(r) for r in records}


# --- windows ---


def revision_order(revision) -> tuple:
    return tuple(revision) if isinstance(revision, list) else (revision,)


def final_windows(records: list[dict], kind: Kind) -> dict[tuple[str, int], dict]:
    """(key, window start) -> the newest revision. Revisions of a window only ever grow."""
    newest: dict = {}
    for record in records:
        window = json.loads(record["value"])
        start = reading.parse_instant(window["window_start"])
        end = reading.parse_instant(window["window_end"])
        expect(start is not None and end is not None, f"not ISO-8601: {window}")
        expect(end - start == kind.twin.window_size, f"wrong length: {window}")
        expect(window["window_start"].endswith("Z"), f"not UTC: {window}")
        expect(isinstance(window["is_final"], bool), f"is_final: {window}")
        at = (window[kind.window_key], start)
        before = newest.get(at)
        expect(
            before is None
            or revision_order(window["revision"]) > revision_order(before["revision"]),
            f"a revision that is not newer came later: {before} then {window}",
        )
        newest[at] = window
    return newest


def expect_windows(got: dict, want: dict, kind: Kind) -> None:
    expect_same_multiset(Counter(got.keys()), Counter(want.keys()), "windows")
    wrong = []
    for at, window in got.items():
        absent = [name for name in kind.required_aggregates if name not in window]
        expect(not absent, f"aggregates without {absent}: {window}")
        shared = [name for name in want[at] if name in window]
        differing = {
            name: (window[name], want[at][name])
            for name in shared
            if str(window[name]) != str(want[at][name])
        }
        if differing:
            wrong.append((at, differing))
        decimals = [name for name in shared if isinstance(want[at][name], str)]
        expect(
            all(isinstance(window[name], str) for name in decimals),
            f"decimals must be strings: {window}",
        )
    expect(not wrong, f"{len(wrong)} windows differ (got, want): {wrong[:SHOWN_MAX]}")


# --- enriched rows ---


def _canonical(row: dict, fields) -> str:
    shown = {}
    for name in fields:
        value = row.get(name, "(absent)")
        shown[name] = reading.parse_instant(value) if name == "timestamp" else value
    return json.dumps(shown, sort_keys=True)


def expect_enriched(records: list[dict], outcome: Outcome, file: PipelineFile) -> None:
    """Every row, field by field, as a multiset; only fields that the pipeline file defines."""
    wanted = [enriched.row for enriched in outcome.enriched]
    derived = {"notional", "sector"}
    fields = [
        name for name in (wanted[0] if wanted else {}) if name not in derived or file.names(name)
    ]
    expect_same_multiset(
        Counter(_canonical(json.loads(record["value"]), fields) for record in records),
        Counter(_canonical(row, fields) for row in wanted),
        "enriched rows",
    )


def source_of(record: dict) -> tuple[str, int, int]:
    """Where an output record says it comes from."""
    topic, partition, offset = record["headers"]["millrace-source"].rsplit("/", 2)
    return topic, int(partition), int(offset)


def expect_sources(
    run: Millrace, kind: Kind, rows: list[dict], letters: list[dict], inputs: dict
) -> None:
    """Conservation (R24): each input record is one row or one dead letter, and says so truly."""
    pipeline = json.loads(letters[0]["value"])["pipeline"] if letters else None
    passed = Counter()
    for record in rows:
        topic, partition, offset = source_of(record)
        expect(topic == kind.source, f"source {record['headers']}")
        passed[(partition, offset)] += 1
        event = json.loads(inputs[(partition, offset)])
        row = json.loads(record["value"])
        expect(event[kind.id_field] == row[kind.id_field], f"wrong source: {record}")
        name = record["headers"]["millrace-pipeline"]
        expect(name.split("@")[0] == kind.name, f"wrong pipeline: {record}")
        expect(pipeline is None or name == pipeline, f"{name} here, {pipeline} in dead letters")
    refused, late = Counter(), Counter()
    for record in letters:
        letter = json.loads(record["value"])
        at = (letter["original_partition"], letter["original_offset"])
        expect(letter["original_topic"] == kind.source, f"original_topic: {letter}")
        expect(inputs.get(at) == original_bytes(letter), f"not what is at {at}: {letter}")
        (late if letter["error_type"] == LATE_EVENT else refused)[at] += 1
    expect_same_multiset(passed + refused, Counter(inputs.keys()), "sources of rows and letters")
    expect(not late - passed, "a late event without its row")
    if "process" not in run.status():  # a log that others share has no audit yet
        expect(run.cli("audit")["exact"] is True, "audit is not exact")


# --- dead letters ---


def original_bytes(letter: dict) -> bytes:
    if "original_message" in letter and letter["original_message"] is not None:
        return letter["original_message"].encode()
    return base64.b64decode(letter["original_message_base64"])


def shown_id(message: bytes, attempted_id):
    """How much of the id of unreadable JSON a letter shows is left open, if it shows the truth."""
    try:
        reading.parse_json(message)
    except reading.Unreadable:
        return None if attempted_id is None or attempted_id.encode() in message else attempted_id
    return attempted_id


def expect_dead_letters(records: list[dict], outcome: Outcome, kind: Kind) -> None:
    got, want = Counter(), Counter()
    for letter in outcome.dead_letters:
        parts = letter.error_message.count("; ") if letter.error_type.startswith("BUS") else 0
        want[(letter.original_message, letter.error_type, letter.attempted_id, parts)] += 1
    for record in records:
        letter = json.loads(record["value"])
        parts = 0
        if letter["error_type"].startswith("BUS"):
            parts = letter["error_message"].count("; ")
        message = original_bytes(letter)
        event_id = shown_id(message, letter["attempted_id"])
        got[(message, letter["error_type"], event_id, parts)] += 1
        expect(letter["error_message"], f"no message: {letter}")
        expect(letter["stage"], f"no stage: {letter}")
        expect(reading.parse_instant(letter["error_timestamp"]) is not None, f"time: {letter}")
        expect(letter["pipeline"].startswith(f"{kind.name}@"), f"pipeline: {letter}")
        for name in ("original_timestamp", "original_headers"):
            expect(name in letter, f"no {name}: {letter}")
        expect("original_key" in letter or "original_key_base64" in letter, f"no key: {letter}")
        if kind is ORDERS:
            expect(letter["attempted_order_id"] == letter["attempted_id"], f"{letter}")
    expect_same_multiset(got, want, "dead letters (original, cause, id, further messages)")


# --- all of it ---


def expect_exact(run: Millrace, kind: Kind, file: PipelineFile, lines: list[bytes]) -> Outcome:
    """The instance was given `lines` and drained: everything it wrote is what the oracle says."""
    outcome = kind.oracle(run.workspace, file).run(lines)
    inputs = expect_input(run, kind, lines)
    windows = final_windows(run.consume(kind.aggregates), kind)
    expect_windows(windows, outcome.windows, kind)
    rows = run.consume(kind.output)
    expect_enriched(rows, outcome, file)
    letters = run.consume(kind.dead_letters)
    expect_dead_letters(letters, outcome, kind)
    expect_sources(run, kind, rows, letters, inputs)
    return outcome
