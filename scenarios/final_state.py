"""What must be the same however often a process died: for comparing two instances."""

import gzip
import json
import re
from collections import Counter

import pyarrow.parquet as pq
from compare import (
    SHOWN_MAX,
    Kind,
    expect,
    expect_same_multiset,
    final_windows,
    original_bytes,
    value_bytes,
)
from harness import Millrace

# Processing time: the only part of a row that may differ between two runs over the same input.
_WALL_TIME = re.compile(
    r'"(processed_at|processing_timestamp_ms|processing_duration_ms)":\s*("[^"]*"|[0-9.]+)'
)


def without_wall_time(text: str) -> str:
    return _WALL_TIME.sub(r'"\1":0', text)


def final_state(run: Millrace, kind: Kind) -> dict:
    """What must not depend on how often the process died; comparable with ==."""
    rows: dict[int, list[str]] = {}
    for record in run.consume(kind.output):
        rows.setdefault(record["partition"], []).append(
            f"{record['key']} {without_wall_time(record['value'])}"
        )
    windows = final_windows(run.consume(kind.aggregates), kind)
    letters = Counter()
    for record in run.consume(kind.dead_letters):
        letter = json.loads(record["value"])
        names = ("error_type", "error_message", "stage", "pipeline", "attempted_id")
        about = tuple(str(letter[name]) for name in names)
        letters[(original_bytes(letter), str(letter["original_key"]), *about)] += 1
    return {
        "rows": rows,
        "windows": {at: essence(window) for at, window in windows.items()},
        "letters": letters,
    }


def essence(window: dict) -> dict:
    """A window without what counts its revisions or tells wall time."""
    left_out = ("revision", "is_final", "processing_timestamp_ms")
    return {name: value for name, value in window.items() if name not in left_out}


def expect_same_state(got: dict, want: dict) -> None:
    expect_same_multiset(got["letters"], want["letters"], "dead letters")
    differing = [at for at in got["windows"] if got["windows"][at] != want["windows"].get(at)]
    expect(got["windows"] == want["windows"], f"windows differ: {differing[:SHOWN_MAX]}")
    expect(got["rows"].keys() == want["rows"].keys(), "rows in other partitions")
    for partition, rows in want["rows"].items():
        for at, (mine, theirs) in enumerate(zip(got["rows"][partition], rows, strict=False)):
            expect(mine == theirs, f"partition {partition}, row {at}:\n{mine}\n{theirs}")
        counts = len(got["rows"][partition]), len(rows)
        expect(counts[0] == counts[1], f"partition {partition}: {counts[0]} rows, not {counts[1]}")


def expect_lake_tiles(run: Millrace) -> dict[str, int]:
    """Delivered ranges follow each other without hole or overlap; rows per sink."""
    rows: dict[str, int] = {}
    ranges: dict[tuple, set] = {}
    for file in run.cli("lake", "list")["files"]:
        rows[file["sink"]] = rows.get(file["sink"], 0) + file["rows"]
        at = (file["sink"], file["partition"])
        ranges.setdefault(at, set()).add((file["first_offset"], file["next_offset"]))
    for at, spans in ranges.items():
        expected = 0
        for first, following in sorted(spans):
            expect(first == expected, f"lake {at}: a range begins at {first}, not {expected}")
            expected = following
    return rows


def expect_lake(run, kind, objects):
    """Every record of the output is in one row of one file of the sink of its pipeline's name."""
    expect(run.cli("lake", "verify")["exact"] is True, "lake verify found something")
    got, want = Counter(), Counter()
    outputs = run.consume(kind.output)
    for file in run.cli("lake", "list")["files"]:
        if file["sink"] != kind.name:
            continue
        expect(file["state"] == "delivered", f"not delivered after a drain: {file}")
        path = objects / file["path"]
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read(columns=["_partition", "_offset"])
            got.update(zip(*(column.to_pylist() for column in table.columns), strict=True))
            want = Counter((record["partition"], record["offset"]) for record in outputs)
        else:
            got.update(gzip.decompress(path.read_bytes()).splitlines())
            want = Counter(map(value_bytes, outputs))
    expect_same_multiset(got, want, "rows of the lake")
