"""What the record says of an order when its run ends without the video: what was paid, and what goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect_seedance.asides import words_of
from prefect_seedance.journal.commands import how_to_go_on
from prefect_seedance.pipeline.observer import Observer

if TYPE_CHECKING:
    from prefect_seedance.journal.errors import SubmissionUnknown
    from prefect_seedance.journal.identity import Identity
    from prefect_seedance.pipeline.parties import Destination


@dataclass(frozen=True)
class Standing:
    """What the journal knows of an order: a task that goes on, or a submission that a person has to settle.

    Attributes:
        task_id: The vendor's task that goes on, "" if none is known.
        unknown: Set where a submission may have been accepted, and a person has to settle it.
        scope: What the video is shared within; None before anything could have been sent.
    """

    task_id: str = ""
    unknown: SubmissionUnknown | None = None
    scope: str | None = None

    @property
    def advice(self) -> str:
        """How to go on, "" where there is no task."""
        return how_to_go_on(self.scope or "") if self.task_id else ""


def look_up(destination: Destination, identity: Identity, observer: Observer) -> Standing:
    """Read what the journal knows of an order; nothing if it cannot be read just now. Blocking."""
    # The flow needs `Standing` when it is imported, and the journal only when it is asked.
    from prefect_seedance.journal.confirmed_store import Patience
    from prefect_seedance.journal.states import HAVE_TASK, State
    from prefect_seedance.journal.submit.stop_errors import unknown_error

    journal, scope = destination.journal, identity.scope
    try:
        entry = journal.read(identity.intent, Patience(seconds=3.0))
    except Exception as error:
        observer.log(f"The journal could not be read: {words_of(error)}")
        return Standing(scope=scope)
    if entry is None:
        return Standing(scope=scope)
    if entry.state is State.UNKNOWN:
        where = journal.uri_of(identity.intent)
        return Standing(unknown=unknown_error(entry.record, where, journal.store_option), scope=scope)
    return Standing(entry.record.task_id if entry.state in HAVE_TASK else "", scope=scope)
