"""The whole command line: its commands by task, and how its help looks."""

from __future__ import annotations

import argparse
import platform
import re
import textwrap
from collections.abc import Callable
from itertools import groupby
from typing import Any, NoReturn

from prefect_seedance.cli.arguments import looking, making, money
from prefect_seedance.cli.arguments.shared import (
    AddParser,
    add_output,
    environment_table,
    exit_code_table,
)
from prefect_seedance.cli.terminal import say
from prefect_seedance.versions import version_of

#: The commands by what a person wants to do.
_TASKS: tuple[tuple[str, tuple[Callable[[AddParser], argparse.ArgumentParser], ...]], ...] = (
    ("try it", (making.add_demo, making.add_simulator)),
    ("plan", (making.add_plan,)),
    ("make", (making.add_generate, making.add_batch, making.add_submit, making.add_collect)),
    ("look", (looking.add_journal, looking.add_open, looking.add_download, looking.add_gallery, looking.add_assets)),
    ("settle", (looking.add_resolve,)),
    ("money", (money.add_budget, money.add_pause, money.add_resume)),
)
_NEXT = """Begin with prefect-seedance demo: it is free and needs no key.
Every command has examples: prefect-seedance generate --help"""
#: A line of a command that goes on on the next one.
_GOES_ON = "\\"


class Help(argparse.RawDescriptionHelpFormatter):
    """Help whose texts of several lines keep them: words are wrapped, and commands stay in one piece."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        words = " ".join(text.split())
        return textwrap.wrap(words, width, break_on_hyphens=False, break_long_words=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text:
            words = " ".join(text.split())
            return textwrap.fill(words, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        shown: list[str] = []
        for line in text.split("\n"):
            is_command = line.lstrip().startswith("prefect-seedance ") or (shown and shown[-1].endswith(_GOES_ON))
            shown.append(line if is_command else _wrapped(line, width))
        return "\n".join(shown)


def _wrapped(line: str, width: int) -> str:
    """Wrap a line; what follows a name stays right of it.

    Example:
        >>> print(_wrapped("  spent  by videos that were accepted", 28))
          spent  by videos that were
                 accepted
    """
    begun = re.match(r"\s*(?:\S.*?\s{2,})?", line)
    start = len(begun[0]) if begun and len(begun[0]) < width // 2 else len(line) - len(line.lstrip())
    return textwrap.fill(
        line, width, subsequent_indent=" " * start, drop_whitespace=True, break_long_words=False, break_on_hyphens=False
    )


class UnusableArguments(SystemExit):
    """The command line cannot be used; it is said already, and the exit code is 2."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(2)

    def __str__(self) -> str:
        """Say what is wrong with it."""
        return self.message


class CommandParser(argparse.ArgumentParser):
    """A parser whose error says what is wrong, and which takes options by their whole names only."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=Help, allow_abbrev=False, **settings)

    def shorten_usage(self) -> None:
        """Leave out of the usage what may be left out of the command: the help lists it below by groups."""
        needed = [str(each.metavar or each.dest) for each in self._get_positional_actions()]
        for each in self._get_optional_actions():
            if each.required:
                needed.append(f"{each.option_strings[0]} {each.metavar or each.dest.upper()}")
        if any(group.required for group in self._mutually_exclusive_groups):
            needed.append("HOW")
        self.usage = " ".join(["%(prog)s", *needed, "[options]"])

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end."""
        try:
            super().error(message)
        except SystemExit:
            raise UnusableArguments(message) from None


class WholeParser(CommandParser):
    """The parser of the whole command line: its help lists the commands by task.

    Attributes:
        listed: The commands: the task that each is for, its name, and what it does.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.listed: list[tuple[str, str, str]] = []

    def overview(self) -> str:
        """Return what the commands are for, by task."""
        longest = max(len(name) for _, name, _ in self.listed)
        lines = [str(self.description), ""]
        for task, group in groupby(self.listed, key=lambda each: each[0]):
            lines += [f"{task}:", *(f"  {name:<{longest}}  {does}" for _, name, does in group)]
        return "\n".join([*lines, "", _NEXT])

    def format_help(self) -> str:
        """Return the overview with what holds for all commands."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, [], [])
        formatter.add_text(self.overview())
        formatter.start_section("options")
        formatter.add_arguments(self._get_optional_actions())
        formatter.end_section()
        formatter.add_text("\n\n".join([environment_table(), exit_code_table()]))
        return formatter.format_help()


class _Version(argparse.Action):
    """Prints the versions, which are looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        python, prefect = platform.python_version(), version_of("prefect")
        say(f"prefect-seedance {version_of()}, Prefect {prefect}, Python {python}")
        parser.exit()


def parser() -> WholeParser:
    """Build the parser; each command has its function as ``run``, which loads what it needs when called.

    Without a command ``run`` is missing.
    """
    whole = WholeParser(
        prog="prefect-seedance",
        usage="prefect-seedance COMMAND ...",
        description="Seedance videos through Prefect: paid for once, stored whole.",
    )
    whole.add_argument(
        "--version", action=_Version, nargs=0, help="show the versions of this package, Prefect and Python"
    )
    commands = whole.add_subparsers(metavar="COMMAND", prog="prefect-seedance", parser_class=CommandParser)
    for task, adders in _TASKS:

        def listed(name: str, *, help: str, task: str = task, **settings: Any) -> CommandParser:
            whole.listed.append((task, name, help))
            return commands.add_parser(name, help=help, **settings)

        for add in adders:
            add(listed)
    for command in commands.choices.values():
        add_output(command)
        command.shorten_usage()
    return whole
