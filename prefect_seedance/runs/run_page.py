"""What the page of a run shows: the result with its poster, or why there is none and what was paid.

What cannot be shown is logged and changes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import flow_run

from prefect_seedance.asides import words_of
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.commands import how_to_repeat
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.record_lookup import Standing
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.escaping import code, fenced, link, markdown
from prefect_seedance.runs.logs import log, note
from prefect_seedance.runs.messages import NoVideo, cost_words, reuse_message
from prefect_seedance.runs.play_link import PlayLink
from prefect_seedance.storage.templates import beside

_NO_SOURCES: Mapping[str, str] = MappingProxyType({})
#: Longest that one try of showing something may take; a cancelled run has 30 s in all.
_SECONDS = 15.0
#: Pauses before Prefect's API is asked again. The video is recorded by then: nothing but the run waits for its page.
PAUSES = (2.0, 5.0)
#: Answers of an API that is busy, which Prefect's client has repeated a few times already.
_BUSY = frozenset({408, 409, 425, 429})


async def show_stored(
    stored: StoredVideo,
    request: VideoRequest,
    store: VideoStore,
    play: PlayLink | None = None,
    sources: Mapping[str, str] = _NO_SOURCES,
    price: str = "",
    watched: str = "",
) -> None:
    """Put the result on the run's page: a poster, what it cost, where it is, what was asked."""

    async def page() -> str:
        poster = await threads.run(threads.RECORDS, _poster, stored, store)
        return stored_markdown(stored, request, poster, play, sources, price, watched)

    await shown(Page(page, f"seedance-video-{stored.intent[:12]}", markdown(stored.uri)).draw, pauses=PAUSES)


async def show_failure(end: NoVideo, request: VideoRequest) -> None:
    """Put on the run's page why there is no video, what was paid and what to do."""

    async def page() -> str:
        return failure_markdown(end, request)

    await shown(Page(page, "seedance-no-video").draw, pauses=PAUSES)


async def show_cancelled(request: VideoRequest, now: Standing) -> None:
    """Put on the run's page what goes on at the vendor although the run was cancelled."""

    async def page() -> str:
        return cancelled_markdown(request, now)

    await shown(Page(page, "seedance-cancelled").draw)


async def show_warning(headline: str, words: str) -> None:
    """Put on the run's page what a person should look into."""

    async def page() -> str:
        return f"# {markdown(headline)}\n\n{fenced(words)}"

    await shown(Page(page, "seedance-warning").draw)


async def tag_run(request: VideoRequest) -> None:
    """Tag the flow run with its model."""
    await shown(lambda: _tagged(f"seedance:{request.model_name}"))


def stored_markdown(
    stored: StoredVideo,
    request: VideoRequest,
    poster: str,
    play: PlayLink | None = None,
    sources: Mapping[str, str] = _NO_SOURCES,
    price: str = "",
    watched: str = "",
) -> str:
    """Word the result as markdown.

    Args:
        stored: The video.
        request: What was asked for.
        poster: The poster as a ``data:`` address, "" for none.
        play: A link by which anybody can watch it, where the store allows one.
        sources: What files and objects are in the identity, by their texts: provenance and journal name them so.
        price: What it was expected to cost, in words.
        watched: How long the vendor took, and what it took to see that, in words.
    """
    rows = {
        "Provenance": f"{code(PurePosixPath(stored.provenance_uri).name)}, beside the video",
        "Task": code(stored.task_id),
        "Cost": markdown(cost_words(stored)),
        "Price": markdown(price),
        "Size": markdown(f"{stored.width}x{stored.height}, {stored.seconds:.1f} s, {stored.bytes:,} bytes"),
        "SHA-256": code(stored.sha256),
        "Asked": markdown(_time(stored.created_at)),
        "Finished": markdown(_time(stored.completed_at)),
        "Stored": markdown(_time(stored.stored_at)),
        "Watched": markdown(watched),
    }
    parts = ["# Video stored\n"]
    if stored.reused:
        said = f"{reuse_message(stored.task_id)} It was stored {_time(stored.stored_at)}."
        parts.append(f"> {markdown(said)}\n")
    if poster:
        parts.append(f"{image('First frame', poster)}\n")
    parts.append(fenced(stored.uri))
    if play:
        parts.append(f"{link('Play the video', play.url)}. {markdown(play.life)}\n")
    return "\n".join([*parts, table(rows), _asked(request, sources)])


def failure_markdown(end: NoVideo, request: VideoRequest) -> str:
    """Word a failure as markdown: what happened, what was paid, what goes on, what to do."""
    return f"# {markdown(end.headline)}\n\n**Paid:** {markdown(end.paid)}.\n\n{fenced(end.words)}\n{_asked(request)}"


def cancelled_markdown(request: VideoRequest, now: Standing) -> str:
    """Word a cancelled run as markdown."""
    return (
        f"# The run was cancelled\n\n{_standing(now)}\n\nPrefect may show a cancelled step as Crashed. That is not a "
        f"failure: the journal knows what was submitted.\n\n{_asked(request)}"
    )


def _standing(now: Standing) -> str:
    if now.unknown:
        words = fenced(NoVideo(now.unknown).words)
        return f"**Paid:** perhaps; it is not known whether the vendor accepted it.\n\n{words}"
    if now.task_id:
        return (
            f"Task {code(now.task_id)} **goes on at the vendor and is paid for**; nothing can cancel it there. "
            f"{markdown(now.advice)} Its link lives about 3 days after it is finished."
        )
    if now.scope is not None:
        return (
            f"Nothing was known to be accepted when it stopped. {markdown(how_to_repeat(now.scope))}: it submits only "
            "if nothing was accepted, and says so if that is not known."
        )
    return "This try was stopped before it sent anything."


def _asked(request: VideoRequest, sources: Mapping[str, str] = _NO_SOURCES) -> str:
    """Word the request as markdown: what is short in a table, the addresses in a block."""
    addresses = dict(request.references())
    fields = request.model_dump(exclude={place.partition("[")[0] for place in addresses})
    rows = {
        name: markdown(without_signatures(str(value)))
        for name, value in fields.items()
        if value not in ("", "auto", [])
    }
    asked = f"## Request\n\n{table(rows)}"
    if not addresses:
        return asked
    from prefect_seedance.journal.media_identity import shown_address  # here, as an import of the flow shows nothing

    listed: list[str] = []
    for place, address in addresses.items():
        listed.append(f"{place}: {one_line(shown_address(address))}")
        if address in sources:
            listed.append(f"    {one_line(sources[address])}")
    return f"{asked}\n{fenced(chr(10).join(listed))}"


def table(rows: dict[str, str]) -> str:
    """Draw a table of rows whose cells are Markdown already."""
    drawn = [f"| {markdown(name)} | {cell} |" for name, cell in rows.items() if cell]
    return "\n".join(["| | |", "| --- | --- |", *drawn]) + "\n"


def image(words: str, address: str) -> str:
    """Draw a picture."""
    return f"![{markdown(words)}]({address})"


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
    return inline_jpeg(jpeg) if jpeg else ""


def inline_jpeg(jpeg: bytes) -> str:
    """Return a picture as a ``data:`` address, which both UIs show."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


class Page:
    """A page that is drawn once, however often it is tried.

    Args:
        word: Words it: as Markdown, or a table as JSON.
        key: Of the artifact.
        description: Of the artifact, as Markdown.
        kind: Of the artifact.
    """

    def __init__(
        self,
        word: Callable[[], Awaitable[str]],
        key: str,
        description: str | None = None,
        *,
        kind: Literal["markdown", "table"] = "markdown",
    ) -> None:
        self._word, self._key, self._description, self._kind = word, key, description, kind
        self._page = ""

    async def draw(self) -> None:
        """Draw it, unless it is there."""
        from prefect.artifacts import MarkdownArtifact, TableArtifact  # here, as an import of the flow draws nothing

        if self._page and await self._is_there():
            return
        self._page = self._page or await self._word()
        if self._kind == "table":
            artifact = TableArtifact(key=self._key, description=self._description, table=json.loads(self._page))
        else:
            artifact = MarkdownArtifact(key=self._key, description=self._description, markdown=self._page)
        await artifact.acreate()

    async def _is_there(self) -> bool:
        """Tell whether the try before drew it all the same: only the answer was lost."""
        run_id: str | None = flow_run.get_id()
        if run_id is None:
            return False
        ours = ArtifactFilter(
            key=ArtifactFilterKey(any_=[self._key]), flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)])
        )
        async with get_client() as client:
            found = await client.read_artifacts(artifact_filter=ours, sort=ArtifactSort.UPDATED_DESC, limit=1)
        return any(each.data == self._page for each in found)


async def _tagged(tag: str) -> None:
    run_id: str | None = flow_run.get_id()
    if run_id:
        async with get_client() as client:
            await client.update_flow_run(UUID(run_id), tags=sorted({*flow_run.get_tags(), tag}))


async def shown(show: Callable[[], Awaitable[object]], *, pauses: Sequence[float] = ()) -> None:
    """Show something; neither its wording nor its writing can fail the run.

    Args:
        show: Words and writes it.
        pauses: Seconds to wait before each further try, while Prefect's API is too busy to take it.
    """
    tries = [*pauses, None]
    for pause in tries:
        limit = asyncio.timeout(_SECONDS)
        try:
            async with limit:
                await show()
            return
        except Exception as error:
            why = f"Prefect's API did not take it within {_SECONDS:g} s" if limit.expired() else words_of(error)
            busy = limit.expired() or _is_busy(error)
        if pause is None or not busy:
            log("notify", f"The run's page was not written: {why}", level=logging.WARNING)
            return
        note(f"The run's page was not written yet, and is tried again: {why}")
        await asyncio.sleep(pause)


def _is_busy(error: Exception) -> bool:
    """Tell whether Prefect's API may take the same in a moment: it is busy, or could not be reached."""
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code in _BUSY or error.response.status_code >= 500
    # By the name of its package: only a few modules may import the HTTP library.
    return isinstance(error, OSError) or any(each.__module__.startswith("httpx") for each in type(error).__mro__)
