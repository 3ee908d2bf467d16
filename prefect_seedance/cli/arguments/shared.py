"""Options that several commands have, each under one name, and what the help of all of them is made of."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from prefect_seedance.cli.exit_codes import EXIT_CODES, LOOK, OTHER_SIGNALS

AddParser = Callable[..., argparse.ArgumentParser]


class Group(Protocol):
    """What options can be added to: a parser, or a group of its options."""

    def add_argument(self, *options: str, **settings: Any) -> argparse.Action:
        """Add one."""
        ...


DEFAULT_STORE = "seedance-videos"

#: What the commands read of the environment.
ENVIRONMENT: Mapping[str, str] = {
    "JIMMYAI_API_KEY": "the vendor's key, unless --credentials names saved ones",
    "JIMMYAI_BASE_URL": "the vendor's address, for example that of prefect-seedance simulator",
    "PREFECT_API_URL": "the Prefect server that runs and saved blocks are kept on (default: that of Prefect's profile; "
    "where there is none, a server is started for as long as the command runs)",
    "AWS_PROFILE": "and the other variables of AWS: how s3:// is reached",
    "NO_COLOR": "set to anything: no colours",
}
_OF_STORE = ("PREFECT_API_URL", "AWS_PROFILE")
OF_RECORDS = (*_OF_STORE, "NO_COLOR")
OF_VENDOR = ("JIMMYAI_API_KEY", "JIMMYAI_BASE_URL", *OF_RECORDS)


def epilog(
    examples: Iterable[tuple[str, str]],
    *,
    reads: Iterable[str] = (),
    codes: Mapping[int, str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> str:
    """Compose what stands below the options of a command.

    Args:
        examples: What each does, and its command.
        reads: What it reads of `ENVIRONMENT`.
        codes: What exit codes mean for this command, where more can be said than in the table.
        columns: What the columns of a listing mean.
    """
    parts = [_table("columns", columns)] if columns else []
    shown = "\n\n".join(f"  {does}:\n    {command}" for does, command in examples)
    parts.append(f"examples:\n{shown}")
    reads = tuple(reads)
    if reads:
        parts.append(_table("environment", {name: ENVIRONMENT[name] for name in reads}))
    meant = {code: words for code, words in EXIT_CODES.items() if code != LOOK} | {**(codes or {})}
    parts.append(exit_code_table(meant))
    return "\n\n".join(parts)


def exit_code_table(codes: Mapping[int, str] = EXIT_CODES) -> str:
    """Return exit codes with their meanings as a part of a help text."""
    return _table("exit codes", {str(code): codes[code] for code in sorted(codes)}) + f"\n  {OTHER_SIGNALS}"


def _table(title: str, entries: Mapping[str, str]) -> str:
    longest = max((len(name) for name in entries), default=0)
    return "\n".join([f"{title}:", *(f"  {name:<{longest}}  {words}" for name, words in entries.items())])


def environment_table() -> str:
    """Return what is read of the environment as a part of a help text."""
    return _table("environment", ENVIRONMENT)


def accept_also(group: Group, *options: str, **settings: Any) -> None:
    """Accept an option by the name that it had before; the help does not show it."""
    group.add_argument(*options, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **settings)


def add_store(command: argparse.ArgumentParser) -> Group:
    """Add --store, and return its group."""
    group = command.add_argument_group("where")
    group.add_argument(
        "--store",
        default=DEFAULT_STORE,
        help="where videos and journal are: a folder, s3://bucket/prefix, or seedance-video-store/NAME for a store "
        "that is saved on the Prefect server, with all its settings (default: ./%(default)s)",
    )
    return group


def add_credentials(group: Group) -> None:
    """Add --credentials."""
    group.add_argument(
        "--credentials",
        default="",
        metavar="NAME",
        help="Seedance Credentials saved on the Prefect server, by their name (default: the key in JIMMYAI_API_KEY)",
    )


def add_video(command: argparse.ArgumentParser) -> None:
    """Add the video that a command is about, as a person may call it."""
    command.add_argument(
        "video",
        metavar="NAME_OR_ID",
        help="the video: its intent as the journal lists it, or the beginning of it, the vendor's task id, or its name "
        "in the manifest",
    )


def add_output(command: argparse.ArgumentParser) -> None:
    """Add what every command can print."""
    group = command.add_argument_group("output")
    group.add_argument(
        "--json",
        action="store_true",
        dest="as_json",
        help="print JSON, and nothing else, to the standard output: the result, or for an error one document of the "
        'form {"error": {"type": ..., "message": ..., "task_id": ...}}, with the store and the servers in use '
        "beside it",
    )
    group.add_argument("--debug", action="store_true", help="show tracebacks")
