"""Events that automations and other pipelines can react to: ``seedance.video.submitted``, ``...stored`` and others."""

from __future__ import annotations

import logging
from typing import Literal

from prefect.events import emit_event

from prefect_seedance.client.redaction import without_signatures
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.journal.callbacks import Notice
from prefect_seedance.journal.commands import how_to_resolve
from prefect_seedance.tasks.logs import log

Kind = Literal["submitted", "attached", "completed", "stored", "failed", "unknown", "refused"]


def emit(
    kind: Kind, intent: str, *, task_id: str = "", uri: str = "", **payload: str | int | float | bool | None
) -> None:
    """Emit an event about a video. One that cannot be emitted is logged and changes nothing.

    Args:
        kind: What happened.
        intent: Identity of the video, the event's resource.
        task_id: The vendor's task id, a related resource.
        uri: Where the video is, a related resource.
        payload: Further facts. Addresses in them are stripped of what may be a signature.
    """
    facts = {name: without_signatures(fact) if isinstance(fact, str) else fact for name, fact in payload.items()}
    related: list[dict[str, str]] = []
    if task_id:
        related.append({"prefect.resource.id": f"seedance.task.{task_id}", "prefect.resource.role": "task"})
    if uri:
        related.append({"prefect.resource.id": uri, "prefect.resource.role": "video"})
    resource = {"prefect.resource.id": f"seedance.video.{intent}", "prefect.resource.name": task_id or intent}
    try:
        emit_event(
            event=f"seedance.video.{kind}",
            resource=resource,
            related=related,
            payload={"intent": intent, "task_id": task_id, "uri": uri, **facts},
        )
    except Exception as error:
        log("notify", f"The event seedance.video.{kind} was not emitted: {error}", level=logging.WARNING)


def emit_notice(notice: Notice, request: VideoRequest, store: str) -> None:
    """Emit what the journal tells.

    Args:
        notice: What happened.
        request: What was asked for.
        store: What ``--store`` takes for it, for the commands that settle an unclear submission.
    """
    if notice.kind == "decided":
        return
    facts: dict[str, str] = {"decision": str(notice.decision), "reason": notice.reason, "model": request.model_name}
    if notice.kind == "unknown":
        facts["resolve"] = how_to_resolve(notice.intent, store)
    emit(notice.kind, notice.intent, task_id=notice.task_id, attempt=notice.attempt, **facts)
