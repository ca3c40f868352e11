"""Every kind of bad input has the outcome that docs/semantics.md says; nothing ends or stalls."""

import gzip
import json
import os
import struct

import pytest

import foreign_batches as foreign
from compare import ORDERS, TICKS, expect, final_windows, original_bytes
from faults import Faults
from feeds import Feed

KEY = b"AAA"
SCHEMA, RULE, FUTURE = "SCHEMA_INVALID", "BUSINESS_RULE_VIOLATION", "FUTURE_EVENT"
PASSES = None


def tick(number, **change) -> bytes:
    """A right tick with members changed; a value of type bytes is JSON text put in as it is."""
    event = {
        "event_id": f"id-{number}", "timestamp": "2024-01-02T14:30:00Z", "ticker": "AAA",
        "price": "1.00", "volume": 1, "source": "test",
    } | change  # fmt: skip
    members = []
    for name, value in event.items():
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        members.append(json.dumps(name).encode() + b":" + text)
    return b"{" + b",".join(members) + b"}"


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


# name -> (value, key, headers, outcome): None passes, else (error_type, stage).
DECODE = (SCHEMA, "decode")
EVENTS = {
    "right": (tick(1), KEY, (), PASSES),
    "truncated JSON": (tick(2)[:-9], KEY, (), DECODE),
    "no object": (b"[1]", KEY, (), DECODE),
    "something behind it": (tick(3) + b"x", KEY, (), DECODE),
    "a million bytes of garbage": (b"\x01" * 1_000_000, KEY, (), DECODE),
    "a million bytes in a member": (tick(4, source="s" * 1_000_000), KEY, (), PASSES),
    "depth 64": (tick(5, more=nested(63)), KEY, (), PASSES),
    "depth 65": (tick(6, more=nested(64)), KEY, (), DECODE),
    "depth 400000": (tick(7, more=nested(400_000)), KEY, (), DECODE),
    "NaN": (tick(8, volume=b"NaN"), KEY, (), DECODE),
    "Infinity": (tick(9, volume=b"-Infinity"), KEY, (), DECODE),
    "1e400": (tick(10, price=b"1e400"), KEY, (), DECODE),
    "1e400 in an unknown member": (tick(11, more=b"1e400"), KEY, (), DECODE),
    "400 digits": (tick(12, price=b"1" * 400), KEY, (), DECODE),
    "400 digits as text": (tick(13, price="1" * 400), KEY, (), (SCHEMA, "schema")),
    "a number of 38 digits": (tick(14, more=b"9" * 38), KEY, (), PASSES),
    "-0 shares": (tick(15, volume=b"-0"), KEY, (), PASSES),
    "-0 as price": (tick(16, price="-0"), KEY, (), (RULE, "rules")),
    "volume beyond 64 bits": (tick(17, volume=2**63), KEY, (), (SCHEMA, "schema")),
    "volume at 64 bits": (tick(18, volume=2**63 - 1), KEY, (), PASSES),
    "invalid UTF-8": (tick(19, source=b'"\xff\xfe"'), KEY, (), DECODE),
    "overlong UTF-8": (tick(20, source=b'"\xc0\x80"'), KEY, (), DECODE),
    "a lone surrogate": (tick(21, source=b'"\\ud800"'), KEY, (), DECODE),
    "a surrogate in UTF-8": (tick(22, source=b'"\xed\xa0\x80"'), KEY, (), DECODE),
    "a NUL byte": (tick(23, source=b'"\x00"'), KEY, (), DECODE),
    "an escaped NUL": (tick(24, source=b'"\\u0000"'), KEY, (), PASSES),
    "an escaped NUL in the id": (tick(25, event_id="a\0b"), KEY, (), PASSES),
    "a member twice": (tick(26)[:-1] + b',"volume":2}', KEY, (), DECODE),
    "an unknown member twice": (tick(27)[:-1] + b',"x":1,"x":2}', KEY, (), DECODE),
    "a member twice by escape": (tick(28)[:-1] + b',"volum\\u0065":2}', KEY, (), DECODE),
    "a byte order mark": (b"\xef\xbb\xbf" + tick(29), KEY, (), DECODE),
    "UTF-16": (tick(30).decode().encode("utf-16"), KEY, (), DECODE),
    "an empty value": (b"", KEY, (), DECODE),
    "only spaces": (b"   ", KEY, (), DECODE),
    "a tombstone": (None, KEY, (), DECODE),
    "a computed member": (tick(31, sector="x"), KEY, (), (SCHEMA, "schema")),
    "many faults": (
        tick(32, event_id=1, timestamp=2, price=[], volume="x"), KEY, (), (SCHEMA, "schema"),
    ),
    "an id of 256": (tick(33, event_id="i" * 256), KEY, (), PASSES),
    "an id of 257": (tick(34, event_id="i" * 257), KEY, (), (SCHEMA, "schema")),
    "year 9999": (tick(35, timestamp="9999-12-31T23:59:59Z"), KEY, (), (FUTURE, "time")),
    "year 10000": (tick(36, timestamp="10000-01-01T00:00:00Z"), KEY, (), (SCHEMA, "schema")),
    "year +10000": (tick(37, timestamp="+10000-01-01T00:00:00Z"), KEY, (), (SCHEMA, "schema")),
    "year -1": (tick(38, timestamp="-0001-01-01T00:00:00Z"), KEY, (), (SCHEMA, "schema")),
    "year 0": (tick(39, timestamp="0000-01-01T00:00:00Z"), KEY, (), (SCHEMA, "schema")),
    "before year 1 by offset": (
        tick(40, timestamp="0001-01-01T00:00:00+00:01"), KEY, (), (SCHEMA, "schema"),
    ),
    "beyond 9999 by offset": (
        tick(41, timestamp="9999-12-31T23:59:59-00:01"), KEY, (), (SCHEMA, "schema"),
    ),
    "a leap second": (tick(42, timestamp="2016-12-31T23:59:60Z"), KEY, (), PASSES),
    "a leap second elsewhere": (
        tick(43, timestamp="2017-01-01T08:59:60+09:00"), KEY, (), PASSES,
    ),
    "second 60 at noon": (
        tick(44, timestamp="2016-12-31T12:00:60Z"), KEY, (), (SCHEMA, "schema"),
    ),
    "second 61": (tick(45, timestamp="2016-12-31T23:59:61Z"), KEY, (), (SCHEMA, "schema")),
    "hour 24": (tick(46, timestamp="2024-01-02T24:00:00Z"), KEY, (), (SCHEMA, "schema")),
    "30 February": (tick(47, timestamp="2024-02-30T00:00:00Z"), KEY, (), (SCHEMA, "schema")),
    "no offset": (tick(48, timestamp="2024-01-02T14:30:00"), KEY, (), (SCHEMA, "schema")),
    "the largest offset": (
        tick(49, timestamp="2024-01-03T14:29:00+23:59"), KEY, (), PASSES,
    ),
    "an offset too large": (
        tick(50, timestamp="2024-01-02T14:30:00+24:00"), KEY, (), (SCHEMA, "schema"),
    ),
    "nanoseconds": (tick(51, timestamp="2024-01-02T14:30:00.123456789Z"), KEY, (), PASSES),
    "ten digits of a second": (
        tick(52, timestamp="2024-01-02T14:30:00.1234567890Z"), KEY, (), (SCHEMA, "schema"),
    ),
    "a null key": (tick(53), None, (), (SCHEMA, "key")),
    "an empty key": (tick(54), b"", (), (SCHEMA, "key")),
    "another key": (tick(55), b"BBB", (), (SCHEMA, "key")),
    "a key that is not UTF-8": (tick(56), b"\xff\0", (), (SCHEMA, "key")),
    "a key of a million bytes": (tick(57), b"\x01" * 1_000_000, (), (SCHEMA, "key")),
    "a ticker of a million bytes": (
        tick(58, ticker="B" * 500_000), b"B" * 500_000, (), (RULE, "rules"),
    ),
    "1000 headers": (b"{", KEY, [(b"h\xff", b"\xff" * 5)] * 1_000, DECODE),
    "a header without value": (b"{", KEY, [(b"", None)], DECODE),
    "right again": (tick(59), KEY, (), PASSES),
}  # fmt: skip


@pytest.fixture
def run(instance, workspace):
    ticks = workspace.pipeline("ticks")
    ticks.set_partitions(1)
    with instance(ticks) as started:
        yield started


def send(run, batch, topic=TICKS.source) -> int:
    """Appends one batch that must be taken; its offset."""
    status, answer = foreign.post_batch(run.http_port, topic, batch)
    expect(status == 200, f"{status}: {answer}")
    return answer["offsets"][0]["base_offset"]


def test_every_event_passes_or_is_dead_lettered_as_the_table_says(run):
    names = {}
    for name, (value, key, headers, _) in EVENTS.items():
        records = foreign.record(key, value, headers)
        names[send(run, foreign.Batch(records))] = name
    run.cli("drain")
    got = {names[offset]: PASSES for offset in passed_offsets(run)}
    for record in run.consume(TICKS.dead_letters):
        letter = json.loads(record["value"])
        name = names[letter["original_offset"]]
        expect(name not in got, f"{name}: twice")
        got[name] = (letter["error_type"], letter["stage"])
        expect(letter["error_message"], f"{name}: no message")
        value = EVENTS[name][0]
        expect(value is None or original_bytes(letter) == value, f"{name}: not the original")
    wanted = {name: outcome for name, (*_, outcome) in EVENTS.items()}
    differing = {name: (got.get(name, "nothing"), at) for name, at in wanted.items()
                 if got.get(name, "nothing") != at}  # fmt: skip
    expect(not differing, f"(got, wanted): {differing}")
    expect(run.cli("audit")["exact"] is True, "audit is not exact")


def passed_offsets(run) -> list[int]:
    rows = run.consume(TICKS.output)
    return [int(row["headers"]["millrace-source"].rsplit("/", 1)[1]) for row in rows]


def batch_of(value: bytes, **more) -> foreign.Batch:
    return foreign.of_values([value], KEY, **more)


def gzipped(plain: bytes) -> foreign.Batch:
    return foreign.Batch(gzip.compress(plain), attributes=foreign.GZIP)


RECORD = foreign.record(KEY, tick(1))
# name -> (batch, HTTP status, part of the message)
REFUSED = {
    "a wrong CRC": (batch_of(tick(1), crc=5), 400, "CRC-32C"),
    "more records than there are": (foreign.Batch(RECORD, count=2), 400, "record 1"),
    "fewer records than there are": (foreign.Batch(RECORD * 2, count=1), 400, "left over"),
    "a gap in the offsets": (
        foreign.Batch(RECORD, last_offset_delta=1), 400, "spans 2 offsets",
    ),
    "offsets that do not grow": (foreign.Batch(RECORD * 2, count=2), 400, "does not grow"),
    "no record": (foreign.Batch(b"", count=0, last_offset_delta=0), 400, "no records"),
    "a negative count": (foreign.Batch(b"", count=-1), 400, "out of range"),
    "two thousand million records": (foreign.Batch(RECORD, count=2**31 - 1), 400, "do not fit"),
    "the same, compressed": (
        foreign.Batch(gzip.compress(RECORD), count=2**31 - 1, attributes=foreign.GZIP),
        400, "record 1",
    ),
    "garbage for records": (foreign.Batch(b"\xff" * 100), 400, "its length"),
    "garbage compressed": (foreign.Batch(b"\xff" * 100, attributes=foreign.ZSTD), 400, "zstd"),
    "an unknown compression": (batch_of(tick(1), attributes=7), 501, "compression code"),
    "a control batch": (
        foreign.Batch(foreign.record(b"\0\0\0\1", bytes(6)), attributes=foreign.CONTROL),
        400, "control batch",
    ),
    "a transaction": (batch_of(tick(1), attributes=foreign.TRANSACTIONAL), 501, "transactions"),
    "append times of its own": (
        batch_of(tick(1), attributes=foreign.LOG_APPEND_TIME), 400, "CreateTime",
    ),
    "a negative base offset": (batch_of(tick(1), base_offset=-5), 400, "out of range"),
    "magic 1": (batch_of(tick(1), magic=1), 501, "magic must be 2"),
    "magic 9": (batch_of(tick(1), magic=9), 400, "magic must be 2"),
    "a length beyond the body": (batch_of(tick(1), length=10_000), 400, "length field"),
    "a negative length": (batch_of(tick(1), length=-1), 400, "length field"),
    "a bomb that expands 32000-fold": (
        foreign.Batch(foreign.zstd_bomb(20 << 30), attributes=foreign.ZSTD), 400, "the limit of",
    ),
    "a bomb that expands 1000-fold": (gzipped(bytes(40 << 20)), 400, "the limit of"),
    "10 MB in one record": (
        gzipped(foreign.record(KEY, bytes(10 << 20))), 400, "10485763 bytes (uncompressed)",
    ),
    "10 MB as they are": (batch_of(os.urandom(10 << 20)), 400, "are allowed"),
    "1001 headers": (
        foreign.Batch(foreign.record(KEY, b"x", [(b"", None)] * 1001)), 400, "1001 headers",
    ),
    "a negative header count": (
        foreign.Batch(b"\x0e" + RECORD[1:6] + b"\x01\x01\x01"), 400, "record 0",
    ),
}  # fmt: skip


def test_what_is_refused_at_the_door_is_refused_whole(run):
    """A good batch in front of the bad one in the same request is not appended either."""
    good = batch_of(tick(1)).bytes()
    for name, (batch, status, message) in REFUSED.items():
        content = foreign.body([(0, good), (0, batch.bytes())])
        got, answer = foreign.post(run.http_port, TICKS.source, content)
        error = answer.get("error", {})
        expect(got == status, f"{name}: {got} {answer}")
        expect(message in error.get("message", ""), f"{name}: {answer}")
    for content, message in ((b"", "no batch"), (b"\0" * 11, "prefix"), (b"x" * 400, "range")):
        got, answer = foreign.post(run.http_port, TICKS.source, content)
        expect(got == 400 and message in answer["error"]["message"], f"{got} {answer}")
    assert foreign.post_batch(run.http_port, TICKS.source, good, 1)[0] == 404
    assert foreign.post_batch(run.http_port, "nobody's", good)[0] == 404
    assert run.record_count(TICKS.source) == 0
    assert send(run, batch_of(tick(1))) == 0
    run.cli("drain")
    assert len(run.consume(TICKS.output)) == 1


def test_what_is_odd_but_harmless_is_taken(run):
    """Base offsets are the log's to give; timestamps are whatever the producer's clock said."""
    odd = [
        batch_of(tick(1), base_offset=2**62),
        batch_of(tick(2), base_timestamp=-1),
        batch_of(tick(3), base_timestamp=-(2**63)),
        batch_of(tick(4), base_timestamp=2**63 - 1),
        batch_of(b"no JSON", base_timestamp=-(2**63)),
        batch_of(b"no JSON", base_timestamp=2**63 - 1),
        foreign.Batch(
            b"".join(
                foreign.record(KEY, tick(10 + at), (), at, delta)
                for at, delta in enumerate((0, -5_000, 2**62, -(2**62), 7))
            ),
            count=5,
        ),
    ]
    for batch in odd:
        send(run, batch)
    run.cli("drain")
    assert len(run.consume(TICKS.output)) == 9
    assert len(run.consume(TICKS.dead_letters)) == 2
    assert run.cli("audit")["exact"] is True
    run.kill9()
    run.start()
    assert len(run.consume(TICKS.source)) == 11


def test_a_feed_of_1997_that_begins_with_now_loses_nothing(instance, workspace, real_orders):
    """R12: nothing is late because of one order with today's time in front of them."""
    orders = workspace.pipeline("orders")
    orders.set_partitions(1)
    first = json.loads(real_orders[0])
    stray = first | {"order_id": "stray", "timestamp": "2026-01-01T00:00:00Z"}
    lines = [json.dumps(stray).encode(), *real_orders[:2_000]]
    with instance(orders) as run:
        path = run.workspace.folder / "feed.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        run.produce(ORDERS.source, path, orders.key)
        run.cli("drain")
        letters = [json.loads(record["value"]) for record in run.consume(ORDERS.dead_letters)]
        assert [letter for letter in letters if letter["error_type"] == "LATE_EVENT"] == []
        want = ORDERS.oracle(workspace, orders).run(lines)
        got = final_windows(run.consume(ORDERS.aggregates), ORDERS)
        assert got.keys() == want.windows.keys()


def test_a_wall_clock_that_goes_back_or_jumps_changes_no_result(
    instance, workspace, write_lines, tmp_path
):
    faults = Faults(tmp_path)
    ticks = workspace.pipeline("ticks")
    run = instance(ticks, env=faults.environment()).start()
    feed = Feed(run, ticks, write_lines, 12_000, 4)
    year = 365 * 86_400
    for share, offset in ((0.2, -3_600), (0.4, year), (0.6, -year), (0.8, 0)):
        feed.wait_for(share)
        faults.set(wall_offset_s=offset)
    feed.wait_for(1.0)
    run.restart()
    feed.expect_exact()


def test_files_of_lines_and_tables_of_any_bytes_are_sent_or_refused(run, tmp_path):
    """What `produce` reads: it never crashes, and what it sent is in the topic."""
    files = {
        "nul.jsonl": b"\0\0\0\n" + tick(1) + b"\r\n\n\n" + b"\xff\xfe\n",
        "no_end.jsonl": tick(2),
        "empty.jsonl": b"",
        "one_line.jsonl": b"x" * 900_000,
        "header_only.csv": b"event_id,price\n",
        "ragged.csv": b'a,b,c\n1\n1,2,3,4\n"open, quote\n""",\n',
        "nul.csv": b"a\0,b\n\0,\xff\n",
    }
    sent = 0
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        sent += run.produce(TICKS.source, path, "ticker")["sent"]
    assert run.record_count(TICKS.source) == sent > 6
    for name, content in {
        "cut.jsonl.gz": gzip.compress(tick(3))[:-5],
        "no.jsonl.gz": b"\x1f\x8bnothing",
        "bomb.jsonl.gz": gzip.compress(bytes(16 << 20)) * 70,
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert name in run.cli_fails("produce", TICKS.source, "--file", path, "--key", "ticker")
    assert run.record_count(TICKS.source) == sent
    run.cli("drain")
    assert run.cli("audit")["exact"] is True


def test_a_body_of_random_bytes_changes_nothing(run):
    rng = os.urandom
    for size in (1, 12, 73, 500, 100_000):
        for head in (b"", struct.pack("<Iq", 0, 0)):
            status, _ = foreign.post(run.http_port, TICKS.source, head + rng(size))
            expect(400 <= status < 500 or status == 501, f"{status}")
    assert run.record_count(TICKS.source) == 0
    assert run.status()["state"] == "running"
