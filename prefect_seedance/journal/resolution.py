"""Settling an unknown submission: the only way on from `unknown`, and a person's.

    attach       the task is in the console: its id goes into the record, once a GET has shown that it exists
    not_billed   there is no task and no bill: the record is ready again
    abandon      give it up: the record is `lost`, and nothing is submitted for the intent again
    restore      the record is damaged or gone: what can be read of it is unknown again (see `restoration`)
    take_link    a person has the video itself, behind a link or in a file: it is brought in as the video of its
    take_file    attempt, whatever the record says of that (see `settlement.brought_video` and `pipeline.by_hand`)

A call names the attempt that it was written for, and settles no other: whoever runs a command of last week must
not settle what was sent since. It may be left out only while the record has had one attempt, since then there is no
other to be mistaken for; a restored record does not know how many it has had. Whatever is refused says what the record
says now.

A task id goes to one intent only. It is reserved under ``journal/tasks/`` before it is attached, so that of
two people who give it to two intents one is refused, and the records are searched for it (`settlement.task_owner`).
A task that was made before its attempt was sent is refused; one of which the vendor does not say when it was made is
taken, since to refuse it could lose a paid video.

What it does not do: it cannot see the console. A task that belongs to an intent which is being submitted at
this very moment can still be attached to another; the record of the former then gets it as well, since an
answer is never dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from prefect_seedance.client.errors import TaskNotFound, WrongTask
from prefect_seedance.client.exchange import is_vendor_id
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.journal import changes
from prefect_seedance.journal.budget.reservation import UNLIMITED, Reservation
from prefect_seedance.journal.budget.settlement import book, settle_budget
from prefect_seedance.journal.commands import how_to_list_unknown, how_to_resolve, how_to_restore
from prefect_seedance.journal.errors import BalanceContradicts, RecordChanged, ResolutionRefused
from prefect_seedance.journal.journal import Journal, is_intent
from prefect_seedance.journal.record import UNKNOWN_MOMENT, Attempt, Entry, Record
from prefect_seedance.journal.settlement.billing import Conclusion, evidence_of
from prefect_seedance.journal.settlement.restoration import restore_record
from prefect_seedance.journal.settlement.task_owner import owner_of
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.redaction import clean_text
from prefect_seedance.storage.protocol import Store

#: What a person may say of a submission, by the record and the vendor alone.
Settlement = Literal["attach", "not_billed", "abandon", "restore"]
#: The same, and two ways of bringing the video in.
Resolution = Literal["attach", "not_billed", "abandon", "restore", "take_link", "take_file"]

#: A reservation that is older than this and led to nothing (its process was killed) no longer binds.
_RESERVATION_SECONDS = 600.0
_RACES = 20
#: How far the clocks of a worker and of the vendor may be apart: minutes, where nobody keeps time.
_CLOCKS_APART_SECONDS = 300.0


def resolve_unknown(
    journal: Journal,
    intent: str,
    resolution: Settlement,
    *,
    task_id: str = "",
    attempt: str = "",
    by: str = "",
    any_model: bool = False,
    any_age: bool = False,
    despite_evidence: bool = False,
    fetch: Callable[[str], VideoTask] | None = None,
    ledgers: Store | None = None,
) -> Entry:
    """Settle an unknown submission, and then what the budget of its account holds for it.

    Args:
        journal: The journal.
        intent: Identity of the video.
        resolution: What became of it.
        task_id: For ``attach``.
        attempt: Which attempt it is about, see `Attempt.name`; may be "" if the record has had only one and was never
            restored. No use for ``restore``.
        by: Who says so, for the record.
        any_model: For ``attach``: take the task even if the vendor names another model for it than was asked for.
        any_age: For ``attach``: take the task even if it was made before the attempt, or after the next one.
        despite_evidence: For ``not_billed``: even if the balance fell by exactly the expected price.
        fetch: Asks the vendor for a task; needed for ``attach``.
        ledgers: Where the budgets of the account are kept; None for the journal's own store.

    Returns:
        The record as it stands now. Doing the same again changes nothing.

    Raises:
        BalanceContradicts: Not billed, and the balance fell by exactly the expected price.
        ResolutionRefused: The resolution cannot be right; the message says why and what to do.
        SeedanceError: The vendor could not be asked.
        JournalError: The journal cannot be used.
    """
    intent = checked_intent(journal, intent)
    if resolution == "restore":
        return restore_record(journal, intent)
    answer = _found_at_vendor(intent, task_id, fetch) if resolution == "attach" else None
    booked: Reservation = UNLIMITED
    for _ in range(_RACES):
        entry = read_record(journal, intent)
        if answer is not None and answer.task_id in entry.record.task_ids and _is_settled(entry):
            break
        target = _target(entry, resolution, attempt.strip())
        if target is None:
            break
        if answer is not None:
            if answer.task_id not in entry.record.task_ids:
                if not any_model:
                    _check_model(entry.record, answer)
                if not any_age:
                    _check_age(entry.record, target, answer)
            _reserve(journal, entry.record, answer)
            if target.outcome == "not_billed":  # nothing is held for it any more: entry first, then the record
                booked = book(journal, entry.record, target, answer.cost, ledgers)
            after = _attached(entry.record, target, answer, journal, by)
        elif resolution == "not_billed":
            evidence = evidence_of(target)
            if evidence.conclusion is Conclusion.PROBABLY_BILLED and not despite_evidence:
                raise BalanceContradicts(intent, target.name, evidence.words)
            after = _not_billed(entry.record, target, by)
        else:
            after = _abandoned(entry.record, by)
        try:
            # Exactly over what was judged: a lapsed claim may have been renewed by its owner meanwhile.
            entry = journal.write(intent, entry, after, step="resolve")
        except RecordChanged:
            continue
        break
    else:
        raise ResolutionRefused(
            intent, "Other runs keep changing the record.", "Try again when no run is working on it."
        )
    if answer is not None:
        booked.settled(answer)
    settle_budget(journal, entry.record, ledgers)
    return entry


def remarks(entry: Entry, resolution: Settlement, store_option: str) -> list[str]:
    """Return what else a person should know of a resolution that was carried out.

    Args:
        entry: What `resolve_unknown` returned.
        resolution: What was asked for.
        store_option: What ``--store`` of the command line takes for the store.
    """
    record, said = entry.record, list[str]()
    attempt = record.current_attempt
    if resolution == "attach" and attempt and attempt.created_at is None:
        said.append("The vendor does not say when the task was made, so that could not be compared.")
    unsettled = record.unsettled()
    if resolution == "restore" and not any(each.restored for each in record.attempts):
        said.append("The record can be read, so nothing was restored.")
    if entry.state is State.UNKNOWN and unsettled:
        said += [f"Attempt {unsettled[-1].name}: {unsettled[-1].message or 'not settled'}."]
        said += [how_to_resolve(record.intent, store_option, unsettled[-1].name)]
    return said


def checked_intent(journal: Journal, intent: str) -> str:
    """Return an intent as a person wrote it, without the blanks round it.

    Raises:
        ResolutionRefused: It is not one.
    """
    intent = intent.strip()
    if not is_intent(intent):
        fix = f"Copy it from the error or the run's page. Those to settle: {how_to_list_unknown(journal.store_option)}"
        raise ResolutionRefused(clean_text(intent, 80), "An intent is written as 32 hex digits in small letters.", fix)
    return intent


def read_record(journal: Journal, intent: str) -> Entry:
    """Read the record that a person names.

    Raises:
        ResolutionRefused: There is none.
        JournalError: It cannot be read.
    """
    entry = journal.read(intent)
    if entry is None:
        fix = f"Those to settle: {how_to_list_unknown(journal.store_option)}"
        raise ResolutionRefused(intent, f"There is no such record in {journal.location}.", fix)
    return entry


def refuse_while_submitting(entry: Entry) -> None:
    """Refuse to settle what a run is submitting at this moment.

    Raises:
        ResolutionRefused: It is.
    """
    left = entry.record.lease_left(entry.age_seconds)
    if entry.state is State.SENDING or (entry.state is State.READY and left > 0):
        fix = f"Wait {left:.0f} s; if it is still unknown then, call again."
        raise ResolutionRefused(entry.record.intent, "A run is submitting it right now.", fix)


def _is_settled(entry: Entry) -> bool:
    return entry.state not in (State.UNKNOWN, State.LOST)


def _found_at_vendor(intent: str, task_id: str, fetch: Callable[[str], VideoTask] | None) -> Accepted:
    """Check that a task exists before its id goes into the record."""
    task_id = task_id.strip()
    if not is_vendor_id(task_id):
        reason = f"{task_id[:80]!r} cannot be a task id." if task_id else "No task id was given."
        raise ResolutionRefused(intent, reason, "Copy it from the vendor's console.")
    if fetch is None:
        raise ResolutionRefused(intent, "The task id cannot be checked.", "Pass the credentials as well.")
    try:
        task = fetch(task_id)
    except TaskNotFound as error:
        fix = "Check the id, and that the credentials are those of the account that submitted it."
        raise ResolutionRefused(intent, f"The vendor does not know task {task_id}.", fix) from error
    except WrongTask as error:
        raise _another_task(intent, task_id, error.answered) from error
    if task.task_id and task.task_id != task_id:
        raise _another_task(intent, task_id, task.task_id)
    if not task.names_itself:
        fix = "Try again in a few minutes: what answered may not be the vendor."
        raise ResolutionRefused(intent, f"The vendor's answer about task {task_id} does not name it.", fix)
    return Accepted(task_id, task.status, task.model, task.created_at, task.cost)


def _another_task(intent: str, task_id: str, answered: str) -> ResolutionRefused:
    fix = "Pass the whole id, as the console shows it; if it is whole, try again in a few minutes."
    return ResolutionRefused(intent, f"The vendor answers with task {answered}, not {task_id}.", fix)


def _target(entry: Entry, resolution: Settlement, name: str) -> Attempt | None:
    """Find the attempt to settle; None if the record says so already."""
    record, state = entry.record, entry.state
    refuse_while_submitting(entry)
    if _is_settled(entry) and not any(each.outcome == "not_billed" for each in record.attempts):
        raise _not_unknown(entry)
    named = named_attempt(record, state, name)
    cleared = named.outcome == "not_billed"
    newest = named is record.attempts[-1]
    if resolution == "not_billed" and cleared and newest and state in (State.READY, *HAVE_TASK):
        return None
    if resolution == "abandon" and state is State.LOST and named.is_unsettled:
        return None
    if resolution == "attach" and cleared and state in (State.READY, State.UNKNOWN, State.LOST):
        return named  # called not billed by mistake
    if _is_settled(entry):
        raise _not_unknown(entry)
    if _is_held(record) and resolution != "attach":
        return named
    if not named.is_unsettled:
        became = "not billed" if cleared else f"{named.outcome}{f', task {named.task_id}' if named.task_id else ''}"
        raise refused_for_another(record, state, f"Attempt {named.name} is settled already ({became}).")
    if resolution == "abandon" and named is not record.unsettled()[-1]:
        reason = f"Attempt {named.name} is not the newest, and giving up gives up all of it."
        raise refused_for_another(record, state, reason)
    return named


def named_attempt(record: Record, state: State, name: str) -> Attempt:
    """Find the attempt that a call names; without a name the only one.

    Raises:
        ResolutionRefused: It is not in the record, or others may be meant.
    """
    if name:
        found = record.attempt_named(name)
        if found is None:
            raise refused_for_another(record, state, f"Attempt {name[:80]!r} is not in the record.")
        return found
    only = record.attempts[0]
    if len(record.attempts) == 1 and only.number == 1 and not only.restored:
        return only
    raise refused_for_another(record, state, "The record has had several attempts, and the call does not name one.")


def _not_unknown(entry: Entry) -> ResolutionRefused:
    record = entry.record
    reason = f"It is not unknown but {entry.state}" + (f", task {record.task_id}." if record.task_id else ".")
    return ResolutionRefused(record.intent, reason, "Run the request: it goes on from there.")


def refused_for_another(record: Record, state: State, reason: str) -> ResolutionRefused:
    """Refuse a call that is about another attempt than those that are to be settled, and name these."""
    open_ones = [f"{each.name} ({_moment(each)})" for each in record.unsettled()]
    if not open_ones:
        fix = "No attempt of it is to be settled; run the request: it goes on from there."
        return ResolutionRefused(record.intent, f"{reason} The record is {state} now.", fix)
    fix = (
        "Look for the task of that one in the console, then name it: attempt (on the command line: --attempt). "
        f"To be settled: {', '.join(open_ones)}."
    )
    return ResolutionRefused(record.intent, f"{reason} The record is {state} now.", fix)


def _moment(attempt: Attempt) -> str:
    if attempt.started_at == UNKNOWN_MOMENT:
        return "of a time that is not known"
    return f"{'after' if attempt.restored else 'of'} {attempt.started_at:%Y-%m-%d %H:%M:%S} UTC"


def _attached(record: Record, target: Attempt, answer: Accepted, journal: Journal, by: str) -> Record:
    record = _with_its_task(changes.accepted(record, target.nonce, answer, journal.now()))
    return _marked(record, target.number, {"resolved_by": by or "a person"})


def _is_held(record: Record) -> bool:
    """Return whether it is unknown only since a person said that a task which the vendor failed has a video."""
    return record.state is State.UNKNOWN and not record.unsettled()


def _not_billed(record: Record, target: Attempt, by: str) -> Record:
    if _is_held(record) and target.failure:  # then the vendor's verdict stands again
        return record.model_copy(update={"state": State.FAILED, "current": target.number, "holder": None})
    marks = {"outcome": "not_billed", "resolved_by": by or "a person"}
    record = _marked(record, target.number, marks)
    if record.unsettled():
        left = State.LOST if record.state is State.LOST else State.UNKNOWN
        return record.model_copy(update={"state": left, "holder": None})
    if record.live_attempt() is not None:  # of an earlier attempt: nothing has to be paid for
        return _with_its_task(record)
    return record.model_copy(update={"state": State.READY, "holder": None})


def _with_its_task(record: Record) -> Record:
    """Go on with the task that the record has; if its video is in the store, there is nothing to go on with."""
    record = changes.settled(record)
    facts = record.stored.model_extra if record.stored else None
    if record.stored is None or not record.task_id or (facts or {}).get("task_id") != record.task_id:
        return record
    return record.model_copy(update={"state": State.STORED, "key": record.stored.key, "holder": None})


def _abandoned(record: Record, by: str) -> Record:
    for each in record.unsettled():
        record = _marked(record, each.number, {"outcome": "unknown", "resolved_by": by or "a person"})
    return record.model_copy(update={"state": State.LOST, "holder": None})


def _marked(record: Record, number: int, marks: dict[str, str]) -> Record:
    attempts = tuple(each.model_copy(update=marks) if each.number == number else each for each in record.attempts)
    return record.model_copy(update={"attempts": attempts})


def _check_model(record: Record, answer: Accepted) -> None:
    """Refuse a task of another model: it is most likely another video. An answer that names none says nothing."""
    if answer.model and record.model and answer.model != record.model:
        reason = f"Task {answer.task_id} is of model {answer.model}, and {record.model} was asked for."
        fix = (
            "Look for another task of that minute in the console. The vendor may also call a model by another name: "
            "if you are sure that this is the task, set any_model (on the command line: --any-model)."
        )
        raise ResolutionRefused(record.intent, reason, fix)


def _check_age(record: Record, target: Attempt, answer: Accepted) -> None:
    """Refuse a task that was made before its attempt was sent, or after a later one was."""
    if answer.created_at is None:
        return
    if answer.created_at < target.started_at.timestamp() - _CLOCKS_APART_SECONDS:
        when = f"before attempt {target.name} ({_moment(target)})"
    else:
        later = (
            each
            for each in record.attempts
            if each.number > target.number
            and each.counts
            and not each.restored
            and each.started_at.timestamp() + _CLOCKS_APART_SECONDS <= answer.created_at
        )
        overtaken = next(later, None)
        if overtaken is None:
            return
        when = f"after attempt {overtaken.name} ({_moment(overtaken)}), and so may be the task of that one"
    reason = f"Task {answer.task_id} was made {_vendor_moment(answer.created_at)}, {when}."
    fix = (
        "Look for another task in the console, or name the other attempt. If the clock of the machine that sent it was "
        "wrong, and you are sure that this is the task, set any_age (on the command line: --any-age)."
    )
    raise ResolutionRefused(record.intent, reason, fix)


def _vendor_moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _reserve(journal: Journal, record: Record, answer: Accepted) -> None:
    """Make a task id this intent's, unless it is another's."""
    intent, task_id = record.intent, answer.task_id
    key = f"{journal.prefix}tasks/{hashlib.sha256(task_id.encode()).hexdigest()[:32]}.json"
    data = json.dumps({"task_id": task_id, "intent": intent, "nonce": intent}).encode()
    careful, patience = journal.confirmed, journal.patience
    try:
        careful.put(key, data, etag=None, patience=patience, intent=intent)
    except RecordChanged:
        found = careful.get(key, patience, intent)
        owner = _owner_in(found.data) if found else ""
        if found is not None and owner != intent:
            entry = journal.read(owner) if owner else None
            bound = entry is not None and task_id in entry.record.task_ids
            if owner and (bound or found.age_seconds < _RESERVATION_SECONDS):
                raise _taken(intent, task_id, owner) from None
            careful.put(key, data, etag=found.etag, patience=patience, intent=intent)
    template = record.delivery.key_template
    owner = owner_of(journal, task_id, besides=intent, created_at=answer.created_at, key_template=template)
    if owner is not None and not owner.readable:
        fix = f"Restore that one first: {how_to_restore(owner.intent, journal.store_option)}"
        reason = f"Task {task_id} stands in the record of intent {owner.intent}, which cannot be read."
        raise ResolutionRefused(intent, reason, fix)
    if owner is not None:
        raise _taken(intent, task_id, owner.intent)


def _owner_in(reservation: bytes) -> str:
    """Return whose reservation it is; "" if it is damaged: then only the records say who has the task."""
    try:
        return str(json.loads(reservation)["intent"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _taken(intent: str, task_id: str, owner: str) -> ResolutionRefused:
    fix = "Look for another task of that minute in the console; each video has one of its own."
    return ResolutionRefused(intent, f"Task {task_id} belongs to intent {owner}.", fix)
