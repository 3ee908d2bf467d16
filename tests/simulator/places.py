"""A server on this machine that references lead to: each path answers in a way of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100_000)


class Places(ThreadingHTTPServer):
    """`seen` are the paths and Range headers that arrived."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str]] = []
        self.ending = threading.Event()

    def at(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_address[1]}/{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Places

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Range", "")))
        what, _, rest = self.path.lstrip("/").partition("?")
        if what.isdigit() and int(what) >= 400:
            self._answer(int(what), b"no", "text/plain")
        elif what == "elsewhere":
            self._answer(302, b"", "text/plain", rest)
        elif what == "slow":
            self.server.ending.wait(20)
        elif what == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif what == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nxxx")
        elif what == "garbage":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
        elif what == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not self.server.ending.wait(0.1):
                try:
                    self.wfile.write(b"x")
                except OSError:
                    return
        else:
            bodies = {
                "login": (b"<!DOCTYPE html><p>Please log in.", "text/html; charset=utf-8"),
                "login.png": (b"\xef\xbb\xbf\n <HTML><p>Please log in.", "image/png"),
                "empty.png": (b"", "image/png"),
            }
            self._answer(200, *bodies.get(what, (PNG, "image/png")))

    def _answer(self, status: int, body: bytes, content_type: str, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the reader has seen enough
            super().handle()


@contextmanager
def running_places() -> Iterator[Places]:
    places = Places()
    thread = threading.Thread(target=places.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield places
    finally:
        places.ending.set()
        places.shutdown()
        thread.join()
        places.server_close()
