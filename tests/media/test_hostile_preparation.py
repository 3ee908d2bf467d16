"""What goes wrong around the preparation of references: files cut short, a vendor that mixes contents up, hosts that
drip, stores that deny, limits that never end. Nothing is paid, everything is bounded, and nothing is left behind.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from prefect_seedance.media import assets, links
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.media.inspection import inspect
from prefect_seedance.media.memos import Memos
from prefect_seedance.pipeline.submit.preparation import follower_of
from prefect_seedance.simulator import Simulator, running_simulator
from tests.media.test_bad_references import AUDIT, KEY, MANXUE, PNG, STATUS, STD, UPLOAD, Bench, answering, picture
from tests.pipeline.counter import counted
from tests.pipeline.harness import Followed
from tests.storage.clips import make_clip


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=600, key=KEY, asset_seconds=0.1) as running:
        yield running


@pytest.fixture
def bench(simulator: Simulator, tmp_path: Path) -> Iterator[Bench]:
    simulator.reset()
    links._looks.forget()
    assets._states.clear()
    with counted(simulator.url) as counter:
        yield Bench(simulator, counter, tmp_path)


def noisy(form: str, **options: Any) -> bytes:
    """A picture whose content is larger than its header."""
    output = io.BytesIO()
    Image.frombytes("RGB", (400, 300), os.urandom(400 * 300 * 3)).save(output, form, **options)
    return output.getvalue()


# --- Files cut short behind a whole header ---

FORMS: list[tuple[str, dict[str, Any]]] = [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {})]


def look(content: bytes) -> ReferenceFacts:
    return inspect(io.BytesIO(content))


@pytest.mark.parametrize(("form", "options"), FORMS)
def test_a_picture_without_its_end_is_in_doubt_and_one_with_something_behind_it_is_not(
    form: str, options: dict[str, Any]
) -> None:
    for whole in (noisy(form, **options), picture(form, **options)):
        for content in (whole, whole + bytes(100), whole + b"notes" * 60):
            assert not look(content).doubt
        if form != "PNG":  # such as the film of a moving photo
            assert not look(whole + os.urandom(50_000)).doubt
        for end in (len(whole) // 2, len(whole) * 9 // 10, len(whole) - 20):
            found = look(whole[:end])
            assert "it is cut short" in found.doubt and found.width and not found.damaged


def index_first(clip: Path) -> Path:
    path = clip.with_name("index-first.mp4")
    options = {"movflags": "faststart"}
    with av.open(str(clip)) as source, av.open(str(path), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


@pytest.mark.parametrize("model", [STD, MANXUE])
def test_a_picture_that_was_downloaded_half_is_warned_about(bench: Bench, model: str) -> None:
    path = bench.folder / "half.jpg"
    path.write_bytes(noisy("JPEG")[:20_000])
    tried = bench.tried(str(path), model=model)
    (warning,) = {line for line in tried.followed.warnings() if "may not be whole" in line}
    assert f"images[0]: '{path}' may not be whole: it is cut short: the mark of its end is missing" in warning
    assert tried.error is None
    tried.is_clean()


def test_a_video_whose_index_comes_first_and_whose_pictures_are_cut_is_warned_about(bench: Bench) -> None:
    path = index_first(make_clip(bench.folder / "clip.mp4", seconds=2.0, width=640))
    os.truncate(path, path.stat().st_size - 2000)
    tried = bench.tried(str(path), place="reference_videos")
    (warning,) = {line for line in tried.followed.warnings() if "may not be whole" in line}
    assert "it is cut short" in warning
    tried.is_clean()


# --- A vendor that gives one answer for two contents ---


def two_pictures(bench: Bench) -> list[str]:
    paths = [bench.folder / "mug.png", bench.folder / "cup.png"]
    for side, path in enumerate(paths):
        path.write_bytes(picture("PNG", (800, 800 + side)))
    return [*map(str, paths)]


def test_one_link_for_two_uploads_is_refused_and_both_are_uploaded_anew(bench: Bench) -> None:
    bench.where = bench.destination()
    paths = two_pictures(bench)
    bench.counter.answer(UPLOAD, answering({"url": f"{bench.counter.url}/same.png"}), times=2)
    bench.counter.files["/same.png"] = PNG
    tried = bench.tried(*paths)
    tried.refusal("answered with the link that it gave for another content", "which uploads both anew")
    again = bench.tried(*paths)
    assert (again.error, again.bills) == (None, 1)
    assert bench.counter.count(UPLOAD) == 4
    (create,) = bench.simulator.creates()
    assert len({*create["images"]}) == 2


def test_one_asset_for_two_contents_is_refused_also_when_they_are_of_two_videos(bench: Bench) -> None:
    bench.where = bench.destination()
    mug, cup = two_pictures(bench)
    active = answering({"items": [{"asset_id": "same", "status": "Active"}]})
    for path in (AUDIT, STATUS):
        bench.counter.answer(path, active)
    bills = bench.tried(mug, model=MANXUE).bills
    words = "answered with asset://same, which it gave for another content"
    bench.tried(cup, model=MANXUE).refusal(f"'{cup}'", words, bills=bills)
    assert not [path for path in bench.place.rglob("audit/*.json") if '"value": "same"' in path.read_text()]


def test_one_asset_for_one_picture_in_two_places_is_logged_alone(bench: Bench) -> None:
    """A vendor may know a content again: what lies behind two links is not known to be two contents."""
    memos = Memos(bench.destination().store, "default")
    follower = Followed()
    watching = follower_of(follower.observer, threading.Event())
    for name, by_content in (("aa", True), ("bb", False), ("aa", True)):
        assert memos.is_its_own("audit", name, "asset-1", watching, by_content=by_content)
    (warning,) = follower.warnings()
    assert "one audit for two references, aa and bb" in warning
    assert memos.is_its_own("upload", "bb", "asset-1", watching, by_content=True)
