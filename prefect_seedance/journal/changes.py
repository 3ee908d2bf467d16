"""Every change of a record, as pure functions: a record in, a record out.

They may be applied to a record that somebody else has written meanwhile, and more than once: each finds its
attempt by the attempt's nonce or task id, and returns the same record when there is nothing left to do. So
a write whose answer was lost, or that lost a race, is simply read again and applied again. The exception is
`claimed` and `renewed`, which hold only for the very record that was decided upon.

Once a task id is in a record it stays there, whatever the state and whoever comes later.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, NotAccepted, Refused, TooManyRequests, Unknown
from prefect_seedance.journal.identity import Identity
from prefect_seedance.journal.record import (
    FREE_ATTEMPTS_KEPT,
    Attempt,
    AttemptOutcome,
    Delivery,
    Holder,
    Record,
    Stored,
    is_stand_in,
)
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.storage.templates import render

Change = Callable[[Record], Record]

EXCERPT_BYTES = 2048
#: How long a completed video is left to the run that watched it, before another run may take it for abandoned.
STORING_SECONDS = 600.0


def new_record(identity: Identity, now: datetime, delivery: Delivery | None = None) -> Record:
    """Begin a record. It is not written like this: its first state is `claimed` or `accepted`."""
    return Record(
        intent=identity.intent,
        state=State.READY,
        request=identity.request,
        take=identity.take,
        scope=identity.scope,
        account=identity.account,
        model=identity.model,
        created_at=now,
        updated_at=now,
        delivery=delivery or Delivery(),
    )


def identified(record: Record, identity: Identity, delivery: Delivery | None) -> Record:
    """Write down what was asked for, in a record that was restored from nothing and so does not know."""
    if record.request:
        return record
    facts = {"request": identity.request, "take": identity.take, "scope": identity.scope, "account": identity.account}
    known = {"model": identity.model, "delivery": delivery or record.delivery}
    return record.model_copy(update={**facts, **known})


def claimed(record: Record, attempt: Attempt, holder: Holder, delivery: Delivery) -> Record:
    """Claim a record for one POST. The attempt gets the next number; its nonce must be the holder's."""
    attempt = attempt.model_copy(update={"number": _next_number(record)})
    attempts = _pruned((*record.attempts, attempt))
    update = {"state": State.SENDING, "attempts": attempts, "holder": holder, "delivery": delivery, "stored": None}
    return record.model_copy(update=update)


def renewed(record: Record, holder: Holder) -> Record:
    """Renew the lease of a claim that has not been used."""
    return record.model_copy(update={"holder": holder})


def released(record: Record, nonce: str) -> Record:
    """Release a record that is ready, so that no other run has to wait for the lease to run out."""
    held = record.state is State.READY and record.holder is not None and record.holder.nonce == nonce
    return record.model_copy(update={"holder": None}) if held else record


def answered(
    record: Record,
    nonce: str,
    outcome: NotAccepted,
    now: datetime,
    *,
    holder: Holder | None = None,
    final: bool = True,
    lost: Attempt | None = None,
) -> Record:
    """Write down an answer without a task.

    Args:
        record: The record.
        nonce: Of the attempt that was answered.
        outcome: What the answer means.
        now: When.
        holder: Who keeps the record through a back-off; for an outcome that will be tried again.
        final: Whether it will not be tried again; decides what becomes of a busy vendor.
        lost: The attempt as it was claimed, should the record have lost it: an unknown outcome is brought back, since
            it was perhaps billed.
    """
    attempt = record.attempt_by(nonce)
    if attempt is None and lost is not None and isinstance(outcome, Unknown):
        attempt = lost.model_copy(update={"number": _next_number(record)})
    # An unknown outcome weighs more than a person who said "not billed" while the POST was under way.
    open_to = ("", "not_billed") if isinstance(outcome, Unknown) else ("", "unknown")
    if attempt is None or attempt.task_id or attempt.outcome not in open_to:
        return record  # settled by now, by a person or by this very change
    flying = in_flight(record, nonce)
    record = _with(record, attempt.model_copy(update={**_facts(outcome), "answered_at": now}))
    if not flying:
        return record.model_copy(update={"state": _by_attempts(record, record.state)})
    live = record.live_attempt()
    if live is not None:  # an earlier answer came late: the intent has its task
        return _about(record, live)
    state = _by_attempts(record, _state_after(outcome, final))
    return record.model_copy(update={"state": state, "holder": holder if state is State.READY else None})


def accepted(
    record: Record,
    nonce: str,
    answer: Accepted,
    now: datetime,
    *,
    watch_seconds: float = 0.0,
    lost: Attempt | None = None,
) -> Record:
    """Merge a task id into its attempt, in whatever state the record is by now, and name the object of its video.

    Args:
        record: The record.
        nonce: Of the attempt that was answered; an attempt is added if there is none.
        answer: What the vendor said.
        now: When.
        watch_seconds: How long the caller is going to watch the task.
        lost: What is known of the attempt from elsewhere, should the record not have it.
    """
    mine = record.attempt_by(nonce)
    flying = in_flight(record, nonce)
    known = next((attempt for attempt in record.attempts if attempt.task_id == answer.task_id), None)
    if known is not None:
        if mine is not None and mine.is_unsettled:
            note = f"its task stands in attempt {known.number}"
            record = _with(
                record, mine.model_copy(update={"outcome": "same_task", "message": note, "answered_at": now})
            )
        elif not flying:
            return record
    else:
        brought = None
        if mine is None or mine.task_id:
            nonce = nonce if mine is None else f"{nonce}-{_next_number(record)}"
            if mine is not None and is_stand_in(mine.task_id):  # one submission, which is counted with its own task
                note = "its task became known after a person had brought the video in"
                record = _with(record, mine.model_copy(update={"outcome": "same_task", "message": note}))
                brought = record.stored if record.current == mine.number else mine.stored
            known_facts = lost or Attempt(number=0, nonce=nonce, started_at=now)
            mine = known_facts.model_copy(update={"number": _next_number(record), "nonce": nonce})
        known = mine.model_copy(
            update={
                "outcome": "accepted",
                "answered_at": now,
                "task_id": answer.task_id,
                "model": plain(answer.model),
                "created_at": answer.created_at,
                "cost": answer.cost,
                "stored": brought,
            }
        )
        record = _with(record, known)
    another_in_flight = record.state is State.SENDING and not flying
    if record.state in HAVE_TASK or another_in_flight:
        return record
    if known.is_live:
        return _about(record, known).model_copy(update={"watch_seconds": watch_seconds})
    if flying or (record.state is State.UNKNOWN and not record.unsettled()):  # the verdict came before the answer
        return record.model_copy(update={"state": State.FAILED, "current": known.number, "holder": None})
    return record


def looked(record: Record, nonce: str, balance_after: float) -> Record:
    """Note the account's balance after an unknown outcome."""
    attempt = record.attempt_by(nonce)
    return record if attempt is None else _with(record, attempt.model_copy(update={"balance_after": balance_after}))


def settled(record: Record) -> Record:
    """Go on with a task that is known, where the newest attempt is past its deadline."""
    live = record.live_attempt()
    return record if live is None or record.state in HAVE_TASK else _about(record, live)


def completed(record: Record, task: VideoTask) -> Record:
    """Write down that the vendor has the video."""
    attempt = _attempt_of(record, task.task_id)
    if attempt is None:
        return record
    facts = {"cost": task.cost, "completed_at": task.completed_at, "created_at": task.created_at}
    facts = {name: value for name, value in facts.items() if value is not None}
    if any(getattr(attempt, name) != value for name, value in facts.items()):
        record = _with(record, attempt.model_copy(update=facts))
    if record.state is State.SUBMITTED and record.current == attempt.number:
        return record.model_copy(update={"state": State.COMPLETED, "watch_seconds": STORING_SECONDS})
    return record


def failed(record: Record, task_id: str, failure: str, message: str) -> Record:
    """Write down the vendor's verdict on a task; another task of the intent takes over, if there is one."""
    attempt = _attempt_of(record, task_id)
    if attempt is None or attempt.failure:
        return record
    if attempt.stored is not None or (record.state is State.STORED and record.current == attempt.number):
        return record  # its video is there, whatever is said of it now
    record = _with(record, attempt.model_copy(update={"failure": failure, "message": plain(message)}))
    if record.current != attempt.number or record.state not in (State.SUBMITTED, State.COMPLETED):
        return record
    live = record.live_attempt()
    if live is not None:
        return _about(record, live)
    return record.model_copy(update={"state": _by_attempts(record, State.FAILED)})


def stored(record: Record, task_id: str, facts: Stored) -> Record:
    """Write down where the video lies. That of a second task stands beside the first one, which is not touched."""
    attempt = _attempt_of(record, task_id)
    if attempt is None or attempt.stored is not None:
        return record
    if record.state is State.STORED:
        is_there = record.current == attempt.number
        return record if is_there else _with(record, attempt.model_copy(update={"stored": facts}))
    if record.state is State.SENDING:
        return record  # lost and begun anew by another run, whose POST is under way: its answer makes the next state
    update = {"state": State.STORED, "current": attempt.number, "stored": facts, "key": facts.key}
    return record.model_copy(update=update)


def brought_in(
    record: Record, nonce: str, facts: Stored, task_id: str, by: str, now: datetime, *, instead_of: Stored | None = None
) -> Record:
    """Write down where the video of an attempt lies, which a person has brought in: it was paid for.

    Args:
        record: The record.
        nonce: Of the attempt.
        facts: Where the video lies.
        task_id: What the attempt is called from now on, if the vendor's own id is not known.
        by: Who brought it.
        now: When.
        instead_of: The video that the record had and that is gone or damaged; no other is replaced.
    """
    attempt = record.attempt_by(nonce)
    if attempt is None or record.state is State.SENDING:  # of another attempt, whose answer makes the next state
        return record
    if record.state is State.STORED and record.stored != instead_of:
        return record
    marks = {"outcome": "accepted", "failure": "", "resolved_by": by, "answered_at": attempt.answered_at or now}
    attempt = attempt.model_copy(update={**marks, "task_id": attempt.task_id or task_id})
    update = {"state": State.STORED, "current": attempt.number, "stored": facts, "key": facts.key, "holder": None}
    return _with(record, attempt).model_copy(update=update)


def perhaps_billed(record: Record, nonce: str, why: str) -> Record:
    """Write down that an attempt which was taken for free may have made a video, so that nobody sends it again now."""
    attempt = record.attempt_by(nonce)
    if attempt is None or record.state in HAVE_TASK:
        return record
    if not attempt.task_id:
        record = _with(record, attempt.model_copy(update={"outcome": "unknown", "message": plain(why)}))
    return record.model_copy(update={"state": State.UNKNOWN, "holder": None})


def relay_again(record: Record) -> Record:
    """Take back `stored`: the object is gone, and the same task can be relayed again."""
    return record.model_copy(update={"state": State.COMPLETED}) if record.state is State.STORED else record


def described(record: Record, task_id: str, facts: Stored) -> Record:
    """Add what was learned of a stored video afterwards: its size in pixels, its length, its poster."""
    attempt = _attempt_of(record, task_id)
    if attempt is not None and attempt.stored is not None:
        return _with(record, attempt.model_copy(update={"stored": facts}))
    same = record.state is State.STORED and record.task_id == task_id and record.stored is not None
    return record.model_copy(update={"stored": facts}) if same else record


def missed(record: Record, task_id: str, misses: int, now: datetime) -> Record:
    """Write down that a collector has tried in vain to get the video of a task, for the ``misses``-th time.

    No run watches it then, so that the next try waits for none.
    """
    attempt = _attempt_of(record, task_id)
    if attempt is None or attempt.misses >= misses:
        return record
    record = _with(record, attempt.model_copy(update={"misses": misses, "missed_at": now}))
    return record.model_copy(update={"watch_seconds": 0.0})


def let_go(record: Record, task_id: str) -> Record:
    """Write down that nobody is at the video of a task any more, so that the next run need not wait."""
    return record.model_copy(update={"watch_seconds": 0.0}) if record.task_id == task_id else record


def abandoned(record: Record) -> Record:
    """Close a record that is ready, where nothing is on the wire and nobody came back for it. It may be sent again."""
    if record.state is not State.READY or record.unsettled():
        return record
    return record.model_copy(update={"state": State.REFUSED, "holder": None})


def plain(text: str, limit_bytes: int = EXCERPT_BYTES) -> str:
    """Cut text of the vendor to size, and make sure that any JSON reader accepts it."""
    return text.encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")


def _by_attempts(record: Record, state: State) -> State:
    """Correct a state by what is known of all attempts: while one is unknown, nothing is sent."""
    if state in (State.READY, State.REFUSED, State.FAILED) and record.unsettled():
        return State.UNKNOWN
    return State.READY if state is State.UNKNOWN and not record.unsettled() else state


def _state_after(outcome: NotAccepted, final: bool) -> State:
    match outcome:
        case NeverSent() | TooManyRequests():
            return State.READY
        case Busy():
            return State.REFUSED if final else State.READY
        case Refused():
            return State.REFUSED
        case Unknown():
            return State.UNKNOWN


def _facts(outcome: NotAccepted) -> dict[str, str | int | None]:
    """Return the fields of an attempt that an outcome fills."""
    match outcome:
        case NeverSent(reason):
            return _fields("never_sent", reason)
        case TooManyRequests(None):
            return _fields("rate_limited", "")
        case TooManyRequests(retry_after):
            return _fields("rate_limited", f"the vendor asks to wait {retry_after:g} s")
        case Busy(message):
            return _fields("busy", message)
        case Refused(code, message, status_code):
            return {**_fields("refused", message), "code": plain(code), "status_code": status_code}
        case Unknown(reason, excerpt, status_code):
            return {**_fields("unknown", reason), "excerpt": plain(excerpt), "status_code": status_code}


def _fields(outcome: AttemptOutcome, message: str) -> dict[str, str | int | None]:
    return {"outcome": outcome, "message": plain(message)}


def in_flight(record: Record, nonce: str) -> bool:
    """Return whether this attempt is the one that has the right to a POST."""
    return record.state is State.SENDING and record.holder is not None and record.holder.nonce == nonce


def _about(record: Record, attempt: Attempt) -> Record:
    """Make a task the one that the record is about."""
    key = ""
    if record.delivery.key_template:
        with suppress(Exception):  # not a template of ours: whoever relays names the video, and the task id is kept
            key = key_of(record.delivery.key_template, attempt)
    update = {"state": State.SUBMITTED, "current": attempt.number, "holder": None, "key": key}
    return record.model_copy(update=update)


def key_of(key_template: str, attempt: Attempt) -> str:
    """Render the object key of an attempt's video.

    Args:
        key_template: Filled in but for the task id and the time of its creation (`storage.templates.prefill`).
        attempt: Has a task. Without a time from the vendor the day is that of the submission.
    """
    created = attempt.started_at
    if attempt.created_at:
        created = datetime.fromtimestamp(attempt.created_at, UTC)
    return render(key_template, attempt.task_id, created)


def _attempt_of(record: Record, task_id: str) -> Attempt | None:
    return next((attempt for attempt in record.attempts if attempt.task_id == task_id), None)


def _next_number(record: Record) -> int:
    return max((attempt.number for attempt in record.attempts), default=0) + 1


def _with(record: Record, changed: Attempt) -> Record:
    others = (attempt for attempt in record.attempts if attempt.number != changed.number)
    attempts = tuple(sorted((*others, changed), key=lambda attempt: attempt.number))
    return record.model_copy(update={"attempts": _pruned(attempts)})


def _pruned(attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """Drop the oldest attempts that cost nothing, so that a week of back-offs does not make a large record."""
    free = [attempt.number for attempt in attempts if not attempt.counts]
    dropped = frozenset(free[:-FREE_ATTEMPTS_KEPT])
    return tuple(attempt for attempt in attempts if attempt.number not in dropped)
