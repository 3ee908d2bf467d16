"""When a create may go out again, and which error a create ends in: pure decisions over its outcome.

Again only after `NeverSent`, `RateLimited` and `Busy`, which are known to have bought nothing.
"""

from __future__ import annotations

from prefect_seedance.client import errors
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, RateLimited, Refused, Unclear
from prefect_seedance.client.retry import (
    FIRST_BUSY_DELAY_SECONDS,
    FIRST_DELAY_SECONDS,
    Random,
    backoff_seconds,
    server_delay,
    too_long,
)

# The pauses that the vendor documents for its code -1.
BUSY_DELAYS_SECONDS = (5.0, 10.0, 20.0)
NEVER_SENT_TRIES = 5
RATE_LIMITED_TRIES = 6

_AUTHENTICATION = frozenset({"20001", 401, 403})


def error_of(outcome: Refused | NeverSent | RateLimited | Busy | Unclear) -> errors.SeedanceError:
    """Give the error that says an outcome to a person.

    Example:
        >>> type(error_of(Unclear("ReadTimeout"))).__name__
        'SubmissionUnclear'
    """
    match outcome:
        case NeverSent(reason):
            return errors.ConnectionFailed(reason, sent=False)
        case RateLimited(retry_after):
            return errors.RateLimited(retry_after=retry_after)
        case Busy(message):
            return errors.VendorBusy(code="-1", vendor_message=message)
        case Unclear(reason, excerpt, status_code):
            return errors.SubmissionUnclear(reason, excerpt=excerpt, status_code=status_code)
        case Refused(code, message, status_code):
            kind = errors.SubmissionRefused
            if code == "20002":
                kind = errors.InvalidParameters
            elif code == "20001" or (not code and status_code in (401, 403)):
                kind = errors.AuthenticationFailed
            return kind(code=code, vendor_message=message, status_code=status_code)


class SubmissionRetries:
    """Counts the tries of one create, each kind of outcome on its own.

    Args:
        random: Gives numbers from 0 to 1, for the jitter.
    """

    def __init__(self, *, random: Random) -> None:
        self._random = random
        self._seen: dict[type[Outcome], int] = {}

    def delay_after(self, outcome: Refused | NeverSent | RateLimited | Busy | Unclear) -> float:
        """Give the seconds to pause before the next create, or raise the outcome's error.

        Raises:
            SeedanceError: As `error_of` gives it, when the create may not go out again.
        """
        tries = self._seen[type(outcome)] = self._seen.get(type(outcome), 0) + 1
        delay: float | None = None
        note = f"Given up after {tries} tries."
        match outcome:
            case NeverSent() if tries < NEVER_SENT_TRIES:
                delay = backoff_seconds(tries, FIRST_DELAY_SECONDS, self._random)
            case RateLimited(None) if tries < RATE_LIMITED_TRIES:
                delay = backoff_seconds(tries, FIRST_BUSY_DELAY_SECONDS, self._random)
            case RateLimited(float(retry_after)) if tries < RATE_LIMITED_TRIES:
                delay = server_delay(retry_after, self._random)
                note = too_long(retry_after)
            case Busy() if tries <= len(BUSY_DELAYS_SECONDS):
                delay = BUSY_DELAYS_SECONDS[tries - 1]
            case Refused() | Unclear():
                note = ""
            case _:
                pass
        if delay is not None:
            return delay
        error = error_of(outcome)
        if note:
            error.add_note(note)
        raise error


def accepted_or_delay(outcome: Outcome, retries: SubmissionRetries) -> Accepted | float:
    """Decide on one outcome: the accepted task, or the seconds to pause before the next create.

    Raises:
        SeedanceError: When the create may not go out again.
    """
    return outcome if isinstance(outcome, Accepted) else retries.delay_after(outcome)
