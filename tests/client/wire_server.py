"""A tiny HTTP server on raw sockets that misbehaves on purpose, and remembers what it was sent.

Each request uses up one reply of the script; the last one is repeated. A reply is a function of the connection.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Wire:
    """One connection, as a reply sees it."""

    socket: socket.socket
    stopped: threading.Event

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def wait(self, seconds: float) -> None:
        self.stopped.wait(seconds)


class CloseConnection(Exception):
    """Raised by a reply to end the connection without another word."""


Reply = Callable[[Wire], None]


@dataclass
class BeforeReading:
    """A reply that is given before the request is read."""

    reply: Reply


def answer(
    status: int = 200, document: object = None, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Reply:
    """A whole, well-formed answer."""
    content = json.dumps(document, ensure_ascii=False).encode() if body is None else body
    fields = {"Content-Length": str(len(content)), "Content-Type": "application/json"} | (headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    def reply(wire: Wire) -> None:
        wire.send(f"HTTP/1.1 {status} Test\r\n{head}\r\n".encode() + content)

    return reply


def page(status: int) -> Reply:
    """A gateway's page."""
    return answer(status, body=b"<html><title>Bad gateway</title></html>", headers={"Content-Type": "text/html"})


def cut_short(document: object, keep: int, status: int = 200) -> Reply:
    """An answer that promises more than it holds, then ends."""
    content = json.dumps(document).encode()

    def reply(wire: Wire) -> None:
        wire.send(f"HTTP/1.1 {status} Test\r\nContent-Length: {len(content) + 50}\r\n\r\n".encode() + content[:keep])
        raise CloseConnection

    return reply


def hang(wire: Wire) -> None:
    """No answer, until the server is stopped."""
    wire.wait(60)
    raise CloseConnection


def drop(wire: Wire) -> None:
    """The connection is closed after the request was read."""
    raise CloseConnection


def reset(wire: Wire) -> None:
    """The connection is reset, not closed."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    raise CloseConnection


def trickle(head: bytes, every: float = 0.05) -> Reply:
    """A letter now and then, for ever: never silent long enough for a time-out between two reads."""

    def reply(wire: Wire) -> None:
        wire.send(head)
        while not wire.stopped.is_set():
            wire.send(b"a")
            wire.wait(every)
        raise CloseConnection

    return reply


TRICKLED_HEADERS = trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ")
TRICKLED_BODY = trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")


def then_close_quietly(reply: Reply) -> Reply:
    """Answer as if the connection stayed open, then close it, as a server does with an idle one."""

    def both(wire: Wire) -> None:
        reply(wire)
        raise CloseConnection

    return both


def relay(wire: Wire, port: int) -> None:
    """Pass bytes both ways between a connection and a port here, as a proxy's tunnel does."""
    with socket.create_connection(("127.0.0.1", port)) as onward:
        ends = {wire.socket: onward, onward: wire.socket}
        while not wire.stopped.is_set():
            for end in select.select(list(ends), [], [], 0.05)[0]:
                data = end.recv(65536)
                if not data:
                    raise CloseConnection
                ends[end].sendall(data)


@dataclass
class WireServer:
    """Serves a script on 127.0.0.1, with TLS if a context is given."""

    script: Sequence[Reply | BeforeReading]
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._next = 0
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def posts(self) -> int:
        return sum(request.method == "POST" for request in self.received)

    def wait_for_requests(self, count: int) -> None:
        """A client may have given up before this side has finished reading."""
        deadline = time.monotonic() + 60
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with suppress(OSError):
            # Closing alone would leave a thread that accepts on Linux, and the port open with it.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self.connections += 1
                    self._open.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, CloseConnection), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        wire = Wire(connection, self._stopped)
        with connection.makefile("rb") as reader:
            while True:
                early = self._peek()
                if isinstance(early, BeforeReading):
                    self._take()
                    early.reply(wire)
                request = _read(reader)
                if request is None:
                    return
                with self._lock:
                    self.received.append(request)
                reply = self._take()
                (reply.reply if isinstance(reply, BeforeReading) else reply)(wire)

    def _peek(self) -> Reply | BeforeReading:
        with self._lock:
            return self.script[min(self._next, len(self.script) - 1)]

    def _take(self) -> Reply | BeforeReading:
        reply = self._peek()
        with self._lock:
            self._next += 1
        return reply


def _read(reader: object) -> Received | None:
    readline, read = reader.readline, reader.read  # type: ignore[attr-defined]
    first = readline().decode()
    if not first:
        return None
    headers: dict[str, str] = {}
    while (line := readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = read(int(headers.get("content-length", "0")))
    if headers.get("transfer-encoding") == "chunked":
        while size := int(readline(), 16):
            body += read(size)
            readline()
        readline()
    method, path, _ = first.split(" ")
    return Received(method, path, headers, body)
