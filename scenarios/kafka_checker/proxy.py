"""A TCP proxy in front of the broker that cuts, stalls and forgets connections on demand.

The broker tells clients its own port; the proxy puts its own in the place of it, answer by answer.
"""

import asyncio
import random
import threading

FAULTS = ("reset", "torn", "stall", "deaf", "half_open_to_client", "half_open_to_broker")
HOST = b"127.0.0.1"
ANSWER_REWRITTEN_BYTES_MAX = 64 * 1024  # metadata is small; what is larger holds records


class _Connection:
    def __init__(self, client, broker):
        self.client_reader, self.client = client
        self.broker_reader, self.broker = broker
        self.may_flow = asyncio.Event()
        self.may_flow.set()
        self.tears_next_answer = False
        self.drops_answers = False
        self.keeps = None  # the side that is left open, silent, after the other one has gone

    def abort(self) -> None:
        for writer in (self.client, self.broker):
            writer.transport.abort()


class Proxy:
    """Listens on `port` of 127.0.0.1 from construction to close(), in a thread of its own."""

    def __init__(self, broker_port: int, rng: random.Random):
        self._broker_port = broker_port
        self._rng = rng
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self):
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    def fault(self, kind: str, share: float, seconds: float) -> int:
        """Lets it happen to each connection with probability `share`; to how many it did."""

        async def run():
            hit = [one for one in self._connections if self._rng.random() < share]
            for connection in hit:
                self._harm(connection, kind, seconds)
            return len(hit)

        return self._call(run())

    def close(self) -> None:
        async def run():
            self._server.close()
            for connection in self._connections:
                connection.may_flow.set()
                connection.abort()
            while self._connections:
                await asyncio.sleep(0.01)

        self._call(run())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _harm(self, connection, kind: str, seconds: float) -> None:
        later = self._loop.call_later
        if kind == "reset":
            connection.abort()
        elif kind == "torn":
            connection.tears_next_answer = True
        elif kind == "stall":
            connection.may_flow.clear()
            later(seconds, connection.may_flow.set)
        elif kind == "deaf":
            connection.drops_answers = True
            later(seconds, connection.abort)
        else:
            ends = (connection.client, connection.broker)
            kept, gone = ends if kind == "half_open_to_client" else reversed(ends)
            connection.keeps = kept
            gone.transport.abort()
            later(seconds, connection.abort)

    async def _accept(self, reader, writer):
        try:
            broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection((reader, writer), broker)
        self._connections.add(connection)
        try:
            pumps = (self._requests(connection), self._answers(connection))
            tasks = [asyncio.ensure_future(pump) for pump in pumps]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if connection.keeps is not None:
                await asyncio.wait(tasks)
            for task in tasks:
                task.cancel()
        finally:
            if connection.keeps is None:
                connection.abort()
            self._connections.discard(connection)

    async def _requests(self, connection):
        try:
            while data := await connection.client_reader.read(64 * 1024):
                await connection.may_flow.wait()
                if connection.keeps is None:
                    connection.broker.write(data)
                    await connection.broker.drain()
        except OSError:
            pass

    async def _answers(self, connection):
        own = HOST + self._broker_port.to_bytes(4, "big")
        proxied = HOST + self.port.to_bytes(4, "big")
        try:
            while True:
                head = await connection.broker_reader.readexactly(4)
                body = await connection.broker_reader.readexactly(int.from_bytes(head, "big"))
                await connection.may_flow.wait()
                if connection.drops_answers or connection.keeps is not None:
                    continue
                if len(body) <= ANSWER_REWRITTEN_BYTES_MAX:
                    body = body.replace(own, proxied)
                if connection.tears_next_answer:
                    connection.client.write(head + body[: len(body) // 2])
                    await connection.client.drain()
                    return
                connection.client.write(head + body)
                await connection.client.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
