"""What `resume_or_submit` returns: a pointer to the vendor's task of an intent.

A plain value, since Prefect persists it as JSON: a class that moves between two versions of the package would come back
as something else. With the identity in it, a record that was lost can be written again from it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from pydantic import JsonValue

from prefect_seedance.journal.identity import Identity
from prefect_seedance.journal.record import Attempt, Record, Run
from prefect_seedance.journal.submit.decision import Decision


class SubmittedVideo(TypedDict):
    """Points to the vendor's task of an intent, and to the attempt in the record that has it.

    Attributes:
        intent: Identity of what was asked, 32 hex digits.
        request: The canonical request that the intent was made from.
        take: Which video of that request.
        scope: What the video is shared within, "" for everywhere.
        account: Label of the account that pays.
        task_id: The vendor's task id.
        attempt: Number of the attempt in the record.
        nonce: Of that attempt; finds its place again should the record be lost.
        decision: What was done: submit, attach, already_stored, resubmit.
        reused: Whether another run than this one paid for it.
        recorded: Whether the journal has the task id. If not, this value is its only copy.
        run_id: Root flow run that submitted it, "" outside of a flow.
        run_name: Its name.
        host: Where it was sent.
        credentials: Fingerprint of the key and host that were used.
        delivery: What becomes of the video, as the record has it.
        model: The model as the vendor names it, else as asked.
        created_at: Unix seconds of the submission, 0 if the vendor did not say.
        cost: Price that the vendor reported, in its coins; None if it did not.
        price: Price that was expected, None if it was not known.
        price_source: Where the expected price came from.
        submissions: How many submissions the intent has taken so far.
    """

    intent: str
    request: dict[str, JsonValue]
    take: str
    scope: str
    account: str
    task_id: str
    attempt: int
    nonce: str
    decision: str
    reused: bool
    recorded: bool
    run_id: str
    run_name: str
    host: str
    credentials: str
    delivery: dict[str, JsonValue]
    model: str
    created_at: int
    cost: float | None
    price: float | None
    price_source: str
    submissions: int


def point_to(record: Record, attempt: Attempt, decision: Decision, *, asked_by: Run, recorded: bool) -> SubmittedVideo:
    """Point to the task of an attempt.

    Args:
        record: The record.
        attempt: The attempt that has the task.
        decision: What was done.
        asked_by: The run that asks. A task that it sent itself, for example before a crash, is not reused.
        recorded: Whether the journal has the task id.
    """
    same_run = bool(asked_by.id) and attempt.run.id == asked_by.id
    return {
        "intent": record.intent,
        "request": record.request,
        "take": record.take,
        "scope": record.scope,
        "account": record.account,
        "task_id": attempt.task_id,
        "attempt": attempt.number,
        "nonce": attempt.nonce,
        "decision": str(decision),
        "reused": not decision.sends and not same_run,
        "recorded": recorded,
        "run_id": attempt.run.id,
        "run_name": attempt.run.name,
        "host": attempt.host,
        "credentials": attempt.credentials,
        "delivery": record.delivery.model_dump(mode="json"),
        "model": attempt.model or record.model,
        "created_at": attempt.created_at or 0,
        "cost": attempt.cost,
        "price": attempt.price,
        "price_source": attempt.price_source,
        "submissions": record.submissions,
    }


def identity_of(submitted: SubmittedVideo) -> Identity:
    """Return the identity that a pointer carries."""
    return Identity(
        submitted["intent"], submitted["request"], submitted["take"], submitted["scope"], submitted["account"]
    )


def attempt_of(submitted: SubmittedVideo, now: datetime) -> Attempt:
    """Return what a pointer knows of its attempt, for a record that was lost. When it was sent is not known."""
    return Attempt(
        number=0,
        nonce=submitted["nonce"],
        started_at=now,
        run=Run(id=submitted["run_id"], name=submitted["run_name"]),
        credentials=submitted["credentials"],
        host=submitted["host"],
        price=submitted["price"],
        price_source=submitted["price_source"],
    )
