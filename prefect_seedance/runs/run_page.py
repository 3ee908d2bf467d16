"""What the page of a run shows: the result with its poster, or why there is none and what was paid.

What cannot be shown is logged and changes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from prefect_seedance.asides import words_of
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.commands import how_to_repeat
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.record_lookup import Standing
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.logs import log, note
from prefect_seedance.runs.messages import NoVideo, cost_words, reuse_message
from prefect_seedance.storage.templates import beside

#: Longest that showing something may take; a cancelled run has 30 s in all.
_SECONDS = 15.0
#: Characters of a prompt that markdown would interpret: an image in it would be fetched by the reader's browser.
_MARKUP = re.compile(r"[\\`*_{}\[\]<>|#!~]")


async def show_stored(stored: StoredVideo, request: VideoRequest, store: VideoStore) -> None:
    """Put the result on the run's page: a poster, what it cost, where it is, what was asked."""

    async def show() -> None:
        poster = await threads.run(threads.RECORDS, _poster, stored, store)
        await _drawn(stored_markdown(stored, request, poster), f"seedance-video-{stored.intent[:12]}", stored.uri)

    await _shown(show)


async def show_failure(end: NoVideo, request: VideoRequest) -> None:
    """Put on the run's page why there is no video, what was paid and what to do."""
    await _shown(lambda: _drawn(failure_markdown(end, request), "seedance-no-video"))


async def show_cancelled(request: VideoRequest, now: Standing) -> None:
    """Put on the run's page what goes on at the vendor although the run was cancelled."""
    await _shown(lambda: _drawn(cancelled_markdown(request, now), "seedance-cancelled"))


async def show_warning(headline: str, words: str) -> None:
    """Put on the run's page what a person should look into."""
    await _shown(lambda: _drawn(f"# {headline}\n\n{_fenced(words)}", "seedance-warning"))


async def tag_run(request: VideoRequest) -> None:
    """Tag the flow run with its model."""
    await _shown(lambda: _tagged(f"seedance:{request.model_name}"))


def stored_markdown(stored: StoredVideo, request: VideoRequest, poster: str) -> str:
    """Word the result as markdown.

    Args:
        stored: The video.
        request: What was asked for.
        poster: The poster as a ``data:`` address, "" for none.
    """
    rows = {
        "Provenance": f"`{PurePosixPath(stored.provenance_uri).name}`, beside the video",
        "Task": f"`{stored.task_id}`",
        "Cost": cost_words(stored),
        "Size": f"{stored.width}x{stored.height}, {stored.seconds:.1f} s, {stored.bytes:,} bytes",
        "SHA-256": f"`{stored.sha256}`",
        "Asked": _time(stored.created_at),
        "Finished": _time(stored.completed_at),
        "Stored": _time(stored.stored_at),
    }
    picture = f"![First frame]({poster})\n\n" if poster else ""
    reused = f"> {reuse_message(stored.task_id)} It was stored {_time(stored.stored_at)}.\n\n" if stored.reused else ""
    return f"# Video stored\n\n{reused}{picture}{_fenced(stored.uri)}\n{_table(rows)}\n{_asked(request)}"


def failure_markdown(end: NoVideo, request: VideoRequest) -> str:
    """Word a failure as markdown: what happened, what was paid, what goes on, what to do."""
    return f"# {end.headline}\n\n**Paid:** {end.paid}.\n\n{_fenced(end.words)}\n{_asked(request)}"


def cancelled_markdown(request: VideoRequest, now: Standing) -> str:
    """Word a cancelled run as markdown."""
    if now.unknown:
        words = _fenced(str(now.unknown))
        state = f"**Paid:** perhaps; it is not known whether the vendor accepted it.\n\n{words}"
    elif now.task_id:
        state = (
            f"Task `{now.task_id}` **goes on at the vendor and is paid for**; nothing can cancel it there. "
            f"{now.advice} Its link lives about 3 days after it is finished."
        )
    elif now.scope is not None:
        state = (
            f"Nothing was known to be accepted when it stopped. {how_to_repeat(now.scope)}: it submits only if nothing "
            "was accepted, and says so if that is not known."
        )
    else:
        state = "This try was stopped before it sent anything."
    return (
        f"# The run was cancelled\n\n{state}\n\nPrefect may show a cancelled step as Crashed. That is not a failure: "
        f"the journal knows what was submitted.\n\n{_asked(request)}"
    )


def _asked(request: VideoRequest) -> str:
    """Word the request as markdown: what is short in a table, the addresses in a block."""
    addresses = dict(request.references())
    fields = request.model_dump(exclude={place.partition("[")[0] for place in addresses})
    rows = {
        name: _MARKUP.sub(r"\\\g<0>", without_signatures(str(value)))
        for name, value in fields.items()
        if value not in ("", "auto", [])
    }
    asked = f"## Request\n\n{_table(rows)}"
    if not addresses:
        return asked
    lines = [f"{place}: {_line(without_signatures(address))}" for place, address in addresses.items()]
    return asked + "\n" + _fenced("\n".join(lines))


def _fenced(text: str) -> str:
    """Put a text into a block, which scrolls in itself; a table would grow over what is beside it on the page."""
    quoted = text.replace("```", "'''")
    return f"```text\n{quoted}\n```\n"


def _table(rows: dict[str, str]) -> str:
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows.items() if value]
    return "\n".join(["| | |", "| --- | --- |", *lines]) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", _line(text))


def _line(text: str) -> str:
    return " ".join(text[:2000].split())


def _time(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def _poster(stored: StoredVideo, store: VideoStore) -> str:
    """Read the poster as a ``data:`` address: it needs no public bucket, and does not expire."""
    if not stored.poster_uri:
        return ""
    from prefect_seedance.pipeline.deliver import recent_poster

    jpeg = recent_poster(stored.poster_uri)
    try:
        found = None if jpeg else store.destination().store.get(beside(stored.key, ".jpg"))
    except Exception as error:
        note(f"The poster could not be read: {words_of(error)}")
        return ""
    jpeg = found.data if found else jpeg
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""


async def _drawn(page: str, key: str, description: str | None = None) -> None:
    from prefect.artifacts import acreate_markdown_artifact  # here, as an import of the flow draws nothing

    await acreate_markdown_artifact(page, key=key, description=description)


async def _tagged(tag: str) -> None:
    run_id: str | None = flow_run.get_id()
    if run_id:
        async with get_client() as client:
            await client.update_flow_run(UUID(run_id), tags=sorted({*flow_run.get_tags(), tag}))


async def _shown(show: Callable[[], Awaitable[object]]) -> None:
    """Show something; neither its wording nor its writing can fail the run."""
    try:
        async with asyncio.timeout(_SECONDS):
            await show()
    except Exception as error:
        log("notify", f"The run's page was not written: {words_of(error)}", level=logging.WARNING)
