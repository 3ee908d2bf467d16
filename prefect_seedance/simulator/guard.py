"""What the server refuses before the application sees it: pages from elsewhere, and requests without measure.

The simulator answers on loopback, where every web page that is open on this machine can send requests to. A page is
told apart by its Origin, and one that has its name lead to 127.0.0.1 (DNS rebinding) by its Host. Heads and bodies have
a limit in bytes and in time, so that no connection fills the memory or stays for ever.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_seedance.simulator.answers import envelope
from prefect_seedance.simulator.transport import transport_if_known

#: The names that nobody but this machine has.
_LOCAL = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::([0-9]{1,5}))?", re.IGNORECASE)
_MOST_HEADERS, _HEAD_BYTES = 100, 32 * 1024
_BODY_BYTES = 1024 * 1024
#: What multipart adds to a file.
_AROUND_A_FILE = 64 * 1024
#: For a whole body, for a client to take a piece of the answer, and for what a refused client still sends.
BODY_SECONDS, SEND_SECONDS, LINGER_SECONDS = 120.0, 300.0, 2.0


class Guard:
    """An application that is spared what a server of this machine alone should not answer.

    Args:
        app: The application.
        port: Of the server, as a Host or an Origin must name it.
        upload_limit_bytes: Largest file that is taken.
    """

    def __init__(self, app: ASGIApp, port: int, upload_limit_bytes: int) -> None:
        self._app, self._port, self._upload_limit_bytes = app, port, upload_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._upload_limit_bytes + _AROUND_A_FILE if scope["path"].endswith("/files/upload") else _BODY_BYTES
        exchange = _Exchange(scope, receive, send, limit)
        answer = self._refusal(scope, limit)
        if answer is not None:
            await exchange.refuse(answer)
            return
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            if not exchange.over:  # else it is the application's surprise at a body that ended
                raise

    def _refusal(self, scope: Scope, limit: int) -> Response | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        size = sum(len(name) + len(value) for name, value in headers) + len(scope["raw_path"] + scope["query_string"])
        if len(headers) > _MOST_HEADERS or size > _HEAD_BYTES:
            return _refused(431, f"{_MOST_HEADERS} headers and {_HEAD_BYTES} bytes at most")

        def values(name: bytes) -> list[str]:
            return [value.decode("latin-1").strip() for given, value in headers if given == name]

        hosts, origins = values(b"host"), values(b"origin")
        # By any port: a tunnel has another one. A page has an Origin, and its port is part of whose page it is.
        if len(hosts) != 1 or _LOCAL.fullmatch(hosts[0]) is None:
            return _refused(403, "Host: only 127.0.0.1 and localhost are answered")
        foreign = [each for each in origins if not self._is_ours(each)]
        # A page that asks without an Origin, as for an image, is told by its browser; a link that is clicked is fine.
        elsewhere = set(values(b"sec-fetch-site")) - {"same-origin", "none"}
        followed = values(b"sec-fetch-mode") == ["navigate"] and scope["method"] in ("GET", "HEAD")
        if foreign or (elsewhere and not followed):
            return _refused(403, "Origin: pages from elsewhere are not answered")
        # The server's HTTP library has refused what is not a number, and more than one.
        if any(int(length) > limit for length in values(b"content-length")):
            return _too_large(limit)
        return None

    def _is_ours(self, origin: str) -> bool:
        match = _LOCAL.fullmatch(origin.removeprefix("http://"))
        return origin.startswith("http://") and match is not None and int(match.group(1) or 80) == self._port


class _Exchange:
    """One request with the limits of its body, and its answer.

    Attributes:
        over: Whether the rest of the body is of no use any more: the client has gone, or is refused.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self.over = False
        self._receive, self._send, self._limit = receive, send, limit
        self._transport = transport_if_known(scope)
        self._taken, self._whole, self._started = 0, False, False
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive(self) -> Message:
        """Hand the body on, as far as it keeps to the limits."""
        if self.over:
            return {"type": "http.disconnect"}
        if self._whole:  # what is waited for now is that the client goes
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            return await self._cut(_refused(408, f"the body took more than {BODY_SECONDS:g} s"))
        if message["type"] == "http.disconnect":
            self.over = True
            return message
        self._taken += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        return await self._cut(_too_large(self._limit)) if self._taken > self._limit else message

    async def send(self, message: Message) -> None:
        """Hand the answer on; a client that does not take it is left."""
        if self.over and not self._started:  # the guard has answered
            return
        self._started = True
        with self._ended_after(SEND_SECONDS):
            await self._send(message)

    async def refuse(self, answer: Response) -> None:
        """Answer, and close; what still comes is thrown away for a moment, or the client would not see the answer."""
        self.over = True
        headers = [*answer.raw_headers, (b"connection", b"close")]
        with self._ended_after(SEND_SECONDS):
            await self._send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            await self._send({"type": "http.response.body", "body": answer.body, "more_body": True})
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._whole:
                    message = await self._receive()
                    self._whole = not message.get("more_body", False)
        except TimeoutError:
            pass
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _cut(self, answer: Response) -> Message:
        if not self._started:
            await self.refuse(answer)
        elif self._transport is not None:
            self._transport.abort()
        self.over = True
        return {"type": "http.disconnect"}

    @contextmanager
    def _ended_after(self, seconds: float) -> Generator[None, None, None]:
        end: Callable[[], None] = self._transport.abort if self._transport else lambda: None
        timer = asyncio.get_running_loop().call_later(seconds, end)
        try:
            yield
        finally:
            timer.cancel()


def _refused(status: int, reason: str) -> Response:
    return envelope(None, status, reason, status)


def _too_large(limit: int) -> Response:
    return _refused(413, f"the body: {limit} bytes at most")
