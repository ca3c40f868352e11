"""Members of a consumer group (KIP-848) as bare protocol: hundreds of them in one thread.

ConsumerGroupHeartbeat version 1, by KIP-848 and Kafka's ConsumerGroupHeartbeatRequest.json.
"""

import socket
import struct
import uuid

LEAVE = -1
GROUP_MAX_SIZE_REACHED = 81
API_KEY, VERSION, CLIENT = 68, 1, b"many"


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def text(value: str | None) -> bytes:
    return varint(0) if value is None else varint(len(value.encode()) + 1) + value.encode()


class Answer:
    """error, epoch, and the assignment as {(topic id, partition)} or None where it says nothing."""

    def __init__(self, frame: bytes):
        self.frame, self.at = frame, 5  # behind correlation id and tags
        self.number("i")
        self.error = self.number("h")
        self.text(), self.text()
        self.epoch = self.number("i")
        self.number("i")
        self.assigned = None
        if self.number("b") == 1:
            self.assigned = set()
            for _ in range(self.varint() - 1):
                topic = self.take(16)
                partitions = [self.number("i") for _ in range(self.varint() - 1)]
                self.assigned |= {(topic, partition) for partition in partitions}
                self.varint()

    def take(self, count: int) -> bytes:
        self.at += count
        return self.frame[self.at - count : self.at]

    def number(self, kind: str) -> int:
        return struct.unpack(">" + kind, self.take(struct.calcsize(">" + kind)))[0]

    def varint(self) -> int:
        out = shift = 0
        while True:
            [byte] = self.take(1)
            out, shift = out | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return out

    def text(self) -> bytes | None:
        count = self.varint()
        return None if count == 0 else self.take(count - 1)


class Connection:
    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exactly(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            got = self.socket.recv(count - len(out))
            if not got:
                raise EOFError
            out += got
        return out

    def call(self, body: bytes) -> Answer:
        header = struct.pack(">hhih", API_KEY, VERSION, 1, len(CLIENT))
        frame = header + CLIENT + b"\0" + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        return Answer(self.exactly(struct.unpack(">i", self.exactly(4))[0]))


class Member:
    """Gives up what it is told to give up at once; says what it has when that changed."""

    def __init__(self, connection: Connection, group: str, topic: str):
        self.connection, self.group, self.topic = connection, group, topic
        self.id, self.epoch = str(uuid.uuid4()), 0
        self.has, self.has_changed = set(), False

    def beat(self, epoch: int | None = None) -> Answer:
        """One heartbeat; the first one joins, LEAVE leaves."""
        sent = self.epoch if epoch is None else epoch
        body = text(self.group) + text(self.id) + struct.pack(">i", sent)
        body += text(None) + text(None) + struct.pack(">i", 60_000 if sent == 0 else -1)
        body += varint(2) + text(self.topic) if sent == 0 else varint(0)
        body += text(None) + text(None)
        body += self.owned() if sent == 0 or self.has_changed else varint(0)
        answer = self.connection.call(body + b"\0")
        if answer.error == 0:
            self.has_changed = answer.assigned is not None and answer.assigned != self.has
            self.epoch = answer.epoch
            self.has = self.has if answer.assigned is None else answer.assigned
        return answer

    def owned(self) -> bytes:
        by_topic = {}
        for topic, partition in sorted(self.has):
            by_topic.setdefault(topic, []).append(partition)
        out = varint(len(by_topic) + 1)
        for topic, partitions in by_topic.items():
            numbers = b"".join(struct.pack(">i", partition) for partition in partitions)
            out += topic + varint(len(partitions) + 1) + numbers + b"\0"
        return out


def settle(members: list[Member], rounds_max: int = 20) -> None:
    """Everybody's heartbeats until nothing changes any more and all are of one epoch."""
    for _ in range(rounds_max):
        answers = [member.beat() for member in members]
        assert not [answer.error for answer in answers if answer.error]
        if all(answer.assigned is None for answer in answers) and len(
            {member.epoch for member in members}
        ) == 1:
            return
    raise AssertionError(f"{len(members)} members do not settle within {rounds_max} rounds")
