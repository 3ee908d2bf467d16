"""Whatever text comes from outside, a paid video is stored, with a record and a provenance that read back."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from prefect_seedance.client.errors import SeedanceError, VideoFailed
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Run
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.errors import VideoNotStored
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch
from prefect_seedance.redaction import LONGEST_TEXT
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.client.writings import WRITINGS, gives_away
from tests.pipeline.counter import BALANCE, CATALOG, CREATE, QUERY, Made, envelope
from tests.pipeline.harness import REQUEST, TEMPLATE, Followed, Vendor, account_at, order_of, record_of
from tests.storage.s3_servers import S3Server, running_moto

#: Texts as they stand in an answer: JSON of the vendor's, in bytes.
HOSTILE = {
    "half a surrogate pair, escaped": rb'"sd2\ud800fast"',
    "half a surrogate pair, in bytes": b'"sd2\xed\xa0\x80fast"',
    "control characters": rb'"sd2\u0000\u001b[2J\r\nSet-Cookie: a=1"',
    "turned round": rb'"sd2\u202e\u2028fast"',
    "a hundred thousand characters": b'"' + b"x" * 100_000 + b'"',
    "not of this encoding": '"模型\U0001f3ac"'.encode(),
}


def answered(vendor: Vendor, task_id: str, *, status: bytes = b'"completed"', **texts: bytes) -> None:
    """Have every question about a task answered with these texts."""
    link = json.dumps(vendor.task(task_id).video_url).encode()
    fields = {"task_id": f'"{task_id}"'.encode(), "status": status, "video_url": link, **texts}
    data = b", ".join(b'"%s": %s' % (name.encode(), text) for name, text in fields.items())
    vendor.counter.answer(QUERY, lambda: Made(200, b'{"code": 0, "msg": "ok", "data": {%s}}' % data))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_video_is_stored_whatever_its_model_is_called(
    text: bytes, vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    submitted = vendor.bought(destination)
    vendor.simulator.elapse(3600)
    answered(vendor, submitted["task_id"], model=text, error_message=text)
    completed = asyncio.run(watch(submitted, vendor.account, destination, limit_seconds=30, observer=followed.observer))
    stored = deliver(completed, submitted, vendor.account, destination, observer=followed.observer)
    assert record_of(destination, stored.intent).state is State.STORED
    assert 0 < len(stored.model) <= LONGEST_TEXT and stored.model.isprintable()
    provenance = destination.store.get(stored.key.removesuffix(".mp4") + ".json")
    assert provenance is not None and json.loads(provenance.data)["video"]["model"] == stored.model
    assert followed.kinds == ["completed", "stored"] and followed.warnings() == []
    for event in followed.events:
        json.dumps(event.facts, ensure_ascii=False).encode()
    assert len(vendor.billed()) == 1


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_verdict_is_written_down_whatever_its_words(text: bytes, vendor: Vendor, destination: Destination) -> None:
    submitted = vendor.bought(destination)
    answered(vendor, submitted["task_id"], status=b'"failed"', error_message=text)
    with pytest.raises(VideoFailed) as caught:
        asyncio.run(watch(submitted, vendor.account, destination, limit_seconds=30))
    assert caught.value.error_message.isprintable()
    assert record_of(destination, submitted["intent"]).state is State.FAILED


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_unknown_status_is_waited_through_whatever_it_is(
    text: bytes, vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    submitted = vendor.bought(destination)
    vendor.simulator.elapse(3600)
    seen: list[str] = []

    async def on_answer(task: object, waited: float) -> None:
        seen.append(getattr(task, "status", ""))
        vendor.counter.rules.clear()

    answered(vendor, submitted["task_id"], status=text)
    watching = watch(
        submitted, vendor.account, destination, limit_seconds=30, observer=followed.observer, on_answer=on_answer
    )
    assert asyncio.run(watching).video_url
    assert seen[0].isprintable() and len(seen[0]) <= LONGEST_TEXT and followed.warnings() == []


@pytest.mark.parametrize("link", [rb'"https://127.0.0.1/\ud800.mp4"', b'"https://127.0.0.1/' + b"x" * 20_000 + b'"'])
def test_an_address_that_no_request_can_name_counts_as_none(
    link: bytes, vendor: Vendor, destination: Destination
) -> None:
    task, submitted = vendor.completed(destination)
    answered(vendor, task.task_id, video_url=link)
    assert vendor.task(task.task_id).video_url == ""
    vendor.counter.rules.clear()
    stored = deliver(task, submitted, vendor.account, destination)
    assert record_of(destination, stored.intent).state is State.STORED


def test_a_runs_name_may_be_anything(vendor: Vendor, destination: Destination) -> None:
    """Prefect's names come from users; nobody cleans them before they stand in a record."""
    odd = Run(id="id-odd", name="\ud800\x00\x1b nightly \U0001f3ac", url="https://prefect.example.com/\ud800")
    submitted = vendor.bought(destination, run=odd)
    vendor.simulator.elapse(3600)
    stored = deliver(vendor.task(submitted["task_id"]), submitted, vendor.account, destination, run=odd)
    assert record_of(destination, stored.intent).state is State.STORED
    assert len(vendor.billed()) == 1


# A vendor and a media host that repeat the API key, in whatever writing, wherever they can.

KEY = account_at("http://127.0.0.1").settings.api_key.get_secret_value()
SIGNATURE = "X-Amz-Signature=1f0cf1ed"


@dataclass
class Told:
    """All that somebody could have read of a key."""

    caplog: pytest.LogCaptureFixture
    folder: Path
    texts: list[str] = field(default_factory=list)

    def take_error(self, error: BaseException) -> None:
        """Take up what an error says, and those that led to it."""
        seen: set[int] = set()
        ahead: list[BaseException | None] = [error]
        while ahead:
            each = ahead.pop()
            if each is not None and id(each) not in seen:
                seen.add(id(each))
                ahead += [each.__cause__, each.__context__]
                self.texts += [str(each), repr(each), repr(each.args), repr(vars(each))]

    def all(self) -> list[str]:
        """Return all texts: also of the log, and of the store's files but for the videos."""
        records = [f"{record.name}: {record.getMessage()} {vars(record)}" for record in self.caplog.records]
        media = (".mp4", ".jpg", ".html", ".bin")
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix not in media]
        names = [str(path.relative_to(self.folder)) for path in files]
        return [*self.texts, *records, *names, *(path.read_bytes().decode("latin-1") for path in files)]

    def assert_clean(self) -> None:
        """Assert that nobody has read the key, or what opens a link."""
        told = self.all()
        assert [text for text in told if gives_away(text, KEY)] == []
        assert [text for text in told if SIGNATURE in text] == []


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> Told:
    caplog.set_level(logging.DEBUG)
    return Told(caplog, tmp_path)


def echo_of(name: str) -> str:
    return f"no: {WRITINGS[name](KEY)} https://a.example.com/b?{SIGNATURE} end"


def header_of(name: str) -> str:
    return "".join(letter for letter in WRITINGS[name](KEY) if " " < letter <= "~")


ECHOES = (
    *("as it is", "percent-encoded, capital digits", "percent-encoded twice", "escaped for JSON"),
    *("escaped for JSON twice", "escaped for HTML", "in base64, with the scheme", "in hexadecimal digits"),
    *("with NULs between", "with invisible characters between", "as the user of an address", "as a header"),
)


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.sample(every=2)
def test_a_key_that_is_repeated_in_every_field_is_told_to_nobody(
    name: str, vendor: Vendor, destination: Destination, followed: Followed, told: Told
) -> None:
    echo = echo_of(name)
    with vendor.account.client() as client:
        outcome = client.submit_video(REQUEST)
    assert isinstance(outcome, Accepted)
    vendor.simulator.elapse(3600)
    video = httpx.get(vendor.task(outcome.task_id).video_url).content
    told.caplog.clear()

    odd = ("model", "error_message", "progress", "created_at", "completed_at", "cost", "status", "x")
    made = {"task_id": outcome.task_id, **dict.fromkeys(odd, echo)}
    path = f"/media/{KEY}/a.mp4?{SIGNATURE}&key={KEY}"
    done = {**made, "status": "completed", "result": {"video_url": f"{vendor.counter.url}/moved/{KEY}?{SIGNATURE}"}}
    answers = iter([made, made])
    money = {"available": 1000.0, "name": echo}
    vendor.counter.answer(BALANCE, lambda: envelope(money, message=echo))
    vendor.counter.answer(CATALOG, lambda: envelope({"list": [{"model_name": echo, "remark": echo}]}, message=echo))
    vendor.counter.answer(CREATE, lambda: envelope(made, message=echo))
    vendor.counter.answer(QUERY, lambda: envelope(next(answers, done), message=echo))
    vendor.counter.answer(
        f"/moved/{KEY}",
        lambda: Made(302, echo.encode(), {"Location": f"{vendor.counter.url}{path}", "X-Echo": header_of(name)}),
    )
    vendor.counter.answer(
        path.partition("?")[0], lambda: Made(200, video, {"Content-Type": f"video/mp4; x={header_of(name)}"})
    )

    submitted = submit(order_of(), vendor.account, destination, observer=followed.observer)
    seen: list[str] = []

    async def on_answer(task: VideoTask, waited: float) -> None:
        seen.append(repr(task))

    watching = watch(
        submitted, vendor.account, destination, limit_seconds=30, observer=followed.observer, on_answer=on_answer
    )
    completed = asyncio.run(watching)
    stored = deliver(completed, submitted, vendor.account, destination, observer=followed.observer)
    assert record_of(destination, stored.intent).state is State.STORED
    assert stored.task_id == outcome.task_id and stored.bytes == len(video)
    assert f"{vendor.counter.url}/moved/{KEY}?{SIGNATURE}" == completed.video_url, "what is fetched is as it was"
    told.texts += [repr(stored), stored.model_dump_json(), repr(completed), str(submitted), *seen, *followed.lines]
    told.texts += [repr(event) for event in followed.events]
    assert any(record.name == "httpx" for record in told.caplog.records)
    assert any("/media/***/a.mp4" in text for text in told.all()), "the lines of the HTTP library are heard"
    told.assert_clean()


def pages_of(name: str) -> dict[str, Made]:
    """Answers that end in an error, whatever was asked."""
    echo = echo_of(name)
    body = json.dumps({"code": echo, "msg": echo, "data": {"x": echo}, "error": {"message": echo}}).encode()
    return {
        "a page": Made(502, f"<html>{echo}</html>".encode(), {"Content-Type": "text/html"}),
        "a refused page": Made(401, f"<html>{echo}</html>".encode(), {"Content-Type": "text/html"}),
        "an unknown code": Made(200, body),
        "an unknown code and status": Made(418, body),
        "a known code": Made(200, json.dumps({"code": 20002, "msg": echo}).encode()),
        "a refused key": Made(200, json.dumps({"code": 20001, "msg": echo}).encode()),
        "a redirect": Made(
            307, b"", {"Location": f"https://{header_of(name)}.example.com/{header_of(name)}?{SIGNATURE}"}
        ),
        "half an answer": Made(200, body, {"Content-Length": str(len(body) + 10), "Connection": "close"}),
        "no JSON": Made(200, echo.encode()),
        "the key for an id": envelope({"task_id": WRITINGS[name](KEY), "status": "queued"}),
        "another task": envelope({"task_id": f"videos_{WRITINGS[name](KEY)}", "status": "queued"}),
        "a failure": envelope({"status": "failed", "error_message": echo}, message=echo),
        "odd headers": Made(418, body, {"Retry-After": header_of(name), "Content-Encoding": header_of(name)}),
    }


@pytest.mark.parametrize("page", pages_of("as it is"))
@pytest.mark.parametrize("name", ["as it is", "escaped for JSON twice"])
@pytest.mark.sample(every=3)
def test_a_key_that_is_repeated_in_an_error_is_told_to_nobody(
    name: str, page: str, vendor: Vendor, destination: Destination, followed: Followed, told: Told
) -> None:
    made = pages_of(name)[page]
    with vendor.account.client() as client:
        for ask in (client.user_balance, client.catalog, lambda: client.get_video("videos_1")):
            vendor.counter.rules.clear()
            for kind in (BALANCE, CATALOG, QUERY):
                vendor.counter.answer(kind, lambda: made)
            try:
                told.texts.append(repr(ask()))
            except SeedanceError as error:
                told.take_error(error)
    vendor.counter.answer(CREATE, lambda: made)
    try:
        submit(order_of(), vendor.account, destination, preflight=False, observer=followed.observer)
    except SeedanceError as error:
        told.take_error(error)
    vendor.counter.rules.clear()
    order = order_of(REQUEST.model_copy(update={"take": "another"}))
    submitted = vendor.bought(destination, order)
    vendor.counter.answer(QUERY, lambda: made)
    try:
        watching = watch(submitted, vendor.account, destination, limit_seconds=1, observer=followed.observer)
        told.texts.append(repr(asyncio.run(watching)))
    except SeedanceError as error:
        told.take_error(error)
    told.texts += [*followed.lines, *map(repr, followed.events)]
    assert told.texts
    told.assert_clean()


def unresolved(host: str, port: int) -> list[str]:
    raise OSError(f"nobody knows {host}")


@pytest.mark.parametrize(
    "link",
    [
        "https://{0}.example.com/{0}/a.mp4?X-Amz-Signature=1f0cf1ed",
        "https://{0}:{0}@192.0.2.1/a.mp4",
        "https://[{0}]/a.mp4",
        "https://192.0.2.1:{0}/a.mp4",
        "https://127.0.0.1:1/{0}?{0}",
        "/files/{0}/a.mp4",
        "{0}",
        "moved",
        "page",
    ],
)
@pytest.mark.sample(every=2)
def test_a_key_that_is_repeated_in_a_link_is_told_to_nobody(
    link: str, vendor: Vendor, destination: Destination, followed: Followed, told: Told
) -> None:
    task, submitted = vendor.completed(destination)
    link = link.format(KEY)
    if link in ("moved", "page"):
        moved = Made(302, b"", {"Location": f"https://{KEY}.example.com:99999/{KEY}?{SIGNATURE}"})
        page = Made(200, f"<html>{echo_of('as it is')}</html>".encode(), {"Content-Type": f"text/html; x={KEY}"})
        vendor.counter.answer(f"/{link}", lambda: moved if link == "moved" else page)
        link = f"{vendor.counter.url}/{link}?{SIGNATURE}"
    answered(vendor, task.task_id, video_url=json.dumps(link).encode())
    told.caplog.clear()
    offline = replace(destination, media=MediaPolicy(resolver=unresolved))
    cancelled = threading.Event()
    threading.Timer(1.5, cancelled.set).start()
    with pytest.raises(VideoNotStored) as caught:
        deliver(
            vendor.task(task.task_id),
            submitted,
            vendor.account,
            offline,
            observer=followed.observer,
            cancelled=cancelled,
        )
    told.take_error(caught.value)
    told.texts += [*followed.lines, *map(repr, followed.events)]
    told.assert_clean()


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with running_moto() as server:
        yield server


@pytest.mark.parametrize("model", ["模型" * 500, "\U0001f3ac" * 500, 'sd2"; \\ é', "x" * 5000])
def test_a_users_own_model_fits_into_the_headers_of_an_object(model: str, vendor: Vendor, moto: S3Server) -> None:
    """S3 takes 2 KB of metadata in all, in ASCII; it would refuse the video after it was paid for."""
    store = moto.store()
    destination = Destination(store, Journal(store), TEMPLATE, MediaPolicy())
    order = order_of(REQUEST.model_copy(update={"other_model": "seedance2.0-std", "take": model[:20]}))
    submitted = vendor.bought(destination, order)
    record = record_of(destination, order.intent)
    changed = record.model_copy(update={"model": model})
    entry = destination.journal.read(order.intent)
    destination.journal.write(order.intent, entry, changed, step="release")
    vendor.simulator.elapse(3600)
    stored = deliver(vendor.task(submitted["task_id"]), submitted, vendor.account, destination)
    assert store.stat(stored.key) is not None
    assert record_of(destination, stored.intent).state is State.STORED
