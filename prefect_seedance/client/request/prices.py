"""What a video will cost, by the user's own prices or the vendor's public catalog: an estimate with source and date."""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from prefect_seedance.client.request.problems import either
from prefect_seedance.client.request.routes import ROUTES, BillingUnit, ReferenceBilling, Route, route_for
from prefect_seedance.client.request.video_request import VideoRequest

if TYPE_CHECKING:
    from prefect_seedance.client.models import CatalogEntry

#: Seconds. What claims to be longer was not read well.
_LONGEST_VIDEO = 86_400
#: Coins per second or task. What is more was not meant.
_HIGHEST_PRICE = 1_000_000.0
_LONGEST_SHOWN = 80
_BY_CATALOG = "estimate by the vendor's public catalog"
_BY_USER = "your credentials"
_UNIT = re.compile(r"\s+per[ _](second|task)\s*\Z")

#: Entries of the catalog that have a price, by the names that are billed, in small letters.
Catalog = Mapping[str, "Sequence[CatalogEntry]"]


@dataclass(frozen=True)
class Estimate:
    """An expected price.

    Attributes:
        coins: In the vendor's JimiCoin.
        source: Where it comes from, and what it leaves out.
        as_of: The day (UTC) of which it is, for example 2026-11-27: when the catalog was read. "" if that is not known.
    """

    coins: float
    source: str
    as_of: str = ""

    @property
    def origin(self) -> str:
        """Where it comes from, with its date.

        Example:
            >>> Estimate(0.5, "your credentials", "2026-11-27").origin
            'your credentials; as of 2026-11-27'
        """
        return f"{self.source}; as of {self.as_of}" if self.as_of else self.source


@dataclass(frozen=True)
class OwnPrice:
    """A price that the user's account has, whatever the vendor's catalog says.

    Attributes:
        name: The model, or a name under which the vendor bills it, in small letters.
        resolution: The one that it is for; "" for all that the name stands for.
        unit: What is paid for.
        coins: For each of these.
    """

    name: str
    resolution: str
    unit: BillingUnit
    coins: float


def estimate(
    request: VideoRequest,
    catalog: Sequence[CatalogEntry],
    *,
    video_seconds: Sequence[float] = (),
    as_of: str = "",
) -> Estimate | None:
    """Estimate the price of a request, None if the catalog does not have it.

    The catalog holds the platform's default prices, which need not be the user's own. Seconds of reference videos count
    where the vendor says that they are billed; where that is only likely, the source says what they would add.

    Args:
        request: The video.
        catalog: Entries of ``SeedanceClient.catalog``.
        video_seconds: Length of each reference video, in the order of ``reference_videos``; 0 where it is not known.
        as_of: The day on which the catalog was read.

    Example:
        >>> from prefect_seedance.client.models import CatalogEntry
        >>> mini = CatalogEntry(model_name="seedance2.0-mini-720p", price_mode="per_second", unit_price=0.05)
        >>> estimate(VideoRequest(prompt="x", model="seedance2.0-mini", duration=10), [mini]).coins
        0.5
    """
    return estimate_by_catalog(request, by_name(catalog), video_seconds=video_seconds, as_of=as_of)


def by_name(catalog: Sequence[CatalogEntry]) -> Catalog:
    """Sort the entries of a catalog that have a price by the names that are billed."""
    found: dict[str, list[CatalogEntry]] = {}
    for entry in catalog:
        if entry.unit_price is not None and _unit_of(entry) is not None:
            found.setdefault(entry.model_name.casefold(), []).append(entry)
    return found


def estimate_by_catalog(
    request: VideoRequest, catalog: Catalog, *, video_seconds: Sequence[float] = (), as_of: str = ""
) -> Estimate | None:
    """Estimate the price of a request by a sorted catalog; see `estimate`."""
    route = route_for(request.model_name)
    distinct = listed_prices(request, catalog)
    if not distinct:
        return None
    source = _BY_CATALOG
    if len(distinct) > 1:
        source += f", the highest of {len(distinct)} prices that it lists"
    estimates = [_estimate(request, route, unit, price, source, video_seconds, as_of) for unit, price in distinct]
    return max(estimates, key=lambda each: each.coins)


def listed_prices(request: VideoRequest, catalog: Catalog) -> set[tuple[BillingUnit, float]]:
    """Return what a sorted catalog lists for a request: what is paid for, and the coins for each."""
    names = _billing_names(request, route_for(request.model_name))
    entries = next((catalog[name] for name in names if name in catalog), ())
    distinct: set[tuple[BillingUnit, float]] = set()
    for entry in entries:
        unit = _unit_of(entry)
        if unit is not None:
            distinct.add((unit, entry.unit_price or 0.0))
    return distinct


def estimate_by_own(
    request: VideoRequest, own: Sequence[OwnPrice], *, video_seconds: Sequence[float] = (), as_of: str = ""
) -> Estimate | None:
    """Estimate the price of a request by the user's own prices, None if none is for it.

    A price for the resolution comes before one for the whole model.

    Example:
        >>> own = read_own_prices({"seedance2.0-mini 480p": 0.02, "seedance2.0-mini": 0.04})
        >>> asked = VideoRequest(prompt="x", model="seedance2.0-mini", resolution="480p", duration=10)
        >>> estimate_by_own(asked, own).coins
        0.2
    """
    price = own_price(request, own)
    if price is None:
        return None
    route = route_for(request.model_name)
    return _estimate(request, route, price.unit, price.coins, _BY_USER, video_seconds, as_of)


def own_price(request: VideoRequest, own: Sequence[OwnPrice]) -> OwnPrice | None:
    """Return which of the user's own prices is for a request, None if none is."""
    route = route_for(request.model_name)
    resolution = route.output_resolution(request.resolution) if route else request.resolution
    names = {request.model_name.casefold(), *_billing_names(request, route)}
    fitting = [each for each in own if each.name in names and each.resolution in ("", resolution)]
    return max(
        fitting,
        key=lambda each: (each.resolution != "", each.name != request.model_name.casefold()),
        default=None,
    )


def read_own_prices(prices: Mapping[str, float]) -> tuple[OwnPrice, ...]:
    """Read prices as a user writes them: by model, or by model and resolution, per second or per task as it bills.

    A name that the vendor bills under will do as well, and so will a model that the table does not have, if what is
    paid for is written behind it.

    Raises:
        ValueError: Naming everything that is wrong with them.

    Example:
        >>> read_own_prices({"seedance2.0-mini 480p": 0.03})
        (OwnPrice(name='seedance2.0-mini', resolution='480p', unit='per_second', coins=0.03),)
        >>> read_own_prices({"seedance3.0 per task": 0.9})
        (OwnPrice(name='seedance3.0', resolution='', unit='per_task', coins=0.9),)
    """
    found: dict[tuple[str, str], tuple[str, OwnPrice]] = {}
    wrong: list[str] = []
    for key, coins in prices.items():
        try:
            price = _own_price(key, coins)
        except ValueError as error:
            wrong.append(str(error))
            continue
        place = (price.name, price.resolution)
        if place in found:
            wrong.append(f"{_shown(found[place][0])} and {_shown(key)} are the same; keep one")
        found.setdefault(place, (key, price))
    if wrong:
        raise ValueError(f"prices: {'; '.join(wrong)}")
    return tuple(price for _, price in found.values())


def own_name(request: VideoRequest) -> str:
    """Return what to write for the price of a request.

    Example:
        >>> own_name(VideoRequest(prompt="x", model="seedance2.0-mini", resolution="480p"))
        'seedance2.0-mini 480p'
        >>> own_name(VideoRequest(prompt="x", other_model="seedance3.0"))
        'seedance3.0 per second'
    """
    route = route_for(request.model_name)
    if route is None:
        return f"{request.model_name} per second"
    made = route.resolution.made()
    return f"{route.model} {route.output_resolution(request.resolution)}" if len(made) > 1 else route.model


def _own_price(key: str, coins: float) -> OwnPrice:
    unit_at = _UNIT.search(text := key.casefold())
    words = text[: unit_at.start()].split() if unit_at else text.split()
    written = cast("BillingUnit | None", f"per_{unit_at[1]}" if unit_at else None)
    if not 1 <= len(words) <= 2:
        raise ValueError(
            f"{_shown(key)} is not a model, or a model and a resolution; write such as seedance2.0-mini 480p"
        )
    if not 0 <= coins <= _HIGHEST_PRICE:  # not a number is neither
        raise ValueError(f"{_shown(key)} costs {coins:g}; write coins from 0 to {_HIGHEST_PRICE:,.0f}")
    name, resolution = words[0], words[1] if len(words) == 2 else ""
    known = _known_names().get(name)
    if known is None:
        if written is None:
            near = difflib.get_close_matches(name, _known_names(), n=1)
            hint = f"; did you mean {near[0]}?" if near else ";"
            raise ValueError(
                f"{_shown(key)} is not a known model{hint} For a model that the table does not have, write what is "
                f"paid for behind it, such as {_shown(f'{key.strip()} per second')}"
            )
        return OwnPrice(name, resolution, written, float(coins))
    route, made = known
    if resolution and resolution not in made:
        near = difflib.get_close_matches(resolution, made, n=1, cutoff=0.0)
        hint = f"; did you mean {near[0]}?" if len(made) > 1 and near else ""
        raise ValueError(f"{_shown(key)}: {name} makes {either(made)}, and not {_shown(resolution)}{hint}")
    # Of a name that makes one resolution, saying it adds nothing.
    return OwnPrice(name, resolution if len(made) > 1 else "", written or route.billing_unit, float(coins))


@functools.cache
def _known_names() -> Mapping[str, tuple[Route, tuple[str, ...]]]:
    """Return the route and the resolutions that each name stands for: of models, and those that the vendor bills."""
    known: dict[str, tuple[Route, tuple[str, ...]]] = {}
    for route in ROUTES.values():
        for resolution in route.resolution.made():
            for name in (route.bills_as(resolution), *(each.of(resolution) for each in route.more_billing_names)):
                if name and name != route.model:
                    known[name.casefold()] = (route, (resolution,))
    return known | {route.model.casefold(): (route, route.resolution.made()) for route in ROUTES.values()}


def _billing_names(request: VideoRequest, route: Route | None) -> list[str]:
    """Return every known name that a request may be billed under, in small letters, the most exact first."""
    if route is None:
        return [request.model_name.casefold()]
    resolution, has_videos = route.output_resolution(request.resolution), bool(request.reference_videos)
    more = [each.of(resolution) for each in route.more_billing_names if each.videos == has_videos]
    return [name.casefold() for name in (*more, route.bills_as(request.resolution)) if name]


def _unit_of(entry: CatalogEntry) -> BillingUnit | None:
    mode = entry.price_mode.casefold()
    return cast("BillingUnit", mode) if mode in get_args(BillingUnit) else None


def _estimate(
    request: VideoRequest,
    route: Route | None,
    unit: BillingUnit,
    price: float,
    source: str,
    video_seconds: Sequence[float],
    as_of: str,
) -> Estimate:
    if unit == "per_task":
        return Estimate(price, source, as_of)
    rule = route.reference_billing if route and request.reference_videos else ReferenceBilling()
    if rule.seconds_of == "none":
        return Estimate(price * request.duration, source, as_of)
    count, which = {
        "first": (1, "the first reference video"),
        "all": (len(request.reference_videos), "the reference videos"),
    }[rule.seconds_of]
    seconds = _whole_seconds(video_seconds[:count]) if len(video_seconds) >= count else 0
    if not rule.sure:
        more = f": {seconds} s, {price * seconds:g} coins more" if seconds else ""
        source += f", without the length of {which}, which may be billed too{more} ({rule.source})"
        seconds = 0
    elif seconds:
        source += f", with {seconds} s of {which}, which is billed too"
    else:
        source += f", without the length of {which}, which is billed too"
    return Estimate(price * (request.duration + seconds), source, as_of)


def _whole_seconds(lengths: Sequence[float]) -> int:
    """Return the sum of some lengths, rounded half up; 0 where one of them is not known."""
    if not all(0 < each < _LONGEST_VIDEO for each in lengths):
        return 0
    return math.floor(math.fsum(lengths) + 0.5)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "...")
