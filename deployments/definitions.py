"""The deployments, said once: ``serve.py`` and ``deploy.py`` apply them, ``prefect.yaml`` says the same in YAML.

Take a copy and make it yours, the requests of ``nightly-catalogue`` above all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Literal

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.schedules import Cron

from prefect_seedance import (
    RunOptions,
    SeedanceCredentials,
    VideoRequest,
    VideoStore,
    generate_video,
    resolve_submission,
)

Switch = Literal["keep", "on", "off"]

#: The flow is found by its module, which is installed wherever it runs: no code is pulled, no path is recorded.
BY_MODULE = EntrypointType.MODULE_PATH

NIGHTLY = "nightly-catalogue"
TIMEZONE = "Europe/Berlin"

#: When, and what: one entry per schedule, each with a request of its own.
CATALOGUE = {
    "landscape": (
        "0 2 * * *",
        VideoRequest(prompt="A ceramic mug on a slow turntable, studio light", duration=5, ratio="16:9"),
    ),
    "portrait": (
        "30 2 * * 1-5",
        VideoRequest(prompt="A ceramic mug on a slow turntable, studio light", duration=10, ratio="9:16"),
    ),
}


def deployments(credentials: str, store: str, schedules: Switch, notify: Sequence[str] = ()) -> list[RunnerDeployment]:
    """Define every deployment, with saved blocks as the values of its form.

    Args:
        credentials: Name of the saved credentials.
        store: Name of the saved store.
        schedules: Whether schedules run. They buy videos, so "keep" starts nothing and stops nothing: new ones rest,
            and those that are there go on as they are.
        notify: Saved notification blocks, by type and name, that are told how each video has ended.

    Raises:
        ValueError: There is no such block.
    """
    for each in notify:
        Block.load(each)
    told: dict[str, Any] = {"notify": [*notify]} if notify else {}
    blocks = {"credentials": saved(SeedanceCredentials, credentials), "store": saved(VideoStore, store)}
    return [
        generate_video.to_deployment(
            "generate-video",
            entrypoint_type=BY_MODULE,
            parameters={**blocks, **told, "options": as_json(RunOptions(reuse="auto"))},
            # The fifth run waits for its turn.
            concurrency_limit=ConcurrencyLimitConfig(limit=4, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
            tags=["seedance"],
        ),
        generate_video.to_deployment(
            NIGHTLY,
            entrypoint_type=BY_MODULE,
            # No request here, only in each schedule: Prefect's server drops the parameters of a schedule that is
            # switched by itself, and such a run should fail at once, not buy something else.
            schedules=[
                Cron(cron, timezone=TIMEZONE, slug=slug, parameters={"request": as_json(request)})
                for slug, (cron, request) in CATALOGUE.items()
            ],
            paused=at_rest(schedules),
            # A new video each night, also if a run is started by hand; a retried run pays nothing.
            parameters={**blocks, **told, "options": as_json(RunOptions(reuse="run"))},
            # A run that is not done when the next one comes is not joined by it, but followed.
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
            tags=["seedance", "nightly"],
        ),
        resolve_submission.to_deployment(
            "resolve-submission",
            entrypoint_type=BY_MODULE,
            parameters=blocks,
            # Two people who settle the same submission: the second is turned away.
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
            tags=["seedance"],
        ),
    ]


def at_rest(schedules: Switch) -> bool:
    """Tell whether the catalogue is to be paused. Applied without a word on it, Prefect would start it."""
    if schedules != "keep":
        return schedules == "off"
    with get_client(sync_client=True) as client:
        try:
            return client.read_deployment_by_name(f"{generate_video.name}/{NIGHTLY}").paused
        except ObjectNotFound:
            return True


def saved(kind: type[Block], name: str) -> dict[str, Any]:
    """Refer to a saved block by its id, as the form's selector does: it then shows the block's name.

    Prefect makes the same of a loaded block, but only from 3.8.1 on: before, its secrets arrive as asterisks.

    Raises:
        ValueError: There is no such block, or it cannot be loaded.
    """
    kind.load(name)
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(name, kind.get_block_type_slug(), include_secrets=False)
    return {"$ref": {"block_document_id": str(document.id)}}


def as_json(parameter: VideoRequest | RunOptions) -> dict[str, Any]:
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
        help="saved notification block that is told how each video has ended; may be repeated",
    )
    return parser
