"""Our tasks under somebody else's scheduler: processes of a Dask cluster, which get everything by pickle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video
from prefect_seedance.simulator import Simulator
from tests.examples.test_examples import ROOT, environment, runs_of
from tests.prefect_runs import api

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def dask() -> Path:
    """An environment with prefect-dask, which costs every process of Prefect's too much to be in that of all tests."""
    place = ROOT / ".venv-dask"
    installing = [str(ROOT / "scripts" / "install"), str(place), "constraints.txt", "-e", ".[media,dask]"]
    done = subprocess.run(
        installing, cwd=ROOT, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def test_each_step_runs_on_the_cluster_and_each_video_is_paid_for_once(
    dask: Path,
    prefect_server: str,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    tmp_path: Path,
) -> None:
    credentials.save("dask", overwrite=True, _sync=True)
    store.save("dask", overwrite=True, _sync=True)
    prompts = [f"On a cluster, {number}" for number in range(3)]
    command = [str(dask / "bin" / "python"), str(ROOT / "examples" / "on_a_dask_cluster.py"), *prompts]

    done = subprocess.run(
        [*command, "--credentials", "dask", "--store", "dask"],
        env={**environment(prefect_server), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    uris = done.stdout.strip().splitlines()[-3:]
    assert all(Path(uri.removeprefix("file://")).stat().st_size for uri in uris)
    again = VideoRequest(prompt=prompts[0], model="seedance2.0-mini", resolution="480p", duration=4)
    assert (generate_video(again, credentials, store).uri, len(vendor.bills())) == (uris[0], 3)
    bills = [(bill.body["prompt"], bill.accepted) for bill in vendor.bills()]
    assert sorted(bills) == [(prompt, 1) for prompt in prompts]
    assert len([*store.journal().records()]) == len(prompts)

    (flow_run,) = runs_of("on-a-dask-cluster")
    assert flow_run.state_name == "Completed"
    # Of labels that two processes write at one moment, Prefect's server may lose one.
    assert [name for name in flow_run.labels if name.startswith("seedance.journal.")]
    api.logged("Stored at", run=flow_run.id)
