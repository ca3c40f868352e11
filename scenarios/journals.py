"""Reads the journals of a shared pipeline, written from docs/formats/journal.md alone."""

from dataclasses import dataclass

from compare import expect

_POSITION = 1


class _Bytes:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def u8(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def text(self):
        length = self.varint()
        self.at += length
        return self.data[self.at - length : self.at].decode()


@dataclass
class Commit:
    sequence: int
    journal_sequence: int
    next_offset: int
    owner: str


def commits(side, topic):
    """partition -> the commits in its journal. Fails unless each follows the one before.

    Nothing is lost, doubled or written by an owner that had lost the task: entries are numbered,
    and so are commits.
    """
    found = {}
    entries = {}  # partition -> sequence of the last entry
    for message in side.messages(topic):
        read = _Bytes(message.value())
        expect(read.u8() == 1, f"{topic}: another version of the format")
        sequence, at, _, kind = read.varint(), read.zigzag(), read.zigzag(), read.u8()
        where = f"{topic}/{message.partition()} at {message.offset()}"
        before = entries.setdefault(message.partition(), sequence - 1)
        expect(sequence == before + 1, f"{where}: entry {sequence} after {before}")
        entries[message.partition()] = sequence
        if kind != _POSITION:
            continue
        commit = Commit(read.varint(), sequence, at, read.text())
        of = found.setdefault(message.partition(), [])
        if of:
            last = of[-1]
            expect(commit.sequence == last.sequence + 1, f"{where}: {commit} after {last}")
            expect(commit.next_offset >= last.next_offset, f"{where}: {commit} after {last}")
        of.append(commit)
    return found


def expect_in_agreement(side, topic, group):
    """The last commit in each journal is what the group's offset says: they were one unit (R1)."""
    of_group = side.group_offsets(group)
    of_journals = commits(side, topic)
    expect(of_group.keys() == of_journals.keys(), f"{group}: {of_group} and {of_journals.keys()}")
    for partition, made in of_journals.items():
        last = made[-1]
        want = f"{last.sequence}/{last.journal_sequence}/{last.owner}"
        offset, metadata = of_group[partition]
        expect(
            offset == last.next_offset and (metadata is None or metadata.startswith(want)),
            f"{group}/{partition}: {offset} {metadata}, but {last} in the journal",
        )
    return of_journals
