"""What the files and objects of a request are in its identity: read once, before the order is placed.

A run that makes one video keeps that in its labels, and its retries stay with it: whoever has edited or deleted a file
meanwhile still gets the video that is paid for, and pays for no other.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from prefect_seedance.client.request.sources import names_content
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.events import run_observer
from prefect_seedance.runs.logs import log

if TYPE_CHECKING:
    from prefect_seedance.blocks.credentials import SeedanceCredentials
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.client.request.video_request import VideoRequest


#: Label of a run that makes one video: the identities that its first try found.
_SOURCES = "seedance.sources"


async def source_identities(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    *,
    preflight: bool,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> Mapping[str, str]:
    """Return the identities of the files and objects of a request, by their texts; nothing is read for links.

    Args:
        request: The video.
        credentials: Whose memos are looked into.
        store: Its credentials read ``s3://`` references.
        preflight: Whether, where one of them cannot be read, the others are looked at too: one error then says it all.
        labels: Of a run that was tried before and makes no other video: what it began with counts.

    Raises:
        InvalidRequest: With every one that cannot be read. Nothing was paid.
    """
    texts = {text for _, text in request.references() if names_content(text)}
    if not texts:
        return {}
    if began_with := _labelled(texts, labels):
        log("prepare", "This run was tried before: its files and objects count as what they were then.")
        return began_with
    from prefect_seedance.pipeline.steps import follower_of, identify

    cancelled = threading.Event()
    follower = follower_of(run_observer("prepare"), cancelled)
    try:
        return await threads.run(
            threads.IDENTIFICATIONS,
            lambda: identify(request, credentials.vendor_account(), store.destination(), follower, preflight=preflight),
        )
    except ENDED:
        cancelled.set()
        raise


def label_of_sources(identities: Mapping[str, str]) -> Mapping[str, str]:
    """Return the label that keeps identities, none for none. A text may hold a secret, so its hash stands for it."""
    if not identities:
        return {}
    return {_SOURCES: json.dumps({_told(text): identity for text, identity in sorted(identities.items())})}


def _labelled(texts: set[str], labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a label says of all these texts; nothing if it leaves out one."""
    try:
        kept = TypeAdapter(dict[str, str]).validate_json(labels.get(_SOURCES, "{}"))
    except ValidationError:  # somebody else wrote it
        return {}
    found = {text: kept[_told(text)] for text in texts if _told(text) in kept}
    return found if len(found) == len(texts) else {}


def _told(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
