"""What the simulated vendor finds at an address. It reads addresses on loopback and believes all others.

Nothing is ever sent to another machine: a connection is made to 127.0.0.1 or ::1 as a number, whatever a name in an
address or in a redirect leads to. A look has an end in time and in bytes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import h11

#: Longer than a busy machine lets a test's own server wait.
LOOK_SECONDS = 15.0
MOST_BYTES = 64 * 1024
_MOST_REDIRECTS = 3

#: The names of this machine, and the numbers that are connected to for them.
LOOPBACK: Mapping[str, str] = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "::1"}

# As a third-party client of Seedance recorded it, with what went wrong at its end.
_FETCH_FAILED = "s3 upload failed"


@dataclass(frozen=True)
class _Found:
    status: int
    content_type: str
    location: str
    body: bytes


def is_read(address: str) -> bool:
    """Return whether an address is on this machine, so that it is really read.

    Example:
        >>> [is_read(address) for address in ("http://localhost:9000/a.png", "https://example.com/a.png")]
        [True, False]
    """
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK
    except ValueError:
        return False


async def flaw_at(address: str, kind: str, turn: asyncio.Semaphore) -> str:
    """Read the start of what stands at an address and return what is wrong with it; "" if nothing is.

    Args:
        address: On this machine; any other is not looked at and has no flaw.
        kind: ``image``, ``video`` or ``audio``, for the text.
        turn: Bounds how many are read at once.
    """
    if not is_read(address):
        return ""
    try:
        async with turn, asyncio.timeout(LOOK_SECONDS):
            return await _flaw(address, kind)
    except TimeoutError:
        return "Read timed out"
    except ConnectionRefusedError:
        return f"{_FETCH_FAILED}: connection refused"
    except (OSError, EOFError):
        return f"{_FETCH_FAILED}: connection reset by peer"
    except h11.ProtocolError:
        return f"{_FETCH_FAILED}: malformed HTTP response"
    except ValueError:  # a port that is not a number, blanks in a query
        return f"{_FETCH_FAILED}: invalid url"


async def _flaw(address: str, kind: str) -> str:
    for _ in range(_MOST_REDIRECTS + 1):
        found = await _read(urlsplit(address))
        if 300 <= found.status < 400 and found.location:
            address = urljoin(address, found.location)
            if not is_read(address):
                return f"{_FETCH_FAILED}: redirect to another host"
            continue
        return _flaw_of(found, kind)
    return f"{_FETCH_FAILED}: too many redirects"


def _flaw_of(found: _Found, kind: str) -> str:
    if found.status == 416 or (found.status in (200, 206) and not found.body):
        return f"{_FETCH_FAILED}: empty file"  # a range of nothing cannot be answered
    if found.status not in (200, 206):
        return f"{kind} url returned {found.status}"
    start = found.body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if found.content_type.lower().startswith("text/html") or start.startswith((b"<!doctype html", b"<html")):
        return f"{_FETCH_FAILED}: unsupported content type text/html"
    return ""


async def _read(parts: SplitResult) -> _Found:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    tls = _any_certificate() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(LOOPBACK[parts.hostname or ""], port, ssl=tls)
    try:
        return await _exchange(parts, reader, writer)
    finally:
        writer.transport.abort()


async def _exchange(parts: SplitResult, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Found:
    connection = h11.Connection(h11.CLIENT)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
    headers = [
        ("Host", parts.netloc.rpartition("@")[2]),
        ("User-Agent", "seedance-simulator"),
        ("Accept-Encoding", "identity"),
        ("Range", f"bytes=0-{MOST_BYTES - 1}"),
        ("Connection", "close"),
    ]
    writer.write(connection.send(h11.Request(method="GET", target=target, headers=headers)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    head: h11.Response | None = None
    body, cut_off = b"", False
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            if cut_off:
                raise EOFError from None
            raise
        if event is h11.NEED_DATA:
            data = await reader.read(MOST_BYTES)
            cut_off = not data
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.ConnectionClosed):
            raise EOFError
        if head is not None and (isinstance(event, h11.EndOfMessage) or len(body) >= MOST_BYTES):
            named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
            return _Found(head.status_code, named.get("content-type", ""), named.get("location", ""), body)


def _any_certificate() -> ssl.SSLContext:
    """Return a context that takes any certificate: a server on this machine has one of its own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
