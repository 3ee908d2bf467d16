"""The journal that Prefect's server has last seen at a place: another one there now is told before anything is paid.

An unmounted share, an emptied bucket or a clean-up leave a place without its journal. A new one is made there, and it
knows nothing of what was paid for before. A retry stops (`journal_label`); a new run may well want a new journal, so it
is told and goes on. A Prefect variable per place keeps the journal's id.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from concurrent.futures import Future
from contextlib import suppress

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate

from prefect_seedance.runs.events import emit_journal_replaced
from prefect_seedance.runs.logs import note

#: How long Prefect's server is asked: what it remembers is worth a warning, and must not hold up a video.
_SECONDS = 15.0

#: What this process has compared last, by place, and when that is done.
_compared: dict[str, tuple[str, Future[None]]] = {}


async def compare_with_last(place: str, journal_id: str) -> None:
    """Warn if another journal was at this place before, and have Prefect remember this one; once per process.

    Args:
        place: Of the store, as `VideoStore.place` returns it.
        journal_id: Of the journal that is there now.
    """
    compared, done = _compared.get(place, ("", None))
    if done is not None and compared == journal_id:
        # Another video of the run asks just now: what it may have to tell comes before anything is paid for this one.
        with suppress(TimeoutError):  # a forked child waits for what its parent does
            async with asyncio.timeout(_SECONDS):
                await asyncio.shield(asyncio.wrap_future(done))
        return
    mine = Future[None]()
    _compared[place] = (journal_id, mine)
    try:
        async with asyncio.timeout(_SECONDS):
            await _compare(place, journal_id)
    except Exception as error:
        note(
            f"Whether the journal at {place} is the one that was there before is not known: Prefect's variable "
            f"{variable_name(place)} could not be read or written ({type(error).__name__}).",
            level=logging.WARNING,
        )
    finally:
        mine.set_result(None)


def variable_name(place: str) -> str:
    """Name the Prefect variable that holds the id of the journal last seen at a place.

    Example:
        >>> variable_name("s3://bucket/videos")
        'seedance_journal_a502b1e9f316'
    """
    return f"seedance_journal_{hashlib.sha256(place.encode()).hexdigest()[:12]}"


async def warn_of_another(place: str, journal_id: str) -> None:
    """Warn if another journal was at this place before; Prefect goes on remembering that one.

    For a run that pays nothing: the next one that pays still says so first.

    Args:
        place: Of the store, as `VideoStore.place` returns it.
        journal_id: Of the journal that is there now, "" where there is none.
    """
    try:
        async with asyncio.timeout(_SECONDS), get_client() as client:
            variable = await client.read_variable_by_name(variable_name(place))
    except Exception as error:
        note(f"Which journal was at {place} before is not known ({type(error).__name__}).", level=logging.DEBUG)
        return
    last = str(variable.value) if variable else ""
    if last in ("", journal_id) or not re.fullmatch("[0-9a-f]{32}", last):
        return
    note(
        f"{f'The journal at {place} is {journal_id}' if journal_id else f'There is no journal at {place}'}, and "
        f"Prefect's server has last seen another one there: {last}. What was submitted under that one is not found "
        "here. Check whether the share or volume is mounted, and whether location and prefix are right.",
        level=logging.WARNING,
    )


async def _compare(place: str, journal_id: str) -> None:
    name, tags = variable_name(place), ["prefect-seedance", place]
    async with get_client() as client:
        variable = await client.read_variable_by_name(name)
        if variable is None:
            note(
                f"Prefect's server has not seen {place} before; its journal is {journal_id}. Videos that were paid "
                "for elsewhere are not known there: check location and prefix if you expected earlier ones."
            )
            await client.create_variable(VariableCreate(name=name, value=journal_id, tags=tags))
            return
        last = str(variable.value)
        if last == journal_id:
            return
        if re.fullmatch("[0-9a-f]{32}", last):  # anybody may write a variable
            await _warn(place, journal_id, last)
        await client.update_variable(VariableUpdate(name=name, value=journal_id, tags=tags))


async def _warn(place: str, journal_id: str, last: str) -> None:
    from prefect_seedance.runs.pages.run_page import show_warning

    words = (
        f"The journal at {place} is {journal_id}, and Prefect's server has last seen another one there: {last}. What "
        "was submitted and paid for under that one is not known to this one, so the same request is paid for again. "
        "This run goes on; cancel it if that is not what you want. Check whether the share or volume is mounted, "
        "whether location and prefix are right, and whether a lifecycle rule or a clean-up has deleted journal/."
    )
    note(words, level=logging.WARNING)
    emit_journal_replaced(place, journal_id, last)
    await show_warning("Another journal than before", words)
