"""The body of both flows of a batch in parts, which only a run imports."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from uuid import UUID

from prefect.context import FlowRunContext

from prefect_seedance.batch.errors import BatchIncomplete, PartsMissing
from prefect_seedance.batch.models import BatchReport
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.report.joined_report import join_reports
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.flows.bodies.batch_end import counts_as_failed, shown_and_told, written
from prefect_seedance.pipeline import threads
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.batch.api import wait_for_api
from prefect_seedance.runs.context.current_run import CurrentRun, current_run, run_url
from prefect_seedance.runs.context.journal_label import hold_batch_to_its_journal
from prefect_seedance.runs.context.prefect_client import RunClientContext
from prefect_seedance.runs.context.scope import scope_of_batch
from prefect_seedance.runs.events import run_tells
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.notifications.notifiers import doubts, load_notifiers
from prefect_seedance.runs.parts.following import PartsFollowing
from prefect_seedance.runs.parts.part_runs import PartRuns, persistently
from prefect_seedance.runs.parts.saved_references import saved_reference
from prefect_seedance.runs.parts.slots import neighbourhood, require_slots


async def generate_in_parts(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    parts: int,
    notify: list[str],
    options: BatchOptions,
    deployment: str,
    restarts: int,
) -> BatchReport:
    """Generate the videos of a manifest in parts: the body of both flows."""
    _require_parts_of_one_table(manifest, options)
    async with run_tells(), RunClientContext.get_or_create():
        started_at, current = datetime.now(UTC), await current_run()
        notices = [str(problem) for problem in doubts(await load_notifiers(notify))]
        blocks = {
            "credentials": await saved_reference(credentials, "credentials"),
            "store": await saved_reference(store, "store"),
        }
        place = await persistently(lambda client: neighbourhood(client, deployment, current), "find the deployment")
        await persistently(lambda client: require_slots(client, place, parts), "read its limits")
        notices += await threads.run(threads.RECORDS, store.check)
        for notice in notices:
            log("validate", notice, level=logging.WARNING)
        scope = scope_of_batch(options, current)
        await hold_batch_to_its_journal(
            store, current, scope, batch=without_signatures(manifest), account=credentials.account
        )
        destination = await threads.run(threads.RECORDS, store.destination)
        of_all = options.model_copy(update={"cost_key": options.cost_key or current.root_id})

        def parameters(part: str) -> dict[str, object]:
            asked = of_all.model_copy(update={"part": part}).model_dump(mode="json")
            # People are told once, by this run.
            return {**blocks, "manifest": manifest, "notify": [], "options": asked}

        runs = PartRuns(place.deployment.id, UUID(current.id), _key(current), parts, parameters, labels=_ours(current))
        following = PartsFollowing(runs, destination.store, place, restarts)
        await following.to_the_end()
        missing = {part.name: part.missing for part in following.parts if part.missing}
        report = join_reports(
            {part.name: part.reports for part in following.parts},
            BatchReport(
                source=without_signatures(manifest),
                run_id=current.id,
                run_name=current.run.name,
                run_url=run_url(),
                account=credentials.account,
                scope=scope,
                started_at=started_at,
                ended_at=datetime.now(UTC),
                notices=notices,
                rows=[],
            ),
            missing=missing,
            silent=[part.name for part in following.parts if part.silent],
        )
        report, _ = await written(report, store, manifest=None)
        await shown_and_told(report, store, notify)
        await wait_for_api()
    if missing:
        raise PartsMissing(report, missing)
    if counts_as_failed(report, options):
        raise BatchIncomplete(report)
    return report


def _require_parts_of_one_table(manifest: str, options: BatchOptions) -> None:
    problems: list[str] = []
    if not manifest.strip():
        problems.append("Manifest: it is empty, and only a manifest can be made in parts. Write where the table is.")
    if options.part:
        problems.append(f"Part: {options.part!r} is one part; this flow makes all of them. Leave it empty.")
    if problems:
        raise InvalidRequest(problems)


def _key(current: CurrentRun) -> str:
    """Return what tells the parts of this call from those of any other, over all of its tries.

    A parent that is retried gives its subflows new ids; the task run that stands for this one in it stays the same.
    """
    context = FlowRunContext.get()
    call = context.flow_run.parent_task_run_id if context and context.flow_run else None
    return f"seedance-{current.root_id}-{call or current.id}"


def _ours(current: CurrentRun) -> dict[str, str]:
    """Return the labels of this run that each part begins with: the root, and the journal that it must find."""
    return {name: value for name, value in current.labels.items() if name.startswith("seedance.")}
