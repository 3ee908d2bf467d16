"""Which stored video a person means: by its intent, the vendor's task id, or its name in the manifest.

The records know all three. An intent, or eight hex digits of its beginning, is one read or one listing; a task id or a
name is looked for in all records, the newest first.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from prefect_seedance.cli.terminal import complain
from prefect_seedance.journal.commands import command_to_collect, how_to_go_on, how_to_list_unknown, how_to_resolve
from prefect_seedance.journal.errors import JournalError
from prefect_seedance.journal.journal import Journal, is_intent
from prefect_seedance.journal.record import Attempt, Entry, Stored
from prefect_seedance.journal.states import STATES, State
from prefect_seedance.plain_text import cut, one_line

#: From so many hex digits on a text is taken for the beginning of an intent: hardly anything else is called so.
_BEGINNING = 8
_TOLD_EVERY = 1000
_MOST_LISTED = 20


class NoSuchVideo(LookupError):
    """No record of the store is of the video that a person names."""


class SeveralVideos(LookupError):
    """More than one record is; the message lists them."""


class NotStored(LookupError):
    """There is a record, and its video is not in the store; the message says why, and how to go on.

    Attributes:
        task_id: The vendor's task, "" if there is none.
    """

    def __init__(self, message: str, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(message)

    def __str__(self) -> str:
        """Say why, and how to go on."""
        return str(self.args[0])


class NotWhole(RuntimeError):
    """The record says that a video is stored, and the store does not have it any more, or has something else."""


@dataclass(frozen=True)
class FoundVideo:
    """A video that is stored.

    Attributes:
        entry: Its record.
        task_id: The vendor's task that it is of.
        stored: Where it lies.
    """

    entry: Entry
    task_id: str
    stored: Stored

    @property
    def label(self) -> str:
        """What it is called: its name, else its intent."""
        return one_line(self.entry.record.delivery.name) or self.entry.record.intent

    def lost(self, what: str) -> NotWhole:
        """Return the error for an object that is not as the record has it.

        Args:
            what: What is wrong, as a sentence.
        """
        again = how_to_go_on(self.entry.record.scope)
        return NotWhole(
            f"{what} Nothing was saved. If there is a copy of the object, put it back. Else move what is there out of "
            f"the way, which costs nothing. {again} That works for as long as the vendor has the video, about three "
            "days."
        )


def find_video(journal: Journal, text: str) -> FoundVideo:
    """Find the stored video that a person names.

    Args:
        journal: Where to look.
        text: An intent or the beginning of one, a task id, or a name.

    Raises:
        NoSuchVideo, SeveralVideos: It is not clear which one is meant.
        NotStored: It is not in the store.
        JournalError: Its record cannot be read.
    """
    named = text.strip()
    entries = [*_matching(journal, named)]
    if not entries:
        raise NoSuchVideo(
            f"{journal.location} has no video called {one_line(cut(named, 100))!r}: no intent begins with it, and no "
            "task or name is called so. Write one as prefect-seedance journal lists it, and check --store."
        )
    if len(entries) > 1:
        listed = [_candidate(entry) for entry in entries[:_MOST_LISTED]]
        if len(entries) > _MOST_LISTED:
            listed.append(f"  and {len(entries) - _MOST_LISTED} more")
        said = f"{len(entries)} videos are called {one_line(cut(named, 100))!r}. Name one by its intent:"
        raise SeveralVideos("\n".join([said, *listed]))
    (entry,) = entries
    attempt = _attempt_meant(entry, named)
    stored = entry.record.stored
    if attempt is not None and attempt.number != entry.record.current:
        stored = attempt.stored
    if stored is None or (entry.state is not State.STORED and attempt is None):
        raise NotStored(_why_not_stored(journal, entry, attempt), attempt.task_id if attempt else entry.record.task_id)
    return FoundVideo(entry, attempt.task_id if attempt else entry.record.task_id, stored)


def _attempt_meant(entry: Entry, task_id: str) -> Attempt | None:
    return next((each for each in entry.record.attempts if task_id and each.task_id == task_id), None)


def _matching(journal: Journal, named: str) -> Iterator[Entry]:
    if not named:
        return
    digits = named.lower() if re.fullmatch("[0-9a-fA-F]{1,32}", named) else ""
    if is_intent(digits) and (entry := journal.read(digits)):
        yield entry
        return
    if _BEGINNING <= len(digits) < 32:
        found = [*_beginning_with(journal, digits)]
        if found:
            yield from found
            return
    for number, entry in enumerate(journal.records(newest_first=True), 1):
        if number % _TOLD_EVERY == 0 and sys.stderr.isatty():
            complain(f"{number:,} records read ...")
        record = entry.record
        if named in record.task_ids:
            yield entry
            return  # no other record has it
        if record.delivery.name == named or (digits and record.intent.startswith(digits)):
            yield entry


def _beginning_with(journal: Journal, digits: str) -> Iterator[Entry]:
    for intent in journal.intents(beginning=digits):
        found = journal.look(intent)
        if isinstance(found, JournalError):
            raise found
        if found is not None:
            yield found


def _candidate(entry: Entry) -> str:
    record = entry.record
    words = record.delivery.name or str(record.request.get("prompt", ""))
    take = f"take {record.take}, " if record.take != "1" else ""
    said = cut(" ".join(one_line(words).split()), 40)
    return f"  {record.intent}  {entry.state}, {take}{record.updated_at:%Y-%m-%d %H:%M} UTC, {said}"


def _why_not_stored(journal: Journal, entry: Entry, attempt: Attempt | None) -> str:
    """Return how a record stands, and what brings its video into the store."""
    record, option = entry.record, journal.store_option
    attempt = attempt or record.current_attempt
    state = State.FAILED if attempt and attempt.failure else entry.state
    facts = [f"task {one_line(attempt.task_id)}"] if attempt and attempt.task_id else []
    if attempt and attempt.message and state in (State.FAILED, State.REFUSED, State.UNKNOWN):
        facts.append(one_line(attempt.message).rstrip("."))
    words = f"The video of intent {record.intent} is not stored. Its state is {state}: {STATES[state].meaning}"
    return f"{'; '.join([words, *facts])}. {_way_on(entry, state, option)}"


def _way_on(entry: Entry, state: State, option: str) -> str:
    record = entry.record
    match state:
        case State.SUBMITTED | State.COMPLETED | State.STORED:
            return f"{how_to_go_on(record.scope)} So does this, for all that is open:\n{command_to_collect(option)}"
        case State.UNKNOWN:
            unsettled = record.unsettled()
            attempt = unsettled[0].name if len(unsettled) == 1 else ""
            return f"It is listed by {how_to_list_unknown(option)}\n" + how_to_resolve(
                record.intent, option, attempt, briefly=True
            )
        case State.SENDING:
            return "Wait for the run that submits it."
        case State.READY:
            return "Nothing is paid for it. The run that wants it submits it, or the same request again."
        case State.REFUSED:
            return "Nothing is paid for it. Mend what is refused, and make it again."
        case State.FAILED:
            return "Another take, or another prompt, is another video, which is paid for."
        case State.LOST:
            return "Another take is another video, which is paid for."
