"""What the tests ask of the simulated vendor and of the journal: who was billed, and what is written down."""

from __future__ import annotations

from prefect_seedance import VideoRequest, VideoStore
from prefect_seedance.journal.record import Entry
from prefect_seedance.simulator import Simulator


def small(prompt: str, **fields: object) -> VideoRequest:
    """The cheapest request; each test has a prompt of its own, since all share one vendor and one store."""
    asked = {"prompt": prompt, "model": "seedance2.0-mini", "resolution": "480p", "duration": 4, **fields}
    return VideoRequest.model_validate(asked)


def tasks(vendor: Simulator, prompt: str) -> list[str]:
    """Every task that the vendor made, and billed, for prompts that begin so."""
    return [
        task_id for bill in vendor.bills() if str(bill.body["prompt"]).startswith(prompt) for task_id in bill.task_ids
    ]


def record(store: VideoStore, prompt: str) -> Entry:
    """The one record of a prompt."""
    (found,) = (entry for entry in store.journal().records() if entry.record.request["prompt"] == prompt)
    return found
