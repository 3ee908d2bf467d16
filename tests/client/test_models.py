"""Answers stay readable whatever stands in their fields: a paid task must not be lost to an odd progress."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from prefect_seedance.client.models import (
    Asset,
    AuditResult,
    CatalogEntry,
    FailedItem,
    KeyBalance,
    UploadedFile,
    UserBalance,
    VideoTask,
)

MODELS: list[type[BaseModel]] = [
    Asset,
    AuditResult,
    CatalogEntry,
    FailedItem,
    KeyBalance,
    UploadedFile,
    UserBalance,
    VideoTask,
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@given(data=st.data())
def test_any_object_can_be_read_and_written_back(model: type[BaseModel], data: st.DataObject) -> None:
    fields: dict[str, st.SearchStrategy[Any]] = {name: JSON for name in [*model.model_fields, "result", "new"]}
    found = model.model_validate(data.draw(st.fixed_dictionaries({}, optional=fields)))
    assert model.model_validate_json(found.model_dump_json()) == found
    assert model.model_validate(found.model_dump()) == found


HUGE = 10**400
NONSENSE = [
    *(float("nan"), float("inf"), float("-inf"), 1e300, -1e300, HUGE, -HUGE, 10**5000),
    *(True, False, None, "", " ", "soon", "nan", "Infinity", "1e999", "9" * 5000, "0x10", [], [7], {}, {"a": 1}),
]
NUMBERS = [
    *((VideoTask, name) for name in ("progress", "created_at", "completed_at", "cost")),
    *((UserBalance, name) for name in ("balance", "used_coin", "available")),
    *((KeyBalance, name) for name in ("total_quota", "used_quota", "available_quota")),
    *((CatalogEntry, name) for name in ("unit_price", "official_price")),
    (UploadedFile, "size"),
]


@pytest.mark.parametrize(("model", "name"), NUMBERS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: type(value).__name__)
def test_a_number_out_of_every_range_is_not_answered(model: type[BaseModel], name: str, value: object) -> None:
    found = model.model_validate({name: value})
    assert getattr(found, name) is None
    assert model.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("model", "name", "value", "read"),
    [
        (VideoTask, "progress", 100, 100),
        (VideoTask, "progress", "40.7", 40),
        (VideoTask, "progress", " 100% ", 100),
        (VideoTask, "progress", "101%", None),
        (VideoTask, "progress", 101, None),
        (VideoTask, "progress", -1, None),
        (VideoTask, "cost", 0, 0.0),
        (VideoTask, "cost", -2, None),
        (CatalogEntry, "unit_price", -0.01, None),
        (UserBalance, "available", -3.5, -3.5),
        (UploadedFile, "size", -1, None),
        (UploadedFile, "size", 10**8, 10**8),
    ],
)
def test_a_number_in_its_range_is_kept(model: type[BaseModel], name: str, value: object, read: object) -> None:
    assert getattr(model.model_validate({name: value}), name) == read


MOMENT = 1_764_210_466


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *((MOMENT * 10**power, MOMENT) for power in (0, 3, 6, 9)),
        (MOMENT + 0.789, MOMENT),
        (f" {MOMENT}123 ", MOMENT),
        (4_102_444_800_000, 4_102_444_800),  # the year 2100
        (1, 1),
        (0, None),
        (-1, None),
        (-MOMENT * 1000, None),
        (-1e18, None),
        (10**21, None),
        (2**63, 9_223_372_036),
        (2**64, 18_446_744_073),
        ("2026-11-27", None),
    ],
)
def test_a_moment_is_in_seconds_whatever_unit_it_came_in(value: object, read: int | None) -> None:
    task = VideoTask.model_validate({"created_at": value, "completed_at": value})
    assert (task.created_at, task.completed_at) == (read, read)


@given(st.integers() | st.floats() | st.text() | st.integers(-(10**25), 10**25))
def test_every_moment_of_a_model_is_in_every_calendar(value: object) -> None:
    moment = VideoTask.model_validate({"created_at": value}).created_at
    if moment is not None:
        for hours in (-14, 14):
            datetime.fromtimestamp(moment, UTC).astimezone(timezone(timedelta(hours=hours)))


@pytest.mark.parametrize(
    ("answered", "link"),
    [
        ("HTTPS://Media.example.com/A.mp4?Sign=X%2f", "https://Media.example.com/A.mp4?Sign=X%2f"),
        (" \t\n https://media.example.com/a.mp4 \r\n", "https://media.example.com/a.mp4"),
        ("\ufeffhttps://media.example.com/a.mp4\u200b", "https://media.example.com/a.mp4"),
        (' "https://media.example.com/a.mp4" ', "https://media.example.com/a.mp4"),
        ("<https://media.example.com/a.mp4>", "https://media.example.com/a.mp4"),
        ("https://media.example.com/a\n.mp4\x00", "https://media.example.com/a.mp4"),
        ("//media.example.com/a.mp4", "https://media.example.com/a.mp4"),
        ("Http://media.example.com/a.mp4", "http://media.example.com/a.mp4"),
        ("/video/a.mp4", "/video/a.mp4"),
        ("video/a.mp4?next=HTTPS://b", "video/a.mp4?next=HTTPS://b"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        (17, "17"),
    ],
)
def test_a_link_is_read_as_browsers_read_it(answered: object, link: str) -> None:
    assert VideoTask.model_validate({"result": {"video_url": answered}}).video_url == link
    assert VideoTask.model_validate({"video_url": answered}).video_url == link
    assert UploadedFile.model_validate({"url": answered}).url == link


def test_odd_entries_of_a_list_are_left_out() -> None:
    audit = AuditResult.model_validate({"items": [None, {"asset_id": 7}, "x"], "failed_items": [None, 7, " ", []]})
    assert [asset.asset_id for asset in audit.items] == ["7"]
    assert audit.failed_items == ()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", "running"),
        ("pending", "running"),
        ("submitted", "running"),
        ("processing", "running"),
        (" Completed ", "completed"),
        ("success", "completed"),
        ("FAILED", "failed"),
        ("canceled", "canceled"),
        ("Cancelled", "canceled"),
        ("done", "completed"),
        ("Finished", "completed"),
        ("SUCCEEDED", "completed"),
        ("ＳＵＣＣＥＳＳ", "completed"),
        ("TASK_STATUS_SUCCEED", "completed"),
        ("已完成", "completed"),
        ("FAILURE", "failed"),
        ("fail", "failed"),
        ("expired", "failed"),
        ("Rejected", "failed"),
        ("aborted", "canceled"),
        ("IN-PROGRESS", "running"),
        (" in progress ", "running"),
        ("NOT_START", "running"),
        ("generating", "running"),
        ("error", "running"),
        ("TIMEOUT", "running"),
        ("3", "running"),
        ("reticulating", "running"),
        ("", "running"),
    ],
)
def test_a_status_has_one_meaning_and_an_unknown_one_means_running(status: str, state: str) -> None:
    assert VideoTask(task_id="videos_1", status=status).state == state


@pytest.mark.parametrize("known", ["completed", "IN_QUEUE", "Failure", "cancelled", ""])
def test_a_known_status_is_not_named(known: str) -> None:
    assert VideoTask(task_id="videos_1", status=known).unknown_status == ""


@pytest.mark.parametrize("status", ["reviewing", "error", "2", "x" * 500])
def test_a_status_that_is_not_known_is_named_and_cut(status: str) -> None:
    assert VideoTask(task_id="videos_1", status=status).unknown_status == status[:80]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("active", "Active ACTIVE active ASSET_STATUS_ACTIVE"),
        ("processing", "Pending submitted Processing UPLOADING NONE queued passed 1 inactive"),
        ("failed", "Failed FAILED error"),
        ("rejected", "Rejected REJECTED"),
        ("expired", "EXPIRED Expired"),
        ("deleted", "deleted DELETED"),
        ("unknown", "not_found NotFound"),
    ],
)
def test_only_an_active_asset_can_be_used(state: str, words: str) -> None:
    assert {Asset(asset_id="a1", status=f" {word} ").state for word in words.split()} == {state}
    assert Asset(asset_id="a1").state == "processing"


def test_an_asset_is_named_in_one_way_whatever_it_is_answered_as() -> None:
    for answered in ({"asset_id": "a1"}, {"assetId": "asset://a1"}, {"id": "a1"}, {"ASSET-ID": " a1 "}):
        assert Asset.model_validate(answered).reference == "asset://a1"
    assert Asset.model_validate({"asset_id": "a1", "id": "7", "status": "x", "state": "y"}).asset_id == "a1"
    assert Asset.model_validate({"asset_id": None, "id": 7}).asset_id == "7"
    assert Asset.model_validate({"asset_id": "a1", "asset_ref": "asset://r1"}).reference == "asset://r1"


SIGNED = "https://x.org/a%20b.png?X-Amz-Signature=hidden-signature"
OTHER = "https://x.org/other.png"


@pytest.mark.parametrize(
    "answer",
    [
        {"items": [{"asset_id": "a1", "original_url": SIGNED}, {"asset_id": "a2", "original_url": OTHER}]},
        {"items": [{"assetId": "a1", "originalUrl": SIGNED}], "failed_items": [{"originalUrl": OTHER}]},
        {"items": [{"id": "a1", "url": SIGNED.replace("%20", " ")}, {"id": "a2", "url": OTHER}]},
        {"items": [{"id": "a1", "source_url": SIGNED.partition("?")[0]}, {"id": "a2"}]},
        {"items": [{"id": "a1", "url": SIGNED}, {"id": "", "url": SIGNED}]},
        {"items": [{"asset_id": "a1"}], "asked": 1},
        {"items": [{"asset_id": "a1", "original_url": "https://cdn.vendor.com/1"}], "failed_items": ["x"], "asked": 1},
    ],
)
def test_the_asset_of_an_address_is_found_in_any_form_of_the_answer(answer: dict[str, object]) -> None:
    audited = AuditResult.model_validate(answer).of(SIGNED)
    assert audited.asset is not None and audited.asset.reference == "asset://a1"
    assert audited.reason == ""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"failed_items": [{"originalUrl": SIGNED, "errorMessage": "too small"}]}, "too small"),
        ({"failed_items": [{"url": OTHER, "reason": "no"}, {"url": SIGNED, "error": {"message": "a face"}}]}, "a face"),
        ({"failed_items": [{"image_url": SIGNED, "code": 7}]}, '{"code": 7}'),
        ({"failed_items": [SIGNED]}, "https://x.org/a%20b.png"),
        ({"failed_items": [f"{SIGNED}: cannot be fetched"]}, "cannot be fetched"),
        ({"failed_items": ["cannot be fetched"], "asked": 1}, "cannot be fetched"),
        ({"failed_items": {SIGNED: "too small", OTHER: "x"}}, "too small"),
        ({"failed_items": {"original_url": SIGNED, "msg": "too small"}}, "too small"),
        ({"failed_items": [{"original_url": SIGNED}]}, "gives no reason"),
        ({"items": [{"original_url": SIGNED, "status": "Failed", "reason": "blurred"}]}, "blurred"),
        ({"items": [{"asset_id": "a1"}, {"asset_id": "a2"}], "asked": 2}, "says nothing of it"),
        ({"items": [{"asset_id": "a1", "original_url": OTHER}], "asked": 2}, "says nothing of it"),
        ({"items": [{"id": n, "url": f"https://x.org/a%20b.png?{n}"} for n in "12"], "asked": 2}, "says nothing of it"),
        ({}, "says nothing of it"),
        ({"items": [{"original_url": SIGNED, "status": "Pending"}], "asked": 1}, "gives no reason"),
    ],
)
def test_why_an_address_is_no_asset_is_found_in_any_form_of_the_answer(answer: dict[str, object], reason: str) -> None:
    result = AuditResult.model_validate(answer)
    audited = result.of(SIGNED)
    assert audited.asset is None
    assert reason in audited.reason
    assert audited.refused is (bool(result.failed_items) or reason == "blurred"), "what is only left out may be there"
    assert "hidden-signature" not in f"{audited} {result} {[each.said for each in result.failed_items]}"
