"""What the tests of plans share: manifests without files, times without history, and a plan of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from prefect_seedance.batch.models import BatchPlan
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.plan import make_plan
from prefect_seedance.batch.rows import Manifest, Row
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.media.context import Follower
from prefect_seedance.pipeline.parties import Account, Destination


def asked(prompt: str = "A paper boat", **fields: Any) -> VideoRequest:
    return VideoRequest.model_validate({"prompt": prompt, "model": "seedance2.0-mini", "duration": 4, **fields})


def manifest_with(*rows: Row | VideoRequest) -> Manifest:
    """Rows of a table whose header is row 1."""
    numbered = [
        each if isinstance(each, Row) else Row(number, f"name {number}", each) for number, each in enumerate(rows, 2)
    ]
    return Manifest(tuple(numbered), "shots.csv", hashlib.sha256(b"").hexdigest(), b"", ".csv", ("a notice",))


class Times:
    """A history that knows what the function says."""

    def __init__(self, known: Callable[[str, str, int], float | None] = lambda model, resolution, duration: None):
        self.expected_seconds = known


def plan_of(
    manifest: Manifest, account: Account, destination: Destination, *, times: Times | None = None, **more: Any
) -> BatchPlan:
    given: dict[str, Any] = {"options": BatchOptions(), "scope": ALWAYS, "follower": Follower(), **more}
    return make_plan(manifest, account, destination, history=times or Times(), **given)


def standings(plan: BatchPlan) -> list[str]:
    return [row.standing for row in plan.rows]
