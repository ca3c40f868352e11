"""What the job of pipelines/peer_ticks.yaml must give, with plain dictionaries; shares no code with
any of the jobs, and knows nothing of how they do it."""

import datetime
import json
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal

WINDOW_MS = 60_000
OUT_OF_ORDERNESS_MS = 30_000
# No partition's newest event is further behind the newest of all, in events of 200 keys.
PARTITIONS_DIFFER_MS = 1_000
SHOWN_MAX = 3
SECTORS = ("tech", "energy", "health", "finance", "retail", "industry", "utility", "media")
DIGITS = Decimal("0.0001")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def rounded(number):
    return number.quantize(DIGITS, ROUND_HALF_EVEN)


def valid(value):
    """(event, time in ms, price) of a right event, None of any other."""
    try:
        event = json.loads(value)
        texts = [event[name] for name in ("event_id", "timestamp", "ticker", "price", "source")]
        if not all(type(text) is str for text in texts) or type(event["volume"]) is not int:
            return None
        price = Decimal(event["price"])
        ticker = event["ticker"]
        if not price > 0 or event["volume"] < 0:
            return None
        if not 1 <= len(ticker) <= 10 or not LETTERS.issuperset(ticker):
            return None
        time = datetime.datetime.fromisoformat(event["timestamp"]) - EPOCH
        return event, time // datetime.timedelta(milliseconds=1), price
    except (ValueError, KeyError, TypeError, ArithmeticError):
        return None


class Expected:
    """Fed with the values of the input, in any order."""

    def __init__(self):
        self.rows = {}  # id -> (ticker, price, volume, timestamp)
        self.letters = Counter()  # values that are no event
        self.windows = {}  # (ticker, start) -> [count, min, max, sum of prices, volume]
        self.duplicates = 0
        self.newest_ms = 0

    def take(self, value):
        right = valid(value)
        if right is None:
            self.letters[value] += 1
            return
        event, time_ms, price = right
        if event["event_id"] in self.rows:
            self.duplicates += 1
            return
        ticker, volume = event["ticker"], event["volume"]
        self.rows[event["event_id"]] = (ticker, event["price"], volume, event["timestamp"])
        self.newest_ms = max(self.newest_ms, time_ms)
        place = (ticker, time_ms // WINDOW_MS * WINDOW_MS)
        window = self.windows.setdefault(place, [0, price, price, Decimal(0), 0])
        window[0] += 1
        window[1] = min(window[1], price)
        window[2] = max(window[2], price)
        window[3] += price
        window[4] += volume

    def row(self, event_id):
        ticker, price, volume, timestamp = self.rows[event_id]
        return {
            "event_id": event_id, "ticker": ticker, "price": price, "volume": volume,
            "timestamp": timestamp, "fee": str(rounded(Decimal(price) * volume * DIGITS)),
            "sector": SECTORS[(ord(ticker[0]) + ord(ticker[-1])) % len(SECTORS)],
        }  # fmt: skip

    # --- what is wrong with outputs, as texts; none when they are exact ---

    def wrong_rows(self, records):
        """Of (key, value); a key may be absent."""
        seen = Counter()
        wrong = []
        for key, value in records:
            row = json.loads(value)
            event_id = row["event_id"]
            seen[event_id] += 1
            if event_id not in self.rows:
                wrong.append(f"no such event: {row}")
                continue
            want = self.row(event_id)
            if any(row.get(name) != value for name, value in want.items()):
                wrong.append(f"{row} is not {want}")
            if key is not None and key != want["ticker"].encode():
                wrong.append(f"key {key} of {row}")
        twice = [event_id for event_id, count in seen.items() if count > 1]
        missing = self.rows.keys() - seen.keys()
        wrong += [f"event {event_id} {seen[event_id]} times" for event_id in twice]
        wrong += [f"event {event_id} is missing" for event_id in missing]
        return wrong

    def wrong_letters(self, values):
        got = Counter(json.loads(value)["original_message"].encode() for value in values)
        wrong = [f"dead letter of {value} is missing" for value in self.letters - got]
        return wrong + [f"dead letter too many: {value}" for value in got - self.letters]

    def wrong_windows(self, values, is_drained=False):
        """`values` of each key in the order they were written; the last one of a window counts.
        Without a drain only windows are looked at whose end every watermark has passed."""
        last = {}
        for value in values:
            result = json.loads(value)
            last[(result["ticker"], result["window_start"])] = result
        wrong = [f"no such window: {place}" for place in last.keys() - self.windows.keys()]
        ends_before = self.newest_ms - OUT_OF_ORDERNESS_MS - PARTITIONS_DIFFER_MS
        for place, (count, low, high, total, volume) in self.windows.items():
            if not is_drained and place[1] + WINDOW_MS >= ends_before:
                continue
            if place not in last:
                wrong.append(f"window {place} is missing")
                continue
            result = last[place]
            got = (
                result["count"], Decimal(result["min_price"]), Decimal(result["max_price"]),
                result["avg_price"], result["total_volume"],
            )  # fmt: skip
            want = (count, low, high, str(rounded(total / count)), volume)
            if got != want:
                wrong.append(f"window {place}: {got} is not {want}")
        return wrong

    def closed_windows(self):
        ends_before = self.newest_ms - OUT_OF_ORDERNESS_MS - PARTITIONS_DIFFER_MS
        return sum(1 for _, start in self.windows if start + WINDOW_MS < ends_before)
