"""Every route takes what its row allows and refuses, naming the field, what its row refuses."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_seedance.client.routes import ROUTES, Route
from prefect_seedance.simulator.limits import UNSUPPORTED_MODEL, refusal
from tests.simulator.vendor import ASSET, HTTPS, Vendor, data_of, request_body


def address(route: Route, name: str) -> str:
    return (HTTPS if "https" in route.url_forms else ASSET) + name


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


FRAME, OTHER_FRAME, IMAGE = f"{HTTPS}first.png", f"{HTTPS}last.png", f"{HTTPS}a.png"

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": ""}, "model"),
    "unknown model": ({"model": "seedance-2.5"}, UNSUPPORTED_MODEL),
    "no prompt": ({"prompt": " "}, "prompt"),
    "prompt that is no text": ({"prompt": 7}, "prompt"),
    "long prompt": ({"model": "seedance2.0-md", "prompt": "x" * 5001}, "prompt"),
    "no duration": ({"duration": None}, "duration"),
    "duration as text": ({"duration": "5"}, "duration"),
    "duration as truth": ({"duration": True}, "duration"),
    "too short": ({"duration": 3}, "duration"),
    "too long": ({"duration": 16}, "duration"),
    "resolution": ({"model": "seedance2.0-mini-sp", "resolution": "1080p"}, "resolution"),
    "resolution that is no text": ({"resolution": 720}, "resolution"),
    "ratio": ({"model": "seedance2.0-md", "ratio": "21:9"}, "ratio"),
    "orientation": ({"orientation": "square"}, "orientation"),
    "images as text": ({"images": IMAGE}, "images"),
    "empty address": ({"images": [""]}, "images"),
    "too many images": ({"model": "seedance2.0-md", "images": [IMAGE] * 5}, "images"),
    "too many images on I2V": ({"model": "seedance2.0-fast-i2v", "images": [IMAGE] * 10}, "images"),
    "no videos here": ({"model": "seedance2.0-mini", "reference_videos": [IMAGE]}, "reference_videos"),
    "no audio here": ({"model": "seedance2.0-fast-i2v", "reference_audios": [IMAGE]}, "reference_audios"),
    "too many audios": ({"images": [IMAGE], "reference_audios": [IMAGE] * 4}, "reference_audios"),
    "images and frames": ({"images": [IMAGE], "first_image": FRAME}, "images"),
    "first frame alone": ({"model": "seedance2.0-md", "first_image": FRAME}, "first_image"),
    "last frame alone": ({"model": "seedance2.0-md", "last_image": FRAME}, "last_image"),
    "audio alone": ({"model": "seedance2.0-mini", "reference_audios": [IMAGE]}, "reference_audios"),
    "audio with frames": ({"first_image": FRAME, "reference_audios": [IMAGE]}, "reference_audios"),
    "a plain URL on Manxue": ({"model": "sd2_mx_720p", "images": [IMAGE]}, "images[0]"),
    "an asset on STD": ({"images": ["asset://a"]}, "images[0]"),
    "a file": ({"images": ["/tmp/a.png"]}, "images[0]"),
    "no address": ({"first_image": "https://[broken"}, "first_image"),
    "plain http": ({"images": ["http://example.com/a.png"]}, "images[0]"),
    "GIF": ({"model": "seedance2.0-md", "images": [f"{HTTPS}a.GIF?x=1"]}, "images[0]"),
}


@pytest.mark.parametrize(("changes", "named"), REFUSED.values(), ids=REFUSED)
def test_what_the_row_refuses_is_refused_and_costs_nothing(vendor: Vendor, changes: dict[str, Any], named: str) -> None:
    answer = vendor.create(**changes)
    assert answer.status_code == 200
    assert answer.json()["code"] == 20002 and answer.json()["data"] is None
    assert answer.json()["msg"].startswith(named)
    assert vendor.control("bills") == []
    assert vendor.control("requests")["create_received"] == 1


ACCEPTED: dict[str, dict[str, Any]] = {
    "a ratio that only examples speak against": {"model": "seedance2.0-mini", "ratio": "21:9"},
    "a length that sources split on": {"model": "sd2_mx_720p", "duration": 15},
    "a resolution that the route ignores": {"resolution": "8k"},
    "both frames": {"model": "seedance2.0-md", "first_image": FRAME, "last_image": OTHER_FRAME},
    "one audio on MD": {"model": "seedance2.0-md", "reference_audios": [IMAGE]},
    "an asset where it is not documented": {"model": "seedance2.0-mini-sp", "images": ["asset://a"]},
    "empty lists": {"images": [], "reference_videos": [], "first_image": ""},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_what_sources_split_on_is_accepted(changes: dict[str, Any]) -> None:
    assert refusal({**request_body(), **changes}) is None


def test_a_body_that_is_no_json_object_is_refused(vendor: Vendor) -> None:
    for content in (b"[1]", b'{"model"', b""):
        answer = vendor.post("/api/open-api/v1/seedance/videos", content=content)
        assert answer.json()["code"] == 20002
