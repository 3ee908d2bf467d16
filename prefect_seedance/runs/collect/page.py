"""What the page of a collection shows: what came of each video, and the orphans of the store.

What cannot be shown is logged and changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from prefect_seedance.asides import words_of
from prefect_seedance.journal.commands import RESOLVED_BY
from prefect_seedance.pipeline.collect.models import CollectedVideo, CollectReport, Orphan
from prefect_seedance.plain_text import cut
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.collect.words import (
    ORPHAN_KINDS,
    WORST_FIRST,
    counts_of,
    headline,
    label_of,
    worst_videos_first,
)
from prefect_seedance.runs.ends.links import artifacts_url
from prefect_seedance.runs.logs import note
from prefect_seedance.runs.notifications.escaping import cell, code, link, markdown, unlinked
from prefect_seedance.runs.pages.run_page import PAUSES, Page, shown, table

#: Videos on the page, and orphans on theirs.
_MOST_VIDEOS, _MOST_ORPHANS = 50, 200
#: Longest reason in a table.
_REASON = 300
#: How long Prefect is asked for the page of the collection before.
_SECONDS = 15.0


def store_mark(place: str) -> str:
    """Return what stands for a store in the key of an artifact, and in the resource of an event.

    Example:
        >>> store_mark("s3://bucket/videos")
        'a502b1e9f316'
    """
    return hashlib.sha256(place.encode()).hexdigest()[:12]


async def show_collection(report: CollectReport, place: str) -> None:
    """Put on the run's page what came of a collection; nothing where nothing was open."""
    if not (report.videos or report.orphans):
        return

    async def page() -> str:
        return collection_markdown(report, place)

    await shown(Page(page, f"seedance-collected-{store_mark(place)}", markdown(headline(report))).draw, pauses=PAUSES)


async def show_orphans(orphans: Sequence[Orphan], place: str) -> int:
    """Bring the page of a store's orphans up to date: one page per store, anew whenever it says something else.

    Args:
        orphans: All that there are now, worst first.
        place: Of the store.

    Returns:
        How many that page did not have before, or not for the same reason; 0 if that is not known.
    """
    key, rows = f"seedance-orphans-{store_mark(place)}", orphans_table(orphans)
    try:
        async with asyncio.timeout(_SECONDS):
            before = await _rows_before(key)
    except Exception as error:
        note(f"The page of orphans before could not be read: {words_of(error)}")
        before = None
    if rows != (before or []):

        async def drawn() -> str:
            return json.dumps(rows, ensure_ascii=False)

        said = f"{_orphans_of(len(rows), len(orphans))} at {place}, worst first: what a person should look at."
        await shown(Page(drawn, key, markdown(said), kind="table").draw, pauses=PAUSES)
    if before is None:
        return 0
    return new_rows(rows, before)


def new_rows(rows: Sequence[Mapping[str, str]], before: Sequence[Mapping[str, str]]) -> int:
    """Return how many rows of the orphans' page are new, or are there for another reason than before.

    What the page has no room for is not counted: nothing could tell whether it was there before.

    Example:
        >>> new_rows([{"intent": "1", "what": "link dies within a day"}], [{"intent": "1", "what": "late"}])
        1
    """
    known = {(row.get("intent"), row.get("what")) for row in before}
    return sum((row["intent"], row["what"]) not in known for row in rows)


def orphans_table(orphans: Sequence[Orphan]) -> list[dict[str, str]]:
    """Return the orphans as a table, worst first: cells that are text in both of Prefect's UIs.

    No cell wraps there, so what tells a person which video it is comes first, and a column without a word is left out.
    """
    rows = [
        {
            "what": ORPHAN_KINDS[orphan.kind],
            "name": unlinked(cell(label_of(orphan))),
            "what to do": _text(orphan.advice.partition("\n")[0].replace(f" {RESOLVED_BY}", ".")),
            "why": _text(orphan.reason),
            "link dies": f"{orphan.link_dies_at:%Y-%m-%d %H:%M} UTC" if orphan.link_dies_at else "",
            "since": f"{orphan.since:%Y-%m-%d %H:%M} UTC" if orphan.since else "",
            "task": cell(orphan.task_id),
            "intent": orphan.intent,
        }
        for orphan in orphans[:_MOST_ORPHANS]
    ]
    return [{name: text for name, text in row.items() if any(each[name] for each in rows)} for row in rows]


def collection_markdown(report: CollectReport, place: str) -> str:
    """Word what came of a collection as Markdown."""
    began, ended = (f"{each:%Y-%m-%d %H:%M:%S} UTC" if each else "" for each in (report.started_at, report.ended_at))
    totals = {
        **{WORST_FIRST[each].capitalize(): str(count) for each, count in counts_of(report).items()},
        "Orphans": str(len(report.orphans)) if report.orphans else "",
        "Store": code(place),
        "Account": markdown(report.account),
        "Began": began,
        "Ended": ended,
        "The vendor was asked": f"{report.polls} time{'' if report.polls == 1 else 's'}",
    }
    parts = [f"# {markdown(headline(report))}\n", table(totals)]
    videos = worst_videos_first(report.videos)
    if videos:
        # A list wraps, where a table is cut off. The store is named above, and most texts name the task.
        lines: list[str] = []
        for video in videos[:_MOST_VIDEOS]:
            became = f"{label_of(video)}: {WORST_FIRST[video.became]}"
            said = cut(without_signatures(_said_of(video, place)), _REASON)
            lines.append(f"- **{unlinked(markdown(became))}.** {unlinked(markdown(said))}".rstrip())
        parts.append("\n".join(lines) + "\n")
        if len(videos) > _MOST_VIDEOS:
            parts.append(f"And {len(videos) - _MOST_VIDEOS} more; the result of the run has every one.\n")
    if report.orphans:
        key = f"seedance-orphans-{store_mark(place)}"
        page = artifacts_url(key)
        parts.append(f"Orphans: see {link(key, page) if page else f'the artifact {key}'}.\n")
    return "\n".join(parts)


def _said_of(video: CollectedVideo, place: str) -> str:
    """Return where a video is, as seen from its store, or why it is not there."""
    if video.uri:
        return video.uri.removeprefix("file://").removeprefix(place).lstrip("/") if place in video.uri else video.uri
    said = " ".join(filter(None, (video.reason, video.advice)))
    return said if not video.task_id or video.task_id in said else f"Task {video.task_id}. {said}".strip()


def _orphans_of(shown: int, number: int) -> str:
    """Return how many orphans there are, and how many of them are shown.

    Example:
        >>> _orphans_of(1, 1), _orphans_of(200, 312)
        ('1 orphan', '200 of 312 orphans')
    """
    return f"{shown if shown == number else f'{shown} of {number}'} orphan{'' if number == 1 else 's'}"


def _text(words: str) -> str:
    return unlinked(cell(cut(without_signatures(" ".join(words.split())), _REASON)))


async def _rows_before(key: str) -> list[dict[str, str]]:
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.UPDATED_DESC, limit=1)
    data = found[0].data if found else "[]"
    return json.loads(data) if isinstance(data, str) else []
