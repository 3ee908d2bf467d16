"""When a call goes out again, and when it is given up: decisions by a table, the clients only sleep.

Calls that buy nothing (`CallRetries`):

    what failed                       a call that only reads        one that does not
    no connection, too many requests  again                         again: it had no effect
    a lost answer, a busy vendor,
    a gateway's page                  again                         given up
    everything else                   given up                      given up

Creates (`SubmissionRetries`), by their outcome: again only after what is known to have bought nothing.

    NeverSent        again, up to 5 tries
    TooManyRequests  again, up to 6 tries, after the pause that the server asks for
    Busy             again after 5, 10, 20 s
    Refused          never
    Unknown          never

``max_retries`` bounds both. A server that asks for a longer pause than 120 s ends the tries.
"""

from __future__ import annotations

from collections.abc import Callable

from prefect_seedance.asides import AsideLog
from prefect_seedance.client import errors
from prefect_seedance.client.outcome import (
    Accepted,
    Busy,
    NeverSent,
    NotAccepted,
    Outcome,
    Refused,
    Shortage,
    TooManyRequests,
    Unknown,
)

# A server that wants more than this is not having a hiccup: give up, say so, and let the caller decide.
MAX_SERVER_DELAY_SECONDS = 120.0
# For lost connections and gateway pages, which pass quickly.
FIRST_DELAY_SECONDS = 1.0
# For a vendor that is busy or counts our requests. It documents 5, 10, 20 s for its code -1.
FIRST_BUSY_DELAY_SECONDS = 5.0
MAX_DELAY_SECONDS = 30.0
# Many workers are told the same delay: spread their return over a quarter more.
SERVER_DELAY_SPREAD = 0.25
# The pauses of a create that the vendor documents for its code -1.
BUSY_DELAYS_SECONDS = (5.0, 10.0, 20.0)
NEVER_SENT_TRIES = 5
RATE_LIMITED_TRIES = 6

Random = Callable[[], float]

_log = AsideLog("prefect_seedance.client")


def backoff_seconds(tries: int, first: float, random: Random) -> float:
    """Return the pause after so many tries: doubling from ``first``, cut at 30 s, the upper half at random.

    Example:
        >>> [backoff_seconds(tries, 1.0, lambda: 1.0) for tries in (1, 2, 3, 10)]
        [1.0, 2.0, 4.0, 30.0]
    """
    whole: float = min(MAX_DELAY_SECONDS, first * 2 ** min(tries - 1, 16))
    return whole * (0.5 + random() / 2)


def server_delay(retry_after: float, random: Random) -> float | None:
    """Return the pause that the server asked for, spread at random; None if it is above the cap: give up."""
    if retry_after > MAX_SERVER_DELAY_SECONDS:
        return None
    return retry_after * (1 + SERVER_DELAY_SPREAD * random())


class CallRetries:
    """Counts the tries of one call that buys nothing, and decides on the next; each repeat is logged.

    Args:
        call: Method and path, for the log.
        repeatable: Whether the call only reads. One that does not is repeated only if it had no effect.
        max_retries: How often it is repeated.
        random: Returns numbers from 0 to 1, for the jitter.
    """

    def __init__(self, call: str, *, repeatable: bool, max_retries: int, random: Random) -> None:
        self._call = call
        self._repeatable = repeatable
        self._max_retries = max_retries
        self._random = random
        self._tries = 0

    def delay_after(self, error: errors.SeedanceError) -> float:
        """Return the seconds to pause before the next try, or raise the error for good."""
        self._tries += 1
        if not self._may_repeat(error):
            raise error
        if self._tries > self._max_retries:
            raise _given_up(error, self._tries)
        retry_after = error.retry_after if isinstance(error, errors.ApiError) else None
        if retry_after is not None:
            delay = server_delay(retry_after, self._random)
            if delay is None:
                error.add_note(too_long(retry_after))
                raise error
        else:
            slow = isinstance(error, errors.RateLimited | errors.VendorBusy)
            first = FIRST_BUSY_DELAY_SECONDS if slow else FIRST_DELAY_SECONDS
            delay = backoff_seconds(self._tries, first, self._random)
        _log_repeat(self._call, error, self._tries, self._max_retries, delay)
        return delay

    def _may_repeat(self, error: errors.SeedanceError) -> bool:
        if isinstance(error, errors.RateLimited) or (isinstance(error, errors.ConnectionFailed) and not error.sent):
            return True
        if not self._repeatable:
            return False
        if isinstance(error, errors.UnexpectedAnswer):
            return error.transient
        return isinstance(error, errors.ConnectionFailed | errors.VendorBusy)


def error_of(outcome: NotAccepted) -> errors.SeedanceError:
    """Return the error that tells an outcome to a person.

    Example:
        >>> type(error_of(Unknown("ReadTimeout"))).__name__
        'OutcomeUnknown'
    """
    match outcome:
        case NeverSent(reason):
            return errors.ConnectionFailed(reason, sent=False)
        case TooManyRequests(retry_after):
            return errors.RateLimited(retry_after=retry_after)
        case Busy(message):
            return errors.VendorBusy(code="-1", vendor_message=message)
        case Unknown(reason, excerpt, status_code):
            return errors.OutcomeUnknown(reason, excerpt=excerpt, status_code=status_code)
        case Refused(code, message, status_code, Shortage(required, available)):
            return errors.InsufficientBalance(
                required=required, available=available, code=code, vendor_message=message, status_code=status_code
            )
        case Refused(code, message, status_code):
            kind = {"20001": errors.AuthenticationFailed, "20002": errors.InvalidParameters}.get(
                code, errors.SubmissionRefused
            )
            explanation = "" if code else errors.REFUSED_ON_THE_WAY
            return kind(explanation, code=code, vendor_message=message, status_code=status_code)


class SubmissionRetries:
    """Counts the tries of one create, each kind of outcome on its own.

    Args:
        random: Returns numbers from 0 to 1, for the jitter.
        max_retries: How often the create is repeated, whatever its outcomes; None for no other limit than theirs.
    """

    def __init__(self, *, random: Random, max_retries: int | None = None) -> None:
        self._random = random
        self.max_retries = max_retries
        self._seen: dict[type[Outcome], int] = {}

    @property
    def tries(self) -> int:
        """How many creates were sent, or tried to be."""
        return sum(self._seen.values())

    def delay_after(self, outcome: NotAccepted) -> float:
        """Return the seconds to pause before the next create, or raise the outcome's error.

        Raises:
            SeedanceError: That of `error_of`, when the create may not go out again.
        """
        tries = self._seen[type(outcome)] = self._seen.get(type(outcome), 0) + 1
        if isinstance(outcome, Refused | Unknown):
            raise error_of(outcome)
        if self.max_retries is not None and self.tries > self.max_retries:
            raise _given_up(error_of(outcome), self.tries)
        match outcome:
            case NeverSent() if tries < NEVER_SENT_TRIES:
                return backoff_seconds(tries, FIRST_DELAY_SECONDS, self._random)
            case TooManyRequests(None) if tries < RATE_LIMITED_TRIES:
                return backoff_seconds(tries, FIRST_BUSY_DELAY_SECONDS, self._random)
            case TooManyRequests(float(retry_after)) if tries < RATE_LIMITED_TRIES:
                if (delay := server_delay(retry_after, self._random)) is not None:
                    return delay
                error = error_of(outcome)
                error.add_note(too_long(retry_after))
                raise error
            case Busy() if tries <= len(BUSY_DELAYS_SECONDS):
                return BUSY_DELAYS_SECONDS[tries - 1]
            case _:
                raise _given_up(error_of(outcome), self.tries)


def accepted_or_delay(outcome: Outcome, retries: SubmissionRetries) -> Accepted | float:
    """Decide on one outcome: the accepted task, or the seconds to pause before the next create, which is logged.

    Raises:
        SeedanceError: When the create may not go out again.
    """
    if isinstance(outcome, Accepted):
        return outcome
    delay = retries.delay_after(outcome)
    _log_repeat("The create", error_of(outcome), retries.tries, retries.max_retries, delay)
    return delay


def too_long(retry_after: float) -> str:
    """Return in words why the pause that a server asks for ends the tries."""
    return (
        f"Not repeated: the server asks to wait {retry_after:g} s, and the client waits at most "
        f"{MAX_SERVER_DELAY_SECONDS:g} s by itself."
    )


def _given_up(error: errors.SeedanceError, tries: int) -> errors.SeedanceError:
    """Note on an error how often it was tried, unless once was all that was asked for."""
    if tries > 1:
        error.add_note(f"Given up after {tries} tries.")
    return error


def _log_repeat(call: str, error: errors.SeedanceError, tries: int, max_retries: int | None, delay: float) -> None:
    number = f"try {tries}" if max_retries is None else f"try {tries} of {max_retries + 1}"
    _log.info("%s failed (%s), %s; again in %.1f s.", call, _in_short(error), number, delay)


def _in_short(error: errors.SeedanceError) -> str:
    """Return what failed, for a log line: without the vendor's text, which may repeat what was sent."""
    words = [type(error).__name__]
    if isinstance(error, errors.ConnectionFailed | errors.UnexpectedAnswer):
        words.append(error.reason)
    if isinstance(error, errors.ApiError):
        words += [f"HTTP {error.status_code}"] * (error.status_code is not None)
        words += [f"code {error.code}"] * bool(error.code)
    return ", ".join(words)
