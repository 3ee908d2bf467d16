"""What was intended, submitted and stored: one small record per intent. No Prefect here.

    identity    what makes two requests the same      media       ... and two media addresses
    states      the table of states                   record      the record; codec: as bytes
    changes     every change, as pure functions       careful     one write, pursued until it is known
    journal     the records of a store                reading     looking at them
    decision    what to do, by the record             submission  resume or submit: the heart
    attempting  one attempt                           critical    claim, POST, outcome
    resolve     settling what is unclear              evidence    what a person is told of it
    storm       three unclear answers stop a run      errors      everything that can stop the journal
    points      where a test may kill the process     clock       a stopwatch that no sleep stops

Names are loaded when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_seedance.exports import lazy

if TYPE_CHECKING:
    from prefect_seedance.journal.callbacks import Callbacks, Notice
    from prefect_seedance.journal.careful import Patience
    from prefect_seedance.journal.critical import Evidence, Post, Sender
    from prefect_seedance.journal.decision import Decision, SubmissionPolicy, Verdict, decide
    from prefect_seedance.journal.errors import (
        AbandonedBefore,
        FailedBefore,
        HeldByAnother,
        JournalError,
        JournalGone,
        JournalUnavailable,
        RecordDamaged,
        RecordTooNew,
        ResolutionRefused,
        SubmissionCancelled,
        SubmissionStopped,
        SubmissionsUsedUp,
        SubmissionUnknown,
        TaskNotRecorded,
        TooManyUnknowns,
    )
    from prefect_seedance.journal.identity import (
        ALWAYS,
        Identity,
        canonical,
        identify,
        intent_of,
        named_scope,
        run_scope,
    )
    from prefect_seedance.journal.journal import Journal
    from prefect_seedance.journal.pointer import Submitted
    from prefect_seedance.journal.points import POINTS
    from prefect_seedance.journal.reading import Entry, JournalReader
    from prefect_seedance.journal.record import Attempt, Record, Run, Stored
    from prefect_seedance.journal.resolve import Resolution, resolve_unclear
    from prefect_seedance.journal.states import State
    from prefect_seedance.journal.store_identity import StoreIdentity, identify_store
    from prefect_seedance.journal.storm import UnknownStorm
    from prefect_seedance.journal.submission import resume_or_submit

__all__ = [
    "ALWAYS",
    "POINTS",
    "AbandonedBefore",
    "Attempt",
    "Callbacks",
    "Decision",
    "Entry",
    "Evidence",
    "FailedBefore",
    "HeldByAnother",
    "Identity",
    "Journal",
    "JournalError",
    "JournalGone",
    "JournalReader",
    "JournalUnavailable",
    "Notice",
    "Patience",
    "Post",
    "Record",
    "RecordDamaged",
    "RecordTooNew",
    "Resolution",
    "ResolutionRefused",
    "Run",
    "Sender",
    "State",
    "StoreIdentity",
    "Stored",
    "SubmissionCancelled",
    "SubmissionPolicy",
    "SubmissionStopped",
    "SubmissionUnknown",
    "SubmissionsUsedUp",
    "Submitted",
    "TaskNotRecorded",
    "TooManyUnknowns",
    "UnknownStorm",
    "Verdict",
    "canonical",
    "decide",
    "identify",
    "identify_store",
    "intent_of",
    "named_scope",
    "resolve_unclear",
    "resume_or_submit",
    "run_scope",
]

_HOMES = {
    "callbacks": ("Callbacks", "Notice"),
    "careful": ("Patience",),
    "critical": ("Evidence", "Post", "Sender"),
    "decision": ("Decision", "SubmissionPolicy", "Verdict", "decide"),
    "errors": (
        "AbandonedBefore",
        "FailedBefore",
        "HeldByAnother",
        "JournalError",
        "JournalGone",
        "JournalUnavailable",
        "RecordDamaged",
        "RecordTooNew",
        "ResolutionRefused",
        "SubmissionCancelled",
        "SubmissionStopped",
        "SubmissionUnknown",
        "SubmissionsUsedUp",
        "TaskNotRecorded",
        "TooManyUnknowns",
    ),
    "identity": ("ALWAYS", "Identity", "canonical", "identify", "intent_of", "named_scope", "run_scope"),
    "journal": ("Journal",),
    "pointer": ("Submitted",),
    "points": ("POINTS",),
    "reading": ("Entry", "JournalReader"),
    "record": ("Attempt", "Record", "Run", "Stored"),
    "resolve": ("Resolution", "resolve_unclear"),
    "states": ("State",),
    "store_identity": ("StoreIdentity", "identify_store"),
    "storm": ("UnknownStorm",),
    "submission": ("resume_or_submit",),
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
