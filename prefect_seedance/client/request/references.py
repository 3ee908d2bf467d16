"""The form of media addresses: what each route can fetch.

``check_references`` is called by the flow once its sources have been turned into what the route needs (an upload,
an audited asset), so it is not part of the request's own validation. Pure and free: nothing is fetched.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.check import all_the_same, check
from prefect_seedance.client.request.problems import Problem, either, shown
from prefect_seedance.client.request.routes import Route, UrlForm, route_for
from prefect_seedance.client.request.video_request import VideoRequest

_ASSET = re.compile(r"asset://[A-Za-z0-9][A-Za-z0-9._\-]*\Z")


def check_references(request: VideoRequest) -> list[Problem]:
    """Find media addresses that the vendor could not use on this route.

    Example:
        >>> from prefect_seedance.client.request.video_request import VideoRequest
        >>> [p.field for p in check_references(VideoRequest(prompt="x", images=["http://example.com/a.png"]))]
        ['images[0]']
    """
    route = route_for(request.model_name)
    problems = [problem for field, text in request.references() for problem in _reference(field, text, route)]
    if request.other_model:
        problems = [replace(problem, level="warn") for problem in problems]
    elif route:
        problems = [replace(problem, fix=problem.fix + all_the_same(problem.newer, route)) for problem in problems]
    return sorted(problems, key=lambda problem: problem.level)


def require_valid(request: VideoRequest) -> list[Problem]:
    """Refuse, for free, what `check` and `check_references` find; return what they only warn of.

    Raises:
        InvalidRequest: With every rule that is broken.

    Example:
        >>> from prefect_seedance.client.request.video_request import VideoRequest
        >>> require_valid(VideoRequest(prompt="A paper boat"))
        []
    """
    problems = check(request) + check_references(request)
    refusals = [problem for problem in problems if problem.level == "refuse"]
    if refusals:
        raise InvalidRequest(refusals)
    return problems


def _reference(field: str, text: str, route: Route | None) -> Iterator[Problem]:
    rule = route.urls.of(field) if route else None
    forms: tuple[UrlForm, ...] = rule.forms + rule.unknown if rule else ("https", "asset")
    source = rule.source if rule else ""
    wanted = either([{"https": "a public https:// URL", "asset": "asset://{id}"}[form] for form in forms])
    title = "this model" if route is None else f"{route.title} ({route.model})"
    try:
        parts = urlsplit(text)
    except ValueError:
        yield Problem(field, "address", f"{shown(text)} is not an address", f"Use {wanted}", "refuse", source)
        return
    form: UrlForm | None = "https" if parts.scheme == "https" else "asset" if _ASSET.match(text) else None
    if form is None or form not in forms:
        fix = f"Use {wanted}"
        if parts.scheme != "asset" and "asset" in forms and "https" not in forms:
            fix += " (audit it first: SeedanceClient.submit_assets)"
        elif parts.scheme not in ("http", "https", "asset"):
            fix += " (a file can be uploaded first: SeedanceClient.upload_file)"
        newer = rule.newer_source(form) if rule and form else ""
        message = f"{shown(text)} is not an address that {title} takes here"
        yield Problem(field, "address form", message, fix, "refuse", source, newer)
        return
    if rule and form in rule.unknown:
        yield Problem(field, "address form", f"{form} is not documented for {title}", f"Use {wanted}", "warn", source)
    if form == "https":
        yield from _public(field, parts)


def _public(field: str, parts: SplitResult) -> Iterator[Problem]:
    host = parts.hostname or ""
    if not host or parts.username is not None or _private(host):
        message = f"the vendor cannot reach {host or 'an address without a host'} or would need a login"
        yield Problem(field, "public address", message, "Use a publicly reachable https URL", "refuse", "every page")
    elif not parts.geturl().isascii():
        message = "the address holds characters outside ASCII"
        yield Problem(field, "address form", message, "Percent-encode it", "warn", "seen to fail at clients")


def _private(host: str) -> bool:
    host = host.rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        # Short and octal forms too (127.1, 0177.0.0.1): they reach the same machine.
        address = ipaddress.ip_address(host if ":" in host or host[-1:].isalpha() else socket.inet_aton(host))
        return not (getattr(address, "ipv4_mapped", None) or address).is_global
    except (ValueError, OSError):
        return "." not in host
