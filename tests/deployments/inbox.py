"""A local HTTP server that stands for a chat's webhook and keeps what arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Inbox:
    """Where to post, and what was posted."""

    url: str = ""
    messages: list[str] = field(default_factory=list)

    def having(self, *words: str) -> list[str]:
        """Messages with all these words."""
        return [message for message in self.messages if all(word in message for word in words)]


@contextmanager
def open_inbox() -> Iterator[Inbox]:
    """Take messages for the length of a ``with`` block."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.messages.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        inbox.url = f"http://127.0.0.1:{server.server_port}/services/T/B/X"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield inbox
        server.shutdown()
