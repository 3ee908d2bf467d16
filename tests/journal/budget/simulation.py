"""Budgets in simulated time: real ledgers, records and critical section; store, vendor and clock are ours.

Every process has threads, here greenlets, which change only where a store is asked or where something is waited for. So
a seed decides all of it: who is faster, whose answer is lost, who is killed where, and who stands still for longer than
every lease lasts.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import greenlet

from prefect_seedance.client.outcome import Accepted, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.journal import changes
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.committer import Committers
from prefect_seedance.journal.budget.ledger import BudgetLedger, decode, total
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.reservation import Reservation, Wait
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import JournalError, OverBudget
from prefect_seedance.journal.identity import ALWAYS, Identity, identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.journal.submit.critical_section import Evidence, claim, send
from prefect_seedance.journal.submit.decision import SubmissionPolicy
from prefect_seedance.storage.errors import AlreadyExists, Conflict, Missing, StoreUnavailable
from prefect_seedance.storage.key_locks import KeyLocks
from prefect_seedance.storage.protocol import Blob
from tests.journal.harness import REQUEST, sender

PRICE = 0.1
POLICY = SubmissionPolicy()
#: Longer than every lease.
LONG_PAUSE = 600.0
_IDENTITIES = [
    identify(REQUEST.model_copy(update={"take": str(take)}), scope=ALWAYS, account="team") for take in range(40)
]


class Killed(BaseException):
    """The process is gone: nothing that it does afterwards reaches anybody."""


class LetGo(Exception):
    """The reservation leaves no room for the POST."""


@dataclass
class Fate:
    """What befalls the processes.

    Attributes:
        seed: Decides all that is random.
        processes: How many there are at first.
        threads: Of each, each with its share of the rows.
        rows: In all.
        videos: So many fit into the budget.
        begins: When.
        lost: Share of the store's answers that are lost.
        pauses: Share of the store's calls before which the process stands still for longer than every lease.
        kills: Processes that are killed, each at some moment of the first minutes.
        trouble: Share of the POSTs that are not simply accepted.
        abandons: Whether people give up what is unknown, now and then.
        fenced: Whether a reservation is asked before the POST.
        record_first: Whether the record is written before the settlement.
    """

    seed: int
    processes: int = 3
    threads: int = 3
    rows: int = 12
    videos: int = 8
    begins: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    lost: float = 0.02
    pauses: float = 0.0
    kills: int = 0
    trouble: float = 0.3
    abandons: bool = False
    fenced: bool = True
    record_first: bool = True


@dataclass(eq=False)
class Process:
    """A process: it lives, stands still, or is dead."""

    journal: Journal = field(init=False)
    budget: Budget = field(init=False)
    stands_still_until: float = 0.0
    is_dead: bool = False


class World:
    """Time, the store, the vendor, and all processes."""

    def __init__(self, fate: Fate) -> None:
        self.fate, self.random = fate, random.Random(fate.seed)
        self.now = fate.begins.timestamp()
        self.objects: dict[str, tuple[bytes, str, float]] = {}
        self.bills: dict[str, float] = {}
        self.ended: dict[str, str] = {}
        self.requests = 0
        self.told: list[str] = []
        self.room: list[tuple[float, float]] = [(self.now, self.limit)]
        self.problems: list[str] = []
        self._hub = greenlet.getcurrent()
        self._order = itertools.count()
        self._due: list[tuple[float, int, Any, list[bool]]] = []
        self._processes: dict[Any, Process] = {}

    @property
    def limit(self) -> float:
        return total(PRICE * self.fate.videos)

    # Time.

    def start(self, process: Process, work: Callable[[], None], after: float = 0.0) -> None:
        def run() -> None:
            with suppress(Killed):
                work()

        thread = greenlet.greenlet(run, parent=self._hub)
        self._processes[thread] = process
        heapq.heappush(self._due, (self.now + after, next(self._order), thread, [False]))

    def sleep(self, seconds: float) -> None:
        self.wait(heapq, seconds, [False])

    def wait(self, _: object, seconds: float | None, token: list[bool]) -> None:
        me = greenlet.getcurrent()
        process = self._processes[me]
        if process.is_dead:
            raise Killed
        if seconds is not None:
            heapq.heappush(self._due, (self.now + max(0.0, seconds), next(self._order), me, token))
        self._hub.switch()
        if process.is_dead:
            raise Killed

    def wake(self, thread: Any, token: list[bool]) -> None:
        heapq.heappush(self._due, (self.now, next(self._order), thread, token))

    def run(self, most: int = 60_000) -> None:
        for _ in range(most):
            if not self._due:
                return
            at, _, thread, token = heapq.heappop(self._due)
            process = self._processes[thread]
            if token[0] or thread.dead or process.is_dead:
                continue
            if process.stands_still_until > at:
                heapq.heappush(self._due, (process.stands_still_until, next(self._order), thread, token))
                continue
            self.now, token[0] = max(self.now, at), True
            thread.switch()
        self.problems.append("it does not come to an end")

    def stopwatch(self) -> Callable[[], float]:
        begun = self.now
        return lambda: self.now - begun

    # Processes.

    def process(self) -> Process:
        made = Process()
        store: Any = StoreOfProcess(self, made)
        made.journal = Journal(
            store,
            sleep=self.sleep,
            now=lambda: datetime.fromtimestamp(self.now, UTC),
            at=lambda point: None,
            patience=Patience(30.0),
            locks=KeyLocks(),
        )
        made.budget = Budget(
            store,
            account="team",
            limits=Limits(daily=self.limit),
            journal=made.journal,
            on_reached=lambda budget, standing: self.told.append(f"{standing.read_at:%d} {budget}"),
            sleep=self.sleep,
            jitter=self.random.random,
            clock=lambda: self.now + 40.0,  # a worker's clock is wrong
            committers=Committers(lambda: Condition(self), lambda: self.now),
            sweeps=Committers(lambda: Condition(self), lambda: self.now),
            reads_at_once=1,
        )
        return made

    # What must hold.

    def ledgers(self) -> Iterator[BudgetLedger]:
        for key, (data, _, _) in self.objects.items():
            if key.startswith("journal/budget/"):
                yield decode(data, key)

    def check(self) -> None:
        spent, taken, today = 0.0, 0.0, f"{datetime.fromtimestamp(self.now, UTC):%d}"
        used = 0.0
        for ledger in self.ledgers():
            for day, of_day in ledger.days.items():
                spent += of_day.spent
                used += of_day.spent if day == today else 0.0
                if total(of_day.spent) > self.limit:
                    self.problems.append(f"over the limit: {of_day.spent} on day {day}")
            for entry in ledger.open.values():
                taken += entry.coins
                used += entry.coins if entry.day == today else 0.0
        self.room.append((self.now, total(self.limit, -used)))
        if total(spent, taken) < total(*self.bills.values()):
            self.problems.append(f"{spent=:g} and {taken=:g} are less than the bills {sum(self.bills.values()):g}")

    def bill(self, nonce: str) -> None:
        self.bills[nonce] = PRICE
        self.check()


class Condition:
    """What threads wait on, in simulated time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: list[tuple[Any, list[bool]]] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, *raised: object) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        token = [False]
        self._waiting.append((greenlet.getcurrent(), token))
        self._world.wait(self, timeout, token)
        return True

    def notify_all(self) -> None:
        for thread, token in self._waiting:
            self._world.wake(thread, token)
        self._waiting.clear()


class StoreOfProcess:
    """The store as a process sees it: slow, and its answers may be lost."""

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process

    def _call(self, key: str, do: Callable[[], Any]) -> Any:
        world, random = self._world, self._world.random
        world.requests += 1
        if random.random() < world.fate.pauses:
            self._process.stands_still_until = world.now + random.uniform(0.5, 2.0) * LONG_PAUSE
        world.sleep(random.uniform(0.01, 0.1))
        lost = random.random() < world.fate.lost
        if lost and random.random() < 0.3:
            raise StoreUnavailable(key, "connection refused")
        answer = do()
        world.sleep(random.uniform(0.01, 0.1))
        if lost:
            raise StoreUnavailable(key, "the answer was lost")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _put(self, key: str, data: bytes) -> str:
        etag = str(self._world.requests)
        self._world.objects[key] = (data, etag, self._world.now)
        if key.startswith("journal/budget/"):
            self._world.check()
        return etag

    def create(self, key: str, data: bytes) -> str:
        objects = self._world.objects
        return self._call(key, lambda: AlreadyExists(key) if key in objects else self._put(key, data))

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        def do() -> object:
            if key not in self._world.objects:
                return Missing(key)
            return Conflict(key) if self._world.objects[key][1] != etag else self._put(key, data)

        return self._call(key, do)

    def get(self, key: str) -> Blob | None:
        def do() -> object:
            if key not in self._world.objects:
                return None
            data, etag, written = self._world.objects[key]
            return Blob(data, etag, float(int(self._world.now)) - written, float(int(self._world.now)))

        return self._call(key, do)

    def list_keys(self, prefix: str) -> Iterator[str]:
        return iter(self._call(prefix, lambda: sorted(key for key in self._world.objects if key.startswith(prefix))))

    def delete(self, key: str) -> None:
        self._call(key, lambda: self._world.objects.pop(key, None) and None)

    def uri_of(self, key: str) -> str:
        return f"memory://store/{key}"


def row(world: World, process: Process, identity: Identity) -> None:
    """What a run does for one video."""
    intent, journal = identity.intent, process.journal
    begun = world.now
    while world.now < begun + 4 * 3600.0:
        try:
            before = journal.read(intent)
            if (
                before is not None
                and before.state in (State.SENDING, State.READY)
                and before.record.lease_left(before.age_seconds) > 0
            ):
                world.sleep(30.0)
                continue
            if before is not None and before.state not in (State.READY, State.REFUSED):
                world.ended[intent] = "submitted" if before.state in HAVE_TASK else str(before.state)
                return
            nonce = f"{world.random.getrandbits(128):032x}"
            reservation = process.budget.try_reserve(
                *(nonce, intent),
                coins=PRICE,
                billing="std",
                lease_seconds=POLICY.lease_seconds,
                start_stopwatch=world.stopwatch,
            )
            if isinstance(reservation, Wait):
                world.sleep(10 * reservation.seconds)
                continue
            submit(world, process, identity, before, nonce, reservation)
        except OverBudget:
            world.ended[intent] = "over"
            if (
                min(room for at, room in world.room[-400:] if at >= world.now - 60.0 or at == world.room[-1][0])
                >= PRICE
            ):
                world.problems.append("over budget, and there was room all the time")
            return
        except (JournalError, LetGo):
            world.sleep(1.0)
    world.problems.append("a row gets no turn")


def submit(
    world: World, process: Process, identity: Identity, before: Any, nonce: str, reservation: Reservation
) -> None:
    journal = process.journal
    fenced = world.fate.fenced

    def may_still_send() -> None:
        if fenced and not reservation.leaves_room(POLICY.post_seconds):
            raise LetGo

    def post(seconds: float, may_send: Callable[[], bool]) -> Outcome:
        world.sleep(world.random.uniform(0.0, 1.0))
        if not may_send() or (fenced and not reservation.leaves_room(seconds)):
            return NeverSent("no time is left")
        return answer(world, nonce)

    try:
        claimed = claim(
            *(journal, identity, before),
            sender=sender(),
            evidence=Evidence(price=PRICE),
            policy=POLICY,
            start_stopwatch=world.stopwatch,
            nonce=nonce,
        )
        outcome = send(
            *(journal, claimed, post),
            policy=POLICY,
            may_still_send=may_still_send,
            start_stopwatch=world.stopwatch,
        )
    except (JournalError, LetGo):
        reservation.released()
        raise
    if not world.fate.record_first:
        reservation.settled(outcome)
    if isinstance(outcome, Accepted):
        journal.record_accepted(identity.intent, nonce, outcome, lost=claimed.attempt)
    else:
        now = journal.now()
        journal.update(
            identity.intent,
            lambda record: changes.answered(record, nonce, outcome, now, lost=claimed.attempt),
            step="outcome",
        )
    reservation.settled(outcome)
    world.sleep(world.random.uniform(0.0, 5.0))


def answer(world: World, nonce: str) -> Outcome:
    """The vendor's: it bills at once, and answers later."""
    kind = world.random.random()
    if kind > world.fate.trouble:
        world.bill(nonce)
        world.sleep(world.random.uniform(0.5, 3.0))
        return Accepted(f"videos_{nonce}", "queued", cost=world.random.choice((PRICE, None)))
    kind /= world.fate.trouble
    if 0.5 < kind < 0.8:
        world.start(Process(), lambda: world.bill(nonce), world.random.uniform(0.0, POLICY.post_seconds))
    world.sleep(world.random.uniform(0.5, 20.0))
    if kind < 0.3:
        return TooManyRequests(1.0)
    return Refused("20001", "no", 200) if kind < 0.5 else Unknown("no answer")


def person(world: World, process: Process, rounds: int) -> None:
    """Somebody who settles what is unknown, truthfully; and what a collector does for the ledger."""
    for _ in range(rounds):
        world.sleep(world.random.uniform(100.0, 400.0))
        for identity in _IDENTITIES[: world.fate.rows]:
            try:
                settle(world, process, identity.intent)
            except JournalError:
                world.sleep(1.0)
        try:
            process.budget.sweep()
        except JournalError:
            world.sleep(1.0)


def settle(world: World, process: Process, intent: str) -> None:
    journal, budget = process.journal, process.budget
    found = journal.read(intent)
    if found is None or found.state is not State.UNKNOWN or found.age_seconds < POLICY.lease_seconds:
        return  # nobody says that something was not billed before it could be
    for attempt in found.record.unsettled():
        nonce = attempt.nonce
        if world.fate.abandons and world.random.random() < 0.3:
            resolve_unknown(journal, intent, "abandon", attempt=attempt.name)
            budget.sweep([intent])
        elif nonce in world.bills:
            booked = budget.book(nonce, intent, coins=PRICE, billing="std")
            task = Accepted(f"videos_{nonce}", "queued", cost=PRICE)
            journal.record_accepted(intent, nonce, task)
            booked.settled(task)
        else:
            resolve_unknown(journal, intent, "not_billed", attempt=attempt.name)
            budget.release(nonce)


def simulate(fate: Fate) -> World:
    """Let it happen, settle all that is left, and say what came of it."""
    world = World(fate)
    rows = _IDENTITIES[: fate.rows]

    def begin(process: Process, share: list[Identity], after: float = 0.0) -> None:
        for number in range(fate.threads):
            mine = share[number :: fate.threads]
            world.start(process, lambda mine=mine: [row(world, process, each) for each in mine] and None, after)

    def kill(victim: Process, share: list[Identity]) -> None:
        victim.is_dead = True
        begin(world.process(), share)

    for number in range(fate.processes):
        process, share = world.process(), rows[number :: fate.processes]
        begin(process, share)
        if number < fate.kills:
            world.start(Process(), lambda p=process, s=share: kill(p, s), world.random.uniform(0.1, 15.0))
    world.start(watcher := world.process(), lambda: person(world, watcher, 12))
    world.run()
    fate.pauses = fate.lost = 0.0
    world.start(last := world.process(), lambda: person(world, last, 3), 2 * LONG_PAUSE)
    world.run()
    return world
