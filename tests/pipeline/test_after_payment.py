"""Once the vendor has the task: what only tells of it stops nothing, and what does stop it tells of the task."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prefect.exceptions import TerminationSignal

from prefect_seedance.cli.arguments import parser
from prefect_seedance.client.errors import AuthenticationFailed, SeedanceError, TaskError
from prefect_seedance.client.models import VideoTask
from prefect_seedance.journal.errors import JournalError
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped
from prefect_seedance.pipeline.observer import Observer
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch
from prefect_seedance.storage.errors import NoSpace, StorageError
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Blob, ObjectInfo
from tests.pipeline.counter import QUERY, Made, envelope
from tests.pipeline.harness import Followed, Vendor, account_at, destination_in, order_of, record_of
from tests.storage.clips import make_clip
from tests.storage.s3_servers import running_moto
from tests.test_asides import Raising

ADVICE = "Run the same request again"
#: Every line of the plain pipeline goes to one of these.
LOGGERS = ("prefect_seedance.pipeline.observer", "prefect_seedance.journal.submit.callbacks")


@contextmanager
def filtered(words: str, failure: BaseException) -> Iterator[Raising]:
    """A user's filter at the loggers of the package that raises on every line with these words."""
    raising = Raising(words, failure)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(raising)
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield raising
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(raising)
            logging.getLogger(name).setLevel(logging.NOTSET)


# What only tells of it.


@pytest.mark.parametrize("words", ["was accepted", ""], ids=["accepted", "always"])
@pytest.mark.parametrize("failure", [RuntimeError("gone"), MemoryError(), UnicodeError("half a pair")], ids=repr)
def test_a_users_filter_that_raises_loses_no_task_id(
    words: str, failure: BaseException, vendor: Vendor, destination: Destination
) -> None:
    with filtered(words, failure) as raising:
        submitted = submit(order_of(), vendor.account, destination)
        assert record_of(destination, submitted["intent"]).task_ids == (submitted["task_id"],)
        vendor.simulator.elapse(3600)
        completed = asyncio.run(watch(submitted, vendor.account, destination, limit_seconds=30))
        stored = deliver(completed, submitted, vendor.account, destination)
    assert raising.raised > 0
    assert record_of(destination, stored.intent).state is State.STORED
    assert vendor.billed() == [stored.task_id]


@pytest.mark.parametrize(
    "ending",
    [SystemExit(7), KeyboardInterrupt(), asyncio.CancelledError(), TerminationSignal(signal.SIGTERM)],
    ids=lambda each: type(each).__name__,
)
def test_what_ends_the_process_at_that_line_ends_it_and_loses_no_task_id(
    ending: BaseException, vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    with filtered("was accepted", ending), pytest.raises(type(ending)):
        submit(order_of(), vendor.account, destination)
    (task_id,) = vendor.billed()
    assert record_of(other_process, order_of().intent).task_ids == (task_id,)
    again = submit(order_of(), vendor.account, other_process)
    assert (again["task_id"], again["decision"]) == (task_id, str(Decision.ATTACH))
    assert vendor.billed() == [task_id]


def test_in_a_thread_of_a_pool_nobody_asked_for_an_end(vendor: Vendor, destination: Destination) -> None:
    with filtered("", SystemExit(7)) as raising:
        submitting = threads.start(threads.SUBMISSIONS, submit, order_of(), vendor.account, destination)
        submitted = submitting.result(60)
    assert raising.raised > 0
    assert record_of(destination, submitted["intent"]).task_ids == (submitted["task_id"],) == tuple(vendor.billed())


def test_an_observer_that_ends_everything_in_a_thread_ends_nothing(vendor: Vendor, destination: Destination) -> None:
    def ends(*anything: object) -> None:
        raise SystemExit(7)

    observer = Observer(ends, ends)
    submitted = threads.start(
        threads.SUBMISSIONS, submit, order_of(), vendor.account, destination, observer=observer
    ).result(60)
    vendor.simulator.elapse(3600)
    task = vendor.task(submitted["task_id"])
    stored = threads.start(
        threads.RELAYS, deliver, task, submitted, vendor.account, destination, observer=observer
    ).result(60)
    assert record_of(destination, stored.intent).state is State.STORED and vendor.billed() == [stored.task_id]


def media(vendor: Vendor, content: bytes, submitted: SubmittedVideo) -> VideoTask:
    """A completed task whose link leads to this."""
    vendor.counter.files["/clip.mp4"] = content
    link = f"{vendor.counter.url}/clip.mp4"
    return VideoTask(task_id=submitted["task_id"], status="completed", video_url=link)


def test_a_video_whose_facts_cannot_be_read_is_stored_and_a_line_says_so(
    vendor: Vendor, destination: Destination, followed: Followed, tmp_path: Path
) -> None:
    submitted = vendor.bought(destination)
    unknown_codec = make_clip(tmp_path / "clip.mp4", seconds=0.1).read_bytes().replace(b"avc1", b"zzz9")
    task = media(vendor, unknown_codec, submitted)
    stored = deliver(task, submitted, vendor.account, destination, observer=followed.observer)
    assert (stored.width, stored.seconds, stored.poster_uri) == (0, 0.0, "")
    assert record_of(destination, stored.intent).state is State.STORED
    assert [line for line in followed.lines if "are unknown" in line] != []


class Refusing(FolderStore):
    """A folder that fails at what somebody asks of it."""

    def __init__(self, folder: Path, suffix: str, failure: Exception) -> None:
        super().__init__(folder)
        self.suffix, self.failure = suffix, failure

    def create(self, key: str, data: bytes) -> str:
        if key.endswith(self.suffix) and key.startswith("videos/"):
            raise self.failure
        return super().create(key, data)

    def stat(self, key: str) -> ObjectInfo | None:
        if self.suffix == "stat":
            raise self.failure
        return super().stat(key)


def test_a_poster_that_cannot_be_written_costs_no_facts(
    vendor: Vendor, destination: Destination, followed: Followed, tmp_path: Path
) -> None:
    submitted = vendor.bought(destination)
    vendor.simulator.elapse(3600)
    full = destination_in(tmp_path / "store", Refusing(tmp_path / "store", ".jpg", NoSpace("/videos", "full")))
    task = vendor.task(submitted["task_id"])
    stored = deliver(task, submitted, vendor.account, full, observer=followed.observer)
    assert stored.width > 0 and stored.poster_uri == ""
    assert any("poster" in line and "could not be written" in line for line in followed.warnings())
    record = record_of(destination, stored.intent)
    assert record.state is State.STORED and record.stored is not None
    assert record.stored.model_dump()["width"] == stored.width


# What stops it.


def told(error: SeedanceError, task_id: str) -> None:
    """The error names the task, says that it is paid for, and how to go on."""
    assert getattr(error, "task_id", "") == task_id
    assert task_id in str(error) and "paid for" in str(error) and ADVICE in str(error)
    brings_in = re.findall(r"^prefect-seedance (resolve .* --(?:file|link) .*)$", str(error), re.MULTILINE)
    assert [option for line in brings_in for option in ("--file", "--link") if option in line] == ["--file", "--link"]
    for line in brings_in:
        given = parser().parse_args(shlex.split(line))
        assert re.fullmatch(r"[0-9a-f]{32}", given.intent) and re.fullmatch(r"[12]-[0-9a-f]{8}", given.attempt)
    assert error.__cause__ is not None


FAILURES: dict[str, Callable[[], Exception]] = {
    "no permission": lambda: PermissionError(errno.EACCES, "Permission denied", "/videos/a"),
    "no space": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "a fault of ours": lambda: KeyError("created"),
    "another package's": lambda: RuntimeError("https://bucket.example.com/a?X-Amz-Signature=secret sk_secret"),
    "half a surrogate pair": lambda: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_whatever_the_store_raises_while_a_video_is_stored_tells_of_the_task(
    failure: Callable[[], Exception], vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    task, submitted = vendor.completed(destination)
    refusing = destination_in(tmp_path / "store", Refusing(tmp_path / "store", ".json", failure()))
    with pytest.raises(VideoNotStored) as caught:
        deliver(task, submitted, vendor.account, refusing)
    told(caught.value, submitted["task_id"])
    assert "secret" not in str(caught.value)
    assert deliver(task, submitted, vendor.account, destination).task_id == submitted["task_id"]
    assert vendor.billed() == [submitted["task_id"]]


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_whatever_the_store_raises_while_a_video_is_waited_for_tells_of_the_task(
    failure: Callable[[], Exception], vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    task, submitted = vendor.completed(destination)
    deliver(task, submitted, vendor.account, destination)
    refusing = destination_in(tmp_path / "store", Refusing(tmp_path / "store", "stat", failure()))
    with pytest.raises(WaitStopped) as caught:
        asyncio.run(watch(submitted, vendor.account, refusing, limit_seconds=30))
    told(caught.value, submitted["task_id"])
    assert "secret" not in str(caught.value)


def test_a_bucket_that_is_gone_tells_of_the_task(vendor: Vendor, destination: Destination) -> None:
    task, submitted = vendor.completed(destination)
    with running_moto() as server:
        gone = replace(destination, store=server.store(bucket="gone"))
        with pytest.raises(VideoNotStored) as caught:
            deliver(task, submitted, vendor.account, gone)
    told(caught.value, submitted["task_id"])
    assert isinstance(caught.value.__cause__, StorageError)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"intent": "' + b"0" * 32 + b'"}'])
def test_a_journal_that_cannot_be_read_tells_of_the_task(
    content: bytes,
    vendor: Vendor,
    destination: Destination,
    other_process: Destination,
    tmp_path: Path,
) -> None:
    task, submitted = vendor.completed(destination)
    (tmp_path / "store" / destination.journal.record_key(submitted["intent"])).write_bytes(content)
    with pytest.raises(WaitStopped) as waited:
        asyncio.run(watch(submitted, vendor.account, other_process, limit_seconds=30))
    with pytest.raises(VideoNotStored) as stored:
        deliver(task, submitted, vendor.account, other_process)
    for error in (waited.value, stored.value):
        told(error, submitted["task_id"])
        assert isinstance(error.__cause__, JournalError)


def test_a_template_that_is_none_tells_of_the_task(
    vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    entry = destination.journal.read(submitted["intent"])
    assert entry is not None
    nameless = entry.record.model_copy(update={"key": "", "delivery": entry.record.delivery.model_copy()})
    nameless = nameless.model_copy(update={"delivery": nameless.delivery.model_copy(update={"key_template": ""})})
    destination.journal.write(submitted["intent"], entry, nameless, step="release")
    with pytest.raises(VideoNotStored) as caught:
        deliver(task, submitted, vendor.account, replace(other_process, key_template="videos/{0.x}.mp4"))
    told(caught.value, submitted["task_id"])
    assert deliver(task, submitted, vendor.account, other_process).key.startswith("videos/")


def test_a_proxy_that_cannot_be_used_tells_of_the_task(
    vendor: Vendor, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = vendor.bought(destination)
    monkeypatch.setenv("ALL_PROXY", "nonsense://proxy.example.com:1")
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://proxy.example.com:1")
    with pytest.raises(TaskError) as caught:
        asyncio.run(watch(submitted, account_at("https://vendor.example.com"), destination, limit_seconds=2))
    told(caught.value, submitted["task_id"])
    assert "Nothing was sent" not in str(caught.value)
    assert "PROXY: names a proxy of a kind that cannot be used" in str(caught.value)


def test_a_key_that_the_vendor_refuses_ends_the_wait_and_a_firewalls_page_does_not(
    vendor: Vendor, destination: Destination
) -> None:
    submitted = vendor.bought(destination)
    vendor.simulator.elapse(3600)
    vendor.counter.answer(QUERY, lambda: Made(403, b"<html>Access denied</html>"), times=2)
    assert asyncio.run(watch(submitted, vendor.account, destination, limit_seconds=30)).video_url
    vendor.counter.answer(QUERY, lambda: envelope(code=20001, message="invalid token"), times=1)
    other = vendor.bought(destination, order_of(order_of().asked.model_copy(update={"take": "2"})))
    with pytest.raises(WaitStopped) as caught:
        asyncio.run(watch(other, vendor.account, destination, limit_seconds=30))
    told(caught.value, other["task_id"])
    assert isinstance(caught.value.__cause__, AuthenticationFailed)


def test_the_later_task_of_the_record_is_the_one_that_is_told_of(
    vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    first = vendor.bought(destination)
    destination.journal.record_failed(first["intent"], first["task_id"], "transient", "PROVIDER_TIMEOUT")
    second = submit(order_of(), vendor.account, destination, max_submissions=2, preflight=False)
    vendor.counter.answer(QUERY, lambda: envelope(code=20001, message="invalid token"))
    with pytest.raises(WaitStopped) as caught:
        asyncio.run(watch(first, vendor.account, other_process, limit_seconds=30, max_submissions=2))
    told(caught.value, second["task_id"])


class FailingAfterThePost(FolderStore):
    """A folder that raises a few times from the moment on when there is a task id to be written down."""

    def __init__(self, folder: Path, failure: Exception, times: int) -> None:
        super().__init__(folder)
        self.failure, self.left, self.paid = failure, times, False

    def _fail(self) -> None:
        if self.paid and self.left:
            self.left -= 1
            raise self.failure

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        self.paid = self.paid or b'"submitted"' in data
        self._fail()
        return super().swap(key, data, etag=etag)

    def get(self, key: str) -> Blob | None:
        self._fail()
        return super().get(key)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_task_id_is_written_down_whatever_the_store_raises_for_a_moment(
    failure: Callable[[], Exception], vendor: Vendor, tmp_path: Path, destination: Destination
) -> None:
    failing = FailingAfterThePost(tmp_path / "store", failure(), times=4)
    submitted = submit(order_of(), vendor.account, destination_in(tmp_path / "store", failing))
    assert (failing.left, submitted["recorded"]) == (0, True)
    assert record_of(destination, submitted["intent"]).task_ids == (submitted["task_id"],) == tuple(vendor.billed())
