"""The links that may be downloaded from, decided before any byte is asked for.

The link comes from outside. Without these rules a wrong or hostile one could make a worker read its own
network: a cloud's metadata address, a database's web page, a router.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import httpx

from prefect_seedance.network import is_ip_address
from prefect_seedance.storage.errors import ForbiddenSource

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

# Names, and the addresses of both families. httpx lets other characters through, quoted.
_HOST = re.compile(r"[a-z0-9._:-]*")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
#: What a person can do about a link of plain http.
HOW_TO_ALLOW_HTTP = (
    "If the host has no https, set allow_http_media of the store; nothing on the way proves then that the bytes are "
    "the host's."
)
ONLY_HTTPS = f"only https is allowed. {HOW_TO_ALLOW_HTTP}"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What `ipaddress` takes for public, and is not a place that videos come from: it may be the machine's own provider.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's own services, in each of its networks
            "192.0.0.0/24",  # of protocols; Oracle's metadata at 192.0.0.192
            "100.64.0.0/10",  # between carriers; Alibaba's metadata at 100.100.100.200
            "192.88.99.0/24",  # once the way from IPv4 to IPv6
            "64:ff9b:1::/48",  # the same the other way round, within a network
            "100::/64",
            "3fff::/20",
            "5f00::/16",
        ),
    )
)


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Return all addresses of a host, in the system's order of preference.

    Raises:
        OSError: The name cannot be resolved now.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class VettedLink:
    """A link that may be followed: the host, and the addresses that may be connected to.

    No addresses: the host is in `allow_hosts`, and how to reach it is left to the system (and its proxy).
    """

    host: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class MediaPolicy:
    """Where media may come from: https and public addresses, and what is named here.

    Args:
        allow_loopback: Also 127.0.0.1 and ::1, there with plain http too; for a simulator on this machine.
        allow_http: Also plain http, where the host does not serve it by https. Off, a link of plain http is followed by
            https alone.
        allow_hosts: Host names whose address is not checked, for split DNS and for networks that reach the
            internet by a proxy: `"media.example.com"`, or `".example.com"` for all names below it.
        maximum_bytes: Larger media are not taken.
        resolver: Finds the addresses of a host.

    Example:
        >>> MediaPolicy().check("http://example.com/a.mp4")
        Traceback (most recent call last):
        ...
        prefect_seedance.storage.errors.ForbiddenSource: The link to example.com is not followed: ...
    """

    allow_loopback: bool = False
    allow_http: bool = False
    allow_hosts: frozenset[str] = frozenset()
    maximum_bytes: int = 2 * 1024**3
    resolver: Resolver = field(default=system_resolver, repr=False, compare=False)

    def check(self, link: str) -> VettedLink:
        """Check a link and return how it may be followed. Every address of the host has to be allowed.

        Raises:
            ForbiddenSource: It may not.
            OSError: The host's name cannot be resolved now.
        """
        url = parsed(link)
        host = _host_of(url)
        if not _HOST.fullmatch(host) or not 0 < (url.port or 443) < 65_536:
            raise ForbiddenSource("", "its host or port is not a valid one.")
        if url.scheme not in ("http", "https") or not host:
            raise ForbiddenSource(host, "it is not a complete https:// address.")
        if url.userinfo:
            raise ForbiddenSource(host, "it has a user name or password in it.")
        if url.scheme == "http" and not (self.allow_loopback or self.allow_http):
            raise ForbiddenSource(host, ONLY_HTTPS)
        if self.trusts(host) and (url.scheme == "https" or self.allow_http):
            return VettedLink(host, ())
        addresses = self._resolved(host, url.port or (443 if url.scheme == "https" else 80))
        if not addresses:
            raise OSError(f"no address is known for {host}")
        for text in addresses:
            self._check_address(host, text, url.scheme)
        return VettedLink(host, addresses)

    def ways(self, link: str) -> tuple[str, ...]:
        """Return how to try to follow a link, in order: for plain http over the network https on the same host first.

        Raises:
            ForbiddenSource: It is not an address.
            OSError: The host's name cannot be resolved now.
        """
        url = parsed(link)
        host = _host_of(url)
        # Certificates are made out to names: at a bare address https has nothing to prove.
        if (
            url.scheme != "http"
            or self._is_here(host, url.port or 80)
            or (is_ip_address(host) and not self.trusts(host))
        ):
            return (link,)
        secure = str(url.copy_with(scheme="https"))
        return (secure, link) if self.allow_http else (secure,)

    def _is_here(self, host: str, port: int) -> bool:
        """Return whether a host is this machine and may be, so that plain http is as good."""
        if not self.allow_loopback:
            return False
        found = (host,) if is_ip_address(host) else self._resolved(host, port)
        return all(is_ip_address(text) and address_kind(ipaddress.ip_address(text)) == "loopback" for text in found)

    def trusts(self, host: str) -> bool:
        """Return whether this host is named in `allow_hosts`."""
        host = host.lower().rstrip(".")
        return any(
            host.endswith(allowed.lower()) if allowed.startswith(".") else host == allowed.lower()
            for allowed in self.allow_hosts
        )

    def _resolved(self, host: str, port: int) -> tuple[str, ...]:
        try:
            return tuple(self.resolver(host, port))
        except UnicodeError as error:  # what getaddrinfo says of a label of more than 63 letters
            raise ForbiddenSource(host, "its host is not a valid name.") from error

    def _check_address(self, host: str, text: str, scheme: str) -> None:
        try:
            kind = address_kind(ipaddress.ip_address(text))
        except ValueError as error:
            raise ForbiddenSource(host, f"{text!r} is not an IP address.") from error
        if kind == "loopback" and self.allow_loopback:
            return
        if scheme == "http" and not self.allow_http:
            raise ForbiddenSource(host, ONLY_HTTPS)
        if kind != "public":
            raise ForbiddenSource(
                host,
                f"its address {text} is not public. If that is intended (split DNS, a proxy), "
                "add the host to allow_media_hosts of the store.",
            )


def allowed_host(name: str) -> str:
    """Bring a name for `MediaPolicy.allow_hosts` into the form in which the hosts of links are compared with it.

    Args:
        name: A host, `.example.com` or `*.example.com` for all hosts below it, or an IP address. The address of a host
            is taken as well, as long as it says no more than the host.

    Raises:
        ValueError: No host would ever match it, or not as it looks. The name is not repeated: it may hold a password.

    Example:
        >>> allowed_host("https://CDN.example.com/"), allowed_host("*.Example.com.")
        ('cdn.example.com', '.example.com')
    """
    text = name.strip()
    if "://" in text:
        scheme, _, text = text.partition("://")
        if scheme.lower() not in ("http", "https"):
            raise ValueError("is an address of another kind than https; write the host alone, such as cdn.example.com")
    if "@" in text:
        raise ValueError("has a user name or password in it; write the host alone, such as cdn.example.com")
    text = text.removesuffix("/")
    if any(character in text for character in "/?#\\"):
        if re.fullmatch(r"[0-9a-fA-F:.]+/\d+", text):
            raise ValueError("is a range of addresses, and links name hosts; write the hosts, or .example.com for all")
        raise ValueError("has a path, and all of a host is allowed or nothing; write the host alone")
    if "%" in text and ":" in text:
        raise ValueError("has the zone of an address in it, which no link has; write the address alone")
    if is_ip_address(text.strip("[]")):
        return str(ipaddress.ip_address(text.strip("[]")))
    below = text.startswith(("*.", "."))
    host, _, port = (text[text.index(".") + 1 :] if below else text).partition(":")
    if port not in ("", "443"):
        raise ValueError("has a port, and a host is allowed at all of them; write the host alone")
    host = host.removesuffix(".")
    if "*" in host:
        raise ValueError("has a star in it that matches nothing; write .example.com for all hosts below example.com")
    try:
        host = httpx.URL(f"https://{host}/").raw_host.decode("ascii").lower()
    except (httpx.InvalidURL, ValueError):
        host = ""
    if not _NAME.fullmatch(host) or len(host) > 253:
        raise ValueError("is not the name of a host; write it as in a link, such as cdn.example.com")
    return f".{host}" if below else host


def parsed(link: str) -> httpx.URL:
    """Take a link apart.

    Raises:
        ForbiddenSource: It is not an address.
    """
    try:
        return httpx.URL(link)
    except (httpx.InvalidURL, ValueError) as error:
        raise ForbiddenSource("", "it is not a valid address.") from error


def _host_of(url: httpx.URL) -> str:
    # Not `host`, which decodes punycode and raises where it is not valid.
    return url.raw_host.decode("ascii", "replace").lower().rstrip(".")


def address_kind(address: Address) -> Literal["public", "loopback", "private"]:
    """Return whether an address is public, also where an IPv6 address wraps an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return address_kind(inner)
        if address.is_site_local:  # withdrawn long ago, yet still public to `is_global`
            return "private"
    if address.is_loopback:
        return "loopback"
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return "private"
    # `is_global` alone is true for some multicast and reserved addresses.
    if address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified):
        return "public"
    return "private"
