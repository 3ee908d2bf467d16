"""Delivering: first the video, then where it came from, then the record; what is optional can harm none of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.client.errors import AuthenticationFailed, VideoFailed
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.settings import ClientSettings
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Delivery, Run
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision
from prefect_seedance.journal.submit.pointer import SubmittedVideo, point_to
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.deliver import deliver, filename_of, recent_poster, recent_thumbnail, stored_video
from prefect_seedance.pipeline.errors import VideoNotStored
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.order import Order
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch_and_hand_on
from prefect_seedance.simulator import Fault, running_simulator
from prefect_seedance.storage.errors import SourceUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import ObjectInfo, Upload
from prefect_seedance.storage.relay import decoder_process
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.poster import probe
from tests.client.wire_server import WireServer, answer
from tests.pipeline.counter import CREATE, QUERY, Made, counted, envelope
from tests.pipeline.harness import (
    RUN,
    TEMPLATE,
    Followed,
    Vendor,
    account_at,
    delete_record,
    destination_in,
    order_of,
    record_of,
)
from tests.storage.clips import lookalike, make_clip
from tests.storage.s3_servers import S3Server, moto

__all__ = ["moto"]

Listen = Callable[[Callable[[str], None]], None]


def provenance_of(destination: Destination, key: str) -> dict[str, object]:
    blob = destination.store.get(key.removesuffix(".mp4") + ".json")
    assert blob is not None
    return json.loads(blob.data)


def as_collected(destination: Destination, submitted: SubmittedVideo) -> SubmittedVideo:
    """The pointer as a process makes it that has nothing but the record."""
    record = record_of(destination, submitted["intent"])
    attempt = record.current_attempt
    assert attempt is not None
    return point_to(record, attempt, Decision.ATTACH, asked_by=Run(id="id-collector"), recorded=True)


# The whole way.


def test_a_video_lies_whole_in_the_store_with_all_that_belongs_to_it(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    task, submitted = vendor.completed(destination)
    stored = deliver(task, submitted, vendor.account, destination, run=RUN, observer=followed.observer)
    base = stored.key.removesuffix(".mp4")
    for suffix in (".mp4", ".json", ".jpg"):
        assert destination.store.stat(base + suffix) is not None
    assert (stored.task_id, stored.cost, stored.cost_source) == (task.task_id, task.cost, "vendor")
    assert stored.width > 0 and stored.height > 0 and stored.seconds == pytest.approx(4, abs=0.5)
    assert stored.poster_uri and recent_poster(stored.poster_uri)
    assert recent_thumbnail(stored.poster_uri)
    record = record_of(destination, stored.intent)
    assert record.state is State.STORED and record.stored is not None
    assert record.stored.model_dump(include={"key", "bytes", "sha256", "width", "poster_uri"}) == stored.model_dump(
        include={"key", "bytes", "sha256", "width", "poster_uri"}
    )
    assert list(destination.store.list_keys("journal/open/")) == []
    assert followed.kinds == ["stored"] and followed.warnings() == []


def test_a_second_delivery_finds_it_there(
    vendor: Vendor, destination: Destination, other_process: Destination, followed: Followed
) -> None:
    task, submitted = vendor.completed(destination)
    first = deliver(task, submitted, vendor.account, destination)
    vendor.counter.asked.clear()
    media = len(vendor.simulator.media_requests())
    for process in (destination, other_process):
        assert deliver(task, submitted, vendor.account, process, observer=followed.observer) == first
    assert vendor.counter.asked == [] and len(vendor.simulator.media_requests()) == media
    assert followed.events == []


class Asked(FolderStore):
    """A folder that keeps what it was asked about videos."""

    asked: list[str]

    def stat(self, key: str) -> ObjectInfo | None:
        self.asked += ["stat"] if key.endswith(".mp4") else []
        return super().stat(key)

    def begin_upload(self, key: str, **more: Any) -> Upload:
        self.asked.append("upload")
        return super().begin_upload(key, **more)


def test_only_whoever_has_submitted_a_task_and_only_at_first_does_not_look_if_its_video_is_there(
    vendor: Vendor, tmp_path: Path, listen: Listen
) -> None:
    store = Asked(tmp_path / "store")
    store.asked = []
    mine, another = destination_in(tmp_path, store), destination_in(tmp_path, store)
    task, submitted = vendor.completed(mine)

    def fail(name: str) -> None:
        if name == "relay.after":
            raise RuntimeError("the process dies")

    listen(fail)
    first: list[str] = []
    for process in (mine, mine, another):
        store.asked.clear()
        with pytest.raises(VideoNotStored):
            deliver(task, submitted, vendor.account, process)
        first.append(store.asked[0])
        for key in store.list_keys("videos/"):
            store.delete(key)
    assert first == ["upload", "stat", "stat"]


def test_two_deliveries_at_once_store_one_video(
    vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    with ThreadPoolExecutor() as threads:
        both = [
            threads.submit(deliver, task, submitted, vendor.account, process)
            for process in (destination, other_process)
        ]
        first, second = (each.result(60) for each in both)
    assert (first.key, first.sha256) == (second.key, second.sha256)
    assert len([key for key in destination.store.list_keys("videos/") if key.endswith(".mp4")]) == 1


def test_a_video_that_is_gone_from_the_store_is_relayed_again_and_never_bought_again(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    task, submitted = vendor.completed(destination)
    first = deliver(task, submitted, vendor.account, destination)
    destination.store.delete(first.key)
    second = deliver(task, submitted, vendor.account, destination, observer=followed.observer)
    assert (second.key, second.sha256) == (first.key, first.sha256)
    assert destination.store.stat(first.key) is not None
    assert any("relayed again" in line for line in followed.warnings())
    assert len(vendor.billed()) == 1


@pytest.mark.parametrize("left", [-1, 300, 0])
def test_a_stored_video_that_lost_its_end_is_not_taken_for_whole(
    vendor: Vendor, destination: Destination, other_process: Destination, followed: Followed, left: int
) -> None:
    task, submitted = vendor.completed(destination)
    first = deliver(task, submitted, vendor.account, destination)
    path = Path(destination.store.root / first.key)  # type: ignore[attr-defined]
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    assert stored_video(destination, record_of(destination, first.intent)) is None
    second = deliver(task, submitted, vendor.account, other_process, observer=followed.observer)
    assert path.read_bytes() == whole
    assert (second.key, second.sha256, second.bytes) == (first.key, first.sha256, len(whole))
    assert len(vendor.billed()) == 1 and record_of(destination, first.intent).state is State.STORED


def test_what_took_the_place_of_a_stored_video_is_reported_with_the_task_and_left_alone(
    vendor: Vendor, destination: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    first = deliver(task, submitted, vendor.account, destination)
    path = Path(destination.store.root / first.key)  # type: ignore[attr-defined]
    path.write_bytes(lookalike(5000, seed=9))
    for _ in range(2):
        with pytest.raises(VideoNotStored, match="Move that object away") as caught:
            deliver(task, submitted, vendor.account, destination)
        assert task.task_id in str(caught.value)
        assert record_of(destination, first.intent).state is State.COMPLETED
    assert path.read_bytes() == lookalike(5000, seed=9)


def test_the_verdict_in_the_record_is_raised(vendor: Vendor, destination: Destination) -> None:
    submitted = vendor.bought(destination)
    destination.journal.record_failed(submitted["intent"], submitted["task_id"], "moderation", "TRADEMARK")
    task = VideoTask(task_id=submitted["task_id"], status="completed")
    with pytest.raises(VideoFailed, match="TRADEMARK"):
        deliver(task, submitted, vendor.account, destination)


# From the record alone.


def test_provenance_is_made_from_the_record_alone(
    vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    # What the pointer says of the request must not count where there is a record.
    pointer = as_collected(destination, submitted) | {"request": {"prompt": "not this"}, "run_name": "nor this"}
    collector = Run(id="id-collector", name="collector")
    stored = deliver(task, pointer, vendor.account, other_process, run=collector)  # type: ignore[arg-type]
    record, written = record_of(destination, stored.intent), provenance_of(destination, stored.key)
    assert (written["request"], written["take"], written["scope"]) == (record.request, record.take, record.scope)
    assert written["vendor"] == {
        "host": vendor.account.settings.host,
        "account": "default",
        "credentials": vendor.account.fingerprint,
    }
    assert written["submitted_by"] == {"flow_run_id": "id-nightly", "flow_run_name": "nightly"}
    assert written["stored_by"] == {"flow_run_id": "id-collector", "flow_run_name": "collector"}
    video = written["video"]
    assert isinstance(video, dict)
    assert (video["task_id"], video["sha256"], video["key"]) == (stored.task_id, stored.sha256, stored.key)


def test_provenance_and_record_hold_neither_the_key_nor_the_signature_of_the_link(
    vendor: Vendor, destination: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    stored = deliver(task, submitted, vendor.account, destination)
    token = task.video_url.partition("token=")[2]
    assert token
    for key in (stored.key.removesuffix(".mp4") + ".json", destination.journal.record_key(stored.intent)):
        blob = destination.store.get(key)
        assert blob is not None
        text = blob.data.decode()
        assert "sk_simulator" not in text and token not in text


def test_nothing_that_is_kept_of_a_request_grants_access(vendor: Vendor, destination: Destination) -> None:
    secret = "c2VjcmV0c2VjcmV0c2VjcmV0"
    sas = f"https://acc.blob.core.windows.net/c/a.png?sv=2022-11-02&ss=bfqt&srt=sco&sp=rwdlacupx&sig={secret}%3D"
    request = VideoRequest(prompt="A boat", images=[sas, f"https://example.com/get?id=3&api_key={secret}"])
    task, submitted = vendor.completed(destination, order_of(request))
    followed = Followed()
    stored = deliver(task, submitted, vendor.account, destination, observer=followed.observer)
    texts = [json.dumps(submitted), stored.model_dump_json(), *followed.lines, *map(str, followed.events)]
    for key in destination.store.list_keys(""):
        blob = destination.store.get(key)
        texts += [blob.data.decode("utf-8", "replace")] if blob and key.endswith(".json") else []
    assert [text for text in texts if secret in text] == []
    shown = ["https://acc.blob.core.windows.net/c/a.png", "https://example.com/get?id=3"]
    assert provenance_of(destination, stored.key)["request"] == {
        **record_of(destination, stored.intent).request,
        "images": shown,
    }


def test_a_record_of_an_earlier_version_is_not_written_on_as_it_is(vendor: Vendor, destination: Destination) -> None:
    task, submitted = vendor.completed(destination)
    kept = {"prompt": "A boat", "model": "seedance2.0-std", "images": ["https://example.com/get?api_key=abc&id=3"]}
    destination.journal.update(
        submitted["intent"], lambda record: record.model_copy(update={"request": kept}), step="evidence"
    )
    stored = deliver(task, submitted, vendor.account, destination)
    assert provenance_of(destination, stored.key)["request"] == kept | {"images": ["https://example.com/get?id=3"]}


def test_a_record_that_was_deleted_before_the_delivery_is_written_anew_with_all_that_was_known(
    vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    before = record_of(destination, submitted["intent"])
    delete_record(destination, submitted["intent"])
    stored = deliver(task, submitted, vendor.account, other_process)
    record = record_of(destination, submitted["intent"])
    assert (record.state, record.task_ids, record.key) == (State.STORED, (task.task_id,), before.key)
    assert stored.key == before.key
    assert provenance_of(destination, stored.key)["submitted_by"] == {
        "flow_run_id": "id-nightly",
        "flow_run_name": "nightly",
    }


@pytest.mark.parametrize("point", ["relay.before", "commit.after", "relay.after", "provenance.after"])
def test_a_record_that_is_deleted_during_the_delivery_is_written_anew(
    vendor: Vendor, destination: Destination, listen: Listen, point: str
) -> None:
    task, submitted = vendor.completed(destination)
    listen(lambda reached: delete_record(destination, submitted["intent"]) if reached == point else None)
    stored = deliver(task, submitted, vendor.account, destination)
    record = record_of(destination, submitted["intent"])
    assert (record.state, record.task_ids, record.key) == (State.STORED, (task.task_id,), stored.key)


@contextlib.contextmanager
def sending_anew(vendor: Vendor, process: Destination, intent: str) -> Iterator[Future[SubmittedVideo]]:
    """The record is deleted, and another process begins it anew; its POST is under way until the block ends."""
    go_on = threading.Event()

    def late() -> Made:
        go_on.wait(60)
        return envelope({"task_id": "videos_second", "status": "queued", "model": "m", "cost": 1})

    delete_record(process, intent)
    vendor.counter.answer(CREATE, late, times=1)
    posts = vendor.counter.count(CREATE)
    with ThreadPoolExecutor() as threads:
        rival = threads.submit(submit, order_of(), vendor.account, process)
        try:
            vendor.counter.until(CREATE, posts + 1)
            assert record_of(process, intent).state is State.SENDING
            yield rival
        finally:
            go_on.set()


def test_a_record_that_another_process_has_begun_anew_and_is_sending_does_not_stop_the_delivery(
    vendor: Vendor, destination: Destination, other_process: Destination, tmp_path: Path
) -> None:
    task, submitted = vendor.completed(destination)
    third_process = destination_in(tmp_path / "store")
    with sending_anew(vendor, other_process, submitted["intent"]) as rival:
        stored = deliver(task, submitted, vendor.account, third_process)
        assert destination.store.stat(stored.key) is not None and stored.task_id == task.task_id
        record = record_of(destination, submitted["intent"])
        assert (record.state, record.task_ids) == (State.SENDING, (task.task_id,))
    second = rival.result(30)["task_id"]
    assert set(record_of(destination, submitted["intent"]).task_ids) == {task.task_id, second}


def test_a_process_that_remembers_the_record_delivers_although_another_has_begun_it_anew(
    vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    with sending_anew(vendor, other_process, submitted["intent"]):
        stored = deliver(task, submitted, vendor.account, destination)
        assert destination.store.stat(stored.key) is not None and stored.task_id == task.task_id


@pytest.mark.parametrize("begun", ["while the record is remembered", "while the video is relayed"])
def test_a_task_that_is_delivered_is_brought_into_a_record_that_was_begun_anew_meanwhile(
    vendor: Vendor,
    destination: Destination,
    other_process: Destination,
    tmp_path: Path,
    listen: Listen,
    begun: str,
) -> None:
    task, submitted = vendor.completed(destination)
    intent, process = submitted["intent"], destination
    with contextlib.ExitStack() as stack:
        if begun == "while the record is remembered":
            stack.enter_context(sending_anew(vendor, other_process, intent))
        else:
            process = destination_in(tmp_path / "store")
            waiting = [sending_anew(vendor, other_process, intent)]
            listen(lambda point: stack.enter_context(waiting.pop()) if point == "relay.after" and waiting else None)
        deliver(task, submitted, vendor.account, process)
        assert task.task_id in record_of(destination, intent).task_ids


def test_a_video_whose_record_has_a_template_that_cannot_be_rendered_is_named_by_the_store(
    vendor: Vendor, destination: Destination
) -> None:
    order = order_of()
    unfit = Order(order.asked, order.identity, Delivery(key_template="{task_id"))
    task, submitted = vendor.completed(destination, unfit)
    assert record_of(destination, submitted["intent"]).key == ""
    stored = deliver(task, submitted, vendor.account, destination)
    assert stored.key.startswith("videos/") and stored.key.endswith(f"/{task.task_id}.mp4")


# The order of the steps.


_STORING = ("relay.before", "commit.before", "commit.after", "relay.after", "provenance.after")
_RECORDED = ("stored.record.before", "stored.record.after")
_DESCRIBED = ("described.record.before", "described.record.after")


def test_a_poster_that_is_there_in_time_is_written_with_the_video(
    vendor: Vendor, destination: Destination, listen: Listen
) -> None:
    task, submitted = vendor.completed(destination)
    points: list[str] = []
    made = threading.Event()

    def note(point: str) -> None:
        points.append(point)
        if point == "poster.after":
            made.set()
        if point == "provenance.after":
            assert made.wait(30)

    listen(note)
    stored = deliver(task, submitted, vendor.account, destination)
    record = record_of(destination, stored.intent)
    assert record.stored is not None and record.stored.poster_uri == stored.poster_uri != "" and record.stored.width
    assert [point for point in points if point in (*_STORING, *_RECORDED, *_DESCRIBED)] == [*_STORING, *_RECORDED]
    assert points.index("relay.after") < points.index("poster.after") < points.index("stored.record.before")


def test_the_record_does_not_wait_for_a_poster_that_takes_longer_than_a_moment(
    vendor: Vendor, destination: Destination, listen: Listen
) -> None:
    task, submitted = vendor.completed(destination)
    points: list[str] = []
    states: dict[str, State] = {}
    recorded = threading.Event()

    def note(point: str) -> None:
        if point == "poster.after":
            assert recorded.wait(30)
        points.append(point)
        states[point] = Journal(destination.store).read(submitted["intent"]).record.state  # type: ignore[union-attr]
        if point == "stored.record.after":
            recorded.set()

    listen(note)
    stored = deliver(task, submitted, vendor.account, destination)
    wanted = (*_STORING, *_RECORDED, "poster.after", *_DESCRIBED)
    assert [point for point in points if point in wanted] == list(wanted)
    assert (states["provenance.after"], states["poster.after"]) == (State.SUBMITTED, State.STORED)
    record = record_of(destination, stored.intent)
    assert record.stored is not None and record.stored.poster_uri == stored.poster_uri != ""


def test_no_event_says_stored_before_the_record_does(vendor: Vendor, destination: Destination) -> None:
    task, submitted = vendor.completed(destination)
    followed = Followed()
    observer = followed.observer
    states: list[State] = []
    object.__setattr__(observer, "emit", lambda event: states.append(record_of(destination, submitted["intent"]).state))
    deliver(task, submitted, vendor.account, destination, observer=observer)
    assert states == [State.STORED]


# What is optional.


def served(vendor: Vendor, content: bytes, submitted: SubmittedVideo) -> VideoTask:
    vendor.counter.files["/file.mp4"] = content
    link = f"{vendor.counter.url}/file.mp4"
    return VideoTask(task_id=submitted["task_id"], status="completed", video_url=link)


def unknown_codec(path: Path) -> bytes:
    """A whole MP4 with a codec that nobody has: PyAV finds a stream without a codec, and raises `AttributeError`."""
    content = make_clip(path).read_bytes()
    assert b"avc1" in content
    return content.replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC")


@pytest.mark.parametrize("damage", ["no frames", "unknown codec"])
def test_a_video_that_cannot_be_decoded_costs_only_its_poster_and_facts(
    vendor: Vendor, destination: Destination, tmp_path: Path, damage: str
) -> None:
    content = {
        "no frames": lambda: lookalike(5000),
        "unknown codec": lambda: unknown_codec(tmp_path / "clip.mp4"),
    }[damage]()
    submitted = vendor.bought(destination)
    stored = deliver(served(vendor, content, submitted), submitted, vendor.account, destination)
    assert (stored.bytes, stored.poster_uri) == (len(content), "")
    record = record_of(destination, stored.intent)
    assert record.state is State.STORED and record.stored is not None and record.stored.sha256 == stored.sha256
    assert provenance_of(destination, stored.key)["request"] == record.request


def test_a_video_of_which_the_vendor_has_only_a_part_is_kept_apart_and_told_with_its_task(
    vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    part = make_clip(tmp_path / "clip.mp4").read_bytes()[:4000]
    submitted = vendor.bought(destination)
    with pytest.raises(VideoNotStored, match="the end is missing") as caught:
        deliver(served(vendor, part, submitted), submitted, vendor.account, destination)
    assert submitted["task_id"] in str(caught.value)
    (kept,) = destination.store.list_keys("quarantine/")
    with destination.store.open_read(kept) as file:
        assert file.read() == part
    assert record_of(destination, submitted["intent"]).state is State.SUBMITTED


def test_a_store_that_fails_from_the_record_on_costs_only_poster_and_facts(
    vendor: Vendor, destination: Destination, listen: Listen, followed: Followed, tmp_path: Path
) -> None:
    task, submitted = vendor.completed(destination)

    def break_poster(point: str) -> None:
        if point == "poster.after":
            raise RuntimeError("whatever goes wrong with a poster")

    listen(break_poster)
    stored = deliver(task, submitted, vendor.account, destination, observer=followed.observer)
    assert stored.poster_uri == "" and stored.width == 0
    assert any("are left out: whatever goes wrong" in line for line in followed.warnings())
    assert record_of(destination, stored.intent).state is State.STORED


def test_a_video_is_recorded_where_no_thread_can_be_had_for_its_poster(
    vendor: Vendor, destination: Destination, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a process that ends while its last video is on its way."""
    ended = threads.Pool(1, "ended")
    ended.submit(int).result(30)
    assert ended._made is not None
    ended._made[1].shutdown()
    monkeypatch.setattr(threads, "MEDIA", ended)
    task, submitted = vendor.completed(destination)
    stored = deliver(task, submitted, vendor.account, destination, observer=followed.observer)
    assert stored.poster_uri == "" and any("are left out" in line for line in followed.warnings())
    assert record_of(destination, stored.intent).state is State.STORED
    assert task.task_id in json.dumps(provenance_of(destination, stored.key))


def test_a_poster_that_takes_for_ever_does_not_hold_up_the_video(
    vendor: Vendor, destination: Destination, listen: Listen, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.pipeline.deliver._DECODING_SECONDS", 0.2)
    task, submitted = vendor.completed(destination)
    go_on = threading.Event()
    listen(lambda point: bool(go_on.wait(30)) if point == "poster.after" else None)  # type: ignore[arg-type]
    try:
        stored = deliver(task, submitted, vendor.account, destination, observer=followed.observer)
    finally:
        go_on.set()
    assert any("were not there within" in line for line in followed.warnings())
    assert record_of(destination, stored.intent).state is State.STORED


def test_a_cancelled_run_does_not_wait_for_the_poster(
    vendor: Vendor, destination: Destination, listen: Listen, followed: Followed
) -> None:
    task, submitted = vendor.completed(destination)
    go_on, cancelled = threading.Event(), threading.Event()

    def point(name: str) -> None:
        if name == "poster.after":
            cancelled.set()
            go_on.wait(60)

    listen(point)
    began = time.monotonic()
    try:
        stored = deliver(task, submitted, vendor.account, destination, observer=followed.observer, cancelled=cancelled)
    finally:
        go_on.set()
    assert time.monotonic() - began < 30
    assert any("not there before the run was cancelled" in line for line in followed.warnings())
    assert record_of(destination, stored.intent).state is State.STORED


@pytest.mark.skipif(sys.platform == "win32", reason="nothing can be stopped")
def test_a_cancelled_run_does_not_wait_for_a_decoder_that_hangs(
    vendor: Vendor,
    destination: Destination,
    listen: Listen,
    followed: Followed,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(decoder_process, "_children", children := decoder_process._Children())
    monkeypatch.setattr(decoder_process, "_JOB_SECONDS", 3600.0)
    task, submitted = vendor.completed(destination)
    cancelled = threading.Event()
    assert probe(make_clip(tmp_path / "clip.mp4")) is not None
    (child,) = children._all
    os.kill(child._process.pid, signal.SIGSTOP)
    listen(lambda name: threading.Timer(1.0, cancelled.set).start() if name == "stored.record.after" else None)
    stored = deliver(task, submitted, vendor.account, destination, observer=followed.observer, cancelled=cancelled)
    assert stored.poster_uri == "" and record_of(destination, stored.intent).state is State.STORED
    # Neither does the end of the process: the thread is free again, and the child is gone.
    assert threads.start(threads.MEDIA, lambda: probe(tmp_path / "clip.mp4")).result(60) is not None
    assert child not in children._all and child._process.poll() is not None
    children.end_all()


def test_a_cancelled_run_does_not_wait_for_a_fresh_link(vendor: Vendor, destination: Destination) -> None:
    _, submitted = vendor.completed(destination)
    linkless = VideoTask(task_id=submitted["task_id"], status="completed")
    cancelled = threading.Event()
    with WireServer([answer(429, {"code": 40000, "msg": "slow"}, headers={"Retry-After": "100"})] * 9) as busy:
        account = Account(ClientSettings("sk_simulator", busy.url, max_retries=5))
        threading.Timer(1.0, cancelled.set).start()
        began = time.monotonic()
        with pytest.raises(VideoNotStored):
            deliver(linkless, submitted, account, destination, cancelled=cancelled)
    assert time.monotonic() - began < 30


def test_a_delivery_without_posters_decodes_nothing_and_writes_its_record_once_less(
    vendor: Vendor, destination: Destination
) -> None:
    order = order_of()
    plain = Order(order.asked, order.identity, order.delivery.model_copy(update={"posters": False}))
    task, submitted = vendor.completed(destination, plain)
    stored = deliver(task, submitted, vendor.account, destination)
    assert stored.poster_uri == "" and stored.width == 0
    assert record_of(destination, plain.intent).state is State.STORED
    assert record_of(destination, plain.intent).rev == 3, "claimed, submitted, stored"
    assert not [key for key in destination.store.list_keys("videos/") if key.endswith(".jpg")]


@pytest.mark.parametrize(
    ("posters", "point"), [(False, "provenance.after"), (True, "poster.after")], ids=["no poster", "poster"]
)
def test_the_bytes_of_a_video_are_let_go_of_before_what_is_left_is_written(
    posters: bool, point: str, moto: S3Server, listen: Listen
) -> None:
    """A video that comes through memory: a dozen at once wait for their records, and are not to lie there meanwhile."""
    size = 4_000_000
    store = moto.store()
    destination = Destination(store, Journal(store), TEMPLATE, MediaPolicy())
    order = order_of()
    order = Order(order.asked, order.identity, order.delivery.model_copy(update={"posters": posters}))
    held: dict[str, int] = {}

    def look(reached: str) -> None:
        if reached in ("commit.before", point):
            held[reached] = tracemalloc.get_traced_memory()[0]

    with running_simulator(seconds=600, media_bytes=size) as simulator, counted(simulator.url) as counter:
        vendor = Vendor(simulator, counter, account_at(counter.url))
        task, submitted = vendor.completed(destination, order)
        listen(look)
        tracemalloc.start()
        try:
            stored = deliver(task, submitted, vendor.account, destination)
        finally:
            tracemalloc.stop()
    assert stored.bytes >= size and bool(stored.poster_uri) is posters
    assert held["commit.before"] > size > held[point], held


# What stands in the way.


def test_a_dead_link_is_asked_for_anew(vendor: Vendor, destination: Destination) -> None:
    task, submitted = vendor.completed(destination)
    vendor.simulator.plan(Fault(fault="expired_link"))
    vendor.counter.asked.clear()
    deliver(task, submitted, vendor.account, destination)
    assert vendor.counter.asked == [QUERY] and len(vendor.billed()) == 1


@pytest.mark.parametrize("link", ["dead", "missing"])
def test_a_key_that_is_refused_when_a_fresh_link_is_asked_for_names_the_task_and_how_to_go_on(
    vendor: Vendor, destination: Destination, link: str
) -> None:
    task, submitted = vendor.completed(destination)
    if link == "dead":
        vendor.simulator.plan(Fault(fault="expired_link"))
    else:
        task = task.model_copy(update={"video_url": ""})
    revoked = account_at(vendor.counter.url, "sk_revoked")
    with pytest.raises(VideoNotStored, match="made and paid for") as caught:
        deliver(task, submitted, revoked, destination)
    error = caught.value
    assert isinstance(error.__cause__, AuthenticationFailed)
    assert error.task_id == task.task_id and error.advice and error.advice in str(error)
    assert record_of(destination, submitted["intent"]).state is State.SUBMITTED
    # Once that is settled it goes on as if nothing had been.
    assert deliver(task, submitted, vendor.account, destination).task_id == task.task_id


def test_what_is_no_video_is_kept_aside_and_the_error_names_the_task(vendor: Vendor, destination: Destination) -> None:
    submitted = vendor.bought(destination)
    with pytest.raises(VideoNotStored) as caught:
        deliver(served(vendor, b"<html>sorry</html>", submitted), submitted, vendor.account, destination)
    assert caught.value.task_id == submitted["task_id"]
    assert len(list(destination.store.list_keys("quarantine/"))) == 1
    assert record_of(destination, submitted["intent"]).state is State.SUBMITTED


def test_a_cancelled_delivery_keeps_nothing_partial_and_is_taken_up_again(
    vendor: Vendor, destination: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    stop = threading.Event()
    stop.set()
    with pytest.raises(VideoNotStored):
        deliver(task, submitted, vendor.account, destination, cancelled=stop)
    assert list(destination.store.list_keys("videos/")) == []
    assert deliver(task, submitted, vendor.account, destination).task_id == task.task_id


@pytest.mark.parametrize("where", ["a folder", "the key"])
def test_a_link_that_appears_after_the_payment_is_named_with_the_task_and_loses_nothing(
    vendor: Vendor, destination: Destination, tmp_path: Path, where: str
) -> None:
    task, submitted = vendor.completed(destination)
    key = Path(destination.store.root, record_of(destination, submitted["intent"]).key)  # type: ignore[attr-defined]
    path = key if where == "the key" else key.parent
    path.parent.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    if where == "a folder":
        elsewhere.mkdir()
    path.symlink_to(elsewhere)
    with pytest.raises(VideoNotStored, match="is a link") as caught:
        deliver(task, submitted, vendor.account, destination)
    assert task.task_id in str(caught.value) and str(path) in str(caught.value)
    assert not elsewhere.exists() or [*elsewhere.iterdir()] == []
    path.unlink()
    assert deliver(task, submitted, vendor.account, destination).task_id == task.task_id
    assert vendor.billed() == [task.task_id]


def test_a_store_that_is_full_names_the_task_and_how_to_go_on(
    vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    task, submitted = vendor.completed(destination)
    with contextlib.suppress(FileExistsError):
        (tmp_path / "store" / "videos").write_text("a file where the folder of the videos should be")
    with pytest.raises(VideoNotStored) as caught:
        deliver(task, submitted, vendor.account, destination)
    assert caught.value.task_id == task.task_id and caught.value.advice


# What the vendor says beside the video.

MOMENT = 1_764_210_466  # 2025-11-27
SILLY = [b"1e300", b"-1e18", b"NaN", b"9" * 5000, b"true", b'"soon"', b'"\xed\xa0\x80"']


def raw(task_id: str, facts: bytes, link: str = "") -> Made:
    """An answer about a task with these facts as they stand, which Python would not write."""
    words = json.dumps(task_id, ensure_ascii=False).encode(), link.encode()
    data = b'{"task_id": %s, "status": "completed", "result": {"video_url": "%s"}, %s}' % (*words, facts)
    return Made(200, b'{"code": 20000, "msg": "ok", "data": %s}' % data)


def numbers(value: bytes) -> bytes:
    names = (b"progress", b"created_at", b"completed_at", b"cost", b"seed", b"usage")
    return b", ".join(b'"%s": %s' % (name, value) for name in names)


def made_by(vendor: Vendor, destination: Destination, task_id: str, facts: bytes, link: str) -> StoredVideo:
    """The way of one video whose every answer holds these facts."""
    vendor.counter.files["/file.mp4"] = lookalike(5000)
    vendor.counter.answer(CREATE, lambda: raw(task_id, facts))
    vendor.counter.answer(QUERY, lambda: raw(task_id, facts, link))
    submitted = vendor.bought(destination)
    assert submitted["task_id"] == task_id
    return deliver(vendor.task(task_id), submitted, vendor.account, destination)


@pytest.mark.parametrize("value", SILLY, ids=lambda value: ascii(value[:12]))
def test_no_number_of_the_vendor_stands_between_a_paid_video_and_the_store(
    vendor: Vendor, destination: Destination, value: bytes
) -> None:
    stored = made_by(vendor, destination, "videos_1", numbers(value), f"{vendor.counter.url}/file.mp4")
    assert (stored.created_at, stored.completed_at) == (None, None)
    assert stored.cost_source != "vendor"
    record = record_of(destination, stored.intent)
    assert (record.state, record.stored and record.stored.bytes) == (State.STORED, 5000)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_a_moment_is_the_same_in_every_unit(vendor: Vendor, destination: Destination, unit: int) -> None:
    stored = made_by(
        vendor, destination, "videos_1", b'"created_at": %d' % (MOMENT * unit), f"{vendor.counter.url}/file.mp4"
    )
    assert stored.created_at == datetime.fromtimestamp(MOMENT, UTC)
    assert stored.key == "videos/2025/11/27/videos_1.mp4"


def test_a_record_of_an_older_version_with_a_moment_out_of_range_is_delivered(
    vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    key = destination.journal.record_key(submitted["intent"])
    blob = destination.store.get(key)
    assert blob is not None
    written = json.loads(blob.data)
    written["attempts"][0] |= {"created_at": MOMENT * 1000, "completed_at": 10**18 * 10**5}
    destination.store.swap(key, json.dumps(written).encode(), etag=blob.etag)
    plain = task.model_copy(update={"created_at": None, "completed_at": None})
    stored = deliver(plain, submitted, vendor.account, other_process)
    assert (stored.created_at, stored.completed_at) == (datetime.fromtimestamp(MOMENT, UTC), None)


@pytest.mark.parametrize("task_id", ["2026/11/videos_1", "..videos/.1", "视频 1?#%", 'a\\"b', "x" * 1024])
def test_a_task_whose_id_is_of_other_letters_is_fetched_and_stored(
    vendor: Vendor, destination: Destination, task_id: str
) -> None:
    escaped = numbers(b"1")
    stored = made_by(vendor, destination, task_id, escaped, f"{vendor.counter.url}/file.mp4")
    assert stored.task_id == task_id
    assert stored.key.startswith("videos/1970/01/01/") and stored.key.count("/") == 4
    assert "/" not in filename_of(record_of(destination, stored.intent), task_id)
    # Another process finds it there.
    assert destination.store.stat(stored.key) is not None


def beyond(vendor: Vendor) -> Account:
    """The same key at a vendor that is not on this machine."""
    return Account(ClientSettings("sk_simulator", "https://www.example.com", max_retries=0))


def test_a_link_of_plain_http_that_no_setting_admits_names_the_setting_the_task_and_how_to_go_on(
    vendor: Vendor, destination: Destination
) -> None:
    submitted = vendor.bought(destination)
    link = f"{vendor.counter.url}/file.mp4?Signature=1f0c".replace("127.0.0.1", "localhost")
    vendor.counter.files["/file.mp4?Signature=1f0c"] = lookalike(5000)
    task = VideoTask(task_id=submitted["task_id"], status="completed", video_url=link)
    strict = replace(destination, media=MediaPolicy(allow_hosts=frozenset({"localhost"})))
    with pytest.raises(VideoNotStored, match="set allow_http_media of the store") as caught:
        deliver(task, submitted, beyond(vendor), strict)
    assert isinstance(caught.value.__cause__, SourceUnavailable)  # a fresh link may be another one: worth repeating
    assert (caught.value.task_id, caught.value.advice in str(caught.value)) == (task.task_id, True)
    assert "1f0c" not in str(caught.value)
    lenient = replace(strict, media=replace(strict.media, allow_http=True))
    assert deliver(task, submitted, beyond(vendor), lenient).bytes == 5000
    assert str(caught.value).count("paid for") == 1, "the money is told once"


def test_a_head_that_cannot_be_read_is_an_error_with_the_task_and_how_to_go_on(
    vendor: Vendor, destination: Destination
) -> None:
    submitted = vendor.bought(destination)
    vendor.counter.answer(
        "/file.mp4", lambda: Made(302, b"", {"Location": "https://xn--zzzzz--:443443/?Signature=1f0c"})
    )
    task = VideoTask(task_id=submitted["task_id"], status="completed", video_url=f"{vendor.counter.url}/file.mp4")
    with pytest.raises(VideoNotStored) as caught:
        deliver(task, submitted, vendor.account, destination)
    assert (caught.value.task_id, caught.value.advice in str(caught.value)) == (task.task_id, True)
    assert "1f0c" not in str(caught.value)


# A completion that no record has yet.


async def handed_on(vendor: Vendor, destination: Destination, followed: Followed) -> partial[StoredVideo]:
    """Wait for a video, and return what stores it: its record knows of the task alone by then."""
    submitted = vendor.bought(destination)
    vendor.simulator.elapse(3600)
    completed, unwritten = await watch_and_hand_on(
        submitted, vendor.account, destination, limit_seconds=60, observer=followed.observer
    )
    assert unwritten is not None and followed.kinds == []
    assert record_of(destination, submitted["intent"]).state is State.SUBMITTED
    return partial(
        deliver,
        completed,
        submitted,
        vendor.account,
        destination,
        observer=followed.observer,
        unwritten=unwritten,
    )


async def test_a_completion_that_is_handed_on_is_written_with_the_video(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    stored = (await handed_on(vendor, destination, followed))()
    record = record_of(destination, stored.intent)
    assert record.rev == 3, "claimed, submitted, stored with its poster"
    attempt = record.current_attempt
    assert record.state is State.STORED and attempt is not None
    assert attempt.cost == stored.cost is not None and attempt.completed_at and attempt.created_at
    assert followed.kinds == ["completed", "stored"]
    assert {"polls", "made_seconds"} <= {*followed.events[0].facts}


@pytest.mark.parametrize("why", ["cancelled", "no video"])
async def test_a_completion_that_is_handed_on_is_written_where_its_video_cannot_be_stored(
    vendor: Vendor, destination: Destination, followed: Followed, why: str
) -> None:
    store = await handed_on(vendor, destination, followed)
    stop = threading.Event()
    if why == "cancelled":
        stop.set()
    else:
        vendor.simulator.plan(Fault(fault="not_a_video", times=9))
    with pytest.raises(VideoNotStored):
        store(cancelled=stop)
    assert record_of(destination, store.args[1]["intent"]).state is State.COMPLETED
    assert followed.kinds == ["completed"]


@pytest.mark.parametrize("known", ["completed", "stored"])
async def test_a_completion_that_another_process_has_written_is_not_told_again(
    vendor: Vendor, destination: Destination, other_process: Destination, followed: Followed, known: str
) -> None:
    store = await handed_on(vendor, destination, followed)
    task, submitted = store.args[0], store.args[1]
    if known == "completed":
        other_process.journal.record_completed(submitted["intent"], task)
    else:
        deliver(task, submitted, vendor.account, other_process)
    store()
    assert followed.kinds == (["stored"] if known == "completed" else [])


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_what_a_video_cost_is_written_also_where_somebody_else_has_brought_it(
    vendor: Vendor,
    destination: Destination,
    other_process: Destination,
    followed: Followed,
    listen: Listen,
    when: str,
) -> None:
    store = await handed_on(vendor, destination, followed)
    completed, submitted = store.args[0], store.args[1]

    def bring() -> None:
        """Another process stores it, such as a person's, who does not know what it cost."""
        task = VideoTask(task_id=completed.task_id, video_url=completed.video_url)
        stored = deliver(task, submitted, vendor.account, other_process)
        attempt = record_of(other_process, stored.intent).attempts[0].model_copy(update={"cost": None})
        costless = {"attempts": (attempt,)}
        other_process.journal.update(stored.intent, lambda record: record.model_copy(update=costless), step="described")

    def meanwhile(reached: str) -> None:
        if reached == "relay.after":
            listen(lambda _: None)
            bring()

    if when == "before":
        bring()
    else:
        listen(meanwhile)
    store()
    (attempt,) = record_of(destination, submitted["intent"]).attempts
    assert attempt.cost == completed.cost is not None and attempt.completed_at
    assert followed.kinds == [], "the other process has told of it"
