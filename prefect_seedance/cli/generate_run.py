"""The work of ``generate``, in a process of its own: see `child_process`."""

from __future__ import annotations

import argparse

from prefect_seedance import RunOptions, SeedanceCredentials, VideoRequest
from prefect_seedance.cli.generation import make, work
from prefect_seedance.cli.store_option import chosen_store
from prefect_seedance.client.request.routes import DEFAULT_MODEL

_REQUEST_FIELDS = (
    "prompt",
    "duration",
    "resolution",
    "ratio",
    "images",
    "first_image",
    "last_image",
    "reference_videos",
    "reference_audios",
    "take",
    "other_model",
)


def run_generate(options: argparse.Namespace) -> int:
    """Generate one video at the vendor and return the exit code."""
    asked = {name: getattr(options, name) for name in _REQUEST_FIELDS}
    request = VideoRequest.model_validate({**asked, "model": options.model or DEFAULT_MODEL})
    run_options = RunOptions(
        max_submissions=options.max_submissions, wait_minutes=options.wait_minutes, preflight=options.preflight
    )
    if options.dry_run:
        from prefect_seedance.cli.batch.dry_run import credentials_if_any, try_out

        return try_out(request, credentials_if_any(), chosen_store(options.store), run_options)
    # Both are filled from the environment.
    credentials = SeedanceCredentials.model_validate({})
    return make(request, credentials, chosen_store(options.store), run_options, interrupted=_interrupted)


def _interrupted(task_id: str) -> str:
    if not task_id:
        return (
            "Stopped before the vendor answered. Run the same command again: it submits only if nothing was accepted, "
            "and says so if that is not known."
        )
    return (
        f"Stopped. Task {task_id} goes on at the vendor and is paid for; nothing can cancel it there. Run the same "
        "command again: it takes up this task and pays nothing."
    )


if __name__ == "__main__":
    work(run_generate)
