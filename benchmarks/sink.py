"""A server for measurements: gives videos of any size over HTTP, and takes them over S3 without keeping them.

    python benchmarks/sink.py [KILOBYTES_PER_SECOND]

With a number, what comes in over S3 comes in no faster than that, over all connections together, as over an uplink.
It prints its port, and ends when its standard input is closed. `GET /video/<bytes>` gives a video of that size;
everything under `/bucket/` speaks as much S3 as an upload needs. Of what it takes it keeps the sizes.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BLOCK = os.urandom(1024 * 1024)
INDEX = (16).to_bytes(4, "big") + b"moov" + b"no index"


class Sink(ThreadingHTTPServer):
    """What it has taken: the size of each object, and of each part on its way."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, bytes_per_second: float) -> None:
        self.bytes_per_second = bytes_per_second
        super().__init__(("127.0.0.1", 0), Handler)
        self.free_from = 0.0
        self.objects: dict[str, int] = {}
        self.parts: dict[str, dict[str, int]] = {}
        self.lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind; a slow line holds less on its way than this machine would."""
        if self.bytes_per_second < float("inf"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        super().server_bind()

    def pace(self, count: int) -> None:
        """Wait until so many bytes can have come."""
        with self.lock:
            now = time.monotonic()
            self.free_from = max(now, self.free_from) + count / self.bytes_per_second
            pause = self.free_from - now
        time.sleep(pause)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may hang up."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer's body waits 40 ms for the client's word about its head
    server: Sink

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/video/"):
            self.give_video(int(url.path.rpartition("/")[2]))
        elif "uploads" in url.query:
            self.answer(
                200, b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
            )
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_HEAD(self) -> None:
        size = self.server.objects.get(urlsplit(self.path).path)
        self.send_response(200 if size is not None else 404)
        self.send_header("content-length", str(size or 0))
        self.send_header("last-modified", self.date_time_string())
        self.send_header("etag", '"sink"')
        self.end_headers()

    def do_PUT(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        size = self.drain()
        with self.server.lock:
            if "uploadId" in query:
                self.server.parts[query["uploadId"][0]][query["partNumber"][0]] = size
            else:
                self.server.objects[url.path] = size
        self.answer(200, b"", {"etag": '"sink"'})

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        self.drain()
        headers: dict[str, str] = {}
        with self.server.lock:
            if "uploadId" in query:
                self.server.objects[url.path] = sum(self.server.parts.pop(query["uploadId"][0]).values())
                body = b"<CompleteMultipartUploadResult><ETag>sink</ETag></CompleteMultipartUploadResult>"
            else:
                name = f"upload-{len(self.server.parts)}-{os.urandom(4).hex()}"
                self.server.parts[name] = {}
                tag = "InitiateMultipartUploadResult"
                body = f"<{tag}><UploadId>{name}</UploadId></{tag}>".encode()
                # As S3 answers: it compares the whole itself, so nobody has to measure it twice.
                asked = ("x-amz-checksum-algorithm", "x-amz-checksum-type")
                headers = {header: value for header in asked if (value := self.headers.get(header))}
        self.answer(200, body, headers)

    def do_DELETE(self) -> None:
        self.answer(204, b"")

    def give_video(self, size: int) -> None:
        kind = (24).to_bytes(4, "big") + b"ftypisom\0\0\2\0isomiso2"
        content = size - len(kind) - len(INDEX)
        self.send_response(200)
        self.send_header("content-type", "video/mp4")
        self.send_header("content-length", str(size))
        self.send_header("etag", f'"{size}"')
        self.end_headers()
        self.wfile.write(kind + content.to_bytes(4, "big") + b"mdat")
        left = content - 8
        while left:
            step = min(left, len(BLOCK))
            self.wfile.write(memoryview(BLOCK)[:step])
            left -= step
        self.wfile.write(INDEX)

    def drain(self) -> int:
        """Read the body and forget it; give the number of bytes that it stands for."""
        left = int(self.headers.get("content-length") or 0)
        size = int(self.headers.get("x-amz-decoded-content-length") or left)
        shaped = self.server.bytes_per_second < float("inf")
        buffer = memoryview(bytearray(16 * 1024 if shaped else 1024 * 1024))
        while left:
            read = self.rfile.readinto(buffer[: min(left, len(buffer))])  # type: ignore[attr-defined]
            if not read:
                raise ConnectionError("the client is gone")
            left -= read
            if shaped:
                self.server.pace(read)
        return size

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    sink = Sink(float(sys.argv[1]) * 1000 if len(sys.argv) > 1 else float("inf"))
    print(sink.server_address[1], flush=True)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
