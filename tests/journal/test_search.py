"""Finding something among very many records: several reads at once, and the task's owner without reading them all."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.codec import encode
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import JournalUnavailable, ResolutionRefused
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Entry, Record
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.storage.errors import NotReadable, StoreUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.parallel import READS_AT_ONCE, in_order
from prefect_seedance.storage.protocol import Blob
from tests.journal.harness import INTENT, NOON, World
from tests.journal.test_journal import FACTS
from tests.journal.test_resolve import OTHER, SENT_AT, fetch, make_unknown

MANY = 200
#: By the clock of the file system.
LONG_AGO = time.time() - 40 * 86_400
#: What copying tools make of times that they do not keep.
NOUGHT, DOS_EPOCH = 0.0, 315_532_800.0

# Several at once.


def test_what_is_read_comes_in_the_order_of_what_was_asked_for() -> None:
    turn = threading.Condition()
    done: set[int] = set()

    def read(number: int) -> int:
        with turn:  # of each two the second is done first
            if number % 2 == 0:
                turn.wait_for(lambda: number + 1 in done, timeout=30)
            done.add(number)
            turn.notify_all()
        return number

    assert [*in_order(range(100), read)] == [*range(100)]


def test_as_many_reads_as_are_allowed_are_under_way_at_once_and_no_more() -> None:
    lock, together = threading.Lock(), threading.Barrier(READS_AT_ONCE)
    running, most = 0, 0

    def read(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(timeout=60)  # breaks, if fewer are read at once
        with lock:
            running -= 1
        return number

    assert len([*in_order(range(4 * READS_AT_ONCE), read)]) == 4 * READS_AT_ONCE
    assert most == READS_AT_ONCE


def test_of_what_has_no_end_only_a_little_is_taken_up_beforehand_and_nothing_after_the_end() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    found = in_order(endless(), str)
    assert [next(found) for _ in range(10)] == [str(number) for number in range(10)]
    found.close()
    assert len(taken) < 10 + 10 * READS_AT_ONCE
    before = len(taken)
    threads = [each for each in threading.enumerate() if each.name == "parallel-reads"]
    for each in threads:
        each.join(timeout=30)
    assert len(taken) == before and not any(each.is_alive() for each in threads)


def test_what_a_read_raises_is_raised_in_its_turn() -> None:
    found = in_order([3, 2, 0, 1], lambda number: 6 // number)
    assert [next(found), next(found)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(found)


INTERRUPTED = """
import os, signal, sys, threading, time
from pathlib import Path
from prefect_seedance.journal.journal import Journal
from prefect_seedance.storage.folder.store import FolderStore

signal.signal(signal.SIGINT, signal.default_int_handler)
reading = threading.Event()

class Slow(FolderStore):
    def get(self, key):
        reading.set()
        time.sleep(3600)

def interrupt():
    reading.wait(60)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    list(Journal(Slow(Path(sys.argv[1]))).records())
except KeyboardInterrupt:
    print("stopped")
"""


def test_an_interrupt_waits_for_no_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    for number in range(40):
        store.create(f"journal/records/{number:032x}.json", b"{}")
    run = [sys.executable, "-c", INTERRUPTED, str(store.root)]
    assert subprocess.run(run, capture_output=True, text=True, timeout=60, check=True).stdout == "stopped\n"


# Listing.


class CountingStore(FolderStore):
    """A folder that counts what is read, and in which some keys cannot be."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []
        self.failing: dict[str, Exception] = {}

    def get(self, key: str) -> Blob | None:
        self.read.append(key)
        if key in self.failing:
            raise self.failing[key]
        return super().get(key)

    def records_read(self) -> int:
        return sum(key.startswith("journal/records/") for key in self.read)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "store")


@pytest.fixture
def counting(world: World, tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "store")


def journal_of(store: FolderStore) -> Journal:
    return Journal(store, now=lambda: NOON, sleep=lambda seconds: None, patience=Patience(0.1))


def with_many(world: World, many: int = MANY) -> None:
    """Fill the journal with copies of a stored record, none of which is open and all of which are old."""
    task_id = world.run()["task_id"]
    world.journal.record_stored(INTENT, task_id, FACTS)
    record = world.record()
    for number in range(many):
        write(world, copy_of(record, f"{number:032x}", f"videos_copy{number}"), age_from=LONG_AGO)


def copy_of(record: Record, intent: str, task_id: str) -> Record:
    attempt = record.attempts[0].model_copy(update={"task_id": task_id})
    return record.model_copy(update={"intent": intent, "attempts": (attempt,)})


def path_of(world: World, intent: str) -> Path:
    return Path(world.journal.location, "journal", "records", f"{intent}.json")


def write(world: World, record: Record, *, age_from: float | None = None) -> None:
    world.store.inner.create(world.journal.record_key(record.intent), encode(record))
    if age_from is not None:
        os.utime(path_of(world, record.intent), (age_from, age_from))


def test_one_record_that_may_not_be_read_is_told_and_does_not_end_the_list(
    world: World, counting: CountingStore, caplog: pytest.LogCaptureFixture
) -> None:
    with_many(world, 3)
    key = f"journal/records/{1:032x}.json"
    counting.failing[key] = NotReadable(key, "Permission denied")
    listed = [entry.record.intent for entry in journal_of(counting).records()]
    assert listed == sorted([INTENT, f"{0:032x}", f"{2:032x}"])
    assert "Permission denied" in caplog.text


def test_a_record_that_is_a_link_is_told_and_not_followed(
    world: World, counting: CountingStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with_many(world, 2)
    path = path_of(world, f"{1:032x}")
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert len([*journal_of(counting).records()]) == 2
    assert "is a link" in caplog.text


@pytest.mark.parametrize("fault", [NotReadable("all", "denied"), StoreUnavailable("all", "no route to host")])
def test_a_store_that_lets_nothing_be_read_is_not_an_empty_list(
    world: World, counting: CountingStore, fault: Exception
) -> None:
    with_many(world, 40)
    counting.failing = {key: fault for key in counting.list_keys("journal/records/")}
    with pytest.raises(JournalUnavailable):
        list(journal_of(counting).records())


def test_a_list_of_what_is_recent_reads_nothing_else(world: World, counting: CountingStore) -> None:
    with_many(world)
    found = [entry.record.intent for entry in journal_of(counting).records(within_seconds=7 * 86_400)]
    assert found == [INTENT] and counting.records_read() == 1


def test_a_list_that_is_not_read_to_its_end_ends_the_reading(world: World, counting: CountingStore) -> None:
    with_many(world)
    records = journal_of(counting).records()
    assert isinstance(next(records), Entry)
    del records
    assert counting.records_read() < MANY


# Whose a task is.


def resolve(store: FolderStore, task_id: str, *, created_at: int | None = SENT_AT) -> Entry:
    def asked(task_id: str) -> VideoTask:
        return fetch(task_id).model_copy(update={"created_at": created_at})

    return resolve_unknown(journal_of(store), OTHER.intent, "attach", task_id=task_id, fetch=asked)


def test_a_free_task_is_attached_without_reading_records_that_are_older_than_it(
    world: World, counting: CountingStore
) -> None:
    with_many(world)
    make_unknown(world, OTHER)
    assert resolve(counting, "videos_x").record.task_id == "videos_x"
    assert counting.records_read() < 10


def test_without_the_time_of_the_task_every_record_is_read(world: World, counting: CountingStore) -> None:
    with_many(world)
    make_unknown(world, OTHER)
    with pytest.raises(ResolutionRefused, match=f"belongs to intent {7:032x}"):
        resolve(counting, "videos_copy7", created_at=None)
    counting.read.clear()
    assert resolve(counting, "videos_x", created_at=None).record.task_id == "videos_x"
    assert counting.records_read() > MANY


@pytest.mark.parametrize("modified", [time.time(), NOUGHT, DOS_EPOCH], ids=["now", "nought", "the first day of DOS"])
def test_an_owner_is_found_whatever_its_file_says_of_its_age(
    world: World, counting: CountingStore, modified: float
) -> None:
    with_many(world)
    make_unknown(world, OTHER)
    owner = f"{MANY + 1:032x}"
    write(world, copy_of(world.record(), owner, "videos_x"), age_from=modified)
    with pytest.raises(ResolutionRefused, match=f"belongs to intent {owner}"):
        resolve(counting, "videos_x")
    assert world.record(OTHER.intent).task_ids == ()


def test_a_time_that_cannot_be_right_leaves_nothing_out(world: World, counting: CountingStore) -> None:
    with_many(world)
    make_unknown(world, OTHER)
    owner = f"{MANY + 1:032x}"
    write(world, copy_of(world.record(), owner, "videos_x"), age_from=LONG_AGO)
    with pytest.raises(ResolutionRefused, match=f"belongs to intent {owner}"):
        resolve(counting, "videos_x", created_at=SENT_AT + 30 * 86_400)


def provenance(world: World, intent: str) -> None:
    """Write what lies beside the video of a task, where its key would be."""
    said = {"video": {"intent": intent, "task_id": "videos_x"}}
    key = f"videos/{datetime.fromtimestamp(SENT_AT, UTC):%Y-%m-%d}/videos_x.json"
    world.store.inner.create(key, json.dumps(said).encode())


def test_the_video_of_a_task_leads_to_its_owner_at_once(world: World, counting: CountingStore) -> None:
    with_many(world)
    make_unknown(world, OTHER)
    owner = f"{MANY // 2:032x}"
    path_of(world, owner).unlink()
    write(world, copy_of(world.record(), owner, "videos_x"))
    provenance(world, owner)
    for number in range(MANY):  # all of them are new: only the video tells
        os.utime(path_of(world, f"{number:032x}"))
    with pytest.raises(ResolutionRefused, match=f"belongs to intent {owner}"):
        resolve(counting, "videos_x")
    assert counting.records_read() < MANY / 2


@pytest.mark.parametrize("wrong", [f"{3:032x}", "f" * 32, "../../etc/passwd", "", OTHER.intent])
def test_a_video_that_leads_to_the_wrong_record_hides_nothing(
    world: World, counting: CountingStore, wrong: str
) -> None:
    with_many(world)
    make_unknown(world, OTHER)
    owner = f"{MANY + 1:032x}"
    write(world, copy_of(world.record(), owner, "videos_x"))
    provenance(world, wrong)
    with pytest.raises(ResolutionRefused, match=f"belongs to intent {owner}"):
        resolve(counting, "videos_x")


@pytest.mark.parametrize("damage", ["cut", "newer"])
def test_a_record_that_cannot_be_decoded_still_keeps_its_task(
    world: World, counting: CountingStore, damage: str
) -> None:
    with_many(world, 3)
    make_unknown(world, OTHER)
    owner = f"{9:032x}"
    data = encode(copy_of(world.record(), owner, "videos_x"))
    changed = (
        data[:-40] if damage == "cut" else data.replace(b'"version": ', b'"version": 9').replace(b'"state"', b'"s"')
    )
    world.store.inner.create(world.journal.record_key(owner), changed)
    with pytest.raises(ResolutionRefused, match=r"cannot be read\. (.|\n)*--restore"):
        resolve(counting, "videos_x")
    assert world.record(OTHER.intent).task_ids == ()


@pytest.mark.parametrize("fault", [NotReadable("one", "denied"), StoreUnavailable("one", "no answer")])
def test_while_one_record_may_not_be_read_nobody_gets_a_task_that_it_may_hold(
    world: World, counting: CountingStore, fault: Exception
) -> None:
    with_many(world, 3)
    make_unknown(world, OTHER)
    counting.failing[f"journal/records/{INTENT}.json"] = fault
    with pytest.raises(JournalUnavailable):
        resolve(counting, "videos_x")
    assert world.record(OTHER.intent).task_ids == ()
    counting.failing.clear()
    assert resolve(counting, "videos_x").record.task_id == "videos_x"


def test_of_many_people_who_attach_one_task_at_once_one_gets_it(world: World, counting: CountingStore) -> None:
    with_many(world, 20)
    third = identify(VideoRequest(prompt="a third"), scope=ALWAYS, account="default")
    make_unknown(world, third)
    make_unknown(world, OTHER)

    def try_it(intent: str) -> bool:
        try:
            resolve_unknown(journal_of(counting), intent, "attach", task_id="videos_x", fetch=fetch)
        except ResolutionRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as people:
        got = [*people.map(try_it, [third.intent, OTHER.intent] * 4)]
    owners = [intent for intent in (third.intent, OTHER.intent) if "videos_x" in world.record(intent).task_ids]
    assert len(owners) == 1 and any(got)
