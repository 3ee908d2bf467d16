"""Every example in a docstring runs."""

import doctest
import importlib
import pkgutil

import pytest

import prefect_seedance

MODULES = sorted(module.name for module in pkgutil.walk_packages(prefect_seedance.__path__, "prefect_seedance."))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [each for name in MODULES for each in finder.find(importlib.import_module(name)) if each.examples]
    assert len(examples) > 20
