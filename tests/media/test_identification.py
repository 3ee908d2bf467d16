"""Identities of the sources of a request: by content, each once, some at once, and all failures together."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.sources import Source
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.media import identification, preparation
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.media.identification import identify_sources
from prefect_seedance.media.materials import local_file
from prefect_seedance.media.preparation import prepare
from prefect_seedance.storage import parallel
from prefect_seedance.storage.errors import StoreUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.s3 import bucket
from prefect_seedance.storage.s3.store import S3Store
from tests.media.contexts import context_of
from tests.storage.s3_servers import BUCKET, S3Server

BOAT = b"paper boat"
BOAT_IDENTITY = "sha256:068fa308e2f90014ccc99104f7a9838de9e33c621e896864e97fa52abcc418b4"


@pytest.fixture
def context(tmp_path: Path) -> MediaContext:
    return context_of(FolderStore(tmp_path / "store"))


def asked(**fields: Any) -> VideoRequest:
    """A request with any references, whatever its route would say to their number."""
    return VideoRequest(prompt="A paper boat").model_copy(update=fields)


def test_each_source_is_told_by_the_text_as_it_was_written(
    moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "boat.png").write_bytes(BOAT)
    monkeypatch.chdir(tmp_path)
    moto.client.put_object(Bucket=BUCKET, Key="identified/boat.png", Body=BOAT)
    request = asked(
        images=["boat.png", f"s3://{BUCKET}/identified/boat.png", "https://example.com/boat.png", "asset://boat"],
        first_image=f"last-frame+{tmp_path}/boat.png",
        reference_videos=[f"file://{tmp_path}/boat.png"],
        reference_audios=["boat.png"],
    )
    assert identify_sources(request, context_of(moto.store()), Follower()) == {
        "boat.png": BOAT_IDENTITY,
        f"s3://{BUCKET}/identified/boat.png": BOAT_IDENTITY,
        f"last-frame+{tmp_path}/boat.png": f"{BOAT_IDENTITY}/last-frame",
        f"file://{tmp_path}/boat.png": BOAT_IDENTITY,
    }


def test_a_text_that_stands_twice_is_read_once(
    context: MediaContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "boat.png").write_bytes(BOAT)
    opened: list[str] = []
    real = local_file.open_regular_file
    monkeypatch.setattr(local_file, "open_regular_file", lambda path: opened.append(path) or real(path))
    text = str(tmp_path / "boat.png")
    assert identify_sources(asked(images=[text, text], first_image=text), context, Follower()) == {text: BOAT_IDENTITY}
    assert len(opened) == 1


class _NoStore:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


def test_a_request_without_such_sources_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object, **__: object) -> threading.Thread:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(parallel, "Thread", no_thread)
    context = context_of(_NoStore())  # type: ignore[arg-type]
    links = ["https://example.com/boat.png", "asset://boat"]
    for request in (asked(), asked(images=links, first_image=links[0])):
        assert identify_sources(request, context, Follower()) == {}


def test_all_failures_are_told_at_once_with_their_places(context: MediaContext, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "boat.png").write_bytes(BOAT)
    gone, empty = str(tmp_path / "gone.png"), str(tmp_path / "empty.png")
    request = asked(
        images=[gone, str(tmp_path / "boat.png"), empty, gone, "ftp://example.com/a.png"],
        first_image=f"last-frame+{tmp_path}",
    )
    with pytest.raises(InvalidRequest) as caught:
        identify_sources(request, context, Follower())
    problems = caught.value.problems
    assert [each.field for each in problems if not isinstance(each, str)] == [
        "first_image",
        *(f"images[{index}]" for index in (0, 2, 3, 4)),
    ]
    words = str(caught.value)
    assert f"(images[0]): '{gone}' cannot be read on this machine" in words
    assert f"'last-frame+{tmp_path}'" in words
    assert "is empty" in words and "addresses of this kind are not taken" in words
    assert all(not isinstance(each, str) and each.level == "refuse" and each.fix for each in problems)


def test_what_is_shown_of_a_source_holds_no_secret(context: MediaContext) -> None:
    name = "/nowhere/a.png?X-Amz-Signature=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    with pytest.raises(InvalidRequest) as caught:
        identify_sources(asked(images=[name]), context, Follower())
    assert "9f86d081" not in str(caught.value)
    assert "/nowhere/a.png" in str(caught.value)


def test_no_more_than_eight_are_read_at_once(
    context: MediaContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most = 0, 0
    lock, eight = threading.Lock(), threading.Barrier(8)
    real = identification.find_material

    def counted(source: Source, *arguments: Any) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        eight.wait(60)
        with lock:
            inside -= 1
        return real(source, *arguments)

    monkeypatch.setattr(identification, "find_material", counted)
    texts = [str(tmp_path / f"{number}.png") for number in range(16)]
    for text in texts:
        Path(text).write_bytes(text.encode())
    identities = identify_sources(asked(images=texts), context, Follower())
    assert identities == {text: f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" for text in texts}
    assert most == 8


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("step", [identification, preparation])
def test_a_cancelled_run_waits_for_no_read(
    step: ModuleType, context: MediaContext, monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    follower = Follower(cancelled=threading.Event())

    def stuck(*_: object) -> Any:
        follower.cancelled.set()
        released.wait(60)
        raise AssertionError("it was waited for")

    monkeypatch.setattr(step, "find_material", stuck)
    with pytest.raises(PreparationCancelled):
        if step is identification:
            identify_sources(asked(images=["/a.png"]), context, follower)
        else:
            prepare(asked(images=["/a.png"]), {}, context, follower)


@pytest.fixture
def dead_store(monkeypatch: pytest.MonkeyPatch, moto: S3Server) -> S3Store:
    monkeypatch.setattr(bucket, "ATTEMPTS", 1)
    return S3Store(moto.settings(endpoint_url="http://127.0.0.1:9"))


def test_a_store_that_fails_just_now_is_not_the_fault_of_the_request(dead_store: S3Store, tmp_path: Path) -> None:
    context = context_of(dead_store)
    with pytest.raises(StoreUnavailable):
        identify_sources(asked(images=["s3://shop/a.png"]), context, Follower())
    with pytest.raises(InvalidRequest):  # which no repeat will mend
        identify_sources(asked(images=["s3://shop/a.png", str(tmp_path / "gone.png")]), context, Follower())
