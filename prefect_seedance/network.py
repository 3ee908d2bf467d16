"""What the environment says of the network, looked at before anything is sent: proxies and certificates.

The libraries below read these variables when they connect, and each fails in a way of its own: with an ImportError, a
FileNotFoundError, a ValueError, or minutes later. Here each of them is named, with the fix. Their values may hold
passwords and are not repeated.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+")
# httpx takes an IPv6 address without brackets there, and no range of IPv6 addresses.
_NO_PROXY_ENTRY = re.compile(r"(\w+://)?(\*|[*.]?[\w*.-]*(:\d+)?(/\d+)?|[0-9a-fA-F:.]+)")
_SOCKS = ("socks5", "socks5h")


class UnusableEnvironment(ValueError):
    """A setting of the environment cannot work. Nothing was sent.

    Attributes:
        variable: Its name.
        rule: What is wrong with it.
        fix: What to do.
    """

    def __init__(self, variable: str, rule: str, fix: str) -> None:
        super().__init__(variable, rule, fix)
        self.variable, self.rule, self.fix = variable, rule, fix

    def __str__(self) -> str:
        """The three, as one text."""
        return f"{self.variable} {self.rule} {self.fix}"


def check_proxies(url: str = "", *, takes_socks: bool = True) -> None:
    """Check the proxies that the environment names.

    Args:
        url: What is to be reached: only its own proxy counts. Empty: all of them, as httpx makes all at once.
        takes_socks: Whether who asks can speak SOCKS at all.

    Raises:
        UnusableEnvironment: One of them cannot be used, or the list of exceptions cannot be read.
    """
    named = getproxies()
    for entry in named.get("no", "").split(","):
        if not _NO_PROXY_ENTRY.fullmatch(entry.strip()):
            raise UnusableEnvironment(
                _variable("no"),
                "has an entry that is not a host, an address or a range of IPv4 addresses.",
                "Write names and addresses without brackets and with commas between them: localhost,.example.com,::1.",
            )
    target = urlsplit(url)
    if url and proxy_bypass(target.netloc.rpartition("@")[2]):
        return
    for kind in (target.scheme,) if url else ("http", "https", "all"):
        if proxy := named.get(kind, ""):
            _check_proxy(_variable(kind), proxy, takes_socks=takes_socks)


def proxy_for(scheme: str, host: str) -> str:
    """Return the proxy that the environment names for a host, "" for none."""
    named = getproxies()
    proxy = named.get(scheme) or named.get("all") or ""
    return "" if not proxy or proxy_bypass(host) else _complete(proxy)


def check_certificates(*variables: str) -> None:
    """Check that files of trusted certificates are there.

    Args:
        variables: Names of environment variables that may name one.

    Raises:
        UnusableEnvironment: One names what cannot be read.
    """
    for variable in variables:
        place = os.environ.get(variable, "")
        if place and not (Path(place).exists() and os.access(place, os.R_OK)):
            raise UnusableEnvironment(
                variable,
                "names a file or folder that is not there or cannot be read.",
                "Correct it, or remove it to trust the usual certificates.",
            )


def _check_proxy(variable: str, proxy: str, *, takes_socks: bool) -> None:
    fix = "Write it as http://host:port, or remove it."
    try:
        url = urlsplit(_complete(proxy))
        host, port = url.hostname or "", url.port
    except ValueError:
        raise UnusableEnvironment(variable, "is not the address of a proxy.", fix) from None
    if url.scheme in _SOCKS:
        if not takes_socks:
            raise UnusableEnvironment(
                variable,
                "names a SOCKS proxy, which boto3 cannot use.",
                "Name an http proxy for S3, or exclude the endpoint's host with NO_PROXY.",
            )
        if importlib.util.find_spec("socksio") is None:
            raise UnusableEnvironment(
                variable,
                "names a SOCKS proxy, and the package socksio that speaks to it is not installed.",
                'Install it (pip install "httpx[socks]"), name an http proxy, or remove it.',
            )
    elif url.scheme not in ("http", "https"):
        raise UnusableEnvironment(variable, "names a proxy of a kind that cannot be used.", fix)
    if not _HOST.fullmatch(host) or port == 0:
        raise UnusableEnvironment(variable, "is not the address of a proxy.", fix)


def _complete(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(kind: str) -> str:
    """Return the variable that names a proxy: the one in lower case wins, as it does for all that read them."""
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), "the system's setting of proxies")


def is_ip_address(host: str) -> bool:
    """Return whether a host is an IP address, not a name.

    Example:
        >>> is_ip_address("127.0.0.1"), is_ip_address("::1"), is_ip_address("example.com")
        (True, True, False)
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
