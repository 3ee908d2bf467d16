"""The record's part of bringing a video in by hand: whose video it is, and what the record says afterwards.

A person may have the video of any attempt, whatever the record says of that: the vendor's console shows videos of tasks
whose answer was lost, whose link is dead, or which the vendor itself called failed. That the video exists is the proof
that the attempt was paid for, so it counts from then on.

While a record may be claimed, also after the vendor's verdict, it says `unknown` first, or a run could pay for another
video during the relay. If the process dies then, or something on the way fails, it stays so, and the same call goes on;
only if there turns out to be no video, that is taken back. A person takes it back with `not_billed`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from prefect_seedance.journal import changes
from prefect_seedance.journal.errors import JournalError, RecordChanged, ResolutionRefused
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Attempt, Entry, Record, Stored, stand_in_for
from prefect_seedance.journal.resolution import named_attempt, read_record, refuse_while_submitting
from prefect_seedance.journal.states import HAVE_TASK, State

#: States in which a run may submit the intent again.
_CLAIMABLE = (State.READY, State.REFUSED, State.FAILED)
_RACES = 20
_HELD = "a person says that the vendor has made a video of it, and is bringing that in"


@dataclass(frozen=True)
class Completion:
    """An attempt that a person completes.

    Attributes:
        record: As it stands.
        attempt: Whose video it is; has a task id, or what stands for one.
        held: The record as it was read back, if it was only made unknown for this.
        before: What it said until then.
    """

    record: Record
    attempt: Attempt
    held: Entry | None = None
    before: Record | None = None

    @property
    def was_free(self) -> bool:
        """Whether the attempt was taken for free until now, so that no budget holds anything for it."""
        found = (self.before or self.record).attempt_by(self.attempt.nonce) or self.attempt
        return not found.counts or (found.is_unsettled and found.message == changes.plain(_HELD))


def hold_for_video(journal: Journal, intent: str, name: str) -> Completion:
    """Find the attempt whose video a person has; nobody submits the intent from then on.

    Args:
        journal: The journal.
        intent: Identity of the video.
        name: Which attempt, see `Attempt.name`; "" for the one that the record is about, or its only one.

    Raises:
        ResolutionRefused: A run is submitting it at this moment, or the call does not say which attempt is meant.
        JournalError: The journal cannot be used.
    """
    before: Record | None = None
    ours = False
    for _ in range(_RACES):
        entry = read_record(journal, intent)
        attempt = _named(entry, name)
        name, record = attempt.name, entry.record
        lapsed = record.state is not entry.state
        if record.state is State.UNKNOWN and not ours:
            # Whoever holds it for another video may let it go. Not any longer, once it is written anew.
            with suppress(RecordChanged):
                journal.write(intent, entry, record, step="resolve")
                ours = True
            continue
        if not lapsed and record.state not in _CLAIMABLE:
            if not attempt.task_id:
                attempt = attempt.model_copy(update={"task_id": stand_in_for(intent, attempt)})
            return Completion(record, attempt, entry if before else None, before)
        with suppress(RecordChanged):  # exactly over what was judged
            journal.write(intent, entry, changes.perhaps_billed(record, attempt.nonce, _HELD), step="resolve")
            before, ours = None if lapsed else record, True
    raise ResolutionRefused(intent, "Other runs keep changing the record.", "Try again when no run is working on it.")


def let_go(journal: Journal, completion: Completion) -> None:
    """Take back what `hold_for_video` has written, as there was no video; whoever wrote since then knows better."""
    held, before = completion.held, completion.before
    if held is None or before is None:
        return
    state = State.FAILED if before.state is State.FAILED else State.READY
    with suppress(JournalError):  # it stays unknown, which a person settles
        after = before.model_copy(update={"state": state, "holder": None})
        journal.write(before.intent, held, after, step="resolve")


def record_brought(journal: Journal, completion: Completion, facts: Stored, by: str) -> Record:
    """Write down where the video lies that a person has brought in.

    Args:
        journal: The journal.
        completion: What `hold_for_video` returned: if its record had a video that is gone or damaged, this one replaces
            it.
        facts: Where it lies.
        by: Who brought it.

    Returns:
        The record as it stands now. It has another video where somebody else was faster.

    Raises:
        ResolutionRefused: A run is submitting the intent again at this moment.
        JournalError: The journal cannot be used.
    """
    before, attempt = completion.record, completion.attempt
    instead_of = before.stored if before.state is State.STORED else None

    def change(record: Record) -> Record:
        now = journal.now()
        return changes.brought_in(record, attempt.nonce, facts, attempt.task_id, by, now, instead_of=instead_of)

    entry = journal.update(before.intent, change, step="resolve")
    refuse_while_submitting(entry)
    if entry.state is not State.STORED:
        fix = "The video is in the store: call again, and name the attempt as the record has it now."
        raise ResolutionRefused(before.intent, f"Attempt {attempt.name} is no longer in the record.", fix)
    return entry.record


def _named(entry: Entry, name: str) -> Attempt:
    refuse_while_submitting(entry)
    record, current = entry.record, entry.record.current_attempt
    if not name and current is not None and record.state in HAVE_TASK:
        return current
    return named_attempt(record, entry.state, name)
