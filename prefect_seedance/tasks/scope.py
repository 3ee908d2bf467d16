"""What a video is shared within: resolved once, by the outermost flow, and passed down."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from prefect_seedance.journal.identity import ALWAYS, named_scope, run_scope
from prefect_seedance.journal.record import Run
from prefect_seedance.tasks.options import RunOptions


def resolve_scope(options: RunOptions) -> str:
    """Turn the reuse setting into the scope that becomes part of the intent.

    A schedule with fixed parameters wants a new video each time, so ``auto`` is ``run`` for what Prefect's scheduler
    made (the root run counts: a parent that was scheduled too), else ``always``. Blocking: call it in a thread.

    Raises:
        ValueError: ``run`` was asked for outside of a flow.
    """
    match options.reuse:
        case "always":
            return ALWAYS
        case "scope":
            return named_scope(options.reuse_scope)
        case "run":
            return run_scope(root_run_id())
        case "auto":
            root = root_run_id()
            return run_scope(root) if root and _made_by_a_schedule(root) else ALWAYS


def root_run_id() -> str:
    """Id of the outermost flow run, "" outside of a flow.

    The root, since a retried parent gives its subflows new ids.
    """
    return str(flow_run.get_root_flow_run_id() or "") if flow_run.get_id() else ""


def this_run() -> Run:
    """Say which flow run this is, for records; empty outside of a flow."""
    run_id: str | None = flow_run.get_id()
    if not run_id:
        return Run()
    url = str(flow_run.ui_url or "")
    # Without a configured UI, Prefect words the address "None/...".
    return Run(id=root_run_id(), name=flow_run.get_name() or "", url=url if url.startswith("http") else "")


def _made_by_a_schedule(run_id: str) -> bool:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(run_id)).auto_scheduled
