"""What a video will cost, by the vendor's public catalog: an estimate with its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect_seedance.client.request.routes import route_for
from prefect_seedance.client.request.video_request import VideoRequest

if TYPE_CHECKING:
    from prefect_seedance.client.models import CatalogEntry


@dataclass(frozen=True)
class Estimate:
    """An expected price.

    Attributes:
        coins: In the vendor's JimiCoin.
        source: Where it comes from, and what it leaves out.
    """

    coins: float
    source: str


def estimate(request: VideoRequest, catalog: Sequence[CatalogEntry]) -> Estimate | None:
    """Estimate the price of a request, None if the catalog does not have it.

    The catalog holds the platform's default prices, which need not be the user's own.

    Args:
        request: The video.
        catalog: Entries of ``SeedanceClient.catalog``.

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
    if route is not None and route.bills_first_reference_video and request.reference_videos:
        source += ", without the length of the reference video"
    return Estimate(entry.unit_price * request.duration, source)
