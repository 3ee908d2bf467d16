"""Whoever is to be told of a video is told, however the collection ends that moved it: nobody tells of it later."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from prefect_seedance import VideoStore
from prefect_seedance.client.errors import AuthenticationFailed
from prefect_seedance.journal.record import Record
from prefect_seedance.pipeline.observer import Event
from prefect_seedance.runs.collect import teller
from prefect_seedance.runs.collect.teller import Teller
from tests.pipeline.collect.harness import Office, a_record, an_attempt
from tests.pipeline.harness import account_at, destination_in


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


def told_of(record: Record, event: Event, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What people are told of what became of a video: subjects and bodies."""
    monkeypatch.setattr(teller, "emit", lambda event, **labels: None)
    office, told = Office(folder, account_at("http://127.0.0.1:9")), list[tuple[str, str]]()
    office.write(record)

    async def send(notify: list[str], subject: str, body: str) -> None:
        told.append((subject, body))

    async def collection() -> None:
        async with Teller(VideoStore(location=str(folder)), office.destination(), "", send) as telling:
            telling.observer_of(record).tell(event)

    asyncio.run(collection())
    return told


def test_an_unknown_submission_is_told_with_the_way_to_settle_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = a_record("x", an_attempt("", outcome="unknown"))
    ((subject, body),) = told_of(record, Event("unknown", record.intent), tmp_path, monkeypatch)
    assert subject.startswith("Perhaps paid, a person has to settle it: ")
    assert f"prefect-seedance resolve {record.intent}" in body


def test_what_was_settled_meanwhile_is_not_told_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = a_record("x")  # its one attempt is accepted: a person has settled it since the event
    assert told_of(record, Event("unknown", record.intent), tmp_path, monkeypatch) == []
    assert told_of(record, Event("stored", record.intent), tmp_path, monkeypatch) == [], "nor what has no video"


@pytest.mark.parametrize("failure", ["lost", ""])
def test_a_failure_that_is_none_of_the_vendor_s_says_that_the_task_was_paid_for(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = a_record("x", an_attempt(failure=failure, message="The file is gone."))
    ((_, body),) = told_of(record, Event("failed", record.intent, "videos_1"), tmp_path, monkeypatch)
    assert "The file is gone." in body and "The task was paid for." in body


def test_a_failed_task_that_its_record_does_not_know_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = a_record("x", an_attempt(failure="media"))
    ((_, body),) = told_of(record, Event("failed", record.intent, "videos_2"), tmp_path, monkeypatch)
    assert "Task videos_2: the vendor made no video" in body and "what was charged" in body


def test_only_what_a_person_should_look_at_is_logged_of_a_video(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def collection() -> None:
        destination = destination_in(tmp_path)
        async with Teller(VideoStore(location=str(tmp_path)), destination, "", unsent) as telling:
            observer = telling.observer_of(a_record("x"))
            observer.write(logging.INFO, "It is asked for.", {})
            observer.write(logging.WARNING, "Its link has lapsed.", {})

    asyncio.run(collection())
    assert "Its link has lapsed." in caplog.text and "It is asked for." not in caplog.text


async def unsent(notify: list[str], subject: str, body: str) -> None:
    raise ConnectionError("no mail today")


def test_a_message_that_cannot_be_sent_is_logged_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(teller, "emit", lambda event, **labels: None)
    record = a_record("x", an_attempt(failure="media"))

    async def collection() -> None:
        async with Teller(VideoStore(location=str(tmp_path)), destination_in(tmp_path), "", unsent) as telling:
            telling.observer_of(record).tell(Event("failed", record.intent, "videos_1"))

    asyncio.run(collection())
    assert f"Nobody was told of {record.intent}: " in caplog.text and "no mail today" in caplog.text
