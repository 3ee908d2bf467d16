"""What each route can be given as a reference, as it is asked for and as it is sent.

A user writes what they have (`sources`), and the flow makes of it what the route needs. So two things are checked, both
pure and free, and nothing is fetched:

- `check_sources`: what was *asked*. A file, an object of a bucket and a public link can be made to fit every route; an
  asset only fits one that takes assets.
- `check_addresses`: what is *sent*. Here the route's row rules: a public https link, or an asset.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.check import all_the_same, check
from prefect_seedance.client.request.problems import Problem, either, shown
from prefect_seedance.client.request.routes import Route, UrlForm, route_for
from prefect_seedance.client.request.sources import UnusableSource, is_loopback, read_source
from prefect_seedance.client.request.video_request import VideoRequest

_ASSET = re.compile(r"asset://[A-Za-z0-9][A-Za-z0-9._\-]*\Z")
#: How the forms of addresses are named to a person, as they are asked and as they are sent.
_ASKED = {"https": "a public https:// link, s3://bucket/key or the path of a file", "asset": "asset://{id}"}
_SENT = {"https": "a public https:// URL", "asset": "asset://{id}"}

#: Of names that mean something on one network alone.
_PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".localdomain", ".lan", ".home.arpa")
#: The rule that is the route's own, so that another model lifts it.
_BY_ROUTE = "address form"

_Rule = Callable[[str, str, Route | None], Iterator[Problem]]


def check_sources(request: VideoRequest) -> list[Problem]:
    """Find references, as they were asked, that cannot be made to fit the route.

    What no route at all could use is left to `check`.

    Example:
        >>> from prefect_seedance.client.request.video_request import VideoRequest
        >>> [p.field for p in check_sources(VideoRequest(prompt="x", images=["./mug.png", "asset://mug"]))]
        ['images[1]']
    """
    return _checked(request, _source)


def check_addresses(request: VideoRequest, *, allow_loopback: bool = False) -> list[Problem]:
    """Find references, as they would be sent, that the vendor could not use on this route.

    Args:
        request: The request that is sent.
        allow_loopback: Whether links may lead to this machine, also without encryption: to a simulator that runs here.

    Example:
        >>> from prefect_seedance.client.request.video_request import VideoRequest
        >>> [p.field for p in check_addresses(VideoRequest(prompt="x", images=["./mug.png"]))]
        ['images[0]']
    """

    def address(field: str, text: str, route: Route | None) -> Iterator[Problem]:
        return _address(field, text, route, allow_loopback=allow_loopback)

    return _checked(request, address)


def require_valid(request: VideoRequest) -> list[Problem]:
    """Refuse, for free, what `check` and `check_sources` find in a request as it was asked; return the warnings.

    Raises:
        InvalidRequest: With every rule that is broken.

    Example:
        >>> from prefect_seedance.client.request.video_request import VideoRequest
        >>> require_valid(VideoRequest(prompt="A paper boat"))
        []
    """
    return _without_refusals(check(request) + check_sources(request))


def require_sendable(request: VideoRequest, *, allow_loopback: bool = False) -> list[Problem]:
    """Refuse, for free, what `check` and `check_addresses` find in a request as it is sent; return the warnings.

    Args:
        request: The request that is sent.
        allow_loopback: See `check_addresses`.

    Raises:
        InvalidRequest: With every rule that is broken.

    Example:
        >>> from prefect_seedance.client.request.video_request import VideoRequest
        >>> require_sendable(VideoRequest(prompt="A mug", images=["https://example.com/mug.png"]))
        []
    """
    return _without_refusals(check(request, prepared=True) + check_addresses(request, allow_loopback=allow_loopback))


def _without_refusals(problems: list[Problem]) -> list[Problem]:
    refusals = [problem for problem in problems if problem.level == "refuse"]
    if refusals:
        raise InvalidRequest(refusals)
    return problems


def _checked(request: VideoRequest, rule: _Rule) -> list[Problem]:
    route = route_for(request.model_name)
    problems = [problem for field, text in request.references() for problem in rule(field, text, route)]
    if request.other_model:
        problems = [replace(each, level="warn") if each.rule == _BY_ROUTE else each for each in problems]
    elif route:
        problems = [replace(each, fix=each.fix + all_the_same(each.newer, route)) for each in problems]
    return sorted(problems, key=lambda problem: problem.level)


def _forms(field: str, route: Route | None) -> tuple[UrlForm, ...]:
    rule = route.urls.of(field) if route else None
    return rule.forms + rule.unknown if rule else ("https", "asset")


def _source(field: str, text: str, route: Route | None) -> Iterator[Problem]:
    try:
        source = read_source(text)
    except UnusableSource:
        return  # told by `check`
    if source.kind == "asset":
        yield from _by_route(field, text, route, "asset", _ASKED)
    elif source.kind == "https":
        yield from _public(field, text)
        if "https" in _forms(field, route):
            yield from _by_route(field, text, route, "https", _ASKED)


def _address(field: str, text: str, route: Route | None, *, allow_loopback: bool) -> Iterator[Problem]:
    scheme = text.partition(":")[0].lower()
    if allow_loopback and scheme in ("http", "https") and is_loopback(text):
        yield from _by_route(field, text, route, "https", _SENT)
    elif scheme == "https" or _ASSET.match(text):
        form: UrlForm = "https" if scheme == "https" else "asset"
        refused = [*_by_route(field, text, route, form, _SENT)]
        yield from refused
        if form == "https" and all(problem.level == "warn" for problem in refused):
            yield from _public(field, text)
    else:
        wanted = either([_SENT[form] for form in _forms(field, route)])
        message = f"{shown(text)} is not an address that can be sent"
        fix = f"Use {wanted}; generate_video makes one of a file or an object, and so does SeedanceClient.upload_file"
        yield Problem(field, "an address", message, fix, "refuse", "every page")


def _by_route(field: str, text: str, route: Route | None, form: UrlForm, named: dict[str, str]) -> Iterator[Problem]:
    if route is None:
        return
    rule, title = route.urls.of(field), f"{route.title} ({route.model})"
    fix = f"Use {either([named[each] for each in rule.forms + rule.unknown])}"
    if form in rule.unknown:
        yield Problem(field, _BY_ROUTE, f"{form} is not documented for {title}", fix, "warn", rule.source)
    elif form not in rule.forms:
        message = f"{shown(text)} is not an address that {title} takes here"
        yield Problem(field, _BY_ROUTE, message, fix, "refuse", rule.source, rule.newer_source(form))


def _public(field: str, text: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        yield Problem(field, "an address", f"{shown(text)} is not an address", "Copy it again", "refuse", "every page")
        return
    host = parts.hostname or ""
    if not host or parts.username is not None or _private(host):
        message = f"the vendor cannot reach {host or 'an address without a host'} or would need a login"
        fix = "Use a publicly reachable https URL; or download it, and write the path of the file"
        yield Problem(field, "public address", message, fix, "refuse", "every page")
    elif not parts.geturl().isascii():
        message = "the address holds characters outside ASCII"
        yield Problem(field, "ASCII", message, "Percent-encode it", "warn", "seen to fail at clients")


def _private(host: str) -> bool:
    # As names are resolved: wide digits are digits, and the ideographic full stop is a dot.
    host = unicodedata.normalize("NFKC", host).replace("\u3002", ".").rstrip(".")
    if host == "localhost" or host.endswith(_PRIVATE_ENDINGS):
        return True
    try:
        # Short and octal forms too (127.1, 0177.0.0.1): they reach the same machine.
        address = ipaddress.ip_address(host if ":" in host or host[-1:].isalpha() else socket.inet_aton(host))
        return not (getattr(address, "ipv4_mapped", None) or address).is_global
    except (ValueError, OSError):
        return "." not in host
