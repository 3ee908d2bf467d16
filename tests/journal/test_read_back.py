"""A claim is read back before its POST, and what a record has lost to a rival comes back into it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prefect_seedance.client.outcome import Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.journal.errors import JournalUnavailable, SubmissionUnknown
from prefect_seedance.journal.record import Record
from prefect_seedance.journal.states import State
from prefect_seedance.storage.key_locks import KeyLocks
from prefect_seedance.storage.protocol import Blob
from tests.journal.harness import INTENT, MemoryStore, World, _etag

KEY = f"journal/records/{INTENT}.json"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_memory()


def write_over(world: World, record: bytes) -> None:
    """What a store does that looked at its condition long ago and writes now."""
    assert isinstance(world.store.inner, MemoryStore)
    world.store.inner.objects[KEY] = record


def raw(world: World) -> bytes:
    assert isinstance(world.store.inner, MemoryStore)
    return world.store.inner.objects[KEY]


def rival_claim(world: World) -> bytes:
    """The claim of a rival, made of the same record at the same moment."""
    rival = World.in_memory()
    assert isinstance(rival.store.inner, MemoryStore)
    if world.find() is not None:
        rival.store.inner.objects[KEY] = raw(world)
    rival.at = lambda point: (_ for _ in ()).throw(KeyboardInterrupt) if point == "post.before" else None
    rival.journal.sleep = lambda seconds: None
    claims: list[bytes] = []

    def keep(verb: str, key: str) -> None:
        if verb == "get" and KEY in rival.store.inner.objects and b'"sending"' in raw(rival):
            claims.append(raw(rival))

    rival.store.before = keep
    with pytest.raises(KeyboardInterrupt):
        rival.run("rival")
    return claims[0]


def refuse_once(world: World) -> None:
    world.vendor.script = [Refused("20002", "bad", 200)]
    with pytest.raises(Exception, match="bad"):
        world.run("earlier")


@pytest.mark.parametrize("refused", [False, True], ids=["create", "swap"])
def test_a_claim_that_a_rival_wrote_over_sends_nothing(world: World, refused: bool) -> None:
    if refused:
        refuse_once(world)
    rival, posts = rival_claim(world), world.vendor.posts
    points: list[str] = []

    def at(point: str) -> None:
        points.append(point)
        if point == "claim.record.after":
            write_over(world, rival)
        if point == "wait":
            world.store.later(3600.0)  # the rival never comes back

    world.at = at
    with pytest.raises(SubmissionUnknown):
        world.run("one")
    assert world.vendor.posts == posts and "post.before" not in points


@pytest.mark.parametrize("refused", [False, True], ids=["create", "swap"])
def test_a_claim_that_the_store_only_says_it_wrote_sends_nothing(world: World, refused: bool) -> None:
    if refused:
        refuse_once(world)
    posts = world.vendor.posts
    world.store.plan = {
        "swap" if refused else "create": [
            *([] if refused else [None]),  # the marker
            lambda store, verb, key, do: _etag(b"said, and not done"),
        ]
    }
    with pytest.raises(JournalUnavailable, match="reads back what was there before"):
        world.run("one")
    assert world.vendor.posts == posts
    assert world.run("two")["task_id"] in world.vendor.billed and len(world.vendor.billed) == 1


def test_a_claim_that_cannot_be_read_back_sends_nothing(world: World) -> None:
    world.at = lambda point: setattr(world.store, "down", OSError("gone")) if point == "claim.record.after" else None
    with pytest.raises(JournalUnavailable):
        world.run("one")
    assert world.vendor.posts == 0


def test_a_renewed_claim_is_read_back_too(world: World) -> None:
    rival = rival_claim(world)

    def at(point: str) -> None:
        if point == "post.before" and world.points.count("post.before") == 1:
            world.freeze(3600.0)
        if point == "renew.record.after":
            late = Record.model_validate_json(rival).model_copy(update={"rev": 2})
            write_over(world, late.model_dump_json().encode())
        if point == "wait":
            world.store.later(3600.0)

    world.at = at
    with pytest.raises(SubmissionUnknown):
        world.run("one")
    assert world.vendor.posts == 0


def test_a_rival_that_lands_after_the_reading_costs_a_video_and_loses_no_task_id(world: World) -> None:
    """What remains on such a store: two bills. Both are in the record, with all that is known of them."""
    rival = rival_claim(world)

    def answer() -> Outcome:
        write_over(world, rival)
        return world.vendor.accept()

    world.vendor.script = [answer]
    submitted = world.run("one")
    record = world.record()
    assert submitted["task_id"] in record.task_ids
    mine = next(attempt for attempt in record.attempts if attempt.task_id == submitted["task_id"])
    assert (mine.host, mine.credentials, mine.run.name) == ("api.test", "f00d", "one")
    nonce = Record.model_validate_json(rival).attempts[-1].nonce
    theirs = world.vendor.accept()
    World(world.store, world.vendor).journal.record_accepted(INTENT, nonce, theirs)
    assert set(world.record().task_ids) == set(world.vendor.billed)


def test_an_unknown_outcome_that_the_record_has_lost_comes_back_into_it(world: World) -> None:
    """The rival is refused: without ours in the record, the next run would send again what was perhaps accepted."""
    rival = rival_claim(world)

    def answer() -> Outcome:
        write_over(world, rival)
        return Unknown("HTTP 502")

    world.vendor.script = [answer]
    with pytest.raises(SubmissionUnknown):
        world.run("one")
    from prefect_seedance.journal import changes

    nonce, other = Record.model_validate_json(rival).attempts[-1].nonce, World(world.store, world.vendor)
    refused = Refused("20002", "bad", 200)
    other.journal.update(
        INTENT, lambda record: changes.answered(record, nonce, refused, record.updated_at), step="outcome"
    )
    assert world.record().state is State.UNKNOWN
    assert [attempt.run.name for attempt in world.record().unsettled()] == ["one"]
    with pytest.raises(SubmissionUnknown):
        World(world.store, world.vendor).run("next")
    assert world.vendor.posts == 1


class Deaf(MemoryStore):
    """Ignores every condition, and is slow between the look and the write."""

    def __init__(self) -> None:
        super().__init__()
        self.pause = threading.Event()

    def create(self, key: str, data: bytes) -> str:
        self.pause.wait(0.02)
        self.objects[key] = data
        return _etag(data)

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        return self.create(key, data)


def test_threads_of_one_process_need_no_condition_of_the_store() -> None:
    shared, locks = World.in_memory(), KeyLocks()
    shared.store.inner = Deaf()
    barrier = threading.Barrier(4)

    def work(number: int) -> str:
        world = World(shared.store, shared.vendor)
        world.journal._locks = locks
        world.__dict__["sleep"] = lambda seconds: threading.Event().wait(0.01)
        barrier.wait()
        return world.run(f"row {number}")["task_id"]

    with ThreadPoolExecutor(4) as threads:
        told = set(threads.map(work, range(4)))
    assert told == {*shared.vendor.billed} == {*shared.record().task_ids} and shared.vendor.posts == 1
    assert len(locks) == 0


def test_a_thread_that_waits_for_another_can_be_cancelled(world: World) -> None:
    from prefect_seedance.journal.errors import SubmissionCancelled

    world.cancelled = lambda: True
    with world.journal.alone(INTENT, 1.0) as got, ThreadPoolExecutor(1) as other:
        assert got
        with pytest.raises(SubmissionCancelled):
            other.submit(world.run, "two").result(30)
    assert world.vendor.posts == 0


def test_a_task_that_is_there_is_attached_to_while_another_thread_has_its_turn(world: World) -> None:
    """Or a thousand equal rows would read one record one after the other."""
    submitted = world.run("one")
    with world.journal.alone(INTENT, 1.0) as got, ThreadPoolExecutor(1) as other:
        assert got
        assert other.submit(world.run, "two").result(30)["task_id"] == submitted["task_id"]
    assert world.vendor.posts == 1


def test_what_is_read_without_a_turn_sends_nothing(world: World) -> None:
    """The thread whose turn it is submits; another that saw nothing there looks again before it does."""
    reading = threading.Event()

    def before(verb: str, key: str) -> None:
        if verb == "get" and threading.current_thread().name.startswith("other"):
            reading.set()

    world.store.before = before
    with ThreadPoolExecutor(1, "other") as other:
        with world.journal.alone(INTENT, 1.0) as got:
            assert got
            attached = other.submit(world.run, "two")
            assert reading.wait(30)
            submitted = world.run("one")
        assert attached.result(30)["task_id"] == submitted["task_id"]
    assert world.vendor.posts == 1


def test_a_record_that_is_held_through_a_back_off_is_released_if_the_wait_for_a_turn_is_cancelled(world: World) -> None:
    from prefect_seedance.journal.errors import SubmissionCancelled

    held, backed_off, looked, over = (threading.Event() for _ in range(4))

    def hold() -> None:
        with world.journal.alone(INTENT, 30.0):
            held.set()
            over.wait(30)

    def at(point: str) -> None:
        if point == "backoff":
            other.start()
            assert held.wait(30)
            backed_off.set()

    def cancelled() -> bool:
        if looked.is_set():
            over.set()
        return looked.is_set()

    other = threading.Thread(target=hold)
    world.at, world.cancelled = at, cancelled
    world.store.before = lambda verb, key: looked.set() if verb == "get" and backed_off.is_set() else None
    world.vendor.script = [TooManyRequests(1.0)]
    with pytest.raises(SubmissionCancelled):
        world.run("one")
    other.join(30)
    record = world.record()
    assert record.state is State.READY and record.holder is None


class Late(MemoryStore):
    """Shows what was there before for the first readings behind each write of a record."""

    def __init__(self, readings: int) -> None:
        super().__init__()
        self.readings = readings
        self.left = 0
        self.old: dict[str, bytes] = {}

    def create(self, key: str, data: bytes) -> str:
        self._keep(key)
        return super().create(key, data)

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        self._keep(key)
        return super().swap(key, data, etag=etag)

    def get(self, key: str) -> Blob | None:
        if key == KEY and self.left:
            self.left -= 1
            data = self.old.get(key)
            return None if data is None else Blob(data, _etag(data), 0.0)
        return super().get(key)

    def _keep(self, key: str) -> None:
        if key == KEY:
            self.left = self.readings
            self.old = {key: self.objects[key]} if key in self.objects else {}


@pytest.mark.parametrize("refused", [False, True], ids=["create", "swap"])
def test_a_claim_that_the_store_shows_late_is_waited_for(world: World, refused: bool) -> None:
    if refused:
        refuse_once(world)
    late = Late(readings=3)
    assert isinstance(world.store.inner, MemoryStore)
    late.objects = world.store.inner.objects
    world.store.inner = late
    posts = world.vendor.posts
    assert world.run("one")["task_id"] in world.vendor.billed
    assert world.vendor.posts == posts + 1
    late.left = 0
    assert world.record().state is State.SUBMITTED
