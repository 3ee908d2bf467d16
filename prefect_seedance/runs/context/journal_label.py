"""A run stays with the journal that it began with, wherever its retries run.

Another container may find an empty folder where the journal was, and a person may have changed the store's location:
everything would be paid for again. So labels in Prefect, written before anything is submitted, keep for each video the
journal that it is recorded in. They are on the run itself and on all that it is a part of, since a retried parent gives
its subflows new ids. They are named after the video, not after the store: a changed place must not hide them.
A batch has one label for all of its videos, named after what it makes and the name that its store is saved under.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.journal.errors import BatchChanged, OrderChanged
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.context.current_run import ROOT, SCHEDULED, CurrentRun
from prefect_seedance.runs.context.last_journal import compare_with_last
from prefect_seedance.runs.context.scope import SCOPE
from prefect_seedance.runs.context.source_identities import label_of_sources

if TYPE_CHECKING:
    from prefect_seedance.journal.identity import Identity

_PREFIX = "seedance.journal."
#: Of the label with the settings that a batch began with.
_BATCH_PREFIX = "seedance.settings."


async def hold_to_its_journal(
    store: VideoStore,
    current: CurrentRun,
    identity: Identity,
    *,
    only_video: bool = False,
    sources: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Refuse another journal than the one that this run began with. Outside of a flow any journal will do.

    Args:
        store: Where the journal is.
        current: The run.
        identity: Of the video that is to be made.
        only_video: The run makes this video and no other, so that its retries stay with the scope as well.
        sources: What its files and objects are in the identity: its retries stay with that, too.

    Returns:
        The journal's id.

    Raises:
        JournalGone: The journal is gone, or it is another one; nothing is submitted.
        JournalUnavailable: The store does not answer.
        OrderChanged: It is a retry of a run that makes one video, and the first try began another; nothing is
            submitted.
        RunNotLabelled: Prefect does not keep what a retry must find again; nothing is submitted.
    """
    if only_video and current.is_retry:
        _hold_to_its_video(current.labels, identity.intent)
    of_this_run = {SCOPE: identity.scope, **label_of_sources(sources)} if only_video else {}
    return await _hold(store, current, _of_video(identity.intent), of_this_run)


async def hold_batch_to_its_journal(
    store: VideoStore, current: CurrentRun, scope: str, *, batch: str = "", account: str = "default"
) -> str:
    """Refuse another journal than the one that this batch began with, for all of its videos at once.

    Refuse as well what would make each of them another video: another account label, other ignored parameters.

    Args:
        store: Where the journal is.
        current: The run.
        scope: What its videos are shared within: a retry of this run stays with it (`scope_of_batch`).
        batch: What tells it from the other batches of one parent run, for example where its manifest is.
        account: Label of the account that pays.

    Returns:
        The journal's id.

    Raises:
        BatchChanged: It is a retry, and the account label or the ignored parameters were edited; nothing is submitted.
        JournalGone: The journal is gone, or it is another one; nothing is submitted.
        JournalUnavailable: The store does not answer.
        RunNotLabelled: Prefect does not keep what a retry must find again; nothing is submitted.
    """
    subject = _of_batch(store, batch)
    settings = {
        "the account label": account,
        "ignored_link_parameters": ", ".join(sorted(store.ignored_link_parameters)),
    }
    name = f"{_BATCH_PREFIX}{subject.removeprefix(_PREFIX).rstrip('.')}"
    if current.is_retry:
        _hold_to_its_settings(current, name, settings)
    return await _hold(store, current, subject, {SCOPE: scope}, {name: json.dumps(settings)})


async def _hold(
    store: VideoStore,
    current: CurrentRun,
    subject: str,
    of_this_run: Mapping[str, str],
    more: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Refuse another journal than the one that labels name, and write them.

    Args:
        store: Where the journal is.
        current: The run.
        subject: What the names of its labels begin with.
        of_this_run: More labels, for this run alone and not for those that it is a part of.
        more: More labels, for all of them.
    """
    # A retry looks anew, also in a process that knows the journal: it may have been deleted since.
    retry = current.is_retry
    expected = _expected(store.place, current, subject, retry=retry)
    found = await threads.run(threads.RECORDS, store.journal_id, expected=expected, anew=retry)
    kept = {
        ROOT: current.root_id,
        SCHEDULED: str(current.made_by_schedule),
        f"{subject}{found[:12]}": f"{found} at {store.place}",
        **more,
    }
    for index, run in enumerate(current.lineage):
        await run.write({**kept, **of_this_run} if index == 0 else kept)
    await compare_with_last(store.place, found)
    return found


def journal_label(intent: str, journal_id: str) -> str:
    """Name the label which says that a video is recorded in a journal.

    A flow may ask for one video in two stores, which is two labels. Beginnings tell them apart.

    Example:
        >>> journal_label("2e5b2ced3957ef68973738a4277cb3f2", "f00d5aa2f1774c39a1f0de6e2c8d2b75")
        'seedance.journal.2e5b2ced3957.f00d5aa2f177'
    """
    return f"{_of_video(intent)}{journal_id[:12]}"


def _hold_to_its_video(labels: Mapping[str, str], intent: str) -> None:
    """Refuse another video than the one that the labels of this run name, if they name any."""
    begun = [name.removeprefix(_PREFIX).partition(".")[0] for name in labels if name.startswith(_PREFIX)]
    if begun and not any(intent.startswith(each) for each in begun):
        raise OrderChanged(intent, begun[0])


def _hold_to_its_settings(current: CurrentRun, name: str, settings: Mapping[str, str]) -> None:
    """Refuse other settings than those that the first try of a batch has left in a label, if it left any."""
    for run in current.lineage:
        try:
            began_with = TypeAdapter(dict[str, str]).validate_json(run.known.get(name, "{}"))
        except ValidationError:  # somebody else wrote it
            continue
        for setting, now in settings.items():
            if began_with.get(setting, now) != now:
                raise BatchChanged(setting, began_with[setting], now)


def _of_video(intent: str) -> str:
    return f"{_PREFIX}{intent[:12]}."


def _of_batch(store: VideoStore, batch: str) -> str:
    # Not by the store's place, which a person may change. A parent run may make one manifest into two saved stores.
    subject = f"{store.saved_name}\n{batch}"
    return f"{_PREFIX}batch-{hashlib.sha256(subject.encode()).hexdigest()[:12]}."


def _expected(place: str, current: CurrentRun, subject: str, *, retry: bool) -> dict[str, str]:
    """Return the journals, by id with their places, of which it must be one; none if any will do."""
    if retry:
        of_subject = [journals for run in current.lineage for journals in _journals(run.known, subject)]
        if of_subject:
            return dict(of_subject)
    # Each deployment may be on a machine of its own, with another folder of the same name.
    in_reach = [journals for run in current.one_deployment for journals in _journals(run.known, _PREFIX)]
    return {journal_id: its_place for journal_id, its_place in in_reach if its_place == place}


def _journals(labels: Mapping[str, str], prefix: str) -> list[tuple[str, str]]:
    """Return id and place of the journals that labels name."""
    values = [value.partition(" at ") for name, value in labels.items() if name.startswith(prefix)]
    return [(journal_id, place) for journal_id, _, place in values]
