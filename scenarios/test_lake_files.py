"""What readers of the lake see: files with every enriched event exactly once, in exact types."""

import datetime
import gzip
import json
import re
from collections import Counter
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compare import ORDERS, TICKS, expect_same_multiset, value_bytes
from harness import wait_until
from workspace import with_roll

UTC_MICROS = pa.timestamp("us", tz="UTC")
SOURCE_COLUMNS = {
    "_topic": pa.string(),
    "_partition": pa.int32(),
    "_offset": pa.int64(),
    "_timestamp": UTC_MICROS,
}


def lake_folder(run):
    return run.data / "objects" / "lake"


def enriched(run, kind) -> dict[tuple[int, int], dict]:
    """(partition, offset) -> the enriched event."""
    records = run.consume(kind.output)
    return {(r["partition"], r["offset"]): json.loads(value_bytes(r)) for r in records}


def parquet_rows(run) -> list[dict]:
    """All rows, each with the folder of its file as `_folder`."""
    rows = []
    for path in sorted(lake_folder(run).rglob("*.parquet")):
        folder = str(path.parent.relative_to(lake_folder(run)))
        rows += [{**row, "_folder": folder} for row in pq.ParquetFile(path).read().to_pylist()]
    return rows


def parsed(column: pa.DataType, value):
    """A JSON value as the column should have it."""
    if value is None:
        return None
    if pa.types.is_decimal(column):
        return Decimal(str(value))
    if pa.types.is_timestamp(column):
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value


def expect_files_hold(run, kind, time_field: str, sink: str) -> None:
    """Every enriched event is one row with the same values, in the folder of its hour."""
    want = enriched(run, kind)
    rows = parquet_rows(run)
    where = Counter((row["_partition"], row["_offset"]) for row in rows)
    expect_same_multiset(where, Counter(dict.fromkeys(want, 1)), "rows of the lake")
    schema = pq.read_schema(next(lake_folder(run).rglob("*.parquet")))
    columns = [field for field in schema if field.name not in SOURCE_COLUMNS]
    for row in rows:
        event = want[row["_partition"], row["_offset"]]
        assert {c.name: row[c.name] for c in columns} == {
            c.name: parsed(c.type, event.get(c.name)) for c in columns
        }
        hour = row[time_field].strftime("year=%Y/month=%m/day=%d/hour=%H")
        assert row["_folder"] == f"{sink}/{hour}"
        assert row["_topic"] == kind.output
    listed = run.cli("lake", "list")["files"]
    objects = run.data / "objects"
    on_disk = {str(path.relative_to(objects)) for path in lake_folder(run).rglob("*.parquet")}
    assert {file["path"] for file in listed} == on_disk
    assert sum(file["rows"] for file in listed) == len(rows)
    assert run.cli("lake", "verify")["exact"] is True


def test_ticks_arrive_in_exact_types(instance, workspace, day, write_lines):
    ticks = workspace.pipeline("ticks")
    with instance(ticks) as run:
        run.produce(TICKS.source, write_lines("day.jsonl", day), ticks.key)
        run.cli("drain")
        expect_files_hold(run, TICKS, "timestamp", "ticks")
        schema = pq.read_schema(next(lake_folder(run).rglob("*.parquet")))
        assert {field.name: field.type for field in schema} == {
            "event_id": pa.string(),
            "timestamp": UTC_MICROS,
            "ticker": pa.string(),
            "price": pa.decimal128(18, 4),
            "volume": pa.int64(),
            "source": pa.string(),
            "sector": pa.string(),
            "notional": pa.decimal128(38, 4),
            **SOURCE_COLUMNS,
        }
        # A second reader, written by other people, over the folders as they are.
        pattern = str(lake_folder(run) / "ticks" / "**" / "*.parquet")
        query = f"""
            select count(*), count(distinct event_id), sum(price * volume), min(hour), max(hour)
            from read_parquet('{pattern}', hive_partitioning = true, hive_types_autocast = false)
        """
        [(count, distinct, total, first_hour, last_hour)] = duckdb.sql(query).fetchall()
        events = [json.loads(line) for line in day]
        assert count == distinct == len(day)
        assert total == sum(Decimal(e["price"]) * e["volume"] for e in events)
        hours = sorted({e["timestamp"][11:13] for e in events})
        assert (first_hour, last_hour) == (hours[0], hours[-1])


def test_kills_while_files_are_written_leave_every_event_once(
    instance, workspace, day, write_lines
):
    ticks = workspace.pipeline("ticks")
    ticks.change(with_roll(ticks.text, "16KiB", "1s"))
    run = instance(ticks).start()
    producer = run.cli_background(
        "produce", TICKS.source, "--file", write_lines("day.jsonl", day), "--key", ticks.key,
        "--rate", len(day) // 5, "--retry-for", "120",
    )  # fmt: skip
    for files in (3, 20, 60):

        def has_files(files=files):
            return sum(1 for _ in lake_folder(run).rglob("*.parquet")) >= files

        wait_until(has_files, f"{files} files in the lake", 120)
        run.kill9()
        run.start()
    producer.communicate(timeout=120)
    run.cli("drain")
    expect_files_hold(run, TICKS, "timestamp", "ticks")


@pytest.mark.parametrize(
    ("compression", "suffix", "decompress"),
    [("gzip", "json.gz", gzip.decompress), ("none", "json", bytes)],
)
def test_json_files_hold_the_events_as_they_are(
    compression, suffix, decompress, instance, workspace, real_orders, write_lines
):
    orders = workspace.pipeline("orders")
    lake = r"- lake: (\w+)\n(?:    .*\n)*"
    assert re.search(lake, orders.text)
    orders.change(
        re.sub(
            lake,
            rf"- lake: \1\n    format: json\n    compression: {compression}\n"
            r"    partition_by: [region]\n    roll: { size: 64KiB, interval: 1s }\n",
            orders.text,
        )
    )
    with instance(orders) as run:
        path = write_lines("orders.jsonl", real_orders[:5000])
        run.produce(ORDERS.source, path, orders.key)
        run.cli("drain")
        got = Counter()
        for file in lake_folder(run).rglob(f"*.{suffix}"):
            for line in decompress(file.read_bytes()).splitlines():
                got[line] += 1
                assert file.parent.name == f"region={json.loads(line)['region']}"
        want = Counter(value_bytes(record) for record in run.consume(ORDERS.output))
        expect_same_multiset(got, want, "lines of the lake")
        assert want.total() > 4000
        assert run.cli("lake", "verify")["exact"] is True
