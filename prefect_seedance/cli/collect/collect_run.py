"""The work of ``collect``, in a process of its own: see `cli.child_process`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console

from prefect_seedance.cli.collect.screen import CollectionScreen, MoveDocuments, MoveLines
from prefect_seedance.cli.collect.tally import CollectionTally
from prefect_seedance.cli.error_report import interrupted
from prefect_seedance.cli.exit_codes import LOOK
from prefect_seedance.cli.generation import reach_prefect, work
from prefect_seedance.cli.live_screen import shows_table
from prefect_seedance.cli.store_option import chosen_credentials, chosen_store
from prefect_seedance.cli.terminal import output_is_terminal, say, say_document
from prefect_seedance.pipeline.collect.models import CollectReport
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.pipeline.observer import Event
from prefect_seedance.plain_text import one_line
from prefect_seedance.runs.collect.followers import CollectionFollower, collection_followed_by
from prefect_seedance.runs.collect.words import (
    BAD,
    counts_of,
    needs_a_person,
    summary,
    words_of_orphan,
    words_of_video,
    worst_videos_first,
)

#: How many videos and orphans are printed at the end; all of them stand on the run's page.
_MOST_PRINTED = 20


class CollectionFollowers:
    """Several followers as one."""

    def __init__(self, followers: Sequence[CollectionFollower]) -> None:
        self._followers = followers

    def moved(self, label: str, event: Event) -> None:
        """Hand on where a video has got to."""
        for each in self._followers:
            each.moved(label, event)

    def told(self, message: str) -> None:
        """Hand on something else."""
        for each in self._followers:
            each.told(message)


def run_collection(options: argparse.Namespace) -> int:
    """Take up what is open in a store and return the exit code."""
    credentials, store = chosen_credentials(options.credentials), chosen_store(options.store)
    collect_options = CollectOptions.model_validate(options.options)

    def make() -> CollectReport:
        from prefect_seedance import collect_videos

        reach_prefect()
        return collect_videos(credentials, store, notify=options.notify, options=collect_options)

    return follow_collection(
        make, title=store.place, store=store.store_option, minutes=collect_options.minutes, as_json=options.as_json
    )


def follow_collection(
    make: Callable[[], CollectReport], *, title: str, store: str, minutes: float, as_json: bool
) -> int:
    """Make a collection, show how far it is, print what came of it and return the exit code.

    Args:
        make: Makes it, in this thread.
        title: What stands above the live table.
        store: What ``--store`` takes for the store.
        minutes: How long it goes on at most.
        as_json: Print documents only.
    """
    tally, screen, followers = CollectionTally(), Console(stderr=True), list[CollectionFollower]()
    live = shows_table(screen, as_json=as_json)
    if as_json:
        followers.append(MoveDocuments())
    elif not (live and output_is_terminal()):
        followers.append(MoveLines())
    shown: AbstractContextManager[object] = CollectionScreen(tally, title, minutes, screen) if live else nullcontext()
    try:
        with shown, collection_followed_by(CollectionFollowers([tally, *followers])):
            report = make()
    except KeyboardInterrupt:
        return interrupted(
            "Stopped. What is open stays open and is not lost: the same command takes it up, or the next collection. "
            f"The journal lists it: prefect-seedance journal --open --store {shlex.quote(store)}",
            as_json=as_json,
        )
    code = LOOK if needs_a_person(report) else 0
    if as_json:
        facts = {"exit_code": code, "counts": counts_of(report)}
        say_document({"event": "report", **facts, "report": report.model_dump(mode="json")})
        return code
    for line in words_of_collection(report):
        say(line)
    return code


def words_of_collection(report: CollectReport) -> Iterator[str]:
    """Return what came of a collection, line by line: what a person should look at, and the whole."""
    bad = [words_of_video(video) for video in worst_videos_first(report.videos) if video.became in BAD]
    orphans = [words_of_orphan(each) for each in report.orphans]
    for title, lines in (("", bad), ("Orphan      ", orphans)):
        for line in lines[:_MOST_PRINTED]:
            yield one_line(f"{title}{line}")
        if len(lines) > _MOST_PRINTED:
            yield f"and {len(lines) - _MOST_PRINTED} more: see the run's page, or --json"
    yield one_line(summary(report))


if __name__ == "__main__":
    work(run_collection)
