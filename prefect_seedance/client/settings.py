"""What a client needs to know before it can speak: the key, the host, the time-outs. All checked at once.

Every rule that is broken is a `ConfigurationError` naming the field, the rule and the fix, and none repeats
the key. The key travels in a header to ``base_url``, so that must be https, or plain http on this machine.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, fields

import httpx
from pydantic import SecretStr

from prefect_seedance.client.errors import ConfigurationError

DEFAULT_BASE_URL = "https://www.jimmyai.cn"
FINGERPRINT_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one exchange with the vendor, in seconds.

    Attributes:
        connect: For the connection, and again for its encryption.
        read: Between two pieces of an answer, when reading.
        write: Between two pieces of a request, when uploading.
        pool: For a free connection of the pool.
        submit_total: For a whole exchange other than an upload, from the connection to the last byte. The
            gateway gives up on a create after 100 s, and its answer tells more than our own time-out, so stay
            above that.
    """

    connect: float = 10.0
    read: float = 60.0
    write: float = 60.0
    pool: float = 30.0
    submit_total: float = 150.0

    def __post_init__(self) -> None:
        for each in fields(self):
            seconds: float = getattr(self, each.name)
            if not 0 < seconds <= 3600:
                raise ConfigurationError(
                    f"timeouts.{each.name}", "must be above 0 and at most 3600 seconds.", "Change the number."
                )


DEFAULT_TIMEOUTS = Timeouts()


def is_loopback(host: str) -> bool:
    """Tell whether a host is this very machine, without asking a name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_api_key(api_key: str | SecretStr) -> SecretStr:
    """Give the key back if it can be one.

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
        rule, fix = "is not sk_ or sk- and something after it.", "Copy the whole key; a title or quotes may be in it."
    if rule:
        raise ConfigurationError("api_key", rule, fix)
    return SecretStr(text)


def checked_base_url(base_url: str) -> str:
    """Give the address back without its trailing slash, if a key may be sent there.

    Raises:
        ConfigurationError: It is no address, not https, or holds a password, a query or an endpoint's path.

    Example:
        >>> checked_base_url("https://www.jimmyai.cn/")
        'https://www.jimmyai.cn'
    """
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    rule = fix = ""
    if base_url != base_url.strip() or not url.host or url.scheme not in ("https", "http"):
        rule, fix = "is not an address.", f"Write the scheme and the host, such as {DEFAULT_BASE_URL}."
    elif url.userinfo:
        rule, fix = "holds a user name or a password.", "Remove what stands before the @."
    elif "?" in base_url or "#" in base_url:
        rule, fix = "holds a query or a fragment.", "Remove everything from the ? or # on."
    elif url.scheme == "http" and not is_loopback(url.host):
        rule = "is plain http to another machine, which would show the key to the network."
        fix = "Write https. Plain http is for a simulator on this machine only."
    elif "/api/open" in url.path:
        rule, fix = "holds the path of an endpoint.", "Stop after the host; the client adds the path."
    if rule:
        raise ConfigurationError("base_url", rule, fix)
    return base_url.rstrip("/")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Key, host and time-outs, checked.

    Args:
        api_key: Begins with ``sk_`` or ``sk-``.
        base_url: Scheme and host; a path before the API's own is kept.
        timeouts: See `Timeouts`.

    Raises:
        ConfigurationError: A setting cannot work.

    Example:
        >>> ClientSettings("sk_example").fingerprint
        'b568bdccc19f'
    """

    api_key: SecretStr
    base_url: str = DEFAULT_BASE_URL
    timeouts: Timeouts = DEFAULT_TIMEOUTS

    def __init__(
        self,
        api_key: str | SecretStr,
        base_url: str = DEFAULT_BASE_URL,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        object.__setattr__(self, "api_key", checked_api_key(api_key))
        object.__setattr__(self, "base_url", checked_base_url(base_url))
        object.__setattr__(self, "timeouts", timeouts)

    @property
    def host(self) -> str:
        """The host that the key is sent to."""
        return httpx.URL(self.base_url).host

    @property
    def is_local(self) -> bool:
        """Whether the host is this very machine: a simulator, or a test."""
        return is_loopback(self.host)

    @property
    def fingerprint(self) -> str:
        """A short hash of host and key: the only thing of the key that may reach a log or a record."""
        text = f"{self.host}\0{self.api_key.get_secret_value()}"
        return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]
