"""What a released version left in a bucket is read by this one, goes on as it would have, and loses nothing.

`stores/<version>/` is what `write.py` left when a version was released; `stores/before-0.1.0/` what the code of some
earlier points of the project left, in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from prefect_seedance.batch.report.joined_report import find_reports
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.models import VideoTask
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.pause import pause, read_pause, resume
from prefect_seedance.journal.codec import decode, encode
from prefect_seedance.journal.errors import (
    AbandonedBefore,
    BudgetTooNew,
    RecordTooNew,
    ResolutionRefused,
    SubmissionsUsedUp,
    SubmissionUnknown,
)
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.journal.store_identity import identify_store, known_name
from prefect_seedance.media.context import Follower
from prefect_seedance.media.memos import Kept, Made, Memos
from prefect_seedance.pipeline.watch.history import load_history, save_history
from prefect_seedance.storage.protocol import Store
from prefect_seedance.versions import version_of
from tests.journal.harness import NOON, FaultyStore, MemoryStore, World
from tests.journal.records.write import ACCOUNT, STORES, Writer, identity_of

RELEASED = sorted(path for path in STORES.iterdir() if (path / "journal").is_dir())
EARLIER = sorted((STORES / "before-0.1.0").iterdir())
Json = dict[str, Any]


def named(stores: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("folder", stores, ids=lambda path: path.name)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def world_of(folder: Path, change: Callable[[str, bytes], bytes] = lambda key, data: data) -> World:
    """What this version meets: the store as it was left, a moment later."""
    inner = MemoryStore()
    inner.objects = {key: change(key, data) for key, data in files_of(folder).items()}
    world = World(FaultyStore(inner))
    world.vendor.billed = [f"videos_{number:032x}" for number in range(1, 100)]  # what it had accepted before
    return world


def objects_of(world: World) -> dict[str, bytes]:
    return cast(MemoryStore, world.store.inner).objects


def store_of(world: World) -> Store:
    return cast(Store, world.store)


def budget_of(world: World, run_key: str = "") -> Budget:
    return Budget(
        store_of(world),
        account=ACCOUNT,
        limits=Limits(total=5.0) if run_key else Limits(daily=20.0),
        journal=world.journal,
        run_key=run_key,
        sleep=world.sleep,
        jitter=lambda: 1.0,
        clock=lambda: NOON.timestamp() + world.store.passed,
    )


def lost(before: object, after: object, where: str = "") -> Iterator[str]:
    """Say what of a JSON value is not there any more, or is another value."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name not in after:
                yield f"{where}.{name}"
            else:
                yield from lost(value, after[name], f"{where}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{where}[{number}]")
    elif before != after:
        yield f"{where}: {before!r} became {after!r}"


#: Names by which an object is told from a map of names to values.
_OF_AN_OBJECT = frozenset(
    ("version", "number", "id", "nonce", "uri", "intent", "key_template", "state", "spent", "seconds")
)


def with_novelties(value: object) -> object:
    """Add a field to every object of a JSON value, as a later version may; maps of names to values stay as they are."""
    if isinstance(value, list):
        return [with_novelties(each) for each in value]
    if not isinstance(value, dict):
        return value
    novel = {name: with_novelties(each) for name, each in value.items()}
    return novel if not _OF_AN_OBJECT & {*novel} else {**novel, "novel": {"a": [1, None]}}


def changed(change: Callable[[Json], Json], *beginnings: str) -> Callable[[str, bytes], bytes]:
    """Return a change of the JSON files whose keys begin so."""

    def of_file(key: str, data: bytes) -> bytes:
        return json.dumps(change(json.loads(data))).encode() if key.startswith(beginnings) else data

    return of_file


def paths_in(value: object, where: str = "") -> set[str]:
    """Return the names of all fields in a JSON value; those that are data, such as ids, as one."""
    if isinstance(value, list):
        return {path for each in value for path in paths_in(each, f"{where}[]")}
    if not isinstance(value, dict):
        return {f"{where}: {type(value).__name__}"}
    names = [name if name.isidentifier() and not name.startswith("sd2_") else "*" for name in value]
    return {
        path for name, each in zip(names, value.values(), strict=True) for path in paths_in(each, f"{where}.{name}")
    }


def test_this_version_has_written_what_later_ones_must_read() -> None:
    made, kept = Writer().write_all(), files_of(STORES / version_of())
    again = "remove the folder of a version that is not released yet, and run python -m tests.journal.records.write"

    def shape(files: dict[str, bytes]) -> dict[str, set[str]]:
        return {key: paths_in(json.loads(data)) if key.endswith(".json") else set() for key, data in files.items()}

    assert kept.keys() == made.keys(), again
    assert shape(kept) == shape(made), again
    states = [json.loads(data)["state"] for key, data in kept.items() if key.startswith("journal/records/")]
    assert {*states} == {str(state) for state in State}


@named(RELEASED + EARLIER)
def test_every_record_is_read_and_written_back_whole(folder: Path) -> None:
    world = world_of(folder, changed(lambda record: cast(Json, with_novelties(record)), "journal/records/"))
    before = {key: json.loads(data) for key, data in objects_of(world).items() if key.startswith("journal/records/")}
    assert len(before) == 10
    stamps = {"rev", "nonce", "updated_at", "package_version"}
    for key, values in before.items():
        assert not [*lost(values, json.loads(encode(decode(objects_of(world)[key], key, values["intent"]))))]
        entry = world.journal.read(values["intent"])
        assert entry is not None
        world.journal.write(values["intent"], entry, entry.record, step="evidence")
        after = json.loads(objects_of(world)[key])
        assert after["rev"] == values["rev"] + 1 and after["package_version"] == version_of()
        kept = {name: value for name, value in values.items() if name not in stamps}
        assert not [*lost(kept, after)]
        assert after["novel"] == after["attempts"][0]["novel"] == {"a": [1, None]}


#: What this version does with each record when its video is asked for: the task that it goes on with ("new" for a new
#: submission), or why it does not.
GOES_ON: dict[str, str | type[Exception]] = {
    "ready": "new",
    "sending": SubmissionUnknown,
    "submitted": "its own",
    "completed": "its own",
    "stored": "its own",
    "refused": "new",
    "failed": SubmissionsUsedUp,
    "unknown": SubmissionUnknown,
    "lost": AbandonedBefore,
    "attached": "its own",
}


@named(RELEASED + EARLIER)
def test_every_record_goes_on_as_it_would_have_and_nothing_is_paid_for_twice(folder: Path) -> None:
    world = world_of(folder)
    if read_pause(store_of(world)):
        resume(store_of(world))
    came: dict[str, str | type[Exception]] = {}
    for state in GOES_ON:
        identity, posts = identity_of(state), world.vendor.posts
        before = world.record(identity.intent)
        try:
            task_id = world.run(identity=identity)["task_id"]
            assert (task_id == before.task_id) is (world.vendor.posts == posts)
            came[state] = "its own" if task_id == before.task_id else "new"
        except SeedanceError as error:
            came[state] = type(error)
        world.storm.known()
    assert came == GOES_ON
    assert world.vendor.posts == 2  # of what nothing was accepted before


@named(RELEASED + EARLIER)
def test_what_lies_beside_the_records_is_read(folder: Path) -> None:
    world = world_of(folder)
    files, store = files_of(folder), store_of(world)
    name = json.loads(files["journal/store.json"])["id"]
    assert known_name(world.journal) == identify_store(world.journal, expected={name: "here"}) == name
    assert {marker.intent for marker in world.journal.markers()} == {
        Path(key).stem for key in files if key.startswith("journal/open/")
    }
    assert len([*world.journal.open_records()]) == 6
    # A task that a person gave to one video goes to no other.
    with pytest.raises(ResolutionRefused, match="videos_by_hand"):
        resolve_unknown(
            world.journal,
            identity_of("unknown").intent,
            "attach",
            task_id="videos_by_hand",
            fetch=lambda task_id: VideoTask(task_id=task_id, status="processing", model="seedance2.0-std"),
        )
    if "journal/history/durations.json" in files:
        assert load_history(store).expected_seconds("seedance2.0-std", "720p", 5) == 100.5
    if any(key.startswith("journal/media/") for key in files):
        assert obtained(world).value == "https://files.example.com/mug.png"


def obtained(world: World, make: Callable[[], Made] = lambda: pytest.fail("it is made again")) -> Kept:
    return Memos(store_of(world), ACCOUNT).obtain("upload", "3f9a", make, usable=lambda kept: "", follower=Follower())


@named(RELEASED)
def test_ledgers_pause_and_report_are_read(folder: Path) -> None:
    world = world_of(folder)
    store = store_of(world)
    found = read_pause(store)
    assert found is not None and found.by == "Ada" and "price list" in found.reason
    for run_key in ("", "run-1"):
        (use,) = (use for use in budget_of(world, run_key).standing().limits if use.limit)
        assert (use.spent, use.held, use.reserved) == (0.5, 0.5, 0.5)
    (report,) = find_reports(store, "run-1", "spring", [NOON.date()])
    assert [row.outcome for row in report.rows] == ["stored", "invalid"] and report.spent == 0.25


@named(RELEASED)
def test_what_lies_beside_the_records_is_written_back_whole(folder: Path) -> None:
    beside = ("journal/budget/", "journal/media/", "journal/pause.json", "journal/history/")
    world = world_of(folder, changed(lambda values: cast(Json, with_novelties(values)), *beside))
    store, objects = store_of(world), objects_of(world)
    before = {key: json.loads(data) for key, data in objects.items() if key.startswith(beside)}
    for run_key in ("", "run-1"):
        budget_of(world, run_key).try_reserve("f" * 32, identity_of("ready").intent, coins=0.1, billing="other",
                                              lease_seconds=210.0, start_stopwatch=world.stopwatch)  # fmt: skip
    Memos(store, ACCOUNT).forget("upload", "3f9a", "a test")
    resume(store, by="Grace", now=lambda: NOON)
    pause(store, by="Grace", now=lambda: NOON)
    history = load_history(store)
    history.note("seedance2.0-std", "720p", 5, 95.0)
    save_history(store, history)
    for key, values in before.items():
        after = json.loads(objects[key])
        assert after["novel"] == values["novel"], key
        if key.startswith("journal/history/"):
            (video,) = after["videos"]
            assert video == {**values["videos"][0], "seconds": [90.0, 120.0, 100.5, 95.0]}
        if key.startswith("journal/budget/"):
            assert after["rev"] == values["rev"] + 1
            assert not [*lost({**values, "rev": after["rev"], "nonce": after["nonce"]}, after)]


@named(RELEASED)
def test_what_a_newer_version_wrote_in_a_shape_of_its_own_is_never_written(folder: Path) -> None:
    world = world_of(folder, changed(lambda values: {**values, "version": values["version"] + 1}, *_VERSIONED))
    before, store = dict(objects_of(world)), store_of(world)
    assert read_pause(store) is not None  # whatever else it means: nothing is spent
    for state, wanted in GOES_ON.items():
        identity = identity_of(state)
        entry = world.journal.read(identity.intent)
        assert entry is not None and entry.record.state in (state, "submitted")
        if wanted == "new":
            with pytest.raises(RecordTooNew, match="Upgrade"):
                world.run(identity=identity)
        with pytest.raises(RecordTooNew, match="Upgrade"):
            world.journal.write(identity.intent, entry, entry.record, step="evidence")
    with pytest.raises(BudgetTooNew):
        budget_of(world).try_reserve("f" * 32, identity_of("ready").intent, coins=0.1, billing="other",
                                     lease_seconds=210.0, start_stopwatch=world.stopwatch)  # fmt: skip
    with pytest.raises(RecordTooNew):
        Memos(store, ACCOUNT).forget("upload", "3f9a", "a test")
    with pytest.raises(RecordTooNew):
        resume(store)
    assert objects_of(world) == before and world.vendor.posts == 0


_VERSIONED = ("journal/records/", "journal/budget/", "journal/media/", "journal/pause.json", "journal/history/")
