"""The page of a run that has settled a submission, and what it changes on the pages that asked for it.

What cannot be shown is logged and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.runtime import flow_run

from prefect_seedance.journal.record import Record
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.context.current_run import run_url
from prefect_seedance.runs.ends.links import form_of_run, page_url
from prefect_seedance.runs.notifications.escaping import code, link, markdown, prose
from prefect_seedance.runs.pages.run_page import PAUSES, Page, asked_lines, described_lines, shown, unknown_key

#: Pages of one video that are brought up to date: those of the runs that stopped at it, newest first.
_MOST_PAGES = 20
#: Between what a settled page says now and what it said before.
_BEFORE = "\n\n---\n\n"
#: Where the ways to settle begin on a page of an unknown submission, and where they end.
_WAYS, _AFTER_WAYS = "\n\n**What to do:**", "\n## Request"

#: What a state of the record means, in a headline.
_HEADLINES = {
    "ready": "Settled: it was not billed, and may be submitted again",
    "submitted": "Settled: the task is attached",
    "completed": "Settled: the task is attached",
    "stored": "Settled: the video is stored",
    "lost": "Settled: it was given up",
    "unknown": "Still unknown",
}


async def show_settled(record: Record, state: str, next_steps: Sequence[str], place: str = "") -> None:
    """Put on the run's page what was settled and what to do next, and on the pages that asked for it that it is.

    Args:
        record: Of the video.
        state: Of the record, as it is now.
        next_steps: What a person should know and do, in words.
        place: Where the video is, once it is stored.
    """
    words = settled_markdown(record, state, next_steps, place)

    async def page() -> str:
        return f"{words}\n\n{await ways_on(record, state)}"

    asked = asked_lines(str(record.request.get("prompt", "")), record.model)
    described = described_lines([_in_short(state), *asked])
    own = Page(page, f"seedance-settled-{record.intent[:12]}", described)
    await shown(own.draw, pauses=PAUSES)
    if state != "unknown":
        said = own.text or words
        await shown(lambda: _bring_up_to_date(record.intent, said, state), pauses=PAUSES)


def settled_markdown(record: Record, state: str, next_steps: Sequence[str], place: str = "") -> str:
    """Word what was settled as Markdown."""
    steps = [prose(without_signatures(step)).rstrip() for step in next_steps if step]
    where = [code(without_signatures(place))] if place else []
    return "\n\n".join([f"# {markdown(_headline(state))}", *steps, *where, f"Intent {code(record.intent)}"])


def _headline(state: str) -> str:
    return _HEADLINES.get(state, f"Settled: the record is {state}")


def _in_short(state: str) -> str:
    """Return the headline as far as a card has room for it."""
    return _headline(state).partition(",")[0]


async def ways_on(record: Record, state: str) -> str:
    """Return links to what a person does next: the form of the run that had asked for the video, and its page.

    What only one run shares leads to that run and to no form: another run would pay for another video.
    """
    sender = next((each.run for each in reversed(record.attempts) if each.run.id or each.run.url), None)
    if sender is None:
        return ""
    # A record names the outermost run by its id, and the page of the run itself.
    run_id = sender.url.rstrip("/").rpartition("/")[2] or sender.id
    shared, _, only_run = record.scope.partition(":")
    if state == "lost":
        words = again = ""
    elif shared == "run":
        words, again = "Retry its run", page_url("flow-run", only_run)
    else:
        words, again = "Run it again", await form_of_run(run_id)
    ways = [f"**{link(words, again)}**"] if again else []
    if sender.url:
        ways.append(link(f"The run that asked for it: {sender.name or sender.id}", sender.url))
    return "\n\n".join(ways) + "\n"


async def _bring_up_to_date(intent: str, said: str, state: str) -> None:
    """Write onto the pages of an unknown submission that it is settled, above what they said."""
    key = ArtifactFilter(key=ArtifactFilterKey(any_=[unknown_key(intent)]))
    by = f" by {link(flow_run.get_name() or 'a run', run_url())}" if run_url() else ""
    async with get_client() as client:
        pages = await client.read_artifacts(artifact_filter=key, sort=ArtifactSort.UPDATED_DESC, limit=_MOST_PAGES)
        for page in pages:
            settled = ArtifactUpdate(
                data=f"{said.rstrip()}\n\nIt was settled{by}.{_BEFORE}{said_before(str(page.data))}",
                description=_with_headline(page.description or "", _in_short(state)),
            )
            await client.update_artifact(page.id, settled)


def said_before(page: str) -> str:
    r"""Return what stays of the page of an unknown submission: not how to settle it, which is over.

    Example:
        >>> page = "# Perhaps paid\n\nIt was sent.\n\n**What to do:** Look.\n\n## Attach it\n\n## Request\n\nA boat"
        >>> said_before(page)
        '## Before it was settled\n\nIt was sent.\n\n## Request\n\nA boat'
    """
    before = page.rpartition(_BEFORE)[2]
    told, _, ways = before.partition(_WAYS)
    request = "".join(ways.partition(_AFTER_WAYS)[1:])
    title, _, happened = told.partition("\n\n")
    rest = happened if title.startswith("#") else told
    return "\n\n".join(filter(None, ["## Before it was settled", rest, request.lstrip("\n")]))


def _with_headline(description: str, headline: str) -> str:
    """Return the description of a page with another first line: the others say what was asked for."""
    return "\n\n".join([markdown(headline), *description.split("\n\n")[1:]])
