"""The simulated vendor's books: tasks, what was billed for which body, the balance. Safe for several threads.

A task's state is a function of the clock and of what was found at its references, so nothing runs in the background
for it. Money is taken when a task is accepted and given back when it fails; the key's quota moves when a task has
succeeded.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from prefect_seedance.simulator.clock import Clock

Status = Literal["queued", "processing", "completed", "failed"]


class Bill(BaseModel):
    """What was accepted for one body, however often it was sent.

    Attributes:
        request_digest: SHA-256 of the body as canonical JSON.
        body: The body itself.
        accepted: How many tasks were made of it: above 1 it was paid for twice.
        task_ids: Those tasks, oldest first.
        cost: What was taken for them altogether, in made-up JimiCoin.
        refunded: What was given back for those that failed.
    """

    model_config = ConfigDict(frozen=True)

    request_digest: str
    body: dict[str, JsonValue]
    accepted: int
    task_ids: list[str]
    cost: float
    refunded: float = 0.0


class OutOfMoneyError(Exception):
    """The account or the key cannot pay for the task."""


@dataclass(frozen=True)
class TaskView:
    """A task as it is at one moment."""

    task_id: str
    body: Mapping[str, JsonValue]
    status: Status
    progress: int
    created_at: int
    completed_at: int | None
    cost: float
    error_message: str
    token: str

    @property
    def prompt(self) -> str:
        """The prompt that the task was made of."""
        return str(self.body.get("prompt", ""))


@dataclass
class _Task:
    task_id: str
    body: dict[str, JsonValue]
    digest: str
    cost: float
    created_at: float
    started: float
    judged: bool = False
    error_message: str = ""
    ended: float | None = None
    stuck_at: int | None = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:16])


class Ledger:
    """Everything that the simulated vendor knows of its tasks and their money.

    Args:
        seconds: How long a generation takes.
        balance: What the account has been topped up with.
        quota: The key's quota, 0 for none.
        clock: Measures the generations.
    """

    def __init__(self, seconds: float, balance: float, quota: float, clock: Clock) -> None:
        self._seconds, self._topped_up, self._quota, self._clock = seconds, balance, quota, clock
        self._lock = threading.RLock()
        self._tasks: dict[str, _Task] = {}

    def clear(self) -> None:
        """Forget every task and bill, and refund them."""
        with self._lock:
            self._tasks.clear()

    def accept(self, body: Mapping[str, JsonValue], cost: float) -> TaskView:
        """Make a task of a body and take its cost.

        Raises:
            OutOfMoneyError: If the account or the key's quota does not cover it.
        """
        with self._lock:
            if self._topped_up - self._used() < cost:
                raise OutOfMoneyError("余额不足")
            if self._quota and self._used_quota() >= self._quota:
                raise OutOfMoneyError("密钥额度不足")
            task = _Task(
                task_id=f"videos_{uuid.uuid4().hex}",
                body=dict(body),
                digest=request_digest(body),
                cost=cost,
                created_at=time.time(),
                started=self._clock.now(),
            )
            self._tasks[task.task_id] = task
            return self._view(task)

    def view(self, task_id: str) -> TaskView | None:
        """Return a task as it is now, or None if no task has that id."""
        with self._lock:
            task = self._tasks.get(task_id)
            return None if task is None else self._view(task)

    def fail(self, task_id: str, message: str) -> None:
        """End a task as failed, with the vendor's text, and refund it."""
        with self._lock:
            task = self._tasks[task_id]
            task.error_message, task.ended = message, time.time()

    def judge(self, task_id: str, failure: str) -> None:
        """Note what is wrong with a task's references, "" for nothing. It shows at the end, which waits for it."""
        with self._lock:
            task = self._tasks.get(task_id)  # a reset forgets a task whose references are still being read
            if task is not None and task.ended is None:
                task.judged, task.error_message = True, failure

    def stick(self, task_id: str) -> None:
        """Leave a task where it is for ever."""
        with self._lock:
            task = self._tasks[task_id]
            task.stuck_at = min(max(self._view(task).progress, 1), 99)

    def expire_link(self, task_id: str) -> None:
        """Kill the present link of a task: the next query gives another."""
        with self._lock:
            self._tasks[task_id].token = uuid.uuid4().hex[:16]

    def bills(self) -> list[Bill]:
        """List what was accepted, one entry per distinct body, in the order of their first task."""
        with self._lock:
            by_digest: dict[str, list[_Task]] = {}
            for task in self._tasks.values():
                by_digest.setdefault(task.digest, []).append(task)
            return [
                Bill(
                    request_digest=digest,
                    body=tasks[0].body,
                    accepted=len(tasks),
                    task_ids=[task.task_id for task in tasks],
                    cost=round(sum(task.cost for task in tasks), 4),
                    refunded=round(sum(task.cost for task in tasks if self._failed(task)), 4),
                )
                for digest, tasks in by_digest.items()
            ]

    def account(self) -> dict[str, JsonValue]:
        """Return the balance as the vendor words it: ``available`` is ``balance`` less ``used_coin``."""
        with self._lock:
            used = self._used()
            available = round(self._topped_up - used, 4)
            return {"balance": self._topped_up, "used_coin": used, "available": available}

    def key(self) -> dict[str, JsonValue]:
        """Return the key's quota as the vendor words it."""
        with self._lock:
            used = self._used_quota()
            return {
                "name": "simulator",
                "total_quota": self._quota,
                "used_quota": used,
                "available_quota": round(max(self._quota - used, 0.0), 4) if self._quota else 0,
                "unlimited": not self._quota,
            }

    def _used(self) -> float:
        return round(sum(task.cost for task in self._tasks.values() if not self._failed(task)), 4)

    def _failed(self, task: _Task) -> bool:
        return self._state(task)[0] == "failed"

    def _used_quota(self) -> float:
        done = (task.cost for task in self._tasks.values() if self._view(task).status == "completed")
        return round(sum(done), 4)

    def _view(self, task: _Task) -> TaskView:
        status, progress, completed_at = self._state(task)
        return TaskView(
            task_id=task.task_id,
            body=task.body,
            status=status,
            progress=progress,
            created_at=int(task.created_at),
            completed_at=completed_at,
            cost=task.cost,
            error_message=task.error_message,
            token=task.token,
        )

    def _state(self, task: _Task) -> tuple[Status, int, int | None]:
        if task.ended is not None:
            return "failed", 0, int(task.ended)
        if task.stuck_at is not None:
            return "processing", task.stuck_at, None
        share = (self._clock.now() - task.started) / self._seconds if self._seconds else 1.0
        if share >= 1 and not task.judged:
            return "processing", 99, None
        if share >= 1 and task.error_message:
            return "failed", 0, int(task.created_at + self._seconds)
        if share >= 1:
            return "completed", 100, int(task.created_at + self._seconds)
        if share < 0.1:
            return "queued", 0, None
        return "processing", 1 + int(98 * share), None


def request_digest(body: Mapping[str, JsonValue]) -> str:
    """Hash a body as canonical JSON: sorted names, no spaces, UTF-8.

    Example:
        >>> request_digest({"b": 1, "a": "é"}) == request_digest({"a": "é", "b": 1})
        True
    """
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
