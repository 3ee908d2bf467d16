"""Where a video came from, as a JSON file beside it. No secrets: the key appears only as a short hash."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version

from prefect.runtime import flow_run

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.journal.codec import package_version
from prefect_seedance.tasks.models import StoredVideo

FORMAT = 1


def provenance_of(stored: StoredVideo, request: VideoRequest, credentials: SeedanceCredentials) -> str:
    """Write the provenance of a stored video as JSON text."""
    record = {
        "format": FORMAT,
        "request": request.model_dump(mode="json"),
        "video": stored.model_dump(mode="json"),
        "vendor": {
            "host": credentials.settings.host,
            "account": credentials.account,
            "credentials": credentials.fingerprint,
        },
        "run": {"flow_run_id": flow_run.get_id(), "flow_run_name": flow_run.get_name()},
        "versions": {
            "prefect-seedance": package_version(),
            "prefect": version("prefect"),
            "python": platform.python_version(),
        },
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
