"""What a person is told when a run stops and a person has to act: the facts of a record, in words."""

from __future__ import annotations

from prefect_seedance.journal.commands import how_to_resolve
from prefect_seedance.journal.errors import (
    AbandonedBefore,
    FailedBefore,
    JournalError,
    SubmissionsUsedUp,
    SubmissionUnknown,
)
from prefect_seedance.journal.record import Attempt, Record
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision, SubmissionPolicy


def unknown_error(record: Record, record_uri: str, store_option: str) -> SubmissionUnknown:
    """Word an unknown submission: who sent it when, what it may cost, where to look, how to settle it."""
    attempt = next(reversed(record.unsettled()), None) or record.attempts[-1]
    reason = attempt.message or "its process ended before the answer was written down"
    run = attempt.run.name or attempt.run.id
    sender = f"by run {run!r}" if run else "outside of a flow"
    where = f" ({attempt.run.url})" if attempt.run.url else ""
    at = attempt.started_at.strftime("%Y-%m-%d %H:%M:%S %Z").strip()
    excerpt = f" What came back begins: {attempt.excerpt[:200]}" if attempt.excerpt else ""
    message = (
        f"It is not known whether the vendor accepted this video (intent {record.intent}, attempt {attempt.number}): "
        f"{reason.rstrip('.')}.{excerpt} It was sent at {at} {sender}{where}, or was about to be. It may be running, "
        f"and it may be billed: {_money(attempt)} Nothing is sent again until a person has settled it. Look in the "
        f"vendor's console for a task of model {record.model} made at that minute; the record is {record_uri}. "
        + how_to_resolve(record.intent, store_option)
    )
    return SubmissionUnknown(
        message,
        intent=record.intent,
        attempt=attempt.number,
        reason=reason,
        excerpt=attempt.excerpt,
        status_code=attempt.status_code,
        run_name=attempt.run.name,
        run_url=attempt.run.url,
        started_at=attempt.started_at.isoformat(),
        record_uri=record_uri,
        store_option=store_option,
    )


def stop_error(
    decision: Decision, record: Record, policy: SubmissionPolicy, record_uri: str, store_option: str
) -> JournalError:
    """Return the error of a decision that stops."""
    match decision:
        case Decision.STOP_UNKNOWN:
            return unknown_error(record, record_uri, store_option)
        case Decision.STOP_LOST:
            return AbandonedBefore(record.intent, record_uri)
        case Decision.STOP_FAILED:
            attempt = record.current_attempt or record.attempts[-1]
            return FailedBefore(record.intent, attempt.task_id, attempt.failure or "unknown", attempt.message)
        case _:
            return SubmissionsUsedUp(record.intent, record.submissions, policy.max_submissions, _history(record))


def _money(attempt: Attempt) -> str:
    source = f" ({attempt.price_source})" if attempt.price_source else ""
    price = "its price is not known." if attempt.price is None else f"about {attempt.price:g} JimiCoin{source}."
    before, after = attempt.balance_before, attempt.balance_after
    if before is None and after is None:
        return price
    moments = ((before, "when the run began"), (after, "afterwards"))
    seen = [f"{amount:g} {when}" for amount, when in moments if amount is not None]
    return f"{price} The account's balance was {' and '.join(seen)}; other jobs and refunds move it too."


def _history(record: Record) -> str:
    parts: list[str] = []
    for attempt in record.attempts:
        if attempt.counts:
            became = f"failed ({attempt.failure}: {attempt.message})" if attempt.failure else attempt.outcome
            parts.append(f"attempt {attempt.number}: {attempt.task_id or 'no task id'}, {became or 'not settled'}")
    state = "" if record.state is State.FAILED else f" The record is {record.state}."
    return f"So far: {'; '.join(parts)}.{state}"
