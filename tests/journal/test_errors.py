"""Errors of the journal: for the person who reads them, and safe to pickle."""

from __future__ import annotations

import inspect
import pickle

import pytest

from prefect_seedance.client.errors import OutcomeUnknown, SeedanceError
from prefect_seedance.journal import errors
from prefect_seedance.journal.errors import JournalError, SubmissionStopped

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, JournalError) and kind not in (JournalError, SubmissionStopped)
]


def example(kind: type[JournalError]) -> JournalError:
    values = {"str": "text", "int": 3, "float": 2.5, "int | None": 502}
    parameters = list(inspect.signature(kind).parameters.values())
    arguments = {each.name: values[str(each.annotation)] for each in parameters}
    return kind(**arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling_with_everything(kind: type[JournalError]) -> None:
    before = example(kind)
    before.add_note("a note")
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is kind and str(after) == str(before)
    assert after.__dict__ == before.__dict__ and "intent" in dir(after)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_whole_and_says_what_to_do(kind: type[JournalError]) -> None:
    message = str(example(kind))
    if kind not in (errors.SubmissionUnknown, errors.ResolutionRefused):  # worded where they are raised
        assert len(message) > 50 and message.rstrip().endswith(".")


def test_the_tree_is_drawn_as_it_is() -> None:
    assert errors.__doc__
    drawn = [line.split("── ")[1].split()[0] for line in errors.__doc__.splitlines() if "── " in line]
    assert set(drawn) == {kind.__name__ for kind in KINDS} | {"JournalError", "SubmissionStopped"}


def test_they_are_errors_of_the_client_too() -> None:
    assert all(issubclass(kind, SeedanceError) for kind in KINDS)
    assert issubclass(errors.SubmissionUnknown, OutcomeUnknown)


def test_what_stops_says_that_nothing_was_sent() -> None:
    for kind in KINDS:
        if issubclass(kind, SubmissionStopped):
            message = str(example(kind))
            assert "Nothing was sent" in message or "nothing is billed" in message
