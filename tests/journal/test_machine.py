"""Two writers, a person, a vendor, Prefect's results and a bad store, in any order: what must hold after each step.

In half of the histories somebody deletes the record now and then. The journal is what keeps a video from being paid for
twice, so each of its lives may cost as much as one; what is known from a result is not lost even then.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prefect_seedance.client.errors import SeedanceError, TaskNotFound
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.journal import changes
from prefect_seedance.journal.codec import decode
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import (
    JournalGone,
    JournalUnavailable,
    RecordChanged,
    ResolutionRefused,
    TaskNotRecorded,
)
from prefect_seedance.journal.record import Attempt, Record, Run, Stored
from prefect_seedance.journal.resolution import Resolution, resolve_unknown
from prefect_seedance.journal.states import FIRST_STATES, HAVE_TASK, STATES, State
from prefect_seedance.journal.submit.adoption import adopt
from prefect_seedance.journal.submit.critical_section import Claim, Evidence, claim, send
from prefect_seedance.journal.submit.decision import Decision, decide
from prefect_seedance.journal.submit.pointer import SubmittedVideo, point_to
from tests.journal.harness import (
    DELIVERY,
    FAULTS,
    IDENTITY,
    INTENT,
    NOON,
    TWICE,
    Fault,
    FaultyStore,
    MemoryStore,
    Vendor,
    World,
    sender,
)

ANSWERS = ("accepted", "accepted", "unknown", "unknown, billed", "never", "limited", "busy", "refused")
KEY = f"journal/records/{INTENT}.json"


class History(MemoryStore):
    """Keeps every version of the record that ever stood in the store; None where it was deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[Record | None] = []

    def create(self, key: str, data: bytes) -> str:
        etag = super().create(key, data)
        self._keep(key, data)
        return etag

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        new = super().swap(key, data, etag=etag)
        self._keep(key, data)
        return new

    def delete(self, key: str) -> None:
        super().delete(key)
        if key == KEY:
            self.versions.append(None)

    def _keep(self, key: str, data: bytes) -> None:
        if key == KEY:
            self.versions.append(decode(data, key, INTENT))

    @property
    def record(self) -> Record | None:
        """What stands in the store."""
        return self.versions[-1] if self.versions else None

    @property
    def life(self) -> int:
        """How often the record was deleted so far."""
        return self.versions.count(None)


@dataclass
class Writer:
    """Where a writer is in its critical section, and its process, which remembers what it wrote and read."""

    process: World
    claim: Claim | None = None
    answer: Outcome | None = None


class TwoWriters(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.history = History()
        self.store = FaultyStore(self.history)
        self.vendor = Vendor()
        self.writers = {name: Writer(self.process()) for name in ("one", "two")}
        self.posts: Counter[str] = Counter()  # by attempt's nonce
        self.truly_billed: dict[str, bool] = {}  # by attempt's nonce
        self.lives: dict[str, int] = {}  # by attempt's nonce: when it was claimed
        self.told: dict[str, SubmittedVideo] = {}  # by task id: what the process that was answered would hand on
        self.seen = 0
        self.marked = self.deletable = False

    def process(self) -> World:
        """A process that remembers nothing."""
        return World(self.store, self.vendor)

    # The store and the clock.

    @initialize(marked=st.booleans(), deletable=st.booleans())
    def a_newer_package_may_have_been_here_and_somebody_may_clean_up(self, marked: bool, deletable: bool) -> None:
        self.marked, self.deletable = marked, deletable

    @precondition(lambda self: sum(map(len, self.store.plan.values())) < 2)
    @rule(verb=st.sampled_from(("get", "create", "swap", "delete")), fault=st.sampled_from(FAULTS))
    def the_store_will_fail(self, verb: str, fault: Fault) -> None:
        self.store.plan.setdefault(verb, []).append(fault)

    @rule(seconds=st.sampled_from((1.0, 100.0, 1000.0)))
    def time_passes(self, seconds: float) -> None:
        self.store.later(seconds)

    @precondition(lambda self: self.deletable and self.history.record and self.history.life < 2)
    @rule()
    def the_record_is_deleted(self) -> None:
        self.history.delete(KEY)

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
        process = self.writers[name].process
        entry = process.journal.read(INTENT)
        try:
            claimed = claim(
                process.journal,
                IDENTITY,
                entry,
                sender=sender(name),
                evidence=Evidence(),
                policy=TWICE,
                start_stopwatch=process.stopwatch,
                delivery=DELIVERY,
            )
        except (RecordChanged, JournalUnavailable):
            return
        self.writers[name].claim = claimed
        self.lives[claimed.nonce] = self.history.life
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
        nonce, claimed = writer.claim.nonce, writer.claim.entry.record
        try:
            writer.answer = send(
                writer.process.journal,
                writer.claim,
                lambda seconds, may_send: self._answer(answer, claimed, nonce),
                policy=TWICE,
                may_still_send=lambda: None,
                start_stopwatch=writer.process.stopwatch,
            )
        except (RecordChanged, JournalUnavailable, JournalGone):
            self._leaves(name)

    def _leaves(self, name: str) -> None:
        """The writer is done; its process goes on."""
        self.writers[name] = Writer(self.writers[name].process)

    def _answer(self, answer: str, claimed: Record, nonce: str) -> Outcome:
        """Answer a POST, and remember what it really cost, and what its process was told."""
        billed = answer in ("accepted", "unknown, billed")
        self.posts[nonce] += 1
        self.truly_billed[nonce] = billed
        accepted = self.vendor.accept() if billed else None
        if answer == "accepted" and accepted:
            record = changes.accepted(claimed, nonce, accepted, NOON)
            (mine,) = (each for each in record.attempts if each.nonce == nonce)
            self.told[accepted.task_id] = point_to(record, mine, Decision.SUBMIT, asked_by=Run(), recorded=False)
            return accepted
        others: dict[str, Outcome] = {
            "never": NeverSent("refused"),
            "limited": TooManyRequests(None),
            "busy": Busy("busy"),
            "refused": Refused("20002", "bad", 200),
        }
        return others.get(answer, Unknown("lost", "\udcff<html>", 502))

    @precondition(lambda self: self._may_claim())
    @rule(answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=3))
    def a_whole_run(self, answers: list[str]) -> None:
        self._calmly()
        posts = iter((*answers, "refused", *["never"] * 20))
        process = self.process()

        def before_claim(nonce: str) -> Evidence:
            self.lives[nonce] = self.history.life
            return Evidence()

        process.before_claim = before_claim
        self.vendor.script = [lambda: self._answer(next(posts), self.record(), process.asked[-1])] * 30
        try:
            submitted = process.run("three", policy=TWICE)
        except SeedanceError:
            return
        assert submitted["task_id"] in self.record().task_ids

    @precondition(lambda self: self._who("answered"))
    @rule(data=st.data(), final=st.booleans())
    def writes_down(self, data: st.DataObject, final: bool) -> None:
        name = data.draw(st.sampled_from(self._who("answered")))
        writer = self.writers[name]
        assert writer.claim is not None and writer.answer is not None
        journal, nonce, answer, patience = (
            writer.process.journal,
            writer.claim.nonce,
            writer.answer,
            Patience(300.0, stubborn=True),
        )
        self._leaves(name)
        try:
            if isinstance(answer, Accepted):
                journal.record_accepted(INTENT, nonce, answer, patience=patience)
                assert answer.task_id in self.record().task_ids
            else:
                journal.update(
                    INTENT,
                    lambda record: changes.answered(record, nonce, answer, NOON, final=final),
                    step="outcome",
                    patience=patience,
                )
        except (TaskNotRecorded, JournalGone):
            assert self.history.record is None

    @precondition(lambda self: len(self._who("idle")) < 2)
    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._who("claimed") + self._who("answered")))
        self.writers[name] = Writer(self.process())

    # What comes after.

    def _state(self) -> State | None:
        return self.history.record.state if self.history.record else None

    def _follower(self, data: st.DataObject) -> World:
        """One of the writers' processes, with what it remembers, or another one."""
        return data.draw(st.sampled_from((*(writer.process for writer in self.writers.values()), self.process())))

    @precondition(lambda self: self._state() in (State.SUBMITTED, State.COMPLETED))
    @rule(data=st.data(), failure=st.sampled_from(("transient", "transient", "moderation")))
    def the_vendor_gives_up(self, data: st.DataObject, failure: str) -> None:
        task_id = self.record().task_id
        self._calmly()
        self._follower(data).journal.record_failed(INTENT, task_id, failure, "PROVIDER_TIMEOUT")
        assert self._attempt(task_id).failure

    @precondition(lambda self: self._state() in (State.SUBMITTED, State.COMPLETED))
    @rule(data=st.data(), relay=st.booleans())
    def the_video_is_stored(self, data: st.DataObject, relay: bool) -> None:
        task_id = self.record().task_id
        self._calmly()
        journal = self._follower(data).journal
        journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed", cost=1.0))
        assert self._state() is State.COMPLETED
        if relay:
            journal.record_stored(INTENT, task_id, Stored(uri="u", key="k", bytes=1, sha256="s", crc32="c"))
            assert self._state() is State.STORED

    @precondition(lambda self: self._state() is State.STORED)
    @rule(data=st.data())
    def the_video_is_gone(self, data: st.DataObject) -> None:
        self._calmly()
        self._follower(data).journal.relay_again(INTENT)
        assert self._state() is State.COMPLETED

    # A person, who tells the truth.

    @precondition(lambda self: self.history.record and self.record().unsettled())
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
        record = self.record()
        named = record.attempt_named(str(number)) if resolution == "not_billed" else record.unsettled()[-1]
        assert named is not None

        def fetch(wanted: str) -> VideoTask:
            if wanted not in self.vendor.billed:
                raise TaskNotFound(wanted)
            return VideoTask(task_id=wanted, status="processing")

        try:
            resolve_unknown(
                self.process().journal,
                INTENT,
                resolution,
                task_id=task_id,
                attempt=named.name,
                fetch=fetch,
            )
        except ResolutionRefused:
            return

    # Prefect, which has the result of each process that was told a task id.

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def prefect_remembers_a_task(self, data: st.DataObject) -> None:
        known = self.told[data.draw(st.sampled_from(sorted(self.told)))]
        self._calmly()
        # (A process that has just seen the task in the record does not look again whether somebody has deleted that.)
        process = self.process() if self.deletable else self._follower(data)
        remembered, before = process.journal.recent(INTENT), self.history.record
        followed = adopt(process.journal, known)
        record = self.record()
        assert known["task_id"] in record.task_ids
        assert followed.task_id in record.task_ids
        mine = before.attempt_by(known["nonce"]) if before else None
        if mine and not mine.task_id and known["task_id"] not in (before.task_ids if before else ()):
            assert self._attempt(known["task_id"]).number == mine.number
        if remembered is None:
            assert followed.record == record
            assert followed.task_id == (record.task_id if record.state in HAVE_TASK else known["task_id"])

    def teardown(self) -> None:
        """In the end, everything that a process was told is in the record, if its result is gone on with."""
        self._calmly()
        for known in self.told.values():
            assert adopt(self.process().journal, known).task_id
        assert not self.told or set(self.told) <= set(self.record().task_ids)

    # What holds.

    @invariant()
    def every_step_is_in_the_table_and_rises(self) -> None:
        versions = self.history.versions
        for index in range(self.seen, len(versions)):
            after, before = versions[index], versions[index - 1] if index else None
            if after is None:
                continue
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
        billed = Counter(self.lives[nonce] for nonce, truly in self.truly_billed.items() if truly)
        assert all(times <= TWICE.max_submissions for times in billed.values())

    @invariant()
    def a_claim_sends_once(self) -> None:
        assert all(times == 1 for times in self.posts.values())

    @invariant()
    def an_open_record_has_its_marker(self) -> None:
        if self.history.record and self.history.record.is_open:
            assert self.store.inner.get(f"journal/open/{INTENT}.{self.history.record.opening}")

    @invariant()
    def a_state_with_a_task_points_to_one_and_names_its_object(self) -> None:
        if self._state() in HAVE_TASK:
            assert self.record().task_id and self.record().key

    def record(self) -> Record:
        """The record, which is there."""
        assert self.history.record is not None
        return self.history.record

    def _attempt(self, task_id: str) -> Attempt:
        return next(attempt for attempt in self.record().attempts if attempt.task_id == task_id)

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
