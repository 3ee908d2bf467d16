"""Every code block of the documentation runs as it stands there, or says that it does not.

A page is run as a reader goes through it: its blocks in order, in one folder and one Python, against the simulator, a
server of S3 on this machine and a Prefect server.
"""

from __future__ import annotations

import ast
import asyncio
import csv
import inspect
import io
import json
import shlex
import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow

from prefect_seedance.batch.manifest.columns import column_of
from prefect_seedance.cli import main
from prefect_seedance.cli.arguments import parser
from prefect_seedance.errors import BatchIncomplete
from tests.deployments.commands import promised
from tests.docs.pages import PAGES, Block, all_blocks, blocks_of, is_template, name_of
from tests.docs.world import prepare_blocks

OURS = "prefect-seedance "
#: Of these, one of each kind is run: they start a process that loads Prefect, which takes seconds.
APART = frozenset({"plan", "collect", "generate"})
#: Commands of ours that pay nothing, and end by themselves.
FREE = frozenset({"plan", "collect", "gallery", "journal", "assets", "budget", "pause", "resume"})

#: Blocks of Python that need more than this world has, by what is in them, and what runs them.
ELSEWHERE = {
    "run_deployment(": "tests/deployments: it needs what is deployed, and a worker",
    "generate_videos_in_parts(": "tests/prefect_runs: it needs a work pool and workers",
}
#: The beginnings of other programs' command lines, and what runs them.
OTHER_COMMANDS = {
    "scripts/": "tests/scripts, tests/cli: they install into environments of their own",
    "pip install ": "tests/test_packaging.py: it installs the package",
    "python -m pip install ": "the same",
    "python3 -m venv ": "the same",
    ". .venv/": "the shell's own",
    "prefect server start": "it does not end by itself; the tests have one",
    "git clone ": "it needs this project's address",
    "cd ": "the shell's own",
    "export ": "the shell's own",
    "python examples/": "tests/examples",
    "python -m benchmarks": "tests/costs: it measures for minutes",
    "prefect block register ": "tests/blocks",
    "prefect gcl create ": "Prefect's own",
}
#: What is shown, not run.
SHOWN = frozenset({"text", "console", "output"})
BLOCKS = all_blocks()


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Run a block, with its own line numbers; at the top it may await."""
    code = compile("\n" * block.line + block.text, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    try:
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, names))
        else:
            exec(code, names)
    except BatchIncomplete as incomplete:  # it says how many, and its report why
        for row in incomplete.report.without_video:
            incomplete.add_note(f"{row.label}: {row.outcome}: {row.reason}")
        raise


def call_flows(names: dict[str, Any], called: set[str]) -> None:
    """Call the flows that a page has defined: each of their parameters is the name of a product."""
    for name, value in [*names.items()]:
        if isinstance(value, Flow) and value.fn.__module__ == names["__name__"] and name not in called:
            called.add(name)
            needed = [each for each in inspect.signature(value.fn).parameters.values() if each.default is each.empty]
            result = value(**{each.name: "A mug" for each in needed})
            assert result is not None, name
            if inspect.isawaitable(result):
                asyncio.run(result)  # pyright: ignore[reportArgumentType]


def run_command(command: str) -> int:
    """Run a command of ours in this process; where it hands signals on to a child, that ends with it."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        return main(shlex.split(command)[1:])
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)


def kind_of(command: str) -> str:
    """Return a command's name and the names of its options."""
    _, name, *rest = shlex.split(command)
    return " ".join([name, *sorted(each for each in rest if each.startswith("--"))])


def is_free(command: str) -> bool:
    """Tell whether a command of ours is run here."""
    name = shlex.split(command)[1]
    return not is_template(command) and (name in FREE or (name == "generate" and "--dry-run" in command))


@pytest.fixture(scope="module")
def changed() -> set[str]:
    """The names of saved blocks that a page has changed."""
    return set()


@pytest.fixture(scope="module")
def ran() -> set[str]:
    """The kinds of commands that were run."""
    return set()


@pytest.mark.server
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(each.language in ("python", "sh") for each in blocks_of(page))],
    ids=name_of,
)
def test_a_page_runs_from_its_first_block_to_its_last(
    page: Path, furnished: Path, changed: set[str], ran: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_blocks(page.read_text(), changed)
    names: dict[str, Any] = {"__name__": page.stem}
    called: set[str] = set()
    for block in blocks_of(page):
        if block.marked or any(words in block.text for words in ELSEWHERE):
            continue
        if block.language == "python":
            run_python(block, names)
            call_flows(names, called)
        for command in block.commands if block.language == "sh" else ():
            if command.startswith(OURS) and is_free(command) and kind_of(command) not in ran:
                ran |= {kind_of(command)} if command.split()[1] in APART else set()
                code = run_command(command)
                assert code in (0, 3), f"{block}: {command}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "sh"], ids=str)
def test_every_command_is_run_somewhere_or_says_that_it_is_not(block: Block) -> None:
    for command in block.commands:
        if command.startswith(OURS):
            parser().parse_args(shlex.split(command, comments=True)[1:])
        elif not block.marked and command not in promised():
            assert command.startswith((*OTHER_COMMANDS,)), f"write “Not run here” above: {command}"


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language not in ("sh", "python")], ids=str)
def test_every_other_block_can_be_read_as_what_it_is(block: Block) -> None:
    match block.language:
        case "json":
            json.loads(block.text)
        case "toml":
            tomllib.loads(block.text)
        case "yaml":
            assert yaml.safe_load(block.text)
        case "csv":
            header, *rows = csv.reader(io.StringIO(block.text))
            assert rows and all(column_of(name).field for name in header)
        case language:
            assert language in SHOWN or block.marked, (
                f"name a language that is checked, or write “Not run here”: {language!r}"
            )


def test_every_fence_is_closed_and_names_its_language() -> None:
    for page in PAGES:
        fences = [line for line in page.read_text().splitlines() if line.lstrip().startswith("```")]
        assert len(fences) == 2 * len(blocks_of(page)), name_of(page)
    assert not [str(block) for block in BLOCKS if not block.language]


def test_what_is_run_elsewhere_is_still_there() -> None:
    """An exception that nothing needs any more would hide the next block that needs none."""
    python = "\n".join(block.text for block in BLOCKS if block.language == "python")
    assert [words for words in ELSEWHERE if words not in python] == []
    assert all(reason for reason in (*ELSEWHERE.values(), *OTHER_COMMANDS.values()))
