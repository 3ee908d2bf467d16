"""What `resume_or_submit` gives back: a pointer to the task of an intent."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_seedance.journal.decision import Decision
from prefect_seedance.journal.record import Attempt, Record, Run, Stored
from prefect_seedance.journal.states import State


@dataclass(frozen=True)
class Submitted:
    """Points to the task of an intent.

    Attributes:
        intent: 32 hex digits.
        task_id: The vendor's task id.
        attempt: Number of the attempt in the record.
        nonce: Of that attempt; finds its place again should the record be lost.
        decision: What was done.
        reason: Why.
        reused: Whether this call sent nothing, and another run than this one did.
        recorded: Whether the journal has the task id. If not, this value is its only copy.
        run: The run that sent it.
        state: Of the record.
        submissions: How many submissions the intent has taken so far.
        model: As the vendor answered, else as asked.
        created_at: Unix seconds by the vendor.
        cost: JimiCoin that the vendor reported.
        price: JimiCoin that was expected.
        price_source: Where that came from.
        key: Object key of its video, "" if none was rendered.
        stored: Where the video lies, if it does.
    """

    intent: str
    task_id: str
    attempt: int
    nonce: str
    decision: Decision
    reason: str
    reused: bool
    recorded: bool
    run: Run
    state: State
    submissions: int
    model: str
    created_at: int | None
    cost: float | None
    price: float | None
    price_source: str
    key: str
    stored: Stored | None


def point_to(
    record: Record, attempt: Attempt, decision: Decision, reason: str, *, asked_by: Run, recorded: bool
) -> Submitted:
    """Point to the task of an attempt.

    Args:
        record: The record.
        attempt: The attempt that has the task.
        decision: What was done.
        reason: Why.
        asked_by: The run that asks; a task that it sent itself, before a crash say, is not reused.
        recorded: Whether the journal has the task id.
    """
    same_run = bool(asked_by.id) and attempt.run.id == asked_by.id
    return Submitted(
        intent=record.intent,
        task_id=attempt.task_id,
        attempt=attempt.number,
        nonce=attempt.nonce,
        decision=decision,
        reason=reason,
        reused=not decision.sends and not same_run,
        recorded=recorded,
        run=attempt.run,
        state=record.state,
        submissions=record.submissions,
        model=attempt.model or record.model,
        created_at=attempt.created_at,
        cost=attempt.cost,
        price=attempt.price,
        price_source=attempt.price_source,
        key=record.key if record.current == attempt.number else "",
        stored=record.stored,
    )
