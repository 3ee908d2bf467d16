"""The last frame of a video as a reference."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import av
import pytest

from prefect_seedance.client.request.sources import read_source
from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import ContentChanged, PreparationCancelled, UnusableReference
from prefect_seedance.media.finding import find_material
from prefect_seedance.media.material import Material
from prefect_seedance.media.materials import last_frame
from prefect_seedance.storage.errors import NoLastFrame
from prefect_seedance.storage.folder.store import FolderStore
from tests.media.contexts import context_of
from tests.storage.clips import make_clip
from tests.storage.s3_servers import BUCKET, S3Server


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "Böat 1.mov", seconds=0.2)


def find(path: Path, follower: Follower | None = None) -> Material:
    source = read_source(f"last-frame+{path}")
    return find_material(source, context_of(FolderStore(Path("/nowhere"))), follower or Follower())


def test_the_last_frame_of_a_video_is_a_picture_in_its_full_size(clip: Path) -> None:
    found = find(clip)
    with found.open_read() as file:
        png = file.read()
    assert (found.size, found.sha256) == (len(png), hashlib.sha256(png).hexdigest())
    assert found.name == "B-at-1-last-frame.png"
    with found.open_read(1) as file:
        assert file.read(3) == b"PNG"
    with av.open(io.BytesIO(png)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (320, 180)
    assert found.sign_link(60) is None


def test_its_identity_is_made_from_that_of_the_video_and_nothing_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "not-a-video.mp4"
    path.write_bytes(b"paper boat")
    golden = "sha256:068fa308e2f90014ccc99104f7a9838de9e33c621e896864e97fa52abcc418b4/last-frame"
    assert find(path).identity == golden


def test_of_what_is_not_a_video_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "not-a-video.mp4"
    path.write_bytes(b"paper boat")
    with pytest.raises(UnusableReference, match="no last frame can be taken of it") as caught:
        find(path).open_read()
    assert caught.value.rule == "last frame" and caught.value.fix


def test_it_is_decoded_once_in_a_process(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find(clip).sha256

    def again(*_: object, **__: object) -> bytes:
        raise NoLastFrame("PyAV cannot be loaded", "Install the extra 'media' of prefect-seedance")

    monkeypatch.setattr(last_frame, "last_frame_png", again)
    assert find(clip).sha256 == first
    monkeypatch.setattr(last_frame, "_frames", {})
    with pytest.raises(UnusableReference, match=r"PyAV cannot be loaded\. Install the extra 'media'"):
        find(clip).open_read()


def test_the_frames_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_frame, "_MOST_BYTES", 10)
    monkeypatch.setattr(last_frame, "_frames", {})
    for name in "abc":
        last_frame._keep(name, b"1234")
    assert [*last_frame._frames] == ["c"]
    last_frame._keep("too large", bytes(11))
    assert [*last_frame._frames] == []


def test_a_video_that_has_changed_has_none(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.read_bytes() + b"\0\0\0\x08free")
    found = find(path)
    path.write_bytes(clip.read_bytes())
    with pytest.raises(ContentChanged):
        found.open_read()


def test_that_of_an_object_is_that_of_the_file(clip: Path, moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    of_file = find(clip)
    assert of_file.size
    monkeypatch.setattr(last_frame, "_frames", {})
    moto.client.put_object(Bucket=BUCKET, Key="clips/boat", Body=clip.read_bytes())
    source = read_source(f"last-frame+s3://{BUCKET}/clips/boat")
    of_object = find_material(source, context_of(moto.store()), Follower())
    assert (of_object.identity, of_object.sha256) == (of_file.identity, of_file.sha256)


def test_a_cancelled_run_decodes_nothing(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.read_bytes() + b"\0\0\0\x08wide")
    follower = Follower(cancelled=threading.Event())
    found = find(path, follower)
    follower.cancelled.set()
    with pytest.raises(PreparationCancelled):
        found.open_read()
