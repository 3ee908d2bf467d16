"""The record of one intent: what was intended, sent, answered and stored, as one small JSON file.

Versioned: fields that a newer package added are kept and written back, a record of a newer `version` may be
read and not written. No secrets: of the credentials only the fingerprint, of media links only what identifies
them. Times are the worker's and for people only; nothing is decided by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from prefect_seedance.client.models import Moment
from prefect_seedance.journal.states import STATES, State

VERSION = 1

#: What became of an attempt; "" as long as that is not recorded: it is on the wire, or its process is gone.
AttemptOutcome = Literal[
    "", "accepted", "unknown", "refused", "never_sent", "rate_limited", "busy", "not_billed", "same_task"
]
#: Outcomes that certainly cost nothing. Every other one counts as a submission, also one that we do not know.
#: ("same_task": its task is counted in another attempt of the record.)
FREE_OUTCOMES = frozenset({"refused", "never_sent", "rate_limited", "busy", "not_billed", "same_task"})
#: Free attempts that a record keeps, the newest; the others are never dropped.
FREE_ATTEMPTS_KEPT = 20
#: Stands for the moment of an attempt that nobody knows any more.
UNKNOWN_MOMENT = datetime.fromtimestamp(0, UTC)


#: How the task ids begin that are not the vendor's, see `stand_in_for`.
_STAND_IN = "by-hand-"


def stand_in_for(intent: str, attempt: Attempt) -> str:
    """Return what stands for the task id of an attempt whose video a person brought in, where the id is not known.

    The same at each call, so that whoever brings the video in once more names the same object.
    """
    return f"{_STAND_IN}{intent[:16]}-{attempt.name}"


def is_stand_in(task_id: str) -> bool:
    """Return whether a task id is not the vendor's but stands for one that is not known: the vendor is not asked.

    Example:
        >>> is_stand_in("by-hand-0123456789abcdef-1-3f9a1c04"), is_stand_in("videos_1")
        (True, False)
    """
    return task_id.startswith(_STAND_IN)


class Part(BaseModel):
    """A part of a record: frozen, and unknown fields survive being written back."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Run(Part):
    """Which run it was.

    Attributes:
        id: Flow run id, "" outside of a flow.
        name: Its name.
        url: Where it can be seen.
    """

    id: str = ""
    name: str = ""
    url: str = ""


class Holder(Part):
    """Who has the record for now.

    Attributes:
        nonce: Of one call of `resume_or_submit`.
        run: The run that it belongs to.
        lease_seconds: For how long, counted by the store's clock from the record's last write.
        deadline: The same as a moment by the holder's clock, for people.
    """

    nonce: str
    run: Run = Run()
    lease_seconds: float = 0.0
    deadline: datetime | None = None


class Delivery(Part):
    """What becomes of the video once it is made, so that another process can go on from the record alone.

    Attributes:
        key_template: Where it goes in the store, filled in but for ``{task_id}`` and ``{created}``.
        name: What the user calls it, "" for nothing.
        notify: Names of the saved notification blocks that are told.
        posters: Whether a poster frame is made, and the video measured.
    """

    key_template: str = ""
    name: str = ""
    notify: tuple[str, ...] = ()
    posters: bool = True


class Stored(Part):
    """Where the video lies. More facts may stand beside these and are kept.

    Attributes:
        uri: Full address.
        key: Key inside the store.
        bytes: Size.
        sha256: 64 hex digits.
        crc32: 8 hex digits.
        etag: The store's own tag.
    """

    uri: str
    key: str
    bytes: int
    sha256: str
    crc32: str
    etag: str = ""


class Attempt(Part):
    """One POST, or what is left of one.

    Attributes:
        number: Rises by one with each attempt of the record, for ever.
        nonce: Names the attempt, and is how a late answer finds its place.
        started_at: When it was claimed.
        run: The run that sent it.
        credentials: Fingerprint of the key and host that were used.
        host: Where it was sent; only credentials for this host can ask about its task.
        outcome: See `AttemptOutcome`; text, so that a newer word is kept. What is not known to be free
            counts.
        answered_at: When the outcome was written down.
        task_id: The vendor's id, "" if there is none or none is known; see `stand_in_for`.
        model: As the vendor answered.
        created_at: Unix seconds by the vendor.
        completed_at: Unix seconds by the vendor.
        cost: JimiCoin that the vendor reported.
        price: JimiCoin that we expected.
        price_source: Where that came from.
        balance_before: JimiCoin before the POST, if it was read.
        balance_after: JimiCoin after an unknown outcome, if it was read.
        inputs: Digests of the links to references: an answer may repeat them, and means no result.
        failure: Class of the vendor's verdict, "" if it gave none.
        message: The vendor's words, or why the outcome is what it is.
        code: Code of the answer.
        status_code: HTTP status of the answer.
        excerpt: Up to 2 KB of what came back, if the outcome is unknown.
        resolved_by: Who settled it by hand.
        restored: Whether it stands for whatever a record held that was damaged or deleted. It started after
            ``started_at``, if there was anything.
        stored: Where its video lies, if the record is about another attempt's video; see `Record.stored`.
        misses: How often a collector has tried in vain to get its video, or to find its task at the vendor.
        missed_at: When it did so last.
    """

    number: int
    nonce: str
    started_at: datetime
    run: Run = Run()
    credentials: str = ""
    host: str = ""
    outcome: str = ""
    answered_at: datetime | None = None
    task_id: str = ""
    model: str = ""
    created_at: Moment = None
    completed_at: Moment = None
    cost: float | None = None
    price: float | None = None
    price_source: str = ""
    balance_before: float | None = None
    balance_after: float | None = None
    inputs: tuple[str, ...] = ()
    failure: str = ""
    message: str = ""
    code: str = ""
    status_code: int | None = None
    excerpt: str = ""
    resolved_by: str = ""
    restored: bool = False
    stored: Stored | None = None
    misses: int = 0
    missed_at: datetime | None = None

    @property
    def name(self) -> str:
        """What commands call it, such as ``2-3f9a1c04``.

        The number is for people. It is not enough: a restored record counts anew from its last readable version.
        """
        return f"{self.number}-{self.nonce[:8]}"

    @property
    def counts(self) -> bool:
        """Whether it was perhaps billed, and so is one of the intent's submissions."""
        return self.outcome not in FREE_OUTCOMES

    @property
    def is_unsettled(self) -> bool:
        """Whether it is not known what became of it."""
        return self.counts and not self.task_id

    @property
    def is_live(self) -> bool:
        """Whether it has a task that the vendor did not end without a video."""
        return bool(self.task_id) and not self.failure


class Record(Part):
    """Everything that is known of one intent.

    Attributes:
        version: Of this shape.
        intent: 32 hex digits.
        rev: Rises with every write.
        nonce: Fresh with every write.
        opening: How often the record became open; names its open marker.
        state: What is known; see `reads_as`.
        request: The canonical request, for people and for the provenance.
        take: Which video of that request.
        scope: What it is shared within.
        account: Label of the account that pays.
        model: The model that was asked for.
        package_version: Of the last writer.
        created_at: When the record was made.
        updated_at: When it was written last.
        holder: Who has it, in ``ready`` and ``sending``.
        current: Number of the attempt that the state is about, 0 if none.
        key: Object key of the current attempt's video, rendered once.
        delivery: What becomes of the video.
        watch_seconds: How long after its last write the record is left to the run that watches the task.
        attempts: In order.
        stored: Where the video lies.
    """

    version: int = VERSION
    intent: str
    rev: int = 0
    nonce: str = ""
    opening: int = 0
    state: State
    request: dict[str, JsonValue]
    take: str
    scope: str
    account: str
    model: str
    package_version: str = ""
    created_at: datetime
    updated_at: datetime
    holder: Holder | None = None
    current: int = 0
    key: str = ""
    delivery: Delivery = Delivery()
    watch_seconds: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    stored: Stored | None = None

    @property
    def submissions(self) -> int:
        """How many attempts were perhaps billed."""
        return sum(attempt.counts for attempt in self.attempts)

    @property
    def current_attempt(self) -> Attempt | None:
        """The attempt that the state is about."""
        return next((attempt for attempt in self.attempts if attempt.number == self.current), None)

    @property
    def task_id(self) -> str:
        """Task id of the current attempt, "" if there is none."""
        attempt = self.current_attempt
        return attempt.task_id if attempt else ""

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Every task id that is known. More than one means that more than one was paid for, or failed."""
        return tuple(attempt.task_id for attempt in self.attempts if attempt.task_id)

    @property
    def inputs(self) -> frozenset[str]:
        """Digests of the links to references, by any attempt."""
        return frozenset(digest for attempt in self.attempts for digest in attempt.inputs)

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done: by its state, or for a second task that was paid for."""
        return STATES[self.state].is_open or bool(self.unstored())

    def attempt_by(self, nonce: str) -> Attempt | None:
        """Find an attempt by its nonce."""
        return next((attempt for attempt in self.attempts if attempt.nonce == nonce), None)

    def attempt_named(self, name: str) -> Attempt | None:
        """Find an attempt by its `Attempt.name`; by its number alone unless the record was restored."""
        found = next((attempt for attempt in self.attempts if attempt.name == name), None)
        if found is None and not any(attempt.restored for attempt in self.attempts):
            found = next((attempt for attempt in self.attempts if str(attempt.number) == name), None)
        return found

    def unstored(self) -> tuple[Attempt, ...]:
        """Return the attempts whose task is the vendor's and may have a video, where that is not in the store."""
        return tuple(
            attempt
            for attempt in self.attempts
            if attempt.is_live
            and not is_stand_in(attempt.task_id)
            and attempt.stored is None
            and not (self.state is State.STORED and attempt.number == self.current)
        )

    def unsettled(self) -> tuple[Attempt, ...]:
        """Return the attempts whose outcome is not known."""
        return tuple(attempt for attempt in self.attempts if attempt.is_unsettled)

    def live_attempt(self) -> Attempt | None:
        """Return the newest attempt with a task, unless the vendor ended that without a video."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.is_live), None)

    def lease_left(self, age_seconds: float) -> float:
        """Return the seconds that the holder still has, by the store's clock; 0 without a holder."""
        return max(0.0, self.holder.lease_seconds - age_seconds) if self.holder else 0.0

    def reads_as(self, age_seconds: float) -> State:
        """Return the state as of now: ``sending`` past its deadline reads as ``unknown``.

        Args:
            age_seconds: Age of the record by the store's clock.
        """
        lapsed = self.state is State.SENDING and self.lease_left(age_seconds) <= 0
        return State.UNKNOWN if lapsed else self.state


@dataclass(frozen=True)
class Entry:
    """A record as read or written.

    Attributes:
        record: The record.
        etag: For the next write.
        age_seconds: Its age by the store's clock.
        read_at: What that clock said at the reading, as Unix seconds; None if it did not say, or nothing was read.
        wrote: Whether the call that returns it has written it. If not, it was read, and there was nothing to do: what
            follows from a change, such as an event, belongs to whoever made it.
        came_from: The state that it wrote over; None for a new record, and for one that was read.
    """

    record: Record
    etag: str
    age_seconds: float
    read_at: float | None = None
    wrote: bool = False
    came_from: State | None = None

    @property
    def moved(self) -> bool:
        """Whether the call that returns it has changed the state."""
        return self.wrote and self.came_from is not self.record.state

    @property
    def state(self) -> State:
        """The state as of the reading; see `Record.reads_as`."""
        return self.record.reads_as(self.age_seconds)
