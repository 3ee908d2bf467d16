"""``prefect-seedance generate --dry-run``: what one video would cost, and whether it is there: a plan of one row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from prefect_seedance import RunOptions, SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.batch.models import BatchPlan, PlannedRow, RowStanding
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.plan import make_plan
from prefect_seedance.batch.plan_text import asked_of
from prefect_seedance.batch.rows import Manifest, Row
from prefect_seedance.cli.batch.plan_run import plan_document
from prefect_seedance.cli.store_option import chosen_credentials
from prefect_seedance.cli.terminal import say, say_document
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.media.context import Follower
from prefect_seedance.plain_text import coin_words

#: Stands where there is no key; it is sent nowhere.
_NO_KEY = "sk_no-key"
_STANDINGS: Mapping[RowStanding, str] = {
    "new": "not there yet; it would be submitted and paid for",
    "going_on": "submitted and paid for already; making it costs nothing more",
    "stored": "stored already; making it costs nothing",
    "failed": "failed before; it would not be submitted again",
    "unknown": "perhaps submitted and paid for; a person has to settle it first",
    "invalid": "it breaks a rule; it would not be submitted",
    "refused": "one of its references cannot be used; it would not be submitted",
}
_NOT_MADE: frozenset[RowStanding] = frozenset({"failed", "unknown", "invalid", "refused"})


class _NoTimes:
    """A dry run does not tell how long a single video takes."""

    def expected_seconds(self, model: str, resolution: str, duration: int) -> None:
        """Return nothing."""


def try_out(
    request: VideoRequest,
    credentials: SeedanceCredentials | None,
    store: VideoStore,
    options: RunOptions,
    *,
    as_json: bool = False,
) -> int:
    """Print what a video would cost and what is there already, and return the exit code. Nothing is submitted.

    Args:
        request: The video.
        credentials: Who would pay; None where there is no key.
        store: Where it would go.
        options: Of its run.
        as_json: Print a document instead of lines.
    """
    plan = plan_of_one(request, credentials, store, options)
    if as_json:
        say_document(plan_document(plan))
    for line in () if as_json else dry_run_lines(plan):
        say(line)
    return 1 if plan.rows[0].standing in _NOT_MADE else 0


def plan_of_one(
    request: VideoRequest, credentials: SeedanceCredentials | None, store: VideoStore, options: RunOptions
) -> BatchPlan:
    """Plan a single video. Neither Prefect nor, where nothing asks for it, a key is needed; nothing is submitted."""
    who = credentials or SeedanceCredentials(api_key=SecretStr(_NO_KEY))
    return make_plan(
        Manifest((Row(1, "", request),), "(the command line)", "", b"", ""),
        who.vendor_account(),
        store.destination(),
        BatchOptions(max_submissions=options.max_submissions, preflight=options.preflight),
        scope=ALWAYS,  # no schedule makes the run of a command line
        follower=Follower(write=lambda level, message: None),
        history=_NoTimes(),
        ignored_parameters=store.ignored_link_parameters,
        has_key=credentials is not None,
    )


def credentials_if_any(option: str) -> SeedanceCredentials | None:
    """Return the credentials that a command line names, or the environment holds; None where there is no key.

    Args:
        option: What ``--credentials`` names, "" for nothing.

    Raises:
        ConfigurationError: The saved credentials cannot be loaded.
        ValidationError: The environment has a key that cannot be used.
    """
    return chosen_credentials(option) if option or os.environ.get("JIMMYAI_API_KEY") else None


def dry_run_lines(plan: BatchPlan) -> Iterator[str]:
    r"""Yield what a person reads.

    Example:
        >>> row = PlannedRow(number=1, standing="stored", model="seedance2.0-mini", duration=4, price=0.0)
        >>> print(*dry_run_lines(BatchPlan(rows=[row], balance=7.0)), sep="\n")
        Dry run     nothing is submitted, and nothing is paid
        Video       seedance2.0-mini 4 s
                    stored already; making it costs nothing
        Price       0 coins
        Balance     7 coins
    """
    (row,) = plan.rows
    yield "Dry run     nothing is submitted, and nothing is paid"
    yield f"Video       {asked_of(row)}"
    yield f"            {_STANDINGS.get(row.standing, row.standing)}"
    yield f"Price       {_price(row)}"
    yield f"Balance     {'not known' if plan.balance is None else coin_words(plan.balance)}"
    if row.intent:
        yield f"Intent      {row.intent}"
    for name, texts in (("Problem", row.problems), ("Warning", row.warnings), ("Notice", plan.notices)):
        for text in texts:
            yield f"{name:<11} {text}"


def _price(row: PlannedRow) -> str:
    if row.standing == "new":
        return "unknown" if row.price is None else f"{coin_words(row.price)} ({row.price_source})"
    return "0 coins"
