"""Settling an unknown submission: the only way on from `unknown`, and a person's.

    attach       the task is in the console: its id goes into the record, once a GET has shown that it exists
    not_billed   there is no task and no bill: the record is ready again
    abandon      give it up: the record is `lost`, and nothing is submitted for the intent again

A task id goes to one intent only. It is reserved under ``journal/tasks/`` before it is attached, so that of
two people who give it to two intents one is refused, and all records are searched for it.

What it does not do: it cannot see the console. A task that belongs to an intent which is being submitted at
this very moment can still be attached to another; the record of the former then gets it as well, since an
answer is never dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Literal

from prefect_seedance.client.errors import TaskNotFound, WrongTask
from prefect_seedance.client.exchange import is_vendor_id
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.journal import changes
from prefect_seedance.journal.commands import how_to_list_unknown
from prefect_seedance.journal.errors import RecordChanged, ResolutionRefused
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Attempt, Entry, Record
from prefect_seedance.journal.states import State

Resolution = Literal["attach", "not_billed", "abandon"]

#: A reservation that is older than this and led to nothing (its process was killed) no longer binds.
_RESERVATION_SECONDS = 600.0
_RACES = 20


def resolve_unknown(
    journal: Journal,
    intent: str,
    resolution: Resolution,
    *,
    task_id: str = "",
    attempt: int = 0,
    by: str = "",
    any_model: bool = False,
    fetch: Callable[[str], VideoTask] | None = None,
) -> Entry:
    """Settle an unknown submission.

    Args:
        journal: The journal.
        intent: Identity of the video.
        resolution: What became of it.
        task_id: For ``attach``.
        attempt: Number of the attempt, 0 for the newest that is not settled.
        by: Who says so, for the record.
        any_model: For ``attach``: take the task even if the vendor names another model for it than was asked for.
        fetch: Asks the vendor for a task; needed for ``attach``.

    Returns:
        The record as it stands now. Doing the same again changes nothing.

    Raises:
        ResolutionRefused: The resolution cannot be right; the message says why and what to do.
        SeedanceError: The vendor could not be asked.
        JournalError: The journal cannot be used.
    """
    answer = _found_at_vendor(intent, task_id, fetch) if resolution == "attach" else None
    for _ in range(_RACES):
        entry = journal.read(intent)
        if entry is None:
            fix = f"Those to settle: {how_to_list_unknown(journal.store_option)}"
            raise ResolutionRefused(intent, f"There is no such record in {journal.location}.", fix)
        if answer is not None and answer.task_id in entry.record.task_ids:
            return entry
        target = _target(entry, resolution, attempt)
        if target is None:
            return entry
        if answer is not None:
            if not any_model:
                _check_model(entry.record, answer)
            _reserve(journal, intent, answer.task_id)
            after = _attached(entry.record, target, answer, journal, by)
        elif resolution == "not_billed":
            after = _not_billed(entry.record, target, by)
        else:
            after = _abandoned(entry.record, by)
        try:
            # Exactly over what was judged: a lapsed claim may have been renewed by its owner meanwhile.
            return journal.write(intent, entry, after, step="resolve")
        except RecordChanged:
            continue
    raise ResolutionRefused(intent, "The record changes all the time.", "Try again when no run is working on it.")


def _found_at_vendor(intent: str, task_id: str, fetch: Callable[[str], VideoTask] | None) -> Accepted:
    """Check that a task exists before its id goes into the record."""
    task_id = task_id.strip()
    if not is_vendor_id(task_id):
        raise ResolutionRefused(intent, "No task id was given.", "Copy it from the vendor's console.")
    if fetch is None:
        raise ResolutionRefused(intent, "The task id cannot be checked.", "Pass the credentials as well.")
    try:
        task = fetch(task_id)
    except TaskNotFound as error:
        fix = "Check the id, and that the credentials are those of the account that submitted it."
        raise ResolutionRefused(intent, f"The vendor does not know task {task_id}.", fix) from error
    except WrongTask as error:
        raise _about_another(intent, task_id, error.answered) from error
    if task.task_id and task.task_id != task_id:
        raise _about_another(intent, task_id, task.task_id)
    if not task.names_itself:
        fix = "Try again in a few minutes: what answered may not be the vendor."
        raise ResolutionRefused(intent, f"The vendor's answer about task {task_id} does not name it.", fix)
    return Accepted(task_id, task.status, task.model, task.created_at, task.cost)


def _about_another(intent: str, task_id: str, answered: str) -> ResolutionRefused:
    fix = "Pass the whole id, as the console shows it; if it is whole, try again in a few minutes."
    return ResolutionRefused(intent, f"The vendor answers with task {answered}, not {task_id}.", fix)


def _target(entry: Entry, resolution: Resolution, number: int) -> Attempt | None:
    """Find the attempt to settle; None if the record says so already."""
    record, state = entry.record, entry.state
    cleared = tuple(each for each in record.attempts if each.outcome == "not_billed")
    if (state, resolution) == (State.LOST, "abandon") or (state, resolution, bool(cleared)) == (
        State.READY,
        "not_billed",
        True,
    ):
        return None
    may_be = record.unsettled()
    if resolution == "attach":  # also one that was called not billed, as long as nothing was sent since
        may_be = tuple(sorted((*may_be, *cleared), key=lambda each: each.number))
    free_again = state is State.READY and resolution == "attach" and bool(cleared)
    left = record.lease_left(entry.age_seconds)
    if state is State.SENDING or (state is State.READY and left > 0):
        fix = f"Wait {left:.0f} s; if it is still unknown then, call again."
        raise ResolutionRefused(record.intent, "A run is submitting it right now.", fix)
    if state not in (State.UNKNOWN, State.LOST) and not free_again:
        reason = f"It is not unknown but {state}" + (f", task {record.task_id}." if record.task_id else ".")
        raise ResolutionRefused(record.intent, reason, "Run the request: it goes on from there.")
    found = next((each for each in reversed(may_be) if number in (0, each.number)), None)
    if found is None:
        numbers = ", ".join(str(each.number) for each in may_be) or "none"
        reason = f"Attempt {number or 'to settle'} is not among the unknown ones ({numbers})."
        raise ResolutionRefused(record.intent, reason, "Leave the attempt out, or name one of these.")
    return found


def _attached(record: Record, target: Attempt, answer: Accepted, journal: Journal, by: str) -> Record:
    record = changes.settled(changes.accepted(record, target.nonce, answer, journal.now()))
    return _marked(record, target.number, {"resolved_by": by or "a person"})


def _not_billed(record: Record, target: Attempt, by: str) -> Record:
    marks = {"outcome": "not_billed", "resolved_by": by or "a person"}
    record = _marked(record, target.number, marks)
    left = State.LOST if record.state is State.LOST else State.UNKNOWN
    state = left if record.unsettled() else State.READY
    return record.model_copy(update={"state": state, "holder": None})


def _abandoned(record: Record, by: str) -> Record:
    for each in record.unsettled():
        record = _marked(record, each.number, {"outcome": "unknown", "resolved_by": by or "a person"})
    return record.model_copy(update={"state": State.LOST, "holder": None})


def _marked(record: Record, number: int, marks: dict[str, str]) -> Record:
    attempts = tuple(each.model_copy(update=marks) if each.number == number else each for each in record.attempts)
    return record.model_copy(update={"attempts": attempts})


def _check_model(record: Record, answer: Accepted) -> None:
    """Refuse a task of another model: it is most likely another video. An answer that names none says nothing."""
    if answer.model and answer.model != record.model:
        reason = f"Task {answer.task_id} is of model {answer.model}, and {record.model} was asked for."
        fix = (
            "Look for another task of that minute in the console. The vendor may also call a model by another name: "
            "if you are sure that this is the task, set any_model (on the command line: --any-model)."
        )
        raise ResolutionRefused(record.intent, reason, fix)


def _reserve(journal: Journal, intent: str, task_id: str) -> None:
    """Make a task id this intent's, unless it is another's."""
    key = f"{journal.prefix}tasks/{hashlib.sha256(task_id.encode()).hexdigest()[:32]}.json"
    data = json.dumps({"task_id": task_id, "intent": intent, "nonce": intent}).encode()
    careful, patience = journal.confirmed, journal.patience
    try:
        careful.put(key, data, etag=None, patience=patience, intent=intent)
    except RecordChanged:
        found = careful.get(key, patience, intent)
        owner = str(json.loads(found.data)["intent"]) if found else ""
        if found is not None and owner != intent:
            entry = journal.read(owner)
            bound = entry is not None and task_id in entry.record.task_ids
            if bound or found.age_seconds < _RESERVATION_SECONDS:
                raise _taken(intent, task_id, owner) from None
            careful.put(key, data, etag=found.etag, patience=patience, intent=intent)
    for entry in journal.records():
        if entry.record.intent != intent and task_id in entry.record.task_ids:
            raise _taken(intent, task_id, entry.record.intent)


def _taken(intent: str, task_id: str, owner: str) -> ResolutionRefused:
    fix = "Look for another task of that minute in the console; each video has one of its own."
    return ResolutionRefused(intent, f"Task {task_id} belongs to intent {owner}.", fix)
