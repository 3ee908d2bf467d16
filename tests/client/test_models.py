"""Answers stay readable whatever stands in their fields: a paid task must not be lost to an odd progress."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from prefect_seedance.client.models import (
    Asset,
    AuditResult,
    CatalogEntry,
    KeyBalance,
    UploadedFile,
    UserBalance,
    VideoTask,
)

MODELS: list[type[BaseModel]] = [
    Asset,
    AuditResult,
    CatalogEntry,
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


def test_odd_entries_of_a_list_are_left_out() -> None:
    audit = AuditResult.model_validate({"items": [None, {"asset_id": 7}, "x"], "failed_items": None})
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
        ("reticulating", "running"),
        ("", "running"),
    ],
)
def test_a_status_has_one_meaning_and_an_unknown_one_means_running(status: str, state: str) -> None:
    assert VideoTask(task_id="videos_1", status=status).state == state


@pytest.mark.parametrize(
    ("status", "state"),
    [("Active", "active"), ("ACTIVE", "active"), ("Pending", "processing"), ("NONE", "processing")]
    + [(word, "failed") for word in ("Failed", "Rejected", "EXPIRED", "deleted")],
)
def test_only_an_active_asset_can_be_used(status: str, state: str) -> None:
    assert Asset(asset_id="a1", status=status).state == state
