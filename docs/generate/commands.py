"""The command line, from its parser. Not from its help, whose layout differs between versions of Python."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping

from docs.generate.docstrings import cell, generated, table
from prefect_seedance.cli.arguments import parser
from prefect_seedance.cli.exit_codes import EXIT_CODES, OTHER_SIGNALS

_INTRODUCTION = """`prefect-seedance COMMAND --help` says the same in a terminal. The key of the vendor is read from
`JIMMYAI_API_KEY`, or from saved credentials (`--credentials NAME`); it is never an option, since other users of a
machine can see those.

`--json` prints JSON and nothing else to the standard output, for every command; an error is
`{"error": {"type": ..., "message": ..., "task_id": ...}}`, and its type is an entry of the
[error catalogue](errors.md).

"""


def page() -> str:
    """Return the page."""
    commands = commands_of(parser())
    listed = "".join(f"- [`{name}`](#{name}): {cell(helps)}\n" for name, (_, helps) in commands.items())
    codes = table(("Exit code", "It means"), [(f"{code}", words) for code, words in EXIT_CODES.items()])
    codes += f"\n{OTHER_SIGNALS}.\n"
    return (
        generated("Command line")
        + _INTRODUCTION
        + f"## Exit codes\n\n{codes}\n## Commands\n\n{listed}"
        + "".join(_command(name, each) for name, (each, _) in commands.items())
    )


def commands_of(whole: argparse.ArgumentParser) -> Mapping[str, tuple[argparse.ArgumentParser, str]]:
    """Return each command with its parser and what the list of commands says of it."""
    (action,) = (each for each in whole._actions if isinstance(each, argparse._SubParsersAction))
    helps = {each.dest: each.help or "" for each in action._choices_actions}
    return {name: (each, helps.get(name, "")) for name, each in action.choices.items()}


def _command(name: str, command: argparse.ArgumentParser) -> str:
    lines = [f"\n### {name}\n"]
    if command.description:
        lines.append(f"{command.description}\n")
    shown = [each for each in command._actions if each.help is not argparse.SUPPRESS]
    asked = [each for each in shown if not each.option_strings]
    options = [each for each in shown if each.option_strings and "--help" not in each.option_strings]
    required = "".join(f" {each.option_strings[-1]} {_value(each)}" for each in options if each.required)
    places = "".join(f" {_place(each)}" for each in asked)
    lines.append(f"`prefect-seedance {name}{places}{required} [options]`\n")
    rows = [(f"`{_place(each)}`", _help(each, command)) for each in asked]
    rows += [(_names(each), _help(each, command)) for each in options]
    lines.append(table(("Option", "What it does"), rows))
    lines += [_block(title, text) for title, text in _blocks(command.epilog or "")]
    return "\n".join(lines)


def _names(action: argparse.Action) -> str:
    value = _value(action)
    return ", ".join(f"`{option}{f' {value}' if value else ''}`" for option in action.option_strings)


def _place(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices and not action.metavar:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def _help(action: argparse.Action, command: argparse.ArgumentParser) -> str:
    values = {**vars(action), "prog": command.prog}
    words = cell((action.help or "") % values)
    if action.required and action.option_strings:
        words += " (required)"
    # What looks like a tag or a mark of Markdown is neither.
    return re.sub(r"(?<!\\)([<>*_])", r"\\\1", words)


def _blocks(epilog: str) -> list[tuple[str, str]]:
    """Split what stands below the options at its titles, such as ``examples:``."""
    parts = re.split(r"^(\S[^\n]*):$", epilog, flags=re.MULTILINE)
    before = [("", parts[0])] if parts[0].strip() else []
    return [*before, *zip(parts[1::2], parts[2::2], strict=True)]


def _block(title: str, text: str) -> str:
    lines = [line.removeprefix("  ").rstrip() for line in text.strip("\n").splitlines()]
    body = "\n".join(lines).strip("\n")
    return f"{f'**{title.capitalize()}**' if title else ''}\n\n```text\n{body}\n```\n".lstrip("\n")
