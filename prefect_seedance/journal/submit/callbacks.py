"""How a caller follows, waits for and stops `resume_or_submit`, and what it is told."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prefect_seedance.asides import AsideLog, aside, words_of
from prefect_seedance.journal.submit.decision import Decision
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch

_log = AsideLog(__name__)


@dataclass(frozen=True)
class SubmissionEvent:
    """Something that others may want to react to.

    Attributes:
        kind: What came of a decision.
        intent: Identity of the video.
        decision: What was decided.
        reason: Why.
        task_id: The vendor's task id, "" if there is none.
        attempt: Number of the attempt, 0 if there is none.
        attempt_name: What commands call an unknown attempt.
    """

    kind: Literal["submitted", "attached", "unknown", "refused"]
    intent: str
    decision: Decision
    reason: str
    task_id: str = ""
    attempt: int = 0
    attempt_name: str = ""


def _write_log(level: int, message: str) -> None:
    _log.log(level, "%s", message)


def _nothing(event: SubmissionEvent) -> None:
    pass


def _not_looked() -> float | None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Callbacks:
    """What `resume_or_submit` calls. All of them run in its own thread.

    What only tells people (`log`, `emit`) can raise nothing: a paid task is between two lines of the log.

    Attributes:
        log: Takes a level of `logging` and a message.
        emit: Takes each event; call `tell`. If it fails, that is logged.
        balance: Looks at the account's balance after an unknown outcome, as evidence for a person.
        cancelled: Whether the run is being cancelled; asked before each POST and in every pause.
        sleep: Sleeps for the given number of seconds.
        random: Returns numbers from 0 to 1, for the jitter of back-offs.
        start_stopwatch: Starts the stopwatch of a claim.
    """

    log: Callable[[int, str], object] = _write_log
    emit: Callable[[SubmissionEvent], None] = _nothing
    balance: Callable[[], float | None] = _not_looked
    cancelled: Callable[[], bool] = _never
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    start_stopwatch: Callable[[], Stopwatch] = start_stopwatch

    def __post_init__(self) -> None:
        given = self.log

        def log(level: int, message: str) -> None:
            if aside(given, level, message) is not None:
                _write_log(level, message)  # said somewhere at least

        object.__setattr__(self, "log", log)

    def tell(self, event: SubmissionEvent) -> None:
        """Emit an event; what is emitted never decides what happens."""
        failure = aside(self.emit, event)
        if failure is not None:
            self.log(logging.WARNING, f"An event could not be emitted: {words_of(failure)}")

    def balance_now(self) -> float | None:
        """Look at the balance; None if that fails."""
        try:
            return self.balance()
        except Exception as error:
            self.log(logging.INFO, f"The balance could not be looked at: {words_of(error)}")
            return None
