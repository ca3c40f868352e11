"""Reads what `strace -f -y` writes: calls with the lines on which they began and ended."""

import re
from dataclasses import dataclass

_BEGUN = re.compile(r"^(?P<thread>\d+)\s+(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<thread>\d+)\s+<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_RESULT = re.compile(r"=\s+(-?\d+)[^=]*$")


@dataclass
class Call:
    name: str
    text: str  # arguments, with the part after "resumed" appended
    begun: int  # line number
    ended: int
    result: int


def read_calls(lines) -> list[Call]:
    """Finished calls in the order in which they ended."""
    open_calls: dict[tuple[str, str], tuple[int, str]] = {}
    calls = []
    for number, line in enumerate(lines):
        begun = _BEGUN.match(line)
        resumed = None if begun else _RESUMED.match(line)
        match = begun or resumed
        if match is None:
            continue
        at = (match["thread"], match["name"])
        if begun and line.rstrip().endswith("<unfinished ...>"):
            open_calls[at] = (number, match["rest"])
            continue
        first, text = (number, "") if begun else open_calls.pop(at, (number, ""))
        result = _RESULT.search(match["rest"])
        if result is not None:
            calls.append(Call(match["name"], text + match["rest"], first, number, int(result[1])))
    return calls
