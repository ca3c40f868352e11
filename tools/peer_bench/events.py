"""The input of `./dev bench peers`: trades of 200 tickers, seeded, the same for one seed."""

import random

TICKERS = [
    chr(65 + i % 26) + chr(65 + i * 11 % 26) + chr(65 + i // 26) + "Q" * (i % 2)
    for i in range(200)
]  # fmt: skip
START_MS = 1_767_607_200_000  # 2026-01-05T10:00:00Z
DAY_MS = 86_400_000
OLDER_MS_MAX = 29_000  # within the 30 s that every job allows
KEPT = 50_000  # of which one is repeated


def time_text(time_ms):
    """Of a time on the generator's day."""
    rest = time_ms % DAY_MS
    return (
        f"2026-01-05T{rest // 3_600_000:02}:{rest // 60_000 % 60:02}:"
        f"{rest // 1000 % 60:02}.{rest % 1000:03}Z"
    )


class Events:
    """Of 100 events one is broken in one of three ways, one a repetition, one up to 29 s old."""

    def __init__(self, seed, us_per_event=600):
        self.random = random.Random(seed)
        self.us_per_event = us_per_event  # of event time
        self.seed = seed
        self.number = 0
        self.cents = [self.random.randrange(1_000, 50_000) for _ in TICKERS]
        self.kept = []
        self.rows = 0  # distinct right events so far

    def next(self):
        """(key, value, id): the id is None of what is broken or a repetition."""
        draw = self.random.random
        self.number += 1
        kind = int(draw() * 100)
        if kind == 0 and self.kept:
            return (*self.kept[int(draw() * len(self.kept))], None)
        at = int(draw() * len(TICKERS))
        ticker = TICKERS[at]
        self.cents[at] = max(100, self.cents[at] + int(draw() * 21) - 10)
        time_ms = START_MS + self.number * self.us_per_event // 1000
        if kind == 1:
            time_ms -= int(draw() * OLDER_MS_MAX)
        broken = int(draw() * 3) if kind == 2 else None
        event_id = f"{self.seed & 0xFFFF:04x}{self.number:010x}{self.random.getrandbits(40):010x}"
        price = f"{'-' if broken == 0 else ''}{self.cents[at] // 100}.{self.cents[at] % 100:02}"
        symbol = "" if broken == 1 else f'"ticker":"{ticker}",'
        text = (
            f'{{"event_id":"{event_id}","timestamp":"{time_text(time_ms)}",{symbol}'
            f'"price":"{price}","volume":{1 + int(draw() * 1000)},"source":"generator"}}'
        )
        if broken == 2:
            text = text[:-17]
        if broken is not None:
            return ticker, text, None
        if len(self.kept) < KEPT:
            self.kept.append((ticker, text))
        else:
            self.kept[self.number % KEPT] = (ticker, text)
        self.rows += 1
        return ticker, text, event_id
