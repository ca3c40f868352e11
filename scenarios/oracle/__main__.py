"""python3 -m oracle ticks|orders FILE...: the final windows of the files, as JSON lines."""

import argparse
import gzip
import json
import sys
from pathlib import Path

from .engine import Settings
from .orders import Orders
from .ticks import Ticks


def read_lines(path) -> list[bytes]:
    """The lines of a file or of a .gz file, without line ends."""
    content = Path(path).read_bytes()
    if str(path).endswith(".gz"):
        content = gzip.decompress(content)
    return content.removesuffix(b"\n").split(b"\n") if content else []


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    parser.add_argument("pipeline", choices=["ticks", "orders"])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--out-of-orderness", type=float, default=30, help="seconds")
    parser.add_argument("--allowed-lateness", type=float, default=600, help="seconds")
    parser.add_argument("--counts", action="store_true", help="print only the counts")
    options = parser.parse_args(arguments)
    settings = Settings(
        partition_count=options.partitions,
        out_of_orderness=int(options.out_of_orderness * 1_000_000),
        allowed_lateness=int(options.allowed_lateness * 1_000_000),
    )
    pipeline = (Ticks if options.pipeline == "ticks" else Orders)(settings)
    outcome = pipeline.run(line for path in options.files for line in read_lines(path))
    if options.counts:
        print(json.dumps(outcome.counts))
        return 0
    for window in outcome.windows_json(pipeline.window_key_field, pipeline.window_size):
        print(json.dumps(window))
    return 0


if __name__ == "__main__":
    sys.exit(main())
