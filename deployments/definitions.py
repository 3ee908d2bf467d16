"""The deployments, said once: ``serve.py`` and ``deploy.py`` apply them, ``prefect.yaml`` says the same in YAML.

Take a copy and make it yours, the manifests of ``nightly-catalogue`` above all.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import Any, Literal, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.schedules import Cron

from prefect_seedance import (
    BatchOptions,
    CollectOptions,
    RunOptions,
    SeedanceCredentials,
    collect_videos,
    generate_video,
    generate_videos,
    generate_videos_in_parts,
    pause_spending,
    plan_videos,
    resolve_submission,
    resume_spending,
    submit_videos,
)
from prefect_seedance.blocks import saved_blocks
from prefect_seedance.blocks.form_prices import saying_prices

Switch = Literal["keep", "on", "off"]

#: The flow is found by its module, which is installed wherever it runs: no code is pulled, no path is recorded.
BY_MODULE = EntrypointType.MODULE_PATH

NIGHTLY = "nightly-catalogue"
COLLECT, EVERY_FIVE_MINUTES = "collect-videos", "*/5 * * * *"
TIMEZONE = "Europe/Berlin"

#: When, and what: one entry per schedule, each with the manifest that it reads anew each time: an object of a bucket, a
#: link, or a path on the machine where the run is.
CATALOGUE = {
    "catalogue": ("0 2 * * *", "s3://bucket/catalogue.csv"),
    "campaigns": ("30 2 * * 1-5", "s3://bucket/campaigns.csv"),
}

#: What ``nightly-catalogue`` was before there were batches: one request per schedule, bought anew each night.
FORMER_NIGHTLY = f"generate-video/{NIGHTLY}"


def deployments(credentials: str, store: str, schedules: Switch, notify: Sequence[str] = ()) -> list[RunnerDeployment]:
    """Define every deployment, with saved blocks as the values of its form.

    Args:
        credentials: Name of the saved credentials.
        store: Name of the saved store.
        schedules: Whether schedules run. Some buy videos, so "keep" starts nothing and stops nothing: new ones rest,
            and those that are there go on as they are.
        notify: Saved notification blocks, by type and name, that are told how each video and each batch has ended.

    Raises:
        SystemExit: A block is missing or cannot be used; it says which, and why.
    """
    asyncio.run(saved_blocks.require([f"seedance-credentials/{credentials}", f"seedance-video-store/{store}"], notify))
    told: dict[str, Any] = {"notify": [*notify]} if notify else {}
    blocks = {
        "credentials": saved("seedance-credentials", credentials),
        "store": saved("seedance-video-store", store),
    }
    with saying_prices(SeedanceCredentials.load(credentials, _sync=True)):
        made = _made(blocks, told, schedules)
    for deployment in made:
        keep_what_is_there(deployment, schedules)
    tell_of_the_former()
    return made


def _made(blocks: dict[str, Any], told: dict[str, Any], schedules: Switch) -> list[RunnerDeployment]:
    """Define the deployments, with their forms."""
    defined = [
        generate_video.to_deployment(
            "generate-video",
            entrypoint_type=BY_MODULE,
            parameters={**blocks, **told, "options": as_json(RunOptions(reuse="auto"))},
            # The fifth run waits for its turn.
            concurrency_limit=ConcurrencyLimitConfig(limit=4, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
            tags=["seedance"],
        ),
        generate_videos.to_deployment(
            NIGHTLY,
            entrypoint_type=BY_MODULE,
            # No manifest here, only in each schedule: Prefect's server drops the parameters of a schedule that is
            # switched by itself, and such a run should fail at once, not buy something else.
            schedules=[
                Cron(cron, timezone=TIMEZONE, slug=slug, parameters={"manifest": manifest})
                for slug, (cron, manifest) in CATALOGUE.items()
            ],
            paused=schedules == "off",
            # A row is bought once, until it is edited or its take changes: a schedule that fires twice pays once.
            parameters={**blocks, **told, "options": as_json(BatchOptions())},
            # A run that is not done when the next one comes is not joined by it, but followed.
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
            tags=["seedance", "nightly"],
        ),
        # One batch on demand, and what the parts of a larger one are runs of: a limit here would have parts wait for
        # each other. How many run at once is for the work pool to say.
        generate_videos.to_deployment(
            "generate-videos",
            entrypoint_type=BY_MODULE,
            parameters={**blocks, **told, "options": as_json(BatchOptions())},
            tags=["seedance"],
        ),
        # Submits and ends: collect-videos stores what it has submitted.
        submit_videos.to_deployment(
            "submit-videos",
            entrypoint_type=BY_MODULE,
            parameters={**blocks, **told, "options": as_json(BatchOptions())},
            tags=["seedance"],
        ),
        generate_videos_in_parts.to_deployment(
            "generate-videos-in-parts",
            entrypoint_type=BY_MODULE,
            parameters={**blocks, **told, "options": as_json(BatchOptions())},
            tags=["seedance"],
        ),
        collect_videos.to_deployment(
            COLLECT,
            entrypoint_type=BY_MODULE,
            schedules=[Cron(EVERY_FIVE_MINUTES, timezone=TIMEZONE, slug=COLLECT)],
            paused=schedules == "off",
            parameters={**blocks, **told, "options": as_json(CollectOptions())},
            # One at a time; the next one takes up what one that is turned away would have.
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
            tags=["seedance"],
        ),
        # Free, so as many at once as people like.
        plan_videos.to_deployment(
            "plan-videos",
            entrypoint_type=BY_MODULE,
            parameters={**blocks, "options": as_json(BatchOptions())},
            tags=["seedance"],
        ),
        resolve_submission.to_deployment(
            "resolve-submission",
            entrypoint_type=BY_MODULE,
            parameters=blocks,
            # Two people who settle the same submission: the second is turned away.
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
            tags=["seedance"],
        ),
        # Without a limit: whoever stops the spending is never turned away.
        pause_spending.to_deployment(
            "pause-spending",
            entrypoint_type=BY_MODULE,
            parameters={"store": blocks["store"], "reason": ""},
            tags=["seedance"],
        ),
        resume_spending.to_deployment(
            "resume-spending",
            entrypoint_type=BY_MODULE,
            parameters={"store": blocks["store"]},
            tags=["seedance"],
        ),
    ]
    return cast("list[RunnerDeployment]", defined)  # the type says that it might be awaited


def keep_what_is_there(deployment: RunnerDeployment, schedules: Switch) -> None:
    """Bring what people have changed on the server into a definition: applying would undo it, in silence.

    Prefect makes all schedules of a deployment anew if one of them has no slug, as those from the UI. A schedule that
    is not defined here stays, with its parameters; one that was switched off by itself stays off.

    Args:
        deployment: The definition, changed in place.
        schedules: Whether its schedules run. With "keep" a new deployment rests: applied without a word on it, Prefect
            would start it.
    """
    existing = existing_deployment(f"{deployment.flow_name}/{deployment.name}")
    if schedules == "keep":
        deployment.paused = existing.paused if existing else bool(deployment.schedules)
    if existing is None:
        return
    defined = {each.slug: each for each in deployment.schedules or []}
    added: list[DeploymentScheduleCreate] = []
    for each in existing.schedules:
        if each.slug and each.slug in defined:
            defined[each.slug].active = each.active
            continue
        added.append(
            DeploymentScheduleCreate(
                schedule=each.schedule,
                active=each.active,
                max_scheduled_runs=each.max_scheduled_runs,
                parameters=each.parameters,
                slug=each.slug,
            )
        )
        print(f"{existing.name} keeps a schedule that is not defined here: {each.slug or each.schedule}")
    deployment.schedules = [*defined.values(), *added]


def tell_of_the_former() -> None:
    """Say so if the former ``nightly-catalogue`` is still there: applying the new one does not end what it buys."""
    former = existing_deployment(FORMER_NIGHTLY)
    if former is not None:
        rests = "rests" if former.paused else "goes on and buys a video each night"
        print(
            f"{FORMER_NIGHTLY}, which was applied by an earlier version, {rests}. The catalogue is a batch now. Delete "
            f"it: prefect deployment delete {FORMER_NIGHTLY}"
        )


def existing_deployment(name: str) -> DeploymentResponse | None:
    """Return a deployment as the server has it, None if it has none of that name."""
    with get_client(sync_client=True) as client:
        try:
            return client.read_deployment_by_name(name)
        except ObjectNotFound:
            return None


def saved(kind: str, name: str) -> dict[str, Any]:
    """Refer to a saved block by its id, as the form's selector does: it then shows the block's name.

    Prefect makes the same of a loaded block, but only from 3.8.1 on: before, its secrets arrive as asterisks.
    """
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(name, kind, include_secrets=False)
    return {"$ref": {"block_document_id": str(document.id)}}


def as_json(parameter: RunOptions | CollectOptions) -> dict[str, Any]:
    """Write a parameter as the form would."""
    return parameter.model_dump(mode="json")


def arguments(description: str) -> argparse.ArgumentParser:
    """Make the command line that both scripts share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--credentials", metavar="NAME", default="default", help="saved credentials (default)")
    parser.add_argument("--store", metavar="NAME", default="default", help="saved store (default)")
    parser.add_argument(
        "--notify",
        metavar="TYPE/NAME",
        action="append",
        default=[],
        help="saved notification block that is told how each video and each batch has ended; may be repeated",
    )
    return parser
