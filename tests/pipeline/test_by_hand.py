"""Bringing a video in by hand: whatever the record says, a person who has the video can store it, once and checked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import pickle
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from prefect_seedance.cli import main
from prefect_seedance.client.errors import ApiError, WaitTimedOut
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.journal.codec import encode
from prefect_seedance.journal.errors import JournalError, ResolutionRefused, SubmissionUnknown
from prefect_seedance.journal.record import Attempt, Holder, is_stand_in
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.settlement.brought_video import hold_for_video, let_go
from prefect_seedance.journal.settlement.restoration import restore_record
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision
from prefect_seedance.pipeline.by_hand import Brought, bring_in
from prefect_seedance.pipeline.deliver import deliver, stored_video
from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch
from prefect_seedance.simulator import Fault
from prefect_seedance.storage.errors import ForbiddenSource, KeyTaken, NotAVideo, SourceError, StoreUnavailable
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.pipeline.counter import CREATE, QUERY, Rule, envelope
from tests.pipeline.harness import Followed, Vendor, delete_record, destination_in, order_of, record_of
from tests.storage.clips import lookalike, make_clip
from tests.storage.media_server import Fault as MediaFault
from tests.storage.media_server import MediaServer, serving
from tests.storage.s3_servers import running_moto

HERE = MediaPolicy(allow_loopback=True)
INTENT = order_of().intent
VIDEO, OTHER = lookalike(300_000), lookalike(300_000, seed=2)
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "my clip.mp4"
    path.write_bytes(VIDEO)
    return str(path)


@pytest.fixture
def media() -> Iterator[MediaServer]:
    with serving(VIDEO) as server:
        yield server


class Dies(BaseException):
    """The process dies."""


def unknown(vendor: Vendor, destination: Destination) -> None:
    vendor.simulator.plan(Fault(fault="lost_answer"))
    with pytest.raises(SubmissionUnknown):
        vendor.bought(destination)


def submitted(vendor: Vendor, destination: Destination) -> None:
    vendor.bought(destination)


def completed(vendor: Vendor, destination: Destination) -> None:
    task, _ = vendor.completed(destination)
    destination.journal.record_completed(INTENT, task)


def failed(vendor: Vendor, destination: Destination) -> None:
    task = vendor.bought(destination)["task_id"]
    destination.journal.record_failed(INTENT, task, "moderation", "TRADEMARK")


def failed_in_passing(vendor: Vendor, destination: Destination) -> None:
    task = vendor.bought(destination)["task_id"]
    destination.journal.record_failed(INTENT, task, "transient", "PROVIDER_TIMEOUT")


def lost(vendor: Vendor, destination: Destination) -> None:
    unknown(vendor, destination)
    resolve_unknown(destination.journal, INTENT, "abandon")


def ready(vendor: Vendor, destination: Destination) -> None:
    unknown(vendor, destination)
    resolve_unknown(destination.journal, INTENT, "not_billed")


def refused(vendor: Vendor, destination: Destination) -> None:
    vendor.counter.rules.append(Rule(CREATE, lambda: envelope(code=20002, message="no"), 1))
    with pytest.raises(ApiError):
        vendor.bought(destination)


def lapsed(vendor: Vendor, destination: Destination) -> None:
    """The process died with the answer, a while ago."""
    unknown(vendor, destination)
    entry = destination.journal.read(INTENT)
    assert entry is not None
    (attempt,) = entry.record.attempts
    claim = {"state": State.SENDING, "holder": Holder(nonce=attempt.nonce), "attempts": (replaced(attempt),)}
    key = destination.journal.record_key(INTENT)
    destination.store.swap(key, encode(entry.record.model_copy(update=claim)), etag=entry.etag)


def replaced(attempt: Attempt) -> Attempt:
    return attempt.model_copy(update={"outcome": "", "answered_at": None})


STATES: dict[str, Callable[[Vendor, Destination], None]] = {
    "unknown": unknown,
    "submitted": submitted,
    "completed": completed,
    "failed": failed,
    "lost": lost,
    "ready": ready,
    "refused": refused,
    "sending, long ago": lapsed,
}


def content(destination: Destination, stored: StoredVideo) -> bytes:
    with destination.store.open_read(stored.key) as file:
        return file.read()


def provenance(destination: Destination, stored: StoredVideo) -> dict[str, object]:
    blob = destination.store.get(stored.key.removesuffix(".mp4") + ".json")
    assert blob is not None
    return json.loads(blob.data)


def from_file(destination: Destination, path: str, **more: object) -> StoredVideo:
    return bring_in(Brought(path=path), INTENT, destination, **more)  # type: ignore[arg-type]


def from_link(destination: Destination, link: str, **more: object) -> StoredVideo:
    return bring_in(Brought(link=link), INTENT, destination, policy=HERE, **more)  # type: ignore[arg-type]


# Whatever the record says.


@pytest.mark.parametrize("way", ["link", "file"])
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_in_every_state_the_video_becomes_that_of_the_intent_and_nothing_is_paid_again(
    state: Callable[[Vendor, Destination], None],
    way: str,
    vendor: Vendor,
    destination: Destination,
    other_process: Destination,
    clip: str,
    media: MediaServer,
) -> None:
    state(vendor, destination)
    billed, asked = vendor.billed(), len(vendor.counter.asked)
    before = record_of(destination, INTENT)
    stored = from_file(destination, clip) if way == "file" else from_link(destination, f"{media.url}/a.mp4")
    assert len(vendor.counter.asked) == asked
    record = record_of(destination, INTENT)
    assert (record.state, record.holder, record.key) == (State.STORED, None, stored.key)
    assert record.submissions == max(1, before.submissions) == stored.submissions
    assert (record.task_ids, record.unsettled()) == ((stored.task_id,), ())
    assert before.task_id in ("", stored.task_id) and is_stand_in(stored.task_id) == (before.task_id == "")
    assert content(destination, stored) == VIDEO and stored.sha256 == hashlib.sha256(VIDEO).hexdigest()
    assert stored.brought_by == way
    assert list(destination.store.list_keys("journal/open/")) == []
    # Whoever comes later uses it.
    pointer = submit(order_of(), vendor.account, other_process, preflight=False)
    assert pointer["decision"] == str(Decision.ALREADY_STORED)
    task = asyncio.run(watch(pointer, vendor.account, other_process, limit_seconds=30))
    again = deliver(task, pointer, vendor.account, other_process)
    assert (again.uri, again.sha256, again.brought_by) == (stored.uri, stored.sha256, way)
    assert vendor.billed() == billed


def test_its_provenance_says_who_brought_it_and_that_it_was_not_fetched(
    vendor: Vendor, destination: Destination, clip: str
) -> None:
    unknown(vendor, destination)
    stored = from_file(destination, clip, by="maria")
    how = provenance(destination, stored)["brought_in"]
    assert isinstance(how, dict)
    assert how.pop("at")
    assert how == {
        "from": "file",
        "address": "my clip.mp4",
        "by": "maria",
        "sha256": stored.sha256,
        "task_id_known": False,
        "note": "A person brought this video in. It was not fetched from the vendor.",
    }
    (attempt,) = record_of(destination, INTENT).attempts
    assert (attempt.resolved_by, attempt.outcome, attempt.task_id) == ("maria", "accepted", stored.task_id)
    assert attempt.name in stored.task_id and INTENT[:16] in stored.task_id and stored.task_id in stored.key


def test_a_link_is_repeated_nowhere(
    vendor: Vendor,
    destination: Destination,
    media: MediaServer,
    followed: Followed,
    caplog: pytest.LogCaptureFixture,
) -> None:
    unknown(vendor, destination)
    link = f"{media.url}/token={SECRET}/a.mp4?X-Amz-Signature={SECRET}&id=3#{SECRET}"
    said: list[str] = [repr(Brought(link=link))]
    with caplog.at_level(logging.INFO):
        media.plan(*(MediaFault(status=403) for _ in range(9)))
        with pytest.raises(ResolutionRefused, match="refuses the link") as expired:
            from_link(destination, link, observer=followed.observer)
        media.faults.clear()
        with pytest.raises(ForbiddenSource) as forbidden:
            bring_in(Brought(link=link), INTENT, destination)
        with pytest.raises(ForbiddenSource) as login:
            from_link(destination, f"https://me:{SECRET}@example.com/a.mp4")
        stored = from_link(destination, link, observer=followed.observer)
    said += [repr(each.value) + str(each.value) for each in (expired, forbidden, login)]
    said += [record.getMessage() for record in caplog.records if record.name.startswith("prefect_seedance")]
    said += [*followed.lines, *map(str, followed.events), stored.model_dump_json()]
    for key in destination.store.list_keys(""):
        blob = destination.store.get(key) if key.endswith(".json") else None
        said += [key, blob.data.decode() if blob else ""]
    assert [text for text in said if SECRET in text] == []
    how = provenance(destination, stored)["brought_in"]
    assert isinstance(how, dict) and how["address"] == f"{media.url}/a.mp4"


def test_a_poster_and_the_facts_are_made_of_it_as_of_any_other(
    vendor: Vendor, destination: Destination, followed: Followed, tmp_path: Path
) -> None:
    unknown(vendor, destination)
    clip = make_clip(tmp_path / "real.mp4", seconds=0.4)
    stored = from_file(destination, str(clip), observer=followed.observer)
    assert stored.width == 320 and stored.seconds > 0 and stored.poster_uri
    assert followed.kinds == ["stored"]
    facts = record_of(destination, INTENT).stored
    assert facts is not None and facts.model_dump()["poster_uri"] == stored.poster_uri


# What is not taken.


def test_a_file_that_is_no_video_is_refused_and_no_byte_of_it_is_copied(
    vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    ready(vendor, destination)
    before = record_of(destination, INTENT)
    private = tmp_path / "id_rsa"
    private.write_bytes(b"-----BEGIN PRIVATE KEY-----")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (private, tmp_path, pipe, tmp_path / "nowhere.mp4", tmp_path / "\0"):
        with pytest.raises(ResolutionRefused, match="Nothing was changed"):
            from_file(destination, str(path))
    assert record_of(destination, INTENT) == before
    assert [key for key in destination.store.list_keys("") if not key.startswith("journal/")] == []


def test_what_a_link_leads_to_and_is_no_video_is_kept_in_quarantine(
    vendor: Vendor, destination: Destination, media: MediaServer
) -> None:
    ready(vendor, destination)
    media.content = b"<html>sign in</html>"
    with pytest.raises(NotAVideo):
        from_link(destination, f"{media.url}/a.mp4")
    assert record_of(destination, INTENT).state is State.READY
    assert [key.partition("/")[0] for key in destination.store.list_keys("q")] == ["quarantine"]
    media.content = VIDEO
    assert content(destination, from_link(destination, f"{media.url}/a.mp4")) == VIDEO


@pytest.mark.parametrize("state", [ready, refused, unknown, failed])
def test_half_a_video_is_not_taken_unless_a_person_says_so(
    state: Callable[[Vendor, Destination], None], vendor: Vendor, destination: Destination, clip: str
) -> None:
    state(vendor, destination)
    before = record_of(destination, INTENT)
    half = VIDEO[:-20]
    Path(clip).write_bytes(half)
    with pytest.raises(ResolutionRefused, match=r"not whole.*despite_evidence"):
        from_file(destination, clip)
    after = record_of(destination, INTENT)
    assert after.attempts == before.attempts and after.state in (before.state, State.READY)
    assert content(destination, from_file(destination, clip, despite_evidence=True)) == half


@pytest.mark.parametrize(
    "fault", [MediaFault(), MediaFault(chunked=True)], ids=["of a known size", "of an unknown size"]
)
def test_what_a_link_leads_to_is_taken_as_it_is_when_a_person_says_so(
    fault: MediaFault, vendor: Vendor, destination: Destination, media: MediaServer
) -> None:
    """Read once: what a person has looked at is not a download that broke off."""
    ready(vendor, destination)
    media.content = VIDEO[:-20]
    media.plan(fault, fault)
    with pytest.raises(ResolutionRefused, match=r"not whole.*despite_evidence"):
        from_link(destination, f"{media.url}/a.mp4")
    brought = from_link(destination, f"{media.url}/a.mp4", despite_evidence=True)
    assert content(destination, brought) == media.content and len(media.seen) == 2
    assert from_link(destination, f"{media.url}/a.mp4", despite_evidence=True).sha256 == brought.sha256


def test_a_link_leads_only_where_links_may_lead(vendor: Vendor, destination: Destination, media: MediaServer) -> None:
    unknown(vendor, destination)
    for link in (
        f"{media.url}/a.mp4",
        "http://169.254.169.254/latest",
        "ftp://example.com/a.mp4",
        "a.mp4",
        "file:///x",
    ):
        with pytest.raises((ForbiddenSource, SourceError)):
            bring_in(Brought(link=link), INTENT, destination)
    assert media.seen == [] and record_of(destination, INTENT).state is State.UNKNOWN


def test_a_link_is_held_to_the_largest_size_and_a_file_is_not(
    vendor: Vendor, destination: Destination, media: MediaServer, clip: str
) -> None:
    unknown(vendor, destination)
    small = replace(HERE, maximum_bytes=1000)
    with pytest.raises(SourceError, match=r"1000 are allowed.* Copy another link .* --file") as refused:
        bring_in(Brought(link=f"{media.url}/a.mp4"), INTENT, destination, policy=small)
    assert "relay" not in str(refused.value), "the vendor knows nothing of this link"
    assert content(destination, from_file(replace(destination, media=small), clip)) == VIDEO


@pytest.mark.parametrize(
    "brought", [Brought(), Brought(link="**********"), Brought(link="https://example.com/a", path="/a.mp4")]
)
def test_what_is_nothing_or_two_things_is_refused(brought: Brought, vendor: Vendor, destination: Destination) -> None:
    unknown(vendor, destination)
    with pytest.raises(ResolutionRefused):
        bring_in(brought, INTENT, destination)


@pytest.mark.parametrize(
    "path", ["https://media.example.com/a.mp4?X-Amz-Signature={}", "file:///a.mp4", "S3://b/a.mp4"]
)
def test_an_address_in_the_place_of_a_path_is_said_and_not_repeated(
    path: str, vendor: Vendor, destination: Destination
) -> None:
    unknown(vendor, destination)
    with pytest.raises(ResolutionRefused, match="--link") as caught:
        from_file(destination, path.format(SECRET))
    assert SECRET not in str(caught.value)


def test_names_of_others_in_a_refusal_are_words_and_nothing_else(
    vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    unknown(vendor, destination)
    odd = tmp_path / f"a\x1b[2J\u202eb?sig={SECRET}"
    odd.write_bytes(b"no video")
    with pytest.raises(ResolutionRefused) as caught:
        from_file(destination, str(odd))
    assert str(caught.value).isprintable() and SECRET not in str(caught.value)
    with pytest.raises(ResolutionRefused) as caught:
        bring_in(Brought(path=str(odd)), "\ud800\x1b", destination)
    assert str(caught.value).isprintable()


def test_while_a_run_is_submitting_nothing_is_brought_in(vendor: Vendor, destination: Destination, clip: str) -> None:
    heard: list[str] = []

    def at(point: str) -> None:
        if point == "post.before":
            with pytest.raises(ResolutionRefused, match="submitting it right now"):
                from_file(destination_in(Path(destination.journal.location)), clip)
            heard.append(point)

    destination.journal.at = at
    vendor.bought(destination)
    assert heard == ["post.before"]


def test_of_several_attempts_one_is_named(vendor: Vendor, destination: Destination, clip: str) -> None:
    ready(vendor, destination)
    unknown(vendor, destination)
    first, second = (attempt.name for attempt in record_of(destination, INTENT).attempts)
    with pytest.raises(ResolutionRefused, match=f"several attempts.*{second}"):
        from_file(destination, clip)
    stored = from_file(destination, clip, attempt=second)
    assert second in stored.task_id
    assert record_of(destination, INTENT).attempt_named(first).outcome == "not_billed"  # type: ignore[union-attr]


# What is there already.


@pytest.mark.parametrize("state", [unknown, submitted])
def test_the_same_again_is_a_success_and_another_is_refused(
    state: Callable[[Vendor, Destination], None], vendor: Vendor, destination: Destination, clip: str, tmp_path: Path
) -> None:
    state(vendor, destination)
    stored = from_file(destination, clip)
    record = record_of(destination, INTENT)
    assert from_file(destination, clip) == stored
    other = tmp_path / "other.mp4"
    other.write_bytes(OTHER)
    with pytest.raises(KeyTaken, match=r"move that object away and call again\. Nothing is paid either way") as caught:
        from_file(destination, str(other))
    assert "vendor" not in str(caught.value) and str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert record_of(destination, INTENT) == record and content(destination, stored) == VIDEO


@pytest.mark.parametrize("state", [unknown, submitted])
@pytest.mark.parametrize(
    ("left", "brought"),
    # Of a damaged one a folder does not tell whose it is, so another one is refused there.
    [(None, VIDEO), (None, OTHER), (VIDEO[:1000], VIDEO)],
    ids=["gone, the same", "gone, another", "damaged, the same"],
)
def test_a_stored_video_that_is_gone_or_damaged_is_replaced(
    left: bytes | None,
    brought: bytes,
    state: Callable[[Vendor, Destination], None],
    vendor: Vendor,
    destination: Destination,
    clip: str,
) -> None:
    state(vendor, destination)
    stored = from_file(destination, clip)
    file = Path(destination.journal.location) / stored.key
    file.chmod(0o600)
    file.unlink() if left is None else file.write_bytes(left)
    Path(clip).write_bytes(brought)
    again = from_file(destination, clip)
    record = record_of(destination, INTENT)
    assert record.stored is not None and record.stored.sha256 == again.sha256 == hashlib.sha256(brought).hexdigest()
    assert content(destination, again) == brought
    assert provenance(destination, again)["video"]["sha256"] == again.sha256  # type: ignore[index]


def test_what_only_a_person_has_is_asked_of_a_person_when_it_is_gone(
    vendor: Vendor, destination: Destination, clip: str
) -> None:
    unknown(vendor, destination)
    stored = from_file(destination, clip)
    destination.store.delete(stored.key)
    pointer = submit(order_of(), vendor.account, destination, preflight=False)
    asked = len(vendor.counter.asked)
    with pytest.raises(WaitStopped, match=r"resolve .* --file") as waiting:
        asyncio.run(watch(pointer, vendor.account, destination, limit_seconds=30))
    with pytest.raises(VideoNotStored, match=r"resolve .* --file"):
        deliver(VideoTask(task_id=stored.task_id), pointer, vendor.account, destination)
    assert stored.uri in str(waiting.value)
    assert len(vendor.counter.asked) == asked and record_of(destination, INTENT).state is State.STORED
    assert from_file(destination, clip).sha256 == stored.sha256
    assert deliver(VideoTask(), pointer, vendor.account, destination).sha256 == stored.sha256


# What no repeat can cure says how.


HOPELESS: dict[str, Callable[[MediaServer], str]] = {
    "a page in its place": lambda media: media.url,
    "a host that is not public": lambda media: "https://10.0.0.1",
    "no valid host": lambda media: "https://a b",
}


@pytest.mark.parametrize("host", HOPELESS.values(), ids=HOPELESS)
def test_the_command_that_an_error_names_stores_the_video(
    host: Callable[[MediaServer], str],
    vendor: Vendor,
    destination: Destination,
    media: MediaServer,
    clip: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("JIMMYAI_API_KEY", raising=False)
    task, pointer = vendor.completed(destination)
    media.content = b"<html>sign in</html>"
    link = task.model_copy(update={"video_url": f"{host(media)}/a.mp4"})
    with pytest.raises(VideoNotStored) as caught:
        deliver(link, pointer, vendor.account, destination)
    (command,) = re.findall(r"^prefect-seedance (resolve .* --file .*)$", str(caught.value), re.MULTILINE)
    assert main([clip if word == "..." else word for word in shlex.split(command)]) == 0
    stored = deliver(link, pointer, vendor.account, destination)
    assert (stored.task_id, stored.brought_by) == (task.task_id, "file")


def test_a_wait_that_ends_and_a_link_that_never_comes_name_it_too(vendor: Vendor, destination: Destination) -> None:
    pointer = vendor.bought(destination)
    with pytest.raises(WaitTimedOut, match=r"resolve .* --file"):
        asyncio.run(watch(pointer, vendor.account, destination, limit_seconds=0.5))
    vendor.counter.answer(QUERY, lambda: envelope(code=20001, message="no such key"))
    with pytest.raises(WaitStopped, match=r"resolve .* --link"):
        asyncio.run(watch(pointer, vendor.account, destination, limit_seconds=30))


# Rivals, and the end of the process at any moment.


def test_of_two_people_with_two_videos_one_wins_and_two_with_one_both_do(
    vendor: Vendor, destination: Destination, clip: str, tmp_path: Path
) -> None:
    unknown(vendor, destination)
    other = tmp_path / "other.mp4"
    other.write_bytes(OTHER)
    together = threading.Barrier(4)

    def bring(path: str) -> str:
        together.wait(30)
        try:
            return from_file(destination_in(Path(destination.journal.location)), path).sha256
        except KeyTaken:
            return ""

    with ThreadPoolExecutor(4) as people:
        found = list(people.map(bring, (clip, str(other), clip, str(other))))
    record = record_of(destination, INTENT)
    assert record.stored is not None
    assert {*found} - {""} == {record.stored.sha256}
    assert sum(each == record.stored.sha256 for each in found) == 2


@pytest.mark.parametrize(
    "point",
    [
        *("relay.before", "commit.before", "commit.after", "relay.after", "provenance.after", "poster.after"),
        *("resolve.record.before", "resolve.record.after", "resolve.marker.before", "resolve.marker.after"),
    ],
)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_whenever_the_process_dies_nothing_is_sent_and_the_same_call_goes_on(
    state: Callable[[Vendor, Destination], None],
    point: str,
    vendor: Vendor,
    destination: Destination,
    other_process: Destination,
    clip: str,
    listen: Callable[[Callable[[str], None]], None],
) -> None:
    state(vendor, destination)

    def dies(reached: str) -> None:
        if reached == point:
            raise Dies

    listen(dies)
    destination.journal.at = dies
    try:
        from_file(destination, clip)
    except Dies:
        pass
    finally:
        listen(lambda reached: None)
    billed = vendor.billed()
    if record_of(destination, INTENT).state not in (State.READY, State.REFUSED):  # else nothing is held yet
        with suppress(JournalError):  # stopped, or it attaches to what there is
            submit(order_of(), vendor.account, other_process, preflight=False)
    assert vendor.billed() == billed
    stored = from_file(other_process, clip)
    assert record_of(destination, INTENT).state is State.STORED
    assert content(destination, stored) == VIDEO
    assert list(destination.store.list_keys("journal/open/")) == [] or point.startswith("resolve.")  # harmless


def test_while_a_video_is_brought_in_no_run_pays_for_another(
    vendor: Vendor,
    destination: Destination,
    other_process: Destination,
    clip: str,
    listen: Callable[[Callable[[str], None]], None],
) -> None:
    ready(vendor, destination)
    heard: list[str] = []

    def at(point: str) -> None:
        if point == "relay.before":
            with pytest.raises(SubmissionUnknown):
                submit(order_of(), vendor.account, other_process, preflight=False)
            heard.append(point)

    listen(at)
    created = vendor.counter.count(CREATE)
    from_file(destination, clip)
    assert heard == ["relay.before"]
    assert vendor.counter.count(CREATE) == created


@pytest.mark.parametrize("state", [failed_in_passing, refused, ready])
def test_while_a_video_is_brought_in_no_run_with_submissions_left_pays_for_another(
    state: Callable[[Vendor, Destination], None],
    vendor: Vendor,
    destination: Destination,
    other_process: Destination,
    clip: str,
    listen: Callable[[Callable[[str], None]], None],
) -> None:
    state(vendor, destination)
    heard: list[str] = []

    def at(point: str) -> None:
        if point == "relay.before":
            with pytest.raises(SubmissionUnknown):
                submit(order_of(), vendor.account, other_process, preflight=False, max_submissions=9)
            heard.append(point)

    listen(at)
    created = vendor.counter.count(CREATE)
    stored = from_file(destination, clip)
    assert (heard, vendor.counter.count(CREATE)) == (["relay.before"], created)
    record = record_of(destination, INTENT)
    assert (record.state, record.task_id, record.submissions) == (State.STORED, stored.task_id, 1)


def test_a_failure_stands_again_once_there_turns_out_to_be_no_video(
    vendor: Vendor, destination: Destination, media: MediaServer
) -> None:
    failed(vendor, destination)
    before = record_of(destination, INTENT)
    media.content = b"<html>sign in</html>"
    with pytest.raises(NotAVideo):
        from_link(destination, f"{media.url}/a.mp4")
    after = record_of(destination, INTENT)
    assert (after.state, after.attempts, after.current) == (State.FAILED, before.attempts, before.current)


@pytest.mark.parametrize("state", [failed_in_passing, refused, ready])
def test_a_fault_on_the_way_says_nothing_of_the_video_so_nothing_is_sent_until_a_person_has_settled_it(
    state: Callable[[Vendor, Destination], None],
    vendor: Vendor,
    destination: Destination,
    other_process: Destination,
    clip: str,
    listen: Callable[[Callable[[str], None]], None],
) -> None:
    state(vendor, destination)
    (name,) = (each.name for each in record_of(destination, INTENT).attempts)

    def breaks(point: str) -> None:
        if point == "commit.before":
            raise OSError("the disk is gone")

    listen(breaks)
    followed = Followed()
    with pytest.raises(StoreUnavailable, match="gone"):
        from_file(destination, clip, observer=followed.observer)
    listen(lambda point: None)
    assert "so nothing is sent" in followed.warnings()[0] and f"--attempt {name}" in followed.warnings()[0]
    billed = vendor.billed()
    with pytest.raises(SubmissionUnknown, match=rf"--attempt {name}"):
        submit(order_of(), vendor.account, other_process, preflight=False, max_submissions=9)
    assert vendor.billed() == billed
    if state is failed_in_passing:
        entry = resolve_unknown(other_process.journal, INTENT, "not_billed", attempt=name)
        assert (entry.state, entry.record.submissions) == (State.FAILED, 1), "the vendor's verdict stands again"
    else:
        assert resolve_unknown(other_process.journal, INTENT, "not_billed", attempt=name).state is State.READY
    assert content(other_process, from_file(other_process, clip)) == VIDEO


@pytest.mark.parametrize("state", [failed_in_passing, refused, ready])
def test_who_finds_no_video_lets_nothing_go_that_another_person_is_bringing_in(
    state: Callable[[Vendor, Destination], None], vendor: Vendor, destination: Destination, other_process: Destination
) -> None:
    state(vendor, destination)
    one = hold_for_video(destination.journal, INTENT, "")
    hold_for_video(other_process.journal, INTENT, "")
    let_go(destination.journal, one)
    assert record_of(destination, INTENT).state is State.UNKNOWN
    with pytest.raises(SubmissionUnknown):
        submit(order_of(), vendor.account, other_process, preflight=False, max_submissions=9)


def test_a_run_that_waits_meanwhile_uses_it_when_its_wait_ends(
    vendor: Vendor, destination: Destination, other_process: Destination, clip: str
) -> None:
    pointer = vendor.bought(destination)

    async def brought(answer: VideoTask, waited: float) -> None:
        if record_of(other_process, INTENT).state is not State.STORED:
            await asyncio.to_thread(from_file, other_process, clip)

    task = asyncio.run(watch(pointer, vendor.account, destination, limit_seconds=2, on_answer=brought))
    assert deliver(task, pointer, vendor.account, destination).brought_by == "file"


def test_a_run_whose_relay_fails_meanwhile_uses_it(
    vendor: Vendor, destination: Destination, other_process: Destination, clip: str, media: MediaServer
) -> None:
    task, pointer = vendor.completed(destination)
    media.content = b"<html>gone</html>"

    def bring(server: MediaServer) -> None:
        from_file(other_process, clip)

    media.plan(MediaFault(before=bring))
    link = task.model_copy(update={"video_url": f"{media.url}/a.mp4"})
    assert deliver(link, pointer, vendor.account, destination).sha256 == hashlib.sha256(VIDEO).hexdigest()


def test_an_answer_that_comes_late_is_kept_and_counted_once(
    vendor: Vendor, destination: Destination, clip: str
) -> None:
    unknown(vendor, destination)
    stored = from_file(destination, clip)
    (attempt,) = record_of(destination, INTENT).attempts
    destination.journal.record_accepted(INTENT, attempt.nonce, Accepted("videos_late"))
    record = record_of(destination, INTENT)
    assert (record.state, record.submissions) == (State.STORED, 1)
    assert record.task_ids == (stored.task_id, "videos_late")
    assert stored_video(destination, record) == stored


def test_a_record_that_is_lost_afterwards_is_restored_from_it(
    vendor: Vendor, destination: Destination, clip: str
) -> None:
    unknown(vendor, destination)
    stored = from_file(destination, clip)
    delete_record(destination, INTENT)
    entry = restore_record(destination.journal, INTENT)
    assert entry.state is State.UNKNOWN and entry.record.task_ids == (stored.task_id,)
    resolve_unknown(destination.journal, INTENT, "not_billed", attempt=entry.record.unsettled()[-1].name)
    assert stored_video(destination, record_of(destination, INTENT)) is not None


def test_into_a_bucket(vendor: Vendor, destination: Destination, clip: str, tmp_path: Path) -> None:
    with running_moto() as server:
        store = server.store()
        bucket = replace(destination_in(tmp_path), store=store, journal=type(destination.journal)(store))
        unknown(vendor, bucket)
        stored = from_file(bucket, clip)
        assert from_file(bucket, clip) == stored
        head = store.client.head_object(Bucket=store.bucket.name, Key=store.bucket.key_of(stored.key))
        assert head["ContentType"] == "video/mp4" and head["Metadata"]["intent"] == INTENT
        other = tmp_path / "other.mp4"
        other.write_bytes(OTHER)
        with pytest.raises(KeyTaken):
            from_file(bucket, str(other))
        store.client.put_object(
            Bucket=store.bucket.name,
            Key=store.bucket.key_of(stored.key),
            Body=VIDEO[:1000],
            Metadata=head["Metadata"],
        )
        assert content(bucket, from_file(bucket, clip)) == VIDEO
