"""Whoever is to be told of a video is told, however the collection ends that moved it: nobody tells of it later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from prefect_seedance import VideoStore
from prefect_seedance.client.errors import AuthenticationFailed
from prefect_seedance.pipeline.observer import Event
from prefect_seedance.runs.collect import teller
from prefect_seedance.runs.collect.teller import Teller
from tests.pipeline.collect.harness import a_record, an_attempt
from tests.pipeline.harness import destination_in


def told_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: BaseException, seconds: float) -> list[str]:
    """Who was told of a failed video by a collection that ended with an error; sending takes some seconds."""
    monkeypatch.setattr(teller, "emit", lambda event, **labels: None)
    told: list[str] = []
    store, record = VideoStore(location=str(tmp_path)), a_record("x", an_attempt(failure="media"))

    async def send(notify: list[str], subject: str, body: str) -> None:
        await asyncio.sleep(seconds)
        told.extend(notify)

    async def collection() -> None:
        async with Teller(store, destination_in(tmp_path), "", send) as telling:
            event = Event("failed", record.intent, "videos_1")
            await asyncio.to_thread(telling.observer_of(record).tell, event)
            raise ending

    with pytest.raises(type(ending)):
        asyncio.run(collection())
    return told


def test_an_error_that_ends_a_collection_costs_nobody_their_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_by(tmp_path, monkeypatch, AuthenticationFailed(), 0.1) == ["team"]


def test_a_cancelled_collection_still_tells_but_not_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told_by(tmp_path, monkeypatch, asyncio.CancelledError(), 0.1) == ["team"]
    monkeypatch.setattr(teller, "_LAST_SECONDS", 0.1)
    assert told_by(tmp_path, monkeypatch, asyncio.CancelledError(), 60.0) == []
