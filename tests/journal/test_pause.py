"""The stop for all spending: what it stops, what it leaves alone, and what counts as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from traceback import walk_stack

import pytest

from prefect_seedance.journal.budget.pause import VERSION, Readings, pause, read_pause, require_not_paused, resume
from prefect_seedance.journal.errors import JournalUnavailable, RecordTooNew, SpendingPaused
from prefect_seedance.journal.submit.critical_section import Evidence
from prefect_seedance.storage.errors import StoreUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store
from tests.journal.harness import FAULTS, INTENT, NOON, Fault, FaultyStore, Killed, World
from tests.processes import until
from tests.storage.s3_servers import S3Server

ROOT = Path(__file__).parents[2]
KEY = "journal/pause.json"
API_KEY = "sk_paper-boat-1914-0123"
PRESIGNED = "https://b.s3.amazonaws.com/a.csv?X-Amz-Signature=0123456789abcdef0123456789abcdef"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World.in_folder(tmp_path / "my videos")
    made.before_claim = lambda nonce: asked(made)
    return made


def asked(world: World) -> Evidence:
    require_not_paused(world.journal, INTENT)
    return Evidence()


def test_a_pause_stops_every_claim_until_it_is_lifted(world: World) -> None:
    made = pause(world.store, by="mara", reason="the bill looks wrong", now=lambda: NOON)  # type: ignore[arg-type]
    assert read_pause(world.store) == made  # type: ignore[arg-type]
    with pytest.raises(SpendingPaused) as caught:
        world.run()
    assert (caught.value.intent, caught.value.by, caught.value.why) == (INTENT, "mara", "the bill looks wrong")
    for part in ("2026-11-22 12:00:00 UTC by mara: the bill looks wrong", "prefect-seedance resume", "my videos"):
        assert part in str(caught.value)
    assert world.vendor.posts == 0
    assert resume(world.store) is True  # type: ignore[arg-type]
    assert read_pause(world.store) is None  # type: ignore[arg-type]
    world.run()
    assert world.vendor.posts == 1
    assert resume(world.store) is False  # type: ignore[arg-type]


def test_what_is_submitted_is_taken_up_while_spending_is_paused(world: World) -> None:
    first = world.run()
    pause(world.store, by="mara")  # type: ignore[arg-type]
    again = world.run("another")
    assert (again["task_id"], again["reused"], world.vendor.posts) == (first["task_id"], True, 1)


def test_an_earlier_pause_keeps_its_words(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    first = pause(store, by="mara", reason="month's end")
    assert pause(store, by="jon", reason="me too") == first == read_pause(store)
    resume(store, by="jon")
    assert pause(store, by="jon", reason="again").by == "jon"


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b'"paused"',
        b'{"paused": false}',
        b'{"version": true, "paused": false}',
        b'{"version": 0, "paused": false}',
        b'{"version": "1", "paused": false}',
        b'{"version": 1.0, "paused": false}',
        b'{"version": 1}',
        b'{"version": 1, "paused": null}',
        b'{"version": 1, "paused": 0}',
        b'{"version": 1, "paused": "false"}',
    ],
)
def test_a_flag_that_cannot_be_read_is_a_pause_that_can_be_lifted(tmp_path: Path, written: bytes) -> None:
    world = World.in_folder(tmp_path)
    world.store.create(KEY, written)
    with pytest.raises(SpendingPaused, match="cannot be read, so it counts as a stop"):
        asked(world)
    assert resume(world.store) is True  # type: ignore[arg-type]
    asked(world)


@pytest.mark.parametrize("words", [{}, {"at": "yesterday"}, {"at": 7, "by": 7, "reason": None}, {"at": "9999-12-31"}])
def test_a_flag_whose_words_are_odd_is_a_pause_all_the_same(tmp_path: Path, words: dict[str, object]) -> None:
    world = World.in_folder(tmp_path)
    world.store.create(KEY, json.dumps({"version": VERSION, "paused": True, **words}).encode())
    with pytest.raises(SpendingPaused):
        asked(world)


def test_a_flag_of_a_newer_version_is_a_pause_that_only_a_newer_version_lifts(tmp_path: Path) -> None:
    world, store = World.in_folder(tmp_path), FolderStore(tmp_path)
    store.create(KEY, json.dumps({"version": VERSION + 1, "paused": False, "only": ["studio"]}).encode())
    with pytest.raises(SpendingPaused, match=f"version {VERSION + 1}"):
        asked(world)
    with pytest.raises(RecordTooNew, match="Upgrade prefect-seedance"):
        resume(store)
    with pytest.raises(SpendingPaused):
        asked(world)
    # What every version takes for a stop may always be written.
    assert pause(store, by="mara").by == "mara"
    assert json.loads((tmp_path / KEY).read_bytes())["version"] == VERSION


def test_no_secret_and_no_control_character_is_kept_or_shown(tmp_path: Path) -> None:
    world, store = World.in_folder(tmp_path), FolderStore(tmp_path)
    hostile = f"\x1b[2Jme\r\n\ud800 {PRESIGNED} {API_KEY} \u202e" + "x" * 5000
    made = pause(store, by=hostile, reason=hostile)
    kept = (tmp_path / KEY).read_text()
    for text in (kept, repr(made)):
        assert "0123" not in text and "\\ud800" not in text and "\\u001b" not in text and "\\x1b" not in text
    assert (len(made.by), len(made.reason)) < (201, 1001) and made.by.isprintable() and made.reason.isprintable()
    # Somebody else's file is not trusted either.
    store.swap(KEY, json.dumps({"version": 1, "paused": True, "by": hostile}).encode(), etag=etag_of(store))
    with pytest.raises(SpendingPaused) as caught:
        asked(world)
    assert "0123" not in str(caught.value) and "\x1b" not in str(caught.value)


def etag_of(store: FolderStore) -> str:
    blob = store.get(KEY)
    assert blob is not None
    return blob.etag


@pytest.mark.parametrize("verb", ["create", "swap", "get"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_whose_answers_are_lost_is_asked_until_the_flag_is_known(fault: Fault, verb: str) -> None:
    store, slept = FaultyStore(World.in_memory().store.inner), list[float]()
    store.plan = {verb: [fault, fault]}
    assert pause(store, by="mara", sleep=slept.append).by == "mara"  # type: ignore[arg-type]
    store.plan = {verb: [fault, fault]}
    assert resume(store, sleep=slept.append)  # type: ignore[arg-type]
    store.plan = {}
    assert read_pause(store) is None  # type: ignore[arg-type]


def test_a_pause_that_comes_while_another_is_lifted_stands(tmp_path: Path) -> None:
    inner = FolderStore(tmp_path)
    pause(inner, by="mara", reason="the first")
    store = FaultyStore(inner)

    def meanwhile(verb: str, key: str) -> None:
        if verb == "swap":  # mara's is lifted, and jon pauses anew, before this one's swap
            store.before = lambda verb, key: None
            resume(inner)
            pause(inner, by="jon", reason="the second")

    store.before = meanwhile
    assert resume(store) is True  # type: ignore[arg-type]  # of jon's, which it has then read
    assert read_pause(inner) is None

    def deleted(verb: str, key: str) -> None:
        if verb == "swap":
            store.before = lambda verb, key: None
            inner.delete(KEY)

    store.before = deleted
    assert pause(store, by="mara") == read_pause(inner)  # type: ignore[arg-type]


def test_a_pause_that_others_overwrite_every_time_is_told_to_whoever_wants_it(tmp_path: Path) -> None:
    store = FaultyStore(FolderStore(tmp_path))
    written = 0

    def overtake(verb: str, key: str) -> None:
        nonlocal written
        if (verb, key) in (("create", KEY), ("swap", KEY)):
            written += 1
            blob = store.inner.get(KEY)
            data = json.dumps({"version": 0, "written": written}).encode()
            store.inner.swap(KEY, data, etag=blob.etag) if blob else store.inner.create(KEY, data)

    store.before = overtake
    with pytest.raises(JournalUnavailable, match="others write it all the time"):
        pause(store, by="mara", reason="the bill looks wrong", now=lambda: NOON, sleep=lambda _: None)  # type: ignore[arg-type]
    assert written > 1


def test_a_store_that_does_not_answer_lets_nothing_be_sent(tmp_path: Path) -> None:
    world = World.in_folder(tmp_path)
    world.before_claim = lambda nonce: asked(world)
    world.store.before = lambda verb, key: setattr(
        world.store, "down", StoreUnavailable(key, "connection refused") if key == KEY else None
    )
    with pytest.raises(JournalUnavailable) as caught:
        world.run()
    assert caught.value.intent == INTENT and world.vendor.posts == 0


# Within one process


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(24) as pool:
        yield pool


def answered_late(entered: threading.Event, leave: threading.Event) -> Fault:
    """A reading that is made at once, and whose answer takes its time."""

    def held(store: FaultyStore, verb: str, key: str, do: Callable[[], object]) -> object:
        found = do()
        entered.set()
        assert leave.wait(30)
        return found

    return held


def all_wait(world: World, threads: ThreadPoolExecutor, number: int) -> list[str]:
    """Let so many ask while a reading is under way, pause meanwhile, and return what each was told."""
    entered, leave = threading.Event(), threading.Event()
    world.store.plan = {"get": [answered_late(entered, leave)]}
    first = threads.submit(asked, world)
    assert entered.wait(30)
    pause(world.store.inner, by="mara")  # type: ignore[arg-type]

    def ask() -> str:
        try:
            asked(world)
        except SpendingPaused:
            return "paused"
        return "free"

    later = [threads.submit(ask) for _ in range(number)]
    until(lambda: waiting() == number, "all of them wait", every=0.01)
    leave.set()
    first.result(30)  # it asked before the pause
    return [each.result(30) for each in later]


def test_whoever_asks_after_the_pause_meets_it_though_an_older_reading_is_under_way(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    world = World.in_folder(tmp_path)
    assert all_wait(world, threads, 20) == ["paused"] * 20


def test_those_who_ask_while_a_reading_is_under_way_share_the_next_one(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    world = World.in_folder(tmp_path)
    entered, leave = threading.Event(), threading.Event()
    world.store.plan = {"get": [answered_late(entered, leave)]}
    first = threads.submit(asked, world)
    assert entered.wait(30)
    later = [threads.submit(asked, world) for _ in range(20)]
    until(lambda: waiting() == 20, "all of them wait", every=0.01)
    leave.set()
    for each in (first, *later):
        each.result(30)
    assert world.store.calls == [("get", KEY)] * 2
    # One after the other, each has a reading of its own.
    for _ in range(3):
        asked(world)
    assert world.store.calls == [("get", KEY)] * 5


def test_those_who_ask_soon_after_each_other_share_a_reading_that_waits_for_them(threads: ThreadPoolExecutor) -> None:
    now, read_at, waits = [100.0], list[float](), list[float]()
    asleep, awake = threading.Event(), threading.Event()

    def held(seconds: float) -> None:
        waits.append(seconds)
        asleep.set()
        assert awake.wait(30)
        now[0] += seconds

    def read() -> None:
        read_at.append(now[0])
        now[0] += 0.004

    readings = Readings(lambda: now[0], held)
    readings.shared(read)
    assert not waits, "the first waits for nobody"
    first = threads.submit(readings.shared, read)
    assert asleep.wait(30)
    later = [threads.submit(readings.shared, read) for _ in range(5)]
    until(lambda: waiting() == 5, "all of them wait", every=0.01)
    awake.set()
    for each in (first, *later):
        each.result(30)
    assert waits == pytest.approx([0.2])
    assert read_at == pytest.approx([100.0, 100.204])
    now[0] += 1
    readings.shared(read)
    assert len(waits) == 1, "nobody else has asked for a while"


def test_no_question_waits_long_for_others_however_slow_the_store_is() -> None:
    now, waits = [100.0], list[float]()

    def read() -> None:
        now[0] += 5

    readings = Readings(lambda: now[0], waits.append)
    for _ in range(3):
        readings.shared(read)
    assert waits == [0.5, 0.5]


def waiting() -> int:
    """How many threads wait for a reading."""
    frames = sys._current_frames().values()  # pyright: ignore[reportPrivateUsage]  # of the standard library
    stacks = [[frame.f_code.co_name for frame, _ in walk_stack(top)] for top in frames]
    return sum(stack[0] == "wait" and "shared" in stack and "held" not in stack for stack in stacks)


def test_a_reader_that_is_ended_leaves_nobody_waiting(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    world = World.in_folder(tmp_path)
    entered, leave = threading.Event(), threading.Event()

    def ended(store: FaultyStore, verb: str, key: str, do: Callable[[], object]) -> object:
        raise Killed

    world.store.plan = {"get": [answered_late(entered, leave), ended]}
    first = threads.submit(asked, world)
    assert entered.wait(30)
    later = [threads.submit(asked, world) for _ in range(5)]
    until(lambda: waiting() == 5, "all of them wait", every=0.01)
    leave.set()
    first.result(30)
    assert sorted(str(type(each.exception(30)).__name__) for each in later) == ["Killed", *["NoneType"] * 4]


# Between processes

CHILD = """
import os, sys
from pathlib import Path
from prefect_seedance.journal.budget.pause import require_not_paused
from prefect_seedance.journal.errors import SpendingPaused
from prefect_seedance.journal.journal import Journal

if sys.argv[1].startswith("s3://"):
    from prefect_seedance.storage.s3.settings import S3Settings
    from prefect_seedance.storage.s3.store import open_s3_store
    store = open_s3_store(S3Settings.from_location(sys.argv[1]))
else:
    from prefect_seedance.storage.folder.store import FolderStore
    store = FolderStore(Path(sys.argv[1]))
journal = Journal(store)
print("ready", flush=True)
for number in range(100_000):
    try:
        require_not_paused(journal, "0" * 32)
    except SpendingPaused as stop:
        print(stop.by, flush=True)
        break
    store.create(f"claims/{os.getpid()}.{number}", b"claimed")
    print("claimed", flush=True)
"""


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_one_process_pauses_and_the_others_stop_with_their_next_claim(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: Store = FolderStore(tmp_path)
    location, environment = str(tmp_path), dict[str, str]()
    if kind == "s3":
        moto: S3Server = request.getfixturevalue("moto")
        settings = moto.settings()
        store, location, environment = moto.store_of(settings), settings.location, moto.environment
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, location],
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert [child.stdout.readline().strip() for _ in range(3)] == ["ready", "claimed", "claimed"]
        pause(store, by="mara")
        at_once = claims(store)
        for child in children:
            assert child.communicate(timeout=60)[0].splitlines()[-1] == "mara"
    finally:
        for child in children:
            child.kill()
            child.wait(30)
    # A claim whose reading was made before the pause may land after it; none follows that.
    assert all(number <= 1 for number in (claims(store) - at_once).values())


def claims(store: Store) -> Counter[str]:
    return Counter(key.removeprefix("claims/").partition(".")[0] for key in store.list_keys("claims/"))
