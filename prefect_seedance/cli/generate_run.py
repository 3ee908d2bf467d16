"""The work of ``generate``, in a process of its own: see `child_process`."""

from __future__ import annotations

import argparse

from prefect_seedance import RunOptions, VideoRequest
from prefect_seedance.cli.generation import make, work
from prefect_seedance.cli.store_option import chosen_credentials, chosen_store
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
    limits = {name: getattr(options, name) for name in ("max_submissions", "wait_minutes", "preflight")}
    run_options, store = RunOptions.model_validate(limits), chosen_store(options.store)
    if options.dry_run:
        from prefect_seedance.cli.batch.dry_run import credentials_if_any, try_out

        payer = credentials_if_any(options.credentials)
        return try_out(request, payer, store, run_options, as_json=options.as_json)
    credentials = chosen_credentials(options.credentials)
    return make(request, credentials, store, run_options, as_json=options.as_json, interrupted=_interrupted)


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
