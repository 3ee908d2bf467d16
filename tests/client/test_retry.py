"""When a call goes out again, after how long, and when it is given up."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.client import errors
from prefect_seedance.client.exchange import retry_after_seconds
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.client.retry import (
    MAX_DELAY_SECONDS,
    MAX_SERVER_DELAY_SECONDS,
    NEVER_SENT_TRIES,
    RATE_LIMITED_TRIES,
    CallRetries,
    SubmissionRetries,
    accepted_or_delay,
    backoff_seconds,
)

NOON = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
IN_A_MINUTE = "Sat, 01 Aug 2026 12:01:00 GMT"
ONE = 1.0


def retries_of_a_call(*, repeatable: bool, max_retries: int = 4, random: float = ONE) -> CallRetries:
    return CallRetries("GET /videos", repeatable=repeatable, max_retries=max_retries, random=lambda: random)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"RETRY-AFTER": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": IN_A_MINUTE}, 60.0),
        ({"retry-after": "Sat, 01 Aug 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "in a while"}, None),
        ({"retry-after": "9" * 50}, 1e9),
        ({"retry-after": "9" * 5000}, 1e9),
        ({"retry-after-ms": "9" * 5000}, 1e6),
        ({"retry-after": "1." + "0" * 5000}, 1.0),
        ({"retry-after": "Fri, 01 Aug 99999 12:00:00 GMT"}, None),
        ({"retry-after": "Sat, 01 Aug 2026 12:01:00 +9999"}, None),
        ({"retry-after": "Sat, 01 Aug 2026 " + "9" * 5000 + ":00:00 GMT"}, None),
        ({"retry-after": "Sat, " + "9" * 5000 + " Aug 2026 12:00:00 GMT"}, None),
        ({"retry-after": IN_A_MINUTE, "date": "Fri, 01 Aug 99999 12:00:00 GMT"}, 60.0),
    ],
)
def test_what_the_server_asks_to_wait_is_read(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_seconds(headers, NOON) == expected


def test_a_date_is_compared_with_the_servers_clock_not_ours() -> None:
    headers = {"Retry-After": IN_A_MINUTE, "Date": "Sat, 01 Aug 2026 12:00:50 GMT"}
    assert retry_after_seconds(headers) == 10.0


@given(st.text() | st.text("0123456789:,+-. GMTSatAug()\"'@<>", max_size=60))
def test_no_header_breaks_the_reading(text: str) -> None:
    found = retry_after_seconds({"retry-after": text, "date": text, "retry-after-ms": text})
    assert found is None or found >= 0


@given(tries=st.integers(1, 10_000), first=st.floats(0.01, 10), random=st.floats(0, 1))
def test_the_backoff_stays_within_its_bounds(tries: int, first: float, random: float) -> None:
    assert first / 2 <= backoff_seconds(tries, first, lambda: random) <= MAX_DELAY_SECONDS


TRANSIENT = [
    errors.ConnectionFailed("reset", sent=True),
    errors.ConnectionFailed("refused", sent=False),
    errors.RateLimited(),
    errors.VendorBusy(),
    errors.UnexpectedAnswer("a page", transient=True),
]
FINAL = [
    errors.AuthenticationFailed(),
    errors.InvalidParameters(),
    errors.TaskNotFound("videos_1"),
    errors.UnexpectedAnswer("unknown code", transient=False),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
@pytest.mark.parametrize("max_retries", [1, 4, 9])
def test_a_reading_call_is_repeated_a_bounded_number_of_times(error: errors.SeedanceError, max_retries: int) -> None:
    retries = retries_of_a_call(repeatable=True, max_retries=max_retries)
    delays = [retries.delay_after(error) for _ in range(max_retries)]
    assert delays == sorted(delays)
    with pytest.raises(type(error)) as raised:
        retries.delay_after(error)
    assert raised.value.__notes__[-1] == f"Given up after {max_retries + 1} tries."


@pytest.mark.parametrize("error", [*TRANSIENT, errors.RateLimited(retry_after=121.0)], ids=repr)
def test_a_call_without_repeats_ends_in_the_bare_error(error: errors.SeedanceError) -> None:
    fresh = copy(error)
    vars(fresh).pop("__notes__", None)
    with pytest.raises(type(error)):
        retries_of_a_call(repeatable=True, max_retries=0).delay_after(fresh)
    assert not hasattr(fresh, "__notes__")


@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_what_will_not_change_is_not_asked_again(error: errors.SeedanceError) -> None:
    with pytest.raises(type(error)):
        retries_of_a_call(repeatable=True).delay_after(error)


@pytest.mark.parametrize("error", TRANSIENT + FINAL, ids=repr)
def test_a_call_that_changes_something_is_repeated_only_if_it_had_no_effect(error: errors.SeedanceError) -> None:
    retries = retries_of_a_call(repeatable=False)
    if error in TRANSIENT[1:3]:
        assert retries.delay_after(error) > 0
    else:
        with pytest.raises(type(error)):
            retries.delay_after(error)


def test_the_servers_wish_is_followed_up_to_the_cap() -> None:
    retries = retries_of_a_call(repeatable=True, random=0.0)
    assert retries.delay_after(errors.RateLimited(retry_after=7.0)) == 7.0
    assert retries.delay_after(errors.RateLimited(retry_after=MAX_SERVER_DELAY_SECONDS)) == 120.0
    with pytest.raises(errors.RateLimited) as raised:
        retries.delay_after(errors.RateLimited(retry_after=121.0))
    assert "asks to wait 121 s" in raised.value.__notes__[-1]
    assert "wait 121 s" in str(raised.value)


def delays_until_the_end(
    *outcomes: Outcome, max_retries: int | None = None
) -> tuple[list[float], errors.SeedanceError]:
    """The pauses between creates that end in these outcomes, over and over."""
    retries = SubmissionRetries(random=lambda: ONE, max_retries=max_retries)
    script = cycle(outcomes)
    delays: list[float] = []
    while True:
        try:
            decision = accepted_or_delay(next(script), retries)
        except errors.SeedanceError as error:
            return delays, error
        assert isinstance(decision, float)
        delays.append(decision)


def test_a_busy_vendor_is_asked_again_as_it_documents() -> None:
    delays, error = delays_until_the_end(Busy("系统繁忙"))
    assert delays == [5.0, 10.0, 20.0]
    assert isinstance(error, errors.VendorBusy)


def test_a_create_that_never_left_is_tried_a_bounded_number_of_times() -> None:
    delays, error = delays_until_the_end(NeverSent("refused"))
    assert len(delays) == NEVER_SENT_TRIES - 1
    assert isinstance(error, errors.ConnectionFailed)
    assert not error.sent


@pytest.mark.parametrize("retry_after", [None, 0.0, 3.0])
def test_a_rate_limited_create_is_tried_a_bounded_number_of_times(retry_after: float | None) -> None:
    delays, error = delays_until_the_end(TooManyRequests(retry_after))
    assert len(delays) == RATE_LIMITED_TRIES - 1
    assert isinstance(error, errors.RateLimited)


@pytest.mark.parametrize("max_retries", [0, 1, 2])
@pytest.mark.parametrize("outcome", [Busy("系统繁忙"), NeverSent("refused"), TooManyRequests(None)], ids=repr)
def test_a_create_is_repeated_no_more_often_than_asked(outcome: Outcome, max_retries: int) -> None:
    delays, error = delays_until_the_end(outcome, max_retries=max_retries)
    assert len(delays) == max_retries
    assert getattr(error, "__notes__", []) == [f"Given up after {max_retries + 1} tries."] * (max_retries > 0)


def test_the_repeats_of_a_create_are_counted_over_all_its_outcomes() -> None:
    delays, error = delays_until_the_end(Busy("系统繁忙"), NeverSent("refused"), TooManyRequests(3.0), max_retries=4)
    assert len(delays) == 4
    assert error.__notes__ == ["Given up after 5 tries."]


def test_a_create_is_given_up_when_the_server_asks_for_too_long_a_wait() -> None:
    delays, error = delays_until_the_end(TooManyRequests(121.0))
    assert delays == []
    assert "asks to wait 121 s" in error.__notes__[-1]


@pytest.mark.parametrize("outcome", [Unknown("ReadTimeout"), Refused("20002", "", 200)])
def test_an_unknown_or_refused_create_is_never_sent_again(outcome: Outcome) -> None:
    assert delays_until_the_end(outcome)[0] == []


def test_an_accepted_create_ends_the_loop() -> None:
    accepted = Accepted("videos_1")
    assert accepted_or_delay(accepted, SubmissionRetries(random=lambda: ONE)) is accepted
