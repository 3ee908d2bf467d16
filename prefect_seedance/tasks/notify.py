"""Last step: tell people. A notification that fails never fails the flow."""

from __future__ import annotations

import asyncio
import inspect
import logging

from prefect import task
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block

from prefect_seedance.client.check import Problem
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.tasks.logs import log


async def load_notifiers(names: list[str]) -> dict[str, NotificationBlock]:
    """Load saved notification blocks by name, ``slack-webhook/team`` say.

    Raises:
        InvalidRequest: Naming each block that does not exist or cannot notify.
    """
    found: dict[str, NotificationBlock] = {}
    problems: list[Problem] = []
    for name in names:
        try:
            block = await Block.aload(name)
        except ValueError as error:
            fix = "Save the block first, or correct the name: type and name, slack-webhook/team say"
            problems.append(Problem("notify", "a saved block", f"{name!r} cannot be loaded ({error})", fix, "refuse"))
            continue
        if isinstance(block, NotificationBlock):
            found[name] = block
        else:
            fix = "Name a notification block"
            problems.append(
                Problem("notify", "a notification block", f"{name!r} is a {type(block).__name__}", fix, "refuse")
            )
    if problems:
        raise InvalidRequest(problems)
    return found


@task(name="send-notifications", task_run_name="send-notifications")
async def send_notifications(notify: list[str], subject: str, body: str) -> None:
    """Send a message through saved notification blocks; what fails is logged.

    Args:
        notify: Names of saved notification blocks, ``slack-webhook/team`` say.
        subject: One line.
        body: A few lines.
    """
    for name in notify:
        try:
            (block,) = (await load_notifiers([name])).values()
            with block.raise_on_failure():
                sent = await asyncio.to_thread(block.notify, body, subject)
                if inspect.isawaitable(sent):
                    await sent
        except Exception as error:
            log("notify", f"The notification to {name} failed: {error}", level=logging.WARNING)
