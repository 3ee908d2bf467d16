"""Our tasks under somebody else's scheduler: processes of a Dask cluster, which get everything by pickle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.simulator import Simulator
from tests.examples.test_examples import ROOT, environment, runs_of
from tests.prefect_runs import api

pytest.importorskip("prefect_dask")
pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_each_step_runs_on_the_cluster_and_each_video_is_paid_for_once(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    credentials.save("dask", overwrite=True, _sync=True)
    store.save("dask", overwrite=True, _sync=True)
    prompts = [f"On a cluster, {number}" for number in range(3)]
    command = [sys.executable, str(ROOT / "examples" / "on_a_dask_cluster.py"), *prompts]

    def run() -> list[str]:
        done = subprocess.run(
            [*command, "--credentials", "dask", "--store", "dask"],
            env={**environment(prefect_server), "DASK_DISTRIBUTED__DASHBOARD__LINK": "", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout.strip().splitlines()[-3:]

    uris = run()
    assert all(Path(uri.removeprefix("file://")).stat().st_size for uri in uris)
    assert run() == uris, "the second run reuses what the first one has paid for"
    bills = [(bill.body["prompt"], bill.accepted) for bill in vendor.bills()]
    assert sorted(bills) == [(prompt, 1) for prompt in prompts]
    assert len([*store.journal().records()]) == len(prompts)

    for flow_run in runs_of("on-a-dask-cluster"):
        assert flow_run.state_name == "Completed"
        # Each process wrote its journal label to the one run.
        journals = [name for name in flow_run.labels if name.startswith("seedance.journal.")]
        assert len(journals) == len(prompts)
        api.logged("Stored at", run=flow_run.id)
