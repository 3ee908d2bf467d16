"""One content is made once, by threads and processes and those who come late, and is repeated only with a reason."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.client.errors import ConnectionFailed, RateLimited
from prefect_seedance.failpoints import MEMO_POINTS
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import JournalUnavailable, RecordTooNew
from prefect_seedance.journal.journal import Journal
from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import PreparationCancelled, UnusableReference
from prefect_seedance.media.memos import Kept, Made, MakeRefused, MemoKind, Memos, TooManyMakes, entries_of
from prefect_seedance.media.memos.names import folder_of, key_of
from prefect_seedance.media.memos.sharing import Sharing
from prefect_seedance.storage.errors import NotWritable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.keys import check_key
from prefect_seedance.storage.protocol import Store
from tests.journal.harness import FAULTS, FaultyStore, Killed, MemoryStore, World, lost_answer, outage
from tests.media.memo_worker import NAME, Settings, command
from tests.storage.dishonest_s3 import Dishonest
from tests.storage.s3_proxy import S3Proxy
from tests.storage.s3_servers import BUCKET, S3Server

DAY = 86_400.0
KEY = key_of("default", "upload", NAME)
LINK = "https://files.example.com/mug.png?X-Amz-Signature=5ec2e7"


class Process:
    """A store as another process has it: the same bytes and clock, and nothing that its threads share."""

    def __init__(self, store: FaultyStore | Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@dataclass(frozen=True)
class Sleeper(Follower):
    """A follower whose waiting makes time pass by the store's clock, and nothing else."""

    store: FaultyStore = field(default_factory=lambda: FaultyStore(MemoryStore()))
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "write", lambda level, message: self.said.append(message))

    def pause(self, seconds: float) -> None:
        self.check()
        self.store.later(seconds)


@dataclass
class Vendor:
    """Makes links, and counts them."""

    good_seconds: float | None = 3 * DAY
    made: list[str] = field(default_factory=list)

    def make(self) -> Made:
        self.made.append(f"{LINK}-{len(self.made) + 1}")
        return Made(self.made[-1], self.good_seconds, raw={"url": "…"}, notes={"used_by": ["3f9a ./mug.png"]})


def anything(kept: Kept) -> str:
    return ""


def alive(kept: Kept) -> str:
    return "" if kept.seconds_left() >= 7200 else "it is good for less than two hours"


class Scene:
    """A store in memory with a clock of its own, a vendor, and processes that need one and the same content."""

    def __init__(self, store: FaultyStore | None = None) -> None:
        self.store = store or FaultyStore(MemoryStore())
        self.vendor = Vendor()
        self.follower = Sleeper(store=self.store)

    def process(self) -> Memos:
        return Memos(Process(self.store), "default", patience=Patience(20.0))  # type: ignore[arg-type]

    def obtain(
        self,
        memos: Memos | None = None,
        make: Callable[[], Made] | None = None,
        *,
        usable: Callable[[Kept], str] = alive,
        follower: Follower | None = None,
        kind: MemoKind = "upload",
        lease_seconds: float = 60.0,
    ) -> Kept:
        return (memos or self.process()).obtain(
            kind,
            NAME,
            make or self.vendor.make,
            usable=usable,
            lease_seconds=lease_seconds,
            follower=follower or self.follower,
        )

    def memo(self, key: str = KEY) -> dict[str, Any]:
        blob = self.store.inner.get(key)
        assert blob is not None
        return json.loads(blob.data)

    def reasons(self) -> list[str]:
        return [past["reason"] for past in self.memo()["history"]]

    def die(self, make: Callable[[], Made] | None = None) -> None:
        """A process is killed while it makes it: nothing that it does afterwards reaches the store."""

        def killed() -> Made:
            (make or self.vendor.make)()
            self.store.down = Killed()
            raise self.store.down

        try:
            with suppress(Killed):
                self.obtain(make=killed)
        finally:
            self.store.down = None


@pytest.fixture
def scene() -> Scene:
    return Scene()


def quick(store: Store, account: str = "default") -> Memos:
    return Memos(store, account, patience=Patience(0.2))


# What is kept.


@pytest.mark.parametrize("place", ["folder", "moto"])
def test_what_was_made_is_kept_with_all_that_is_known_of_it(place: str, tmp_path: Path, moto: S3Server) -> None:
    settings = moto.settings()
    stores = [FolderStore(tmp_path) if place == "folder" else moto.store_of(settings) for _ in range(2)]
    vendor = Vendor(good_seconds=3600.0)
    for store in stores:
        kept = quick(store).obtain(
            "upload", NAME, vendor.make, usable=anything, lease_seconds=60.0, follower=Follower()
        )
        assert (kept.value, kept.good_seconds, kept.raw) == (vendor.made[0], 3600.0, {"url": "…"})
        assert kept.notes == {"used_by": ["3f9a ./mug.png"]} and 3500 < kept.seconds_left() <= 3600
    assert len(vendor.made) == 1
    assert quick(stores[1]).read("upload", NAME) is not None and quick(stores[1]).read("audit", NAME) is None


def test_what_has_no_end_lives_for_ever(scene: Scene) -> None:
    scene.vendor.good_seconds = None
    assert scene.obtain().seconds_left() == math.inf
    scene.store.later(1000 * DAY)
    assert scene.obtain().age_seconds >= 1000 * DAY and len(scene.vendor.made) == 1


def test_a_long_answer_is_kept_in_part(scene: Scene) -> None:
    scene.obtain(make=lambda: Made("asset-1", raw={"items": ["ä" * 90_000, math.nan]}))
    assert 2000 < len(str(scene.memo()["raw"]).encode()) <= 2048


@pytest.mark.parametrize("made", [lambda: Made(""), lambda: Made("x", -1.0), lambda: Made("x", math.nan)])
def test_what_cannot_be_kept_is_a_fault_of_its_maker(scene: Scene, made: Callable[[], Made]) -> None:
    with pytest.raises(ValueError):
        scene.obtain(make=made)
    assert scene.obtain().value == scene.vendor.made[0], "and nobody waits for it"


def test_a_value_is_in_no_log_and_no_representation(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    kept = scene.obtain()
    scene.store.later(3 * DAY)
    again = scene.obtain()
    shown = f"{kept!r} {again!r} {Made(LINK, raw=LINK)!r} {[*scene.process().entries()]!r} {scene.follower.said}"
    assert "5ec2e7" not in shown + caplog.text


# Where it is kept.


@given(st.text(max_size=400), st.text(max_size=400))
def test_two_accounts_never_share_a_key(one: str, other: str) -> None:
    for label in (one, other):
        assert check_key(key_of(label, "audit", "f" * 64 + "-last-frame")).startswith("journal/media/")
    assert (folder_of(one).lower() == folder_of(other).lower()) == (one == other)


@pytest.mark.parametrize(
    "labels",
    [
        ("team", "Team", "TEAM"),
        ("a/b", "a-b", "a\\b", "a.b"),
        ("köln", "ko\u0308ln", "koln"),
        ("", ".", "..", "account"),
    ],
)
def test_labels_that_look_alike_are_kept_apart(labels: tuple[str, ...]) -> None:
    assert len({folder_of(label).lower() for label in labels}) == len(labels)


@pytest.mark.parametrize("name", ["", "../x", "ABCD", "3f9a/x", "3f9a.json", "xyz", "3f9a-", "3f9a--x", "f" * 201])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="memo's name"):
        key_of("default", "upload", name)


def test_accounts_and_kinds_do_not_share(scene: Scene) -> None:
    for account in ("default", "Team/Köln"):
        for kind in ("upload", "audit"):
            memos = Memos(Process(scene.store), account)  # type: ignore[arg-type]
            scene.obtain(memos, kind=kind)
    assert len(scene.vendor.made) == 4
    assert len([*entries_of(scene.store)]) == 4  # type: ignore[arg-type]
    assert {entry.account for entry in memos.entries()} == {"Team/Köln"}


def test_a_journal_with_memos_in_it_lists_only_its_records(tmp_path: Path) -> None:
    journal = World.in_folder(tmp_path)
    pointer = journal.run()
    quick(journal.store.inner).obtain(  # type: ignore[arg-type]
        "upload", NAME, lambda: Made("videos_1"), usable=anything, lease_seconds=1.0, follower=Follower()
    )
    read = Journal(journal.store.inner)  # type: ignore[arg-type]
    assert [*read.intents()] == [pointer["intent"]] == [entry.record.intent for entry in read.records()]
    assert [*read.intents(within_seconds=60.0)] == [*read.open_intents()] == [pointer["intent"]]


# Once.


def test_a_hundred_threads_make_it_once(scene: Scene) -> None:
    memos, begin = scene.process(), threading.Barrier(100)

    def need() -> str:
        begin.wait()
        return scene.obtain(memos).value

    with ThreadPoolExecutor(100) as pool:
        values = {each.result() for each in [pool.submit(need) for _ in range(100)]}
    assert values == {*scene.vendor.made} and len(scene.vendor.made) == 1


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.lists(st.sampled_from([None, *FAULTS]), max_size=6),
    st.lists(st.sampled_from([None, *FAULTS]), max_size=6),
)
def test_it_is_made_once_while_leases_hold_whatever_becomes_of_answers(
    processes: list[int], writes: list[Any], reads: list[Any]
) -> None:
    scene = Scene()
    scene.store.plan = {"create": writes[::2], "swap": writes[1::2], "get": reads}
    # Time stands still by the store's clock, so that every lease holds.
    idle = replace(Follower(), cancelled=_Impatient())

    with ThreadPoolExecutor(12) as pool:
        needs = [
            pool.submit(scene.obtain, memos, follower=idle)
            for memos, threads in ((scene.process(), threads) for threads in processes)
            for _ in range(threads)
        ]
        values = {each.result().value for each in needs}
    assert values == {*scene.vendor.made} and len(scene.vendor.made) == 1
    assert scene.memo()["history"] == []


class _Impatient(threading.Event):
    """Never set, and waited for only as long as the others need to get on."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(min(timeout or 0.0, 0.001))


@pytest.mark.parametrize("place", ["folder", "moto"])
def test_processes_that_need_it_at_once_make_it_once(place: str, tmp_path: Path, moto: S3Server) -> None:
    base = settings_in(place, tmp_path, moto)
    workers = [
        subprocess.Popen(command(replace(base, value=f"v{number}", seconds=0.3)), stdout=subprocess.PIPE, text=True)
        for number in range(3 if place == "folder" else 2)
    ]
    said = [worker.communicate(timeout=100)[0] for worker in workers]
    (made,) = Path(base.makes).read_text().split()
    assert {json.loads(each)["value"] for each in said} == {made}


def test_a_forked_child_waits_for_no_thread_of_its_parent() -> None:
    sharing = Sharing()
    assert sharing.join(KEY)[1] and not sharing.join(KEY)[1]
    child = os.fork()
    if not child:
        os._exit(0 if sharing.join(KEY)[1] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_what_was_read_a_moment_ago_costs_no_request(scene: Scene) -> None:
    memos = scene.process()
    scene.obtain(memos)
    asked = len(scene.store.calls)
    for _ in range(3):
        assert scene.obtain(memos).value == scene.vendor.made[0]
    assert len(scene.store.calls) == asked
    with pytest.raises(TooManyMakes):  # and what is remembered is not good for everyone
        for _ in range(5):
            scene.obtain(memos, usable=lambda kept: "it is too old")
    assert len(scene.store.calls) > asked


def test_what_is_remembered_grows_old(scene: Scene) -> None:
    memos = scene.process()
    first = scene.obtain(memos)
    second = scene.obtain(memos)
    assert second.age_seconds > first.age_seconds


# Who goes on.


def settings_in(place: str, folder: Path, moto: S3Server) -> Settings:
    makes = folder / "makes.txt"
    if place == "folder":
        return Settings("", str(folder / "store"), str(makes), "first")
    return Settings(moto.url, f"memos/{folder.name}", str(makes), "first")


def age(settings: Settings, seconds: float) -> None:
    """Let the memo be so old by the store's clock."""
    if settings.url:
        path = f"/{BUCKET}/{settings.place}/{KEY}"
        httpx.post(f"{settings.url}/-/age", params={"path": path, "seconds": str(seconds)}).raise_for_status()
    else:
        past = time.time() - seconds
        os.utime(Path(settings.place) / KEY, (past, past))


#: Where it is killed: the states that are left, how often it is made then, and whether it is taken over.
KILLED: dict[str, tuple[str, list[str]]] = {
    "memo.claim.after": ("working", ["second"]),
    "memo.make.after": ("working", ["first", "second"]),
    "memo.write.after": ("have", ["first"]),
}


def test_every_named_point_is_where_one_is_killed() -> None:
    assert {*KILLED} == {*MEMO_POINTS}


@pytest.mark.parametrize(("place", "point"), [*(("folder", point) for point in KILLED), ("moto", "memo.make.after")])
@pytest.mark.sample(every=2)
def test_one_who_is_killed_is_taken_over_with_the_reason(
    place: str, point: str, tmp_path: Path, moto: S3Server
) -> None:
    settings = settings_in(place, tmp_path, moto)
    killed = subprocess.run(command(replace(settings, kill_at=point)), timeout=100)
    assert killed.returncode == -signal.SIGKILL
    state, makes = KILLED[point]
    blob = settings.store.get(KEY)
    assert blob is not None and json.loads(blob.data)["state"] == state
    age(settings, 700.0)
    done = subprocess.run(command(replace(settings, value="second")), capture_output=True, text=True, timeout=100)
    answer = json.loads(done.stdout)
    assert Path(settings.makes).read_text().split() == makes and answer["value"] == makes[-1]
    blob = settings.store.get(KEY)
    assert blob is not None
    reasons = [past["reason"] for past in json.loads(blob.data)["history"]]
    if state == "working":
        assert len(reasons) == 1 and reasons[0].startswith("the lease of process ")
        assert reasons[0].endswith(" lapsed") and any(reasons[0] in line for line in answer["said"])
    else:
        assert reasons == [] == answer["said"]


def test_others_wait_as_long_as_the_lease_holds(scene: Scene) -> None:
    scene.die()
    scene.store.later(20.0)
    before = scene.store.passed
    assert scene.obtain().value == scene.vendor.made[1]
    assert 40.0 <= scene.store.passed - before < 45.0, "what was left of it, and no moment more"
    assert sum("waiting" in line for line in scene.follower.said) == 1
    gaps = [key for verb, key in scene.store.calls if verb == "get"]
    assert len(gaps) < 30, "the gaps grow"


def test_one_that_is_made_by_another_process_meanwhile_is_taken(scene: Scene) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Made:
        begun.set()
        go_on.wait(60)
        return scene.vendor.make()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(scene.obtain, None, slowly)
        begun.wait(60)
        idle = replace(Follower(), cancelled=_Impatient(), write=lambda level, message: go_on.set())
        second = pool.submit(scene.obtain, None, scene.vendor.make, follower=idle)
        assert first.result().value == second.result().value
    assert len(scene.vendor.made) == 1


def outlasting(scene: Scene, steps: int, *, down: int = 0) -> Callable[[], Made]:
    """Making that takes longer than a lease of 0.9 s, while the process is alive and the store mostly there."""

    def make() -> Made:
        for step in range(steps):
            before = scene.memo()["nonce"]
            scene.store.later(1.5)  # short of the lease and the second that stores do not tell
            scene.store.plan["swap"] = [outage] * (step < down)
            deadline = time.monotonic() + 60.0
            while scene.memo()["nonce"] == before:
                assert time.monotonic() < deadline, "the lease was not renewed"
                time.sleep(0.01)
        return scene.vendor.make()

    return make


@pytest.mark.parametrize("down", [0, 2], ids=["a store that is there", "a store that fails now and then"])
def test_one_that_takes_longer_than_its_lease_is_not_taken_over_while_its_process_lives(
    scene: Scene, down: int
) -> None:
    waits = threading.Event()
    waiter = Follower(write=lambda level, message: waits.set())
    with ThreadPoolExecutor(2) as pool:

        def make() -> Made:
            second.append(pool.submit(scene.obtain, follower=waiter, lease_seconds=0.9))
            assert waits.wait(60.0), "the other process waits"
            return outlasting(scene, 4, down=down)()

        second: list[Future[Kept]] = []
        first = scene.obtain(make=make, lease_seconds=0.9)
        assert second[0].result(60.0).value == first.value
    assert scene.vendor.made == [first.value] and not scene.reasons()


def test_a_renewal_ends_with_the_work(scene: Scene) -> None:
    scene.obtain(make=outlasting(scene, 2), lease_seconds=0.9)
    assert not [thread for thread in threading.enumerate() if thread.name == "memo-lease"]
    with pytest.raises(ConnectionFailed):
        scene.obtain(make=lost, usable=lambda kept: "it is to be made anew", lease_seconds=0.9)
    assert not [thread for thread in threading.enumerate() if thread.name == "memo-lease"]


def denied(store: FaultyStore, verb: str, key: str, do: Callable[[], object]) -> object:
    raise NotWritable(store.uri_of(key), "it is read-only")


def test_what_was_made_outlasts_a_store_that_denies_for_a_while(scene: Scene) -> None:
    def make() -> Made:
        scene.store.plan["swap"] = [denied, denied]
        return scene.vendor.make()

    assert scene.obtain(make=make).value == scene.memo()["value"]
    assert len(scene.vendor.made) == 1 and not scene.reasons()


def test_a_late_maker_does_not_overwrite_the_newer_one(scene: Scene) -> None:
    newer: list[Kept] = []

    def late() -> Made:
        scene.store.later(3600.0)  # it stands still (SIGSTOP), and somebody takes over
        newer.append(scene.obtain())
        return Made("too late")

    kept = scene.obtain(make=late)
    assert kept.value == newer[0].value == scene.memo()["value"] == scene.vendor.made[0]
    assert len(scene.reasons()) == 1 and "lapsed" in scene.reasons()[0]


def test_a_late_maker_waits_for_one_who_has_taken_over_and_is_not_done(scene: Scene) -> None:
    def late() -> Made:
        scene.store.later(3600.0)
        scene.die()
        return Made("too late")

    makes = iter([late, scene.vendor.make])
    before = scene.store.passed
    assert scene.obtain(make=lambda: next(makes)()).value == scene.memo()["value"] == scene.vendor.made[1]
    assert scene.store.passed - before >= 3660.0 and ["lapsed" in each for each in scene.reasons()] == [True, True]


def test_a_memo_that_is_deleted_meanwhile_is_written_anew(scene: Scene) -> None:
    def make() -> Made:
        scene.store.inner.delete(KEY)
        return scene.vendor.make()

    assert scene.obtain(make=make).value == scene.memo()["value"]


def test_the_clock_of_a_worker_decides_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.die()
    now = time.time()
    for skew in (-10 * DAY, 10 * DAY):
        monkeypatch.setattr(time, "time", lambda skew=skew: now + skew)
        scene.store.later(25.0)
    waited = scene.store.passed
    scene.obtain()
    assert scene.store.passed - waited >= 10.0 and len(scene.vendor.made) == 2
    assert scene.obtain().age_seconds < 60.0


# Lost answers, and how often.


def lost() -> Made:
    raise ConnectionFailed("the line broke", sent=True)


def unsent() -> Made:
    raise ConnectionFailed("connection refused", sent=False)


def test_a_lost_answer_is_repeated_at_once_with_its_reason(scene: Scene) -> None:
    with pytest.raises(ConnectionFailed):
        scene.obtain(make=lost)
    before = scene.store.passed
    scene.obtain()
    assert scene.store.passed == before, "nobody waits for a lease that its holder has given back"
    assert "the line broke" in scene.reasons()[0]


def test_a_reason_that_holds_a_link_is_kept_and_told_without_its_signature(scene: Scene) -> None:
    for _ in range(3):
        scene.obtain(usable=lambda kept: f"{LINK} is not served")
    with pytest.raises(TooManyMakes) as stopped:
        scene.obtain(usable=lambda kept: f"{LINK} is not served")
    assert "is not served" in str(stopped.value) and "5ec2e7" not in f"{stopped.value} {scene.follower.said}"
    assert "5ec2e7" not in str(scene.memo()["history"])


def test_three_a_day_and_then_an_error_that_says_how_to_go_on(scene: Scene) -> None:
    for _ in range(3):
        with pytest.raises(ConnectionFailed):
            scene.obtain(make=lost)
        scene.store.later(3600.0)
    with pytest.raises(TooManyMakes) as stopped:
        scene.obtain()
    said = str(stopped.value)
    assert isinstance(stopped.value, UnusableReference)
    assert "upload" in said and "3 times" in said and "the line broke" in said and "in 21 hours" in said
    assert f"prefect-seedance assets --store memory://store --account=default --forget upload/{NAME}" in said
    assert not scene.vendor.made
    scene.store.later(21 * 3600.0)
    scene.obtain()


def test_a_person_may_lift_the_limit(scene: Scene) -> None:
    for _ in range(3):
        scene.die()
        scene.store.later(100.0)
    with pytest.raises(TooManyMakes):
        scene.obtain()
    assert scene.process().forget("upload", NAME, "by hand", lift_limit=True)
    scene.obtain()
    assert len(scene.reasons()) == 3 and len(scene.vendor.made) == 4


def slowed() -> Made:
    raise RateLimited


def unfit() -> Made:
    raise UnusableReference("sides", "it is too small", "Take a larger one")


def unreadable() -> Made:
    raise PermissionError(13, "Permission denied", "/data/mug.png")


@pytest.mark.parametrize("error", [unsent, slowed, unfit, unreadable])
def test_what_the_vendor_has_answered_or_never_got_does_not_count(scene: Scene, error: Callable[[], Made]) -> None:
    for _ in range(5):
        with pytest.raises((ConnectionFailed, RateLimited, UnusableReference, PermissionError)):
            scene.obtain(make=error)
    assert scene.obtain().value


def test_the_history_is_bounded_and_keeps_what_counts(scene: Scene) -> None:
    for make in [lost, lost, *[unsent] * 30, lost]:
        with pytest.raises(ConnectionFailed):
            scene.obtain(make=make)
    with pytest.raises(TooManyMakes):
        scene.obtain()
    assert 20 <= len(scene.reasons()) <= 23


def test_what_has_lived_its_life_does_not_count(scene: Scene) -> None:
    scene.vendor.good_seconds = 1800.0
    for _ in range(6):
        scene.obtain(usable=lambda kept: "" if kept.seconds_left() else "it has expired")
        scene.store.later(3600.0)
    assert len(scene.vendor.made) == 6
    assert scene.reasons() == ["it has expired"] * 5


def test_one_that_is_unusable_again_and_again_is_made_three_times(scene: Scene) -> None:
    for _ in range(3):
        scene.obtain(usable=lambda kept: "the vendor does not know it")
    with pytest.raises(TooManyMakes, match="does not know it"):
        scene.obtain(usable=lambda kept: "the vendor does not know it")
    assert len(scene.vendor.made) == 3


@dataclass(frozen=True)
class Watched(Sleeper):
    """A follower that tells when its thread waits for another: it has asked twice whether it is cancelled."""

    asked: list[int] = field(default_factory=list)
    waits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def check(self) -> None:
        self.asked.append(1)
        if len(self.asked) == 2:
            self.waits.release()
        super().check()


def test_what_was_made_just_now_is_used_by_all_who_waited_for_it(scene: Scene) -> None:
    """Even if it is good for a shorter time than they need: a better one is not to be had."""
    scene.vendor.good_seconds = 60.0
    memos, waits, begun = scene.process(), threading.Semaphore(0), threading.Event()

    def make() -> Made:
        begun.set()
        for _ in range(9):
            assert waits.acquire(timeout=60)
        return scene.vendor.make()

    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(scene.obtain, memos, make)
        begun.wait(60)
        others = [pool.submit(scene.obtain, memos, follower=Watched(waits=waits)) for _ in range(9)]
        assert {each.result().value for each in [first, *others]} == {*scene.vendor.made}
    assert len(scene.vendor.made) == 1


_STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1.0, 59.0, 70.0, 5000.0, 40_000.0, DAY, 3 * DAY])),
    st.tuples(st.sampled_from(["need", "die", "lost", "unsent", "refused", "forget"]), st.just(0.0)),
)


@given(st.lists(_STEPS, max_size=25))
def test_every_repeat_has_its_reason_and_three_a_day_are_the_most(steps: list[tuple[str, float]]) -> None:
    scene = Scene()
    #: When it was made, of those that count: all but what the vendor has never got, and what lived to its end.
    makes: list[float] = []
    free: list[float] = []

    def noting(make: Callable[[], Made]) -> Callable[[], Made]:
        def noted() -> Made:
            assert sum(scene.store.passed - each < DAY for each in makes) < 3
            (free if make is unsent else makes).append(scene.store.passed)
            return make()

        return noted

    def refused() -> Made:
        raise MakeRefused("NSFW", 3600.0)

    makers = {"need": scene.vendor.make, "lost": lost, "unsent": unsent, "refused": refused}
    for step, seconds in steps:
        before = len(makes) + len(free)
        if step == "wait":
            scene.store.later(seconds)
        elif step == "forget":
            scene.process().forget("upload", NAME, "verdict of class media")
        else:
            with suppress(ConnectionFailed, MakeRefused, TooManyMakes):
                scene.die(noting(scene.vendor.make)) if step == "die" else scene.obtain(make=noting(makers[step]))
        assert len(makes) + len(free) - before <= 1
    if makes or free:
        ended = len(makes) + len(free) - 1
        assert len(scene.reasons()) in (ended, ended + 1) and all(scene.reasons())


# What the vendor turns down.


def test_what_is_turned_down_is_not_shown_again_for_a_while(scene: Scene) -> None:
    def refused() -> Made:
        scene.vendor.make()
        raise MakeRefused("a real person", 7200.0)

    with pytest.raises(MakeRefused, match="a real person"):
        scene.obtain(make=refused)
    scene.store.later(3600.0)
    with pytest.raises(MakeRefused, match="a real person") as again:
        scene.obtain()
    assert 3500 < again.value.retry_after_seconds <= 3600 and len(scene.vendor.made) == 1
    assert scene.process().read("upload", NAME) is None
    scene.store.later(3601.0)
    scene.obtain()
    assert "a real person" in scene.reasons()[0]


def test_a_refusal_is_told_though_it_cannot_be_written_down(scene: Scene) -> None:
    def refused() -> Made:
        scene.store.plan = {"swap": [outage] * 50}
        raise MakeRefused("a real person")

    with pytest.raises(MakeRefused, match="a real person"):
        scene.obtain(make=refused)


def test_forgetting_lifts_a_refusal(scene: Scene) -> None:
    def refused() -> Made:
        raise MakeRefused("no", math.inf)

    with pytest.raises(MakeRefused):
        scene.obtain(make=refused)
    assert scene.process().forget("upload", NAME, "somebody looked into it")
    assert scene.obtain().value and scene.reasons() == ["somebody looked into it"]


def test_all_who_wait_are_told_of_a_refusal_and_it_is_asked_once(scene: Scene) -> None:
    memos, begin, asked = scene.process(), threading.Barrier(8), count()

    def refused() -> Made:
        next(asked)
        raise MakeRefused("no")

    def need() -> None:
        begin.wait()
        scene.obtain(memos, refused)

    with ThreadPoolExecutor(8) as pool:
        assert all(isinstance(each.exception(), MakeRefused) for each in [pool.submit(need) for _ in range(8)])
    assert next(asked) == 1


def test_what_is_forgotten_is_made_anew_at_once_in_this_process(scene: Scene) -> None:
    memos = scene.process()
    first = scene.obtain(memos)
    assert memos.forget("upload", NAME, "verdict of class media") and memos.forget("upload", NAME, "once more")
    assert scene.obtain(memos).value != first.value and scene.reasons() == ["verdict of class media"]
    assert not memos.forget("audit", NAME, "there is none")


def test_one_that_is_forgotten_while_it_is_made_is_made_once_more(scene: Scene) -> None:
    def make() -> Made:
        scene.process().forget("upload", NAME, "verdict of class media")
        return Made("of before")

    answers = iter([make, scene.vendor.make])
    assert scene.obtain(make=lambda: next(answers)()).value == scene.vendor.made[0]
    assert scene.reasons() == ["verdict of class media"]


# Cancelling.


def test_one_who_waits_is_cancelled_by_its_own_run_alone_and_a_cancelled_maker_is_followed_by_the_next(
    scene: Scene,
) -> None:
    memos, begun = scene.process(), threading.Event()
    maker, waiter, other = (replace(scene.follower, cancelled=threading.Event()) for _ in range(3))

    def slowly() -> Made:
        begun.set()
        maker.cancelled.wait(60)
        raise PreparationCancelled

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(scene.obtain, memos, slowly, follower=maker)
        begun.wait(60)
        second = pool.submit(scene.obtain, memos, follower=waiter)
        third = pool.submit(scene.obtain, memos, follower=other)
        waiter.cancelled.set()
        assert isinstance(second.exception(60), PreparationCancelled)
        assert not first.done() and not third.done()
        maker.cancelled.set()
        assert isinstance(first.exception(60), PreparationCancelled)
        assert third.result(60).value == scene.vendor.made[0]
    assert len(scene.vendor.made) == 1


def test_one_who_waits_for_another_process_can_be_cancelled(scene: Scene) -> None:
    scene.die()
    follower = Follower(cancelled=threading.Event())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(scene.obtain, None, follower=follower)
        follower.cancelled.set()
        assert isinstance(waiting.exception(60), PreparationCancelled)


def test_whoever_is_cancelled_beforehand_asks_nothing(scene: Scene) -> None:
    follower = Follower()
    follower.cancelled.set()
    with pytest.raises(PreparationCancelled):
        scene.obtain(follower=follower)
    assert scene.store.calls == [] and scene.vendor.made == []


# The store.


def written(**fields: object) -> bytes:
    """The bytes of a memo of our name with these fields."""
    return json.dumps({"account": "default", "kind": "upload", "name": NAME, **fields}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"version": "x"}',
        written(version="x"),
        written(state="paused"),
        written(state="have", value=7),
        written(state="have"),
        written(state="have", value="5ec2e7", good_seconds="x"),
        written(state="have", value="5ec2e7", good_seconds=-1),
        written(state="have", value="5ec2e7", account="other"),
        written(state="have", value="5ec2e7", name="../x"),
        written(state="have", value="5ec2e7", history=[{"seconds_ago": math.inf}]),
        written(state="working", lease_seconds=1e9),
        written(state="failed", retry_after_seconds=math.nan),
    ],
)
def test_a_damaged_memo_is_replaced_and_that_is_said(
    scene: Scene, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    scene.store.create(KEY, data)
    assert [*scene.process().entries()] == [] and scene.process().read("upload", NAME) is None
    assert scene.obtain().value == scene.vendor.made[0] == scene.memo()["value"]
    assert KEY in caplog.text and "written anew" in caplog.text and "5ec2e7" not in caplog.text


def test_what_a_newer_version_wrote_is_read_and_not_written(scene: Scene) -> None:
    kept = scene.obtain()
    newer = scene.memo() | {"version": 2, "more": {"a": 1}}
    scene.store.inner.objects[KEY] = json.dumps(newer).encode()  # type: ignore[union-attr]
    assert scene.obtain().value == kept.value
    with pytest.raises(RecordTooNew, match=f"{KEY} has version 2.*Upgrade"):
        scene.obtain(usable=lambda kept: "too old")
    with pytest.raises(RecordTooNew):
        scene.process().forget("upload", NAME, "by hand")
    scene.store.inner.objects[KEY] = json.dumps({"version": 3, "state": "elsewhere"}).encode()  # type: ignore[union-attr]
    with pytest.raises(RecordTooNew):
        scene.obtain()
    assert [*scene.process().entries()] == [] and len(scene.vendor.made) == 1


def test_fields_that_a_newer_package_added_survive(scene: Scene) -> None:
    scene.obtain()
    memo = scene.memo() | {"more": {"a": 1}}
    scene.store.inner.objects[KEY] = json.dumps(memo).encode()  # type: ignore[union-attr]
    scene.obtain(usable=lambda kept: "too old")
    assert scene.memo()["more"] == {"a": 1} and scene.memo()["nonce"] != memo["nonce"]


def test_a_store_that_denies_is_an_error_that_names_the_place_before_anything_is_made(moto: S3Server) -> None:
    store, vendor = moto.store(), Vendor()
    path = f"/{BUCKET}/{store.settings.prefix}/journal/media"
    for method in ("GET", "PUT"):
        httpx.post(f"{moto.url}/-/refuse", params={"path": path, method: "403"}).raise_for_status()
        try:
            with pytest.raises(JournalUnavailable) as denied:
                quick(store).obtain(
                    "upload", NAME, vendor.make, usable=anything, lease_seconds=60.0, follower=Follower()
                )
        finally:
            httpx.post(f"{moto.url}/-/allow", params={"path": path, method: "403"}).raise_for_status()
        assert f"s3://{BUCKET}/{store.settings.prefix}/{KEY}" in str(denied.value)
    assert vendor.made == []


def test_a_store_that_does_not_answer_is_an_error_before_anything_is_made(scene: Scene) -> None:
    scene.store.plan = {"get": [outage] * 50}
    with pytest.raises(JournalUnavailable, match=NAME):
        scene.obtain()
    assert scene.vendor.made == []


def test_a_write_whose_answer_is_lost_is_found_again(scene: Scene) -> None:
    scene.store.plan = {"create": [lost_answer], "swap": [lost_answer]}
    assert scene.obtain().value == scene.memo()["value"]
    assert scene.obtain().value == scene.vendor.made[0] and len(scene.vendor.made) == 1


@pytest.mark.parametrize(
    "manner",
    [Dishonest(hides=0.5, seed=3), Dishonest(agrees=True), Dishonest(racy=("create", "swap"), window_seconds=0.005)],
    ids=["hides", "agrees", "racy"],
)
def test_on_a_dishonest_store_everyone_gets_one(manner: Dishonest, moto: S3Server, proxy: S3Proxy) -> None:
    proxy.manner = manner
    settings = moto.settings(endpoint_url=proxy.url)
    vendor = Vendor()

    def need() -> str:
        memos = quick(moto.store_of(settings))
        return memos.obtain("upload", NAME, vendor.make, usable=anything, lease_seconds=60.0, follower=Follower()).value

    with ThreadPoolExecutor(3) as pool:
        values = {each.result() for each in [pool.submit(need) for _ in range(3)]}
    assert values <= {*vendor.made} and len(vendor.made) <= 3
    if manner.hides:
        assert len(vendor.made) == 1


def test_a_store_that_keeps_nothing_does_not_have_it_made_without_end(scene: Scene) -> None:
    store = Process(scene.store)
    store.get = lambda key: None  # type: ignore[attr-defined]
    store.swap = scene.store.swap  # type: ignore[attr-defined]
    kept = scene.obtain(Memos(store, "default", patience=Patience(1.0)))  # type: ignore[arg-type]
    assert kept.value == scene.vendor.made[0]


def test_threads_of_a_single_writer_whose_store_ignores_conditions_make_it_once(moto: S3Server, proxy: S3Proxy) -> None:
    proxy.manner = Dishonest(ignores=("create", "swap"))
    settings, vendor = moto.settings(endpoint_url=proxy.url, single_writer=True), Vendor()
    stores = [moto.store_of(settings) for _ in range(2)]

    def need(store: Store) -> str:
        return (
            quick(store)
            .obtain("upload", NAME, vendor.make, usable=anything, lease_seconds=60.0, follower=Follower())
            .value
        )

    with ThreadPoolExecutor(6) as pool:
        values = {each.result() for each in [pool.submit(need, stores[number % 2]) for number in range(6)]}
    assert values == {*vendor.made} and len(vendor.made) == 1


# Races that are always lost, and what comes and goes.


@pytest.mark.parametrize(
    "write",
    [
        lambda scene: scene.process().forget("upload", NAME, "by hand"),
        lambda scene: scene.process().refuse("upload", NAME, "no face", 60.0),
        lambda scene: scene.obtain(usable=lambda kept: "its link is dead"),
    ],
    ids=("forget", "refuse", "obtain"),
)
def test_whoever_loses_every_race_makes_nothing_and_says_so(scene: Scene, write: Callable[[Scene], object]) -> None:
    kept = scene.obtain()

    def overtake(verb: str, key: str) -> None:
        if (verb, key) == ("swap", KEY):
            blob = scene.store.inner.get(KEY)
            assert blob is not None
            scene.store.inner.swap(KEY, blob.data + b"\n", etag=blob.etag)

    scene.store.before = overtake
    with pytest.raises(JournalUnavailable, match="100 writes in a row lost a race"):
        write(scene)
    scene.store.before = lambda verb, key: None
    assert scene.vendor.made == [kept.value] and scene.obtain().value == kept.value


def test_a_refusal_of_what_somebody_else_has_ended_is_not_written_down(scene: Scene) -> None:
    scene.obtain()
    scene.process().forget("upload", NAME, "by hand")
    before = scene.store.inner.get(KEY)
    scene.process().refuse("upload", NAME, "no face", 3600.0)
    assert scene.store.inner.get(KEY) == before
    assert scene.obtain().value == scene.vendor.made[-1] and len(scene.vendor.made) == 2


def test_a_list_of_memos_leaves_out_what_is_gone_meanwhile_and_says_when_it_cannot_be_had(scene: Scene) -> None:
    scene.obtain()
    store: Any = scene.store
    assert len([*entries_of(store)]) == 1
    scene.store.before = lambda verb, key: scene.store.inner.delete(key) if verb == "get" else None
    assert [*entries_of(store)] == []
    scene.store.plan["list"] = [outage]
    with pytest.raises(JournalUnavailable, match="connection refused"):
        list(entries_of(store))
