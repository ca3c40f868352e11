"""Record batches as a foreign producer could send them, right or wrong, written from their page.

docs/formats/record_batch.md has the bytes. Everything may be bent: that is what it is for.
"""

import http.client
import json
import struct
from dataclasses import dataclass

CONTENT_TYPE = "application/vnd.millrace.batches"
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 8, 16, 32

_CRC_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = _byte >> 1 ^ (0x82F63B78 if _byte & 1 else 0)
    _CRC_TABLE.append(_byte)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(value: int) -> bytes:
    left = (value << 1 ^ value >> 63) & 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while left >= 0x80:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def _nullable(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


def record(key, value, headers=(), offset_delta=0, timestamp_delta=0) -> bytes:
    body = b"\0" + varint(timestamp_delta) + varint(offset_delta)
    body += _nullable(key) + _nullable(value) + varint(len(headers))
    for name, text in headers:
        body += varint(len(name)) + name + _nullable(text)
    return varint(len(body)) + body


@dataclass
class Batch:
    """`records` are the bytes behind the header, as they are; None of the counts is derived."""

    records: bytes
    count: int = 1
    last_offset_delta: int | None = None  # None: count - 1
    base_offset: int = 0
    attributes: int = 0
    base_timestamp: int = 1_700_000_000_000
    max_timestamp: int | None = None  # None: base_timestamp
    magic: int = 2
    length: int | None = None  # None: the true one
    crc: int | None = None  # None: the true one
    producer: tuple = (-1, -1, -1)

    def bytes(self) -> bytes:
        last = self.count - 1 if self.last_offset_delta is None else self.last_offset_delta
        newest = self.base_timestamp if self.max_timestamp is None else self.max_timestamp
        covered = struct.pack(
            ">hiqqqhii", self.attributes, last, self.base_timestamp, newest,
            *self.producer, self.count,
        ) + self.records  # fmt: skip
        length = len(covered) + 9 if self.length is None else self.length
        crc = crc32c(covered) if self.crc is None else self.crc
        return struct.pack(">qiibI", self.base_offset, length, -1, self.magic, crc) + covered


def of_values(values: list[bytes], key: bytes | None, **more) -> Batch:
    """A right batch of plain records with one key."""
    records = b"".join(record(key, value, (), delta) for delta, value in enumerate(values))
    return Batch(records, len(values), **more)


def zstd_bomb(plain_bytes: int) -> bytes:
    """A zstd frame of `plain_bytes` times one byte: run-length blocks, four bytes per 128 KiB.

    RFC 8878: magic, a frame header with a window descriptor, blocks of {last:1 type:2 size:21}.
    """
    block_max = 128 << 10
    out = bytearray(b"\x28\xb5\x2f\xfd\x00\x58")  # a window of 2 MiB, no content size
    left = plain_bytes
    while left > 0:
        step = min(left, block_max)
        left -= step
        out += (step << 3 | 1 << 1 | (left == 0)).to_bytes(3, "little") + b"\0"
    return bytes(out)


def body(batches: list[tuple[int, bytes]]) -> bytes:
    """The request of (partition, batch bytes)."""
    return b"".join(struct.pack("<Iq", at, 0) + batch for at, batch in batches)


def request(port: int, method: str, path: str, content=b"", kind="", seconds: float = 60):
    """HTTP status and the JSON answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, content, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def create_topic(port: int, topic: str) -> int:
    """The HTTP status: 409 where it is there already."""
    content = json.dumps({"topic": topic})
    return request(port, "POST", "/api/v1/topics", content, "application/json")[0]


def post(port: int, topic: str, content: bytes) -> tuple[int, dict]:
    return request(port, "POST", f"/api/v1/topics/{topic}/batches", content, CONTENT_TYPE)


def post_batch(port: int, topic: str, batch: Batch | bytes, partition: int = 0):
    content = batch if isinstance(batch, bytes) else batch.bytes()
    return post(port, topic, body([(partition, content)]))
