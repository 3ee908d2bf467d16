"""Connections to hosts that nobody answers for: no wait on them is without an end, and a cancel ends each at once.

httpx limits each read. A host that sends a byte now and then, or `100 Continue` for ever, is never silent for so long,
and a thread that waits for it hears of no cancel. Here a `Watch` has a say in every wait: for a name, a connection, a
handshake, an answer's head and its body. That takes sockets that never block, and httpcore is made for such a network
of one's own (`NetworkBackend`); httpx's transport has no place for it, so there is one here as well.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import httpcore
import httpx

from prefect_seedance.storage.errors import RelayCancelled
from prefect_seedance.storage.helper_threads import HelperThreads

T = TypeVar("T")

# How soon a cancel is noticed.
_LOOK_SECONDS = 0.25
_READ_BYTES = 64 * 1024
# `select` itself knows no descriptor above 1023.
_Selector: Callable[[], selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """How long a media host may take. Each of its steps has a limit of its own beside (see `transport.TIMEOUT`).

    Attributes:
        head_seconds: From a link to the head of the last answer: names, all addresses, handshakes, redirects. Two
            addresses that never answer (10 s each) and a host that is silent for 30 s before a good answer fit in.
        window_bytes: So much of the body has to come within `window_seconds` of waiting for it. By default that is some
            4 KB/s: a line of 20 KB/s is far above it, and below it a clip of 5 MB would take more than 20 minutes, so
            that a new connection is the better hope. Time in which nobody wants to read, since the store is slow, is
            not counted.
        window_seconds: See `window_bytes`.
    """

    head_seconds: float = 60.0
    window_bytes: int = 128 * 1024
    window_seconds: float = 30.0


class Watch:
    """Ends what waits for a media host: when its time has run out, and when the relay is cancelled.

    Args:
        limits: How long it may take.
        cancelled: Ends every wait.
    """

    def __init__(self, limits: NetworkLimits, cancelled: threading.Event | None = None) -> None:
        self._limits, self._cancelled = limits, cancelled
        self._reason = ""
        self._end = 0.0
        self.begin_head()

    def begin_head(self) -> None:
        """Begin with a link: from now on everything up to the head of its answer counts."""
        self._reason = f"no answer within {self._limits.head_seconds:g} s"
        self._end = time.monotonic() + self._limits.head_seconds

    @contextmanager
    def leaving_time(self) -> Generator[None, None, None]:
        """Take at most a third of what is left for what is done inside, since there is another way after it."""
        end = self._end
        now = time.monotonic()
        self._end = now + max(0.0, end - now) / 3
        try:
            yield
        finally:
            self._end = end

    def body(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces of a body; the next ones have to come fast enough.

        Raises:
            httpx.ReadTimeout: They do not.
            RelayCancelled: The event was set.
        """
        limits, reading = self._limits, iter(pieces)
        self._reason = f"less than {limits.window_bytes} bytes came within {limits.window_seconds:g} s"
        left, received = limits.window_seconds, 0
        while True:
            self._end = time.monotonic() + left
            piece = next(reading, None)
            left = self._end - time.monotonic()
            if piece is None:
                return
            yield piece
            received += len(piece)
            if received >= limits.window_bytes:
                left, received = limits.window_seconds, 0
            elif left <= 0:  # a transport that was passed in does not look here while it waits
                raise httpx.ReadTimeout(self._reason)

    def check(self) -> None:
        """Return if there is time left.

        Raises:
            httpx.ReadTimeout: It has run out.
            RelayCancelled: The event was set.
        """
        if self._cancelled is not None and self._cancelled.is_set():
            raise RelayCancelled
        if time.monotonic() >= self._end:
            raise httpx.ReadTimeout(self._reason)

    def wait(self, ready: Callable[[float], object], seconds: float | None = None) -> bool:
        """Wait until `ready`, asked with a number of seconds that it may take, says so; False: not within `seconds`.

        Raises:
            httpx.ReadTimeout, RelayCancelled: As `check`.
        """
        last = None if seconds is None else time.monotonic() + seconds
        while True:
            self.check()
            now = time.monotonic()
            longest = min(_LOOK_SECONDS, self._end - now, _LOOK_SECONDS if last is None else last - now)
            if ready(max(0.0, longest)):
                return True
            if last is not None and time.monotonic() >= last:
                return False

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Return what a function returns that may block for long and cannot be ended, such as the system's resolver.

        Raises:
            httpx.ReadTimeout, RelayCancelled: As `check`; the function goes on in its thread until it ends by itself.
        """
        done, work = threading.Event(), _resolvers.start(function, *arguments)
        work.add_done_callback(lambda _: done.set())
        self.wait(done.wait)
        return work.result()


_resolvers = HelperThreads("relay-resolve")


class WatchedTransport(httpx.BaseTransport):
    """Connects for real, under a watch. No connection is kept.

    A pool knows connections by address, and behind one address of a CDN are many hosts, each with a certificate of its
    own.

    Args:
        watch: Has a say in every wait.
        context: What TLS is verified by.
        proxy: Its address, "" for none.

    Raises:
        ImportError, RuntimeError, ValueError, httpx.InvalidURL: The proxy cannot be used.
    """

    def __init__(self, watch: Watch, context: ssl.SSLContext, proxy: str = "") -> None:
        network = _Network(watch)
        if not proxy:
            self._pool = httpcore.ConnectionPool(context, max_keepalive_connections=0, network_backend=network)
            return
        named = httpx.Proxy(proxy)  # raises ValueError for one of an unknown kind
        url = httpcore.URL(
            scheme=named.url.raw_scheme, host=named.url.raw_host, port=named.url.port, target=named.url.raw_path
        )
        if named.url.scheme.startswith("socks"):
            self._pool = httpcore.SOCKSProxy(
                url, named.raw_auth, context, max_keepalive_connections=0, network_backend=network
            )
        else:
            self._pool = httpcore.HTTPProxy(
                url,
                named.raw_auth,
                named.headers.raw,
                context,
                context if named.url.scheme == "https" else None,
                max_keepalive_connections=0,
                network_backend=network,
            )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return its answer with its body unread."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        extensions: dict[str, Any] = {**request.extensions}
        with _faults_of_httpx():
            answer = self._pool.handle_request(
                httpcore.Request(request.method, url, headers=request.headers.raw, extensions=extensions)
            )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        """Close what is open."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _faults_of_httpx():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextmanager
def _faults_of_httpx() -> Generator[None, None, None]:
    """Raise the fault of httpx that has the same name as that of httpcore."""
    try:
        yield
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.TimeoutException,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error


class _Network(httpcore.NetworkBackend):
    """Sockets that never block, but for a `Watch`."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        try:
            found = self._addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error}") from error
        for family, kind, protocol, _, address in found:
            try:
                connection = socket.socket(family, kind, protocol)
            except OSError as error:
                failure = httpcore.ConnectError(str(error))
                continue
            stream = _Stream(connection, self._watch)
            try:
                stream.connect(address, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                stream.close()
            except BaseException:
                stream.close()
                raise
            else:
                return stream
        raise failure

    def _addresses(self, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        with suppress(socket.gaierror):  # an address needs no resolver, and no thread that waits for one
            return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        return self._watch.call(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)


class _Stream(httpcore.NetworkStream):
    def __init__(self, connection: socket.socket, watch: Watch) -> None:
        self._socket, self._watch = connection, watch
        connection.setblocking(False)

    def connect(self, address: Any, timeout: float | None) -> None:
        """Connect to an address.

        Raises:
            httpcore.ConnectError, httpcore.ConnectTimeout: That failed.
        """
        with _as(httpcore.ConnectError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._socket.connect(address)
            except BlockingIOError:
                self._wait_for(selectors.EVENT_WRITE, timeout, httpcore.ConnectTimeout)
                fault = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if fault:
                    raise OSError(fault, os.strerror(fault)) from None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        receive = partial(self._socket.recv, max_bytes)
        with _as(httpcore.ReadError):
            return self._do(receive, selectors.EVENT_READ, timeout, httpcore.ReadTimeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        with _as(httpcore.WriteError):
            while rest:
                send = partial(self._socket.send, rest)
                sent = self._do(send, selectors.EVENT_WRITE, timeout, httpcore.WriteTimeout)
                rest = rest[sent:]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        if isinstance(self._socket, ssl.SSLSocket):  # to a proxy, behind which is a host
            return _TLSWithinTLS(self, ssl_context, server_hostname, timeout)
        try:
            with _as(httpcore.ConnectError):
                encrypted = ssl_context.wrap_socket(
                    self._socket, server_hostname=server_hostname, do_handshake_on_connect=False
                )
        except BaseException:
            self.close()
            raise
        stream = _Stream(encrypted, self._watch)
        try:
            with _as(httpcore.ConnectError):
                stream._do(encrypted.do_handshake, selectors.EVENT_READ, timeout, httpcore.ConnectTimeout)
        except BaseException:
            stream.close()
            raise
        return stream

    def get_extra_info(self, info: str) -> object:
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        return self._socket if info == "socket" else None

    def _do(self, act: Callable[[], T], event: int, timeout: float | None, late: type[Exception]) -> T:
        """Do something as soon as it does not have to wait any more; what TLS waits for it says itself."""
        last = None if timeout is None else time.monotonic() + timeout
        while True:
            self._watch.check()
            try:
                return act()
            except ssl.SSLWantReadError:
                event = selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                event = selectors.EVENT_WRITE
            except BlockingIOError:
                pass
            self._wait_for(event, None if last is None else max(0.0, last - time.monotonic()), late)

    def _wait_for(self, event: int, seconds: float | None, late: type[Exception]) -> None:
        with _Selector() as selector:
            selector.register(self._socket, event)
            if not self._watch.wait(selector.select, seconds):
                raise late(f"nothing for {seconds:.3g} s")


class _TLSWithinTLS(httpcore.NetworkStream):
    """To a host, through a proxy that is spoken to by TLS itself: one socket can do that once only."""

    def __init__(
        self, outer: httpcore.NetworkStream, context: ssl.SSLContext, host: str | None, timeout: float | None
    ) -> None:
        self._outer, self._came, self._leaves = outer, ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            with _as(httpcore.ConnectError):
                self._tls = context.wrap_bio(self._came, self._leaves, server_hostname=host)
                self._do(self._tls.do_handshake, timeout)
        except BaseException:
            self.close()
            raise

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as(httpcore.ReadError):
            try:
                return self._do(partial(self._tls.read, max_bytes), timeout)
            except ssl.SSLEOFError:  # closed without a word, which a socket of TLS bears as well
                return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        with _as(httpcore.WriteError):
            while rest:
                rest = rest[self._do(partial(self._tls.write, rest), timeout) :]

    def close(self) -> None:
        self._outer.close()

    def get_extra_info(self, info: str) -> object:
        return self._tls if info == "ssl_object" else self._outer.get_extra_info(info)

    def _do(self, act: Callable[[], T], timeout: float | None) -> T:
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                self._send_on(timeout)
                came = self._outer.read(_READ_BYTES, timeout)
                if came:
                    self._came.write(came)
                else:
                    self._came.write_eof()
            else:
                self._send_on(timeout)
                return result

    def _send_on(self, timeout: float | None) -> None:
        if leaves := self._leaves.read():
            self._outer.write(leaves, timeout)


@contextmanager
def _as(fault: type[Exception]) -> Generator[None, None, None]:
    """Raise a fault of the system, or of TLS, as one of httpcore."""
    try:
        yield
    except OSError as error:
        raise fault(str(error)) from error
