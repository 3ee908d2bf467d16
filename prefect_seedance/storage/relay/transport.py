"""One GET of one link, with the policy in force on the way: the addresses that were checked are those used.

A host name that is checked first and resolved again when connecting can answer differently the second time
(DNS rebinding). So the connection goes to the checked address itself, with the host's name kept in the Host
header and in TLS, where the certificate is verified against it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from types import TracebackType
from typing import Self

import httpx

from prefect_seedance.asides import http_lines_are_asides, words_of
from prefect_seedance.network import UnusableEnvironment, check_proxies, proxy_for
from prefect_seedance.storage.errors import ForbiddenSource, SourceUnavailable
from prefect_seedance.storage.relay.network import NetworkLimits, Watch, WatchedTransport
from prefect_seedance.storage.relay.policy import HOW_TO_ALLOW_HTTP, ONLY_HTTPS, MediaPolicy, VettedLink, parsed
from prefect_seedance.tls import tls_context
from prefect_seedance.versions import version_of

MAXIMUM_REDIRECTS = 3
# A read that brings no byte for this long counts as a drop: no pause does that the window of a body allows.
TIMEOUT = httpx.Timeout(connect=10.0, read=NetworkLimits().window_seconds, write=10.0, pool=10.0)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What shows that a host serves a link by https as well.
_SERVED = _REDIRECTS | {200, 203, 206, 416}

TransportFactory = Callable[[], httpx.BaseTransport]


def open_transport(watch: Watch, proxy: str = "") -> httpx.BaseTransport:
    """Return the transport that connects for real, through a proxy if one is named.

    Raises:
        httpx.ProxyError: The proxy cannot be used.
    """
    try:
        if proxy:
            check_proxies()
        return WatchedTransport(watch, tls_context(), proxy)
    except UnusableEnvironment as error:
        raise httpx.ProxyError(f"{error}") from error
    except (ImportError, RuntimeError, ValueError, httpx.InvalidURL) as error:  # such as SOCKS without its extra
        # The proxy's address may hold a password.
        raise httpx.ProxyError("the proxy that the environment names cannot be used") from error


class MediaHTTP:
    """Follows links under a policy. Sends no Authorization, no cookies, and asks for bytes as they are.

    It speaks to transports, not through a client of httpx: a client logs each address, signature and all, takes every
    `Location` apart before it is asked to, and keeps cookies.

    Args:
        policy: Which links may be followed.
        transport: Makes what connects; for tests and special networks.
        timeout: Of each step.
        limits: Of all steps together, and how fast a body has to come.
        cancelled: Ends every wait at once.
    """

    def __init__(
        self,
        policy: MediaPolicy,
        *,
        transport: TransportFactory | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        limits: NetworkLimits | None = None,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._policy = policy
        self._watch = Watch(limits or NetworkLimits(), cancelled)
        self._factory = transport
        self._timeout = timeout.as_dict()
        self._transports: dict[str, httpx.BaseTransport] = {}
        # By host of a link of plain http, once it is known: nothing is tried twice, and nothing falls back half way.
        self._serves_https: dict[str, bool] = {}
        #: The host whose link of plain http was followed by https, and led to the last answer; "" if none did.
        self.upgraded = ""
        #: The link that gave the last answer, after all redirects; it may hold a signature.
        self.answered = ""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()

    @property
    def advice(self) -> str:
        """What a person can do if the last answer was no good, as its link of plain http was followed by https."""
        return HOW_TO_ALLOW_HTTP if self.upgraded and not self._policy.allow_http else ""

    @contextmanager
    def get(self, link: str, headers: Mapping[str, str]) -> Generator[httpx.Response, None, None]:
        """Open the answer to a GET, its body unread, after at most three redirects.

        Raises:
            ForbiddenSource: The link, or a redirect, leads where the policy forbids, or nowhere.
            SourceUnavailable: It is of plain http, which is not allowed, and its host cannot be reached by https.
            httpx.TransportError: No whole answer head came, or not in time.
            RelayCancelled: The event was set.
        """
        self._watch.begin_head()
        before = self.upgraded = ""
        for _ in range(MAXIMUM_REDIRECTS + 1):
            before, response = self._ask(link, headers, before)
            with closing(response):
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or not location:
                    self.answered = before
                    yield response
                    return
            link = _joined(before, location)
        raise ForbiddenSource(host_of(link), f"it was redirected more than {MAXIMUM_REDIRECTS} times.")

    def body(self, response: httpx.Response) -> Iterator[bytes]:
        """Yield the body of an answer as it comes from the network: what came before a drop counts.

        Raises:
            httpx.TransportError: It broke off, or comes too slowly.
            RelayCancelled: The event was set.
        """
        return self._watch.body(response.iter_raw())

    def go_by_plain_http(self, host: str) -> None:
        """Take what a host serves by https for another site's, from the next question on."""
        self._serves_https[host] = False

    def _ask(self, link: str, headers: Mapping[str, str], before: str) -> tuple[str, httpx.Response]:
        """Ask the ways of a link, less the one that has just led here, and return the answer with its way."""
        host = host_of(link)
        ways = [way for way in self._ways(link) if way == link or way != before]
        serves_https = self._serves_https.get(host)
        if serves_https is not None:
            ways = ways[:1] if serves_https else ways[-1:]
        if not ways:
            raise ForbiddenSource(host, f"its https leads back to plain http, and {ONLY_HTTPS}")
        for way in ways[:-1]:
            with suppress(httpx.TransportError), self._watch.leaving_time():
                response = self._send(way, headers)
                if response.status_code in _SERVED:
                    self._serves_https[host] = True
                    self.upgraded = host
                    return way, response
                response.close()
            self._serves_https[host] = False
        last = ways[-1]
        upgraded = last != link
        if upgraded:
            self.upgraded = host
        try:
            response = self._send(last, headers)
            if upgraded:
                self._serves_https[host] = True
            return last, response
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if not upgraded or serves_https:
                raise
            # Waiting does not help where there is no https; who repeats the whole step bridges an outage as well.
            reason = f"the link is plain http, and https to its host failed: {words_of(error)}. {HOW_TO_ALLOW_HTTP}"
            raise SourceUnavailable(host, reason) from error

    def _ways(self, link: str) -> tuple[str, ...]:
        try:
            return self._watch.call(self._policy.ways, link)
        except OSError as error:
            raise _unresolved(error) from error

    def _send(self, link: str, headers: Mapping[str, str]) -> httpx.Response:
        """Send to the first of the host's addresses that can be connected to."""
        try:
            target = self._watch.call(self._policy.check, link)
        except OSError as error:
            raise _unresolved(error) from error
        try:
            with http_lines_are_asides():
                return self._send_vetted(target, link, headers)
        except (httpx.InvalidURL, ValueError, OverflowError) as error:
            # What only shows when it is written to the wire, such as a name that no certificate can have.
            raise ForbiddenSource(target.host, "its host or path is not a valid one.") from error

    def _send_vetted(self, target: VettedLink, link: str, headers: Mapping[str, str]) -> httpx.Response:
        request = self._request(link, headers)
        if not target.addresses:
            # Hosts named in allow_hosts are reached as the environment says, proxy included.
            return self._transport(proxy_for(request.url.scheme, target.host)).handle_request(request)
        return self._send_to(target, request)

    def _send_to(self, target: VettedLink, request: httpx.Request) -> httpx.Response:
        failure, cause = httpx.ConnectError("no address"), None
        for address in target.addresses:
            # Host header and the rest were made from the name already; only the way there is replaced.
            vetted = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                extensions={**request.extensions, "sni_hostname": target.host},
            )
            try:
                return self._transport("").handle_request(vetted)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure, cause = httpx.ConnectError(words_of(error)), error
        raise failure from cause

    def _request(self, link: str, headers: Mapping[str, str]) -> httpx.Request:
        usual = {"accept": "*/*", "accept-encoding": "identity", "user-agent": f"prefect-seedance/{version_of()}"}
        return httpx.Request("GET", link, headers={**headers, **usual}, extensions={"timeout": self._timeout})

    def _transport(self, proxy: str) -> httpx.BaseTransport:
        # Made only when needed: a proxy that cannot be used does not disturb hosts that go round it.
        if proxy not in self._transports:
            self._transports[proxy] = self._factory() if self._factory else open_transport(self._watch, proxy)
        return self._transports[proxy]


def host_of(link: str) -> str:
    """Return the host of a link, the only part of it that may be shown.

    Raises:
        ForbiddenSource: It is not a link, or has no host.
    """
    url = parsed(link)
    host = url.raw_host.decode("ascii", "replace")
    if url.scheme not in ("http", "https") or not host:
        raise ForbiddenSource(host, "it is not a complete https:// address.")
    return host


def _joined(link: str, location: str) -> str:
    try:
        return str(httpx.URL(link).join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise ForbiddenSource(host_of(link), "it was redirected to an invalid address.") from error


def _unresolved(error: OSError) -> httpx.ConnectError:
    return httpx.ConnectError(f"the host's name cannot be resolved: {words_of(error)}")
