"""A record as bytes: what survives, what is refused, and what it counts."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.journal import changes
from prefect_seedance.journal.codec import decode, encode, nonce_of
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import RecordDamaged, RecordTooNew
from prefect_seedance.journal.record import FREE_ATTEMPTS_KEPT, FREE_OUTCOMES, Attempt, Delivery, Holder, Record, Run
from prefect_seedance.journal.states import State
from tests.journal.harness import IDENTITY, INTENT, NOON, World

KEY = f"journal/records/{INTENT}.json"


def record(**fields: object) -> Record:
    return changes.new_record(IDENTITY, NOON).model_copy(update={"state": State.SENDING, **fields})


def attempt(number: int, **fields: object) -> Attempt:
    return Attempt(number=number, nonce=f"n{number}", started_at=NOON, **fields)  # type: ignore[arg-type]


def test_a_record_reads_back_as_it_was() -> None:
    before = record(attempts=(attempt(1, outcome="accepted", task_id="videos_1", cost=0.1),), current=1)
    data = encode(before)
    assert decode(data, "here", INTENT) == before
    assert json.loads(data)["submissions"] == 1
    assert data.endswith(b"\n") and "纸".encode() in encode(record(take="纸"))


def test_fields_of_a_newer_package_survive_everywhere() -> None:
    world = World.in_memory()
    submitted = world.run()
    values = json.loads(world.store.inner.get(KEY).data)  # type: ignore[union-attr]
    values["novel"] = [1, {"a": None}]
    values["attempts"][0]["novel"] = 2
    values["attempts"][0]["run"]["novel"] = 3
    world.store.inner.objects[KEY] = json.dumps(values).encode()  # type: ignore[union-attr]
    world.journal.record_failed(INTENT, submitted["task_id"], "transient", "PROVIDER_TIMEOUT")
    after = json.loads(world.store.inner.get(KEY).data)  # type: ignore[union-attr]
    assert after["state"] == "failed" and after["novel"] == [1, {"a": None}]
    assert (after["attempts"][0]["novel"], after["attempts"][0]["run"]["novel"]) == (2, 3)


def newer(world: World, **fields: object) -> None:
    values = json.loads(world.store.inner.get(KEY).data)  # type: ignore[union-attr]
    world.store.inner.objects[KEY] = json.dumps(values | {"version": 2} | fields).encode()  # type: ignore[union-attr]


def test_a_newer_record_may_be_read_and_not_written() -> None:
    world = World.in_memory()
    submitted = world.run()
    newer(world)
    assert world.run("two")["task_id"] == submitted["task_id"]
    before = world.store.inner.get(KEY)
    with pytest.raises(RecordTooNew, match="Upgrade"):
        world.journal.record_failed(INTENT, submitted["task_id"], "media", "")
    assert world.store.inner.get(KEY) == before


def test_a_newer_record_is_never_claimed() -> None:
    world = World.in_memory()
    task_id = world.run()["task_id"]
    world.journal.record_failed(INTENT, task_id, "media", "")
    newer(world, state="ready", attempts=[])
    with pytest.raises(RecordTooNew):
        world.run()
    newer(world, state="a state of tomorrow")
    with pytest.raises(RecordTooNew):
        world.run()
    assert world.vendor.posts == 1
    assert list(world.journal.records()) == []


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x00", b"{", b"[]", b"null", b"{}", b'{"version": 1, "state": "nonsense"}', b"[" * 10_000]
)
def test_what_cannot_be_read_is_damaged_not_absent(data: bytes) -> None:
    with pytest.raises(RecordDamaged):
        decode(data, "here", INTENT)


def test_the_record_of_another_intent_is_damaged() -> None:
    with pytest.raises(RecordDamaged, match="is the record of intent"):
        decode(encode(record()), "here", "f" * 32)


@given(text=st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_whatever_the_vendor_says_can_be_written(text: str) -> None:
    kept = changes.plain(text)
    assert len(kept.encode()) <= changes.EXCERPT_BYTES
    before = record(attempts=(attempt(1, message=kept, excerpt=kept),))
    assert decode(encode(before), "here", INTENT) == before


@given(text=st.text(st.characters()) | st.text(st.characters(categories=["Cs", "Cc", "Co"])))
def test_no_text_keeps_a_record_from_being_written(text: str) -> None:
    """A run's name, a scope, a header of the vendor: what reaches a record by another way than `plain`."""
    run = Run(id=text, name=text, url=text)
    odd = record(model=text, take=text, request={"prompt": text, text: [text]}, attempts=(attempt(1, run=run),))
    assert decode(encode(odd), "here", INTENT).intent == INTENT


def test_what_would_not_read_back_is_not_written() -> None:
    with pytest.raises(ValueError):
        encode(record(rev="many"))
    with pytest.raises(ValueError):
        encode(record(attempts=(attempt(1, cost=0.0).model_copy(update={"cost": float("nan")}),)))


def test_nonces_are_read_from_anything() -> None:
    assert nonce_of(encode(record(nonce="abc"))) == "abc"
    assert [nonce_of(data) for data in (b"", b"[]", b"\xff", b"{}")] == [""] * 4


def test_the_api_key_is_no_part_of_a_record() -> None:
    assert not {"api_key", "secret"} & (set(Record.model_fields) | set(Attempt.model_fields))
    assert set(Attempt.model_fields) >= {"credentials", "host"}  # a fingerprint and a name


def test_only_what_is_known_to_be_free_does_not_count() -> None:
    for outcome in ("", "accepted", "unknown", "a word of tomorrow"):
        assert attempt(1, outcome=outcome).counts
    assert not any(attempt(1, outcome=outcome).counts for outcome in FREE_OUTCOMES)


def test_a_claim_lapses_by_the_age_in_the_store() -> None:
    held = record(holder=Holder(nonce="n", lease_seconds=210.0))
    assert [held.reads_as(age) for age in (0.0, 209.9, 210.0)] == [State.SENDING, State.SENDING, State.UNKNOWN]
    assert record(holder=None).reads_as(0.0) is State.UNKNOWN
    assert held.model_copy(update={"state": State.READY}).reads_as(999.0) is State.READY


def test_free_attempts_do_not_pile_up_and_others_are_never_dropped() -> None:
    current = record(attempts=(attempt(1, outcome="unknown"), attempt(2, outcome="accepted", task_id="videos_1")))
    holder = Holder(nonce="n", lease_seconds=1.0)
    for number in range(3, 103):
        claim = Attempt(number=0, nonce=f"n{number}", started_at=NOON)
        current = changes.claimed(current, claim, holder, Delivery())
        current = current.model_copy(
            update={"attempts": (*current.attempts[:-1], current.attempts[-1].model_copy(update={"outcome": "busy"}))}
        )
    numbers = [each.number for each in current.attempts]
    assert numbers[:2] == [1, 2] and numbers[-1] == 102
    assert len(numbers) <= 2 + FREE_ATTEMPTS_KEPT + 1


def test_a_record_tells_which_version_wrote_it() -> None:
    world = World.in_memory()
    world.run()
    assert world.record().package_version == version("prefect-seedance")


def test_patience_ends() -> None:
    assert sum(Patience(30.0).pauses()) == pytest.approx(30.0)
    assert list(Patience(0.0).pauses()) == []
