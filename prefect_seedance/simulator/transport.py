"""Answers that break on purpose: closed sockets, reset connections, hangs, bodies that stop half-way.

ASGI cannot say "close the socket now", so the server runs uvicorn's h11 protocol with one addition: the scope
carries the connection's transport. A connection that does not bring a whole head in time is closed, since uvicorn waits
for one without an end. Every wait here ends when the client goes or the simulator stops.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import h11
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORT = "seedance_simulator.transport"
#: For the head of a request, from the connection or from its first byte.
HEAD_SECONDS = 20.0


class DroppableProtocol(H11Protocol):
    """uvicorn's protocol on h11 with the connection's transport in the scope's state, and a limit for heads."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the application for this connection."""
        super().connection_made(transport)
        # Per connection, as uvicorn's own switch for it silences the access log of the whole process.
        self.access_log = False
        inner = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("state", {})[_TRANSPORT] = transport
            await inner(scope, receive, send)

        self.app = with_transport
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Take what has come in."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unwatch_head()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        """Begin to wait for a head, or end it; a byte more of a head does not begin it anew."""
        if self.conn.their_state is not h11.IDLE:
            self._unwatch_head()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _unwatch_head(self) -> None:
        timer, self._head_timer = self._head_timer, None
        if timer is not None:
            timer.cancel()


def transport_if_known(scope: Scope) -> asyncio.Transport | None:
    """Return the connection of a request; None under another server."""
    return cast("dict[str, asyncio.Transport]", scope.get("state", {})).get(_TRANSPORT)


def _transport(scope: Scope) -> asyncio.Transport:
    transport = transport_if_known(scope)
    if transport is None:
        raise RuntimeError("faults on the wire need the simulator's own server: use running_simulator")
    return transport


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def pause(seconds: float, receive: Receive, stopping: asyncio.Event) -> bool:
    """Wait, and return whether to go on: not when the client has gone or the server stops."""
    ends = [asyncio.create_task(_client_gone(receive)), asyncio.create_task(stopping.wait())]
    try:
        done, _ = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
    return not done


async def _close_now(transport: asyncio.Transport, receive: Receive) -> None:
    """Close the connection without sending what is left, and wait until uvicorn has seen it."""
    transport.abort()
    await _client_gone(receive)


async def _reset(transport: asyncio.Transport) -> None:
    """Reset the connection, after what was written has left this process."""
    for _ in range(100):
        if transport.is_closing() or not transport.get_write_buffer_size():
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)  # a reset throws away what the kernel has not delivered yet
    connection = cast("socket.socket | None", transport.get_extra_info("socket"))
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Drop(Response):
    """No answer at all: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection."""
        await _close_now(_transport(scope), receive)


class Hang(Response):
    """No answer until the client goes, the time is up or the server stops; then the connection is closed."""

    def __init__(self, seconds: float, stopping: asyncio.Event) -> None:
        super().__init__()
        self._seconds, self._stopping = seconds, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then close the connection."""
        await pause(self._seconds, receive, self._stopping)
        await _close_now(_transport(scope), receive)


class Delayed(Response):
    """Another answer, late."""

    def __init__(self, answer: Response, seconds: float, stopping: asyncio.Event) -> None:
        super().__init__()
        self._answer, self._seconds, self._stopping = answer, seconds, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer if the client is still there."""
        still_there = await pause(self._seconds, receive, self._stopping)
        await (self._answer if still_there else Drop())(scope, receive, send)


@dataclass(frozen=True)
class BodyPace:
    """How a body goes out.

    Attributes:
        stop_after: Bytes of the body after which it breaks off, None for never.
        ending: How the connection ends there.
        stall_seconds: How long it stands still before that.
        spread_seconds: Over how long the whole body is spread.
    """

    stop_after: int | None = None
    ending: Literal["close", "reset"] = "close"
    stall_seconds: float = 0.0
    spread_seconds: float = 0.0


class Streamed(Response):
    """A body of known length in chunks, delivered whole or broken off. Constant memory."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: Iterable[bytes],
        length: int,
        stopping: asyncio.Event,
        delivery: BodyPace = BodyPace(),
    ) -> None:
        super().__init__(status_code=status, headers={**headers, "Content-Length": str(length)})
        self._chunks, self._length, self._stopping, self._delivery = chunks, length, stopping, delivery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the body as the delivery says."""
        transport, delivery = transport_if_known(scope), self._delivery
        left = math.inf if delivery.stop_after is None else delivery.stop_after
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for chunk in self._chunks:
            part = chunk[: int(min(left, len(chunk)))]
            left -= len(part)
            if part:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            if left <= 0:
                break
            wait = delivery.spread_seconds * len(chunk) / max(self._length, 1)
            # Without the sleep of 0 one fast reader would keep the loop from all others.
            gone = not await pause(wait, receive, self._stopping) if wait else await asyncio.sleep(0)
            if gone or self._stopping.is_set() or (transport is not None and transport.is_closing()):
                await _close_now(_transport(scope), receive)
                return
        if left > 0:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._break_off(_transport(scope), receive)

    async def _break_off(self, transport: asyncio.Transport, receive: Receive) -> None:
        if self._delivery.stall_seconds:
            await pause(self._delivery.stall_seconds, receive, self._stopping)
        if self._delivery.ending == "reset":
            await _reset(transport)
        else:
            transport.close()
        gone = asyncio.create_task(_client_gone(receive))
        await asyncio.wait([gone], timeout=5)  # until what was written has been read
        gone.cancel()
        await _close_now(transport, receive)
