"""Saved notification blocks: loading them, and sending through them without waiting for what hangs."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block, UnknownBlockType
from pydantic import Secret, SecretStr, ValidationError

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.problems import Problem
from prefect_seedance.plain_text import faults, one_line
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.notifications.block_languages import message_for
from prefect_seedance.runs.notifications.webhook_addresses import address_problems

#: Longest that one notification may take. Most classes give up by themselves after 4 to 10 seconds.
SECONDS = 30.0
_FIX = "Save the block first, or correct the name: type and name, for example slack-webhook/team"
_ADDRESS = re.compile(r"(\w{1,20}://)(?:[^\s/@'\"<>]*@)?([^\s/?#'\"<>]*)[^\s'\"<>]*")
#: Shorter parts of a secret address are words such as "https"; its host, with a dot in it, is not secret.
_SECRET_LENGTH = 8


async def load_notifiers(names: list[str]) -> dict[str, NotificationBlock]:
    """Load saved notification blocks by name, for example ``slack-webhook/team``.

    Raises:
        InvalidRequest: Naming each block that does not exist, cannot be loaded or cannot notify, or whose
            address cannot work.
    """
    found: dict[str, NotificationBlock] = {}
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        if not all(name.partition("/")):
            problems.append(Problem("notify", "a saved block", f"{name!r} is not a type and a name", _FIX, "refuse"))
            continue
        try:
            block = await Block.aload(name)
        # Not there; its class is not installed here; or what was saved does not suit its class.
        except (ValueError, UnknownBlockType, TypeError, LookupError, RuntimeError, ImportError) as error:
            why = f"{name!r} cannot be loaded ({why_not_sent(error)})"
            problems.append(Problem("notify", "a saved block", why, _FIX, "refuse"))
            continue
        if isinstance(block, NotificationBlock):
            found[name] = block
            problems += [each for each in address_problems(name, block) if each.level == "refuse"]
        else:
            what = f"{name!r} is a {type(block).__name__}"
            problems.append(Problem("notify", "a notification block", what, "Name a notification block", "refuse"))
    if problems:
        raise InvalidRequest(problems)
    return found


def doubts(notifiers: Mapping[str, NotificationBlock]) -> list[Problem]:
    """Return what is unusual about the addresses of notification blocks, and may work all the same."""
    return [each for name, block in notifiers.items() for each in address_problems(name, block) if each.level == "warn"]


async def send_to_all(notify: list[str], subject: str, body: str, seconds: float = SECONDS) -> list[str]:
    """Send a message, which is plain text, through saved blocks, one after the other; what fails is logged.

    Args:
        notify: Their names.
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


async def send_through(block: NotificationBlock, subject: str, body: str) -> None:
    """Send a message, which is plain text, through a block, in a thread that is left alone once the caller gives up.

    Raises:
        Exception: Whatever the block raises; word it with `why_not_sent`.
    """
    await _in_a_thread(_sending(block, subject, body))


def _sending(block: NotificationBlock, subject: str, body: str) -> Callable[[], None]:
    subject, body = message_for(block, subject, body)

    def send() -> None:
        # Without this, most classes only log a failure.
        with block.raise_on_failure():
            # Abstract as a coroutine function; what Prefect has built in and others write is often a plain one.
            sent: Awaitable[None] | None = block.notify(body, subject)
            if inspect.isawaitable(sent):
                asyncio.run(_awaited(sent))

    return send


async def _awaited(sent: Awaitable[None]) -> None:
    await sent


async def _in_a_thread(work: Callable[[], None]) -> None:
    """Run blocking work in a thread of its own that may hang: a loop's own pool is joined at its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    context = contextvars.copy_context()

    def settle(error: Exception | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def run() -> None:
        failure: Exception | None = None
        try:
            context.run(work)
        except Exception as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed: the run went on without it
            loop.call_soon_threadsafe(settle, failure)

    threading.Thread(target=run, name="seedance-notification", daemon=True).start()
    await done


def why_not_sent(error: Exception, block: NotificationBlock | None = None) -> str:
    """Return why a notification failed, without the secrets that such errors often repeat."""
    if isinstance(error, ValidationError):
        words = "; ".join(faults(error))
    else:
        # Prefect's NotificationError has its words in an attribute, one line for each thing that its library logged.
        lines = (str(error) or str(getattr(error, "log", ""))).splitlines()
        words = " ".join(line for line in lines if not line.startswith(("[DEBUG]", "[INFO]", "[TRACE]")))
    for secret in _secrets_of(block):
        words = words.replace(secret, "***")
    # The path of a webhook's address is its key.
    words = one_line(_ADDRESS.sub(r"\1\2/...", words)).strip()
    return words[:500] or type(error).__name__


def _secrets_of(block: NotificationBlock | None) -> Iterator[str]:
    for value in _secret_texts(list(vars(block).values()) if block else []):
        yield value
        host = (urlsplit(value).hostname or "") if "://" in value else ""
        public = {host} if "." in host else set[str]()
        parts = re.split(r"[/?&=:@]+", value)
        yield from (part for part in parts if len(part) >= _SECRET_LENGTH and part.lower() not in public)


def _secret_texts(value: object, *, inside: bool = False) -> Iterator[str]:
    """Yield every text inside a secret of whatever shape."""
    if isinstance(value, SecretStr | Secret):
        yield from _secret_texts(cast("Secret[object]", value).get_secret_value(), inside=True)
    elif isinstance(value, Mapping):
        yield from _secret_texts(list(cast("Mapping[object, object]", value).values()), inside=inside)
    elif isinstance(value, list | tuple):
        for each in cast("list[object]", value):
            yield from _secret_texts(each, inside=inside)
    elif inside and isinstance(value, str) and value:
        yield value
