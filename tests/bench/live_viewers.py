"""Viewers of the live measurement; `python -m tests.bench.live_viewers HOST:PORT`.

They read raw bytes, so that what they cost hides nothing of what the gateway costs.
"""

import asyncio
import base64
import contextlib
import secrets
import sys
import time
from collections.abc import Mapping
from typing import Any, cast

import uvloop

from tests.bench.live_child import answer_lines
from tests.bench.live_pipeline import ENVIRONMENT

_MARK = b'"frame_set":"'
_AT_ONCE = 25
_RETURN_S = 25.0
"""After so long who does not read leaves and comes back, seconds."""


class ViewerConnection(asyncio.Protocol):
    """One WebSocket: opens, subscribes, and notes when each update comes."""

    def __init__(self, viewers: "Viewers", *, reads: bool) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received: list[tuple[int, int]] = []
        self.is_lost = False
        self.close_code = 0
        self._viewers = viewers
        self.reads = reads
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        transport.write(
            f"GET /v1/environments/{ENVIRONMENT}/live HTTP/1.1\r\n"
            f"Host: gateway\r\nAuthorization: Bearer viewer\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        now_ns = time.monotonic_ns()
        self._buffer += data
        if not self.opened.done():
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.opened.set_exception(ConnectionError(head.decode()))
                return
            self._buffer = bytearray(rest)
            self._transport.write(_masked(b'{"subscribe": {}}'))
            self.opened.set_result(None)
            if not self.reads:
                self._transport.pause_reading()
        self._take_frames(now_ns)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the gateway ended it."""
        self.is_lost = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("lost while opening"))
        self._viewers.lost(self)

    def close(self) -> None:
        """Leave."""
        self._transport.abort()

    def _take_frames(self, now_ns: int) -> None:
        while len(self._buffer) >= 2:
            length, start = self._buffer[1], 2
            if length == 126:
                length, start = int.from_bytes(self._buffer[2:4]), 4
            elif length == 127:
                length, start = int.from_bytes(self._buffer[2:10]), 10
            if len(self._buffer) < start + length:
                return
            payload = bytes(self._buffer[start : start + length])
            opcode = self._buffer[0] & 0x0F
            del self._buffer[: start + length]
            if opcode == 9:
                self._transport.write(_masked(payload, opcode=10))
            place = payload.find(_MARK)
            if place >= 0:
                begin = place + len(_MARK)
                number = int(payload[begin : payload.index(b'"', begin)])
                self.received.append((number, now_ns))


class Viewers:
    """All viewers of this process."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._open: list[ViewerConnection] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self.broken = 0
        self._leaving = False

    async def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what a line asks for."""
        match request["do"]:
            case "open":
                for begin in range(0, request["count"], _AT_ONCE):
                    count = min(_AT_ONCE, request["count"] - begin)
                    await asyncio.gather(
                        *(self._connect(reads=request["reads"]) for _ in range(count))
                    )
                return {"open": len(self._open)}
            case "until":
                await self._until(request["number"], request["limit_s"])
                return {}
            case "received":
                received = [one.received for one in self._open]
                for one in self._open:
                    one.received = []
                return {"received": received, "broken": self.broken}
            case "close":
                self._leaving = True
                for one in self._open:
                    one.close()
                return {}
        raise ValueError(request["do"])

    def lost(self, connection: ViewerConnection) -> None:
        """Open another connection for a viewer that was cut off for not reading."""
        if self._leaving:
            return
        if connection in self._open:
            self._open.remove(connection)
        if connection.reads:
            self.broken += 1
            return
        task = asyncio.create_task(self._connect(reads=False))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, *, reads: bool) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: ViewerConnection(self, reads=reads), self._host, self._port
        )
        await connection.opened
        self._open.append(connection)
        if not reads:
            # Who does not read does not notice being cut off either.
            loop.call_later(_RETURN_S, connection.close)

    async def _until(self, number: int, limit_s: float) -> None:
        """Wait until everybody who reads has an update, with a limit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while any(
                    one.reads and (not one.received or one.received[-1][0] < number)
                    for one in self._open
                ):
                    await asyncio.sleep(0.05)


def _masked(payload: bytes, opcode: int = 1) -> bytes:
    """Return a short frame as clients send it, with a mask of zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def _main(host: str, port: int) -> None:
    await answer_lines(Viewers(host, port).answer)


if __name__ == "__main__":
    _host, _, _port = sys.argv[1].rpartition(":")
    uvloop.run(_main(_host, int(_port)))
