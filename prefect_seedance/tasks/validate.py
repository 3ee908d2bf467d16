"""First step: everything that can be refused for free."""

from __future__ import annotations

import logging

from prefect import task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.problems import Problem
from prefect_seedance.client.request.references import require_valid
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.link_notices import tell_of_links
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.money.accounts import account_of
from prefect_seedance.runs.notifications.notifiers import doubts, load_notifiers
from prefect_seedance.runs.run_names import step_name


@task(name="validate-request", task_run_name=step_name("validate-request"), persist_result=False)
async def validate_request(
    request: VideoRequest, credentials: SeedanceCredentials, store: VideoStore, notify: list[str]
) -> None:
    """Check the request, the store and the notification blocks; log what is doubtful.

    Args:
        request: The video to check.
        credentials: Who would pay. Only the budget store is checked here: the rest was when the block was made.
        store: Where it would go; a probe is written.
        notify: Names of saved notification blocks, for example ``slack-webhook/team``.

    Raises:
        InvalidRequest: With every rule that is broken.
        ConfigurationError: The budget store of the credentials cannot be used.
        StorageError: The store cannot be written.
    """
    problems, refused = _checked(request)
    try:
        problems += doubts(await load_notifiers(notify))
    except InvalidRequest as error:
        refused += error.problems
    if refused:
        raise InvalidRequest(refused)
    await account_of(credentials)  # a budget store that cannot be used is found here, not when something is to be paid
    for notice in await threads.run(threads.RECORDS, store.check):
        log("validate", notice, level=logging.WARNING)
    for problem in problems:
        log("validate", str(problem), level=logging.WARNING)
    tell_of_links("validate", request, store)
    log("validate", f"The request fits {request.model_name}; {store.location} can be written.")


def _checked(request: VideoRequest) -> tuple[list[Problem], list[Problem | str]]:
    """Return what is doubtful about a request, and what is refused: a person is told everything at once."""
    try:
        return require_valid(request), []
    except InvalidRequest as error:
        return [], [*error.problems]
