"""How a call travels: the only module of the client that imports httpx.

It writes a call as an HTTP request, carries it, blocking or awaited, and returns what became of it as an `Exchange` of
plain values. Another HTTP library is a change of this module alone.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

import anyio
import anyio.to_thread
import httpx

from prefect_seedance.asides import http_lines_are_asides
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.client.exchange import Exchange, Incoming
from prefect_seedance.client.protocol import ApiRequest, T, UploadSource, UploadStream
from prefect_seedance.client.settings import ClientSettings, checked_seconds, not_an_address
from prefect_seedance.network import UnusableEnvironment, check_proxies
from prefect_seedance.stopwatch import set_alarm, start_stopwatch
from prefect_seedance.tls import tls_context
from prefect_seedance.versions import version_of

#: What may carry the bytes instead of httpx's own transport.
Transport = httpx.BaseTransport
AsyncTransport = httpx.AsyncBaseTransport
#: Asked when a request's first byte is about to leave, past name resolution, proxy and handshakes: may it still?
MaySend = Callable[[], bool]

# How long an idle connection is kept. httpx's own 5 s are less than the 10 s between two polls of a task, each of which
# would then begin with a connection of its own.
KEEPALIVE_SECONDS = 60.0

# A create has a connection of its own. One that waits in a pool may have been closed by the server meanwhile,
# and a create that fails on it would be unknown although nobody received it.
FRESH_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=0)

# httpx raises these only while no byte of the request has left.
NEVER_SENT_FAULTS = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


#: Calls that an awaited carrier has under way at once, creates aside; further ones wait for their turn.
MOST_LINES = 100
#: Idle connections that it keeps.
MOST_IDLE_LINES = 20


def one_connection(keepalive_seconds: float) -> httpx.Limits:
    """Return the limits of a client that has one connection and keeps it."""
    return httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keepalive_seconds)


def user_agent() -> str:
    """Return what the client calls itself, with its version."""
    return f"prefect-seedance/{version_of()}"


def began_to_leave(fault: Exception, noted: bool | None) -> bool | None:
    """Return whether a request's bytes began to leave before a fault: by its kind, else as it was noted.

    Example:
        >>> began_to_leave(httpx.ConnectError("refused"), None)
        False
        >>> began_to_leave(httpx.ReadError("reset"), True)
        True
    """
    return False if isinstance(fault, NEVER_SENT_FAULTS) else noted


def check_environment(*, uses_proxies: bool) -> None:
    """Check that the proxies and certificates that the environment names can be used. Nothing is sent.

    Args:
        uses_proxies: Whether they are asked at all.

    Raises:
        ConfigurationError: One cannot; it is named, without its value.
    """
    try:
        if uses_proxies:
            check_proxies()
        tls_context()
    except UnusableEnvironment as error:
        raise ConfigurationError(error.variable, error.rule, error.fix) from error


class _Carrier:
    """What the two carriers share: the writing of requests, and what became of them; no I/O."""

    def __init__(self, settings: ClientSettings, *, own_transport: bool) -> None:
        try:
            _ = httpx.URL(settings.base_url).host  # decoded here, since each request will
        except (httpx.InvalidURL, ValueError) as error:
            raise not_an_address() from error
        self._settings = settings
        self._own_transport = own_transport
        # A simulator on this machine is never asked through a proxy, which would see the key in clear text.
        self._trust_env = not settings.is_local

    @contextmanager
    def _usable_environment(self) -> Generator[None, None, None]:
        """Raise errors of ours for what the environment names and cannot be used, instead of those of httpx."""
        check_environment(uses_proxies=self._trust_env and self._own_transport)
        try:
            yield
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise ConfigurationError(
                "HTTPS_PROXY",
                "or another proxy setting of the environment cannot be used.",
                "Correct or remove it.",
            ) from error

    def _deadline_of(self, call: ApiRequest[T], timeout: float | None, may_send: MaySend | None) -> Deadline:
        usual = self._settings.timeout.total if call.total_seconds is None else call.total_seconds
        total = usual if timeout is None else checked_seconds(timeout)
        # httpx's own transport tells when sending begins, so until then nothing is sent. A transport that was
        # passed in may tell nothing: then nothing is known.
        return Deadline(total, call.method, sent=False if self._own_transport else None, may_send=may_send)

    def _incoming(self) -> Incoming:
        return Incoming(self._settings.api_key.get_secret_value())

    def _request(
        self, call: ApiRequest[T], deadline: Deadline, trace: Callable[..., Any], upload: UploadStream | None
    ) -> httpx.Request:
        """Write a call as an HTTP request, with its time-outs and its deadline."""
        # No compression: answers are small, and an error page stays readable when it is cut.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": user_agent()}
        if call.authenticated:
            headers["Authorization"] = f"Bearer {self._settings.api_key.get_secret_value()}"
        if call.fresh:
            headers["Connection"] = "close"
        if call.json is not None:
            headers["Content-Type"] = "application/json"
        files = None
        if upload is not None and call.upload is not None:
            files = {"file": (call.upload.name, cast("BinaryIO", upload), call.upload.media_type)}
        limits = self._settings.timeout
        total = max(deadline.total_seconds, 0.001)
        # The total deadline alone limits a create once sent: to give up earlier would only make it unknown.
        read, write = (total, total) if call.fresh else (limits.read, limits.write)
        timeout = {"connect": min(limits.connect, total), "read": read, "write": write, "pool": min(limits.pool, total)}
        return httpx.Request(
            call.method,
            self._settings.base_url + call.path,
            params=dict(call.params) or None,
            headers=headers,
            content=call.content(),
            files=files,
            extensions={"timeout": timeout, "trace": trace},
        )


class Carrier(_Carrier):
    """Carries calls, blocking.

    Args:
        settings: Key, host and time-outs.
        keepalive_seconds: How long an idle connection of the pool is kept.
        transport: Carries the bytes instead of httpx's own transport; it is not closed.

    Raises:
        ConfigurationError: The host cannot be used.
    """

    def __init__(self, settings: ClientSettings, keepalive_seconds: float, transport: Transport | None = None) -> None:
        super().__init__(settings, own_transport=transport is None)
        self._transport = None if transport is None else _Borrowed(transport)
        self._limits = one_connection(keepalive_seconds)
        # Each has one connection at most, so that it is known which one a call goes out on, and which to cut: httpx
        # tells of a connection when it is made, and not when it is taken from a pool.
        self._idle = [_Line(self._open(self._limits))]  # now, so that settings that cannot work show at once
        self._under_way: set[Deadline] = set()

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            self._idle.pop().client.close()

    def interrupt(self) -> None:
        """Cut the connections of the calls that other threads have under way, as at the end of their time."""
        for deadline in self._under_way.copy():
            deadline.cut()

    def carry(self, call: ApiRequest[T], timeout: float | None = None, may_send: MaySend | None = None) -> Exchange:
        """Send a call once. Whatever the network does is in the exchange, not raised.

        Args:
            call: What to send.
            timeout: Limit of the whole exchange in seconds; by default that of the call, else of the settings.
            may_send: Asked right before the first byte leaves; False keeps everything back.

        Raises:
            InvalidRequest: The call cannot be written, or what is uploaded is not as long as was said.
            Exception: Whatever opening and reading of what is uploaded raises.
        """
        with http_lines_are_asides(self._settings.api_key.get_secret_value()):
            deadline = self._deadline_of(call, timeout, may_send)
            if call.fresh:
                with self._open(FRESH_CONNECTION) as alone:
                    return self._carry(alone, call, deadline)
            try:
                line = self._idle.pop()  # the one used last
            except IndexError:
                line = _Line(self._open(self._limits))
            try:
                if self._own_transport:  # another one has a pool of its own
                    deadline.keep(line.connection)
                return self._carry(line.client, call, deadline)
            finally:
                line.connection = deadline.connection
                self._idle.append(line)

    def _carry(self, client: httpx.Client, call: ApiRequest[T], deadline: Deadline) -> Exchange:
        incoming = self._incoming()
        with _opened(call.upload) as upload:
            request = self._request(call, deadline, deadline.note, upload)
            call_off: Callable[[], object] = deadline.finish
            self._under_way.add(deadline)
            try:
                call_off = set_alarm(deadline.total_seconds, deadline.cut)
                response = client.send(request, stream=True)
                try:
                    incoming.begin(response.status_code, response.headers)
                    for chunk in response.iter_raw():
                        incoming.add(chunk)
                        deadline.check()
                finally:
                    deadline.finish()
                    response.close()
            except Exception as seen:
                # Whatever it is: once bytes have left, an exception that nobody expected must not pass for
                # a create that can be repeated.
                if upload is not None:
                    upload.check()
                fault = deadline.fault(seen)
                return incoming.exchange(fault=fault, sent=began_to_leave(fault, deadline.sent))
            finally:
                call_off()
                self._under_way.discard(deadline)
        return incoming.exchange(sent=deadline.sent)

    def _open(self, limits: httpx.Limits) -> httpx.Client:
        with self._usable_environment():
            return httpx.Client(
                transport=self._transport, verify=tls_context(), trust_env=self._trust_env, limits=limits
            )


@dataclass
class _Line:
    """A client of one connection, and that connection, if it has had one."""

    client: httpx.Client
    connection: socket.socket | None = None


class AsyncCarrier(_Carrier):
    """Carries calls, awaited. Otherwise like `Carrier`."""

    def __init__(
        self, settings: ClientSettings, keepalive_seconds: float, transport: AsyncTransport | None = None
    ) -> None:
        super().__init__(settings, own_transport=transport is None)
        self._transport = None if transport is None else _AsyncBorrowed(transport)
        self._limits = one_connection(keepalive_seconds)
        # Clients of one connection each. A pool of httpx's looks at all of its connections each time that a request
        # begins or ends, which with twenty idle ones costs as much as the request; and of requests that were cancelled
        # half-way, as each is that runs out of time, it may keep connections for ever, until it has none left to give.
        self._idle = [self._open(self._limits)]  # now, so that settings that cannot work show at once
        self._room: anyio.Semaphore | None = None

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            await self._idle.pop().aclose()

    async def carry(
        self, call: ApiRequest[T], timeout: float | None = None, may_send: MaySend | None = None
    ) -> Exchange:
        """Send a call once; see `Carrier.carry`."""
        with http_lines_are_asides(self._settings.api_key.get_secret_value()):
            deadline = self._deadline_of(call, timeout, may_send)
            if not call.fresh:
                return await self._carry(self._line, call, deadline)
            async with self._open(FRESH_CONNECTION) as alone:
                return await self._carry(lambda: nullcontext(alone), call, deadline)

    @asynccontextmanager
    async def _line(self) -> AsyncGenerator[httpx.AsyncClient]:
        """Take the client that was used last, or open one, for the length of a call."""
        if not self._own_transport:  # it has a pool of its own
            yield self._idle[0]
            return
        self._room = self._room or anyio.Semaphore(MOST_LINES)
        async with self._room:
            line = self._idle.pop() if self._idle else self._open(self._limits)
            is_whole = False
            try:
                yield line
                is_whole = True
            finally:
                if is_whole and len(self._idle) < MOST_IDLE_LINES:
                    self._idle.append(line)
                else:
                    with anyio.CancelScope(shield=True):
                        await line.aclose()

    async def _carry(
        self,
        line: Callable[[], AbstractAsyncContextManager[httpx.AsyncClient]],
        call: ApiRequest[T],
        deadline: Deadline,
    ) -> Exchange:
        incoming = self._incoming()
        async with _opened_in_thread(call.upload) as upload:
            request = self._request(call, deadline, deadline.anote, upload)
            if upload is not None:
                request.stream = _ReadInThread(cast("httpx.SyncByteStream", request.stream))
            try:
                with anyio.fail_after(deadline.total_seconds):
                    async with line() as client:
                        response = await client.send(request, stream=True)
                        try:
                            incoming.begin(response.status_code, response.headers)
                            async for chunk in response.aiter_raw():
                                incoming.add(chunk)
                        finally:
                            await response.aclose()
            except Exception as seen:
                # As in the blocking carrier: nothing unexpected may pass for a create that can be repeated.
                if upload is not None:
                    upload.check()
                fault = deadline.fault(seen)
                return incoming.exchange(fault=fault, sent=began_to_leave(fault, deadline.sent))
        return incoming.exchange(sent=deadline.sent)

    def _open(self, limits: httpx.Limits) -> httpx.AsyncClient:
        with self._usable_environment():
            return httpx.AsyncClient(
                transport=self._transport, verify=tls_context(), trust_env=self._trust_env, limits=limits
            )


class _Borrowed(httpx.BaseTransport):
    """Somebody else's transport: closing is their business."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._transport.handle_request(request)


class _AsyncBorrowed(httpx.AsyncBaseTransport):
    """Somebody else's transport: closing is their business."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)


@contextmanager
def _opened(source: UploadSource | None) -> Generator[UploadStream | None]:
    """Open what is uploaded for one try; None if nothing is."""
    if source is None:
        yield None
        return
    with closing(UploadStream(source)) as upload:
        yield upload


@asynccontextmanager
async def _opened_in_thread(source: UploadSource | None) -> AsyncGenerator[UploadStream | None]:
    """Open what is uploaded as `_opened` does, in a thread: an object of a bucket is asked for over the network."""
    if source is None:
        yield None
        return
    upload = await anyio.to_thread.run_sync(UploadStream, source)
    try:
        yield upload
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(upload.close)


class _ReadInThread(httpx.AsyncByteStream):
    """The body of an upload, read piece by piece in a thread, so that a slow source holds no event loop up."""

    def __init__(self, body: httpx.SyncByteStream) -> None:
        self._pieces = iter(body)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await anyio.to_thread.run_sync(next, self._pieces, None)) is not None:
            yield piece


@runtime_checkable
class _Stream(Protocol):
    def get_extra_info(self, info: str) -> object: ...


class Deadline:
    """The deadline of one exchange, and what the transport reports about it (httpcore's ``trace`` extension).

    httpx limits each read, so without a deadline a server that sends a byte a second would hold a call for ever. A
    thread cannot be cancelled, so at the deadline an alarm calls `cut`, which shuts the socket down: whatever waits
    on it returns at once. Sending is never begun after the deadline; what fails before sending began was
    certainly not received.

    The monotonic clock stands still while the machine sleeps, and a machine may sleep between the handshake and the
    request. So whether sending may begin is decided by a stopwatch that no sleep stops, and by whoever has the right to
    send (``may_send``). What was sent goes on by the monotonic clock: to give up its answer for a sleep, or for a wall
    clock that was set, would only make it unknown.
    """

    def __init__(
        self, total_seconds: float, method: str, *, sent: bool | None = None, may_send: MaySend | None = None
    ) -> None:
        self.total_seconds = total_seconds
        self._elapsed = start_stopwatch()
        self._may_send = may_send
        self._deadline = time.monotonic() + total_seconds
        self._method = method.encode()
        self._lock = threading.Lock()
        #: What the exchange goes over, as far as the transport tells.
        self.connection: socket.socket | None = None
        self._finished = False
        self.sent = sent

    @property
    def expired(self) -> bool:
        """Whether the time has run out."""
        return time.monotonic() >= self._deadline

    def check(self) -> None:
        """Raise if the time has run out.

        Raises:
            TimeoutError: It has.
        """
        if self.expired:
            raise self._overrun()

    def fault(self, seen: Exception) -> Exception:
        """Name the true fault: what the transport reports after a `cut` is only its consequence."""
        if self.expired and self.sent:
            return self._overrun()
        if self.sent is False and isinstance(seen, TimeoutError) and not str(seen):
            return TimeoutError(f"no connection within {self.total_seconds:g} s")
        return seen

    def _overrun(self) -> TimeoutError:
        return TimeoutError(f"no complete answer within {self.total_seconds:g} s")

    def note(self, event: str, info: Mapping[str, object]) -> None:
        """Take note of one event of the transport.

        Raises:
            httpx.ConnectTimeout: Sending is about to begin, and the time or the right to send has run out.
        """
        if event.endswith(("connect_tcp.started", "connect_tcp.complete", "start_tls.complete")):
            if self.sent is None:
                self.sent = False
            stream = info.get("return_value")
            self.keep(stream.get_extra_info("socket") if isinstance(stream, _Stream) else None)
        elif event.endswith("send_request_headers.started"):
            # A proxy is sent a CONNECT first; that is not our request yet.
            if getattr(info.get("request"), "method", self._method) != self._method:
                return
            self._check_before_sending()
            self.sent = True

    def _check_before_sending(self) -> None:
        reason = ""
        if self.expired or self._elapsed() >= self.total_seconds:
            reason = f"{self.total_seconds:g} s had passed before anything was sent"
        elif self._may_send is not None and not self._may_send():
            reason = "connecting took so long, or the machine slept, that the right to send had run out"
        if reason:
            self.sent = False
            raise httpx.ConnectTimeout(reason)

    async def anote(self, event: str, info: Mapping[str, object]) -> None:
        """Take note of one event, for the transport that awaits it; see `note`."""
        self.note(event, info)

    def cut(self) -> None:
        """Shut the connection down, unless the exchange is over."""
        with self._lock:
            if self.connection is not None and not self._finished:
                with suppress(OSError):  # already closed, or replaced by its encrypted successor
                    # Not SSLSocket.shutdown: it drops the encryption state under the thread that reads.
                    socket.socket.shutdown(self.connection, socket.SHUT_RDWR)

    def finish(self) -> None:
        """Note that the answer is complete: from here on `cut` leaves the connection alone."""
        with self._lock:
            self._finished = True

    def keep(self, connection: object) -> None:
        """Take note of the connection that the exchange goes over."""
        if isinstance(connection, socket.socket):
            with self._lock:
                self.connection = connection
            if self.expired:
                self.cut()
