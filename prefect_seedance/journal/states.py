"""The states of a record, as a table: what each means, who may go on, and where it may lead.

    ready ──> sending ──> submitted ──> completed ──> stored
      ^          │  └───> unknown ──┐       ^
      └──────────┤           │      ├──> (submitted: a task id is never dropped, whatever the state)
                 └──> refused│      │
    failed <── submitted     └──> lost

A video that a person brings in leads from any state but `sending` to `stored`.

`sending` past its deadline reads as `unknown`: see `Record.reads_as`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from prefect_seedance.journal.errors import IllegalTransition


class State(StrEnum):
    """What is known of an intent."""

    READY = "ready"
    SENDING = "sending"
    SUBMITTED = "submitted"
    COMPLETED = "completed"
    STORED = "stored"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    LOST = "lost"


@dataclass(frozen=True)
class StateRow:
    """One row of the table.

    Attributes:
        meaning: What is known.
        who_may_go_on: Who may write the record next.
        is_open: Whether something is still to be done, by us, the vendor or a person: it has an open marker.
        leads_to: The states that may follow. A state may always be written again with more facts.
    """

    meaning: str
    who_may_go_on: str
    is_open: bool
    leads_to: frozenset[State]


def _to(*states: State) -> frozenset[State]:
    return frozenset(states)


STATES: Mapping[State, StateRow] = {
    State.READY: StateRow(
        "nothing is on the wire",
        "anyone, once the holder's lease has run out",
        True,
        # Refused: nobody came back for it.
        _to(State.SENDING, State.SUBMITTED, State.STORED, State.UNKNOWN, State.REFUSED),
    ),
    State.SENDING: StateRow(
        "claimed for one POST, with nonce and deadline",
        "its owner; past the deadline a person",
        True,
        _to(State.READY, State.SUBMITTED, State.REFUSED, State.FAILED, State.UNKNOWN, State.LOST),
    ),
    State.SUBMITTED: StateRow(
        "the vendor has a task",
        "anyone may poll and relay",
        True,
        _to(State.COMPLETED, State.STORED, State.FAILED, State.UNKNOWN),
    ),
    State.COMPLETED: StateRow(
        "the vendor has the video",
        "anyone may relay",
        True,
        _to(State.SUBMITTED, State.STORED, State.FAILED, State.UNKNOWN),
    ),
    # Back to completed when a HEAD finds the object gone: the same task is relayed again.
    State.STORED: StateRow("in the store, whole", "done: no one needs to", False, _to(State.COMPLETED)),
    State.REFUSED: StateRow(
        "certainly not accepted",
        "anyone may claim again",
        False,
        _to(State.SENDING, State.SUBMITTED, State.STORED, State.UNKNOWN),
    ),
    State.FAILED: StateRow(
        "the vendor's own verdict",
        "a new attempt only by policy",
        False,
        _to(State.SENDING, State.SUBMITTED, State.STORED, State.UNKNOWN),
    ),
    State.UNKNOWN: StateRow(
        "perhaps accepted, perhaps billed",
        "only a person: resolve_submission",
        True,
        # Stored: the record was restored, and its video is in the store.
        _to(State.SUBMITTED, State.STORED, State.READY, State.FAILED, State.LOST),
    ),
    State.LOST: StateRow(
        "given up by a person",
        "a new attempt by take or resolve_submission",
        False,
        _to(State.SUBMITTED, State.STORED, State.READY),
    ),
}

#: States in which the intent has its task.
HAVE_TASK = frozenset({State.SUBMITTED, State.COMPLETED, State.STORED})
#: States that a new record may have: claimed at once, or known from elsewhere.
FIRST_STATES = frozenset({State.SENDING, State.SUBMITTED})


def check_transition(intent: str, before: State | None, after: State) -> None:
    """Refuse a step that is not in the table.

    Raises:
        IllegalTransition: A fault of this package; nothing was written.
    """
    allowed = FIRST_STATES if before is None else STATES[before].leads_to | {before}
    if after not in allowed:
        raise IllegalTransition(intent, "nothing" if before is None else str(before), str(after))
