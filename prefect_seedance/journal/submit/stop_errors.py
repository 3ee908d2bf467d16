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
from prefect_seedance.journal.record import UNKNOWN_MOMENT, Attempt, Record
from prefect_seedance.journal.settlement.billing import evidence_of
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision, SubmissionPolicy


def unknown_error(record: Record, record_uri: str, store_option: str) -> SubmissionUnknown:
    """Word an unknown submission: who sent it when, what it may cost, where to look, how to settle it."""
    attempt = next(reversed(record.unsettled()), None) or record.attempts[-1]
    reason = attempt.message or "its process ended before the answer was written down"
    if attempt.task_id:  # it is held, see `settlement.brought_video`
        reason = f"a person says that task {attempt.task_id} has a video, and was bringing that in"
    run = attempt.run.name or attempt.run.id
    sender = f"by run {run!r}" if run else "outside of a flow"
    where = f" ({attempt.run.url})" if attempt.run.url else ""
    excerpt = f" What came back begins: {attempt.excerpt[:200]}" if attempt.excerpt else ""
    sent = _sent(attempt, f"{sender}{where}")
    message = (
        f"It is not known whether the vendor accepted this video (intent {record.intent}, attempt {attempt.name}): "
        f"{reason.rstrip('.')}.{excerpt} {sent} It may be running, and it may be billed: "
        f"{_money(attempt)} Nothing is sent again until a person has settled it. Look in the vendor's console for a "
        f"task of {f'model {record.model}' if record.model else 'this video'} made "
        f"{'since then' if attempt.restored else 'at that minute'}; the record is {record_uri}. "
        + how_to_resolve(record.intent, store_option, attempt.name)
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
        attempt_name=attempt.name,
        balance=evidence_of(attempt).words,
        sent=sent,
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
    return f"{price} {evidence_of(attempt).words}"


def _sent(attempt: Attempt, by: str) -> str:
    """Return in words when it was sent, as far as that is known."""
    at = attempt.started_at.strftime("%Y-%m-%d %H:%M:%S %Z").strip()
    if not attempt.restored:
        return f"It was sent at {at} {by}, or was about to be."
    if attempt.started_at == UNKNOWN_MOMENT:
        return "When anything was sent is not known."
    return f"If anything was sent that is not in the record, then after {at}."


def _history(record: Record) -> str:
    parts: list[str] = []
    for attempt in record.attempts:
        if attempt.counts:
            became = f"failed ({attempt.failure}: {attempt.message})" if attempt.failure else attempt.outcome
            parts.append(f"attempt {attempt.number}: {attempt.task_id or 'no task id'}, {became or 'not settled'}")
    state = "" if record.state is State.FAILED else f" The record is {record.state}."
    return f"So far: {'; '.join(parts)}.{state}"
