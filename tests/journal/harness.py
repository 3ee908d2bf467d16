"""What the journal's tests share: a store that fails on purpose, a vendor that is a script, time that is told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from prefect_seedance.client.outcome import Accepted, NeverSent, Outcome
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.budget.reservation import UNLIMITED
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.identity import ALWAYS, Identity, identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Delivery, Record, Run
from prefect_seedance.journal.submit.attempt import BeforeClaim, Reserve
from prefect_seedance.journal.submit.callbacks import Callbacks, SubmissionEvent
from prefect_seedance.journal.submit.critical_section import Evidence, Sender
from prefect_seedance.journal.submit.decision import SubmissionPolicy
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.journal.submit.storm import UnknownStorm
from prefect_seedance.journal.submit.submission import resume_or_submit
from prefect_seedance.stopwatch import Stopwatch
from prefect_seedance.storage.errors import AlreadyExists, Conflict, Missing, StoreUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.key_locks import KeyLocks
from prefect_seedance.storage.protocol import Blob, Store

T = TypeVar("T")

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REQUEST = VideoRequest(prompt="A paper boat crosses a puddle")
IDENTITY = identify(REQUEST, scope=ALWAYS, account="default")
INTENT = IDENTITY.intent
POLICY = SubmissionPolicy()
TWICE = SubmissionPolicy(max_submissions=2)
DELIVERY = Delivery(key_template="videos/{created:%Y-%m-%d}/{task_id}.mp4", name="boat", notify=("team",))


def sender(name: str = "nightly") -> Sender:
    return Sender(Run(id=f"id-{name}", name=name, url=f"https://prefect.example.com/runs/{name}"), "f00d", "api.test")


class MemoryStore:
    """The five primitives in memory, for the tests that need thousands of writes."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def create(self, key: str, data: bytes) -> str:
        with self._lock:
            if key in self.objects:
                raise AlreadyExists(key)
            self.objects[key] = data
            return _etag(data)

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        with self._lock:
            if key not in self.objects:
                raise Missing(key)
            if _etag(self.objects[key]) != etag:
                raise Conflict(key)
            self.objects[key] = data
            return _etag(data)

    def get(self, key: str) -> Blob | None:
        with self._lock:
            data = self.objects.get(key)
            return None if data is None else Blob(data, _etag(data), 0.0)

    def list_keys(self, prefix: str) -> Iterator[str]:
        with self._lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix))
        yield from keys

    def earlier_versions(self, key: str) -> Iterator[bytes]:
        yield from ()

    def delete(self, key: str) -> None:
        with self._lock:
            self.objects.pop(key, None)

    def uri_of(self, key: str) -> str:
        return f"memory://store/{key}"


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


Fault = Callable[["FaultyStore", str, str, Callable[[], object]], object]


def lost_answer(store: FaultyStore, verb: str, key: str, do: Callable[[], object]) -> object:
    """It is done, and nobody hears of it."""
    do()
    raise StoreUnavailable(key, "the answer was lost")


def outage(store: FaultyStore, verb: str, key: str, do: Callable[[], object]) -> object:
    """It is not done."""
    raise StoreUnavailable(key, "connection refused")


def own_conflict(store: FaultyStore, verb: str, key: str, do: Callable[[], object]) -> object:
    """It is done, repeated below us, and the repetition is what is answered (boto3's own retries)."""
    do()
    if verb in ("create", "swap"):
        raise AlreadyExists(key) if verb == "create" else Conflict(key)
    raise StoreUnavailable(key, "the answer was lost")


def spurious_conflict(store: FaultyStore, verb: str, key: str, do: Callable[[], object]) -> object:
    """It is not done, although nobody else wrote (S3's 409)."""
    if verb in ("create", "swap"):
        raise AlreadyExists(key) if verb == "create" else Conflict(key)
    raise StoreUnavailable(key, "connection refused")


FAULTS: tuple[Fault, ...] = (lost_answer, outage, own_conflict, spurious_conflict)


class Killed(BaseException):
    """Stands for SIGKILL: nothing that is done afterwards reaches the store."""


class FaultyStore:
    """A store in front of another: fails as planned, and lets time pass by its own clock.

    Attributes:
        plan: What happens to the next calls of a verb; None for nothing.
        down: Raised by every call while set.
        passed: Seconds that have passed by its clock.
        before: Called before each call, with the verb and the key.
    """

    def __init__(self, inner: Store | MemoryStore) -> None:
        self.inner = inner
        self.plan: dict[str, list[Fault | None]] = {}
        self.down: BaseException | None = None
        self.before: Callable[[str, str], None] = lambda verb, key: None
        self.calls: list[tuple[str, str]] = []
        self.passed = 0.0
        self._written: dict[str, float] = {}

    def later(self, seconds: float) -> None:
        """Let time pass by the store's clock."""
        self.passed += seconds

    def create(self, key: str, data: bytes) -> str:
        return self._call("create", key, lambda: self._wrote(key, self.inner.create(key, data)))

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        return self._call("swap", key, lambda: self._wrote(key, self.inner.swap(key, data, etag=etag)))

    def get(self, key: str) -> Blob | None:
        blob = self._call("get", key, lambda: self.inner.get(key))
        if blob is None:
            return None
        read_at = NOON.timestamp() if blob.read_at is None else blob.read_at
        return Blob(blob.data, blob.etag, blob.age_seconds + self.age(key), read_at + self.passed)

    def age(self, key: str) -> float:
        """Seconds that were let pass since a key was written."""
        return self.passed - self._written.get(key, 0.0)

    def list_keys(self, prefix: str) -> Iterator[str]:
        return iter(self._call("list", prefix, lambda: list(self.inner.list_keys(prefix))))

    def earlier_versions(self, key: str) -> Iterator[bytes]:
        return iter(self._call("versions", key, lambda: list(self.inner.earlier_versions(key))))

    def delete(self, key: str) -> None:
        self._call("delete", key, lambda: self.inner.delete(key))

    def uri_of(self, key: str) -> str:
        return self.inner.uri_of(key)

    def _wrote(self, key: str, etag: str) -> str:
        self._written[key] = self.passed
        return etag

    def _call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        self.before(verb, key)
        if self.down is not None:
            raise self.down
        self.calls.append((verb, key))
        planned = self.plan.get(verb)
        fault = planned.pop(0) if planned else None
        return do() if fault is None else fault(self, verb, key, do)  # type: ignore[return-value]


@dataclass
class Vendor:
    """Answers POSTs by a script, and counts what it would bill.

    Attributes:
        script: Outcomes, in order; a callable is asked for one; afterwards every POST is accepted.
        posts: How many POSTs came.
        billed: The task ids that were made, also those that nobody was told of.
    """

    script: list[Outcome | Callable[[], Outcome]] = field(default_factory=list)
    posts: int = 0
    billed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def accept(self) -> Accepted:
        task_id = f"videos_{len(self.billed) + 1:032x}"
        self.billed.append(task_id)
        return Accepted(task_id, "queued", "seedance2.0-std", 1_795_348_800, 0.25)

    def post(self, seconds: float, may_send: Callable[[], bool] = lambda: True) -> Outcome:
        if not may_send():
            return NeverSent("the right to send had run out")
        self.posts += 1
        self.seconds.append(seconds)
        if not self.script:
            return self.accept()
        answer = self.script.pop(0)
        return answer() if callable(answer) else answer


def nothing_known(nonce: str) -> Evidence:
    """A hook that forbids nothing and knows nothing."""
    return Evidence()


@dataclass
class World:
    """A store, a vendor and a clock, and one process that makes calls of them. A second world is another process.

    Attributes:
        asked: The nonces that the hook before a claim was called with, in order.
    """

    store: FaultyStore
    vendor: Vendor = field(default_factory=Vendor)
    slept: list[float] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    events: list[SubmissionEvent] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    storm: UnknownStorm = field(default_factory=UnknownStorm)
    at: Callable[[str], None] = lambda point: None
    cancelled: Callable[[], bool] = lambda: False
    balance: Callable[[], float | None] = lambda: None
    before_claim: BeforeClaim = nothing_known
    reserve: Reserve = lambda nonce, lease_seconds, start_stopwatch: UNLIMITED

    @classmethod
    def in_folder(cls, folder: Path) -> World:
        return cls(FaultyStore(FolderStore(folder)))

    @classmethod
    def in_memory(cls) -> World:
        return cls(FaultyStore(MemoryStore()))

    @cached_property
    def journal(self) -> Journal:
        """The journal as this process has it, with what it remembers."""
        return Journal(
            self.store,  # type: ignore[arg-type]  # the journal needs the five primitives only
            sleep=lambda seconds: self.sleep(seconds),
            now=lambda: NOON,
            at=self._at,
            patience=Patience(5.0),
            locks=KeyLocks(),
            start_stopwatch=self.stopwatch,
        )

    def sleep(self, seconds: float) -> None:
        """Sleeping makes time pass, and nothing else."""
        self.slept.append(seconds)
        self.store.later(seconds)

    def freeze(self, seconds: float) -> None:
        """The process stands still (SIGSTOP), the world does not."""
        self.store.later(seconds)

    def _at(self, point: str) -> None:
        self.points.append(point)
        self.at(point)

    def _ask(self, nonce: str) -> Evidence:
        self.asked.append(nonce)
        return self.before_claim(nonce)

    def stopwatch(self) -> Stopwatch:
        begun = self.store.passed
        return lambda: self.store.passed - begun

    def run(
        self,
        name: str = "nightly",
        *,
        identity: Identity = IDENTITY,
        policy: SubmissionPolicy = POLICY,
        delivery: Delivery | None = DELIVERY,
        watch_seconds: float = 0.0,
    ) -> SubmittedVideo:
        """One run asks for the video."""
        callbacks = Callbacks(
            log=lambda level, message: self.logs.append(message),
            emit=self.events.append,
            balance=lambda: self.balance(),
            cancelled=lambda: self.cancelled(),
            sleep=self.sleep,
            random=lambda: 1.0,
            start_stopwatch=self.stopwatch,
        )
        return resume_or_submit(
            self.journal,
            identity,
            self.vendor.post,
            sender=sender(name),
            policy=policy,
            before_claim=self._ask,
            reserve=lambda *given: self.reserve(*given),
            delivery=delivery,
            watch_seconds=watch_seconds,
            callbacks=callbacks,
            storm=self.storm,
        )

    def find(self, intent: str = INTENT) -> Record | None:
        """The record as it lies in the store, past all faults; None if there is none."""
        entry = Journal(self.store.inner).read(intent)  # type: ignore[arg-type]
        return entry.record if entry else None

    def record(self, intent: str = INTENT) -> Record:
        """The record, which is there."""
        record = self.find(intent)
        assert record is not None
        return record

    def delete_record(self, intent: str = INTENT) -> None:
        """Somebody who should not deletes the record."""
        self.store.inner.delete(f"journal/records/{intent}.json")

    def markers(self) -> list[str]:
        return [key.rpartition("/")[2] for key in self.store.inner.list_keys("journal/open/")]
