"""Every route takes what its row allows and refuses, naming the field, what its row refuses."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_seedance.client.request.routes import ROUTES, Route
from prefect_seedance.simulator.limits import UNSUPPORTED_MODEL, refusal
from tests.client import route_oracle as oracle
from tests.client.pages import LATER, asked, page_of
from tests.simulator.vendor import ASSET, HTTPS, Vendor, data_of, request_body

MEDIA = ("images", "first_image", "last_image", "reference_videos", "reference_audios")


def address(route: Route, name: str) -> str:
    return (HTTPS if "https" in route.urls.images.forms else ASSET) + name


def fullest_body(route: Route) -> dict[str, Any]:
    """A body with everything that a route supports at once."""
    body = request_body(route.model, ratio="16:9", images=[address(route, "a.png")], surplus={"kept": True})
    if route.resolution.sent:
        body["resolution"] = route.resolution.values[-1]
    for field, rule in (
        ("reference_videos", route.reference_videos),
        ("reference_audios", route.reference_audios),
    ):
        if rule.supported():
            body[field] = [address(route, field)]
    return body


@pytest.mark.parametrize("model", ROUTES)
def test_every_route_is_accepted_and_billed(vendor: Vendor, model: str) -> None:
    route = ROUTES[model]
    answer = data_of(vendor.create(fullest_body(route)))
    assert answer["task_id"].startswith("videos_") and len(answer["task_id"]) == len("videos_") + 32
    assert answer["status"] == "queued" and answer["model"] == model and answer["cost"] > 0
    (bill,) = vendor.control("bills")
    assert bill["accepted"] == 1 and bill["task_ids"] == [answer["task_id"]]
    assert bill["body"]["surplus"] == {"kept": True}
    priced = vendor.get(
        f"/api/openapi/model/catalog?search={route.bills_as(fullest_body(route).get('resolution', 'auto'))}"
    )
    prices = {row["model_name"]: row for row in data_of(priced)["list"]}
    row = prices[route.bills_as(fullest_body(route).get("resolution", "auto"))]
    assert row["price_mode"] == route.billing_unit
    units = route.duration.default if row["price_mode"] == "per_second" else 1
    assert answer["cost"] == pytest.approx(row["unit_price"] * units)


def as_sent(model: str, shorthand: str) -> dict[str, Any]:
    """A sample of a vendor's page as a body, with addresses of the form that the route takes."""
    route = ROUTES[model]

    def fit(value: Any) -> Any:
        if isinstance(value, list):
            return [fit(each) for each in value]
        return value.replace("https://", "asset://") if "https" not in route.urls.images.forms else value

    return {name: fit(value) if name in MEDIA else value for name, value in asked(model, shorthand).items()}


@pytest.mark.parametrize("model", ROUTES)
def test_what_every_page_refuses_is_refused_and_nothing_else(model: str) -> None:
    page = page_of(model)
    later, never = LATER.get(model, ([], []))
    for shorthand in (*page.accepts, *later):
        assert refusal(request_body(**as_sent(model, shorthand))) is None, shorthand
    # The vendor says nothing of what it ignores: it takes the money and makes something else.
    ignored = {"orientation", "resolution"} if oracle.ignores_resolution(model) else {"orientation"}
    for shorthand, named in page.refuses.items():
        if shorthand in later:
            continue
        message = refusal(request_body(**as_sent(model, shorthand)))
        expected = set(named.split()) - ignored
        assert (message is None) == (not expected), shorthand
        assert message is None or message.partition(":")[0].partition("[")[0] in expected, shorthand
    for shorthand in never:
        assert refusal(request_body(**as_sent(model, shorthand))), shorthand


@pytest.mark.parametrize("model", ["seedance2.0-sp", "seedance2.0-of-sp"])
@pytest.mark.parametrize("field", ["images", "reference_videos", "first_image"])
def test_an_asset_of_the_sp_library_is_taken_as_later_pages_say(model: str, field: str) -> None:
    value = f"{ASSET}a" if field == "first_image" else [f"{ASSET}a"]
    assert refusal(request_body(model, **{field: value})) is None


IMAGE = f"{HTTPS}a.png"

# What no page has to say: the API's own rules, and addresses, of which the simulator takes its own on loopback.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": ""}, "model"),
    "unknown model": ({"model": "seedance-2.5"}, UNSUPPORTED_MODEL),
    "no prompt": ({"prompt": " "}, "prompt"),
    "prompt that is no text": ({"prompt": 7}, "prompt"),
    "no duration": ({"duration": None}, "duration"),
    "duration as text": ({"duration": "5"}, "duration"),
    "duration as truth": ({"duration": True}, "duration"),
    "resolution that is no text": ({"resolution": 720}, "resolution"),
    "orientation": ({"orientation": "square"}, "orientation"),
    "images as text": ({"images": IMAGE}, "images"),
    "empty address": ({"images": [""]}, "images"),
    "a plain URL on Manxue": ({"model": "sd2_mx_720p", "images": [IMAGE]}, "images[0]"),
    "an asset on STD": ({"images": ["asset://a"]}, "images[0]"),
    "a file": ({"images": ["/tmp/a.png"]}, "images[0]"),
    "no address": ({"first_image": "https://[broken"}, "first_image"),
    "plain http": ({"images": ["http://example.com/a.png"]}, "images[0]"),
    "GIF before a query": ({"model": "seedance2.0-md", "images": [f"{HTTPS}a.GIF?x=1"]}, "images[0]"),
}


@pytest.mark.parametrize(("changes", "named"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_answered_as_the_vendor_does_and_costs_nothing(
    vendor: Vendor, changes: dict[str, Any], named: str
) -> None:
    answer = vendor.create(**changes)
    assert answer.status_code == 200
    assert answer.json()["code"] == 20002 and answer.json()["data"] is None
    assert answer.json()["msg"].startswith(named)
    assert vendor.control("bills") == []
    assert vendor.control("requests")["create_received"] == 1


ACCEPTED: dict[str, dict[str, Any]] = {
    "a resolution that the route ignores": {"resolution": "8k"},
    "an asset where it is not documented": {"model": "seedance2.0-mini-sp", "images": ["asset://a"]},
    "empty lists": {"images": [], "reference_videos": [], "first_image": ""},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_vendor_does_not_mind_is_accepted(changes: dict[str, Any]) -> None:
    assert refusal({**request_body(), **changes}) is None


def test_a_body_that_is_no_json_object_is_refused(vendor: Vendor) -> None:
    for content in (b"[1]", b'{"model"', b""):
        answer = vendor.post("/api/open-api/v1/seedance/videos", content=content)
        assert answer.json()["code"] == 20002
