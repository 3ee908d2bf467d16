"""What a video is shared within: resolved once, by the outermost flow, and passed down."""

from __future__ import annotations

from prefect_seedance.pipeline.options import RunOptions
from prefect_seedance.runs.context.current_run import CurrentRun
from prefect_seedance.runs.logs import note

#: Label of a run that makes one video: the scope which its first try resolved.
SCOPE = "seedance.scope"


def resolve_scope(options: RunOptions, current: CurrentRun) -> str:
    """Turn the reuse setting into the scope that becomes part of the intent.

    A schedule with fixed parameters wants a new video each time, so ``auto`` is ``run`` for what Prefect's scheduler
    made (the root run decides, so a scheduled parent counts too), else ``always``. Retries resolve to the same: the
    run's labels keep its root (`current_run`).

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


def scope_of_only_video(options: RunOptions, current: CurrentRun) -> str:
    """Resolve the scope for a run that makes one video: a retry stays with that of the first try, whatever it is given.

    Raises:
        ValueError: ``run`` was asked for outside of a flow.
    """
    resolved = resolve_scope(options, current)
    began_with = current.labels.get(SCOPE, resolved)
    if began_with != resolved:
        note(
            f"This run began with the reuse scope {began_with!r} and stays with it, or a retry could pay again. A new "
            f"run goes by the options as they are now ({resolved!r})."
        )
    return began_with


def scope_of_batch(options: RunOptions, current: CurrentRun) -> str:
    """Resolve the scope for a run that makes a batch, all of it within one; a retry stays with that of the first try.

    Raises:
        ValueError: ``run`` was asked for outside of a flow.
    """
    return scope_of_only_video(options, current)
