"""How long videos take, over processes: bounded, merged, and never a reason for anything to fail."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.pipeline.watch.history import (
    KEY,
    LEAST_DURATIONS,
    MOST_DURATIONS,
    MOST_KINDS,
    SAVE_EVERY,
    VERSION,
    History,
    clip_of,
    decode,
    encode,
    history_of,
    kind_of,
    load_history,
    save_history,
    save_in_background,
)
from prefect_seedance.storage.errors import NotReadable, NotWritable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Blob
from tests.pipeline.harness import Vendor, destination_in, order_of, record_of

CLIP = ("seedance2.0-sp", "480p", 5)


def noted(*durations: float, clip: tuple[str, str, int] = CLIP, local: bool = False) -> History:
    history = History()
    for duration in durations:
        history.note(*clip, duration, local=local)
    return history


def until(done: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.01)


def another_process(folder: Path) -> FolderStore:
    return FolderStore(folder)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


# In one process.


def test_little_is_enough_for_an_estimate_and_too_little_to_wait_by() -> None:
    few = noted(*[600.0] * (LEAST_DURATIONS - 1))
    assert few.expected_seconds(*CLIP) == 600.0
    assert few.earliest_seconds(*CLIP) is None and few.expectation(*CLIP, local=False) is None
    few.note(*CLIP, 600.0)
    assert few.earliest_seconds(*CLIP) == 600.0 and few.expectation(*CLIP, local=False) is not None


@pytest.mark.parametrize("other", [("seedance2.0-md", "480p", 5), ("seedance2.0-sp", "720p", 5), (*CLIP[:2], 10)])
def test_videos_of_another_kind_say_nothing(other: tuple[str, str, int]) -> None:
    assert noted(600.0).expected_seconds(*other) is None


def test_a_route_that_ignores_the_resolution_is_found_by_whatever_was_asked_for() -> None:
    history = noted(600.0, clip=("seedance2.0-md", "", 5))
    for asked in ("480p", "auto", ""):
        assert history.expected_seconds("seedance2.0-md", asked, 5) == 600.0


def test_a_simulator_and_the_real_vendor_are_kept_apart() -> None:
    history = noted(*[2.0] * 5, local=True)
    assert history.expected_seconds(*CLIP) == history.expected_seconds(*CLIP, local=True) == 2.0
    assert history.expected_seconds(*CLIP, local=False) is None and history.expectation(*CLIP, local=False) is None
    history.note(*CLIP, 600.0)
    assert history.expected_seconds(*CLIP) == 600.0, "the real vendor counts first"


@pytest.mark.parametrize("nonsense", [0.0, -1.0, float("nan"), float("inf"), 1e308, 10**400])
def test_a_duration_that_makes_no_sense_is_not_noted(nonsense: float) -> None:
    history = noted(nonsense)
    assert history.unsaved == 0 and history.expected_seconds(*CLIP) is None


def test_the_history_is_bounded_and_keeps_the_newest() -> None:
    history = noted(*[100.0] * 1000, *[200.0] * MOST_DURATIONS)
    assert history.earliest_seconds(*CLIP) == 200.0 and history.unsaved == MOST_DURATIONS
    for number in range(MOST_KINDS + 50):
        history.note(f"model-{number}", "480p", 5, 1.0)
    assert history.expected_seconds(*CLIP) is None
    assert history.unsaved == MOST_KINDS
    assert history.expected_seconds(f"model-{MOST_KINDS + 49}", "480p", 5) == 1.0


# In the store.


def test_the_next_process_knows_what_this_one_has_noted(store: FolderStore, tmp_path: Path) -> None:
    history = noted(*range(600, 610))
    save_history(store, history)
    assert history.unsaved == 0
    found = load_history(another_process(tmp_path))
    assert (found.expected_seconds(*CLIP), found.earliest_seconds(*CLIP)) == (604.5, 599.55)
    assert found.expectation(*CLIP, local=False) is not None and found.unsaved == 0


def test_what_an_earlier_simulator_took_is_an_estimate_and_nothing_to_wait_by(
    store: FolderStore, tmp_path: Path
) -> None:
    save_history(store, noted(*[600.0] * 10, local=True))
    found = load_history(another_process(tmp_path))
    assert found.expected_seconds(*CLIP) == 600.0 and found.expectation(*CLIP, local=True) is None


def test_writers_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    clips = [("model", "480p", duration) for duration in range(1, 9)]

    def write(clip: tuple[str, str, int]) -> int:
        history = noted(10.0 * clip[2], clip=clip)
        save_history(another_process(tmp_path), history)
        return history.unsaved

    with ThreadPoolExecutor(8) as threads:
        assert [*threads.map(write, clips)] == [0] * 8
    found = load_history(another_process(tmp_path))
    assert [found.expected_seconds(*clip) for clip in clips] == [10.0 * clip[2] for clip in clips]


def test_what_is_noted_before_the_store_was_read_comes_on_top(store: FolderStore, tmp_path: Path) -> None:
    save_history(store, noted(*[100.0] * 5))
    late = another_process(tmp_path)
    history = history_of(destination_in(tmp_path, late))
    history.note(*CLIP, 900.0)
    assert load_history(late) is history and history.expected_seconds(*CLIP) == 100.0
    save_history(late, history)
    save_history(late, history)
    assert sorted(seconds_in(late)) == [100.0] * 5 + [900.0]


def seconds_in(store: FolderStore) -> list[float]:
    blob = store.get(KEY)
    assert blob is not None
    return [each for seconds in decode(blob.data).values() for each in seconds]


def test_what_is_written_is_small(store: FolderStore) -> None:
    history = History()
    for number in range(MOST_KINDS):
        for _ in range(MOST_DURATIONS):
            history.note(f"a-model-with-a-long-name-{number}", "1080p", 15, 1234.567891)
    save_history(store, history)
    blob = store.get(KEY)
    assert blob is not None and len(blob.data) < 300_000


class Counted(FolderStore):
    """Counts what the history costs."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls: list[str] = []

    def get(self, key: str) -> Blob | None:
        self.calls.append("get")
        return super().get(key)

    def create(self, key: str, data: bytes) -> str:
        self.calls.append("create")
        return super().create(key, data)

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        self.calls.append("swap")
        return super().swap(key, data, etag=etag)


def test_it_is_read_once_per_process_and_store_and_written_only_with_something_new(tmp_path: Path) -> None:
    store = Counted(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        found = {*threads.map(lambda _: load_history(store), range(20))}
    assert len(found) == 1 and store.calls == ["get"]
    history = found.pop()
    save_history(store, history)
    assert store.calls == ["get"]
    history.note(*CLIP, 600.0)
    save_history(store, history)
    assert store.calls == ["get", "get", "create"]


def test_a_run_of_one_video_writes_what_the_vendor_took_since_its_process_may_end_with_it(tmp_path: Path) -> None:
    store = Counted(tmp_path)
    destination = destination_in(tmp_path, store)
    save_in_background(destination)
    assert store.calls == []
    history_of(destination).note(*CLIP, 600.0)
    save_in_background(destination)
    until(lambda: "create" in store.calls)
    assert store.calls == ["get", "create"]


def test_what_a_simulator_took_is_written_now_and_then(tmp_path: Path) -> None:
    store = Counted(tmp_path)
    destination = destination_in(tmp_path, store)
    history = history_of(destination)
    for _ in range(SAVE_EVERY - 1):
        history.note(*CLIP, 600.0, local=True)
        save_in_background(destination)
    assert store.calls == []
    history.note(*CLIP, 600.0, local=True)
    save_in_background(destination)
    until(lambda: "create" in store.calls)
    assert store.calls == ["get", "create"]


# Nothing stands in the way of a video.


def written(*videos: object, version: object = VERSION) -> bytes:
    return json.dumps({"version": version, "videos": videos}).encode()


def video(**changes: object) -> dict[str, object]:
    return {"model": CLIP[0], "resolution": CLIP[1], "duration": CLIP[2], "local": False, "seconds": [600.0], **changes}


DAMAGED = [
    b"",
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b'{"version": 1}',
    b'{"version": 1, "videos": {}}',
    b'{"version": "1", "videos": []}',
    b'{"version": 0, "videos": []}',
    b"[" * 200_000,
    b'{"version": 1, "videos": [' + b"9" * 5000 + b"]}",
    b" " * (17 * 1024 * 1024),
]


@pytest.mark.parametrize("data", DAMAGED, ids=lambda data: repr(data[:30]))
def test_what_is_no_history_counts_as_none_and_is_begun_anew(store: FolderStore, tmp_path: Path, data: bytes) -> None:
    store.create(KEY, data)
    assert load_history(another_process(tmp_path)).expected_seconds(*CLIP) is None
    history = noted(600.0)
    save_history(another_process(tmp_path), history)
    assert seconds_in(store) == [600.0] and history.unsaved == 0


def test_a_newer_history_is_left_alone(store: FolderStore, tmp_path: Path) -> None:
    data = written(video(), version=VERSION + 1)
    store.create(KEY, data)
    assert load_history(another_process(tmp_path)).expected_seconds(*CLIP) is None
    history = noted(600.0)
    save_history(another_process(tmp_path), history)
    blob = store.get(KEY)
    assert blob is not None and blob.data == data and history.unsaved == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        7,
        [],
        video(model=""),
        video(model=7),
        video(model="m" * 201),
        video(resolution=None),
        video(duration="5"),
        video(duration=5.0),
        video(duration=True),
        video(duration=-1),
        video(duration=10**20),
        video(seconds=None),
        video(seconds="600"),
        video(seconds={"600": 600}),
        video(seconds=[float("nan"), float("inf"), -1.0, 0, 1e308, 10**400, "600", None, True, [600.0], 86_401]),
    ],
    ids=lambda each: repr(each)[:60],
)
def test_nonsense_in_a_history_is_left_out_where_it_is_read(nonsense: object) -> None:
    good = video(model="good")
    assert decode(written(nonsense, good, nonsense)) == {kind_of("good", "480p", 5, False): [600.0]}


def test_what_a_newer_version_wrote_beside_the_durations_is_written_back(store: FolderStore, tmp_path: Path) -> None:
    of_document, of_video = {"novel": {"a": [1, None]}, "region": "eu"}, {"percentile": 601.5}
    unwritable = {"huge": float("inf")}  # JSON has no such number
    document = json.loads(written(video(**of_video, **unwritable), video(model="other", **of_video)))
    store.create(KEY, json.dumps({**document, **of_document, **unwritable}).encode())
    save_history(another_process(tmp_path), noted(700.0))
    blob = store.get(KEY)
    assert blob is not None and sorted(seconds_in(store)) == [600.0, 600.0, 700.0]
    values = json.loads(blob.data)
    videos = values.pop("videos")
    assert {**values, **of_document} == values and "huge" not in values
    assert videos == [
        {**video(model="other"), **of_video},
        {**video(seconds=[600.0, 700.0]), **of_video},
    ]


def test_a_million_entries_are_cut_where_they_are_read() -> None:
    seconds = decode(written(video(seconds=[100] * 1_000_000 + [200] * MOST_DURATIONS)))
    assert [*seconds.values()] == [[200.0] * MOST_DURATIONS]
    kinds = decode(written(*[{"model": str(number), **KIND} for number in range(100_000)]))
    assert len(kinds) == MOST_KINDS and kind_of("99999", "", 5, False) in kinds


KIND = {"resolution": "", "duration": 5, "seconds": [1.5]}


def test_what_is_written_reads_back() -> None:
    durations = {kind_of("model \ud800", "480p", 5, True): [1.25, 600.0], kind_of("other", "", 0, False): [0.01]}
    assert decode(encode(durations)) == durations


class Denied(FolderStore):
    """Can neither be read nor written."""

    def get(self, key: str) -> Blob | None:
        raise NotReadable(self.uri_of(key), "access is denied")

    def create(self, key: str, data: bytes) -> str:
        raise NotWritable(self.uri_of(key), "access is denied")


class ReadOnly(FolderStore):
    def create(self, key: str, data: bytes) -> str:
        raise NotWritable(self.uri_of(key), "access is denied")


class Broken(FolderStore):
    def get(self, key: str) -> Blob | None:
        raise RuntimeError("a bug, with a link: https://example.com/a?X-Amz-Signature=1f0c")


@pytest.mark.parametrize("make", [Denied, ReadOnly, Broken])
def test_a_store_that_does_not_work_costs_time_alone(
    make: Callable[[Path], FolderStore], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = make(tmp_path)
    history = load_history(store)
    history.note(*CLIP, 600.0)
    save_history(store, history)
    assert history.unsaved == 1 and history.expected_seconds(*CLIP) == 600.0
    assert "costs nothing but time" in caplog.text and "1f0c" not in caplog.text
    assert all(record.levelno <= logging.INFO for record in caplog.records)
    save_history(another_process(tmp_path), history)  # it works again
    assert load_history(another_process(tmp_path)).expected_seconds(*CLIP) == 600.0


def test_a_records_video_is_found_again_by_its_request(vendor: Vendor, tmp_path: Path) -> None:
    destination = destination_in(tmp_path)
    for request in (
        VideoRequest(prompt="A paper boat", duration=4),
        VideoRequest(prompt="A paper boat", model="seedance2.0-sp", resolution="720p", duration=5),
    ):
        submitted = vendor.bought(destination, order_of(request))
        history = noted(600.0, clip=clip_of(record_of(destination, submitted["intent"])))
        assert history.expected_seconds(request.model_name, request.resolution, request.duration) == 600.0
