"""What the models cost, in a few sentences for the form: by the account's own prices, else by the vendor's catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from prefect_seedance.client.request.prices import OwnPrice, by_name, listed_prices, own_price
from prefect_seedance.client.request.problems import both
from prefect_seedance.client.request.routes import ROUTES, BillingUnit, Route
from prefect_seedance.client.request.video_request import VideoRequest

if TYPE_CHECKING:
    from prefect_seedance.client.models import CatalogEntry
    from prefect_seedance.client.request.fields import ResolutionChoice

_UNITS: dict[BillingUnit, str] = {"per_second": "a second", "per_task": "a video"}

#: By what is paid for: what each model costs, in words.
_Words = dict[BillingUnit, list[str]]


def form_prices(own: Sequence[OwnPrice], catalog: Sequence[CatalogEntry], as_of: str) -> str:
    """Return in words what each model costs, "" where nothing is known.

    Args:
        own: The account's own prices, which come first.
        catalog: Entries of the vendor's catalog.
        as_of: The day on which the catalog was read, such as 2026-11-27.

    Example:
        >>> from prefect_seedance.client.models import CatalogEntry
        >>> from prefect_seedance.client.request.prices import read_own_prices
        >>> std = CatalogEntry(model_name="seedance2.0-std", price_mode="per_task", unit_price=1.2)
        >>> form_prices((), [std], "2026-11-27")
        "Prices in the vendor's public catalog of 27 November 2026: in coins a video, seedance2.0-std 1.2."
        >>> form_prices(read_own_prices({"seedance2.0-std": 0.9}), [std], "2026-11-27")
        'Prices in your credentials: in coins a video, seedance2.0-std 0.9.'
        >>> form_prices((), [], "") == ""
        True
    """
    entries = by_name(catalog)
    by_own: _Words = {}
    by_catalog: _Words = {}
    for route in ROUTES.values():
        yours: list[tuple[str, BillingUnit, float]] = []
        listed: list[tuple[str, BillingUnit, float]] = []
        for request, made in _requests(route):
            seconds: dict[BillingUnit, int] = {"per_second": request.duration, "per_task": 1}
            if mine := own_price(request, own):
                yours.append((made, mine.unit, mine.coins))
            elif found := listed_prices(request, entries):
                # The dearest, as an estimate goes by it.
                listed.append((made, *max(found, key=lambda each: each[1] * seconds[each[0]])))
        _word(by_own, route, yours, alone=not listed)
        _word(by_catalog, route, listed, alone=not yours)
    said = [_sentence("your credentials", by_own)] if by_own else []
    if by_catalog:
        day = date.fromisoformat(as_of)
        said.append(_sentence(f"the vendor's public catalog of {day.day} {day:%B %Y}", by_catalog))
    return " ".join(said)


def _sentence(source: str, words: _Words) -> str:
    listed = "; ".join(f"in coins {_UNITS[unit]}, {', '.join(words[unit])}" for unit in _UNITS if unit in words)
    return f"Prices in {source}: {listed}."


def _requests(route: Route) -> Iterator[tuple[VideoRequest, str]]:
    """Yield a request for each resolution that a route makes, with the name of that resolution."""
    choices: Sequence[ResolutionChoice] = ("480p", "720p", "1080p")
    asked = [each for each in choices if route.resolution.sent and each in route.resolution.values]
    for resolution in asked or ("auto",):
        request = VideoRequest.model_construct(
            prompt="-", model=route.model, duration=route.duration.default, resolution=resolution
        )
        yield request, route.output_resolution(resolution)


def _word(words: _Words, route: Route, prices: Sequence[tuple[str, BillingUnit, float]], *, alone: bool) -> None:
    """Add what a model costs; one price where all that it makes costs the same."""
    for unit in _UNITS:
        of_unit = [(made, coins) for made, each, coins in prices if each == unit]
        if not of_unit:
            continue
        if alone and len(of_unit) == len(prices) and len({coins for _, coins in of_unit}) == 1:
            text = f"{of_unit[0][1]:g}"
        else:
            text = both([f"{coins:g} at {made}" for made, coins in of_unit])
        words.setdefault(unit, []).append(f"{route.model} {text}")
