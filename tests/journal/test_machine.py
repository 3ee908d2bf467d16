"""Two writers, a person, a vendor and a bad store, in any order: what must hold after each step."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prefect_seedance.client.errors import SeedanceError, TaskNotFound
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unclear
from prefect_seedance.journal import changes
from prefect_seedance.journal.careful import Patience
from prefect_seedance.journal.codec import decode
from prefect_seedance.journal.critical import Claim, Evidence, claim, send
from prefect_seedance.journal.decision import decide
from prefect_seedance.journal.errors import JournalError, JournalUnavailable, RecordChanged, ResolutionRefused
from prefect_seedance.journal.record import Record, Stored
from prefect_seedance.journal.resolve import Resolution, resolve_unclear
from prefect_seedance.journal.states import FIRST_STATES, HAVE_TASK, STATES, State
from tests.journal.harness import FAULTS, IDENTITY, INTENT, TWICE, Fault, FaultyStore, MemoryStore, World, sender

ANSWERS = ("accepted", "accepted", "unclear", "unclear, billed", "never", "limited", "busy", "refused")
KEY = f"journal/records/{INTENT}.json"


class History(MemoryStore):
    """Keeps every version of the record that ever stood in the store."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[Record] = []

    def create(self, key: str, data: bytes) -> str:
        etag = super().create(key, data)
        self._keep(key, data)
        return etag

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        new = super().swap(key, data, etag=etag)
        self._keep(key, data)
        return new

    def _keep(self, key: str, data: bytes) -> None:
        if key == KEY:
            self.versions.append(decode(data, key, INTENT))


@dataclass
class Writer:
    """Where a writer is in its critical section."""

    claim: Claim | None = None
    answer: Outcome | None = None


class TwoWriters(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.history = History()
        self.store = FaultyStore(self.history)
        self.world = World(self.store)
        self.vendor = self.world.vendor
        self.writers = {"one": Writer(), "two": Writer()}
        self.truly_billed: dict[str, bool] = {}  # by attempt's nonce
        self.seen = 0
        self.marked = False

    # The store and the clock.

    @initialize(marked=st.booleans())
    def a_newer_package_may_have_been_here(self, marked: bool) -> None:
        self.marked = marked

    @precondition(lambda self: sum(map(len, self.store.plan.values())) < 2)
    @rule(verb=st.sampled_from(("get", "create", "swap", "delete")), fault=st.sampled_from(FAULTS))
    def the_store_will_fail(self, verb: str, fault: Fault) -> None:
        self.store.plan.setdefault(verb, []).append(fault)

    @rule(seconds=st.sampled_from((1.0, 100.0, 1000.0)))
    def time_passes(self, seconds: float) -> None:
        self.store.later(seconds)

    # A writer.

    def _who(self, wanted: str) -> list[str]:
        """The writers who are idle, claimed or answered."""
        found: list[str] = []
        for name, writer in self.writers.items():
            where = "idle" if writer.claim is None else "claimed" if writer.answer is None else "answered"
            found += [name] if where == wanted else []
        return found

    def _may_claim(self) -> bool:
        blob = self.history.get(KEY)
        record = decode(blob.data, KEY, INTENT) if blob else None
        age = self.store.age(KEY)
        return bool(self._who("idle")) and decide(record, age_seconds=age, policy=TWICE).decision.sends

    @precondition(lambda self: self._may_claim())
    @rule(data=st.data())
    def claims(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._who("idle")))
        journal = self.world.journal
        entry = journal.read(INTENT)
        try:
            self.writers[name].claim = claim(
                journal,
                IDENTITY,
                entry,
                sender=sender(name),
                evidence=Evidence(),
                policy=TWICE,
                start_stopwatch=self.world.stopwatch,
            )
        except (RecordChanged, JournalUnavailable):
            return
        self._mark()

    @precondition(lambda self: self._who("claimed"))
    @rule(
        data=st.data(),
        answer=st.sampled_from(ANSWERS),
    )
    def sends(self, data: st.DataObject, answer: str) -> None:
        name = data.draw(st.sampled_from(self._who("claimed")))
        writer = self.writers[name]
        assert writer.claim is not None
        nonce = writer.claim.nonce

        try:
            writer.answer = send(
                self.world.journal,
                writer.claim,
                lambda seconds: self._answer(answer, nonce),
                policy=TWICE,
                may_still_send=lambda: None,
                start_stopwatch=self.world.stopwatch,
            )
        except (RecordChanged, JournalUnavailable):
            self.writers[name] = Writer()

    def _answer(self, answer: str, nonce: str) -> Outcome:
        """Answer a POST, and remember what it really cost."""
        billed = answer in ("accepted", "unclear, billed")
        assert nonce not in self.truly_billed  # one POST per attempt
        self.truly_billed[nonce] = billed
        accepted = self.vendor.accept() if billed else None
        if answer == "accepted" and accepted:
            return accepted
        others: dict[str, Outcome] = {
            "never": NeverSent("refused"),
            "limited": TooManyRequests(None),
            "busy": Busy("busy"),
            "refused": Refused("20002", "bad", 200),
        }
        return others.get(answer, Unclear("lost", "\udcff<html>", 502))

    @precondition(lambda self: self._may_claim())
    @rule(answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=3))
    def a_whole_run(self, answers: list[str]) -> None:
        self._calmly()
        posts = iter((*answers, "refused", *["never"] * 20))
        self.vendor.script = [lambda: self._answer(next(posts), self.record().attempts[-1].nonce)] * 30
        try:
            self.world.run("three", policy=TWICE)
        except SeedanceError:
            return

    @precondition(lambda self: self._who("answered"))
    @rule(data=st.data(), final=st.booleans())
    def writes_down(self, data: st.DataObject, final: bool) -> None:
        name = data.draw(st.sampled_from(self._who("answered")))
        writer = self.writers[name]
        assert writer.claim is not None and writer.answer is not None
        journal, nonce, answer = self.world.journal, writer.claim.nonce, writer.answer
        self.writers[name] = Writer()
        if isinstance(answer, Accepted):
            journal.record_accepted(INTENT, nonce, answer, key="k.mp4", patience=Patience(300.0, stubborn=True))
            assert answer.task_id in self.record().task_ids
            return
        journal.update(
            INTENT,
            lambda record: changes.answered(record, nonce, answer, self.world.journal.now(), final=final),
            step="outcome",
            patience=Patience(300.0, stubborn=True),
        )

    @precondition(lambda self: len(self._who("idle")) < 2)
    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._who("claimed") + self._who("answered")))
        self.writers[name] = Writer()

    # What comes after.

    def _has_task(self) -> bool:
        return bool(self.history.versions) and self.record().state in (State.SUBMITTED, State.COMPLETED)

    @precondition(lambda self: self._has_task())
    @rule(failure=st.sampled_from(("transient", "transient", "moderation")))
    def the_vendor_gives_up(self, failure: str) -> None:
        task_id = self.record().task_id
        self._calmly()
        self.world.journal.record_failed(INTENT, task_id, failure, "PROVIDER_TIMEOUT")

    @precondition(lambda self: self._has_task())
    @rule(relay=st.booleans())
    def the_video_is_stored(self, relay: bool) -> None:
        record = self.record()
        self._calmly()
        journal = self.world.journal
        journal.record_completed(INTENT, VideoTask(task_id=record.task_id, status="completed", cost=1.0))
        if relay:
            journal.record_stored(INTENT, record.task_id, Stored(uri="u", key="k", bytes=1, sha256="s", crc32="c"))

    @precondition(lambda self: self.history.versions and self.history.versions[-1].state is State.STORED)
    @rule()
    def the_video_is_gone(self) -> None:
        self._calmly()
        self.world.journal.relay_again(INTENT)

    # A person, who tells the truth.

    @precondition(lambda self: self.history.versions and self.record().unsettled())
    @rule(data=st.data(), resolution=st.sampled_from(("not_billed", "abandon", "attach")), number=st.integers(1, 3))
    def a_person_settles(self, data: st.DataObject, resolution: Resolution, number: int) -> None:
        self._calmly()
        if resolution == "not_billed":
            unsettled = self.record().unsettled()
            truth = [attempt.number for attempt in unsettled if not self.truly_billed.get(attempt.nonce, False)]
            if not truth:
                return
            number = data.draw(st.sampled_from(truth))
        task_id = f"videos_{number:032x}"

        def fetch(wanted: str) -> VideoTask:
            if wanted not in self.vendor.billed:
                raise TaskNotFound(wanted)
            return VideoTask(task_id=wanted, status="processing")

        try:
            resolve_unclear(
                self.world.journal,
                INTENT,
                resolution,
                task_id=task_id,
                attempt=0 if resolution == "attach" else number,
                fetch=fetch,
            )
        except ResolutionRefused:
            return

    @precondition(lambda self: self.history.versions and self.vendor.billed)
    @rule(data=st.data())
    def prefect_remembers_a_task(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(self.vendor.billed))
        self._calmly()
        try:
            self.world.run("one", policy=TWICE, known_task_id=task_id) if self._would_adopt(task_id) else None
        except JournalError:
            return

    def _would_adopt(self, task_id: str) -> bool:
        entry = self.world.journal.read(INTENT)
        assert entry is not None
        return decide(entry.record, age_seconds=entry.age_seconds, policy=TWICE, known_task_id=task_id).adopt

    # What holds.

    @invariant()
    def every_step_is_in_the_table_and_rises(self) -> None:
        versions = self.history.versions
        for index in range(self.seen, len(versions)):
            after = versions[index]
            before = versions[index - 1] if index else None
            if before is None:
                assert after.state in FIRST_STATES and after.rev == 1
                continue
            assert after.state in STATES[before.state].leads_to | {before.state}
            assert after.rev == before.rev + 1 and after.nonce != before.nonce
            assert set(before.task_ids) <= set(after.task_ids), "a task id has disappeared"
            assert len(set(after.task_ids)) == len(after.task_ids), "a task id stands twice"
            assert after.created_at == before.created_at and after.request == before.request
            numbers = [attempt.number for attempt in after.attempts]
            assert numbers == sorted(set(numbers))
            if before.model_extra:
                assert after.model_extra == before.model_extra, "a field of a newer package was dropped"
        self.seen = len(versions)

    @invariant()
    def the_vendor_billed_no_more_than_was_allowed(self) -> None:
        assert sum(self.truly_billed.values()) <= TWICE.max_submissions

    @invariant()
    def an_open_record_has_its_marker(self) -> None:
        if self.history.versions and self.history.versions[-1].is_open:
            assert f"{INTENT}.{self.history.versions[-1].opening}" in self.world.markers()

    @invariant()
    def a_state_with_a_task_points_to_one(self) -> None:
        if self.history.versions and self.history.versions[-1].state in HAVE_TASK:
            assert self.history.versions[-1].task_id

    def record(self) -> Record:
        return self.history.versions[-1]

    def _calmly(self) -> None:
        self.store.plan.clear()

    def _mark(self) -> None:
        """Write the record as a newer package of the same version would: with a field that we do not know."""
        record = self.record()
        if self.marked and not record.model_extra:
            values = json.loads(self.history.objects[KEY]) | {"a_newer_field": {"kept": True}}
            values |= {"rev": record.rev + 1, "nonce": f"newer-{record.rev}"}
            self.history.objects[KEY] = json.dumps(values).encode()
            self.history._keep(KEY, self.history.objects[KEY])


TestTwoWriters = TwoWriters.TestCase
TestTwoWriters.settings = settings(stateful_step_count=40)
