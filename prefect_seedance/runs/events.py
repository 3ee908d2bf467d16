"""Events that automations and other pipelines can react to: ``seedance.video.submitted``, ``...stored`` and others."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from prefect.events import emit_event

from prefect_seedance.asides import aside, words_of
from prefect_seedance.pipeline.observer import Event, Fact, Observer
from prefect_seedance.runs.logs import Step, log, note


def emit(event: Event) -> None:
    """Emit an event about a video to Prefect. One that cannot be emitted is logged and changes nothing.

    The video's intent is the event's resource; the task id and the address of the video are related ones.
    """
    failure = aside(_emit, event)
    if failure is not None:
        message = f"The event seedance.video.{event.kind} was not emitted: {words_of(failure)}"
        log("notify", message, level=logging.WARNING)


def _emit(event: Event) -> None:
    related: list[dict[str, str]] = []
    if event.task_id:
        related.append({"prefect.resource.id": f"seedance.task.{event.task_id}", "prefect.resource.role": "task"})
    if event.uri:
        related.append({"prefect.resource.id": event.uri, "prefect.resource.role": "video"})
    name = event.task_id or event.intent
    emit_event(
        event=f"seedance.video.{event.kind}",
        resource={"prefect.resource.id": f"seedance.video.{event.intent}", "prefect.resource.name": name},
        related=related,
        payload={"intent": event.intent, "task_id": event.task_id, "uri": event.uri, **event.facts},
    )


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


def run_observer(step: Step) -> Observer:
    """Return an observer that writes to the run's log, as a line of this step, and emits Prefect events."""

    def write(level: int, message: str, facts: Mapping[str, Fact]) -> None:
        log(step, message, level=level, **facts)

    return Observer(write, emit)
