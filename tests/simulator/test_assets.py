"""Both asset libraries and the upload of files."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from prefect_seedance.simulator import Simulator, running_simulator
from tests.simulator.vendor import Vendor, data_of

SEEDANCE = "/api/open-api/v1/seedance"
UPLOAD = "/api/open-api/v1/files/upload"
ASSET_PATHS = (
    "/assets/audit",
    "/assets/status",
    "/sp/assets/upload",
    "/sp/assets/status",
    "/sp/realperson/submit",
    "/sp/realperson/status",
    "/sp/realperson/batch-status",
)


def ask(vendor: Vendor, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return data_of(vendor.post(SEEDANCE + path, json=body))


def statuses(vendor: Vendor, path: str, asset_ids: list[str]) -> list[str]:
    return [item["status"] for item in ask(vendor, path, {"asset_ids": asset_ids})["items"]]


def test_an_audited_asset_becomes_active_or_is_rejected(simulator: Simulator, vendor: Vendor) -> None:
    body = {"image_urls": ["https://example.com/a.png"], "audio_urls": ["https://example.com/reject.mp3"]}
    items = ask(vendor, "/assets/audit", body)["items"]
    assert [(item["asset_type"], item["status"]) for item in items] == [
        ("image", "Pending"),
        ("audio", "Pending"),
    ]
    assert items[0]["original_url"] == "https://example.com/a.png"
    ids = [item["asset_id"] for item in items]
    simulator.elapse(1000)
    assert statuses(vendor, "/assets/status", [*ids, "asset-unknown"]) == ["Active", "Rejected"]


def test_an_address_that_nobody_can_reach_fails_in_the_audit(vendor: Vendor) -> None:
    answer = ask(vendor, "/assets/audit", {"video_urls": ["/tmp/a.mp4"]})
    assert answer["items"] == [] and answer["failed_items"][0]["original_url"] == "/tmp/a.mp4"
    assert vendor.post(f"{SEEDANCE}/assets/audit", json={}).json()["code"] == 20002


def test_the_sp_library_speaks_its_own_words(simulator: Simulator, vendor: Vendor) -> None:
    def upload(url: str) -> str:
        answer = vendor.post(f"{SEEDANCE}/sp/assets/upload", json={"name": "hat", "type": "image", "url": url})
        assert answer.json()["code"] == 0
        return str(answer.json()["data"]["asset_id"])

    ids = [upload("https://example.com/hat.png"), upload("https://example.com/reject.png")]
    assert statuses(vendor, "/sp/assets/status", ids) == ["Processing", "Processing"]
    simulator.elapse(1000)
    assert statuses(vendor, "/sp/assets/status", ids) == ["Active", "Failed"]
    detail = ask(vendor, "/sp/assets/detail", {"asset_id": ids[0]})
    assert detail["name"] == "hat" and detail["image_url"] == "https://example.com/hat.png"
    assert detail["status"] == "Active" and isinstance(detail["created_at"], str) and detail["official_id"]
    assert statuses(vendor, "/assets/status", ids) == []


@pytest.mark.parametrize("missing", ["name", "type", "url"])
def test_an_incomplete_sp_asset_is_refused(vendor: Vendor, missing: str) -> None:
    body = {"name": "hat", "type": "image", "url": "https://example.com/a.png", missing: ""}
    answer = vendor.post(f"{SEEDANCE}/sp/assets/upload", json=body).json()
    assert answer["code"] == 20002 and answer["msg"].startswith(missing)


def test_asset_routes_want_the_key(simulator: Simulator) -> None:
    with Vendor(simulator.url, "sk_wrong") as stranger:
        for path in (*ASSET_PATHS, "/sp/assets/detail"):
            assert stranger.post(SEEDANCE + path, json={}).json()["code"] == 20001
        assert stranger.post(UPLOAD, files={"file": ("a.png", b"x")}).json()["code"] == 20001


def test_an_uploaded_file_is_served_back_and_usable(vendor: Vendor) -> None:
    answer = data_of(vendor.post(UPLOAD, files={"file": ("Hut.PNG", b"not really a picture", "image/png")}))
    assert (answer["filename"], answer["size"], answer["mime_type"]) == ("Hut.PNG", 20, "image/png")
    assert httpx.get(answer["url"], trust_env=False, verify=False).content == b"not really a picture"
    assert "task_id" in data_of(vendor.create(images=[answer["url"]]))


@pytest.mark.parametrize("name", ["a.exe", "png", "a"])
def test_a_file_of_another_kind_is_refused(vendor: Vendor, name: str) -> None:
    assert vendor.post(UPLOAD, files={"file": (name, b"x")}).json()["code"] == 20002


def test_a_file_must_be_there_and_not_too_large() -> None:
    with (
        running_simulator(upload_limit_bytes=1000) as simulator,
        Vendor(simulator.url, simulator.key) as vendor,
    ):
        assert vendor.post(UPLOAD, files={"other": ("a.png", b"x")}).json()["msg"].startswith("file")
        assert vendor.post(UPLOAD, files={"file": ("a.png", bytes(1000))}).json()["code"] == 20000
        assert vendor.post(UPLOAD, files={"file": ("a.png", bytes(1001))}).json()["code"] == 20002
