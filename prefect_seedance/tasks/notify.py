"""Last step: tell people. A notification that fails or hangs never fails the flow, and never holds it up for long."""

from __future__ import annotations

import asyncio
import logging

from prefect import task
from prefect.blocks.abstract import NotificationBlock
from prefect.cache_policies import NO_CACHE

from prefect_seedance.runs.logs import log
from prefect_seedance.runs.notifiers import load_notifiers, send_through, why_not_sent

#: Longest that one notification may take. Most classes give up by themselves after 4 to 10 seconds.
SECONDS = 30.0


# A body may hold a link that plays the video: nothing of a call is kept.
@task(
    name="send-notifications",
    task_run_name="send-notifications: {subject}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def send_notifications(notify: list[str], subject: str, body: str, seconds: float = SECONDS) -> list[str]:
    """Send a message through saved notification blocks, one after the other; what fails is logged.

    The message is plain text, and reads as it is wherever it arrives: marks in it format nothing, and call nobody.

    Args:
        notify: Names of saved notification blocks, for example ``slack-webhook/team``.
        subject: One line.
        body: A few lines.
        seconds: Longest that each of them may take.

    Returns:
        The names of those that took it.
    """
    told: list[str] = []
    for name in dict.fromkeys(notify):
        block: NotificationBlock | None = None
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                block = (await load_notifiers([name]))[name]
                await send_through(block, subject, body)
            told.append(name)
        except Exception as error:
            why = f"not done within {seconds:g} s" if limit.expired() else why_not_sent(error, block)
            log("notify", f"The notification to {name} failed: {why}", level=logging.WARNING)
    return told
