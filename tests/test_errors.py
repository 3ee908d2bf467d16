"""What a user may catch stands in one module, and all of it."""

from __future__ import annotations

import inspect
import re

import pytest

from prefect_seedance import errors
from prefect_seedance.batch import errors as of_batch
from prefect_seedance.client import errors as of_client
from prefect_seedance.journal import errors as of_journal
from prefect_seedance.pipeline import errors as of_pipeline
from prefect_seedance.storage import errors as of_storage


@pytest.mark.parametrize(
    "module", [of_batch, of_client, of_journal, of_pipeline, of_storage], ids=lambda each: each.__name__
)
def test_every_error_of_a_room_can_be_imported_from_one_place(module: object) -> None:
    own = {
        name
        for name, each in vars(module).items()
        if inspect.isclass(each) and issubclass(each, Exception) and not name.startswith("_")
    }
    assert own
    assert own <= set(errors.__all__)


def test_the_tree_at_the_top_names_each_error_and_no_other() -> None:
    tree = (errors.__doc__ or "").partition("Inside a Prefect run")[0]
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+\b", "\n".join(line[:38] for line in tree.splitlines()[2:])))
    assert drawn == set(errors.__all__)


def test_each_name_is_the_very_class_of_its_room() -> None:
    assert all(issubclass(getattr(errors, name), Exception) for name in errors.__all__)
