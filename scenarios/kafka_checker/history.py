"""What clients asked for and what they were told, in the order of one clock. No judgement here."""

import threading
from collections import Counter
from dataclasses import dataclass, field

# What became of a transaction, as far as its client knows.
OPEN = "open"  # never asked to be committed: it must not be seen
UNKNOWN = "unknown"  # asked to be committed, and no answer: all of it or nothing
COMMITTED = "committed"
ABORTED = "aborted"

# Of a run of any length, copies apart. A value takes about a kilobyte until it is judged.
VALUES_MAX = 1_000_000

READ_COMMITTED = "read_committed"
READ_UNCOMMITTED = "read_uncommitted"


@dataclass(slots=True)
class Send:
    """One value, which no other send has."""

    value: str
    topic: str
    partition: int
    producer: str
    number: int  # grows with every send of the producer
    kind: str  # plain, idempotent, transactional
    transaction: str | None = None
    origin: tuple[str, int, int] | None = None  # topic, partition, offset that it was made from
    offset: int | None = None  # where it was acknowledged; -1: acknowledged, place not told
    failed: bool = False  # an error was told: it may be there or not


@dataclass(slots=True)
class Session:
    """What one reader got of one partition from `start` on, without any jump of its own."""

    reader: str
    isolation: str
    topic: str
    partition: int
    start: int
    group: str | None = None
    reads: list[tuple[int, str]] = field(default_factory=list)
    end: int | None = None  # of a final read: where the reader was told that the partition ends


@dataclass(slots=True)
class Commit:
    """A committed offset; with a transaction, what becomes of it is what becomes of that."""

    group: str
    topic: str
    partition: int
    offset: int
    begun: int
    ended: int | None = None  # None: no answer, or an error
    transaction: str | None = None


@dataclass(slots=True)
class Fetched:
    """What the broker said is committed; -1: nothing."""

    group: str
    topic: str
    partition: int
    offset: int
    begun: int
    ended: int


class History:
    """Filled by many threads while clients run; read by the checker afterwards."""

    def __init__(self):
        self.sends: dict[str, Send] = {}
        self.transactions: dict[str, str] = {}
        self.sessions: list[Session] = []
        self.final: list[Session] = []  # whole partitions, read when all clients had ended
        self.commits: list[Commit] = []
        self.fetched: list[Fetched] = []
        self.final_committed: dict[tuple[str, str, int], int] = {}
        self.copying_groups: set[str] = set()  # whose offsets are committed with effects
        self.out_of_range: list[str] = []
        self.accepted_zombies: list[str] = []  # transactions
        self.errors: Counter[str] = Counter()  # what clients were told, for the report only
        self.values_allowed = VALUES_MAX  # until then writers write; a run hands it out in parts
        self._known: dict[tuple[str, int], dict[int, tuple[int, str]]] = {}
        self._clock = 0
        self._lock = threading.Lock()

    def tick(self) -> int:
        with self._lock:
            self._clock += 1
            return self._clock

    def send(self, **fields) -> Send:
        made = Send(**fields)
        assert made.value not in self.sends, made.value
        self.sends[made.value] = made
        return made

    def is_full(self) -> bool:
        return len(self.sends) >= self.values_allowed

    def session(self, **fields) -> Session:
        made = Session(**fields)
        self.sessions.append(made)
        return made

    def read(self, session: Session, message) -> None:
        """Readers read the same again and again: it is kept once."""
        offset, value = message.offset(), message.value().decode()
        known = self._known.setdefault((session.topic, session.partition), {})
        got = known.get(offset)
        if got is None or got[1] != value:
            send = self.sends.get(value)
            got = (offset, value if send is None else send.value)
            known.setdefault(offset, got)
        session.reads.append(got)

    def commit(self, **fields) -> Commit:
        made = Commit(begun=self.tick(), **fields)
        self.commits.append(made)
        return made
