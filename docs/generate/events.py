"""The events that automations and other pipelines can react to.

What is emitted stands in the code; what it means stands here. A test holds that both name the same events and fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from docs.generate.docstrings import generated, table
from prefect_seedance.pipeline.collect.models import OrphanKind
from prefect_seedance.pipeline.observer import EventKind
from prefect_seedance.runs.events import TOLD_BY
from prefect_seedance.runs.money.reached import EVENT as BUDGET_REACHED


@dataclass(frozen=True)
class Event:
    """An event.

    Attributes:
        when: When it is emitted.
        resource: Id of its resource.
        related: Ids of related resources, with their roles.
        labels: Further labels of the resource, with what they say.
        payload: Each field, with what it is.
    """

    when: str
    resource: str
    related: dict[str, str]
    labels: dict[str, str]
    payload: dict[str, str]


_NAME = "prefect.resource.name"
_TOLD = {TOLD_BY: "`run` if the run itself tells people of it, else `automation`"}
_SENT = {
    "attempt": "number of the attempt",
    "decision": "what the journal decided: submit, attach or stop",
    "reason": "why, in words",
    "model": "the model",
}
_OF_VIDEO = {
    "intent": "identity of the video, 32 hex digits",
    "task_id": "the vendor's task id; empty if there is none",
    "uri": "where the video is; empty if it is nowhere yet",
}
_RESOLVE = "the commands and calls that settle it"


def _of_video(when: str, facts: dict[str, str]) -> Event:
    related = {"seedance.task.TASK_ID": "task", "URI of the video": "video"}
    labels = {_NAME: "the task id; without one the intent", **_TOLD}
    return Event(when, "seedance.video.INTENT", related, labels, {**_OF_VIDEO, **facts})


_VIDEO: dict[str, Event] = {
    "submitted": _of_video("The vendor accepted a video: it is paid for.", _SENT),
    "attached": _of_video("A run took up a video that was submitted before: nothing is paid.", _SENT),
    "completed": _of_video(
        "The vendor made a video. It is not in the store yet.",
        {
            "model": "the model, as the vendor names it",
            "polls": "how often the vendor was asked",
            "made_seconds": "how long the vendor took; null if not known",
            "late_seconds": "seconds from when it was ready until that was noticed; null if not known",
        },
    ),
    "stored": _of_video(
        "A video is whole in the store.", {"bytes": "its size", "cost": "what it cost, in coins; null if not known"}
    ),
    "failed": _of_video(
        "The vendor ended a task without a video.",
        {
            "failure": "its class: moderation, media, invalid, transient, expired or unknown",
            "message": "the vendor's words, at most 500 letters",
        },
    ),
    "unknown": _of_video(
        "Nobody knows whether the vendor accepted a video: perhaps it is paid for. A person settles it.",
        {**_SENT, "resolve": _RESOLVE},
    ),
    "refused": _of_video(
        "A video was not accepted, or not sent: nothing is paid. A collector emits it with its reason alone, of a "
        "record whose run never came back.",
        _SENT,
    ),
}

EVENTS: dict[str, Event] = {
    **{f"seedance.video.{kind}": _VIDEO[kind] for kind in get_args(EventKind)},
    BUDGET_REACHED: Event(
        "A budget has come to a share of its limit of which people are told, or a video did not fit into it.",
        "seedance.budget.ACCOUNT.BUDGET",
        {},
        {_NAME: "the budget and its account", **_TOLD},
        {
            "account": "label of the account",
            "budget": "`daily_budget`, `monthly_budget`, `daily_videos` or `max_cost`",
            "limit": "what it allows: coins, or videos",
            "spent": "what is spent of it",
            "held": "what is held by unknown submissions",
            "reserved": "what is reserved by submissions under way",
            "share": "spent, held and reserved as a share of the limit",
            "ends_at": "when its period ends, ISO 8601 in UTC; empty for the budget of a run",
        },
    ),
    "seedance.orphans.found": Event(
        "A collection found open records that a person should look at.",
        "seedance.store.STORE",
        {},
        {
            _NAME: "where the store is",
            "seedance.new-orphans": "`yes` if the collection before had not found all of them; ask for it, or an "
            "automation tells people of the same ones at every collection",
        },
        {
            "place": "where the store is",
            "count": "how many there are",
            "new": "how many of them the collection before had not found",
            "kinds": f"how many there are of each kind: {', '.join(get_args(OrphanKind))}",
            "orphans": "the worst 50, each with `intent`, `kind` and `task_id`",
        },
    ),
    "seedance.run.no-video": Event(
        "A run ended without a video, and could tell nobody: none of its notifications was taken.",
        "prefect.flow-run.RUN_ID",
        {},
        {_NAME: "name of the run", "prefect.state-message": "the headline, for automations that go by states"},
        {
            "headline": "what happened, on one line",
            "words": "what happened and what to do",
            "paid": "what was paid",
            "run_url": "page of the run; empty if there is none",
        },
    ),
    "seedance.journal.replaced": Event(
        "A run found another journal where one was before: it knows nothing of what was paid for in that one.",
        "seedance.journal.JOURNAL_ID",
        {"seedance.journal.LAST_JOURNAL_ID": "journal"},
        {_NAME: "where the journal is"},
        {
            "place": "where the journal is",
            "journal_id": "id of the journal that is there now",
            "last_journal_id": "id of the one that was there before",
        },
    ),
}

_INTRODUCTION = """Runs and collectors emit these to Prefect. `deployments/` of the repository has automations that
react to them. An event that cannot be emitted is a warning in the run's log, and changes nothing about the video. What
comes from outside is made plain first: no text in an event holds a key, a signature or a control character.

"""


def page() -> str:
    """Return the page."""
    listed = "".join(f"- [`{name}`](#{name.replace('.', '')}): {event.when}\n" for name, event in EVENTS.items())
    return generated("Events") + _INTRODUCTION + listed + "".join(map(_event, EVENTS))


def _event(name: str) -> str:
    event = EVENTS[name]
    rows = [("`prefect.resource.id`", f"`{event.resource}`")]
    rows += [(f"`{label}`", says) for label, says in event.labels.items()]
    rows += [(f"related, role `{role}`", f"`{related}`") for related, role in event.related.items()]
    payload = [(f"`{field}`", says) for field, says in event.payload.items()]
    return (
        f"\n## {name}\n\n{event.when}\n\n{table(('Resource', 'What it is'), rows)}"
        f"\n{table(('Payload', 'What it is'), payload)}"
    )
