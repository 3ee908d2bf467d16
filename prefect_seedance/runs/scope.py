"""What a video is shared within: resolved once, by the outermost flow, and passed down."""

from __future__ import annotations

from prefect_seedance.pipeline.options import RunOptions
from prefect_seedance.runs.current_run import CurrentRun


def resolve_scope(options: RunOptions, current: CurrentRun) -> str:
    """Turn the reuse setting into the scope that becomes part of the intent.

    A schedule with fixed parameters wants a new video each time, so ``auto`` is ``run`` for what Prefect's scheduler
    made (the root run decides, so a scheduled parent counts too), else ``always``.

    Raises:
        ValueError: ``run`` was asked for outside of a flow.
    """
    from prefect_seedance.journal.identity import ALWAYS, named_scope, run_scope  # only a run needs it

    match options.reuse:
        case "always":
            return ALWAYS
        case "scope":
            return named_scope(options.reuse_scope)
        case "run":
            return run_scope(current.root_id)
        case "auto":
            return run_scope(current.root_id) if current.made_by_schedule else ALWAYS
