"""Telling people that 80 % of a budget is used: a log line, an event for automations, and the notification.

All of it on the side: nothing here can fail a run, or hold up a video.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING

from prefect.events import emit_event

from prefect_seedance.asides import aside, words_of
from prefect_seedance.plain_text import coin_words, one_line
from prefect_seedance.runs.context.current_run import run_url
from prefect_seedance.runs.events import TOLD_BY
from prefect_seedance.runs.logs import log, note
from prefect_seedance.runs.notifications.notifiers import send_to_all

if TYPE_CHECKING:
    from prefect_seedance.journal.budget.budget import OnReached
    from prefect_seedance.journal.budget.standing import BudgetStanding

EVENT = "seedance.budget.reached"
#: Longest that a run waits at its end for notifications that are still on their way.
_LAST_SECONDS = 10.0


async def tell_of_budget(budget: str, standing: BudgetStanding, notify: Sequence[str] = ()) -> None:
    """Tell people how much of a budget is used. What cannot be told is logged and changes nothing.

    Args:
        budget: Which: daily_budget, monthly_budget, daily_videos or max_cost.
        standing: How all of them stand.
        notify: Names of saved notification blocks, for example ``slack-webhook/team``.
    """
    aside(_log_and_emit, budget, standing, tells=bool(notify))
    await _notified(budget, standing, notify)


@asynccontextmanager
async def telling_of_budgets(notify: Sequence[str] = ()) -> AsyncGenerator[OnReached]:
    """Offer, for the length of an ``async with`` block, what a `Budget` calls in whatever thread: ``on_reached``.

    It does as `tell_of_budget`, returns at once and never raises. At the end of the block what is still on its way is
    waited for.

    Args:
        notify: Names of saved notification blocks, for example ``slack-webhook/team``.
    """
    loop, sending = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    def begin(budget: str, standing: BudgetStanding) -> None:
        sending.append(loop.create_task(_notified(budget, standing, notify)))

    def tell(budget: str, standing: BudgetStanding) -> None:
        aside(_log_and_emit, budget, standing, tells=bool(notify))
        if notify:
            aside(loop.call_soon_threadsafe, begin, budget, standing)  # closed, if the run has ended meanwhile

    try:
        yield tell
    finally:
        await asyncio.sleep(0)  # what was asked for last begins
        if sending:
            await asyncio.wait(sending, timeout=_LAST_SECONDS)


def _log_and_emit(budget: str, standing: BudgetStanding, *, tells: bool) -> None:
    subject, body = budget_message(budget, standing)
    log("notify", f"{subject} {body}", level=logging.WARNING)
    failure = aside(_emit, budget, standing, tells)
    if failure is not None:
        note(f"The event {EVENT} was not emitted: {words_of(failure)}", level=logging.WARNING)


async def _notified(budget: str, standing: BudgetStanding, notify: Sequence[str]) -> None:
    try:
        subject, body = budget_message(budget, standing)
        await send_to_all([*notify], subject, f"{body}\n{address}" if (address := run_url()) else body)
    except Exception as error:
        log("notify", f"No notification was sent: {type(error).__name__}.", level=logging.WARNING)


def _emit(budget: str, standing: BudgetStanding, tells: bool) -> None:
    label, use = one_line(standing.account), standing.limit(budget)
    emit_event(
        event=EVENT,
        resource={
            "prefect.resource.id": f"seedance.budget.{label}.{budget}",
            "prefect.resource.name": f"{budget} of {label}",
            TOLD_BY: "run" if tells else "automation",
        },
        payload={
            "account": label,
            "budget": budget,
            "limit": use.limit,
            "spent": use.spent,
            "held": use.held,
            "reserved": use.reserved,
            "share": use.share,
            "ends_at": use.ends_at.astimezone(UTC).isoformat() if use.ends_at else "",
        },
    )


def budget_message(budget: str, standing: BudgetStanding) -> tuple[str, str]:
    """Word how much of a budget is used, as a subject and a body.

    Args:
        budget: Which.
        standing: How all of them stand.
    """
    use = standing.limit(budget)

    def amount(value: float) -> str:
        return f"{value:g} videos" if budget == "daily_videos" else coin_words(value)

    ends = f" The period ends at {use.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC." if use.ends_at else ""
    subject = f"Seedance: {use.share:.0%} of {budget} of account {one_line(standing.account)} is used."
    return subject, (
        f"Limit: {amount(use.limit)}. Spent: {amount(use.spent)}. Reserved by submissions under way: "
        f"{amount(use.reserved)}. Held by unknown submissions: {amount(use.held)}.{ends} What does not fit is not "
        "submitted, and nothing is paid for it."
    )
