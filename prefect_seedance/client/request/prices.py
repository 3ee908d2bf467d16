"""What a video will cost, by the vendor's public catalog: an estimate with its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect_seedance.client.request.routes import ReferenceBilling, route_for
from prefect_seedance.client.request.video_request import VideoRequest

if TYPE_CHECKING:
    from prefect_seedance.client.models import CatalogEntry

#: Seconds. What claims to be longer was not read well.
_LONGEST_VIDEO = 86_400


@dataclass(frozen=True)
class Estimate:
    """An expected price.

    Attributes:
        coins: In the vendor's JimiCoin.
        source: Where it comes from, and what it leaves out.
    """

    coins: float
    source: str


def estimate(
    request: VideoRequest, catalog: Sequence[CatalogEntry], *, video_seconds: Sequence[float] = ()
) -> Estimate | None:
    """Estimate the price of a request, None if the catalog does not have it.

    The catalog holds the platform's default prices, which need not be the user's own. Seconds of reference videos count
    where the vendor says that they are billed; where that is only likely, the source says what they would add.

    Args:
        request: The video.
        catalog: Entries of ``SeedanceClient.catalog``.
        video_seconds: Length of each reference video, in the order of ``reference_videos``; 0 where it is not known.

    Example:
        >>> from prefect_seedance.client.models import CatalogEntry
        >>> mini = CatalogEntry(model_name="seedance2.0-mini-720p", price_mode="per_second", unit_price=0.05)
        >>> estimate(VideoRequest(prompt="x", model="seedance2.0-mini", duration=10), [mini]).coins
        0.5
    """
    route = route_for(request.model_name)
    name = route.bills_as(request.resolution) if route else request.model_name
    entry = next((each for each in catalog if each.model_name == name), None)
    if entry is None or entry.unit_price is None or entry.price_mode not in ("per_task", "per_second"):
        return None
    source = "estimate by the vendor's public catalog"
    if entry.price_mode == "per_task":
        return Estimate(entry.unit_price, source)
    rule = route.reference_billing if route and request.reference_videos else ReferenceBilling()
    if rule.seconds_of == "none":
        return Estimate(entry.unit_price * request.duration, source)
    count, which = {
        "first": (1, "the first reference video"),
        "all": (len(request.reference_videos), "the reference videos"),
    }[rule.seconds_of]
    seconds = _whole_seconds(video_seconds[:count]) if len(video_seconds) >= count else 0
    if not rule.sure:
        more = f": {seconds} s, {entry.unit_price * seconds:g} coins more" if seconds else ""
        source += f", without the length of {which}, which may be billed too{more} ({rule.source})"
        seconds = 0
    elif seconds:
        source += f", with {seconds} s of {which}, which is billed too"
    else:
        source += f", without the length of {which}, which is billed too"
    return Estimate(entry.unit_price * (request.duration + seconds), source)


def _whole_seconds(lengths: Sequence[float]) -> int:
    """Return the sum of some lengths, rounded half up; 0 where one of them is not known."""
    if not all(0 < each < _LONGEST_VIDEO for each in lengths):
        return 0
    return math.floor(math.fsum(lengths) + 0.5)
