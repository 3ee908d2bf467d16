"""What a video costs here. **Every number is made up**: the vendor's prices stand in its console and catalog.

Prices belong to billing names, one per model and, where the route prices them apart, per resolution. A route
that bills one name for every resolution has one price, so that the catalog's price always explains the bill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from prefect_seedance.client.request.routes import ROUTES, Route

#: Made-up prices in JimiCoin: per second, and per task, by resolution.
_PER_SECOND = {"480p": 0.03, "720p": 0.05, "1080p": 0.11, "2k": 0.19, "4k": 0.41}
_PER_TASK = {"480p": 0.21, "720p": 0.35, "1080p": 0.75}


def resolution_of(route: Route, body: Mapping[str, JsonValue]) -> str:
    """Return the resolution that a body gets on a route."""
    return route.output_resolution(str(body.get("resolution") or "auto"))


def cost_of(route: Route, body: Mapping[str, JsonValue]) -> float:
    """Price a body that was accepted, in made-up JimiCoin.

    The length of a first reference video, which Mini video bills as well, is never read here: the vendor too
    bills ``duration`` alone when it cannot read it.

    Example:
        >>> from prefect_seedance.client.request.routes import ROUTES
        >>> cost_of(ROUTES["seedance2.0-mini"], {"duration": 4, "resolution": "480p"})
        0.12
    """
    unit_price = _unit_price(route, resolution_of(route, body))
    units = int(str(body["duration"])) if route.billing_unit == "per_second" else 1
    return round(unit_price * units, 4)


def catalog(search: str = "") -> list[dict[str, JsonValue]]:
    """List the billing names with their made-up prices, as the vendor's catalog route does."""
    searched, wanted = ("model_name", "display_name", "model_type", "remark"), search.casefold()
    return [row for row in _rows() if any(wanted in str(row[name]).casefold() for name in searched)]


def _rows() -> Iterator[dict[str, JsonValue]]:
    for route in ROUTES.values():
        resolutions = route.resolution.values if "{resolution}" in route.billing_name else ("auto",)
        for resolution in resolutions:
            price = _unit_price(route, route.output_resolution(resolution))
            yield {
                "model_name": route.bills_as(resolution),
                "display_name": route.title,
                "model_type": "video",
                "price_mode": route.billing_unit,
                "unit_price": price,
                "official_price": round(price * 1.25, 4),
                "remark": "made up by the simulator",
                "group": "Seedance Video",
            }


def _unit_price(route: Route, resolution: str) -> float:
    table = _PER_SECOND if route.billing_unit == "per_second" else _PER_TASK
    if "{resolution}" not in route.billing_name and route.resolution.sent:
        resolution = route.resolution.default
    return table.get(resolution, table["720p"])
