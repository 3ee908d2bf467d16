"""``prefect-seedance budget``: what an account has spent, reserved and left, and what is not settled."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prefect_seedance.cli.store_option import chosen_credentials, chosen_store
from prefect_seedance.cli.terminal import say, say_document, say_rows
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.pause import read_pause
from prefect_seedance.plain_text import coin_words, one_line
from prefect_seedance.runs.money.accounts import account_of

if TYPE_CHECKING:
    from prefect_seedance.journal.budget.pause import Pause
    from prefect_seedance.journal.budget.standing import BudgetStanding, LimitStanding, OpenReservation

_COLUMNS = ("budget", "limit", "spent", "reserved", "held", "left", "ends (UTC)")
_ENTRIES = ("open entry", "coins", "state", "since (UTC)", "intent", "store of its record")


def budget(options: argparse.Namespace) -> int:
    """Show how the budget of an account stands, or release an entry, and return the exit code."""
    store = chosen_store(options.store)
    destination = store.destination()
    label, limits, ledger_store = options.account or "default", Limits(), destination.store
    if options.credentials:
        account = asyncio.run(account_of(chosen_credentials(options.credentials)))
        label, limits, ledger_store = account.label, account.limits, account.budget_store or destination.store
    kept = Budget(ledger_store, account=label, limits=limits, journal=destination.journal)
    if options.release:
        return _release(kept, options.release, as_json=options.as_json)
    standing, paused = kept.standing(), read_pause(destination.store)
    where = ledger_store.uri_of("x").removesuffix("/x")
    if options.as_json:
        say_document(document(standing, where, paused))
        return 0
    say(f"Account {one_line(label)}, counted in {one_line(where)}.")
    if paused:
        say(f"All spending of {store.location} is {paused.words}.")
    if not options.credentials:
        say("The limits are in the saved credentials: name them with --credentials to see what is left.")
    if not limits:
        say("Only what is submitted by credentials that have a budget is counted.")
    say_rows(_COLUMNS, limit_rows(standing))
    if standing.entries:
        say_rows(_ENTRIES, entry_rows(standing))
    return 0


def _release(kept: Budget, nonce: str, *, as_json: bool) -> int:
    if not kept.release(nonce):
        raise LookupError(
            f"There is no open entry {one_line(nonce)[:100]} of account {one_line(kept.account)}; nothing was changed. "
            "Run prefect-seedance budget without --release to see the open entries."
        )
    if as_json:
        say_document({"released": nonce, "account": kept.account})
        return 0
    say(f"Released: {nonce}. What it held may be spent again. If its video was paid for, more is spent than counted.")
    return 0


def document(standing: BudgetStanding, where: str, paused: Pause | None) -> dict[str, object]:
    """Return how a budget stands as a program reads it.

    Args:
        standing: How it stands.
        where: Where the ledger is.
        paused: The stop for all spending of the store, None if there is none.
    """
    stop = {"since": paused.since, "by": paused.by, "reason": paused.reason} if paused else None
    return {"counted_in": where, **standing.model_dump(mode="json"), "paused": stop}


def limit_rows(standing: BudgetStanding) -> Iterator[tuple[str, ...]]:
    """Return a row of a table for each limit, also for one that is not set: what is spent is counted all the same."""
    for each in standing.limits:
        ends = f"{each.ends_at:%Y-%m-%d %H:%M}" if each.ends_at else ""
        amounts = (_number(each, value) for value in (each.spent, each.reserved, each.held))
        limit, left = (_number(each, each.limit), _number(each, each.left or 0.0)) if each.limit else ("none", "")
        budget = each.budget if each.budget == "daily_videos" else f"{each.budget} (coins)"
        yield (budget, limit, *amounts, left, ends)


def entry_rows(standing: BudgetStanding) -> Iterator[tuple[str, ...]]:
    """Return a row of a table for each open entry, the oldest first."""
    for each in standing.entries:
        yield (
            one_line(each.nonce),
            _coins(each.coins),
            _state(each),
            f"{each.since:%Y-%m-%d %H:%M}",
            one_line(each.intent),
            one_line(each.where),
        )


def _state(entry: OpenReservation) -> str:
    return "held: unknown" if entry.held else "reserved"


def _number(limit: LimitStanding, value: float) -> str:
    return f"{value:.0f}" if limit.budget == "daily_videos" else _coins(value)


def _coins(value: float) -> str:
    """Return an amount of coins, to the ten-thousandth.

    Example:
        >>> _coins(1234567.5), _coins(0.25), _coins(0.0)
        ('1234567.5', '0.25', '0')
    """
    return coin_words(value).removesuffix(" coins")
