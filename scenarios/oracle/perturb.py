"""Inputs that are harder than the real ones, always the same for the same seed.

python3 -m oracle.perturb ticks --events N [--tickers 200] [--bad S] [--duplicate S] [--late S]
python3 -m oracle.perturb shuffle|twice FILE     (shares S between 0 and 1; --seed N everywhere)
python3 -m oracle.perturb mixed_ticks|mixed_orders
"""

import argparse
import json
import random
import sys

from . import reading
from .__main__ import read_lines
from .reading import MINUTE, SECOND

GENERATED_START = reading.parse_instant("2024-01-02T14:30:00Z")
JITTER = 20 * SECOND  # generated ticks arrive at most this much out of order
# How far a generated late tick lies behind the feed: more than window + lateness + bound.
LATE_BY = (15 * MINUTE, 30 * MINUTE)


def shuffle_within(lines: list[bytes], bound: int, seed: int) -> list[bytes]:
    """Lines in a random order in which no event comes more than `bound` us behind a newer one.

    Sorting by time + U(0, bound) does it: if a comes before b, then a.time - b.time < bound.
    """
    rng = random.Random(seed)

    def arrival(line):
        return reading.parse_instant(json.loads(line)["timestamp"]) + rng.randrange(bound)

    return [line for _, line in sorted(((arrival(line), line) for line in lines), key=_first)]


def _first(pair):
    return pair[0]


def send_twice(lines: list[bytes], seed: int, distance_max: int = 1000) -> list[bytes]:
    """Every line, and once more up to `distance_max` places later."""
    rng = random.Random(seed)
    placed = [(float(at), line) for at, line in enumerate(lines)]
    placed += [(at + 0.5 + rng.randrange(distance_max), line) for at, line in enumerate(lines)]
    return [line for _, line in sorted(placed, key=_first)]


def _text(event: dict) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _broken_tick(event: dict, rng: random.Random) -> bytes:
    kind = rng.randrange(7)
    if kind == 0:
        return _text(event)[: rng.randrange(5, 60)]
    if kind == 1:
        del event[rng.choice(["event_id", "timestamp", "price", "volume"])]
    elif kind == 2:
        event["volume"] = "many"
    elif kind == 3:
        event["price"] = "abc"
    elif kind == 4:
        event["price"] = "-" + event["price"]
    elif kind == 5:
        event["volume"] = -event["volume"]
    else:
        event["price"], event["volume"] = "0.00", -1
    return _text(event)


def ticker_names(count: int) -> list[str]:
    """Distinct names of letters: TAA, TAB, ..."""
    return [f"T{chr(65 + i // 26)}{chr(65 + i % 26)}" for i in range(count)]


def generate_ticks(
    seed: int,
    events: int,
    tickers: int = 200,
    bad: float = 0.0,
    duplicate: float = 0.0,
    late: float = 0.0,
    span: int = 90 * MINUTE,
) -> list[bytes]:
    """`events` lines over `span` us; the shares say how many are broken, repeated or late."""
    rng = random.Random(seed)
    names = ticker_names(tickers)
    cents = {name: rng.randrange(500, 50_000) for name in names}
    lines: list[bytes] = []
    repeatable: list[bytes] = []
    for number in range(events):
        feed_time = GENERATED_START + span * number // events
        name = rng.choice(names)
        cents[name] = max(1, cents[name] + rng.randrange(-5, 6))
        price = f"{cents[name] // 100}.{cents[name] % 100:02}"
        if rng.random() < 0.1:
            price += f"{rng.randrange(100):02}"
        event_time = feed_time - rng.randrange(JITTER)
        is_late = rng.random() < late and feed_time - GENERATED_START > LATE_BY[1]
        if is_late:
            event_time = feed_time - rng.randrange(*LATE_BY)
        event = {
            "event_id": f"gen-{seed}-{number:07}",
            "timestamp": reading.format_instant(event_time),
            "ticker": name,
            "price": price,
            "volume": rng.randrange(1, 1000),
            "source": "generated",
        }
        draw = rng.random()
        if draw < bad and not is_late:
            lines.append(_broken_tick(event, rng))
        elif draw < bad + duplicate and repeatable and not is_late:
            lines.append(rng.choice(repeatable[-5000:]))
        else:
            lines.append(_text(event))
            if not is_late:
                repeatable.append(lines[-1])
    return lines


def _variants(good: dict, prefix: str, id_field: str, changes: list) -> list[bytes]:
    """One line per change; a change is a dict of new values, None removes the field."""
    lines = []
    for number, change in enumerate(changes, 1):
        event = dict(good, **{id_field: f"{prefix}-{number:02}"})
        event.update(change)
        lines.append(_text({name: value for name, value in event.items() if value is not None}))
    return lines


def mixed_ticks() -> list[bytes]:
    """To be sent after the AMZN day: 13 records; only the late one leaves an enriched row."""
    good = {
        "event_id": "", "timestamp": "2012-06-21T19:59:59.600000Z", "ticker": "AMZN",
        "price": "220.51", "volume": 10, "source": "mixed",
    }  # fmt: skip
    changes = [
        {"price": None},
        {"event_id": None},
        {"volume": "many"},
        {"price": "abc"},
        {"timestamp": "yesterday"},
        {"price": "0.00"},
        {"volume": -5},
        {"price": "-1.50", "volume": -5},
        {"timestamp": "9999-12-31T23:59:59Z"},
        {"timestamp": "2012-06-21T13:31:00.500000Z"},
    ]
    of_the_day = {
        "event_id": "amzn-20120621-11419", "timestamp": "2012-06-21T19:59:59.545830Z",
        "ticker": "AMZN", "price": "220.51", "volume": 51, "source": "lobster",
    }  # fmt: skip
    lines = _variants(good, "mixed-tick", "event_id", changes)
    return [b'{"event_id":"mixed-tick-00","timestamp":"2012-06-21T19:5', b"[1,2,3]", *lines,
            _text(of_the_day)]  # fmt: skip


def mixed_orders() -> list[bytes]:
    """To be sent after the CDNOW orders: 16 records; only the late one leaves an enriched row."""
    good = {
        "order_id": "", "customer_id": "CUST-EU-00011", "amount": "19.99", "currency": "USD",
        "status": "confirmed", "timestamp": "1998-06-30T23:50:00Z", "items_count": 1,
    }  # fmt: skip
    changes = [
        {"amount": None},
        {"order_id": None},
        {"items_count": "two"},
        {"amount": "abc"},
        {"timestamp": "yesterday"},
        {"amount": "0.00"},
        {"amount": "1000000.00"},
        {"currency": "XXX"},
        {"status": "lost"},
        {"status": ""},
        {"amount": "-5.00", "currency": "XXX", "status": "lost"},
        {"timestamp": "9999-12-31T23:59:59Z"},
        {"timestamp": "1997-06-01T12:00:00Z"},
    ]
    of_the_year = {
        "order_id": "ORD-19980630-069659", "customer_id": "CUST-US-23149", "amount": "30.48",
        "currency": "USD", "status": "confirmed", "timestamp": "1998-06-30T23:35:10Z",
        "items_count": 2,
    }  # fmt: skip
    lines = _variants(good, "mixed-order", "order_id", changes)
    return [b'{"order_id":"mixed-order-00","amount":"19.9', b'"an order"', *lines,
            _text(of_the_year)]  # fmt: skip


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="oracle.perturb", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    kinds = ["ticks", "shuffle", "twice", "mixed_ticks", "mixed_orders"]
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--tickers", type=int, default=200)
    parser.add_argument("--bad", type=float, default=0.0)
    parser.add_argument("--duplicate", type=float, default=0.0)
    parser.add_argument("--late", type=float, default=0.0)
    parser.add_argument("--bound", type=float, default=30, help="seconds, for shuffle")
    options = parser.parse_args(arguments)
    if options.kind in ("shuffle", "twice") and options.file is None:
        parser.error(f"{options.kind} needs a FILE")
    if options.tickers > 26 * 26:
        parser.error("at most 676 tickers")
    if options.kind == "ticks":
        lines = generate_ticks(options.seed, options.events, options.tickers, options.bad,
                               options.duplicate, options.late)  # fmt: skip
    elif options.kind == "shuffle":
        bound = int(options.bound * SECOND)
        lines = shuffle_within(read_lines(options.file), bound, options.seed)
    elif options.kind == "twice":
        lines = send_twice(read_lines(options.file), options.seed)
    else:
        lines = mixed_ticks() if options.kind == "mixed_ticks" else mixed_orders()
    sys.stdout.buffer.writelines(line + b"\n" for line in lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
