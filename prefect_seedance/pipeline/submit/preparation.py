"""References of an order: identified by their content, and made ready before anything is paid. Blocking, and free."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from prefect_seedance.client.errors import InvalidRequest, SeedanceError
from prefect_seedance.client.request.problems import Problem
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.errors import JournalError
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.media.assets import ACTIVE_SECONDS
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.identification import identify_sources
from prefect_seedance.media.memos.failed_use import FailedUse
from prefect_seedance.media.preparation import PreparedRequest, SharedMaterials, prepare, refusals_of
from prefect_seedance.pipeline.observer import Observer
from prefect_seedance.pipeline.order import Order
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.run_state import RunState
from prefect_seedance.storage.errors import StorageError

if TYPE_CHECKING:
    from prefect_seedance.journal.record import Record

#: What needs no references: the video is there, on its way, or for a person to settle first.
_PAST_PREPARATION = (*HAVE_TASK, State.UNKNOWN, State.SENDING, State.LOST)


def media_context(account: Account, destination: Destination) -> MediaContext:
    """Return what references are prepared with."""
    return MediaContext(account, destination.store, destination.media_for(account))


def follower_of(observer: Observer, cancelled: threading.Event, *, was_warned: bool = False) -> Follower:
    """Return a follower of a preparation that writes to an observer's log.

    Args:
        observer: Follows the video.
        cancelled: Set when the run is cancelled.
        was_warned: Whether this run has been told already of what is doubtful: once is enough.
    """

    def write(level: int, message: str) -> None:
        observer.log(message, level=logging.DEBUG if was_warned and level == logging.WARNING else level)

    return Follower(write, cancelled)


def identify(
    request: VideoRequest,
    account: Account,
    destination: Destination,
    follower: Follower,
    *,
    preflight: bool = True,
    materials: SharedMaterials | None = None,
) -> Mapping[str, str]:
    """Return what the files and objects of a request are in its identity, by their texts.

    Args:
        request: As the user asked it.
        account: Whose uploads and assets its references would become.
        destination: Its store's credentials read objects.
        follower: Follows it, and may end it.
        preflight: Whether, where one of them cannot be read, the other references are looked at and measured as well,
            so that one error says all that is wrong.
        materials: Shared with other requests, so that what several name is read once.

    Raises:
        InvalidRequest: With every reference that cannot be used.
        PreparationCancelled: The run is cancelled.
    """
    context = media_context(account, destination)
    try:
        return identify_sources(request, context, follower, find=materials.find if materials else None)
    except InvalidRequest as error:
        raise InvalidRequest(
            [*error.problems, *_others(error, request, context, follower, preflight, materials)]
        ) from error


def _others(
    error: InvalidRequest,
    request: VideoRequest,
    context: MediaContext,
    follower: Follower,
    preflight: bool,
    materials: SharedMaterials | None,
) -> list[Problem]:
    """Return what else is wrong; nothing where that cannot be found out now, since the first cause is known."""
    told = {problem.field for problem in error.problems if isinstance(problem, Problem)}
    try:
        refusals = refusals_of(request, context, follower, preflight=preflight, materials=materials)
    except (SeedanceError, StorageError, JournalError):
        return []
    return [problem for problem in refusals if problem.field not in told]


def prepare_ahead(
    order: Order,
    account: Account,
    destination: Destination,
    follower: Follower,
    *,
    preflight: bool,
    wait_seconds: float,
    max_submissions: int = 1,
    state: RunState | None = None,
) -> PreparedRequest | None:
    """Prepare the references of an order, unless its video is there or has a task: then nothing is looked at.

    Args:
        order: What is asked for.
        account: Whose uploads and assets they become.
        destination: Where the journal is.
        follower: Follows it, and may end it.
        preflight: See `prepare`.
        wait_seconds: See `prepare`.
        max_submissions: How often the video may be paid for, over all runs.
        state: Shared with the submission of the run, which need not tell again what is doubtful.

    Returns:
        What would be sent; None where nothing will be.

    Raises:
        InvalidRequest, PreparationCancelled, SeedanceError, StorageError, JournalError: See `prepare`.
    """
    entry = destination.journal.read(order.intent)
    if entry is not None and entry.state in _PAST_PREPARATION:
        return None
    if entry is not None and entry.state is State.FAILED and entry.record.submissions >= max_submissions:
        return None  # the submission is refused, and says why
    ledgers = destination.ledgers_of(account)
    if state is not None and state.no_room(order.asked, account, ledgers, order.intent, follower.cancelled.is_set):
        return None  # likewise
    prepared = prepare_now(
        order,
        account,
        destination,
        follower,
        preflight=preflight,
        wait_seconds=wait_seconds,
        record=entry.record if entry else None,
    )
    if state is not None:
        state.told.add(order.intent)
    return prepared


def prepare_now(
    order: Order,
    account: Account,
    destination: Destination,
    follower: Follower,
    *,
    preflight: bool,
    wait_seconds: float,
    record: Record | None = None,
    believed_seconds: float = ACTIVE_SECONDS,
) -> PreparedRequest:
    """Prepare the references of an order; see `prepare`."""
    return prepare(
        order.asked,
        order.sources,
        media_context(account, destination),
        follower,
        preflight=preflight,
        wait_seconds=wait_seconds,
        failed=_failed_use(record, destination.journal.now()),
        believed_seconds=believed_seconds,
    )


def _failed_use(record: Record | None, now: datetime) -> FailedUse | None:
    """Return the last submission whose references the vendor could not use; what was made before was a part of it."""
    failed = [each for each in record.attempts if each.failure == "media"] if record else []
    if not failed:
        return None
    last = max(failed, key=lambda each: each.started_at)
    return FailedUse(last.name, (now - last.started_at).total_seconds())
