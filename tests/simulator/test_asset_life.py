"""Assets over time, and answers about them that are undocumented, partial, broken or lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from prefect_seedance.simulator import FAULTS, Fault, Simulator, running_simulator
from tests.simulator.test_assets import SEEDANCE, ask, statuses
from tests.simulator.test_references import audited, failure, in_sp
from tests.simulator.test_uploads import UPLOAD_FAULTS
from tests.simulator.vendor import Vendor, data_of

URL = "https://example.com/a.png"
STATUS, SP_STATUS = "/assets/status", "/sp/assets/status"


def status(vendor: Vendor, asset_id: str, path: str = STATUS) -> str:
    return statuses(vendor, path, [asset_id])[0]


@pytest.fixture(scope="module")
def newer() -> Iterator[Simulator]:
    with running_simulator(seconds=0, asset_seconds=900, asset_life_seconds=3600, asset_words="newer") as simulator:
        yield simulator


def test_an_asset_goes_through_the_words_of_newer_pages_and_expires(newer: Simulator) -> None:
    newer.reset()
    with Vendor(newer.url, newer.key) as vendor:
        ours, library = audited(vendor, URL), in_sp(vendor, URL)
        seen = [(status(vendor, ours), status(vendor, library, SP_STATUS))]
        for seconds in (300, 300, 300, 3600):
            newer.elapse(seconds)
            seen.append((status(vendor, ours), status(vendor, library, SP_STATUS)))
        assert seen == [
            ("submitted", "NONE"),
            ("Pending", "UPLOADING"),
            ("Processing", "PROCESSING"),
            ("Active", "ACTIVE"),
            ("Expired", "EXPIRED"),
        ]
        # Asked for, an expired one is fetched anew, and comes back.
        assert status(vendor, ours) == "submitted"
        newer.elapse(900)
        assert status(vendor, ours) == "Active" and status(vendor, library, SP_STATUS) == "ACTIVE"


def test_an_expired_asset_may_stay_away_for_good() -> None:
    settings: dict[str, Any] = {"asset_seconds": 0, "asset_life_seconds": 60, "expired_assets_return": False}
    with running_simulator(seconds=0, **settings) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        asset_id = audited(vendor, URL)
        simulator.elapse(60)
        assert [status(vendor, asset_id) for _ in range(3)] == ["Expired"] * 3
        assert "is Expired, not Active" in failure(vendor, model="sd2_mx_720p", images=[f"asset://{asset_id}"])
        again = audited(vendor, URL)
        assert again != asset_id and status(vendor, again) == "Active"
        assert simulator.requests().audits == {URL: 2}


@pytest.mark.parametrize(
    ("fault", "manxue", "sp"),
    [
        ("asset_rejected", "Rejected", "Failed"),
        ("asset_failed", "Failed", "Failed"),
        ("asset_expired", "Expired", "Expired"),
        ("asset_deleted", "Deleted", "Deleted"),
        ("asset_foreign", None, None),
    ],
)
def test_an_assets_life_takes_a_turn(
    simulator: Simulator, vendor: Vendor, fault: str, manxue: str | None, sp: str | None
) -> None:
    ours, library, other = audited(vendor, URL), in_sp(vendor, URL), audited(vendor, "https://example.com/b.png")
    simulator.elapse(1000)
    assert status(vendor, ours) == status(vendor, library, SP_STATUS) == "Active"
    simulator.plan(Fault(fault=fault, matching="a.png", times=2))
    assert statuses(vendor, STATUS, [other, ours]) == ["Active", *([manxue] if manxue else [])]
    assert statuses(vendor, SP_STATUS, [library]) == ([sp] if sp else [])
    assert simulator.faults() == []


def test_what_becomes_of_an_asset_may_be_planned_for_later(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(Fault(fault="asset_slow", after=500), Fault(fault="asset_expired", after=5000, returns=False))
    asset_id = audited(vendor, URL)
    simulator.elapse(1000)
    assert status(vendor, asset_id) == "Pending"
    simulator.elapse(500)
    assert status(vendor, asset_id) == "Active"
    simulator.elapse(4500)
    assert [status(vendor, asset_id) for _ in range(2)] == ["Expired", "Expired"]


@pytest.mark.parametrize("word", ["ACTIVE", " active ", "aCtive", "reviewing", "PENDING", "", "Active!"])
def test_a_status_may_be_any_word(simulator: Simulator, vendor: Vendor, word: str) -> None:
    simulator.plan(Fault(fault="asset_word", message=word))
    asset_id = audited(vendor, URL)
    assert status(vendor, asset_id) == (word or "Pending")
    said = failure(vendor, model="sd2_mx_720p", images=[f"asset://{asset_id}"])
    assert (said == "") == (word.strip().lower() == "active")


@pytest.mark.parametrize("shape", FAULTS["asset_rejected"].shapes)
def test_a_rejection_may_have_a_reason_or_none(simulator: Simulator, vendor: Vendor, shape: str) -> None:
    simulator.plan(
        Fault(fault="asset_rejected", shape=shape, message="a face"), Fault(fault="asset_failed", message="")
    )
    ids = [audited(vendor, URL), audited(vendor, URL)]
    simulator.elapse(1000)
    told, untold = ask(vendor, STATUS, {"asset_ids": ids})["items"]
    assert told == {"asset_id": ids[0], "status": "Rejected", shape: "a face"}
    assert untold == {"asset_id": ids[1], "status": "Failed"}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("upstream", {"originalUrl": URL, "errorMessage": "a face"}),
        ("snake", {"original_url": URL, "reason": "a face"}),
        ("text", URL),
        ("sentence", f"{URL}: a face"),
        ("nameless", {"error": {"message": "a face"}}),
    ],
)
def test_an_audit_may_take_only_a_part(simulator: Simulator, vendor: Vendor, shape: str, expected: object) -> None:
    simulator.plan(Fault(fault="audit_failed_items", matching="a.png", shape=shape, message="a face"))
    answer = ask(vendor, "/assets/audit", {"image_urls": [URL], "video_urls": ["https://example.com/b.mp4"]})
    assert answer["failed_items"] == [expected]
    assert [item["original_url"] for item in answer["items"]] == ["https://example.com/b.mp4"]
    assert simulator.requests().audits == {"https://example.com/b.mp4": 1}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("normalised", "https://example.com/a%20b.png?x=1"),
        ("trailing_slash", "https://Example.com:443/a%20b.png?x=1#c/"),
        ("decoded", "https://Example.com:443/a b.png?x=1#c"),
        ("without_query", "https://Example.com:443/a%20b.png"),
        ("empty", ""),
    ],
)
def test_an_audit_may_write_an_address_in_another_way(
    simulator: Simulator, vendor: Vendor, shape: str, expected: str
) -> None:
    simulator.plan(Fault(fault="audit_other_address", shape=shape))
    url = "https://Example.com:443/a%20b.png?x=1#c"
    (item,) = ask(vendor, "/assets/audit", {"image_urls": [url]})["items"]
    assert item["original_url"] == expected and simulator.assets()[0].url == url


def test_an_audit_may_answer_out_of_order_or_without_ids(simulator: Simulator, vendor: Vendor) -> None:
    urls = [f"https://example.com/{number}.png" for number in range(3)]
    simulator.plan(Fault(fault="audit_reordered"), Fault(fault="audit_no_asset_id", times=3))
    items = ask(vendor, "/assets/audit", {"image_urls": urls})["items"]
    assert [item["original_url"] for item in items] == urls[::-1]
    assert "asset_id" not in ask(vendor, "/assets/audit", {"image_urls": urls[:1]})["items"][0]
    assert ask(vendor, "/sp/assets/upload", {"name": "a", "type": "image", "url": URL}) == {}
    assert "asset_id" not in ask(vendor, "/sp/realperson/submit", {"name": "a", "url": URL})
    assert len(simulator.assets()) == 6


@pytest.mark.parametrize("path", ["/assets/audit", "/sp/assets/upload", "/sp/realperson/submit"])
@pytest.mark.parametrize("name", UPLOAD_FAULTS)
def test_a_submission_breaks_as_a_create_does(simulator: Simulator, vendor: Vendor, name: str, path: str) -> None:
    settings, seen, made = UPLOAD_FAULTS[name]
    simulator.plan(Fault.model_validate({"fault": f"audit_{name}", "matching": "a.png", **settings}))
    body = {"image_urls": [URL]} if path == "/assets/audit" else {"name": "a", "type": "image", "url": URL}
    if isinstance(seen, int):
        assert vendor.post(SEEDANCE + path, json=body).status_code == seen
    else:
        with pytest.raises(seen):
            vendor.post(SEEDANCE + path, json=body)
    assert simulator.faults() == [] and len(simulator.assets()) == int(made)
    counts = simulator.requests()
    assert sum((counts.audits | counts.sp_uploads | counts.real_persons).values()) == int(made)
    assert ask(vendor, path, body) and len(simulator.assets()) == int(made) + 1


def test_a_question_meets_only_what_can_happen_to_one(simulator: Simulator, vendor: Vendor) -> None:
    asset_id = audited(vendor, URL)
    names = [name.removeprefix("status_") for name, kind in FAULTS.items() if kind.place == "status" and kind.what]
    assert {"error_before", "drop_before", "rate_limited_code", "rate_limited_http", "slow_answer"} <= set(names)
    for name in names:
        settings, seen, _ = UPLOAD_FAULTS[name]
        settings = {key: value for key, value in settings.items() if key != "accepted"}
        simulator.plan(Fault.model_validate({"fault": f"status_{name}", "matching": "a.png", **settings}))
        if isinstance(seen, int):
            assert vendor.post(SEEDANCE + STATUS, json={"asset_ids": [asset_id]}).status_code == seen
        else:
            with pytest.raises(seen):
                vendor.post(SEEDANCE + STATUS, json={"asset_ids": [asset_id]})
        assert simulator.faults() == [] and status(vendor, asset_id) == "Pending"


def test_a_status_answer_may_leave_assets_out_or_fail_to_look_them_up(simulator: Simulator, vendor: Vendor) -> None:
    ours, other = audited(vendor, URL), audited(vendor, "https://example.com/b.png")
    simulator.plan(
        Fault(fault="status_left_out", matching="a.png"),
        Fault(fault="status_failed_items", matching=ours),
        Fault(fault="status_failed_items", matching="b.png", shape="text"),
        Fault(fault="status_failed_items", matching="b.png", shape="snake"),
    )
    answers = [ask(vendor, STATUS, {"asset_ids": [ours, other]}) for _ in range(5)]
    assert [[item["asset_id"] for item in answer["items"]] for answer in answers] == [
        [other],
        [other],
        [ours],
        [ours],
        [ours, other],
    ]
    assert [answer.get("failed_items") for answer in answers] == [
        None,
        [{"assetId": ours, "errorMessage": "query failed"}],
        [other],
        [{"asset_id": other, "reason": "query failed"}],
        None,
    ]


def test_real_people_are_listed(simulator: Simulator, vendor: Vendor) -> None:
    people = "/sp/realperson"
    first = ask(vendor, f"{people}/submit", {"name": "Ada", "url": URL})
    assert (first["status"], first["asset_ref"], first["name"], first["url"]) == ("Processing", None, "Ada", URL)
    assert first["official_id"] and first["created_at"]
    second = ask(vendor, f"{people}/submit", {"name": "Bob", "url": "https://example.com/reject.png"})
    simulator.elapse(1000)
    assert ask(vendor, f"{people}/status", {"asset_id": first["asset_id"]}) == {
        **first,
        "status": "Active",
        "asset_ref": f"asset://{first['asset_id']}",
    }
    ids = [second["asset_id"], "asset-0", first["asset_id"]]
    batch: Any = ask(vendor, f"{people}/batch-status", {"asset_ids": ids})
    assert [person["status"] for person in batch] == ["Failed", "Active"]
    assert vendor.post(f"{SEEDANCE}{people}/status", json={"asset_id": "asset-0"}).json()["code"] == 20002
    assert vendor.post(f"{SEEDANCE}{people}/submit", json={"name": "Eve"}).json()["msg"].startswith("url")
    assert statuses(vendor, SP_STATUS, [first["asset_id"]]) == []


def test_what_was_asked_is_counted(simulator: Simulator, vendor: Vendor) -> None:
    ids = [audited(vendor, URL), audited(vendor, URL), in_sp(vendor, URL), in_sp(vendor, URL, "/sp/realperson/submit")]
    ask(vendor, STATUS, {"asset_ids": [ids[0], ids[1], "asset-0"]})
    ask(vendor, STATUS, {"asset_ids": [ids[0]]})
    ask(vendor, "/sp/assets/detail", {"asset_id": ids[2]})
    counts = simulator.requests()
    assert (counts.audits, counts.sp_uploads, counts.real_persons) == ({URL: 2}, {URL: 1}, {URL: 1})
    assert counts.statuses == {ids[0]: 2, ids[1]: 1, "asset-0": 1, ids[2]: 1}
    assert counts.asset_requests == {"audit": 2, "sp_upload": 1, "person_submit": 1, "status": 2, "sp_detail": 1}
    assert vendor.control("requests") == counts.model_dump()
    assert [asset["asset_id"] for asset in vendor.control("assets")] == ids


def test_a_refused_submission_meets_no_fault_and_makes_nothing(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(Fault(fault="audit_lost_answer"), Fault(fault="upload_lost_answer"))
    assert vendor.post(f"{SEEDANCE}/assets/audit", json={}).json()["code"] == 20002
    assert vendor.post(f"{SEEDANCE}/assets/audit", content=b"[]").json()["code"] == 20002
    assert len(simulator.faults()) == 2 and simulator.assets() == []
    with pytest.raises(httpx.RemoteProtocolError):
        ask(vendor, "/assets/audit", {"image_urls": [URL]})


def test_a_shape_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        Fault(fault="audit_failed_items", shape="round")


def test_a_reset_forgets_assets_and_uploads(simulator: Simulator, vendor: Vendor) -> None:
    asset_id = audited(vendor, URL)
    url = data_of(vendor.post("/api/open-api/v1/files/upload", files={"file": ("a.png", b"x")}))["url"]
    simulator.reset()
    assert statuses(vendor, STATUS, [asset_id]) == [] and simulator.assets() == simulator.uploads() == []
    assert httpx.get(url, trust_env=False, verify=False).status_code == 404
