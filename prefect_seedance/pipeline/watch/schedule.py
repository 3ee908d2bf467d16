"""When to ask about a video that is being made: pure functions of what earlier videos of its kind have taken.

Before the earliest moment at which a video was ever likely to be there, questions are useless; after it, the gap
between two of them is a share of what the video takes as a whole, so that it is seen late by half of that share at
most on average, however long it takes. Where the vendor has two queues, nothing is asked in the time between them in
which no video was ever there.
"""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from prefect_seedance.client.models import VideoTask
from prefect_seedance.pipeline.watch.polling import LOCAL_POLL_SECONDS, MAXIMUM_GAP_SECONDS, POLL_SECONDS

#: Shortest gap against the real vendor where it is known how long videos take. Others were rate-limited at 3 to 5 s.
LEAST_GAP_SECONDS = 5.0
#: The gap as a share of the median, and of the age of a video that takes longer than that. Videos of ten minutes then
#: cost fewer than twenty questions on average, and are seen late by less than 3 % of what they take; see
#: `benchmarks/polling.py`.
SHARE = 0.0375
#: The same against a simulator on this machine as long as nothing is known: it is asked as soon as 0.25 s have passed,
#: and a video of 20 s costs some thirty questions.
LOCAL_SHARE = 0.1
#: A time in which no video was ever there is slept through if it is longer than this share of the median, so many
#: durations lie behind it, and this share of what took longest before it has passed as well: of few durations, such
#: times are chance.
VALLEY_SHARE, LEAST_BEHIND_VALLEY = 0.25, 8
#: Age of the one early question about a video that takes long: a refusal by the vendor comes early.
FIRST_LOOK_SECONDS = 60.0
#: Longest time without a question: a history that is wrong must not cost the video its time limit.
LONGEST_SLEEP_SECONDS = 600.0
#: By how much the vendor's times may contradict what was seen: they are whole seconds, and begin with the POST.
_BEFORE_SECONDS, _AFTER_SECONDS = 2.0, 60.0
#: No video takes longer. What is said to is nonsense.
LONGEST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """How long videos of a kind take.

    Attributes:
        earliest_seconds: Hardly any is done before: the 5th percentile.
        usual_seconds: The median.
        seen_seconds: What videos have taken, in ascending order, as far as it shall count.
    """

    earliest_seconds: float
    usual_seconds: float
    seen_seconds: tuple[float, ...] = ()


def next_gap(age_seconds: float, expectation: Expectation | None, local: bool) -> float:
    """Return how many seconds to wait before the next question about a video that is being made.

    Args:
        age_seconds: Since it was submitted.
        expectation: How long videos of its kind take; None if too little is known.
        local: Whether a simulator on this machine makes it.

    Example:
        >>> next_gap(0.0, None, local=False), next_gap(0.0, None, local=True)
        (10.0, 0.25)
        >>> usual = Expectation(earliest_seconds=400.0, usual_seconds=600.0)
        >>> [next_gap(age, usual, local=False) for age in (0.0, 60.0, 400.0, 900.0)]
        [60.0, 340.0, 22.5, 33.75]
    """
    age_seconds = max(0.0, age_seconds)
    if expectation is None and not local:
        return POLL_SECONDS
    least = LOCAL_POLL_SECONDS if local else LEAST_GAP_SECONDS
    if expectation is None:
        return min(max(least, LOCAL_SHARE * age_seconds), MAXIMUM_GAP_SECONDS)
    early = max(expectation.earliest_seconds - age_seconds, _valley_left(age_seconds, expectation))
    if age_seconds < FIRST_LOOK_SECONDS <= early:
        return max(least, FIRST_LOOK_SECONDS - age_seconds)
    share = min(SHARE * max(age_seconds, expectation.usual_seconds), MAXIMUM_GAP_SECONDS)
    return min(max(least, early, share), LONGEST_SLEEP_SECONDS)


def _valley_left(age_seconds: float, expectation: Expectation) -> float:
    """Return how long no video is likely to be there from now on, 0 if that is not known."""
    seen = expectation.seen_seconds
    passed = bisect_right(seen, age_seconds)
    longer = seen[passed:]
    if not passed or len(longer) < LEAST_BEHIND_VALLEY or age_seconds < (1 + VALLEY_SHARE) * seen[passed - 1]:
        return 0.0
    left = fifth_percentile(longer) - age_seconds
    return left if left > VALLEY_SHARE * expectation.usual_seconds else 0.0


def fifth_percentile(durations: Sequence[float]) -> float:
    """Return the 5th percentile of at least two durations.

    Of few it lies below the shortest: the vendor can do better than it has been seen to.
    """
    return max(0.0, statistics.quantiles(durations, n=20)[0])


def made_and_late(
    completed: VideoTask, *, running_seconds: float, seen_seconds: float | None, now: float
) -> tuple[float | None, float | None]:
    """Return how long the vendor took for a video, and how late that was seen: in seconds, None if not known.

    The vendor's own times count where they agree with what was seen, else the middle between the last answer without
    the video and the first with it: going by the latter, a schedule that asks late would learn to ask late.

    Args:
        completed: The task with its video.
        running_seconds: Its age at the last answer that said it was being made; 0 if there was none.
        seen_seconds: Its age when it was seen to be completed; None if it was not watched from its beginning.
        now: Unix seconds.

    Example:
        >>> done = VideoTask(status="completed", created_at=1_764_210_000, completed_at=1_764_210_610)
        >>> made_and_late(done, running_seconds=600.0, seen_seconds=621.0, now=1_764_210_621)
        (610.0, 11.0)
        >>> made_and_late(VideoTask(), running_seconds=600.0, seen_seconds=620.0, now=1_764_210_621)
        (610.0, 10.0)
    """
    begun, ended = completed.created_at, completed.completed_at
    by_vendor = float(ended - begun) if begun is not None and ended is not None else None
    if seen_seconds is None:
        sane = by_vendor is not None and ended is not None and ended <= now + _AFTER_SECONDS
        return (by_vendor if sane and by_vendor and 0 < by_vendor <= LONGEST_SECONDS else None), None
    running_seconds = min(running_seconds, seen_seconds)
    if by_vendor is not None and running_seconds - _BEFORE_SECONDS <= by_vendor <= seen_seconds + _AFTER_SECONDS:
        made = min(max(by_vendor, running_seconds), seen_seconds)
    else:
        made = (running_seconds + seen_seconds) / 2
    return made, seen_seconds - made


def older_by(task: VideoTask, *, watched_seconds: float, now: float) -> float:
    """Return for how long a task had been under way before it was watched, by the vendor's word; 0 if not known.

    Args:
        task: As the vendor answered.
        watched_seconds: How long it has been watched.
        now: Unix seconds.
    """
    if task.created_at is None:
        return 0.0
    return min(max(0.0, now - task.created_at - watched_seconds), LONGEST_SECONDS)
