"""Errors reach the person who can act on them: whole after a pickle, with the task id, and without the key."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from prefect_seedance.client import errors
from prefect_seedance.client.outcome import Busy, NeverSent, Refused, Shortage, TooManyRequests, Unknown
from prefect_seedance.client.retry import error_of


@dataclass(frozen=True)
class Wrong:
    """Stands for a problem of the route check."""

    text: str

    def __str__(self) -> str:
        return self.text


EXAMPLES: list[errors.SeedanceError] = [
    errors.ConfigurationError("api_key", "is empty.", "Set it."),
    errors.InvalidRequest([Wrong("duration: too long. Use 15."), "the task id is empty"]),
    errors.ConnectionFailed("ConnectError: refused", sent=False),
    errors.ConnectionFailed("ReadTimeout", sent=True),
    errors.AuthenticationFailed(status_code=401, code="20001"),
    errors.InvalidParameters(status_code=200, code="20002", vendor_message="duration"),
    errors.RateLimited(status_code=429, retry_after=300.0),
    errors.VendorBusy(code="-1", vendor_message="系统繁忙，请稍后重试"),
    errors.TaskNotFound("videos_1", status_code=404, excerpt="<html>"),
    errors.InsufficientBalance(required=2.0, available=0.5, status_code=200, code="40201", vendor_message="余额不足"),
    errors.SubmissionRefused(status_code=402, code="40201", vendor_message="余额不足"),
    errors.UnexpectedAnswer("a web page", transient=True, status_code=502, excerpt="<html>"),
    errors.WrongTask("videos_1", "videos_2", status_code=200, code="20000"),
    errors.OutcomeUnknown("HTTP 502: a web page", excerpt="<html>", status_code=502),
    errors.TaskError("videos_1", "something."),
    errors.VideoFailed("videos_1", "PROVIDER_TIMEOUT", "transient"),
    errors.WaitTimedOut("videos_1", 2700.4),
    errors.MediaUnavailable("videos_1", "HTTP 403"),
]
NAMES = [type(error).__name__ for error in EXAMPLES]


def leaves(kind: type[errors.SeedanceError]) -> Iterator[type[errors.SeedanceError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in children:
        yield from leaves(child)
    if not children:
        yield kind


def test_every_leaf_of_the_tree_has_an_example_and_stands_in_the_drawing() -> None:
    for leaf in leaves(errors.SeedanceError):
        assert leaf.__name__ in NAMES
        assert leaf.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("error", EXAMPLES, ids=NAMES)
def test_an_error_survives_pickling_and_copying_whole(error: errors.SeedanceError) -> None:
    error.add_note("Given up after 5 tries.")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert twin.args == error.args
        assert vars(twin) == vars(error)


def test_an_error_of_a_subclass_defined_elsewhere_survives_too() -> None:
    twin = pickle.loads(pickle.dumps(Wider("videos_1", extra=3)))
    assert (twin.task_id, twin.extra) == ("videos_1", 3)


class Wider(errors.TaskError):
    def __init__(self, task_id: str, *, extra: int) -> None:
        self.extra = extra
        super().__init__(task_id, "wider.")


@pytest.mark.parametrize("error", [each for each in EXAMPLES if hasattr(each, "task_id")])
def test_whatever_is_about_a_paid_task_names_it(error: errors.TaskError) -> None:
    assert "videos_1" in str(error)


def test_an_unknown_submission_warns_against_sending_it_again() -> None:
    error = errors.OutcomeUnknown("ReadTimeout")
    assert "Do not submit it again by hand before looking in the vendor's console" in str(error)
    assert "may be billed" in str(error)


def test_an_authentication_error_says_enough_without_a_text_of_the_vendor() -> None:
    assert "did not accept the API key" in str(errors.AuthenticationFailed(code="20001"))


def test_a_lack_of_money_says_what_is_needed_and_what_is_there() -> None:
    error = error_of(Refused("", "余额不足", 403, Shortage(2.5, 0.5)))
    assert "needs about 2.5 JimiCoin. 0.5 JimiCoin were available. Top up" in str(error)
    assert "API key" not in str(error)


def test_a_page_under_401_is_not_said_to_be_the_vendors_word_on_the_key() -> None:
    error = str(error_of(Refused("", "the answer is a web page, titled 'Sign in'", 401)))
    assert "titled 'Sign in'" in error and "does not say that the API key is wrong" in error


def test_problems_are_listed_and_kept() -> None:
    error = EXAMPLES[1]
    assert isinstance(error, errors.InvalidRequest)
    assert isinstance(error, ValueError)
    assert "- duration: too long. Use 15.\n- the task id is empty" in str(error)
    assert error.problems[0] == Wrong("duration: too long. Use 15.")


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (NeverSent("refused"), errors.ConnectionFailed),
        (TooManyRequests(3.0), errors.RateLimited),
        (Busy("系统繁忙"), errors.VendorBusy),
        (Unknown("ReadTimeout"), errors.OutcomeUnknown),
        (Refused("20001", "", 200), errors.AuthenticationFailed),
        (Refused("", "the answer is a web page", 401), errors.SubmissionRefused),
        (Refused("", "用户额度不足", 403, Shortage()), errors.InsufficientBalance),
        (Refused("20002", "余额不足", 200, Shortage(2.0, 0.5)), errors.InsufficientBalance),
        (Refused("20002", "duration", 200), errors.InvalidParameters),
        (Refused("", "the answer is a web page", 404), errors.SubmissionRefused),
    ],
)
def test_an_outcome_has_its_error(
    outcome: Refused | NeverSent | TooManyRequests | Busy | Unknown, kind: type[errors.SeedanceError]
) -> None:
    assert type(error_of(outcome)) is kind
