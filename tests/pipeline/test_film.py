"""The same clips are one film in their store: made once, whole, with what it was made of beside it."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline.films.film import Film, film_key, join_videos
from prefect_seedance.pipeline.films.joining import ClipsDoNotFit
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.storage.errors import KeyTaken, StorageError
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.templates import beside
from tests.pipeline.films import make_clip, pixels
from tests.pipeline.stored import stored_video
from tests.storage.s3_servers import S3Server, moto

__all__ = ["moto"]


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield FolderStore(tmp_path / "store")
    else:
        server: S3Server = request.getfixturevalue("moto")
        yield server.store()


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def put(store: Store, key: str, data: bytes, *, replace: bool = False) -> None:
    there = store.stat(key) if replace else None
    with store.begin_upload(key, size=len(data), content_type="video/mp4", metadata={}, replaces=there) as upload:
        upload.write(data)
        upload.commit(crc32=zlib.crc32(data), size=len(data))


def clip(store: Store, folder: Path, number: int, **manner: Any) -> StoredVideo:
    """A clip in the store, as a run has left it."""
    key = f"videos/clip {number} #ü%.mp4"
    data = make_clip(folder / f"made-{number}.mp4", frames=12 + number, hue=60 * number, **manner).read_bytes()
    put(store, key, data)
    facts = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "crc32": f"{zlib.crc32(data):08x}"}
    own = {"key": key, "intent": f"{number:032x}", "task_id": f"videos_{number}", "cost": 1.1 * number}
    return stored_video(store.uri_of(key), **own, **facts)


def clips_in(store: Store, folder: Path, count: int = 3, **manner: Any) -> list[StoredVideo]:
    return [clip(store, folder, number, **manner) for number in range(1, count + 1)]


def read(store: Store, key: str) -> bytes:
    with store.open_read(key) as file:
        return file.read()


def films_of(store: Store) -> list[str]:
    return [*store.list_keys("films/")]


def test_a_film_lies_whole_beside_the_record_of_what_it_was_made_of(store: Store, tmp_path: Path) -> None:
    clips = clips_in(store, tmp_path)
    before = [read(store, each.key) for each in clips]
    film = join_videos(clips, store)
    data = read(store, film.key)
    assert (film.bytes, film.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert film.uri == store.uri_of(film.key) and film.crc32 == f"{zlib.crc32(data):08x}"
    (tmp_path / "film.mp4").write_bytes(data)
    made = [each for number in (1, 2, 3) for each in pixels(tmp_path / f"made-{number}.mp4")]
    assert pixels(tmp_path / "film.mp4") == made
    assert (film.width, film.height, film.seconds) == (128, 72, len(made) / 24)
    assert film.cost == 6.6
    record = json.loads(read(store, beside(film.key, ".json")))
    assert [(each["intent"], each["task_id"], each["sha256"], each["cost"]) for each in record["clips"]] == [
        (each.intent, each.task_id, each.sha256, each.cost) for each in clips
    ]
    assert Film.model_validate(record) == film
    assert [read(store, each.key) for each in clips] == before
    assert films_of(store) == sorted([film.key, beside(film.key, ".json")])


def test_joined_again_it_is_the_film_that_is_there_and_no_clip_is_read(folder: FolderStore, tmp_path: Path) -> None:
    clips = clips_in(folder, tmp_path)
    film = join_videos(clips, folder)
    for each in clips:
        folder.delete(each.key)
    assert join_videos(clips, folder) == film


def test_another_order_or_another_video_of_one_clip_is_another_film(folder: FolderStore, tmp_path: Path) -> None:
    one, two = clips_in(folder, tmp_path, 2)
    anew = two.model_copy(update={"sha256": "f" * 64})
    keys = {film_key(clips) for clips in ([one, two], [two, one], [one, anew], [one], [one, one])}
    assert len(keys) == 5
    assert film_key([one, two]) == film_key([one.model_copy(update={"reused": True, "poster_uri": "x"}), two])


def test_one_clip_alone_and_one_clip_twice_are_films_too(folder: FolderStore, tmp_path: Path) -> None:
    (one,) = clips_in(folder, tmp_path, 1, sound=44100)
    assert join_videos([one], folder).seconds == pytest.approx(13 / 24, abs=0.001)
    assert join_videos([one, one], folder).seconds == pytest.approx(26 / 24, abs=0.001)


def test_two_runs_at_once_make_one_object(store: Store, tmp_path: Path) -> None:
    clips = clips_in(store, tmp_path, 2)
    together = threading.Barrier(4)

    def run() -> Film:
        together.wait()
        return join_videos(clips, store)

    with ThreadPoolExecutor(4) as runs:
        films = [each.result() for each in [runs.submit(run) for _ in range(4)]]
    assert len({film.model_dump_json() for film in films}) == 1
    assert len(films_of(store)) == 2


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("point", ["commit.before", "commit.after"])
def test_interrupted_at_the_upload_it_is_joined_once_and_whole(
    point: str, folder: FolderStore, tmp_path: Path, listen: Callable[[Callable[[str], None]], None]
) -> None:
    clips = clips_in(folder, tmp_path, 2)

    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    listen(kill)
    with pytest.raises(Killed):
        join_videos(clips, folder)
    listen(lambda _: None)
    assert films_of(folder) == ([film_key(clips)] if point == "commit.after" else [])
    film = join_videos(clips, folder)
    assert film.sha256 == hashlib.sha256(read(folder, film.key)).hexdigest()
    assert len(films_of(folder)) == 2


def test_an_upload_that_breaks_leaves_nothing_and_the_next_run_makes_the_film(moto: S3Server, tmp_path: Path) -> None:
    store = moto.store()
    clips = clips_in(store, tmp_path, 2)
    cancelled = threading.Event()
    begin = store.begin_upload

    class Breaks:
        """The store, over a line that the run's end cuts."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def begin_upload(self, key: str, **options: Any) -> Any:
            cancelled.set()
            return begin(key, **options)

    with pytest.raises(PreparationCancelled):
        join_videos(clips, Breaks(), cancelled=cancelled)
    assert films_of(store) == [] and moto.unfinished(store.settings) == []
    assert join_videos(clips, store).bytes > 0


def test_a_cancelled_run_joins_nothing(folder: FolderStore, tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(PreparationCancelled):
        join_videos(clips_in(folder, tmp_path, 2), folder, cancelled=cancelled)
    assert films_of(folder) == []


def test_a_film_that_is_damaged_in_the_store_is_joined_anew(folder: FolderStore, tmp_path: Path) -> None:
    clips = clips_in(folder, tmp_path, 2)
    film = join_videos(clips, folder)
    path = tmp_path / "store" / film.key
    path.write_bytes(path.read_bytes()[:-1000])
    again = join_videos(clips, folder)
    assert (again.sha256, again.bytes) == (film.sha256, film.bytes)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == film.sha256


def test_a_record_that_is_none_is_no_reason_to_take_the_film_for_whole(folder: FolderStore, tmp_path: Path) -> None:
    clips = clips_in(folder, tmp_path, 2)
    film = join_videos(clips, folder)
    (tmp_path / "store" / beside(film.key, ".json")).write_text("{}")
    again = join_videos(clips, folder)
    assert again.sha256 == film.sha256
    assert json.loads(read(folder, beside(film.key, ".json")))["sha256"] == film.sha256


def test_what_is_not_a_film_under_its_key_is_left_alone(folder: FolderStore, tmp_path: Path) -> None:
    clips = clips_in(folder, tmp_path, 2)
    put(folder, film_key(clips), b"somebody's notes")
    with pytest.raises(KeyTaken, match="Move that object away"):
        join_videos(clips, folder)
    assert read(folder, film_key(clips)) == b"somebody's notes"


def test_a_clip_that_was_changed_in_the_store_is_not_joined(folder: FolderStore, tmp_path: Path) -> None:
    clips = clips_in(folder, tmp_path, 2)
    put(folder, clips[1].key, make_clip(tmp_path / "other.mp4", hue=200).read_bytes(), replace=True)
    with pytest.raises(StorageError, match=r"clip 2 is no longer the video of task videos_2"):
        join_videos(clips, folder)
    assert films_of(folder) == []


def test_clips_that_do_not_fit_leave_nothing_in_the_store(folder: FolderStore, tmp_path: Path) -> None:
    clips = [clip(folder, tmp_path, 1), clip(folder, tmp_path, 2, width=256)]
    with pytest.raises(ClipsDoNotFit, match="clip 2: its picture has the size 256x144"):
        join_videos(clips, folder)
    assert films_of(folder) == []


def test_a_clip_of_another_store_and_no_clip_at_all_are_refused(folder: FolderStore, tmp_path: Path) -> None:
    clips = clips_in(folder, tmp_path, 1)
    with pytest.raises(ValueError, match=r"clip 2, s3://other/a.mp4, does not lie in this store.*pass the store"):
        join_videos([*clips, stored_video("s3://other/a.mp4")], folder)
    with pytest.raises(ValueError, match="clips is empty"):
        join_videos([], folder)


def test_the_cost_of_a_film_is_unknown_if_that_of_a_clip_is(folder: FolderStore, tmp_path: Path) -> None:
    one, two = clips_in(folder, tmp_path, 2)
    assert join_videos([one, two.model_copy(update={"cost": None})], folder).cost is None


def test_the_disk_of_this_machine_is_left_clean(
    folder: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    most: list[int] = []
    clips = clips_in(folder, tmp_path, 3)
    opened = folder.open_read

    def open_read(key: str, start: int = 0) -> Any:
        most.append(len([*temporary.rglob("[0-9]*.mp4")]))
        return opened(key, start)

    monkeypatch.setattr(folder, "open_read", open_read)
    join_videos(clips, folder)
    assert max(most) == 0, "a clip is still there while the next is fetched"
    assert [*temporary.iterdir()] == []
