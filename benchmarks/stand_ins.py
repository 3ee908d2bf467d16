"""A vendor and an S3 that cost next to nothing, each a process of its own, so that they leave the machine to others.

    python -m benchmarks.stand_ins vendor SECONDS BYTES
    python -m benchmarks.stand_ins s3

Each prints its port, and ends when its standard input is closed. `GET /-/counts` returns as JSON what was asked of it.

The vendor speaks create, task status, balance, catalog and media in the shapes of the real contract; a video takes the
same time each, and is a real clip. S3 keeps the conditions of writes (`If-None-Match`, `If-Match`), compares CRC32s and
sizes, and forgets the bytes of what is larger than a record.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import httpx

from benchmarks.processes import announced

API = "/api/open-api/v1"
#: What is larger is kept as its size and CRC32 alone.
KEPT_BYTES = 64 * 1024
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """A request, read to its end."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Headers
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is answered; of a HEAD only the headers go out."""

    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=dict[str, str])


class Connection(asyncio.Protocol):
    """One kept connection: HTTP/1.1, bodies with a length."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self._answer = answer
        self._transport: Any = None
        self._pieces: list[bytes] = []
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._missing = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._missing -= len(data)
        if self._head is not None and self._missing > 0:
            return
        while self._next():
            pass

    def _next(self) -> bool:
        """Answer one request, if it is whole."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = [data] if data else []
        if self._head is None:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                return False
            first, *lines = data[:end].decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self._head = method, target, headers
            self._pieces = [data[end + 4 :]]
            self._missing = int(headers.get("content-length") or 0) - len(data) + end + 4
            if headers.get("expect") == "100-continue" and self._missing > 0:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return self._missing <= 0
        (method, target, headers), length = self._head, int(self._head[2].get("content-length") or 0)
        if len(data) < length:
            return False
        path, _, query = target.partition("?")
        request = Request(method, unquote(path), dict(parse_qsl(query, True)), headers, data[:length])
        self._head, self._missing = None, 0
        self._pieces = [data[length:]] if len(data) > length else []
        answer = self._answer(request)
        closes = headers.get("connection", "").lower() == "close"
        lines = [f"HTTP/1.1 {answer.status} x", f"date: {_now()}"]
        if "content-length" not in answer.headers and answer.status != 204:
            lines.append(f"content-length: {len(answer.body)}")
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += ["connection: close"] if closes else []
        self._transport.write("\r\n".join([*lines, "\r\n"]).encode("latin-1"))
        if method != "HEAD" and answer.body:
            self._transport.write(answer.body)
        if closes:
            self._transport.close()
            return False
        return bool(self._pieces)


_dates: tuple[int, str] = 0, ""


def _now() -> str:
    global _dates
    second = int(time.time())
    if _dates[0] != second:
        _dates = second, formatdate(second, usegmt=True)
    return _dates[1]


class Vendor:
    """The vendor.

    Args:
        seconds: How long it makes a video.
        clip: The video.
    """

    def __init__(self, seconds: float, clip: bytes) -> None:
        self._seconds, self._clip = seconds, clip
        self._tasks: dict[str, tuple[float, str]] = {}
        self.counts: Counter[str] = Counter()

    def answer(self, request: Request) -> Answer:
        path = request.path
        if path.startswith("/media/"):
            self.counts["media"] += 1
            return Answer(200, self._clip, {"content-type": "video/mp4", "etag": f'"{path}"', "accept-ranges": "none"})
        if path == f"{API}/seedance/videos" and request.method == "POST":
            self.counts["create"] += 1
            task_id = f"videos_{len(self._tasks):08d}{os.urandom(8).hex()}"
            model = str(json.loads(request.body)["model"])
            self._tasks[task_id] = time.time(), model
            return _envelope({**self._facts(task_id), "status": "queued"})
        if path.startswith(f"{API}/videos/"):
            self.counts["status"] += 1
            task_id = path.rpartition("/")[2]
            if task_id not in self._tasks:
                return _envelope(None, 20002, "任务不存在")
            return _envelope(self._status(task_id, request.headers["host"]))
        self.counts[path] += 1
        if path == f"{API}/user/balance":
            return _envelope({"balance": 1e6, "used_coin": 0.0, "available": 1e6})
        if path == "/api/openapi/model/catalog":
            return _envelope({"list": []})
        return Answer(200, json.dumps(self.counts).encode()) if path == "/-/counts" else Answer(404)

    def _facts(self, task_id: str) -> dict[str, Any]:
        created, model = self._tasks[task_id]
        return {"task_id": task_id, "model": model, "created_at": int(created), "cost": 0.25}

    def _status(self, task_id: str, host: str) -> dict[str, Any]:
        facts, waited = self._facts(task_id), time.time() - self._tasks[task_id][0]
        if waited < self._seconds:
            progress = int(100 * waited / self._seconds)
            return {**facts, "status": "processing", "progress": progress, "result": None}
        link = f"http://{host}/media/{task_id}.mp4?token=0"
        result = {"image_url": "", "video_url": link}
        completed = int(facts["created_at"] + self._seconds)
        return {**facts, "status": "completed", "progress": 100, "result": result, "completed_at": completed}


def _envelope(data: Any, code: int = 20000, msg: str = "ok") -> Answer:
    body = json.dumps({"code": code, "msg": msg, "data": data}).encode()
    return Answer(200, body, {"content-type": "application/json"})


@dataclass
class Stored:
    """What S3 knows of an object."""

    etag: str
    crc32: int
    size: int
    content: bytes | None
    headers: dict[str, str]
    modified: float


class S3:
    """One bucket after the other, in memory."""

    def __init__(self) -> None:
        self._objects: dict[str, Stored] = {}
        self._uploads: dict[str, tuple[dict[str, str], dict[int, bytes]]] = {}
        self._numbers = itertools.count(1)
        self.counts: Counter[str] = Counter()

    def answer(self, request: Request) -> Answer:
        if request.path == "/-/counts":
            return Answer(200, json.dumps(self.counts).encode())
        if request.path == "/-/fill":
            return self._fill(**json.loads(request.body))
        answer = self._answers(request)
        self.counts[request.method] += 1
        self.counts[f"HTTP {answer.status}"] += 1
        return answer

    def _answers(self, request: Request) -> Answer:
        query, key = request.query, request.path
        if "uploads" in query or "uploadId" in query:
            return self._of_parts(request)
        if request.method == "PUT":
            if key.count("/") == 1:
                return Answer()
            return self._put(request, key, request.body, _kept(request.headers))
        if request.method == "DELETE":
            self._objects.pop(key, None)
            return Answer(204)
        if "list-type" in query:
            return self._list(key, query.get("prefix", ""))
        found = self._objects.get(key)
        if found is None:
            return _error(404, "NoSuchKey")
        headers = {**found.headers, "etag": found.etag, "last-modified": formatdate(found.modified, usegmt=True)}
        if request.method == "HEAD":
            headers["content-length"] = str(found.size)
            if "x-amz-checksum-mode" in request.headers:
                headers |= {"x-amz-checksum-crc32": _base64(found.crc32), "x-amz-checksum-type": "FULL_OBJECT"}
            return Answer(200, b"", headers)
        if found.content is None:
            return _error(501, "NotImplemented")
        return Answer(200, found.content, headers)

    def _fill(self, keys: list[str], content: str) -> Answer:
        """Have the same small object under very many keys, without a request for each."""
        body, now = content.encode(), time.time()
        stored = Stored('"filled"', zlib.crc32(body), len(body), body, {}, now)
        self._objects |= dict.fromkeys(keys, stored)
        return Answer()

    def _put(self, request: Request, key: str, body: bytes, headers: dict[str, str]) -> Answer:
        there = self._objects.get(key)
        wanted = request.headers.get("if-match")
        if there is not None and "if-none-match" in request.headers:
            return _error(412, "PreconditionFailed")
        if wanted is not None and there is None:
            return _error(404, "NoSuchKey")
        if wanted is not None and there is not None and wanted != there.etag:
            return _error(412, "PreconditionFailed")
        crc32 = zlib.crc32(body)
        if request.headers.get("x-amz-checksum-crc32", _base64(crc32)) != _base64(crc32):
            return _error(400, "BadDigest")
        etag = f'"{next(self._numbers):032x}"'
        content = body if len(body) <= KEPT_BYTES else None
        self._objects[key] = Stored(etag, crc32, len(body), content, headers, time.time())
        return Answer(200, b"", {"etag": etag})

    def _of_parts(self, request: Request) -> Answer:
        key, query, upload = request.path, request.query, request.query.get("uploadId", "")
        if request.method == "GET":
            return _xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>")
        if request.method == "POST" and not upload:
            name = f"upload-{next(self._numbers)}"
            self._uploads[name] = _kept(request.headers), {}
            asked = ("x-amz-checksum-algorithm", "x-amz-checksum-type")
            headers = {header: request.headers[header] for header in asked if header in request.headers}
            return _xml("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>", headers)
        if upload not in self._uploads:
            return _error(404, "NoSuchUpload")
        headers, parts = self._uploads[upload]
        if request.method == "PUT":
            parts[int(query["partNumber"])] = request.body
            return Answer(200, b"", {"etag": f'"{next(self._numbers):032x}"'})
        del self._uploads[upload]
        if request.method == "DELETE":
            return Answer(204)
        answer = self._put(request, key, b"".join(parts[number] for number in sorted(parts)), headers)
        if answer.status != 200:
            return answer
        return _xml("CompleteMultipartUploadResult", f"<ETag>{escape(answer.headers['etag'])}</ETag>")

    def _list(self, path: str, prefix: str) -> Answer:
        bucket = path.strip("/")
        whole = f"/{bucket}/{prefix}"
        rows = [
            f"<Contents><Key>{escape(key.removeprefix(f'/{bucket}/'))}</Key><ETag>{escape(each.etag)}</ETag>"
            f"<Size>{each.size}</Size><LastModified>{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(each.modified))}"
            "</LastModified></Contents>"
            for key, each in sorted(self._objects.items())
            if key.startswith(whole)
        ]
        return _xml("ListBucketResult", "<IsTruncated>false</IsTruncated>" + "".join(rows))


def _kept(headers: Headers) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name.startswith("x-amz-meta-") or name in ("content-type", "content-disposition")
    }


def _base64(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def _xml(tag: str, inside: str, headers: Headers | None = None) -> Answer:
    body = f'<?xml version="1.0"?><{tag} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inside}</{tag}>'
    return Answer(200, body.encode(), {**(headers or {}), "content-type": "application/xml"})


def _error(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code></Error>".encode()
    return Answer(status, body, {"content-type": "application/xml"})


def clip_of(size: int, seconds: int = 2) -> bytes:
    """Return a real clip of 720p, filled up to this size, which must not be less than the clip has."""
    from prefect_seedance.simulator.media import video_for

    video = video_for("benchmark", 1280, 720, seconds, size)
    if video.size != size:
        raise ValueError(f"a clip of {seconds} s has {video.size} bytes, more than {size}")
    return b"".join(video.chunks(0, size))


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """Run a stand-in for the length of a ``with`` block, and return its URL."""
    with announced("-m", "benchmarks.stand_ins", *arguments) as port:
        yield f"http://127.0.0.1:{int(port)}"


#: The requests of S3 that are counted.
METHODS = ("GET", "PUT", "HEAD", "DELETE", "POST")


def counts_of(url: str) -> Counter[str]:
    """Return what a stand-in was asked so far."""
    return Counter(httpx.get(f"{url}/-/counts", trust_env=False, timeout=60).json())


async def serve(answer: Callable[[Request], Answer]) -> None:
    """Answer on a free port until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(answer), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the standard input is closed."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    if sys.argv[1] == "s3":
        asyncio.run(serve(S3().answer))
    else:
        with tempfile.TemporaryDirectory():
            clip = clip_of(int(sys.argv[3]))
        asyncio.run(serve(Vendor(float(sys.argv[2]), clip).answer))


if __name__ == "__main__":
    main()
