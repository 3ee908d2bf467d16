"""The commands about money: how a budget stands, and the stop for all spending."""

from __future__ import annotations

import argparse

from prefect_seedance.cli.arguments.shared import OF_RECORDS, AddParser, add_store, epilog
from prefect_seedance.cli.terminal import complain
from prefect_seedance.plain_text import one_line
from prefect_seedance.storage.errors import shown_location


def add_budget(add: AddParser) -> argparse.ArgumentParser:
    """Add ``budget``."""
    budget = add(
        "budget",
        help="show what an account has spent, reserved and left",
        description="Show how the budgets of an account stand: spent, reserved, held and left of each, when its period "
        "ends, and the entries that are not settled. Days and months are those of UTC. Nothing is asked of the vendor.",
        epilog=epilog(
            [
                (
                    "with the limits of saved credentials",
                    "prefect-seedance budget --credentials studio --store s3://shop/videos",
                ),
                (
                    "what an account has spent, without them",
                    "prefect-seedance budget --account studio --store ./videos",
                ),
                (
                    "take out an entry that nothing can settle any more",
                    "prefect-seedance budget --credentials studio --store s3://shop/videos --release 3f9a1c04d2e7",
                ),
            ],
            reads=OF_RECORDS,
            columns={
                "spent": "by videos that were accepted",
                "reserved": "by submissions under way: it lasts seconds",
                "held": "by submissions that may have been paid for: settle them with prefect-seedance resolve",
            },
        ),
    )
    budget.set_defaults(run=_budget)
    group = budget.add_argument_group("whose")
    who = group.add_mutually_exclusive_group()
    who.add_argument(
        "--credentials",
        default="",
        metavar="NAME",
        help="Seedance Credentials saved on the Prefect server, by their name: they hold account, limits and store",
    )
    who.add_argument(
        "--account", metavar="LABEL", help="without saved credentials: this account, and no limits (default: default)"
    )
    group.add_argument(
        "--release",
        default="",
        metavar="NONCE",
        help="take an open entry out whose record can never settle it, such as one of a store that is gone; if its "
        "video was paid for, more is spent than the budget counts",
    )
    add_store(budget)
    return budget


def add_pause(add: AddParser) -> argparse.ArgumentParser:
    """Add ``pause``."""
    pause = add(
        "pause",
        help="stop all spending of a store, whoever runs",
        description="Stop all spending of a store: nothing more is submitted into it, whoever runs, until "
        "prefect-seedance resume. What is submitted already is still waited for and stored.",
        epilog=epilog(
            [
                ("stop now", "prefect-seedance pause --store s3://shop/videos"),
                (
                    "and say why to those whose runs it stops",
                    'prefect-seedance pause --reason "The logo is wrong" --store s3://shop/videos',
                ),
            ],
            reads=OF_RECORDS,
        ),
    )
    pause.set_defaults(run=_pause)
    pause.add_argument("--reason", default="", metavar="TEXT", help="why, for those whose runs it stops")
    add_store(pause)
    return pause


def add_resume(add: AddParser) -> argparse.ArgumentParser:
    """Add ``resume``."""
    resume = add(
        "resume",
        help="lift the stop for all spending of a store",
        description="Lift the stop for all spending of a store. Runs that it has stopped are not started again: run "
        "them again, and what is paid for is not paid again.",
        epilog=epilog(
            [
                ("go on", "prefect-seedance resume --store s3://shop/videos"),
                ("for a program", "prefect-seedance resume --store s3://shop/videos --json"),
            ],
            reads=OF_RECORDS,
        ),
    )
    resume.set_defaults(run=_resume)
    add_store(resume)
    return resume


def _budget(options: argparse.Namespace) -> int:
    _say_first("Reading the budgets in", options.store)
    from prefect_seedance.cli.money.budget import budget

    return budget(options)


def _pause(options: argparse.Namespace) -> int:
    _say_first("Stopping all spending of", options.store)
    from prefect_seedance.cli.money.spending import pause_spending

    return pause_spending(options)


def _resume(options: argparse.Namespace) -> int:
    _say_first("Lifting the stop for all spending of", options.store)
    from prefect_seedance.cli.money.spending import resume_spending

    return resume_spending(options)


def _say_first(doing: str, store: str) -> None:
    """Say what is being done before Prefect is imported, which the stores need."""
    complain(f"{doing} {one_line(shown_location(store))} ...")
