"""A small real media host: serves one video with Range and If-Range, and misbehaves as planned."""

from __future__ import annotations

import fcntl
import re
import socket
import ssl
import struct
import sys
import termios
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Fault:
    """How one answer differs from a good one."""

    status: int = 0  # answered instead, with a small HTML body
    headers: dict[str, str] = field(default_factory=dict)  # added to the answer
    cut_after: int | None = None  # the body breaks off after so many bytes of this answer
    how: str = "close"  # or "reset" (RST), or "stall" (silence)
    ignore_if_range: bool = False  # the rest of whatever it has by now, without asking what the start was of
    without: tuple[str, ...] = ()  # headers that are left out
    ignore_range: bool = False  # the whole content with 200, whatever was asked
    no_length: bool = False  # no Content-Length, the end is the end of the connection
    chunked: bool = False  # no Content-Length, chunked encoding
    content: bytes | None = None  # sent instead of the video
    before: Callable[[MediaServer], None] | None = None


@dataclass
class Seen:
    """A request as it arrived, header names in lower case."""

    path: str
    headers: dict[str, str]


class MediaServer:
    """One video at every path that has no file of its own; faults are used up one per request."""

    def __init__(self, content: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.content = content
        self.files: dict[str, bytes] = {}
        self.etag = '"first"'
        self.last_modified = ""
        self.content_type = "video/mp4"
        self.faults: deque[Fault] = deque()
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.media = self
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def plan(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def serving(content: bytes, tls: ssl.SSLContext | None = None) -> Iterator[MediaServer]:
    server = MediaServer(content, tls)
    try:
        yield server
    finally:
        server.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    media: MediaServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        media = self.server.media
        media.seen.append(Seen(self.path, {name.lower(): value for name, value in self.headers.items()}))
        try:
            fault = media.faults.popleft()
        except IndexError:
            fault = Fault()
        if fault.before:
            fault.before(media)
        if fault.status:
            self._send(fault.status, fault.headers, b"<html>no</html>", fault)
            return
        headers = {"content-type": media.content_type, "accept-ranges": "bytes"}
        if media.etag:
            headers["etag"] = media.etag
        if media.last_modified:
            headers["last-modified"] = media.last_modified
        content = media.files.get(self.path, media.content)
        status, body = 200, content if fault.content is None else fault.content
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        condition = self.headers.get("if-range")
        fits = fault.ignore_if_range or condition is None or condition in (media.etag, media.last_modified)
        if asked and fits and not fault.ignore_range:
            start, whole = int(asked.group(1)), len(body)
            if start >= whole:
                self._send(416, {"content-range": f"bytes */{whole}"}, b"", fault)
                return
            end = min(whole, int(asked.group(2) or whole) + 1)
            status, body = 206, body[start:end]
            headers["content-range"] = f"bytes {start}-{end - 1}/{whole}"
        headers = {name: value for name, value in headers.items() if name not in fault.without}
        self._send(status, {**headers, **fault.headers}, body, fault)

    def _send(self, status: int, headers: dict[str, str], body: bytes, fault: Fault) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault.chunked:
            self.send_header("transfer-encoding", "chunked")
        elif not fault.no_length:
            self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        part = body if fault.cut_after is None else body[: fault.cut_after]
        if fault.chunked:
            for start in range(0, len(part), 50_000):
                piece = part[start : start + 50_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if len(part) == len(body):
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(part)
        if len(part) < len(body):
            self.wfile.flush()
            if fault.how == "stall":
                self.server.media.closing.wait(10)
            elif fault.how == "reset":
                # Let the bytes arrive first: a reset overtakes those that the client's side has not acknowledged.
                while _unacknowledged(self.connection) and not self.server.media.closing.wait(0.005):
                    pass
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that were written and that the other side's kernel has not confirmed."""
    return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
