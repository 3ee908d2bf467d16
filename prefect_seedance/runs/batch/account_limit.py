"""A global concurrency limit of Prefect's for an account: at most so many POSTs at a time, over all its runs.

Whoever has made a limit named ``seedance-<account>`` gets it honoured; without one nothing is asked. A limit with a
slot decay is a rate: so many POSTs in so much time.

All questions to Prefect are asked by one thread, the keeper, however many videos wait: so waiting costs one question
every few seconds, and no video waits for an answer of Prefect's with a claim or an answer of the vendor's in its hands.
A slot that one video leaves is handed on to the next one of this process, for a while; then other processes may have
it. Slots are held by leases, so that those of a killed process return. The limit is not strict: where Prefect does not
answer, videos go on without it, and it is asked again later. What becomes of a lease never touches a POST.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import threading
import time
import unicodedata
from collections import deque
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import ConcurrencyLimitWithLeaseResponse
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from prefect_seedance.asides import words_of
from prefect_seedance.runs.context.prefect_client import shared_tls
from prefect_seedance.runs.logs import note

#: How long Prefect's API may take for one answer before videos go on without it.
_PATIENCE_SECONDS = 10.0
#: How soon an API that did not answer is asked again.
_AWAY_SECONDS = 30.0
#: After this a killed holder's slot returns. Longer than a server takes to be restarted: one that keeps its leases in
#: memory forgets them then, and what it has forgotten we give back (`_Keeper`).
_LEASE_SECONDS = 300.0
_RENEWAL_SECONDS = _LEASE_SECONDS / 3
#: How long a slot is handed on within this process, and how long others may take it afterwards.
_HANDED_ON_SECONDS, _LEFT_TO_OTHERS_SECONDS = 30.0, 2.0
#: Pauses between two questions while all slots are taken.
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 5.0
#: How soon a waiting video notices that its run is cancelled.
_LOOK_SECONDS = 0.2
#: After what waiting, and then how often, the log says that videos wait.
_FIRST_TOLD_SECONDS, _TOLD_SECONDS = 10.0, 60.0
#: How long the keeper stays, and its connection with it, when there is nothing to do.
_IDLE_SECONDS = 10.0

#: What Prefect allows in no name of a limit, and what its client cannot ask for.
_UNFIT = re.compile(r"[/%&<>?#\\\x00-\x1f\x7f\s]+")


def limit_name(account: str) -> str:
    """Return the name of an account's limit: what Prefect does not allow in a name becomes a dash.

    Example:
        >>> limit_name("default"), limit_name("R&D / video"), limit_name("工作室")
        ('seedance-default', 'seedance-R-D-video', 'seedance-工作室')
    """
    return f"seedance-{_UNFIT.sub('-', unicodedata.normalize('NFC', account).strip())}"


async def account_limit(account: str) -> AccountLimit | None:
    """Return the limit of an account if somebody has made one. Asked once per batch; never raises.

    Args:
        account: Label of the account.
    """
    name = limit_name(account)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async with get_client() as client:
                found = await client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        return None
    except Exception as error:
        note(
            f"Whether there is a concurrency limit {name} is not known, so this batch goes without one: "
            f"{words_of(error)}",
            level=logging.WARNING,
        )
        return None
    decay = found.slot_decay_per_second
    kind = f"{decay:g} per second" if decay else f"{found.limit} at a time"
    note(f"The concurrency limit {name} is honoured: at most {kind}.")
    return AccountLimit(name, decay)


@dataclass
class _Lease:
    """The right to one slot.

    Attributes:
        id: Of the lease.
        taken_at: When it was granted.
        renewed_at: When it was granted or renewed last.
        is_certain: Whether Prefect has answered ever since; otherwise it is renewed before anything else.
    """

    id: UUID
    taken_at: float = field(default_factory=time.monotonic)
    renewed_at: float = field(default_factory=time.monotonic)
    is_certain: bool = True

    @property
    def is_old(self) -> bool:
        """Whether others should have the slot now."""
        return time.monotonic() - self.taken_at > _HANDED_ON_SECONDS

    @property
    def due_at(self) -> float:
        """When it is to be renewed."""
        return self.renewed_at + _RENEWAL_SECONDS if self.is_certain else 0.0


class AccountLimit:
    """The limit, for the submissions of one batch in one process. Slots are alike: it does not matter whose is left.

    Args:
        name: Of the limit.
        per_second: How many slots come free per second where it is a rate; 0 where a slot comes free when it is left.
    """

    def __init__(self, name: str, per_second: float = 0.0) -> None:
        self.name = name
        self._per_second = per_second
        self._changed = threading.Condition()
        self._line: deque[threading.Event] = deque()
        self._leases: list[_Lease] = []
        self._in_use = 0  # POSTs under way, with a lease or without
        self._keeper: threading.Thread | None = None
        self._asking_since: float | None = None
        self._away = False  # Prefect did not answer: nobody waits until it does
        self._gone = False  # the limit was deleted, or may not be used: nobody waits any more
        self._next_question = 0.0
        self._pause = _SHORTEST_PAUSE_SECONDS
        self._next_told = 0.0

    def take(self, cancelled: threading.Event) -> bool:
        """Wait for a slot. Blocking; never raises.

        Returns:
            Whether there is one, or none is needed; False only if the run was cancelled meanwhile.
        """
        mine = threading.Event()
        with self._changed:
            if not self._line:
                self._next_told = time.monotonic() + _FIRST_TOLD_SECONDS
            self._line.append(mine)
            self._serve_line()
            if not self._gone:
                self._have_keeper()
                self._changed.notify_all()
        while not mine.wait(_LOOK_SECONDS):
            with self._changed:
                if mine.is_set():
                    break
                if cancelled.is_set():
                    self._line.remove(mine)
                    return False
                asked = self._asking_since
                if asked is not None and time.monotonic() - asked > _PATIENCE_SECONDS:
                    self._is_away(f"no answer within {_PATIENCE_SECONDS:g} s")
        return True

    def leave(self) -> None:
        """Let the next one have the slot. Returns at once; never raises."""
        with self._changed:
            self._in_use = max(0, self._in_use - 1)
            self._serve_line()
            self._changed.notify_all()

    async def close(self, seconds: float = 5.0) -> None:
        """Wait until all slots are given back. What is not within the time comes back by its lease."""
        end = time.monotonic() + seconds
        while self._leases and not self._away and time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS / 4)

    # Under the lock.

    def _serve_line(self) -> None:
        """Let those go who may: as many as there are slots; everybody where there is nobody to ask."""
        free = self._away or self._gone
        ours = 0 if any(lease.is_old for lease in self._leases) else len(self._leases)
        while self._line and (free or self._in_use < ours):
            self._in_use += 1
            self._line.popleft().set()

    def _is_away(self, why: str) -> None:
        if not self._away:
            note(
                f"Prefect's API does not say whether there is room under the concurrency limit {self.name} ({why}). "
                "Videos are submitted without it until it does."
            )
        self._away = True
        self._next_question = time.monotonic() + _AWAY_SECONDS
        for lease in self._leases:
            lease.is_certain = False
        self._serve_line()

    def _have_keeper(self) -> None:
        if self._keeper is None:
            context = copy_context()  # Prefect's settings, and the run that is logged to
            self._keeper = threading.Thread(
                target=lambda: context.run(self._keep), name=f"limit-{self.name}", daemon=True
            )
            self._keeper.start()

    def _next_act(self) -> tuple[str, _Lease | None, float]:
        """Return what the keeper does now, with which lease, or how long it may sleep until it has to look again."""
        now, rest = time.monotonic(), _IDLE_SECONDS
        if self._away and now < self._next_question:
            return "", None, self._next_question - now
        for lease in self._leases:
            if lease.due_at <= now:
                return "renew", lease, 0
            rest = min(rest, lease.due_at - now)
        oldest = min(self._leases, key=lambda lease: lease.taken_at, default=None)
        if oldest is not None and self._in_use < len(self._leases) and (oldest.is_old or not self._line):
            if self._line:
                self._next_question = now + _LEFT_TO_OTHERS_SECONDS
            return "release", oldest, 0
        if self._line or (self._away and self._in_use):
            if self._next_question <= now:
                return "take", None, 0
            rest = min(rest, self._next_question - now)
        return "", None, rest

    # The keeper.

    def _keep(self) -> None:
        try:
            with get_client({**(shared_tls() or {}), "timeout": _PATIENCE_SECONDS}, sync_client=True) as client:
                while self._kept(client):
                    pass
        except Exception as error:  # the client could not be made
            with self._changed:
                self._keeper = None
                self._is_away(words_of(error))

    def _kept(self, client: SyncPrefectClient) -> bool:
        """Do one thing, or sleep; return whether to go on."""
        with self._changed:
            act, lease, rest = self._next_act()
            if not act:
                idle = not (self._line or self._in_use or self._leases)
                notified = self._changed.wait(rest)
                if (idle and not notified) or (self._gone and not self._leases):
                    self._keeper = None
                    return False
                return True
            self._asking_since = time.monotonic()
        try:
            self._done(client, act, lease)
        except Exception as error:
            self._failed(act, error)
        finally:
            with self._changed:
                self._asking_since = None
                self._serve_line()
        return True

    def _done(self, client: SyncPrefectClient, act: str, lease: _Lease | None) -> None:
        if lease is None:
            self._taken(client)
            return
        if act == "renew":
            try:
                client.renew_concurrency_lease(lease.id, _LEASE_SECONDS)
                lease.renewed_at, lease.is_certain = time.monotonic(), True
                self._answered()
                return
            except PrefectHTTPStatusError as error:
                if error.response.status_code not in (404, 410):
                    raise
            # A server that keeps leases in memory has forgotten it at its restart, and counts the slot for ever.
            if time.monotonic() - lease.renewed_at < _LEASE_SECONDS:
                client.release_concurrency_slots([self.name], 1, time.monotonic() - lease.taken_at)
        else:
            client.release_concurrency_slots_with_lease(lease.id)
        with self._changed:
            self._leases.remove(lease)
        self._answered()

    def _taken(self, client: SyncPrefectClient) -> None:
        if self._per_second:
            answer = client.increment_concurrency_slots([self.name], 1, "rate_limit")
            limits: list[Any] = answer.json()
        else:
            granted = ConcurrencyLimitWithLeaseResponse.model_validate(
                client.increment_concurrency_slots_with_lease([self.name], 1, "concurrency", _LEASE_SECONDS).json()
            )
            limits = [*granted.limits]
            if limits:
                with self._changed:
                    self._leases.append(_Lease(granted.lease_id))
        if not limits:
            self._ended("it was deleted")
            return
        self._answered()
        with self._changed:
            self._pause = _SHORTEST_PAUSE_SECONDS
            self._next_question = 0.0
            if self._per_second and self._line:
                self._line.popleft().set()
                self._in_use += 1

    def _answered(self) -> None:
        with self._changed:
            if self._away:
                note(f"Prefect's API answers again: the concurrency limit {self.name} is honoured.")
            self._away = False

    def _failed(self, act: str, error: Exception) -> None:
        status = error.response.status_code if isinstance(error, PrefectHTTPStatusError) else 0
        if act == "take" and status in (422, 423):  # no slot: all are taken, or the limit is 0
            self._answered()
            self._wait_a_little()
            return
        if status in (401, 403, 404):
            with self._changed:
                self._leases.clear()
            self._ended(words_of(error))
            return
        with self._changed:
            self._is_away(words_of(error))

    def _wait_a_little(self) -> None:
        now, pause = time.monotonic(), self._pause
        if self._per_second:
            pause = min(max(1 / self._per_second, _LOOK_SECONDS), _AWAY_SECONDS)
        with self._changed:
            self._next_question = now + pause * random.uniform(0.8, 1.2)
            self._pause = min(_LONGEST_PAUSE_SECONDS, self._pause * 1.5)
            waiting = len(self._line)
        if waiting and now >= self._next_told:
            self._next_told = now + _TOLD_SECONDS
            note(
                f"{waiting} submission{'s wait' if waiting != 1 else ' waits'} for room under Prefect's concurrency "
                f"limit {self.name}. `prefect gcl inspect {self.name}` shows how many slots are taken."
            )

    def _ended(self, why: str) -> None:
        note(f"The concurrency limit {self.name} is not honoured any more: {why}", level=logging.WARNING)
        with self._changed:
            self._gone = True
            self._serve_line()
