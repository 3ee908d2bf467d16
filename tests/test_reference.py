"""The reference is complete and is that of the code: errors, public names, commands, events, outcomes, routes."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import prefect_seedance
from docs.generate import outcomes
from docs.generate.commands import commands_of
from docs.generate.docstrings import entries_of, sections_of
from docs.generate.events import EVENTS
from docs.generate.models import MODELS
from docs.generate.pages import COMMAND, FOLDER, PAGES
from prefect_seedance import errors
from prefect_seedance.batch.models import Outcome, RowStanding
from prefect_seedance.client.failures import FailureClass
from prefect_seedance.journal.submit.callbacks import SubmissionEvent
from prefect_seedance.pipeline.collect.models import Collected, OrphanKind
from prefect_seedance.pipeline.observer import EventKind
from prefect_seedance.plain_text import Money
from prefect_seedance.runs.money.reached import EVENT as BUDGET_REACHED
from tests.test_advice import options_of_the_command_line, parser, public_names

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "prefect_seedance"
WRITTEN = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / FOLDER).glob("*.md")}


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_that_of_the_code(name: str) -> None:
    assert WRITTEN.get(name) == PAGES[name](), f"{FOLDER / name} is out of date: run {COMMAND}"


# Errors.


def error(name: str) -> type[errors.SeedanceError] | type[errors.StorageError]:
    return getattr(errors, name)


def is_leaf(name: str) -> bool:
    return not any(error(name) in error(each).__bases__ for each in errors.__all__)


#: Of these the report that they carry says what was paid, row by row.
BY_THEIR_REPORT = {"BatchIncomplete", "PartsMissing"}
#: What something between the place where it is raised and a user always takes up, by who does.
NEVER_MET: dict[str, str] = {
    **dict.fromkeys(("Damaged", "TooNew"), "a memo is made anew"),
    **dict.fromkeys(("DamagedHistory", "NewerHistory"), "a history is begun anew"),
    **dict.fromkeys(("UnusableReference", "ContentChanged", "TooManyMakes", "MakeRefused"), "a Problem of the request"),
    **dict.fromkeys(("UnusableSource", "BadCell"), "a Problem of the request or of its row"),
    **dict.fromkeys(("RemoteFault", "UnpackedTooLong", "DamagedPacking"), "a SourceError or one of the client's"),
    "AnswerTooLong": "one of the client's errors",
    **dict.fromkeys(("PyAVMissing", "NoDecoder"), "a video without a poster"),
    "LinkInside": "one of the store's errors",
    "RedirectedElsewhere": "one of the store's errors",
    "Unreadable": "UnusableManifest",
    "UnusableEnvironment": "ConfigurationError",
    "PreparationCancelled": "SubmissionCancelled, or the cancelled run",
}


def test_every_error_of_the_package_is_in_the_catalogue_or_never_met() -> None:
    """The simulator is no part of a user's program, and the command line ends in words and an exit code."""
    parents: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if not path.relative_to(PACKAGE).as_posix().startswith(("simulator/", "cli/")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    parents[node.name] = {ast.unparse(each).rpartition(".")[2] for each in node.bases}
    classes = {name: each for name, each in vars(builtins).items() if inspect.isclass(each)}
    raised = {name for name, each in classes.items() if issubclass(each, BaseException)} | {"BotoCoreError"}
    while more := {name for name, above in parents.items() if above & raised} - raised:
        raised |= more
    found = {name for name in raised & set(parents) if not name.startswith("_")}
    assert found - set(errors.__all__) == set(NEVER_MET)
    assert set(errors.__all__) <= found


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_says_what_happened_what_was_paid_and_what_to_do(name: str) -> None:
    sections = sections_of(error(name))
    assert sections[""].endswith((".", ")")) and sections.get("What to do", "").endswith(".")
    if is_leaf(name):
        assert (error(name).money is Money.VARIES) == (name in BY_THEIR_REPORT)


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_has_its_heading_in_the_catalogue(name: str) -> None:
    below = WRITTEN["errors.md"].partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert f"**{error(name).money.title}.**" in below and "What to do:" in below


def test_what_is_inherited_of_the_money_is_never_less_than_what_the_parent_says() -> None:
    """Whoever catches a class of errors of which nothing is paid meets none that was perhaps paid."""
    free = {Money.NOTHING, Money.BEFORE}
    for name in errors.__all__:
        for above in error(name).__mro__[1:]:
            if above.__name__ in errors.__all__ and error(above.__name__).money in free:
                assert error(name).money in free or issubclass(above, errors.StorageError), name


@cache
def set_in(module: str) -> dict[str, set[str]]:
    """Return what the methods of each class of a module set."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    classes = {each.name: ast.unparse(each) for each in tree.body if isinstance(each, ast.ClassDef)}
    return {name: set(re.findall(r"self\.(\w+)", code)) for name, code in classes.items()}


@cache
def attributes_of(kind: type) -> set[str]:
    """Return what an instance has: what its classes and their constructors set."""
    written = {each.__name__: set_in(each.__module__) for each in kind.__mro__ if each.__module__ != "builtins"}
    return {*dir(kind)}.union(*(by_class[name] for name, by_class in written.items()))


@cache
def commands() -> dict[str, set[str]]:
    return {name: set(each._option_string_actions) for name, (each, _) in commands_of(parser()).items()}


@cache
def public() -> set[str]:
    known = {*errors.__all__, *public_names(), *get_args(FailureClass)}
    return known | {"asset://", "journal/", "20001", "sources", "s3://bucket/prefix", "{task_id}"}


def unknown_names(name: str) -> Iterator[str]:
    kind, sections = error(name), sections_of(error(name))
    known = public() | attributes_of(kind)
    for code in re.findall(r"`+([^`]+)`+", f"{sections['']} {sections['What to do']}"):
        words = code.split()
        if words[0] == "prefect-seedance":
            yield from {each for each in words if each.startswith("--")} - commands()[words[1]]
        elif code.startswith("--"):
            yield from {code} - options_of_the_command_line()
        elif code not in known and not code.startswith("except "):
            yield code


def test_what_the_catalogue_names_exists() -> None:
    assert {name: found for name in errors.__all__ if (found := [*unknown_names(name)])} == {}


@pytest.mark.parametrize("name", errors.__all__)
def test_the_attributes_that_the_catalogue_lists_exist(name: str) -> None:
    listed = entries_of(sections_of(error(name)).get("Attributes", ""))
    assert set(listed) <= attributes_of(error(name))


# Public names.


def shown() -> dict[str, str]:
    """Return the pages' names, as mkdocstrings takes them, with the page of each."""
    return {name: page for page, text in WRITTEN.items() for name in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)}


def documented(name: str) -> object:
    module, _, own = name.rpartition(".")
    each = getattr(importlib.import_module(module), own)
    return getattr(each, "fn", each)


def test_every_public_name_stands_on_a_page() -> None:
    homes = {f"prefect_seedance.{home}.{name}" for name, home in prefect_seedance._HOMES.items()}
    assert homes - set(shown()) == set()
    assert {model.__name__ for models in MODELS.values() for model in models} >= {
        "BatchReport",
        "RowResult",
        "BatchPlan",
        "PlannedRow",
        "CollectReport",
        "CollectedVideo",
        "Orphan",
        "StoredVideo",
    }


@pytest.mark.parametrize("name", shown())
def test_what_stands_on_a_page_exists_and_says_what_it_takes(name: str) -> None:
    each = documented(name)
    sections = sections_of(each)
    assert sections[""]
    if inspect.isfunction(each):
        assert set(entries_of(sections.get("Args", ""))) == set(inspect.signature(each).parameters)
        assert "Returns" in sections or inspect.signature(each).return_annotation in (None, "None")


@pytest.mark.parametrize("client", ["SeedanceClient", "AsyncSeedanceClient"])
def test_every_method_of_the_client_says_what_it_takes(client: str) -> None:
    """``max_retries`` and ``timeout`` of all methods are told once, at the class."""
    for name, method in inspect.getmembers(getattr(prefect_seedance, client), inspect.isfunction):
        if name.startswith("_"):
            continue
        takes = set(inspect.signature(method).parameters) - {"self", "max_retries", "timeout"}
        assert takes <= {*entries_of(sections_of(method).get("Args", ""))}, name


def test_an_example_at_the_prompt_is_shown_as_code() -> None:
    """The site takes ``Examples:`` for code, and ``Example:`` for a box of prose with quotes in it."""
    found: list[str] = []
    for name in shown():
        each = documented(name)
        texts = [getattr(each, "__doc__", ""), *(getattr(member, "__doc__", "") for member in vars(each).values())]
        if any(re.search(r"^ *Example:\n +>>>", text or "", re.MULTILINE) for text in texts):
            found.append(name)
    assert found == []


# Events and outcomes.


@cache
def emitted() -> list[tuple[set[str], set[str]]]:
    """Return, of each place that emits events, which these may be and the keys that it writes into them."""
    found: list[tuple[set[str], set[str]]] = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "Event(" in text or "emit_event" in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    found += [each for call in ast.walk(node) if (each := emitted_by(call, node))]
    return found


def emitted_by(call: ast.AST, inside: ast.AST) -> tuple[set[str], set[str]] | None:
    if not isinstance(call, ast.Call):
        return None
    given = {each.arg: each.value for each in call.keywords}
    if isinstance(call.func, ast.Name) and call.func.id == "Event" and len(call.args) > 1:
        kind, facts = call.args[0], given.get("facts", call.args[4] if len(call.args) > 4 else None)
        kinds = [kind.value] if isinstance(kind, ast.Constant) else get_args(get_type_hints(SubmissionEvent)["kind"])
        return {f"seedance.video.{each}" for each in kinds}, {*keys_of(facts, inside)}
    if isinstance(event := given.get("event"), ast.Constant | ast.Name):
        name = str(event.value) if isinstance(event, ast.Constant) else BUDGET_REACHED
        return {name}, {*keys_of(given["payload"], inside), *keys_of(given["resource"], inside)}
    return None


def keys_of(written: ast.expr | None, inside: ast.AST) -> Iterator[str]:
    """Read the keys of a dict as it is written: in place, under a name, or out of several."""
    if isinstance(written, ast.Dict):
        for key, value in zip(written.keys, written.values, strict=True):
            if key is None:
                yield from keys_of(value, inside)
            elif isinstance(key, ast.Constant):
                yield str(key.value)
    elif isinstance(written, ast.Name):
        for each in ast.walk(inside):
            for target in each.targets if isinstance(each, ast.Assign) else ():
                if isinstance(target, ast.Name) and target.id == written.id:
                    yield from keys_of(each.value, inside)
                elif isinstance(target, ast.Subscript) and ast.unparse(target.value) == written.id:
                    yield str(ast.literal_eval(target.slice))


def test_the_page_of_events_names_what_is_emitted() -> None:
    assert {event for events, _ in emitted() for event in events} == set(EVENTS)
    assert {f"seedance.video.{kind}" for kind in get_args(EventKind)} <= set(EVENTS)


def test_the_page_of_events_names_each_field_that_is_emitted() -> None:
    of_all = {"intent", "task_id", "uri"}  # of a video: they are added where its event is handed to Prefect
    for name, event in EVENTS.items():
        # One place tells of all that comes of a submission; what only one of its events has is not looked at.
        alone = {key for events, keys in emitted() if events == {name} for key in keys}
        together = {key for events, keys in emitted() if name in events for key in keys}
        assert alone - {*event.labels, "prefect.resource.id"} <= set(event.payload), name
        assert set(event.payload) - of_all <= together, name


def test_the_page_of_outcomes_names_each_of_them() -> None:
    assert set(outcomes.ROWS) == set(get_args(Outcome))
    assert set(outcomes.STANDINGS) == set(get_args(RowStanding))
    assert set(outcomes.COLLECTED) == set(get_args(Collected))
    assert set(outcomes.ORPHANS) == set(get_args(OrphanKind))
