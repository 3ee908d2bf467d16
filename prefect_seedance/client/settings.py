"""What a client needs to know before it can speak: key, host, time-outs, repeats. All checked at once.

Every rule that is broken is a `ConfigurationError` naming the field, the rule and the fix, and none repeats
the key. The key travels in a header to ``base_url``, so that must be https, or plain http on this machine.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import re
from dataclasses import dataclass, fields
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from prefect_seedance.client.errors import ConfigurationError

DEFAULT_BASE_URL = "https://www.jimmyai.cn"
FINGERPRINT_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one try of a call, in seconds.

    Attributes:
        connect: For the connection, and again for its encryption.
        read: Between two pieces of an answer, when reading.
        write: Between two pieces of a request, when uploading.
        pool: For a free connection of the pool.
        total: For a whole try other than an upload, from the connection to the last byte. The gateway gives up on a
            create after 100 s, and its answer tells more than our own time-out, so stay above that.

    Raises:
        ConfigurationError: A limit is not above 0 and at most 3600 seconds.
    """

    connect: float = 10.0
    read: float = 60.0
    write: float = 60.0
    pool: float = 30.0
    total: float = 150.0

    def __post_init__(self) -> None:
        for each in fields(self):
            seconds: float = getattr(self, each.name)
            if not 0 < seconds <= 3600:
                raise ConfigurationError(
                    f"timeout.{each.name}", "must be above 0 and at most 3600 seconds.", "Change the number."
                )


DEFAULT_TIMEOUT = Timeouts()
# With the pauses in retry.py: about half a minute of trouble is bridged, more is the business of whoever polls.
DEFAULT_MAX_RETRIES = 4


def is_loopback(host: str) -> bool:
    """Return whether a host is this very machine, without asking a name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_api_key(api_key: str | SecretStr) -> SecretStr:
    """Return the key, if it can be one.

    Raises:
        ConfigurationError: It is empty, masked, or holds what no key holds. The key is not repeated.
    """
    text = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    rule = fix = ""
    if not text:
        rule, fix = "is empty.", "Copy the key from the vendor's console, or set JIMMYAI_API_KEY."
    elif not text.strip("*"):
        rule = "is nothing but asterisks: a masked copy of a key."
        fix = (
            "This happens when a block is passed as a parameter through run_deployment: secrets are masked "
            "on the way. Pass a reference to the saved block, or its name, and load it inside the flow."
        )
    elif text != text.strip():
        rule, fix = (
            "begins or ends with a space or a line break.",
            "Remove it; a copied line often brings one.",
        )
    elif not text.isascii() or not text.isprintable() or " " in text:
        rule, fix = "holds a space or a character that no key has.", "Copy the key again, as one word."
    elif not text.startswith(("sk_", "sk-")) or len(text) < 4:
        rule, fix = (
            "does not begin with sk_ or sk-, or has nothing after it.",
            "Copy the whole key; a title or quotes may be in it.",
        )
    if rule:
        raise ConfigurationError("api_key", rule, fix)
    return SecretStr(text)


def checked_base_url(base_url: str) -> str:
    """Return the address without its trailing slash, if a key may be sent there.

    Raises:
        ConfigurationError: It is not a valid address, not https, or holds a password, a query or an endpoint's path.

    Example:
        >>> checked_base_url("https://www.jimmyai.cn/")
        'https://www.jimmyai.cn'
    """
    url = _parts(base_url)
    if url is None:
        raise not_an_address()
    rule = fix = ""
    if "@" in url.netloc:
        rule, fix = "holds a user name or a password.", "Remove what stands before the @."
    elif "?" in base_url or "#" in base_url:
        rule, fix = "holds a query or a fragment.", "Remove everything from the ? or # on."
    elif url.scheme == "http" and not is_loopback(url.hostname or ""):
        rule = "is plain http to another machine, which would show the key to the network."
        fix = "Write https. Plain http is for a simulator on this machine only."
    elif "/api/open" in url.path:
        rule, fix = "holds the path of an endpoint.", "Stop after the host; the client adds the path."
    if rule:
        raise ConfigurationError("base_url", rule, fix)
    return base_url.rstrip("/")


def not_an_address() -> ConfigurationError:
    """Return the error for an address that cannot be read as one."""
    return ConfigurationError(
        "base_url", "is not an address.", f"Write the scheme and the host, such as {DEFAULT_BASE_URL}."
    )


def _parts(base_url: str) -> SplitResult | None:
    """Take an address apart, None where this and the HTTP library could read different hosts from it."""
    if not base_url.isprintable() or set(base_url) & set(" \\"):
        return None
    try:
        url = urlsplit(base_url)
        host, _ = url.hostname or "", url.port  # reading the port checks it
        if ":" in host:
            ipaddress.IPv6Address(host)
    except ValueError:
        return None
    plain = re.fullmatch(r"[\w.:-]+", host) is not None
    return url if plain and url.scheme in ("https", "http") else None


def checked_seconds(timeout: float) -> float:
    """Return the limit of one call, if it is a number that a clock can wait for. From 0 down nothing is sent.

    Raises:
        ConfigurationError: It is infinite or not a number.
    """
    if not math.isfinite(timeout):
        raise ConfigurationError("timeout", "must be a finite number of seconds.", "Change the number.")
    return timeout


def checked_max_retries(max_retries: int) -> int:
    """Return the number of repeats, if it can be one.

    Raises:
        ConfigurationError: It is negative.
    """
    if max_retries < 0:
        raise ConfigurationError("max_retries", "must not be negative.", "Write 0 for a single try.")
    return max_retries


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Key, host, time-outs and repeats, checked.

    Args:
        api_key: Begins with ``sk_`` or ``sk-``.
        base_url: Scheme and host; a path before the API's own is kept.
        timeout: See `Timeouts`; a plain number is its ``total``.
        max_retries: How often a call is repeated after its first try.

    Raises:
        ConfigurationError: A setting cannot work.

    Example:
        >>> ClientSettings("sk_example").fingerprint
        'b568bdccc19f'
    """

    api_key: SecretStr
    base_url: str = DEFAULT_BASE_URL
    timeout: Timeouts = DEFAULT_TIMEOUT
    max_retries: int = DEFAULT_MAX_RETRIES

    def __init__(
        self,
        api_key: str | SecretStr,
        base_url: str = DEFAULT_BASE_URL,
        timeout: Timeouts | float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
    ) -> None:
        object.__setattr__(self, "api_key", checked_api_key(api_key))
        object.__setattr__(self, "base_url", checked_base_url(base_url))
        object.__setattr__(self, "timeout", timeout if isinstance(timeout, Timeouts) else Timeouts(total=timeout))
        object.__setattr__(self, "max_retries", checked_max_retries(max_retries))

    @property
    def shown(self) -> str:
        """Host and fingerprint, for a ``repr``: never the key."""
        return f"host={self.host!r}, fingerprint={self.fingerprint!r}"

    def retries(self, asked: int | None) -> int:
        """Return how often a call is repeated: as it asks, None for the usual number.

        Raises:
            ConfigurationError: It asks for a negative number.
        """
        return self.max_retries if asked is None else checked_max_retries(asked)

    @property
    def host(self) -> str:
        """The host that the key is sent to."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_local(self) -> bool:
        """Whether the host is this very machine: a simulator, or a test."""
        return is_loopback(self.host)

    @property
    def fingerprint(self) -> str:
        """A short hash of host and key: the only thing of the key that may reach a log or a record."""
        text = f"{self.host}\0{self.api_key.get_secret_value()}"
        return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]
