"""Links to pages of the Prefect UI from which a person goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.utilities.urls import url_for

from prefect_seedance.asides import words_of
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.logs import note

#: The deployment of resolve_submission, as `deployments/` defines it.
RESOLVE = "resolve-submission/resolve-submission"
#: Longest query: what stands between a browser and a server often takes 8 KiB for a whole line.
_LONGEST_QUERY = 6000


def page_url(kind: str, name: str | UUID | None) -> str:
    """Return the address of a page, such as ``flow-run`` or ``deployment``; "" where Prefect knows no UI."""
    try:
        return (url_for(kind, str(name)) or "") if name else ""
    except ValueError:  # the address of the UI is not one
        return ""


def artifact_url(artifact_id: UUID) -> str:
    """Return the address of an artifact's page, which Prefect has no words for; "" where it knows no UI."""
    beside = page_url("flow-run", artifact_id)
    return beside.replace("/runs/flow-run/", "/artifacts/artifact/")


def artifacts_url(key: str) -> str:
    """Return the address of the page of all artifacts of one key; "" where Prefect knows no UI."""
    beside = page_url("flow-run", key)
    return beside.replace("/runs/flow-run/", "/artifacts/key/")


def form_url(deployment_id: str | UUID, parameters: Mapping[str, Any]) -> str:
    """Return the address of a deployment's form, filled in; without the values if one is secret, or they are long.

    Args:
        deployment_id: The deployment.
        parameters: What stands in the form's fields.
    """
    page = page_url("deployment", deployment_id)
    if not page:
        return ""
    filled = json.dumps(parameters, ensure_ascii=False)
    query = f"?parameters={quote(filled, safe='')}" if without_signatures(filled) == filled else ""
    return f"{page}/run" + (query if len(query) <= _LONGEST_QUERY else "")


async def settling_form(intent: str, attempt: str, asked: Mapping[str, Any]) -> str:
    """Return the form of resolve_submission, filled in for one attempt; "" where it is not deployed.

    Args:
        intent: Identity of the video.
        attempt: Which attempt of it, see `Attempt.name`.
        asked: The parameters of the run as the server has them: the form takes its saved blocks.
    """
    async with get_client() as client:
        try:
            deployment = await client.read_deployment_by_name(RESOLVE)
        except Exception as error:
            return _without_form(error)
    blocks = {name: asked[name] for name in ("store", "credentials") if _is_saved(asked.get(name))}
    values = {**(deployment.parameters or {}), **blocks, "intent": intent, "attempt": attempt}
    return form_url(deployment.id, values)


async def form_of_run(run_id: str) -> str:
    """Return the form by which a run is asked for again, filled in as it was; its page where it has no deployment."""
    try:
        asked_for = UUID(run_id)
    except ValueError:
        return ""
    async with get_client() as client:
        try:
            run = await client.read_flow_run(asked_for)
        except Exception as error:
            return _without_form(error)
    form = form_url(run.deployment_id, run.parameters) if run.deployment_id else ""
    return form or page_url("flow-run", run.id)


def _without_form(error: Exception) -> str:
    """Return no address: a page that says what may have been paid is not kept back for a link on it."""
    if not isinstance(error, ObjectNotFound):
        note(f"The page has no link to a form: {words_of(error)}", level=logging.DEBUG)
    return ""


def _is_saved(block: object) -> bool:
    return isinstance(block, dict) and "$ref" in block
