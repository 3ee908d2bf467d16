"""Last step: tell people. A notification that fails or hangs never fails the flow, and never holds it up for long."""

from __future__ import annotations

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_seedance.runs.logs import log
from prefect_seedance.runs.notifications.notifiers import SECONDS, send_to_all


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
    return await send_to_all(notify, subject, body, seconds)


async def told(notify: list[str], message: tuple[str, str]) -> bool:
    """Send a message at the end of a run, and return whether anybody was told.

    A failure is logged and does not change how the run ends, even if Prefect's server is gone.

    Args:
        notify: Names of saved notification blocks; none for nobody.
        message: Subject and body.
    """
    if not notify:
        return False
    try:
        return bool(await send_notifications(notify, *message))
    except Exception as error:
        log("notify", f"No notification was sent: {type(error).__name__}.", level=logging.WARNING)
        return False
