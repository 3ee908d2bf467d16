"""What changes between two runs of one request, and must not make it be paid for again.

The first run always ends after its submission and before the video is stored, so that the second one needs the key, the
host, the journal and Prefect's persisted result to find the task again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

import prefect_seedance
from prefect_seedance import SeedanceCredentials, VideoStore, generate_video
from prefect_seedance.pipeline.errors import VideoNotStored
from prefect_seedance.simulator import Fault, Simulator
from tests.prefect_runs.conftest import SECRET
from tests.prefect_runs.vendor import record, small, tasks
from tests.processes import finished, relayed

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server"),
]


def results() -> list[Path]:
    """What Prefect has persisted of ``create_video``."""
    return [*(Path(os.environ["PREFECT_HOME"]) / "storage").glob("seedance-create-*")]


def begun(prompt: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore) -> tuple[str, Path]:
    """Run a request that is paid for and not stored; give its task and the result that Prefect persisted of it."""
    vendor.plan(Fault(fault="not_a_video", matching=prompt))
    known = results()
    with pytest.raises(VideoNotStored):
        generate_video(small(prompt), credentials, store)
    (task_id,) = tasks(vendor, prompt)
    (result,) = set(results()) - set(known)
    assert task_id in result.read_text()
    return task_id, result


def rotate_key(vendor: Simulator, key: str) -> None:
    vendor.simulation.settings = dataclasses.replace(vendor.simulation.settings, key=key)


@pytest.mark.parametrize("persisted", ["kept", "deleted", "damaged"])
@pytest.mark.sample(every=3)
def test_a_rotated_key_pays_nothing_again(
    persisted: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    prompt = f"key rotated, result {persisted}"
    task_id, result = begun(prompt, vendor, credentials, store)
    if persisted == "damaged":
        result.write_bytes(b'{"metadata": \x00 junk')
    elif persisted == "deleted":
        result.unlink()
    new_key = f"sk_new_{SECRET}"
    rotate_key(vendor, new_key)
    try:
        rotated = SeedanceCredentials(api_key=new_key, base_url=vendor.url)
        stored = generate_video(small(prompt), rotated, store)
    finally:
        rotate_key(vendor, vendor.key)
    assert (stored.task_id, stored.reused) == (task_id, True)
    assert tasks(vendor, prompt) == [task_id]


def test_a_moved_host_pays_nothing_again(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    task_id, result = begun("host moved", vendor, credentials, store)
    result.unlink()
    with relayed(int(vendor.url.rpartition(":")[2])) as port:
        moved = SeedanceCredentials(api_key=vendor.key, base_url=f"http://127.0.0.1:{port}")
        assert generate_video(small("host moved"), moved, store).task_id == task_id
    assert tasks(vendor, "host moved") == [task_id]


def test_an_upgrade_with_other_rows_in_the_route_table_pays_nothing_again(
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    child_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    task_id, result = begun("upgraded", vendor, credentials, store)
    result.unlink()
    intent = record(store, "upgraded").record.intent

    newer = tmp_path / "newer"
    shutil.copytree(Path(prefect_seedance.__file__).parent, newer / "prefect_seedance")
    metadata = newer / "prefect_seedance-9.9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: prefect-seedance\nVersion: 9.9.9\n")
    table = newer / "prefect_seedance" / "client" / "request" / "routes.json"
    rows = json.loads(table.read_text())
    (mini,) = (row for row in rows["families"] if row["family"] == "mini")
    mini["models"][0]["billing_name"] = "renamed-{resolution}"
    mini["duration"] = {"default": 8, "minimum": 2, "maximum": 12, "source": "an edit"}
    table.write_text(json.dumps(rows))

    environment = {
        **child_environment,
        "PYTHONPATH": os.pathsep.join([str(newer), child_environment["PYTHONPATH"]]),
        "JIMMYAI_API_KEY": vendor.key,
    }
    command = ["-m", "tests.prefect_runs.again", "upgraded", vendor.url, store.location]
    done = json.loads(finished(*command, environment=environment, folder=tmp_path).splitlines()[-1])
    assert Path(done.pop("file")).is_relative_to(newer)
    assert done == {
        "task_id": task_id,
        "intent": intent,
        "version": "9.9.9",
        "billing_name": "renamed-{resolution}",
        "longest": 12,
    }
    assert record(store, "upgraded").record.package_version == "9.9.9"
    assert tasks(vendor, "upgraded") == [task_id]
