"""What goes wrong around the preparation of references: files cut short, a vendor that mixes contents up, hosts that
drip, stores that deny, limits that never end. Nothing is paid, everything is bounded, and nothing is left behind.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.settings import ClientSettings
from prefect_seedance.journal.errors import JournalUnavailable
from prefect_seedance.journal.journal import Journal
from prefect_seedance.media import assets, links
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.media.inspection import inspect
from prefect_seedance.media.memos import Memos
from prefect_seedance.pipeline.parties import Account
from prefect_seedance.pipeline.submit.preparation import follower_of
from prefect_seedance.simulator import Fault as Simulated
from prefect_seedance.simulator import Simulator, running_simulator
from tests.media import test_bad_references as bad_references
from tests.media.test_bad_references import AUDIT, KEY, MANXUE, PNG, STATUS, STD, UPLOAD, Bench, answering, picture
from tests.pipeline.counter import Made, counted
from tests.pipeline.harness import Followed
from tests.storage.clips import make_clip
from tests.storage.s3_proxy import Fault, S3Proxy
from tests.storage.s3_servers import BUCKET, S3Server


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
            words = "it is cut short" if form == "WEBP" else "the mark of its end is missing"
            assert words in found.doubt and found.width and not found.damaged


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
    assert f"(images[0]): '{path}' may not be whole: the mark of its end is missing" in warning
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


# --- A store that keeps no memos, and a vendor that never gets on ---


@pytest.mark.parametrize("model", [STD, MANXUE])
def test_a_store_that_denies_the_memos_names_the_place_before_anything_is_uploaded(
    bench: Bench, moto: S3Server, proxy: S3Proxy, model: str
) -> None:
    store = moto.store_of(moto.settings(endpoint_url=proxy.url))
    bench.where = replace(bench.destination(), store=store, journal=Journal(store))
    (bench.folder / "mug.png").write_bytes(PNG)
    proxy.plan(Fault(when=lambda each: "/journal/media/" in each.path, status=403, code="AccessDenied"))
    tried = bench.tried(str(bench.folder / "mug.png"), model=model)
    assert isinstance(tried.error, JournalUnavailable)
    kind = "audit" if model == MANXUE else "upload"
    assert f"s3://{BUCKET}/{store.settings.prefix}/journal/media/default/{kind}/" in str(tried.error)
    assert not tried.bills and not bench.simulator.requests().uploads
    tried.is_clean()


def test_an_asset_that_stays_pending_says_how_to_go_on_and_the_next_run_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.where = bench.destination()
    (bench.folder / "mug.png").write_bytes(PNG)
    bench.simulator.plan(Simulated(fault="asset_slow", after=3600.0))
    monkeypatch.setattr(assets, "WAIT_SECONDS", 1.0)
    tried = bench.tried(str(bench.folder / "mug.png"), model=MANXUE)
    tried.refusal(
        "it is being looked at", "Run again later, which goes on with the same asset", "nothing has been paid"
    )
    bench.simulator.elapse(3600.0)
    again = bench.tried(str(bench.folder / "mug.png"), model=MANXUE)
    assert (again.error, again.bills, bench.counter.count(AUDIT)) == (None, 1, 1)


@pytest.mark.parametrize("place", ["upload", "audit", "status"])
def test_a_run_that_is_told_to_wait_for_ever_ends_when_it_is_cancelled(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the client's own repeats, whose waits a host may ask to be long."""
    (bench.folder / "mug.png").write_bytes(PNG)
    cancelled = threading.Event()
    monkeypatch.setattr(bad_references, "account_at", lambda url, key: Account(ClientSettings(key, url)))
    monkeypatch.setattr(bad_references, "follower_of", lambda observer, _: follower_of(observer, cancelled))
    path = {"upload": UPLOAD, "audit": AUDIT, "status": STATUS}[place]

    def limited() -> Made:
        threading.Timer(0.2, cancelled.set).start()
        return Made(429, b'{"code": 40000, "msg": "later"}', {"Retry-After": "20"})

    bench.counter.answer(path, limited)
    tried = bench.tried(str(bench.folder / "mug.png"), model=MANXUE)
    assert isinstance(tried.error, PreparationCancelled) and not tried.bills
    assert bench.counter.count(path) == 1
    for thread in threading.enumerate():
        if thread.name in ("media-cancel", "memo-lease", "parallel-reads"):
            thread.join(10)
            assert not thread.is_alive()


# --- Memory, and what is left behind ---


def test_what_is_large_or_many_takes_no_memory_and_leaves_nothing_open(bench: Bench) -> None:
    """In a process of its own, whose peak is told anew for each request."""
    folder = bench.folder
    sizes = {"small.png": len(PNG), "sent.png": 40_000_000, "large.png": 110_000_000}
    for name, size in sizes.items():
        (folder / name).write_bytes(PNG)
        os.truncate(folder / name, size)
    (folder / "bomb.png").write_bytes(bomb())
    for number in range(40):
        (folder / f"{number}.png").write_bytes(picture("PNG", (300, 300 + number)))
    asked: list[tuple[str, list[str]]] = [(MANXUE, [str(folder / name)]) for name in ("small.png", *sizes, "bomb.png")]
    asked += [("", [str(folder / f"{number}.png") for number in range(40)])]
    command = [sys.executable, "-m", "tests.media.preparing_worker", bench.simulator.url, KEY, str(folder / "store")]
    ended = subprocess.run([*command, json.dumps(asked)], capture_output=True, text=True, timeout=120, check=True)
    first, *others = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(others) == 5
    for outcome, peak, files in others:
        assert peak - first[1] < 20, (outcome, peak, first)  # megabytes
        assert files <= first[2] + 2, "the pipes of the child that measures"
    assert [outcome.count("110.0 MB") for outcome, _, _ in others] == [0, 0, 1, 0, 0]
    assert others[0][0] == others[1][0] == others[3][0] == others[4][0] == ""


def bomb() -> bytes:
    """A small file of 60000 x 60000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    pixels = zlib.compress(bytes(20_000_000), 1)
    return PNG[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# --- One source in several fields ---


def test_one_file_for_both_frames_is_one_upload_and_two_addresses(bench: Bench) -> None:
    (bench.folder / "mug.png").write_bytes(PNG)
    path = str(bench.folder / "mug.png")
    tried = bench.tried(path, place="first_image", last_image=path)
    assert (tried.error, tried.bills) == (None, 1)
    assert sum(bench.simulator.requests().uploads.values()) == 1


@pytest.mark.parametrize("name", ["odd-model", "../../etc/passwd", "модель 7", "sd2_mx_720p-next", "{task_id}"])
def test_a_model_that_nobody_knows_takes_every_source_as_a_link(bench: Bench, name: str) -> None:
    (bench.folder / "mug.png").write_bytes(PNG)
    (bench.folder / "page.png").write_bytes(b"<html><title>Log in")
    bench.tried(str(bench.folder / "page.png"), other_model=name).refusal("(html)")
    tried = bench.tried(str(bench.folder / "mug.png"), other_model=name)
    assert isinstance(tried.error, SeedanceError), "the simulator does not know the model either"
    assert not tried.bills and sum(bench.simulator.requests().uploads.values()) == 1
    tried.is_clean()
