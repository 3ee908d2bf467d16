"""The work of ``batch`` and ``submit``, in a process of its own: see `cli.child_process`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console

from prefect_seedance.batch.errors import BatchIncomplete
from prefect_seedance.batch.followers import BatchFollower, followed_by
from prefect_seedance.batch.models import HAVE_VIDEO, BatchReport, RowResult
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.cli.batch.commands import shown_manifest
from prefect_seedance.cli.batch.lines import EventDocuments, EventLines, words_of_row
from prefect_seedance.cli.batch.screen import BatchScreen
from prefect_seedance.cli.batch.tally import BatchStatus, Tally
from prefect_seedance.cli.error_report import interrupted
from prefect_seedance.cli.exit_codes import LOOK
from prefect_seedance.cli.generation import reach_prefect, work
from prefect_seedance.cli.live_screen import shows_table
from prefect_seedance.cli.store_option import chosen_credentials, chosen_store
from prefect_seedance.cli.terminal import output_is_terminal, say, say_document
from prefect_seedance.journal.commands import command_to_collect

#: How many rows without a video are printed at the end; all of them stand in the report.
_MOST_PRINTED = 20


class Followers:
    """Several followers as one."""

    def __init__(self, followers: Sequence[BatchFollower]) -> None:
        self._followers = followers

    def planned(self, total: int) -> None:
        """Hand on the number of rows."""
        for each in self._followers:
            each.planned(total)

    def started(self, number: int, label: str) -> None:
        """Hand on a row that is being made."""
        for each in self._followers:
            each.started(number, label)

    def ended(self, result: RowResult) -> None:
        """Hand on the result of a row."""
        for each in self._followers:
            each.ended(result)

    def told(self, message: str) -> None:
        """Hand on something else."""
        for each in self._followers:
            each.told(message)


def run_batch(options: argparse.Namespace) -> int:
    """Make the rows of a manifest, or submit them, and return the exit code."""
    credentials, store = chosen_credentials(options.credentials), chosen_store(options.store)
    batch_options = BatchOptions.model_validate(options.options)
    store.check()

    def make() -> BatchReport:
        from prefect_seedance import generate_videos, submit_videos

        reach_prefect()
        videos = generate_videos if options.waits else submit_videos
        return videos(options.manifest, credentials, store, notify=options.notify, options=batch_options)

    anew = batch_options.reuse == "run"
    collect = "" if options.waits else command_to_collect(store.store_option, options.credentials)
    return follow(
        make,
        title=shown_manifest(options.manifest),
        as_json=options.as_json,
        interrupt=lambda status: left_behind(status, store.store_option, anew=anew, collect=collect),
        collect=collect,
    )


def follow(
    make: Callable[[], BatchReport],
    *,
    title: str,
    as_json: bool,
    interrupt: Callable[[BatchStatus], str],
    collect: str = "",
) -> int:
    """Make a batch, show how far it is, print what came of it and return the exit code.

    Args:
        make: Makes it, in this thread.
        title: What stands above the live table.
        as_json: Print documents only.
        interrupt: Words for Ctrl-C.
        collect: The command that stores what is submitted.
    """
    tally, screen, followers, lines = Tally(), Console(stderr=True), list[BatchFollower](), EventLines()
    live = shows_table(screen, as_json=as_json)
    if as_json:
        followers.append(EventDocuments())
    elif not (live and output_is_terminal()):
        followers.append(lines)
    shown: AbstractContextManager[object] = BatchScreen(tally, title, screen) if live else nullcontext()
    code = 0
    try:
        with shown, followed_by(Followers([tally, *followers])):
            report = make()
    except BatchIncomplete as incomplete:
        report, code = incomplete.report, LOOK
    except KeyboardInterrupt:
        return interrupted(interrupt(tally.now()), as_json=as_json)
    if as_json:
        facts = {"counts": report.counts, "spent": report.spent, "of_unknown_cost": report.of_unknown_cost}
        say_document({"event": "report", "exit_code": code, **facts, "report": report.model_dump(mode="json")})
        return code
    for line in words_of_report(report, told=lines.messages):
        say(line)
    if collect and report.counts.get("submitted"):
        say(f"To store what is submitted: {collect}")
    return code


def words_of_report(report: BatchReport, *, told: Container[str] = ()) -> Iterator[str]:
    """Return what came of a batch, line by line.

    Args:
        report: What came of it.
        told: Notices that were printed while it ran.
    """
    for notice in report.notices:
        if notice not in told:
            yield f"Note        {notice}"
    missing = report.missing
    for row in missing[:_MOST_PRINTED]:
        yield words_of_row(row)
    if len(missing) > _MOST_PRINTED:
        yield f"and {len(missing) - _MOST_PRINTED} more rows without a video: see the report"
    if report.stopped:
        yield f"Stopped     {report.stopped}"
    yield report.summary


def left_behind(status: BatchStatus, store: str, *, anew: bool, collect: str = "") -> str:
    """Word what goes on after an interrupt, and how to go on.

    Args:
        status: How far the batch was.
        store: What ``--store`` takes for the store.
        anew: Whether another run would buy all rows anew.
        collect: The command that stores what is submitted; "" where the videos were to be made to their end.
    """
    have = sum(status.counts.get(outcome, 0) for outcome in HAVE_VIDEO)
    has = "has its" if have == 1 else "have their"
    words = f"Stopped: {have} of {status.total} rows {has} video. " if status.total else "Stopped. "
    number = len(status.in_flight) + status.open
    if number:
        words += (
            f"{number} more {'are' if number != 1 else 'is'} under way: what was submitted goes on at the vendor and "
            "is paid for; nothing can cancel it there. The journal lists it: "
            f"prefect-seedance journal --open --store {shlex.quote(store)}\n"
        )
    if number and collect:
        words += f"To store what is submitted: {collect}\n"
    if anew:
        return words + (
            "The same command again would pay for all rows anew, as --reuse run asks for that: retry this run on its "
            "page in Prefect instead, which takes up what is there."
        )
    return words + "Run the same command again: it takes up what is under way, and pays only for what is missing."


if __name__ == "__main__":
    work(run_batch)
