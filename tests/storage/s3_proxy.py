"""A faulty line to S3: a proxy on this machine that forwards requests, or answers and breaks as planned."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """A request as it came, header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def call(self) -> str:
        """Which of S3's calls it is, by boto3's name."""
        query = urlsplit(self.path).query
        if self.method == "POST":
            return "CompleteMultipartUpload" if "uploadId=" in query else "CreateMultipartUpload"
        if self.method == "PUT":
            return "UploadPart" if "partNumber=" in query else "PutObject"
        if self.method == "DELETE":
            return "AbortMultipartUpload" if "uploadId=" in query else "DeleteObject"
        if self.method == "GET" and "list-type=2" in query:
            return "ListObjectsV2"
        if self.method == "GET" and "uploads" in query.split("&"):
            return "ListMultipartUploads"
        return {"GET": "GetObject", "HEAD": "HeadObject"}[self.method]


#: Status, headers in lower case, body.
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Fault:
    """What happens to some requests.

    Attributes:
        calls: Which of S3's calls it strikes; all if empty.
        when: Which of these.
        times: How many of them; then it is spent.
        skip: How many go through before.
        status: Answered instead of S3's own answer; 0: S3's own.
        code: S3's error code in that answer; without it an HTML page.
        forward: Does S3 get the request at all?
        drop: The connection ends without an answer.
        cut_after: The body of the answer ends after so many bytes.
        headers: Put into S3's own answer.
        without: Headers that S3 does not get.
        before: Called before anything else.
    """

    calls: tuple[str, ...] = ()
    when: Callable[[Request], bool] = lambda request: True
    times: int = 1_000_000
    skip: int = 0
    status: int = 0
    code: str = ""
    extra: str = ""
    forward: bool = False
    drop: bool = False
    cut_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    before: Callable[[Request], None] = lambda request: None

    def strikes(self, request: Request) -> bool:
        if (self.calls and request.call not in self.calls) or not self.times or not self.when(request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Manner(Protocol):
    """How a store behaves that is not S3: answers each request that no fault strikes, in the request's own thread."""

    def __call__(self, request: Request, forward: Forward) -> Answer: ...


class Forward(Protocol):
    """Sends the request on to S3, less some headers, or with its body changed; or a HEAD for the object instead."""

    def __call__(
        self, *, without: tuple[str, ...] = (), method: str = "", edit: Callable[[bytes], bytes] = bytes
    ) -> Answer: ...


def honestly(request: Request, forward: Forward) -> Answer:
    """Do what S3 does."""
    return forward()


class S3Proxy:
    """The line; `url` is what a store takes for its endpoint."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.faults: list[Fault] = []
        self.manner: Manner = honestly
        self.seen: list[Request] = []
        self.lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.proxy = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def mend(self) -> None:
        """Be a good line again, and forget what came over it: one line serves many tests."""
        self.faults.clear()
        self.seen.clear()
        self.manner = honestly

    def plan(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def calls(self) -> list[str]:
        return [request.call for request in self.seen]

    def fault_for(self, request: Request) -> Fault | None:
        with self.lock:
            self.seen.append(request)
            return next((fault for fault in self.faults if fault.strikes(request)), None)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def faulty_line(upstream: str) -> Iterator[S3Proxy]:
    proxy = S3Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()


def error_xml(code: str, extra: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
        f"<Message>Words of the store about {code}.</Message>{extra}</Error>"
    ).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    proxy: S3Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def _any(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        planned = proxy.fault_for(request)
        fault = planned or Fault(forward=True)
        fault.before(request)
        answer: Answer = (0, {}, b"")
        if planned is None:
            answer = proxy.manner(request, partial(self._forward, proxy.upstream, body))
        elif fault.forward or not (fault.status or fault.drop):
            answer = self._forward(proxy.upstream, body, without=fault.without)
        if fault.drop:
            self.close_connection = True
            return
        if fault.status:
            page = error_xml(fault.code, fault.extra) if fault.code else b"<html>no</html>"
            answer = (fault.status, {"content-type": "application/xml" if fault.code else "text/html"}, page)
        status, headers, content = answer
        self._send(status, headers | fault.headers, content, fault.cut_after)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any

    def _forward(
        self,
        upstream: str,
        came: bytes,
        *,
        without: tuple[str, ...] = (),
        method: str = "",
        edit: Callable[[bytes], bytes] = bytes,
    ) -> Answer:
        body = b"" if method else edit(came)
        if len(body) != len(came):
            without = (*without, "content-length")
        connection = http.client.HTTPConnection(upstream, timeout=60)
        try:
            connection.putrequest(method or self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in without:
                    connection.putheader(name, value)
            if "content-length" in without:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def _send(self, status: int, headers: dict[str, str], content: bytes, cut_after: int | None) -> None:
        self.send_response_only(status)
        headers = {"date": self.date_time_string(), **headers}
        if self.command != "HEAD":
            headers["content-length"] = str(len(content))
        for name, value in headers.items():
            if name not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(content if cut_after is None else content[:cut_after])
        if cut_after is not None and cut_after < len(content):
            self.wfile.flush()
            time.sleep(0.05)  # let what was sent arrive before the end
            self.close_connection = True
