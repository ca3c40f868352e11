"""Record batches that a scenario puts into a topic itself, as Kafka's documentation has them."""

import struct
import urllib.request


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(number: int) -> bytes:
    zigzag, out = number << 1 ^ number >> 63, bytearray()
    while zigzag > 127:
        out.append(zigzag & 127 | 128)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def forged_batch(
    partition: int, value: bytes, headers: dict[str, str], key: bytes | None = None
) -> bytes:
    """A request body with one record."""
    record = b"\0" + varint(0) + varint(0)
    record += varint(-1) if key is None else varint(len(key)) + key
    record += varint(len(value)) + value + varint(len(headers))
    for name, text in headers.items():
        record += varint(len(name)) + name.encode() + varint(len(text)) + text.encode()
    body = struct.pack(">hiqqqhii", 0, 0, 1, 1, -1, -1, -1, 1) + varint(len(record)) + record
    batch = struct.pack(">iBI", -1, 2, crc32c(body)) + body
    return struct.pack("<Iq", partition, 0) + struct.pack(">qi", 0, len(batch)) + batch


def post_batch(run, topic: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{run.http_port}/api/v1/topics/{topic}/batches", data=body,
        headers={"content-type": "application/vnd.millrace.batches"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
