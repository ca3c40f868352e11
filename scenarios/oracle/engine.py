"""What both pipelines have in common: watermarks, deduplication, windows, dead letters.

One pass over the lines in arrival order, plain dictionaries, everything kept. The order of the
stages is: read JSON, check types, check every rule, refuse far-future events, deduplicate, enrich,
count into the window or refuse as late, move the watermark.
"""

import time
from dataclasses import dataclass, field

from . import placement, reading
from .reading import DAY, HOUR, SECOND

SCHEMA_INVALID = "SCHEMA_INVALID"
BUSINESS_RULE_VIOLATION = "BUSINESS_RULE_VIOLATION"
DUPLICATE = "DUPLICATE"
FUTURE_EVENT = "FUTURE_EVENT"
LATE_EVENT = "LATE_EVENT"


@dataclass
class Settings:
    """Everything a pipeline file may decide; times in microseconds."""

    partition_count: int = 1
    out_of_orderness: int = 30 * SECOND
    allowed_lateness: int = 600 * SECOND
    dedup_ttl: int = 24 * HOUR
    max_ahead: int = HOUR
    max_jump: int = DAY
    jump_votes: int = 10  # further events beyond max_jump that make the watermark follow
    first_votes: int = 10  # further events after the first one before there is a watermark
    processing_time: int = field(default_factory=lambda: time.time_ns() // 1000)


@dataclass
class DeadLetter:
    error_type: str
    error_message: str
    original_message: bytes
    attempted_id: str | None
    partition: int | None  # None: no usable key, any partition is right
    offset: int | None


@dataclass
class Enriched:
    partition: int
    offset: int | None  # None when keyless records make offsets a matter of placement
    row: dict


@dataclass
class Outcome:
    enriched: list[Enriched]
    dead_letters: list[DeadLetter]
    windows: dict[tuple[str, int], dict]  # (key, window start) -> aggregates
    counts: dict[str, int]

    def windows_json(self, key_name: str, size: int) -> list[dict]:
        """The final windows in (start, key) order, in the shape of the aggregates topic."""
        return [
            {
                key_name: key,
                "window_start": reading.format_instant(start),
                "window_end": reading.format_instant(start + size),
                **aggregates,
            }
            for (key, start), aggregates in sorted(self.windows.items(), key=_by_start_and_key)
        ]


def _by_start_and_key(item):
    (key, start), _ = item
    return start, key


class Watermark:
    """Highest event time minus the bound, of one partition; never goes back (rule R12)."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self.value: int | None = None
        self._far: list[int] = []  # event times beyond max_jump that nobody confirmed yet

    def observe(self, event_time: int) -> None:
        candidate = event_time - self._settings.out_of_orderness
        # Before there is a watermark every event is far from everything known.
        if self.value is not None and event_time - self.value <= self._settings.max_jump:
            self.value = max(self.value, candidate)
            self._far.clear()
            return
        self._far.append(candidate)
        votes = self._settings.first_votes if self.value is None else self._settings.jump_votes
        if len(self._far) > votes:
            smallest = min(self._far)
            self.value = smallest if self.value is None else max(self.value, smallest)
            self._far.clear()


class Seen:
    """Ids and the watermark under which each arrived; forgotten once it has moved on by a TTL."""

    def __init__(self, ttl: int):
        self._ttl = ttl
        self._filed: dict[str, int | None] = {}
        self._first: int | None = None  # stands for "before there was a watermark"

    def check_and_file(self, event_id: str, watermark: int | None) -> bool:
        """True when the id counts as seen; otherwise it does from now on."""
        if self._first is None:
            self._first = watermark
        if event_id in self._filed:
            filed = self._filed[event_id]
            filed = self._first if filed is None else filed
            if watermark is None or watermark <= filed + self._ttl:
                return True
        self._filed[event_id] = watermark
        return False


class Pipeline:
    """Base of the two pipelines; a subclass states its fields, rules, enrichment and windows."""

    id_field = ""
    key_field = ""  # what the producer keys by
    window_key_field = ""
    window_size = 0

    def __init__(self, settings: Settings | None = None):
        self.settings = settings or Settings()

    # What a subclass provides.
    def schema_errors(self, event: dict) -> list[str]:
        raise NotImplementedError

    def rule_errors(self, event: dict) -> list[str]:
        raise NotImplementedError

    def enrich(self, event: dict) -> dict:
        raise NotImplementedError

    def aggregate(self, members: list[tuple[int, int, dict]]) -> dict:
        """Members are (event time, position, enriched row) in arrival order."""
        raise NotImplementedError

    def run(self, lines) -> Outcome:
        """Applies the lines (bytes without line ends) in arrival order."""
        run = _Run(self)
        for position, line in enumerate(lines):
            run.apply(position, line)
        return run.outcome()


class _Run:
    def __init__(self, pipeline: Pipeline):
        self.pipeline = pipeline
        self.settings = pipeline.settings
        count = self.settings.partition_count
        self.watermarks = [Watermark(self.settings) for _ in range(count)]
        self.seen = [Seen(self.settings.dedup_ttl) for _ in range(count)]
        self.next_offset = [0] * count
        self.offsets_known = True
        self.enriched: list[Enriched] = []
        self.dead_letters: list[DeadLetter] = []
        self.members: dict[tuple[str, int], list] = {}
        self.event_count = 0

    def place(self, event) -> tuple[int | None, int | None]:
        key = event.get(self.pipeline.key_field) if isinstance(event, dict) else None
        if self.settings.partition_count == 1:
            partition = 0
        elif isinstance(key, str):
            partition = placement.partition_for_key(key, self.settings.partition_count)
        else:
            self.offsets_known = False  # may land anywhere and shift the offsets there
            return None, None
        offset = self.next_offset[partition]
        self.next_offset[partition] += 1
        return partition, offset if self.offsets_known else None

    def apply(self, position: int, line: bytes) -> None:
        pipeline = self.pipeline
        self.event_count += 1
        try:
            event = reading.parse_json(line)
            errors = pipeline.schema_errors(event) if isinstance(event, dict) else ["no object"]
        except reading.Unreadable as error:
            event, errors = None, [f"unreadable JSON: {error}"]
        partition, offset = self.place(event)
        event_id = event.get(pipeline.id_field) if isinstance(event, dict) else None
        event_id = event_id if isinstance(event_id, str) else None

        def refuse(error_type: str, message: str) -> None:
            self.dead_letters.append(
                DeadLetter(error_type, message, line, event_id, partition, offset)
            )

        if errors:
            refuse(SCHEMA_INVALID, "; ".join(errors))
            return
        errors = pipeline.rule_errors(event)
        if errors:
            refuse(BUSINESS_RULE_VIOLATION, "; ".join(errors))
            return
        event_time = reading.parse_instant(event["timestamp"])
        if event_time > self.settings.processing_time + self.settings.max_ahead:
            refuse(FUTURE_EVENT, f"{event['timestamp']} is in the future")
            return
        # An event is judged by what came before it: it cannot make itself late.
        watermark = self.watermarks[partition].value
        if self.seen[partition].check_and_file(event_id, watermark):
            refuse(DUPLICATE, f"{event_id} was seen before")
            return
        row = pipeline.enrich(event)
        self.enriched.append(Enriched(partition, offset, row))
        start = event_time // pipeline.window_size * pipeline.window_size
        end = start + pipeline.window_size
        if watermark is not None and end + self.settings.allowed_lateness <= watermark:
            refuse(LATE_EVENT, f"the window ended at {reading.format_instant(end)}")
        else:
            key = row[pipeline.window_key_field]
            self.members.setdefault((key, start), []).append((event_time, position, row))
        self.watermarks[partition].observe(event_time)

    def outcome(self) -> Outcome:
        windows = {at: self.pipeline.aggregate(rows) for at, rows in self.members.items()}
        counts = {"in": self.event_count, "out": len(self.enriched), "windows": len(windows)}
        for letter in self.dead_letters:
            counts[letter.error_type] = counts.get(letter.error_type, 0) + 1
        return Outcome(self.enriched, self.dead_letters, windows, counts)
