"""One GET of one link, with the policy in force on the way: the addresses that were checked are those used.

A host name that is checked first and resolved again when connecting can answer differently the second time
(DNS rebinding). So the connection goes to the checked address itself, with the host's name kept in the Host
header and in TLS, where the certificate is verified against it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx

from prefect_seedance.storage.errors import ForbiddenSource
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.tls import tls_context

MAXIMUM_REDIRECTS = 3
# A read that brings no byte for this long counts as a drop. Below the 30 seconds that Prefect gives a
# cancelled run, so that a thread which waits for bytes still notices.
TIMEOUT = httpx.Timeout(connect=10.0, read=20.0, write=10.0, pool=10.0)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# No connection is kept: a pool knows connections by address, and behind one address of a CDN are many hosts,
# each with a certificate of its own.
_LIMITS = httpx.Limits(max_keepalive_connections=0)

TransportFactory = Callable[[], httpx.BaseTransport]


def open_transport() -> httpx.BaseTransport:
    """Return the transport that connects for real."""
    return httpx.HTTPTransport(verify=tls_context(), limits=_LIMITS)


class VettedTransport(httpx.BaseTransport):
    """Checks each request against the policy and connects to the address that was checked."""

    def __init__(self, policy: MediaPolicy, inner: httpx.BaseTransport) -> None:
        self._policy = policy
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first of the host's addresses that can be connected to."""
        try:
            target = self._policy.check(str(request.url))
        except OSError as error:
            raise httpx.ConnectError(f"the host's name cannot be resolved: {error}") from error
        failure = httpx.ConnectError("no address")
        for address in target.addresses:
            # Host header and the rest were made from the name already; only the way there is replaced.
            vetted = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                extensions={**request.extensions, "sni_hostname": target.host},
            )
            try:
                return self._inner.handle_request(vetted)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = httpx.ConnectError(str(error))
        raise failure

    def close(self) -> None:
        """Close the transport below."""
        self._inner.close()


class MediaHTTP:
    """Follows links under a policy. Sends no Authorization, no cookies, and asks for bytes as they are.

    Args:
        policy: which links may be followed.
        transport: makes what connects; for tests and special networks.
        timeout: of each step.
    """

    def __init__(
        self,
        policy: MediaPolicy,
        *,
        transport: TransportFactory | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._policy = policy
        self._vetted = httpx.Client(
            transport=VettedTransport(policy, (transport or open_transport)()),
            timeout=timeout,
            trust_env=False,
        )
        self._open_trusted = lambda: httpx.Client(
            transport=transport() if transport else None, verify=tls_context(), timeout=timeout, limits=_LIMITS
        )
        # Made only when needed: a proxy in the environment that httpx cannot use (SOCKS without its extra)
        # would be an error here, and hosts that are not named go round it.
        self._trusted: httpx.Client | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self._vetted.close()
        if self._trusted is not None:
            self._trusted.close()

    @contextmanager
    def get(self, link: str, headers: Mapping[str, str]) -> Generator[httpx.Response, None, None]:
        """Open the answer to a GET, its body unread, after at most three redirects.

        Raises:
            ForbiddenSource: the link, or a redirect, leads where the policy forbids.
            httpx.TransportError: no whole answer head came.
        """
        for _ in range(MAXIMUM_REDIRECTS + 1):
            with self._send(link, headers) as response:
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or not location:
                    yield response
                    return
            link = _joined(link, location)
        raise ForbiddenSource(host_of(link), f"it was redirected more than {MAXIMUM_REDIRECTS} times.")

    @contextmanager
    def _send(self, link: str, headers: Mapping[str, str]) -> Generator[httpx.Response, None, None]:
        client = self._client_for(link)
        client.cookies.clear()
        with client.stream(
            "GET", link, headers={**headers, "accept-encoding": "identity"}, follow_redirects=False
        ) as response:
            yield response

    def _client_for(self, link: str) -> httpx.Client:
        if not (self._policy.trusts(host_of(link)) and link.lower().startswith("https:")):
            return self._vetted
        self._policy.check(link)  # that no password is in it holds for these too
        # Hosts named in allow_hosts are reached as the environment says, proxy included.
        self._trusted = self._trusted or self._open_trusted()
        return self._trusted


def host_of(link: str) -> str:
    """Return the host of a link, the only part of it that may be shown.

    Raises:
        ForbiddenSource: it is not a link, or has no host.
    """
    try:
        url = httpx.URL(link)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ForbiddenSource("", "it is not a valid address.") from error
    if url.scheme not in ("http", "https") or not host:
        raise ForbiddenSource(host, "it is not a complete https:// address.")
    return host


def _joined(link: str, location: str) -> str:
    try:
        return str(httpx.URL(link).join(location))
    except httpx.InvalidURL as error:
        raise ForbiddenSource(host_of(link), "it was redirected to an invalid address.") from error
