"""Who pays, with the store where the account's budget is kept: asked for wherever something may be paid or settled."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from prefect_seedance.blocks.saved_blocks import why_not_loaded
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.pipeline import threads
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch

if TYPE_CHECKING:
    from prefect_seedance.blocks.credentials import SeedanceCredentials
    from prefect_seedance.pipeline.parties import Account
    from prefect_seedance.storage.protocol import Store

#: How long what was loaded is used again: hundreds of videos of one process ask for it.
_KEPT_SECONDS = 60.0

#: A store that is being opened, or was; None if whoever opened it was ended, and another one has to.
_Opening = Future["Store | None"]

_guard = threading.Lock()
_openings: dict[str, tuple[_Opening, Stopwatch]] = {}


async def account_of(credentials: SeedanceCredentials) -> Account:
    """Return who pays, with the budget store of the credentials opened.

    It is opened only if there is a budget to keep in it, and once per process and name for a while.

    Args:
        credentials: Who pays.

    Raises:
        ConfigurationError: The budget store is not saved, cannot be loaded or written, or does not keep writers
            apart. Nothing was sent.
    """
    account, name = credentials.vendor_account(), credentials.budget_store
    if not account.limits or not name:
        return account
    return replace(account, budget_store=await _opened(name))


async def _opened(name: str) -> Store:
    while True:
        with _guard:
            opening, age = _openings.get(name, (None, None))
            if opening is None or age is None or (opening.done() and age() > _KEPT_SECONDS):
                mine = _Opening()
                mine.set_running_or_notify_cancel()  # whoever waits for it and is cancelled does not end it
                _openings[name] = (mine, start_stopwatch())
                break
        store = await asyncio.wrap_future(opening)
        if store is not None:
            return store
    try:
        store = await _open(name)
    except BaseException as error:
        with _guard:
            del _openings[name]  # it is tried anew by whoever needs it next
        if isinstance(error, Exception):
            mine.set_exception(error)
        else:
            mine.set_result(None)
        raise
    mine.set_result(store)
    return store


async def _open(name: str) -> Store:
    try:
        block = await VideoStore.aload(name)
        return await threads.run(threads.RECORDS, _checked, block)
    except Exception as error:
        raise ConfigurationError(
            "budget_store",
            f"the saved store {name}, where the budget is kept, cannot be used ({why_not_loaded(error)}).",
            "Save a Seedance Video Store under that name on the Prefect server, mend it, or correct budget_store in "
            "the credentials. Left empty, each store keeps a count of its own.",
        ) from error


def _checked(block: VideoStore) -> Store:
    """Open a store, and check that it can be written, and that two writers cannot both reserve the last coins."""
    store = block.open()
    store.check_writable()
    store.require_conditions()
    return store
