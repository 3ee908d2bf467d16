"""One write pursued until it is known, markers that never lie by omission, and a journal with a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal import changes
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import (
    IllegalTransition,
    JournalGone,
    JournalUnavailable,
    RecordChanged,
    RecordDamaged,
    TaskNotRecorded,
)
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Record, Stored
from prefect_seedance.journal.states import State
from prefect_seedance.journal.store_identity import identify_store
from prefect_seedance.storage.errors import BadKey, NoSpace, NotReadable, NotWritable, StoreUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from tests.journal.harness import (
    FAULTS,
    IDENTITY,
    INTENT,
    NOON,
    TWICE,
    Fault,
    World,
    lost_answer,
    outage,
    own_conflict,
    spurious_conflict,
)

KEY = f"journal/records/{INTENT}.json"
FACTS = Stored(uri="file:///x.mp4", key="x.mp4", bytes=3, sha256="ab", crc32="cd")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "store")


def submitted_record() -> Record:
    return changes.accepted(changes.new_record(IDENTITY, NOON), "n", Accepted("videos_1"), NOON)


def other(prompt: str) -> str:
    return identify(VideoRequest(prompt=prompt), scope=ALWAYS, account="default").intent


# Writing.


@pytest.mark.parametrize("faults", [[each] for each in FAULTS] + [[each, each, each] for each in FAULTS])
@pytest.mark.parametrize("verb", ["create", "swap", "get"])
def test_a_write_lands_once_whatever_the_store_says(world: World, verb: str, faults: list[Fault]) -> None:
    journal = world.journal
    world.store.plan = {verb: list(faults)} if verb != "swap" else {}
    entry = journal.write(INTENT, None, submitted_record(), step="accepted")
    world.store.plan = {verb: list(faults)}
    again = journal.write(INTENT, entry, entry.record.model_copy(update={"key": "k"}), step="keyed")
    world.store.plan = {}
    found = journal.read(INTENT)
    assert found is not None
    assert (found.record, found.etag) == (again.record, again.etag)
    assert (found.record.rev, found.record.key) == (2, "k")


def test_a_write_after_somebody_else_is_refused(world: World) -> None:
    journal = world.journal
    entry = journal.write(INTENT, None, submitted_record(), step="accepted")
    journal.write(INTENT, entry, entry.record, step="keyed")
    with pytest.raises(RecordChanged):
        journal.write(INTENT, entry, entry.record, step="keyed")
    with pytest.raises(RecordChanged):
        journal.write(INTENT, None, submitted_record(), step="accepted")
    assert world.record().rev == 2


@pytest.mark.parametrize("fault", [lost_answer, own_conflict])
def test_a_write_over_ours_that_we_never_heard_of_is_noticed(world: World, fault: Fault) -> None:
    journal = world.journal
    entry = journal.write(INTENT, None, submitted_record(), step="accepted")

    def overtake(verb: str, key: str) -> None:
        if verb == "get":
            world.store.before = lambda verb, key: None
            journal.update(INTENT, lambda record: record.model_copy(update={"watch_seconds": 7.0}), step="keyed")

    world.store.plan = {"swap": [fault]}
    world.store.before = overtake
    with pytest.raises(RecordChanged):
        journal.write(INTENT, entry, entry.record.model_copy(update={"key": "mine"}), step="keyed")
    assert (world.record().watch_seconds, world.record().key, world.record().rev) == (7.0, "mine", 3)


def test_a_change_is_applied_anew_to_what_others_wrote(world: World) -> None:
    journal = world.journal
    journal.write(INTENT, None, submitted_record(), step="accepted")
    applied = []

    def change(record: Record) -> Record:
        applied.append(record.rev)
        if len(applied) == 1:
            journal.update(INTENT, lambda found: found.model_copy(update={"watch_seconds": 7.0}), step="keyed")
        return record.model_copy(update={"key": "k"})

    journal.update(INTENT, change, step="keyed")
    assert applied == [1, 2]
    assert (world.record().watch_seconds, world.record().key) == (7.0, "k")


def test_a_change_that_changes_nothing_writes_nothing(world: World) -> None:
    journal = world.journal
    journal.write(INTENT, None, submitted_record(), step="accepted")
    world.store.calls.clear()
    journal.record_completed(INTENT, VideoTask(task_id="videos_of_another_intent", status="completed"))
    assert [verb for verb, _ in world.store.calls] == ["get"]


def test_races_without_end_are_an_outage(world: World) -> None:
    journal = world.journal
    journal.write(INTENT, None, submitted_record(), step="accepted")
    rival = Journal(world.store.inner)  # type: ignore[arg-type]

    def change(record: Record) -> Record:
        rival.update(INTENT, lambda found: found.model_copy(update={"watch_seconds": found.rev}), step="keyed")
        return record.model_copy(update={"key": "k"})

    with pytest.raises(JournalUnavailable, match="lost a race"):
        journal.update(INTENT, change, step="keyed")


def test_a_deleted_record_stops_everything(world: World) -> None:
    journal = world.journal
    entry = journal.write(INTENT, None, submitted_record(), step="accepted")
    world.store.inner.delete(KEY)
    for action in (
        lambda: journal.write(INTENT, entry, entry.record, step="keyed"),
        lambda: journal.record_completed(INTENT, VideoTask(task_id="videos_1", status="completed")),
    ):
        with pytest.raises(JournalGone, match=r"gone|no record"):
            action()
    with pytest.raises(TaskNotRecorded) as caught:
        journal.record_accepted(INTENT, "n", Accepted("videos_2"))
    assert caught.value.task_id == "videos_2"


def test_a_record_that_vanishes_behind_a_lost_answer_is_gone(world: World) -> None:
    journal = world.journal
    entry = journal.write(INTENT, None, submitted_record(), step="accepted")

    def vanish(verb: str, key: str) -> None:
        if verb == "get":
            world.store.inner.delete(KEY)

    world.store.plan, world.store.before = {"swap": [outage]}, vanish
    with pytest.raises(JournalGone):
        journal.write(INTENT, entry, entry.record, step="keyed")


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (NotReadable("j", "denied"), 1),
        (NotWritable("j", "denied"), 1),
        (NoSpace("j", "full"), 1),
        (BadKey("j", "odd"), 1),
        (StoreUnavailable("j", "down"), 6),
        (OSError("odd"), 6),
    ],
)
def test_trouble_that_lasts_is_not_tried_again_unless_we_are_stubborn(
    world: World, error: Exception, tries: int
) -> None:
    seen: list[str] = []
    world.store.before = lambda verb, key: seen.append(verb)
    world.store.down = error
    with pytest.raises(JournalUnavailable) as caught:
        world.journal.read(INTENT)
    assert len(seen) == tries and str(error) in str(caught.value)
    seen.clear()
    with pytest.raises(JournalUnavailable):
        world.journal.read(INTENT, Patience(5.0, stubborn=True))
    assert len(seen) == (1 if isinstance(error, BadKey) else 6)


def test_denied_is_never_absent(world: World) -> None:
    world.run()
    world.store.down = NotReadable("j", "denied")
    with pytest.raises(JournalUnavailable, match="denied"):
        world.run()
    assert world.vendor.posts == 1


def test_a_step_that_the_table_forbids_is_not_written(world: World) -> None:
    journal = world.journal
    entry = journal.write(INTENT, None, submitted_record(), step="accepted")
    with pytest.raises(IllegalTransition):
        journal.write(INTENT, entry, entry.record.model_copy(update={"state": State.READY}), step="keyed")
    assert world.record().rev == 1


def test_nothing_is_written_that_would_not_read_back(world: World) -> None:
    journal = world.journal
    entry = journal.write(INTENT, None, submitted_record(), step="accepted")
    with pytest.raises(ValueError):
        journal.write(INTENT, entry, entry.record.model_copy(update={"current": "x"}), step="keyed")
    with pytest.raises(TaskNotRecorded, match="videos_9"):
        journal.record_accepted(INTENT, "late", Accepted("videos_9", cost=float("nan")))
    assert world.record().rev == 1


# What this process remembers.


def test_what_this_process_wrote_last_need_not_be_read_to_go_on(world: World) -> None:
    task_id = world.run()["task_id"]
    world.store.calls.clear()
    world.journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed"))
    assert world.store.calls == [("swap", KEY)]
    world.store.calls.clear()
    World(world.store).journal.record_stored(INTENT, task_id, FACTS)  # another process has to read
    assert [verb for verb, _ in world.store.calls] == ["get", "swap", "delete"]


def test_what_another_process_wrote_meanwhile_is_not_lost(world: World) -> None:
    task_id = world.run()["task_id"]
    World(world.store).journal.record_accepted(INTENT, "late", Accepted("videos_late"))
    world.store.calls.clear()
    world.journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed"))
    # Refused, looked at since a conflict is only an opinion, read, and written upon what is there; without a pause.
    assert [verb for verb, _ in world.store.calls] == ["swap", "get", "get", "swap"] and world.slept == []
    record = world.record()
    assert (record.state, record.task_ids) == (State.COMPLETED, (task_id, "videos_late"))


def test_that_nothing_is_to_be_done_is_never_concluded_from_memory(world: World) -> None:
    task_id = world.run()["task_id"]
    world.journal.record_stored(INTENT, task_id, FACTS)
    World(world.store).journal.relay_again(INTENT)
    assert world.record().state is State.COMPLETED
    world.journal.record_stored(INTENT, task_id, FACTS)
    assert world.record().state is State.STORED


def test_a_record_that_was_deleted_is_missed_by_who_remembers_it(world: World) -> None:
    task_id = world.run()["task_id"]
    assert world.journal.recent(INTENT) is not None
    world.delete_record()
    with pytest.raises(JournalGone, match="no record"):
        world.journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed"))
    assert world.find() is None and world.journal.recent(INTENT) is None


def test_a_submission_is_decided_upon_what_stands_in_the_store(world: World) -> None:
    first = world.run()
    World(world.store).journal.record_failed(INTENT, first["task_id"], "transient", "PROVIDER_TIMEOUT")
    remembered = world.journal.recent(INTENT)
    assert remembered is not None and remembered.record.state is State.SUBMITTED
    assert world.run(policy=TWICE)["task_id"] != first["task_id"]


def test_reading_reads(world: World) -> None:
    world.run()
    world.store.calls.clear()
    assert world.journal.read(INTENT) and world.journal.read(INTENT)
    assert world.store.calls == [("get", KEY)] * 2


def test_what_was_read_is_remembered_with_its_age(world: World) -> None:
    World(world.store).run()
    assert world.journal.recent(INTENT) is None
    world.freeze(100.0)
    entry = world.journal.read(INTENT)
    remembered = world.journal.recent(INTENT)
    assert entry is not None and remembered is not None
    assert (remembered.record, remembered.etag) == (entry.record, entry.etag)
    assert remembered.age_seconds >= entry.age_seconds >= 100.0


def test_what_is_not_there_any_more_is_not_remembered(world: World) -> None:
    world.run()
    world.delete_record()
    assert world.journal.read(INTENT) is None and world.journal.recent(INTENT) is None


def test_nothing_is_remembered_for_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = world.run()["task_id"]
    monkeypatch.setattr("prefect_seedance.journal.journal._RECENT_SECONDS", -1.0)  # it is half a minute later
    assert world.journal.recent(INTENT) is None
    world.store.calls.clear()
    world.journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed"))
    assert [verb for verb, _ in world.store.calls] == ["get", "swap"]


def test_a_batch_carries_no_records_that_it_is_done_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(number: int) -> None:
        intent = f"{number:032x}"
        world.journal.write(intent, None, submitted_record().model_copy(update={"intent": intent}), step="accepted")

    for number in range(3):
        write(number)
    assert len(world.journal._recent) == 3  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr("prefect_seedance.journal.journal._RECENT_SECONDS", 0.0)  # it is half a minute later
    write(3)
    assert len(world.journal._recent) == 1  # pyright: ignore[reportPrivateUsage]


def test_what_was_perhaps_not_written_is_not_remembered(world: World) -> None:
    task_id = world.run()["task_id"]
    world.store.down = StoreUnavailable("j", "down")
    with pytest.raises(JournalUnavailable):
        world.journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed"))
    assert world.journal.recent(INTENT) is None
    with pytest.raises(JournalUnavailable):
        world.journal.read(INTENT)
    assert world.journal.recent(INTENT) is None


# Markers and lists.


def test_the_marker_stands_before_the_record_and_goes_after_it(world: World) -> None:
    world.run()
    writes = [call for call in world.store.calls if call[0] in ("create", "swap", "delete")]
    assert writes[:2] == [("create", f"journal/open/{INTENT}.1"), ("create", KEY)]
    world.journal.record_stored(INTENT, world.vendor.billed[0], FACTS)
    writes = [call for call in world.store.calls if call[0] in ("create", "swap", "delete")]
    assert writes[-2:] == [("swap", KEY), ("delete", f"journal/open/{INTENT}.1")]


def test_closing_never_takes_the_marker_of_one_who_opens_again(world: World) -> None:
    task_id = world.run()["task_id"]
    rival = Journal(world.store.inner)  # type: ignore[arg-type]

    def reopen(verb: str, key: str) -> None:
        if verb == "delete":
            world.store.before = lambda verb, key: None
            rival.relay_again(INTENT)

    world.store.before = reopen
    world.journal.record_stored(INTENT, task_id, FACTS)
    assert world.record().state is State.COMPLETED
    assert world.markers() == [f"{INTENT}.2"]
    assert [entry.record.intent for entry in world.journal.open_records()] == [INTENT]


def test_a_marker_that_cannot_be_deleted_is_harmless(world: World) -> None:
    task_id = world.run()["task_id"]
    world.store.plan = {"delete": [outage, outage]}
    world.journal.record_stored(INTENT, task_id, FACTS)
    assert world.markers() == [f"{INTENT}.1"]
    assert list(world.journal.open_records()) == []
    assert list(world.journal.open_records()) == []
    assert world.markers() == []


def test_a_marker_without_a_record_is_harmless_and_stays(world: World) -> None:
    # Its writer may be about to write the record.
    for name in (f"{INTENT}.1", "odd", f"{INTENT}.x"):
        world.store.inner.create(f"journal/open/{name}", b"")
    assert list(world.journal.open_records()) == []
    assert len(world.markers()) == 3


def test_a_marker_of_an_opening_to_come_is_left_alone(world: World) -> None:
    task_id = world.run()["task_id"]
    world.journal.record_stored(INTENT, task_id, FACTS)
    world.store.inner.create(f"journal/open/{INTENT}.2", b"")
    assert list(world.journal.open_records()) == []
    assert world.markers() == [f"{INTENT}.2"]


def test_a_marker_that_exists_only_in_the_answer_is_written_all_the_same(world: World) -> None:
    world.store.plan = {"create": [spurious_conflict]}
    world.run()
    assert world.markers() == [f"{INTENT}.1"]


def test_listing_what_is_open_costs_what_is_open(world: World) -> None:
    for number in range(6):
        intent = identify(VideoRequest(prompt=f"{number}"), scope=ALWAYS, account="default")
        submitted = world.run(identity=intent)
        if number < 5:
            world.journal.record_stored(intent.intent, submitted["task_id"], FACTS)
    world.store.calls.clear()
    (entry,) = world.journal.open_records()
    assert entry.record.intent == other("5")
    assert [verb for verb, _ in world.store.calls] == ["list", "get"]
    assert len(list(world.journal.records())) == 6


def test_a_record_is_listed_as_unknown_also_when_only_its_deadline_says_so(world: World) -> None:
    def die(point: str) -> None:
        if point == "post.after":
            world.store.down = StoreUnavailable("j", "the process is gone")
            raise KeyboardInterrupt

    world.at = die
    with pytest.raises(KeyboardInterrupt):
        world.run()
    world.store.down = None
    reader = Journal(world.store)  # type: ignore[arg-type]
    (entry,) = reader.open_records()
    assert entry.state is State.SENDING
    world.freeze(3600.0)
    (entry,) = reader.open_records()
    assert entry.state is State.UNKNOWN and entry.record.state is State.SENDING


def test_a_record_that_cannot_be_read_does_not_hide_the_others(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.run()
    world.store.inner.create(f"journal/records/{other('x')}.json", b"{")
    world.store.inner.create(f"journal/open/{other('x')}.1", b"")
    assert [entry.record.intent for entry in world.journal.records()] == [INTENT]
    assert [entry.record.intent for entry in world.journal.open_records()] == [INTENT]
    assert "cannot be read" in caplog.text


def test_an_outage_while_listing_is_said(world: World) -> None:
    world.store.plan = {"list": [outage]}
    with pytest.raises(JournalUnavailable):
        list(world.journal.records())


def test_locations_are_as_users_write_them(tmp_path: Path) -> None:
    assert Journal(FolderStore(tmp_path / "my store")).location == str(tmp_path / "my store")
    assert World.in_memory().journal.location == "memory://store"


def test_a_store_is_called_on_the_command_line_by_its_location_or_as_it_is_said_to_be(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert Journal(store).store_option == str(tmp_path)
    assert Journal(store, store_option="saved/studio").store_option == "saved/studio"


# Which journal it is.


def test_a_journal_is_named_once(world: World) -> None:
    first = identify_store(world.journal)
    assert len(first) == 32
    assert identify_store(world.journal) == identify_store(world.journal, expected={first: "here"}) == first


def test_two_who_name_it_at_once_agree(world: World) -> None:
    rival = Journal(world.store.inner)  # type: ignore[arg-type]
    names = []

    def overtake(verb: str, key: str) -> None:
        if verb == "create":
            world.store.before = lambda verb, key: None
            names.append(identify_store(rival))

    world.store.before = overtake
    assert identify_store(world.journal) == names[0]


def test_a_run_that_comes_back_to_a_fresh_journal_stops(world: World) -> None:
    expected = {"a" * 32: "s3://bucket/videos"}
    with pytest.raises(JournalGone, match=f"journal {'a' * 32} at s3://bucket/videos; there is none at"):
        identify_store(world.journal, expected=expected)
    assert list(world.store.inner.list_keys("")) == []
    other = identify_store(world.journal)
    with pytest.raises(JournalGone, match=f"at s3://bucket/videos; there is another journal, {other}, at"):
        identify_store(world.journal, expected=expected)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}"])
def test_a_damaged_name_is_no_new_journal(world: World, data: bytes) -> None:
    world.store.inner.create("journal/store.json", data)
    with pytest.raises(RecordDamaged):
        identify_store(world.journal)


def test_a_marker_is_written_once_more_by_a_writer_that_was_asleep_for_long(world: World) -> None:
    # Whoever collects takes a marker without a record for stray after a day, and deletes it.
    def asleep(point: str) -> None:
        if point == "claim.record.before":
            world.freeze(3601.0)
            world.store.inner.delete(f"journal/open/{INTENT}.1")

    world.at = asleep
    world.run()
    assert world.record().state is State.SUBMITTED and world.markers() == [f"{INTENT}.1"]


def test_a_call_says_whether_it_has_written_and_moved_the_record(world: World) -> None:
    task_id = world.run()["task_id"]
    other_process = World(world.store).journal
    task = VideoTask(task_id=task_id, status="completed")
    calls = (
        lambda journal: journal.record_completed(INTENT, task),
        lambda journal: journal.record_stored(INTENT, task_id, FACTS),
        lambda journal: journal.relay_again(INTENT),
        lambda journal: journal.record_failed(INTENT, task_id, "transient", "PROVIDER_TIMEOUT"),
    )
    for call in calls:
        first, second, third = call(other_process), call(world.journal), call(other_process)
        assert (first.wrote, first.moved) == (True, True)
        assert not (second.wrote or second.moved or third.wrote or third.moved)
    late = world.journal.record_accepted(INTENT, "late", Accepted("videos_late"))
    assert late.wrote and late.moved and not other_process.read(INTENT).wrote  # type: ignore[union-attr]


def test_a_second_paid_task_keeps_a_stored_record_open(world: World) -> None:
    task_id = world.run()["task_id"]
    world.journal.record_accepted(INTENT, "late", Accepted("videos_late"))
    world.journal.record_stored(INTENT, task_id, FACTS)
    assert world.record().state is State.STORED and world.markers() == [f"{INTENT}.1"]
    world.store.inner.delete(f"journal/open/{INTENT}.1")  # as an earlier version of this package does
    world.journal.record_described(INTENT, task_id, FACTS.model_copy(update={"etag": "e"}))
    assert world.markers() == [f"{INTENT}.1"]
    world.journal.record_stored(INTENT, "videos_late", FACTS.model_copy(update={"key": "other.mp4"}))
    assert world.record().stored is not None and world.record().stored.key == FACTS.key  # type: ignore[union-attr]
    assert world.markers() == [] and list(world.journal.open_records()) == []
    world.journal.record_accepted(INTENT, "later", Accepted("videos_later"))
    assert world.markers() == [f"{INTENT}.2"]
