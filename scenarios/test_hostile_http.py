"""Clients that mean harm or are broken: the server stays up and serves the others meanwhile."""

import contextlib
import resource
import socket
import struct
import time

import pytest

import foreign_batches as foreign
from compare import expect
from feeds import Feed

IDLE_CONNECTIONS = 1_000
ANSWER_SECONDS = 5  # within which somebody else must be answered, whatever goes on
BODY_BYTES_MAX = 64 << 20
HEAD = b"POST /api/v1/topics/input_topic/batches HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(autouse=True)
def enough_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    if before[1] < 2 * IDLE_CONNECTIONS + 200:
        pytest.skip(f"only {before[1]} files may be open")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def run(instance, workspace):
    ticks = workspace.pipeline("ticks")
    ticks.set_partitions(1)
    with instance(ticks) as started:
        yield started


@pytest.fixture
def connect(run):
    """Connections that are closed with the test."""
    with contextlib.ExitStack() as stack:

        def make() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", run.http_port), 10))

        yield make


def expect_served(run) -> None:
    began = time.monotonic()
    status, answer = foreign.request(run.http_port, "GET", "/api/v1/status", seconds=30)
    seconds = time.monotonic() - began
    expect(status == 200 and answer["state"] == "running", f"{status} {answer}")
    expect(seconds < ANSWER_SECONDS, f"an answer took {seconds:.1f} s")


def answer_of(connection: socket.socket, seconds: float = 20) -> int:
    """HTTP status of the answer; 0 when the connection is closed without one, -1 without either."""
    connection.settimeout(seconds)
    got = b""
    try:
        while b"\r\n" not in got and (piece := connection.recv(4096)):
            got += piece
    except ConnectionError:
        pass
    except TimeoutError:
        return -1
    return int(got.split()[1]) if got else 0


def send_what_goes(connection: socket.socket, content: bytes) -> None:
    """Until all is sent or the server closes."""
    with contextlib.suppress(ConnectionError):
        connection.sendall(content)


def test_a_thousand_idle_connections_and_a_feed(run, connect, workspace, write_lines):
    ticks = run.pipelines[0]
    idle = [connect() for _ in range(IDLE_CONNECTIONS)]
    half = [connect() for _ in range(100)]
    for at, connection in enumerate(half):
        connection.sendall((HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 900)[: 1 + at * 10])
    expect_served(run)
    feed = Feed(run, ticks, write_lines, 5_000, 2)
    feed.expect_exact()
    # Those that were idle are as good as new ones.
    for connection in idle[::100]:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer_of(connection) == 200
    expect_served(run)


def test_connections_that_vanish_leave_nothing_behind(run):
    """Reset in the middle of everything: after connecting, in a head, in a body, in an answer."""
    stages = (
        b"", b"GET /api", HEAD, HEAD + b"Content-Length: 5000\r\n\r\nabc",
        b"GET /app.js HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
        b"GET /api/v1/topics/input_topic/batches?wait_ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n",
    )  # fmt: skip
    for number in range(1_200):
        connection = socket.create_connection(("127.0.0.1", run.http_port), 10)
        connection.sendall(stages[number % len(stages)])
        if number % 2:  # a reset instead of an orderly end
            reset = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection.close()
    expect_served(run)


def test_slow_readers_hold_up_nobody(run, connect, write_lines):
    """Each asks for megabytes again and again and reads none of it."""
    path = write_lines("big.jsonl", [bytes([65 + at % 26]) * 900_000 for at in range(16)])
    run.cli("produce", "input_topic", "--file", path)
    ask = b"GET /api/v1/topics/input_topic/batches?max_bytes=16777216 HTTP/1.1\r\nHost: x\r\n\r\n"
    slow = [connect() for _ in range(50)]
    for connection in slow:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(ask * 20)
    for _ in range(20):
        expect_served(run)
    assert slow[0].recv(5) == b"HTTP/"


def test_long_polls_without_end_hold_up_nobody(run, connect):
    wait = b"GET /api/v1/topics/dlq_topic/batches?wait_ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(500):
        connect().sendall(wait)
    for _ in range(20):
        expect_served(run)
    assert run.terminate() == 0  # a stop gives them its few seconds of grace


def test_oversized_heads_and_bodies_are_refused_as_they_come(run, connect):
    cases = {
        HEAD + b"X: " + b"y" * 100_000: 431,
        HEAD + b"".join(b"X-%d: y\r\n" % at for at in range(500)) + b"\r\n": 431,
        b"GET /" + b"a" * 1_000_000: 431,
        b"G" * 1_000_000: 0,  # any 4xx
        HEAD + b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1): 413,
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n": 0,
        HEAD + b"Content-Length: -1\r\n\r\n": 0,
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 0,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n": 0,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n\r\n": 0,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300): 0,  # TLS
        b"\0" * 1000: 0,
    }
    for content, wanted in cases.items():
        connection = connect()
        send_what_goes(connection, content)
        status = answer_of(connection)
        expect(400 <= status < 500, f"{content[:60]!r}: {status}")
        expect(wanted in (0, status), f"{content[:60]!r}: {status}, not {wanted}")
    endless = connect()
    send_what_goes(endless, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    for _ in range(100):
        send_what_goes(endless, chunk)
    expect(answer_of(endless) == 413, "an endless body is not refused")
    expect_served(run)


def test_many_large_bodies_at_once_are_bounded(run, connect):
    """Half-sent bodies may hold so much memory together; others get a 429, small ones go on."""
    head = HEAD + b"Content-Length: 60000000\r\n\r\n"
    held = [connect() for _ in range(12)]
    for connection in held:
        send_what_goes(connection, head + bytes(100_000))
    refused = sum(answer_of(connection) == 429 for connection in held[-4:])
    expect(refused == 4, f"{refused} of the last four were refused")
    expect_served(run)
    for connection in held:
        connection.close()
    expect_served(run)
