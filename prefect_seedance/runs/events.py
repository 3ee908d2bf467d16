"""Events that automations and other pipelines can react to: ``seedance.video.submitted``, ``...stored`` and others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from prefect.events import emit_event
from prefect.runtime import flow_run

from prefect_seedance.asides import aside, words_of
from prefect_seedance.pipeline.observer import Event, Fact, Observer
from prefect_seedance.plain_text import lines, one_line
from prefect_seedance.runs.logs import Step, log, note

if TYPE_CHECKING:
    from prefect_seedance.pipeline.collect.models import Orphan

#: An event names so many of the orphans; the run's page has the rest.
_MOST_ORPHANS = 50
#: Label of every event about a video: who tells people of it, the run that it belongs to or an automation.
TOLD_BY = "seedance.told-by"
_run_tells: ContextVar[bool] = ContextVar("run_tells", default=False)


@asynccontextmanager
async def run_tells() -> AsyncGenerator[None]:
    """Mark the events of an ``async with`` block as those of a run that tells people itself how it has ended."""
    before = _run_tells.set(True)
    try:
        yield
    finally:
        _run_tells.reset(before)


def emit(event: Event, *, is_told: bool | None = None) -> None:
    """Emit an event about a video to Prefect. One that cannot be emitted is logged and changes nothing.

    The video's intent is the event's resource; the task id and the address of the video are related ones.

    Args:
        event: What happened.
        is_told: Whether the run tells people of it; None if the block that it is in says so (`run_tells`).
    """
    failure = aside(_emit, event, _run_tells.get() if is_told is None else is_told)
    if failure is not None:
        message = f"The event seedance.video.{event.kind} was not emitted: {words_of(failure)}"
        log("notify", message, level=logging.WARNING)


def _emit(event: Event, is_told: bool) -> None:
    facts = {name: _said(fact) if isinstance(fact, str) else fact for name, fact in event.facts.items()}
    related: list[dict[str, str]] = []
    if event.task_id:
        related.append(
            {"prefect.resource.id": f"seedance.task.{one_line(event.task_id)}", "prefect.resource.role": "task"}
        )
    if event.uri:
        related.append({"prefect.resource.id": event.uri, "prefect.resource.role": "video"})
    name = one_line(event.task_id) or event.intent
    emit_event(
        event=f"seedance.video.{event.kind}",
        resource={
            "prefect.resource.id": f"seedance.video.{event.intent}",
            "prefect.resource.name": name,
            TOLD_BY: "run" if is_told else "automation",
        },
        related=related,
        payload={"intent": event.intent, "task_id": event.task_id, "uri": event.uri, **facts},
    )


def _said(text: str) -> str:
    return lines(text)


def emit_no_video(run_url: str, headline: str, words: str, paid: str) -> None:
    """Emit ``seedance.run.no-video``: the run has no video, and could not tell anybody. Failure is as with `emit`."""
    run_id: str | None = flow_run.get_id()
    failure = aside(
        emit_event,
        event="seedance.run.no-video",
        resource={
            "prefect.resource.id": f"prefect.flow-run.{run_id}",
            "prefect.resource.name": flow_run.get_name() or "",
            # The label by which automations tell runs that speak for themselves from those that cannot.
            "prefect.state-message": one_line(headline),
        },
        payload={"headline": _said(headline), "words": _said(words), "paid": _said(paid), "run_url": run_url},
    )
    if failure is not None:
        note(f"The event seedance.run.no-video was not emitted: {words_of(failure)}", level=logging.WARNING)


def emit_journal_replaced(place: str, journal_id: str, last: str) -> None:
    """Emit ``seedance.journal.replaced``: at this place was another journal before. Failure is as with `emit`."""
    kind = "prefect.resource.id"
    failure = aside(
        emit_event,
        event="seedance.journal.replaced",
        resource={kind: f"seedance.journal.{journal_id}", "prefect.resource.name": place},
        related=[{kind: f"seedance.journal.{last}", "prefect.resource.role": "journal"}],
        payload={"place": place, "journal_id": journal_id, "last_journal_id": last},
    )
    if failure is not None:
        note(f"The event seedance.journal.replaced was not emitted: {words_of(failure)}", level=logging.WARNING)


def emit_orphans(store: str, place: str, orphans: Sequence[Orphan], new: int) -> None:
    """Emit ``seedance.orphans.found``: open records that a person should look at. Failure is as with `emit`.

    Args:
        store: Names the store in the event's resource.
        place: Where it is.
        orphans: Worst first.
        new: How many of them the collection before had not found. An automation that tells people asks for
            ``seedance.new-orphans`` to be ``yes``, or it tells them every five minutes.
    """
    named = [{"intent": each.intent, "kind": each.kind, "task_id": each.task_id} for each in orphans[:_MOST_ORPHANS]]
    failure = aside(
        emit_event,
        event="seedance.orphans.found",
        resource={
            "prefect.resource.id": f"seedance.store.{store}",
            "prefect.resource.name": one_line(place),
            "seedance.new-orphans": "yes" if new else "no",
        },
        payload={
            "place": _said(place),
            "count": len(orphans),
            "new": new,
            "kinds": dict(Counter(each.kind for each in orphans)),
            "orphans": named,
        },
    )
    if failure is not None:
        note(f"The event seedance.orphans.found was not emitted: {words_of(failure)}", level=logging.WARNING)


def run_observer(step: Step) -> Observer:
    """Return an observer that writes to the run's log, as a line of this step, and emits Prefect events."""

    def write(level: int, message: str, facts: Mapping[str, Fact]) -> None:
        log(step, message, level=level, **facts)

    return Observer(write, emit)
