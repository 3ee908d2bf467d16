"""Whatever text comes from outside, a paid video is stored, with a record and a provenance that read back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Run
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.watch.watcher import watch
from prefect_seedance.redaction import LONGEST_TEXT
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.pipeline.counter import QUERY, Made
from tests.pipeline.harness import REQUEST, TEMPLATE, Followed, Vendor, order_of, record_of
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
