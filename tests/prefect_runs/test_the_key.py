"""The API key is nowhere: not in what Prefect keeps, not in what we keep, not in what any process printed.

This file comes last, so that the runs of the others, with their failures and tracebacks, are looked through as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoStore, generate_video
from prefect_seedance.simulator import Fault, Simulator
from tests.prefect_runs import api
from tests.prefect_runs.conftest import SECRET
from tests.prefect_runs.vendor import small, tasks
from tests.prefect_server import ask
from tests.processes import finished, until

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server"),
]


def pages(url: str, kind: str) -> Iterator[dict[str, object]]:
    """Everything of a kind that the server's API gives, page by page."""
    offset = 0
    while page := ask(f"{url}/{kind}/filter", {"limit": 200, "offset": offset}):
        yield from page
        offset += len(page)


def events(url: str) -> Iterator[dict[str, object]]:
    asked = {"limit": 50, "filter": {"event": {"prefix": ["seedance.", "prefect."]}}}
    page = ask(f"{url}/events/filter", asked)
    while True:
        yield from page["events"]
        if not page["next_page"]:
            return
        page = ask(page["next_page"])


def test_the_key_is_nowhere(
    own_server: str,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    folder: Path,
    child_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    # A process that logs all it can, with an error on its way out, and blocks that are saved.
    credentials.save("looked-for", overwrite=True)
    generate_video(small("looked for"), credentials, store)
    vendor.plan(Fault(fault="error_after", matching="loudly"))
    environment = {
        **child_environment,
        "JIMMYAI_API_KEY": vendor.key,
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "DEBUG",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "prefect_seedance,httpx,httpcore",
    }
    command = ["-m", "tests.prefect_runs.again", "loudly", vendor.url, store.location]
    printed = finished(*command, environment=environment, folder=tmp_path, fails=True)
    (folder / "loud.log").write_text(printed)
    assert "Traceback" in printed and "SubmissionUnknown" in printed

    (task_id,) = tasks(vendor, "looked for")
    (lost,) = tasks(vendor, "loudly")
    assert lost
    until(lambda: any(task_id in json.dumps(each) for each in events(own_server)), "the event", every=1)
    api.logged(task_id)

    # Each place is known to be the right one by something else that must be there.
    kinds = ("logs", "artifacts", "flow_runs", "task_runs", "block_documents", "deployments")
    told = {kind: json.dumps([*pages(own_server, kind)]).encode() for kind in kinds}
    told["events"] = json.dumps([*events(own_server)]).encode()
    for kind in ("logs", "artifacts", "events"):
        assert task_id.encode() in told[kind], kind
    assert b"looked for" in told["flow_runs"]

    home = Path(os.environ["PREFECT_HOME"])
    files = [path for place in (folder, home) for path in place.rglob("*") if path.is_file()]
    kept = {path: path.read_bytes() for path in files}
    assert any(path.name.startswith("prefect.db") and task_id.encode() in data for path, data in kept.items())
    assert any(path.is_relative_to(home / "storage") and task_id.encode() in data for path, data in kept.items())
    assert any(path.is_relative_to(store.location) and task_id.encode() in data for path, data in kept.items())

    secret = SECRET.encode()
    assert [name for name, data in {**told, **kept}.items() if secret in data] == []
