"""What the page of a run shows: the result with its poster, or why there is none and what was paid.

What cannot be shown is logged and changes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import shlex
import textwrap
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
from prefect_seedance.client.request.words.titles import TITLES, titled
from prefect_seedance.journal.commands import how_to_repeat
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.record_lookup import Standing
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.ends.links import artifact_url, settling_form
from prefect_seedance.runs.ends.unknown_page import HEADLINE, unknown_markdown
from prefect_seedance.runs.logs import log, note
from prefect_seedance.runs.notifications.escaping import code, fenced, link, markdown, prose, unlinked
from prefect_seedance.runs.notifications.messages import NoVideo, cost_in_short, cost_words, reuse_message
from prefect_seedance.runs.pages.play_link import PlayLink
from prefect_seedance.storage.templates import beside

_NO_SOURCES: Mapping[str, str] = MappingProxyType({})
_NO_PARAMETERS: Mapping[str, object] = MappingProxyType({})
#: What a line of a card has room for, in letters.
_CARD = 30
#: The ratios that people write; what is made comes near one: pixels are even.
_RATIOS = ("16:9", "9:16", "4:3", "3:4", "1:1", "21:9", "9:21")
_TOLERATED_SHARE, _TOLERATED_SECONDS = 0.03, 0.6
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
        return stored_markdown(stored, request, store.store_option, play, sources, price, watched)

    async def described() -> str:
        poster = await threads.run(threads.RECORDS, _poster, stored, store)
        return stored_description(stored, request, poster)

    await shown(Page(page, f"seedance-video-{stored.intent[:12]}", described).draw, pauses=PAUSES)


async def show_failure(end: NoVideo, request: VideoRequest, parameters: Mapping[str, object] = _NO_PARAMETERS) -> str:
    """Put on the run's page why there is no video, what was paid and what to do.

    Args:
        end: How the run ended.
        request: What was asked for.
        parameters: Of the run, as the server has them.

    Returns:
        The address of that page; "" where there is none.
    """
    error = end.error

    async def page() -> str:
        form = ""
        if isinstance(error, SubmissionUnknown):
            form = await settling_form(error.intent, error.attempt_name, parameters)
        return failure_markdown(end, request, form)

    described = described_lines([end.short_headline, *asked_lines(request.prompt, request.model_name)])
    own = Page(
        page, unknown_key(error.intent) if isinstance(error, SubmissionUnknown) else "seedance-no-video", described
    )
    await shown(own.draw, pauses=PAUSES)
    return own.url


async def show_cancelled(request: VideoRequest, now: Standing) -> None:
    """Put on the run's page what goes on at the vendor although the run was cancelled."""

    async def page() -> str:
        return cancelled_markdown(request, now)

    key = unknown_key(now.unknown.intent) if now.unknown else "seedance-cancelled"
    paid = HEADLINE if now.unknown else ("It goes on, and is paid for" if now.task_id else "")
    described = described_lines(["Cancelled", paid, *asked_lines(request.prompt, request.model_name)])
    await shown(Page(page, key, described).draw)


async def show_warning(headline: str, words: str) -> None:
    """Put on the run's page what a person should look into."""

    async def page() -> str:
        return f"# {markdown(headline)}\n\n{prose(words)}"

    await shown(Page(page, "seedance-warning", markdown(headline)).draw)


async def tag_run(request: VideoRequest) -> None:
    """Tag the flow run with its model."""
    await shown(lambda: _tagged(f"seedance:{request.model_name}"))


def unknown_key(intent: str) -> str:
    """Return the key of the page of a video whose submission is unknown: whoever settles it finds the page by it."""
    return f"seedance-unknown-{intent[:12]}"


def stored_description(stored: StoredVideo, request: VideoRequest, poster: str = "") -> str:
    """Word the result as the description of its page, which the run's own page shows: poster, prompt, model and cost.

    Args:
        stored: The video.
        request: What was asked for.
        poster: The poster as a ``data:`` address, "" for none.
    """
    made = f"{stored.model}, {stored.seconds:.0f} s" if stored.seconds else stored.model
    cost = "Reused: nothing was paid now" if stored.reused else cost_in_short(stored)
    words = described_lines([*asked_lines(request.prompt), made, cost])
    return f"{image('First frame', poster)}\n\n{words}" if poster else words


def asked_lines(prompt: str, model: str = "") -> list[str]:
    """Return what was asked for, in lines that a card of the run's page has room for.

    Example:
        >>> asked_lines("A ceramic mug turns on a wooden table, studio light, seen from above", "seedance2.0-mini")
        ['A ceramic mug turns on a', 'wooden table, studio light, …', 'seedance2.0-mini']
    """
    plain = " ".join(without_signatures(one_line(prompt)).split())
    return [*textwrap.wrap(plain, _CARD, max_lines=2, placeholder=" …"), *([model] if model else [])]


def described_lines(words: Sequence[str]) -> str:
    """Write lines under each other: a card shows each as far as it has room for it."""
    return "\n\n".join(markdown(unlinked(each)) for each in words if each)


def stored_markdown(
    stored: StoredVideo,
    request: VideoRequest,
    store_option: str,
    play: PlayLink | None = None,
    sources: Mapping[str, str] = _NO_SOURCES,
    price: str = "",
    watched: str = "",
) -> str:
    """Word the result as Markdown; the poster stands above it, in its description.

    Args:
        stored: The video.
        request: What was asked for.
        store_option: What ``--store`` of the command line takes for the store.
        play: A link by which anybody can watch it, where the store allows one.
        sources: What files and objects are in the identity, by their texts: provenance and journal name them so.
        price: What it was expected to cost, in words.
        watched: How long the vendor took, and what it took to see that, in words.
    """
    rows = {
        "Cost": markdown(cost_in_short(stored)),
        "Expected": markdown(price.removeprefix("expected to cost ")),
        "Provenance": f"{code(PurePosixPath(stored.provenance_uri).name)}, beside the video",
        "Task": code(stored.task_id),
        "Intent": code(stored.intent),
        "Bytes": markdown(f"{stored.bytes:,}"),
        "SHA-256": code(stored.sha256),
        "Asked": markdown(_time(stored.created_at)),
        "Finished": markdown(_time(stored.completed_at)),
        "Stored": markdown(_time(stored.stored_at)),
        "Watched": markdown(watched),
    }
    parts = ["# Video reused\n" if stored.reused else "# Video stored\n"]
    if stored.reused:
        said = f"{reuse_message(stored.task_id)} It was stored {_time(stored.stored_at)}."
        parts.append(f"{markdown(said)}\n")
    if stored.submissions > 1:
        parts.append(f"{markdown(cost_words(stored))}\n")
    if play:
        parts.append(f"**{link('Play the video', play.url)}**. {markdown(play.life)}\n")
    parts.append(f"Open it on a machine that reaches the store:\n\n{code(open_command(stored.intent, store_option))}\n")
    # In a block, which scrolls in itself: an address has no place where it wraps.
    parts.append(fenced(stored.uri))
    return "\n".join([*parts, table(rows), "## Asked and made\n", sizes(request, stored), _asked(request, sources)])


def open_command(intent: str, store_option: str) -> str:
    """Return the command that opens a video.

    Example:
        >>> open_command("2e5b2ced3957ef68973738a4277cb3f2", "/data/my videos")
        "prefect-seedance open 2e5b2ced3957ef68973738a4277cb3f2 --store '/data/my videos'"
    """
    return f"prefect-seedance open {intent} --store {shlex.quote(store_option)}"


def sizes(request: VideoRequest, stored: StoredVideo) -> str:
    """Draw what was asked for beside what was made, as it was measured; what differs is marked."""
    asked_ratio = request.ratio if request.ratio != "auto" else request.orientation
    pixels = f"{stored.width}x{stored.height}" if stored.width and stored.height else ""
    rows = [
        ("Resolution", request.resolution, pixels, True),
        ("Ratio", asked_ratio, _ratio(stored.width, stored.height), _is_ratio(request.ratio, stored)),
        (
            "Duration",
            f"{request.duration} s",
            f"{stored.seconds:.1f} s" if stored.seconds else "",
            abs(stored.seconds - request.duration) <= _TOLERATED_SECONDS,
        ),
    ]
    drawn = ["| | Asked | Made |", "| --- | --- | --- |"]
    for name, asked, made, fits in rows:
        differs = "" if fits or not made else ": not as asked"
        drawn.append(f"| {name} | {markdown(asked or 'auto')} | {markdown((made or 'not known') + differs)} |")
    return "\n".join(drawn) + "\n"


def _ratio(width: int, height: int) -> str:
    """Return an aspect ratio as people write it: the known one that it comes next to.

    Example:
        >>> _ratio(480, 854), _ratio(1000, 900), _ratio(0, 0)
        ('9:16', '1.11:1', '')
    """
    if not (width and height):
        return ""
    known = next((name for name in _RATIOS if _is_near(name, width, height)), "")
    return known or f"{width / height:.2f}:1"


def _is_ratio(asked: str, stored: StoredVideo) -> bool:
    return asked not in _RATIOS or not stored.height or _is_near(asked, stored.width, stored.height)


def _is_near(ratio: str, width: int, height: int) -> bool:
    across, down = map(int, ratio.split(":"))
    return abs(width / height / (across / down) - 1) < _TOLERATED_SHARE


def failure_markdown(end: NoVideo, request: VideoRequest, form: str = "") -> str:
    """Word a failure as Markdown: what happened, what was paid, what goes on, what to do."""
    if isinstance(end.error, SubmissionUnknown):
        return f"{unknown_markdown(end.error, request.model_name, form)}\n{_asked(request)}"
    paid = f"**Paid:** {markdown(end.paid)}."
    return f"# {markdown(end.headline)}\n\n{paid}\n\n{prose(end.words)}\n{_asked(request)}"


def cancelled_markdown(request: VideoRequest, now: Standing) -> str:
    """Word a cancelled run as Markdown."""
    if now.unknown:
        told = unknown_markdown(now.unknown, request.model_name)
        return f"{told}\nThe run was cancelled.\n\n{_asked(request)}"
    return (
        f"# The run was cancelled\n\n{_standing(now)}\n\nPrefect may show a cancelled step as Crashed. That is not a "
        f"failure: the journal knows what was submitted.\n\n{_asked(request)}"
    )


def _standing(now: Standing) -> str:
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
    """Return the request as Markdown: the prompt, which a table would not wrap, what is short, and the addresses."""
    addresses = dict(request.references())
    fields = request.model_dump(exclude={"prompt", *(place.partition("[")[0] for place in addresses)})
    rows = {
        TITLES.get(name, name): markdown(without_signatures(str(value)))
        for name, value in fields.items()
        if value not in ("", "auto", [])
    }
    said = f"**Prompt:** {markdown(without_signatures(request.prompt))}" if request.prompt else ""
    asked = "\n\n".join(filter(None, ["## Request", said, table(rows)]))
    if not addresses:
        return asked
    from prefect_seedance.journal.media_identity import shown_address  # here, as an import of the flow shows nothing

    listed: list[str] = []
    for place, address in addresses.items():
        known = f", {code(sources[address])}" if address in sources else ""
        listed.append(f"- {markdown(titled(place))}: {code(shown_address(address))}{known}")
    return "\n".join([asked, *listed, ""])


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
        description: Of the artifact, as Markdown: shown on the run's own page, and above the page itself.
        kind: Of the artifact.

    Attributes:
        text: What it says; "" before it is worded.
        url: Where it is; "" before it is drawn, and where Prefect knows no UI.
    """

    def __init__(
        self,
        word: Callable[[], Awaitable[str]],
        key: str,
        description: str | Callable[[], Awaitable[str]],
        *,
        kind: Literal["markdown", "table"] = "markdown",
    ) -> None:
        self._word, self._key, self._description, self._kind = word, key, description, kind
        self.text = self.url = ""

    async def draw(self) -> None:
        """Draw it, unless it is there."""
        from prefect.artifacts import MarkdownArtifact, TableArtifact  # here, as an import of the flow draws nothing

        if self.text and (there := await self._there()):
            self.url = artifact_url(there)
            return
        if not isinstance(self._description, str):
            self._description = await self._description()
        self.text = self.text or await self._word()
        if self._kind == "table":
            artifact = TableArtifact(key=self._key, description=self._description, table=json.loads(self.text))
        else:
            artifact = MarkdownArtifact(key=self._key, description=self._description, markdown=self.text)
        self.url = artifact_url((await artifact.acreate()).id)

    async def _there(self) -> UUID | None:
        """Return which artifact it is if the try before drew it all the same: only the answer was lost."""
        run_id: str | None = flow_run.get_id()
        if run_id is None:
            return None
        ours = ArtifactFilter(
            key=ArtifactFilterKey(any_=[self._key]), flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)])
        )
        async with get_client() as client:
            found = await client.read_artifacts(artifact_filter=ours, sort=ArtifactSort.UPDATED_DESC, limit=1)
        return next((each.id for each in found if each.data == self.text), None)


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
    """Return whether Prefect's API may take the same in a moment: it is busy, or could not be reached."""
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code in _BUSY or error.response.status_code >= 500
    # By the name of its package: only a few modules may import the HTTP library.
    return isinstance(error, OSError) or any(each.__module__.startswith("httpx") for each in type(error).__mro__)
