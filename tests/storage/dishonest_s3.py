"""Stores that speak S3 and do not keep its promises: racy, lying and slow, over real HTTP, in front of moto.

Each is a `Manner` of the proxy. What other stores are reported to do is in their own trackers: VersityGW and SeaweedFS
look first and write later, rclone ignores conditions.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.storage.s3_proxy import Answer, Forward, Request, error_xml

CONDITIONS = {"create": "if-none-match", "swap": "if-match"}
REFUSED: Answer = (412, {"content-type": "application/xml"}, error_xml("PreconditionFailed"))
BROKEN: Answer = (500, {"content-type": "application/xml"}, error_xml("InternalError"))


@dataclass
class Dishonest:
    """A store with faults of character.

    Attributes:
        racy: Which conditions (``create``, ``swap``) it looks at first, to write later.
        ignores: Which conditions it ignores, and says nothing.
        window_seconds: How long it takes from the look to the write.
        latency_seconds: How long each answer takes.
        stalls: Share of the requests that take ten times as long.
        agrees: Answers a write that its condition forbids with 200, and does not write.
        forgets: Share of the conditional writes that it answers with 200 and does not do.
        hides: Share of the conditional writes that it does and answers with an error.
        below: Strikes only keys that hold this text.
        seed: Of the dice.
    """

    racy: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    window_seconds: float = 0.02
    latency_seconds: float = 0.0
    stalls: float = 0.0
    agrees: bool = False
    forgets: float = 0.0
    hides: float = 0.0
    below: str = ""
    seed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if self.latency_seconds:
            time.sleep(self.latency_seconds * (10 if self._falls(self.stalls) else 1))
        condition = next((kind for kind, name in CONDITIONS.items() if name in request.headers), "")
        if request.method != "PUT" or not condition or self.below not in request.path:
            return forward()
        if self._falls(self.forgets):
            return 200, {"etag": '"0123456789abcdef0123456789abcdef"'}, b""
        answer = self._write(request, forward, condition)
        if self.agrees and answer[0] == 412:
            return 200, {"etag": '"0123456789abcdef0123456789abcdef"'}, b""
        return BROKEN if self._falls(self.hides) else answer

    def _write(self, request: Request, forward: Forward, condition: str) -> Answer:
        name = CONDITIONS[condition]
        if condition in self.ignores:
            return forward(without=(name,))
        if condition not in self.racy:
            return forward()
        status, headers, _ = forward(method="HEAD", without=(name,))
        allowed = status == 404 if condition == "create" else headers.get("etag") == request.headers[name]
        if not allowed:
            return REFUSED
        time.sleep(self.window_seconds)
        return forward(without=(name,))

    def _falls(self, share: float) -> bool:
        with self._lock:
            return bool(share) and self._dice.random() < share


#: Headers of requests and answers by which S3 and its client compare what arrived with what was sent.
CHECKSUMS = (
    "x-amz-checksum-crc32",
    "x-amz-checksum-type",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-mp-object-size",
)


@dataclass
class Truncating:
    """A store without checksums that loses the ends of videos, and a policy that does not let us delete.

    Attributes:
        edit: What becomes of the bytes of a video, or of a part of one.
        deletes: Whether we may delete.
        conditions: Whether it honours conditions.
    """

    edit: Callable[[bytes], bytes] = lambda body: body[:-1]
    deletes: bool = False
    conditions: bool = True

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if request.method == "DELETE" and "uploadId=" not in request.path and not self.deletes:
            return 403, {"content-type": "application/xml"}, error_xml("AccessDenied")
        without = CHECKSUMS if self.conditions else (*CHECKSUMS, *CONDITIONS.values())
        is_video = request.method == "PUT" and ".mp4" in request.path
        status, headers, body = forward(without=without, edit=self.edit if is_video else bytes)
        return status, {name: value for name, value in headers.items() if name not in CHECKSUMS}, body


@dataclass
class Refusing:
    """A store that refuses headers which it does not know: Backblaze B2 says 501, others 400, 405 or 403.

    Attributes:
        names: Beginnings of the names of the headers that it does not know.
        status: Of its answer.
        code: In its answer; without one it is an HTML page.
        calls: Which of S3's calls it refuses so; all if empty.
    """

    names: tuple[str, ...]
    status: int = 501
    code: str = "NotImplemented"
    calls: tuple[str, ...] = ()

    def __call__(self, request: Request, forward: Forward) -> Answer:
        known = not any(header.startswith(self.names) for header in request.headers)
        if known or (self.calls and request.call not in self.calls):
            return forward()
        page = error_xml(self.code) if self.code else b"<html>no</html>"
        return self.status, {"content-type": "application/xml" if self.code else "text/html"}, page


@dataclass
class OneWriteAtATime:
    """A store that lets through one write of a key at a time, and in each while, and throttles all others.

    Attributes:
        seconds: How long after a write of a key the next one is throttled.
        status: Of that answer: Cloudflare R2 says 429, S3 itself 503, and 409 where another write is under way.
        code: In that answer.
        retry_after: Header of that answer, if any.
    """

    seconds: float = 0.5
    status: int = 429
    code: str = "TooManyRequests"
    retry_after: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _free_from: dict[str, float] = field(default_factory=dict[str, float])

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if request.call != "PutObject":
            return forward()
        key = request.path.partition("?")[0]
        with self._lock:
            now = time.monotonic()
            if now < self._free_from.get(key, 0.0):
                headers = {"content-type": "application/xml"}
                if self.retry_after:
                    headers["retry-after"] = self.retry_after
                return self.status, headers, error_xml(self.code)
            self._free_from[key] = now + self.seconds
        return forward()
