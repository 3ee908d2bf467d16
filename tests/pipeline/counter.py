"""A counter in front of the simulator: notes every request before it is answered, and answers some itself.

What it passes on is a real request over HTTP. It knows what the simulator does not: how often the balance and the
catalog were asked for, over how many connections, and how to leave a question without an answer.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import NamedTuple

import httpx


class Made(NamedTuple):
    """An answer that is not the simulator's."""

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})


BALANCE, CATALOG, CREATE, QUERY = "GET /user/balance", "GET /model/catalog", "POST /videos", "GET /videos/"


def envelope(data: object = None, *, code: object = 0, message: str = "ok") -> Made:
    """An answer as the vendor words it."""
    return Made(200, json.dumps({"code": code, "msg": message, "data": data}).encode())


@dataclass
class Rule:
    """What happens to requests of a kind instead of being passed on.

    Attributes:
        kind: One of the kinds above, or how the path ends.
        answer: Makes the answer; None leaves the question without one until the counter ends.
        times: To how many of them.
    """

    kind: str
    answer: Callable[[], Made] | None
    times: int

    def is_of(self, kind: str, path: str) -> bool:
        """Whether it is for a request."""
        return self.kind == kind or path.partition("?")[0].endswith(self.kind)


@dataclass
class Counter:
    """A running counter.

    Attributes:
        url: Base URL to give to a client.
        asked: Kind of each request, in order of arrival; None of another kind.
        moments: When each arrived, by the monotonic clock.
        connections: How many were opened.
        closed: How many of these have ended.
        most_creates: How many creates there were at the same time, at most.
        files: What lies behind other paths.
    """

    url: str
    upstream: str
    asked: list[str] = field(default_factory=list)
    moments: list[tuple[float, str]] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    creates: int = 0
    most_creates: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, kind: str) -> int:
        """How many requests of a kind have arrived."""
        with self.lock:
            return self.asked.count(kind)

    def answer(self, kind: str, answer: Callable[[], Made], times: int = 1_000_000) -> None:
        """Answer the next requests of a kind here."""
        self.rules.append(Rule(kind, answer, times))

    def hang(self, kind: str, times: int = 1_000_000) -> None:
        """Leave the next requests of a kind without an answer."""
        self.rules.append(Rule(kind, None, times))

    def until(self, kind: str, count: int = 1, seconds: float = 30.0) -> None:
        """Wait until so many requests of a kind have arrived."""
        ends = time.monotonic() + seconds
        while self.count(kind) < count:
            assert time.monotonic() < ends, f"no {kind} arrived within {seconds} s"
            time.sleep(0.01)

    def until_closed(self, seconds: float = 30.0) -> None:
        """Wait until every connection has ended."""
        ends = time.monotonic() + seconds
        while self.closed < self.connections:
            assert time.monotonic() < ends, "a connection was left open"
            time.sleep(0.01)

    @contextmanager
    def under_way(self, kind: str) -> Iterator[None]:
        """Count a create until it is answered."""
        if kind != CREATE:
            yield
            return
        with self.lock:
            self.creates += 1
            self.most_creates = max(self.most_creates, self.creates)
        try:
            yield
        finally:
            with self.lock:
                self.creates -= 1

    def take(self, path: str, kind: str) -> Rule | None:
        """Note a request, and find its rule."""
        with self.lock:
            self.asked.append(kind)
            self.moments.append((time.monotonic(), path))
            rule = next((each for each in self.rules if each.is_of(kind, path) and each.times), None)
            if rule is not None:
                rule.times -= 1
            return rule


def kind_of(method: str, path: str) -> str:
    path = path.partition("?")[0]
    if method == "GET" and "/videos/" in path:
        return QUERY
    return next((kind for kind in (BALANCE, CATALOG, CREATE) if f"{method} {path}".endswith(kind.split()[1])), path)


@contextmanager
def counted(upstream: str) -> Iterator[Counter]:
    """Run a counter in front of a server for the length of a ``with`` block."""
    client = httpx.Client(base_url=upstream, timeout=60.0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            with counter.lock:
                counter.connections += 1

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()
            with counter.lock:
                counter.closed += 1

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = kind_of(self.command, self.path)
            with counter.under_way(kind):
                self.answer(counter.take(self.path, kind), body)

        def answer(self, rule: Rule | None, body: bytes) -> None:
            if rule is not None and rule.answer is None:
                counter.ended.wait(60)
                self.close_connection = True
                return
            if rule is not None and rule.answer is not None:
                self.respond(rule.answer())
            elif (content := counter.files.get(self.path)) is not None:
                self.respond(Made(200, content, {"Content-Type": "video/mp4"}))
            else:
                self.pass_on(body)

        def pass_on(self, body: bytes) -> None:
            kept = {name: value for name, value in self.headers.items() if name in ("Authorization", "Content-Type")}
            try:
                answer = client.request(self.command, self.path, content=body, headers=kept)
            except httpx.HTTPError:  # a fault on the wire is passed on too
                self.close_connection = True
                return
            kept = {"Content-Type": answer.headers.get("Content-Type", "")}
            self.respond(Made(answer.status_code, answer.content, kept))

        def respond(self, made: Made) -> None:
            headers = {"Content-Type": "application/json", "Content-Length": str(len(made.body)), **made.headers}
            with suppress(OSError):
                self.send_response(made.status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(made.body)

        do_GET = do_POST = do_HEAD = serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that goes away

    server = Server(("127.0.0.1", 0), Handler)
    counter = Counter(f"http://127.0.0.1:{server.server_address[1]}", upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield counter
    finally:
        counter.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
        client.close()
