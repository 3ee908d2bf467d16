"""What an open record is to a collector: a pure function of the record, its age and who asks.

| record | standing |
|---|---|
| of a newer version of this package | `newer`: read only |
| of another account | `other_account` |
| with nothing left to do | `done` |
| perhaps accepted; or nobody but a person can get its video | `unknown` |
| submitted more recently than `CollectOptions.older_than` | `young` |
| `sending`, within its lease | `watched` |
| `sending`, past its lease | `lapsed`: becomes `unknown` |
| `ready`, for less than a day | `watched`: its run may come back |
| `ready`, for a day | `abandoned`: becomes `refused` |
| with a task, within the time of the run that watches it | `watched` |
| with a task at another host | `other_host` |
| with a task whose link is dead, and was tried a while ago | `waiting` |
| with a task that the vendor completed | `deliver` |
| with any other task | `ask` |

Ages are the store's, and moments are compared with the store's clock as it was last seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from prefect_seedance.journal.record import UNKNOWN_MOMENT, VERSION, Attempt, Record
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.pipeline.parties import Account

Kind = Literal[
    "newer",
    "other_account",
    "done",
    "unknown",
    "young",
    "watched",
    "lapsed",
    "abandoned",
    "other_host",
    "waiting",
    "deliver",
    "ask",
]

#: A video's link lives about so long from its completion.
LINK_LIFE = timedelta(days=3)
#: Closer to its end than this it comes before all else, and a person should know of it.
DYING = timedelta(days=1)
#: So long after that a video whose link is still dead is given up.
GIVEN_UP_AFTER = timedelta(days=7)
#: How long nobody has to come back for a record that is ready.
ABANDONED_SECONDS = 86_400.0
#: A dead link is tried hourly for a day, then daily.
_HOUR, _DAY, _HOURLY_TRIES = timedelta(hours=1), timedelta(days=1), 24
#: See `place_in_turn`.
_TURN_SECONDS, _GOLDEN = 300.0, (5**0.5 - 1) / 2


@dataclass(frozen=True)
class OpenStanding:
    """What an open record is to a collector.

    Attributes:
        kind: See the module.
        attempts: Those whose tasks are asked about, for `ask` and `deliver`.
        next_try: For `waiting`, when the next try is due.
        watched_seconds: For `watched` and `young`, for how long yet.
    """

    kind: Kind
    attempts: tuple[Attempt, ...] = ()
    next_try: datetime | None = None
    watched_seconds: float = 0.0


def standing(
    record: Record, age_seconds: float, account: Account, options: CollectOptions, now: datetime
) -> OpenStanding:
    """Return what an open record is to the collector of an account.

    Args:
        record: As read.
        age_seconds: Its age by the store's clock.
        account: Who collects.
        options: How.
        now: By the store's clock, as far as that is known.
    """
    if record.version > VERSION:
        return OpenStanding("newer")
    if record.account != account.label:
        return OpenStanding("other_account")
    if not record.is_open:
        return OpenStanding("done")
    if record.state is State.UNKNOWN or (record.state is State.READY and record.unsettled()):
        return OpenStanding("unknown")
    young_for = submitted_at(record) + timedelta(minutes=options.older_than) - now
    if options.older_than and young_for > timedelta():
        return OpenStanding("young", watched_seconds=young_for.total_seconds())
    if record.state in (State.SENDING, State.READY):
        return _not_submitted(record, age_seconds)
    return _with_tasks(record, age_seconds, account, now)


def _not_submitted(record: Record, age_seconds: float) -> OpenStanding:
    sending = record.state is State.SENDING
    left = max(record.lease_left(age_seconds), 0.0 if sending else ABANDONED_SECONDS - age_seconds)
    if left > 0:
        return OpenStanding("watched", watched_seconds=left)
    return OpenStanding("lapsed" if sending else "abandoned")


def _with_tasks(record: Record, age_seconds: float, account: Account, now: datetime) -> OpenStanding:
    left = record.watch_seconds - age_seconds
    if record.state in (State.SUBMITTED, State.COMPLETED) and left > 0:
        return OpenStanding("watched", watched_seconds=left)
    # The one that the record is about comes first.
    open_attempts = sorted(record.unstored(), key=lambda attempt: attempt.number != record.current)
    if not open_attempts:  # a person brought its video in, and it is gone from the store
        return OpenStanding("unknown")
    # The host is not known of a task that a person attached to a record which had been lost.
    ours = [attempt for attempt in open_attempts if attempt.host in ("", account.settings.host)]
    if not ours:
        return OpenStanding("other_host")
    due = tuple(attempt for attempt in ours if is_due(record, attempt, now))
    if not due:
        return OpenStanding("waiting", next_try=min(_next_tries(ours), default=None))
    completed = record.state is State.COMPLETED or any(attempt.completed_at for attempt in due)
    return OpenStanding("deliver" if completed else "ask", due)


def _next_tries(attempts: Iterable[Attempt]) -> list[datetime]:
    return [each for each in map(next_try_of, attempts) if each is not None]


def submitted_at(record: Record) -> datetime:
    """Return when a record's newest attempt was sent, as far as that is known."""
    return max((attempt.started_at for attempt in record.attempts), default=record.created_at)


def link_dies_at(record: Record, attempt: Attempt) -> datetime:
    """Return when the link to an attempt's video is expected to die, at the earliest.

    Example:
        >>> at = datetime(2026, 11, 22, tzinfo=UTC)
        >>> attempt = Attempt(number=1, nonce="a", started_at=at, task_id="videos_1")
        >>> facts = {"intent": "0" * 32, "request": {}, "take": "1", "scope": "", "account": "a", "model": "m"}
        >>> record = Record(state=State.SUBMITTED, created_at=at, updated_at=at, attempts=(attempt,), **facts)
        >>> str(link_dies_at(record, attempt))
        '2026-11-25 00:00:00+00:00'
    """
    started = attempt.started_at if attempt.started_at != UNKNOWN_MOMENT else record.created_at
    by_vendor = attempt.completed_at or attempt.created_at
    return (datetime.fromtimestamp(by_vendor, UTC) if by_vendor else started) + LINK_LIFE


def next_try_of(attempt: Attempt) -> datetime | None:
    """Return when a video that could not be got is tried again; None if it was not tried in vain yet."""
    if not attempt.misses or attempt.missed_at is None:
        return None
    return attempt.missed_at + (_HOUR if attempt.misses < _HOURLY_TRIES else _DAY)


def is_due(record: Record, attempt: Attempt, now: datetime) -> bool:
    """Return whether a video may be tried (again). In the last two hours of its link's life it may, each time."""
    following = next_try_of(attempt)
    if following is None or attempt.missed_at is None or now >= following:
        return True
    if now < attempt.missed_at:  # by a clock that was ahead
        return True
    return timedelta() < link_dies_at(record, attempt) - now < 2 * _HOUR


def is_given_up(dies_at: datetime, missed_at: datetime | None, now: datetime) -> bool:
    """Return whether a link that is dead once more is tried no longer: not for what was seen on a single day.

    Args:
        dies_at: When it died, or should have.
        missed_at: When its video could not be had the last time before; None if this is the first.
        now: By the store's clock.

    Example:
        >>> at = datetime(2026, 11, 22, tzinfo=UTC)
        >>> week = timedelta(days=7)
        >>> is_given_up(at, at + timedelta(days=6), at + week), is_given_up(at, None, at + week)
        (True, False)
    """
    return missed_at is not None and now >= max(dies_at + GIVEN_UP_AFTER, missed_at + _DAY)


def place_in_turn(intent: str, now: datetime) -> float:
    """Return the place, from 0 to 1, of a task that is not urgent among the others of its kind.

    A run that cannot ask about all begins at the lowest place. The places move on by the golden ratio every five
    minutes, so that runs one after the other begin as far apart as can be, and none leaves the same tasks out. (Places
    that are drawn leave an eighth of the tasks out of 20 runs that ask about a tenth each.)
    """
    turn = int(now.timestamp() // _TURN_SECONDS)
    return (int(intent[:8], 16) / 2**32 + turn * _GOLDEN) % 1.0
