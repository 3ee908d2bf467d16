"""The addresses of notification blocks, checked by their form alone: a video is paid for before one is first used.

What cannot work is refused; what is only unusual, as behind a proxy, is warned about. No address is ever repeated: its
path is its key.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import Secret, SecretStr

from prefect_seedance.client.request.problems import Level, Problem
from prefect_seedance.plain_text import one_line
from prefect_seedance.runs.notifications.block_languages import services_of

if TYPE_CHECKING:
    from prefect.blocks.abstract import NotificationBlock

_MASK = re.compile(r"\*{3,}|\u2022{3,}")
_MASKED_FIX = "Save the block again with the whole value; what Prefect shows of a saved one is masked"
_FIX = "Copy the address from the service once more, and save the block again"

_SLACK = re.compile(r"/services/[TE]\w+/\w+/\w{16,}/?|/(?:workflows|triggers)/\w+/\w+/\w+(?:/\w+)?/?")
_DISCORD = re.compile(r"/api(?:/v\d+)?/webhooks/\d+/[\w-]+(?:/slack|/github)?/?")
_TEAMS = re.compile(r".*/workflows/\w+/triggers/.+")

#: The addresses that services give out: the end of the host's name, the form of the path, and that form in words.
_FORMS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("hooks.slack.com", _SLACK, "/services/T.../B.../... of Slack"),
    ("hooks.slack-gov.com", _SLACK, "/services/T.../B.../... of Slack"),
    ("discord.com", _DISCORD, "/api/webhooks/NUMBER/... of Discord"),
    ("discordapp.com", _DISCORD, "/api/webhooks/NUMBER/... of Discord"),
    ("logic.azure.com", _TEAMS, "/workflows/.../triggers/... of Teams"),
    ("powerplatform.com", _TEAMS, "/workflows/.../triggers/... of Teams"),
)
#: Fields of Prefect's classes that lead to a service, or open it.
_KEYS = frozenset(
    {"url", "webhook_id", "webhook_token", "token", "integration_key", "api_key", "apikey", "auth_token", "secrets"}
)
_HOSTNAME = re.compile(r"[\w.-]+|\[?[0-9A-Fa-f:.]+\]?")
_HOST = re.compile(r"(?!.*\.\.)[\w.-]+|[0-9A-Fa-f:.]+")
_DISCORD_FIX = "Write only the NUMBER of /api/webhooks/NUMBER/TOKEN in its address; the token has a field of its own"
_HOSTNAME_FIX = "Write it without a scheme, a port or a path: these have fields of their own"


def address_problems(name: str, block: NotificationBlock) -> Iterator[Problem]:
    """Yield what is wrong with the address of a block, or doubtful. Nothing is asked of anybody.

    Args:
        name: Of the block, for the words.
        block: The block.
    """

    def problem(rule: str, what: str, fix: str = _FIX, level: Level = "refuse") -> Problem:
        return Problem("notify", rule, f"{one_line(name)!r} {what}", fix, level)

    fields = {field: _text(getattr(block, field, None)) for field in type(block).model_fields}
    masked = next((field for field, value in fields.items() if field in _KEYS and _MASK.search(value)), None)
    if masked:
        yield problem("a whole address", f"has asterisks in its {masked}: it is masked", _MASKED_FIX)
        return
    services = services_of(block)
    if "url" in fields:
        address = fields["url"] if services is None else fields["url"].strip()  # Apprise strips it
        private = bool(getattr(block, "allow_private_urls", True))
        found = [*_of_address(address, any_scheme=services is not None and private, private=private)]
        for level, what in found:
            yield problem("an address", what, level=level)
        if any(level == "refuse" for level, _ in found):
            return
    hostname = fields.get("hostname", "")
    if "hostname" in fields and not _HOSTNAME.fullmatch(hostname):
        yield problem("a host's name", "has a hostname that is not the name of a host alone", _HOSTNAME_FIX)
    if not re.fullmatch(r"\s*\d+\s*", fields.get("webhook_id", "1"), re.ASCII):
        yield problem("a webhook's number", "has a webhook id that is not a number", _DISCORD_FIX)
    if services is not None and not services:
        yield problem("an address", "has an address that its class cannot read: nothing would be sent through it")


def _text(value: object) -> str:
    secret = cast("Secret[object]", value).get_secret_value() if isinstance(value, SecretStr | Secret) else value
    if isinstance(secret, Mapping):
        return " ".join(map(str, cast("Mapping[object, object]", secret).values()))
    return secret if isinstance(secret, str) else ""


def _of_address(address: str, *, any_scheme: bool, private: bool) -> Iterator[tuple[Level, str]]:
    """Yield levels and words.

    Args:
        address: The address.
        any_scheme: Apprise reads it, which has schemes of its own.
        private: The block allows addresses that are not public.
    """
    if not address:
        yield "refuse", "has no address"
        return
    if not address.isprintable() or " " in address:
        yield "refuse", "has an address with a space or a line break in it"
        return
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        yield "refuse", "has an address that cannot be read"
        return
    if not parts.scheme or "://" not in address:
        yield "refuse", "has an address that does not begin with https://"
        return
    if parts.scheme not in ("http", "https"):
        if not any_scheme:
            yield "refuse", "has an address that begins with neither https:// nor http://"
        return
    if "{{" in parts.netloc:  # from a secret of the block
        return
    if not host:
        yield "refuse", "has an address without a host"
        return
    if not _HOST.fullmatch(host) or port == 0:
        yield "refuse", "has an address whose host or port is not valid"
        return
    if not private and _is_private(host):
        yield "refuse", "has an address of a private network, which its settings do not allow"
        return
    yield from _of_known_host(parts, host)
    if parts.scheme == "http" and not _is_here(host):
        yield "warn", f"goes to {host} over plain http, and its address is a key"


def _of_known_host(parts: SplitResult, host: str) -> Iterator[tuple[Level, str]]:
    form = next((each for each in _FORMS if host == each[0] or host.endswith(f".{each[0]}")), None)
    if form is None or "{{" in parts.path:
        return
    _, path, words = form
    if parts.path in ("", "/"):
        yield "refuse", f"has only the host of an address at {host}, without the path that is its key"
    elif not path.fullmatch(parts.path):
        yield "warn", f"has an unusual address at {host}: it is unlike {words}"


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(_in_full(host)).is_private
    except ValueError:  # a name: asking for its address would take the network
        return _is_here(host)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(_in_full(host)).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _in_full(host: str) -> str:
    """Write an address with all its numbers, also one that the system takes for one: ``127.1``, ``0x7f000001``."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host)) if re.fullmatch(r"[0-9a-fx.]+", host) else host
    except OSError:
        return host
