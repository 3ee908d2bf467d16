"""Telling people that 80 % of a budget are used: a log line, an event for automations, and the notification.

All of it on the side: nothing here can fail a run, or hold up a video.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

from prefect.events import emit_event

from prefect_seedance.asides import aside, words_of
from prefect_seedance.plain_text import coin_words, one_line
from prefect_seedance.runs.current_run import run_url
from prefect_seedance.runs.events import TOLD_BY
from prefect_seedance.runs.logs import log, note
from prefect_seedance.runs.notifiers import send_to_all

EVENT = "seedance.budget.reached"
#: Longest that a run waits at its end for notifications that are still on their way.
_LAST_SECONDS = 40.0


class BudgetUse(Protocol):
    """How much of a budget is used, as its ledger says."""

    @property
    def budget(self) -> str:
        """Which: daily_budget, monthly_budget, daily_videos or max_cost."""
        ...

    @property
    def limit(self) -> float:
        """What it allows, in coins; videos for daily_videos."""
        ...

    @property
    def spent(self) -> float:
        """By videos that were accepted."""
        ...

    @property
    def held(self) -> float:
        """By submissions that are unknown."""
        ...

    @property
    def reserved(self) -> float:
        """By submissions under way."""
        ...

    @property
    def share(self) -> float:
        """The share of the limit that is used."""
        ...

    @property
    def ends_at(self) -> datetime | None:
        """When the period ends; None for the budget of a run."""
        ...


async def tell_of_budget(account: str, use: BudgetUse, notify: Sequence[str] = ()) -> None:
    """Tell people how much of a budget is used. What cannot be told is logged and changes nothing.

    Args:
        account: Label of the account.
        use: How much of it is used.
        notify: Names of saved notification blocks, for example ``slack-webhook/team``.
    """
    _log_and_emit(account, use, tells=bool(notify))
    await _notified(account, use, notify)


@asynccontextmanager
async def telling_of_budgets(notify: Sequence[str] = ()) -> AsyncGenerator[Callable[[str, BudgetUse], None]]:
    """Offer, for the length of an ``async with`` block, a function that does the same and may be called in any thread.

    It returns at once and never raises; at the end of the block what is still on its way is waited for.

    Args:
        notify: Names of saved notification blocks, for example ``slack-webhook/team``.
    """
    loop, sending = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    def begin(account: str, use: BudgetUse) -> None:
        sending.append(loop.create_task(_notified(account, use, notify)))

    def tell(account: str, use: BudgetUse) -> None:
        aside(_log_and_emit, account, use, tells=bool(notify))
        if notify:
            aside(loop.call_soon_threadsafe, begin, account, use)  # closed, if the run has ended meanwhile

    try:
        yield tell
    finally:
        await asyncio.sleep(0)  # what was asked for last begins
        if sending:
            await asyncio.wait(sending, timeout=_LAST_SECONDS)


def _log_and_emit(account: str, use: BudgetUse, *, tells: bool) -> None:
    subject, body = budget_message(account, use)
    log("notify", f"{subject} {body}", level=logging.WARNING)
    failure = aside(_emit, account, use, tells)
    if failure is not None:
        note(f"The event {EVENT} was not emitted: {words_of(failure)}", level=logging.WARNING)


async def _notified(account: str, use: BudgetUse, notify: Sequence[str]) -> None:
    try:
        subject, body = budget_message(account, use)
        await send_to_all([*notify], subject, f"{body}\n{address}" if (address := run_url()) else body)
    except Exception as error:
        log("notify", f"No notification was sent: {type(error).__name__}.", level=logging.WARNING)


def _emit(account: str, use: BudgetUse, tells: bool) -> None:
    label = one_line(account)
    emit_event(
        event=EVENT,
        resource={
            "prefect.resource.id": f"seedance.budget.{label}.{use.budget}",
            "prefect.resource.name": f"{use.budget} of {label}",
            TOLD_BY: "run" if tells else "automation",
        },
        payload={
            "account": label,
            "budget": use.budget,
            "limit": use.limit,
            "spent": use.spent,
            "held": use.held,
            "reserved": use.reserved,
            "share": use.share,
            "ends_at": use.ends_at.astimezone(UTC).isoformat() if use.ends_at else "",
        },
    )


def budget_message(account: str, use: BudgetUse) -> tuple[str, str]:
    """Word how much of a budget is used, as a subject and a body.

    Args:
        account: Label of the account.
        use: How much of it is used.
    """

    def amount(value: float) -> str:
        return f"{value:g} videos" if use.budget == "daily_videos" else coin_words(value)

    ends = f" The period ends at {use.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC." if use.ends_at else ""
    subject = f"Seedance: {use.share:.0%} of {use.budget} of account {one_line(account)} is used."
    return subject, (
        f"Limit: {amount(use.limit)}. Spent: {amount(use.spent)}. Reserved by submissions under way: "
        f"{amount(use.reserved)}. Held by unknown submissions: {amount(use.held)}.{ends} What does not fit is not "
        "submitted, and nothing is paid for it."
    )
