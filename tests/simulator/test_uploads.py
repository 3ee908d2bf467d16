"""Uploads: what is counted of them, how long and how they are served, and how they go wrong."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from prefect_seedance.simulator import Fault, Simulator, running_simulator
from prefect_seedance.simulator.assets.uploads import CONTENT_TYPES
from tests.simulator.test_assets import UPLOAD, ask
from tests.simulator.test_references import failure
from tests.simulator.vendor import Vendor, data_of

LIFE_SECONDS = 3 * 24 * 3600


def send(vendor: Vendor, content: bytes = b"0123456789", name: str = "a.png") -> httpx.Response:
    return vendor.post(UPLOAD, files={"file": (name, content)})


def fetch(url: str, method: str = "GET", **headers: str) -> httpx.Response:
    return httpx.request(method, url, headers=headers, trust_env=False, verify=False)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_uploads_are_counted_by_their_content(simulator: Simulator, vendor: Vendor) -> None:
    for content, name in ((b"one", "a.png"), (b"one", "b.jpg"), (b"two", "c.png")):
        assert send(vendor, content, name).json()["code"] == 20000
    assert send(vendor, b"no", "a.exe").json()["code"] == 20002
    counts = simulator.requests()
    assert counts.uploads == {digest(b"one"): 2, digest(b"two"): 1}
    assert counts.asset_requests == {"upload": 4}
    kept = [(upload.filename, upload.content, upload.size) for upload in simulator.uploads()]
    assert kept == [("a.png", digest(b"one"), 3), ("b.jpg", digest(b"one"), 3), ("c.png", digest(b"two"), 3)]
    assert [upload["filename"] for upload in vendor.control("uploads")] == ["a.png", "b.jpg", "c.png"]


def test_an_audited_upload_is_known_by_its_content(simulator: Simulator, vendor: Vendor) -> None:
    url = data_of(send(vendor))["url"]
    ask(vendor, "/assets/audit", {"image_urls": [url, f"https://example.com/{url.rpartition('/')[2]}"]})
    assert [asset.content for asset in simulator.assets()] == [digest(b"0123456789"), ""]


@pytest.mark.parametrize("suffix", CONTENT_TYPES)
def test_a_file_is_served_as_what_its_name_says(vendor: Vendor, suffix: str) -> None:
    answer = fetch(data_of(send(vendor, name=f"a{suffix.upper()}"))["url"], "HEAD")
    assert answer.headers["content-type"].partition(";")[0] == CONTENT_TYPES[suffix]
    assert (answer.headers["content-length"], answer.headers["accept-ranges"]) == ("10", "bytes")


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=4-99", 206, b"456789", "bytes 4-9/10"),
        ("bytes=10-", 416, None, "*/10"),
    ],
)
def test_a_part_of_a_file_can_be_had(vendor: Vendor, asked: str, status: int, body: bytes | None, said: str) -> None:
    answer = fetch(data_of(send(vendor))["url"], Range=asked)
    assert answer.status_code == status and answer.headers["content-range"].endswith(said)
    assert body is None or answer.content == body


def test_a_link_dies_after_three_days_and_a_task_that_needs_it_fails(simulator: Simulator, vendor: Vendor) -> None:
    url = data_of(send(vendor))["url"]
    assert vendor.post("/_simulator/elapse", params={"seconds": LIFE_SECONDS - 60}).status_code == 200
    assert fetch(url).status_code == 200 and failure(vendor, images=[url]) == ""
    simulator.elapse(60)
    dead = fetch(url)
    assert dead.status_code == 403 and "expired" in dead.text and fetch(url, "HEAD").status_code == 403
    assert failure(vendor, images=[url]) == "invalid image_urls[0]: image url returned 403"
    assert fetch(f"{url[:-8]}nope.png").status_code == 404


def test_a_links_life_and_signature_can_be_set() -> None:
    with (
        running_simulator(seconds=0, upload_life_seconds=600, signed_uploads=True) as simulator,
        Vendor(simulator.url, simulator.key) as vendor,
    ):
        url = data_of(send(vendor))["url"]
        assert "Signature=" in url and fetch(url).status_code == 200
        assert fetch(url.partition("?")[0]).status_code == 403 == fetch(f"{url}0").status_code
        assert failure(vendor, images=[url]) == ""
        assert url.rpartition("=")[2] not in vendor.get("/_simulator/uploads").text
        simulator.elapse(600)
        assert fetch(url).status_code == 403


#: fault -> its settings, what the client sees, whether the file was kept
UPLOAD_FAULTS: dict[str, tuple[dict[str, Any], type[Exception] | int, bool]] = {
    "lost_answer": ({}, httpx.RemoteProtocolError, True),
    "hang": ({"seconds": 0.1}, httpx.RemoteProtocolError, True),
    "hang_before": ({"seconds": 0.1}, httpx.RemoteProtocolError, False),
    "drop_before": ({}, httpx.RemoteProtocolError, False),
    "error_before": ({"status": 503}, 503, False),
    "error_after": ({}, 504, True),
    "html_before": ({}, 200, False),
    "html_after": ({}, 200, True),
    "half_json": ({}, 200, True),
    "cut_json": ({}, httpx.RemoteProtocolError, True),
    "slow_answer": ({"seconds": 0.1}, 200, True),
    "rate_limited_code": ({}, 200, False),
    "rate_limited_http": ({"retry_after": 7}, 429, False),
    "busy": ({}, 200, False),
    "server_error": ({"accepted": True}, 200, True),
    "unknown_code": ({}, 200, False),
    "redirect": ({}, 307, False),
}


@pytest.mark.parametrize("name", UPLOAD_FAULTS)
def test_an_upload_breaks_as_a_create_does(simulator: Simulator, vendor: Vendor, name: str) -> None:
    settings, seen, kept = UPLOAD_FAULTS[name]
    simulator.plan(Fault.model_validate({"fault": f"upload_{name}", "matching": "cat", **settings}))
    assert send(vendor, name="dog.png").json()["code"] == 20000
    if isinstance(seen, int):
        assert send(vendor, b"cat", "cat.png").status_code == seen
    else:
        with pytest.raises(seen):
            send(vendor, b"cat", "cat.png")
    assert simulator.faults() == []
    assert (digest(b"cat") in simulator.requests().uploads) == kept
    assert simulator.requests().asset_requests["upload"] == 2


def test_an_upload_may_be_answered_without_a_link_or_with_one_that_dies_at_once(
    simulator: Simulator, vendor: Vendor
) -> None:
    simulator.plan(Fault(fault="upload_no_url"), Fault(fault="upload_link_dies", after=60))
    assert "url" not in data_of(send(vendor))
    short, usual = (data_of(send(vendor))["url"] for _ in range(2))
    assert fetch(short).status_code == 200
    simulator.elapse(60)
    assert (fetch(short).status_code, fetch(usual).status_code) == (403, 200)
