"""The line to an endpoint: sent on as long as it makes progress, cut when the run is cancelled, slowed when asked to.

boto3 has one time-out for the connection and for the sending of a whole body. A part of 8 MiB takes 28 seconds on an
uplink of 2.4 Mbit/s, and no connection may take that long. So what is sent goes out in small pieces, each with a
time-out of its own, and what is watched over is how much has left.

An upload has a `Line`: all that it asks is asked in threads of that line, and its owner waits for them in small steps.
When the run is cancelled, the owner shuts their sockets down, whatever they wait for, and goes.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.exceptions import ClientError, ReadTimeoutError

from prefect_seedance.headers import retry_after_seconds
from prefect_seedance.stopwatch import set_alarm
from prefect_seedance.storage.errors import RelayCancelled
from prefect_seedance.storage.helper_threads import HelperThreads
from prefect_seedance.storage.s3.errors import is_throttled

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_s3 import S3Client

_Result = TypeVar("_Result")

#: How much must leave in which time: 4 KB/s. The system's own buffers hold megabytes, and take more only when they are
#: a third empty.
LEAST_BYTES, LEAST_SECONDS = 256 * 1024, 60.0
#: How long the answer to an upload may take. S3 keeps the line alive while it puts parts together, others do not.
ANSWER_SECONDS = 150.0
_BODY_SECONDS = 25.0  # until more comes of an answer that has begun
#: How long any answer may take in all, but for what is read out of an object.
MOST_ANSWER_SECONDS = 600.0
_PIECE_BYTES = 256 * 1024
_LOOK_SECONDS = 0.2
#: What is asked after a cancellation, such as that the parts be removed, may take this long.
_FAREWELL_SECONDS = 3.0
#: How often what was throttled is asked again, with which pauses, and the longest that the store may ask for.
_THROTTLED_PAUSES_SECONDS = (1.0, 2.0, 4.0)
_LONGEST_PAUSE_SECONDS = 30.0


_threads = HelperThreads("s3-upload")


class Line:
    """What one upload asks of its store, in threads that can be cut short.

    Args:
        cancelled: Set when it is to stop.
    """

    def __init__(self, cancelled: threading.Event | None) -> None:
        self.cancelled = cancelled or threading.Event()
        self._work: list[Future[Any]] = []
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self.is_cut = False

    def start(self, call: Callable[..., _Result], *arguments: Any) -> Future[_Result]:
        """Call in a thread of this line."""
        work: Future[_Result] = _threads.start(self._call, call, arguments)
        self._work = [*(each for each in self._work if not each.done()), work]
        return work

    def result(self, work: Future[_Result], seconds: float = float("inf")) -> _Result:
        """Wait for what was started.

        Args:
            work: What `start` returned.
            seconds: After which it is given up.

        Raises:
            RelayCancelled: The run was cancelled meanwhile.
        """
        end = time.monotonic() + seconds
        while not work.done():
            if self.is_cut or self.cancelled.is_set() or time.monotonic() > end:
                self.cut()
                raise RelayCancelled
            wait([work], timeout=_LOOK_SECONDS)
        try:
            return work.result()
        except CancelledError:
            raise RelayCancelled from None

    def run(self, call: Callable[..., _Result], *arguments: Any) -> _Result:
        """Call in a thread of this line, and wait for it."""
        return self.result(self.start(call, *arguments))

    def cut(self) -> None:
        """End what is under way: whatever it waits for, it fails, and is not repeated."""
        with self._lock:
            self.is_cut = True
            sockets = list(self._sockets)
        for each in sockets:
            _shut(each)

    def close(self) -> None:
        """Wait for what is under way. A cancelled run does not: it ends by itself."""
        if not self.cancelled.is_set():
            wait(self._work)

    def farewell(self, call: Callable[[], object]) -> None:
        """Ask for something after the line was cut; of a cancelled run for a few seconds only.

        Raises:
            RelayCancelled: It did not end in time.
        """
        if not self.cancelled.is_set():
            call()
            return
        last = Line(None)
        last.result(last.start(call), _FAREWELL_SECONDS)

    def holds(self, each: socket.socket) -> None:
        """Remember a socket that is in use.

        Raises:
            CancelledError: The line is cut. boto3 passes it on, and repeats nothing.
        """
        with self._lock:
            if self.is_cut:
                raise CancelledError
            self._sockets.add(each)

    def releases(self, each: socket.socket | None) -> None:
        """Forget a socket."""
        with self._lock:
            self._sockets.discard(each)  # type: ignore[arg-type]

    def _call(self, call: Callable[..., _Result], arguments: tuple[Any, ...]) -> _Result:
        _here.line = self
        try:
            return call(*arguments)
        finally:
            _here.line = None


class _Here(threading.local):
    """What the thread is at.

    Attributes:
        line: Of the upload that it works for; None for all others.
        exchange: The request that it sends, or whose answer it reads.
        in_race: It is one of several that write at once on purpose, and tell who was let through.
        stalled: The last body that it sent stood still.
    """

    line: Line | None = None
    exchange: _Exchange | None = None
    in_race = False
    stalled = False


_here = _Here()


class InRace:
    """A context in which what is throttled is asked again once only."""

    def __enter__(self) -> None:
        """Begin."""
        _here.in_race = True

    def __exit__(self, *_: object) -> None:
        """End."""
        _here.in_race = False


class _Exchange:
    """A request and its answer: while it lasts, its socket is in the hands of the thread's line, and a clock runs."""

    def __init__(self, url: str) -> None:
        self._url, self._line = url, _here.line
        self._socket: Any = None
        self._call_off: Callable[[], object] | None = None
        self._is_overdue = False

    def __enter__(self) -> None:
        _here.exchange = self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        _here.exchange = None
        if self._call_off is not None:
            self._call_off()
        if self._line is not None:
            self._line.releases(self._socket)
            if self._line.is_cut and error is not None:
                raise CancelledError from None
        if self._is_overdue:
            _here.stalled = True
            raise ReadTimeoutError(endpoint_url=self._url) from None

    def goes_over(self, each: Any) -> None:
        """Take note of the socket.

        Raises:
            CancelledError: The line is cut.
        """
        if self._line is not None and each is not self._socket:
            self._line.releases(self._socket)
            self._line.holds(each)
        self._socket = each

    def is_sent(self) -> None:
        """Let the clock run: each read has a time-out, and an answer of one byte a second would have no end."""
        if self._call_off is None:
            self._call_off = set_alarm(MOST_ANSWER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._is_overdue = True
        _shut(self._socket)


class _PatientConnection:
    """A connection of boto3's that sends in pieces, and belongs to the line of its thread."""

    # Of urllib3's connection, beside which this stands.
    sock: Any
    timeout: Any

    def send(self, data: Any, /) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)) or getattr(self, "_response_received", False):
            super().send(data)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
            return
        if self.sock is None:
            if _here.line is not None and _here.line.is_cut:
                raise CancelledError
            self.connect()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        _here.stalled = False
        if _here.exchange is not None:
            _here.exchange.goes_over(self.sock)
        view: memoryview[int] = memoryview(data)  # pyright: ignore[reportUnknownArgumentType]
        _send(self.sock, view.cast("B"), self.timeout)

    def getresponse(self) -> Any:
        if _here.line is not None:
            self.timeout = max(self.timeout or 0.0, ANSWER_SECONDS)
        if _here.exchange is not None:
            _here.exchange.is_sent()
        answer = super().getresponse()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
        if _here.line is not None and self.sock is not None:
            self.sock.settimeout(_BODY_SECONDS)
        return answer  # pyright: ignore[reportUnknownVariableType]


def _shut(each: Any) -> None:
    """Shut a socket down under whoever waits for it."""
    # Not its own method: that of an encrypted socket ends the encryption first, while another thread sends.
    with suppress(OSError, TypeError):
        socket.socket.shutdown(getattr(each, "socket", each), socket.SHUT_RDWR)


def _send(sock: Any, view: memoryview, timeout: Any) -> None:
    """Send all of it, as long as enough of it leaves."""
    window, left_in_window = time.monotonic(), 0
    sock.settimeout(LEAST_SECONDS)
    try:
        while view:
            sent = sock.send(view[:_PIECE_BYTES])
            view, left_in_window = view[sent:], left_in_window + sent
            now = time.monotonic()
            if now - window > LEAST_SECONDS:
                if left_in_window < LEAST_BYTES:
                    raise TimeoutError(f"less than {LEAST_BYTES} bytes left in {LEAST_SECONDS:.0f} s")
                window, left_in_window = now, 0
    except TimeoutError:
        _here.stalled = True
        raise
    finally:
        with suppress(OSError):
            sock.settimeout(timeout)


class _HTTP(_PatientConnection, AWSHTTPConnection):  # pyright: ignore[reportIncompatibleMethodOverride]
    """To an endpoint of plain http."""


class _HTTPS(_PatientConnection, AWSHTTPSConnection):  # pyright: ignore[reportIncompatibleMethodOverride]
    """To an endpoint."""


class _HTTPPool(AWSHTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(AWSHTTPSConnectionPool):
    ConnectionCls = _HTTPS


def send_patiently(client: S3Client) -> None:
    """Let a client of boto3's send as this module says. boto3 has no setting for it."""
    session: Any = vars(client)["_endpoint"].http_session
    pools = {"http": _HTTPPool, "https": _HTTPSPool}
    session._pool_classes_by_scheme = session._manager.pool_classes_by_scheme = pools  # pyright: ignore
    send: Callable[[AWSPreparedRequest], AWSResponse] = session.send

    def exchange(request: AWSPreparedRequest) -> AWSResponse:
        with _Exchange(request.url):
            return send(request)

    session.send = exchange


def repeat_throttled(
    response: tuple[AWSResponse, dict[str, Any]] | None = None,
    attempts: int = 1,
    caught_exception: Exception | None = None,
    **_: object,
) -> float | None:
    """Ask again, after a pause, what was not done because of too many others. A handler of boto3's.

    boto3 repeats a 503, but not a 429 of one key, nor a 409 which says that another write is under way.
    """
    if caught_exception is not None:
        stalled, _here.stalled = _here.stalled, False
        if stalled:  # a line that stands still does so at the next try as well; smaller pieces may pass
            raise caught_exception
        return None
    if response is None or response[0].status_code not in (409, 429, 503):
        return None
    if not is_throttled(ClientError(response[1], "")):  # type: ignore[arg-type]
        return None
    pauses = _THROTTLED_PAUSES_SECONDS[:1] if _here.in_race else _THROTTLED_PAUSES_SECONDS
    if attempts > len(pauses):
        return None
    pause = random.uniform(0.5, 1.0) * pauses[attempts - 1]
    asked = retry_after_seconds(response[0].headers) or 0.0
    pause = min(max(pause, asked), _LONGEST_PAUSE_SECONDS)
    if _here.line is not None and _here.line.cancelled.wait(pause):
        raise CancelledError
    return 0.0 if _here.line is not None else pause
