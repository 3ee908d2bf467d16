"""Generate a video in a process of its own: ``python -m tests.prefect_runs.again PROMPT URL FOLDER``.

The key is in ``JIMMYAI_API_KEY``. Prints which package did it, as JSON.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import prefect_seedance
from prefect_seedance import SeedanceCredentials, VideoStore, generate_video
from prefect_seedance.client.request.routes import ROUTES
from tests.prefect_runs.vendor import small

if __name__ == "__main__":
    prompt, url, folder = sys.argv[1:]
    stored = generate_video(small(prompt), SeedanceCredentials(base_url=url), VideoStore(location=folder))
    done = {
        "task_id": stored.task_id,
        "intent": stored.intent,
        "version": version("prefect-seedance"),
        "file": prefect_seedance.__file__,
        "billing_name": ROUTES["seedance2.0-mini"].billing_name,
        "longest": ROUTES["seedance2.0-mini"].duration.maximum,
    }
    print(json.dumps(done))
