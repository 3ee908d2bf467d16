"""A record that is damaged or gone is restored as unknown, and never as something that may be claimed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Refused, Unknown
from prefect_seedance.journal.errors import (
    JournalGone,
    JournalUnavailable,
    RecordDamaged,
    RecordTooNew,
    ResolutionRefused,
    SubmissionsUsedUp,
    SubmissionUnknown,
)
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import UNKNOWN_MOMENT, Stored
from prefect_seedance.journal.resolution import Resolution, remarks, resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.journal.store_identity import identify_store
from prefect_seedance.journal.submit.adoption import adopt
from prefect_seedance.storage.folder.store import FolderStore
from tests.journal.harness import DELIVERY, INTENT, NOON, REQUEST, TWICE, FaultyStore, Killed, World, outage
from tests.storage.s3_servers import S3Server

KEY = f"journal/records/{INTENT}.json"
FACTS = Stored(uri="u", key="videos/a.mp4", bytes=1, sha256="s", crc32="c", **{"task_id": f"videos_{1:032x}"})
VERSIONED = "versioned"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "my store")


@pytest.fixture(scope="module")
def versioned(moto: S3Server) -> S3Server:
    moto.client.create_bucket(Bucket=VERSIONED)
    moto.client.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
    return moto


@pytest.fixture
def bucket(versioned: S3Server) -> Iterator[World]:
    yield World(FaultyStore(versioned.store(bucket=VERSIONED)))


def raw(world: World) -> bytes | None:
    blob = world.store.inner.get(KEY)
    return blob.data if blob else None


def put(world: World, data: bytes) -> None:
    """Somebody, or a fault of the disk, puts other bytes in the place of the record."""
    blob = world.store.inner.get(KEY)
    if blob is None:
        world.store.inner.create(KEY, data)
    else:
        world.store.inner.swap(KEY, data, etag=blob.etag)


def damage(world: World) -> bytes:
    data = raw(world)
    assert data is not None
    put(world, half := data[: len(data) * 2 // 3])
    return half


def restore(world: World) -> list[str]:
    return remarks(resolve_unknown(world.journal, INTENT, "restore"), "restore", world.journal.store_option)


def fetch(task_id: str) -> VideoTask:
    return VideoTask(task_id=task_id, created_at=int(NOON.timestamp()), model="seedance2.0-std")


def aside(world: World) -> list[bytes]:
    keys = world.store.inner.list_keys("journal/damaged/")
    return [blob.data for key in keys if (blob := world.store.inner.get(key))]


def nothing_is_claimed(world: World) -> None:
    """No run sends anything, whatever its policy allows."""
    posts = world.vendor.posts
    for name, policy in (("two", TWICE), ("three", TWICE)):
        with pytest.raises(SubmissionUnknown):
            world.run(name, policy=policy)
    assert world.vendor.posts == posts
    unknown = [entry.record.intent for entry in world.journal.open_records() if entry.state is State.UNKNOWN]
    assert unknown == [INTENT]


def ready(world: World) -> None:
    """A version that says `ready`, and after it a paid video."""
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()
    resolve_unknown(world.journal, INTENT, "not_billed")


def test_the_error_names_the_command_and_warns_against_an_older_file(world: World) -> None:
    world.run()
    damage(world)
    with pytest.raises(RecordDamaged) as stopped:
        world.run("two")
    words = str(stopped.value)
    assert f"prefect-seedance resolve {INTENT} --store '{world.journal.location}' --restore\n" in words
    assert "Never put an older file there by hand" in words and "paid for twice" in words
    assert not re.search(r"[Rr]estore an earlier|[Rr]estore it", words)


def test_an_older_version_that_says_ready_does_not_pay_twice(bucket: World) -> None:
    ready(bucket)
    assert bucket.record().state is State.READY
    first = bucket.record()
    bucket.run("two", policy=TWICE)
    assert bucket.vendor.posts == 2 and len(bucket.vendor.billed) == 1
    # The claim and the outcome are damaged as well: the newest readable version says `ready`.
    for version in bucket_versions(bucket)[:2]:
        version.delete()
    put(bucket, half := b'{"intent": "' + INTENT.encode())
    restore(bucket)
    record = bucket.record()
    assert (record.state, record.attempts[:-1]) == (State.UNKNOWN, first.attempts)
    lost = record.attempts[-1]
    assert lost.restored and lost.started_at == first.updated_at and record.rev > first.rev
    assert aside(bucket) == [half]
    nothing_is_claimed(bucket)


class Version:
    def __init__(self, world: World, version: str) -> None:
        self._world, self._version = world, version

    def delete(self) -> None:
        store = self._world.store.inner
        store.client.delete_object(Bucket=VERSIONED, Key=store.bucket.key_of(KEY), VersionId=self._version)


def bucket_versions(world: World) -> list[Version]:
    store = world.store.inner
    found = store.client.list_object_versions(Bucket=VERSIONED, Prefix=store.bucket.key_of(KEY))
    return [Version(world, each["VersionId"]) for each in found["Versions"]]


def test_the_newest_readable_version_is_taken_and_its_task_gone_on_with(bucket: World) -> None:
    task_id = bucket.run()["task_id"]
    damage(bucket)
    restore(bucket)
    record = bucket.record()
    assert (record.state, record.task_ids, record.key) == (
        State.UNKNOWN,
        (task_id,),
        f"videos/2026-11-22/{task_id}.mp4",
    )
    nothing_is_claimed(bucket)
    # The person finds no other task.
    resolve_unknown(bucket.journal, INTENT, "not_billed", attempt=record.attempts[-1].name)
    assert bucket.run("four", policy=TWICE)["task_id"] == task_id
    assert bucket.vendor.posts == 1


def test_the_task_that_the_version_names_may_be_attached_to_what_was_lost(bucket: World) -> None:
    task_id = bucket.run()["task_id"]
    damage(bucket)
    restore(bucket)
    lost = bucket.record().attempts[-1]
    resolve_unknown(bucket.journal, INTENT, "attach", task_id=task_id, attempt=lost.name, fetch=fetch)
    record = bucket.record()
    assert (record.state, record.task_id, record.submissions) == (State.SUBMITTED, task_id, 1)


@pytest.mark.parametrize("how", ["not_billed", "attach"])
def test_a_stored_video_is_stored_again(bucket: World, how: str) -> None:
    task_id = bucket.run()["task_id"]
    bucket.journal.record_stored(INTENT, task_id, FACTS)
    damage(bucket)
    restore(bucket)
    assert bucket.record().state is State.UNKNOWN and bucket.record().stored == FACTS
    lost = bucket.record().attempts[-1].name
    resolve_unknown(bucket.journal, INTENT, how, task_id=task_id, attempt=lost, fetch=fetch)  # type: ignore[arg-type]
    assert (bucket.record().state, bucket.record().key, bucket.markers()) == (State.STORED, FACTS.key, [])
    bucket.run("two", policy=TWICE)
    assert bucket.vendor.posts == 1


def test_a_deleted_record_is_restored_too(bucket: World) -> None:
    task_id = bucket.run()["task_id"]
    known = bucket.journal.read(INTENT)
    bucket.delete_record()
    with pytest.raises(JournalGone) as gone:
        bucket.journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed"))
    assert known and f"resolve {INTENT} --store {bucket.journal.location} --restore\n" in str(gone.value)
    restore(bucket)
    assert bucket.record().task_ids == (task_id,) and aside(bucket) == []
    nothing_is_claimed(bucket)


def test_versions_that_may_not_be_seen_are_no_reason_to_forget_a_task(bucket: World) -> None:
    bucket.run()
    half = damage(bucket)
    bucket.store.plan["versions"] = [outage]
    with pytest.raises(JournalUnavailable, match="earlier versions cannot be looked at"):
        restore(bucket)
    assert raw(bucket) == half and aside(bucket) == []


def test_of_a_folder_nothing_is_left_but_the_intent_and_what_the_damaged_bytes_name(world: World) -> None:
    task_id = world.run()["task_id"]
    half = damage(world)
    said = restore(world)
    record = world.record()
    (lost,) = record.attempts
    assert (record.state, record.request, lost.started_at) == (State.UNKNOWN, {}, UNKNOWN_MOMENT)
    assert lost.number == 2, "the damaged bytes have a first one"
    assert aside(world) == [half]
    assert f"the damaged file names {task_id}" in lost.message
    assert f"--attempt {lost.name}" in said[-1]
    nothing_is_claimed(world)
    with pytest.raises(SubmissionUnknown, match=r"When anything was sent is not known\."):
        world.run("four")
    # What was asked for is known again, from the run.
    assert (world.record().request["prompt"], world.record().delivery) == (REQUEST.prompt, DELIVERY)
    resolve_unknown(world.journal, INTENT, "attach", task_id=task_id, attempt=lost.name, fetch=fetch)
    assert world.run("five")["task_id"] == task_id and world.vendor.posts == 1


def test_what_an_unfinished_write_has_left_in_a_folder_is_read(world: World, tmp_path: Path) -> None:
    task_id = world.run()["task_id"]
    whole = raw(world)
    assert whole is not None
    (tmp_path / "my store" / ".tmp" / uuid4().hex).write_bytes(whole.replace(INTENT.encode(), b"0" * 32))
    (tmp_path / "my store" / ".tmp" / uuid4().hex).write_bytes(b"\x00" * 9)
    (tmp_path / "my store" / ".tmp" / uuid4().hex).write_bytes(whole)
    damage(world)
    restore(world)
    assert world.record().task_ids == (task_id,)
    nothing_is_claimed(world)


PROVENANCE = {
    "request": {"prompt": "A boat", "model": "seedance2.0-std"},
    "take": "1",
    "scope": "",
    "video": {
        **FACTS.model_dump(),
        "intent": INTENT,
        "model": "seedance2.0-std",
        "cost": 0.25,
        "stored_at": "2026-11-22T12:00:00Z",
    },
    "vendor": {"host": "api.test", "account": "default", "credentials": "f00d"},
}


@pytest.mark.parametrize("whose", [INTENT, "0" * 32])
def test_the_videos_of_the_store_are_found_by_their_provenance(world: World, whose: str) -> None:
    world.run()
    written = {**PROVENANCE, "video": {**PROVENANCE["video"], "intent": whose}}  # type: ignore[dict-item]
    world.store.inner.create("videos/a.json", json.dumps(written).encode())
    for number, other in enumerate((b"", b"[]", b'{"video": 3}', b'{"video": {"intent": "' + INTENT.encode() + b'"}}')):
        world.store.inner.create(f"videos/other{number}.json", other)
    damage(world)
    restore(world)
    record = world.record()
    assert record.state is State.UNKNOWN
    assert record.task_ids == ((FACTS.model_dump()["task_id"],) if whose == INTENT else ())
    nothing_is_claimed(world)
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=record.attempts[-1].name)
    assert world.record().state is (State.STORED if whose == INTENT else State.READY)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "zeros": lambda data: b"\x00" * len(data),
    "a page": lambda data: b"<html>Bad gateway</html>",
    "a list": lambda data: b"[]",
    "deep": lambda data: b"[" * 100_000,
    "half": lambda data: data[: len(data) // 2],
    "another intent": lambda data: data.replace(INTENT.encode(), b"0" * 32),
    "no state": lambda data: data.replace(b'"state": "submitted"', b'"state": "sold"'),
    "not utf-8": lambda data: data[:200] + b"\xff\xfe" + data[200:],
    "a huge number": lambda data: data.replace(b'"number": 1', b'"number": ' + b"9" * 5000),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_whatever_the_damage_the_record_reads_unknown_afterwards(world: World, kind: str) -> None:
    world.run()
    whole = raw(world)
    assert whole is not None
    put(world, damaged := DAMAGES[kind](whole))
    with pytest.raises(RecordDamaged):
        world.run("two")
    restore(world)
    assert aside(world) == [damaged]
    nothing_is_claimed(world)


def test_restoring_twice_or_what_can_be_read_changes_nothing(world: World) -> None:
    world.run()
    before = world.record()
    assert restore(world) == ["The record can be read, so nothing was restored."]
    assert world.record() == before
    damage(world)
    restore(world)
    restored = raw(world)
    restore(world)
    assert raw(world) == restored and len(aside(world)) == 1


def test_of_two_people_who_restore_at_once_one_record_stays(world: World) -> None:
    world.run()
    damage(world)
    rival = World(world.store)

    def overtake(verb: str, key: str) -> None:
        if (verb, key) == ("swap", KEY):
            world.store.before = lambda verb, key: None
            restore(rival)

    world.store.before = overtake
    restore(world)
    assert len(world.record().attempts) == 1 and world.record().rev == rival.record().rev
    assert len(aside(world)) == 1


def test_a_record_that_is_whole_again_meanwhile_is_left_alone(world: World) -> None:
    task_id = world.run()["task_id"]
    whole = raw(world)
    assert whole is not None
    damage(world)

    def overtake(verb: str, key: str) -> None:
        if (verb, key) == ("swap", KEY):
            world.store.before = lambda verb, key: None
            put(world, whole)

    world.store.before = overtake
    restore(world)
    assert (world.record().state, world.record().task_id) == (State.SUBMITTED, task_id)


@pytest.mark.parametrize("number", range(4))
def test_whoever_dies_while_restoring_leaves_nothing_that_may_be_claimed(world: World, number: int) -> None:
    world.run()
    half = damage(world)
    writes = 0

    def die(verb: str, key: str) -> None:
        nonlocal writes
        if verb in ("create", "swap"):
            if writes == number:
                world.store.down = Killed()
                raise Killed
            writes += 1

    world.store.before = die
    if number < 3:
        with pytest.raises(Killed):
            restore(world)
        assert raw(world) == half
    world.store.before, world.store.down = lambda verb, key: None, None
    restore(world)
    assert aside(world) == [half]
    nothing_is_claimed(world)


def test_a_record_that_is_deleted_while_it_is_restored_is_restored_again(bucket: World) -> None:
    task_id = bucket.run()["task_id"]
    damage(bucket)
    restored = False

    def delete(verb: str, key: str) -> None:
        nonlocal restored
        if restored and (verb, key) == ("get", KEY):
            bucket.store.before = lambda verb, key: None
            bucket.delete_record()
        restored = restored or (verb, key) == ("swap", KEY)

    bucket.store.before = delete
    restore(bucket)
    assert bucket.record().task_ids == (task_id,)
    nothing_is_claimed(bucket)


def test_a_record_that_is_deleted_right_after_it_was_read_whole_is_restored(bucket: World) -> None:
    task_id = bucket.run()["task_id"]
    readings = 0

    def delete(verb: str, key: str) -> None:
        nonlocal readings
        readings += (verb, key) == ("get", KEY)
        if readings == 2:
            bucket.store.before = lambda verb, key: None
            bucket.delete_record()

    bucket.store.before = delete
    restore(bucket)
    assert readings == 2 and bucket.record().task_ids == (task_id,)
    nothing_is_claimed(bucket)


def test_whoever_loses_every_race_restores_nothing_and_says_so(world: World) -> None:
    world.run()
    damage(world)

    def overtake(verb: str, key: str) -> None:
        if (verb, key) == ("swap", KEY):
            put(world, b"damaged anew: " + uuid4().hex.encode())

    world.store.before = overtake
    with pytest.raises(ResolutionRefused, match="Other runs keep changing the record"):
        restore(world)
    data = raw(world)
    assert data is not None and data.startswith(b"damaged anew")


def test_a_version_that_a_newer_package_wrote_is_not_passed_over_for_an_older_one(bucket: World) -> None:
    bucket.run()
    whole = raw(bucket)
    assert whole is not None
    put(bucket, json.dumps({**json.loads(whole), "version": 99}).encode())
    put(bucket, half := whole[: len(whole) // 2])
    with pytest.raises(RecordTooNew, match="99"):
        restore(bucket)
    assert raw(bucket) == half and aside(bucket) == []


@pytest.mark.parametrize("listing", range(2))
def test_a_store_that_cannot_be_listed_is_no_reason_to_forget_a_task(world: World, listing: int) -> None:
    world.run()
    half = damage(world)
    world.store.plan["list"] = [*([None] * listing), outage]
    with pytest.raises(JournalUnavailable, match="connection refused"):
        restore(world)
    assert raw(world) == half and aside(world) == [] and world.store.plan["list"] == []


def test_an_answer_that_comes_to_a_restored_record_is_kept(world: World) -> None:
    def late() -> Accepted:
        damage(world)
        restore(World(world.store))
        return world.vendor.accept()

    world.vendor.script = [late]
    task_id = world.run()["task_id"]
    assert (world.record().state, world.record().task_id) == (State.SUBMITTED, task_id)


def test_a_task_that_prefect_remembers_is_stored_from_a_restored_record(bucket: World) -> None:
    known = bucket.run()
    damage(bucket)
    restore(bucket)
    assert adopt(bucket.journal, known).task_id == known["task_id"]
    bucket.journal.record_stored(INTENT, known["task_id"], FACTS)
    assert bucket.record().state is State.STORED


def test_what_was_lost_counts_as_a_submission(world: World) -> None:
    world.vendor.script = [Refused("20002", "bad", 200)]
    with pytest.raises(Exception, match="bad"):
        world.run()
    damage(world)
    restore(world)
    assert world.record().submissions == 1
    lost = world.record().attempts[-1].name
    resolve_unknown(world.journal, INTENT, "abandon", attempt=lost)
    with pytest.raises(Exception, match="abandoned by a person"):
        world.run("two", policy=TWICE)
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=lost)
    world.run("three")
    assert world.vendor.posts == 2
    with pytest.raises(SubmissionsUsedUp):
        world.journal.record_failed(INTENT, world.record().task_id, "transient", "")
        world.run("four")


def test_the_number_alone_does_not_name_an_attempt_of_a_restored_record(world: World) -> None:
    world.run()
    damage(world)
    restore(world)
    lost = world.record().attempts[-1]
    for name in ("1", "2", str(lost.number)):
        with pytest.raises(ResolutionRefused, match="is not in the record"):
            resolve_unknown(world.journal, INTENT, "not_billed", attempt=name)


@pytest.mark.parametrize("resolution", ["not_billed", "abandon"])
def test_a_command_of_before_that_names_no_attempt_settles_nothing_of_a_restored_record(
    world: World, resolution: Resolution
) -> None:
    for run in ("one", "two"):
        world.vendor.script = [Unknown("lost")]
        with pytest.raises(SubmissionUnknown) as stopped:
            world.run(run)
        if run == "one":
            resolve_unknown(world.journal, INTENT, "not_billed", attempt=stopped.value.attempt_name)
    put(world, b"{")  # nothing can be read of it
    restore(world)
    (lost,) = world.record().attempts
    assert lost.number == 1, "it looks like the first and only attempt"
    with pytest.raises(ResolutionRefused, match=f"To be settled: {lost.name}"):
        resolve_unknown(world.journal, INTENT, resolution)
    assert world.record().unsettled() == (lost,)
    resolve_unknown(world.journal, INTENT, resolution, attempt=lost.name)


def test_a_record_of_a_newer_version_is_not_restored_by_an_older_one(world: World) -> None:
    world.run()
    put(world, json.dumps({"version": 2, "intent": INTENT, "state": "sold"}).encode())
    with pytest.raises(RecordTooNew):
        restore(world)


def test_nothing_is_made_of_an_intent_that_nobody_knows(world: World) -> None:
    world.run()
    with pytest.raises(ResolutionRefused, match=r"Nothing is known of it.*journal --unknown --store "):
        resolve_unknown(world.journal, "0" * 32, "restore")
    assert len(list(world.journal.records())) == 1


def test_a_damaged_name_of_the_journal_is_no_record(tmp_path: Path) -> None:
    journal = Journal(FolderStore(tmp_path / "store"))
    identify_store(journal)
    (tmp_path / "store" / "journal" / "store.json").write_bytes(b"{")
    with pytest.raises(RecordDamaged, match=r"only names the journal.*Rename the file") as stopped:
        identify_store(journal)
    assert "--restore" not in str(stopped.value)
