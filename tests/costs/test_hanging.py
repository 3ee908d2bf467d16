"""A vendor that takes every POST and answers none: what else the process does goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefect_seedance.simulator import Fault, running_simulator
from tests.costs.child import HANGING, HANGING_RUNS
from tests.costs.conftest import environment_for, settings_for
from tests.processes import running, until
from tests.storage.s3_servers import S3Server

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: Let pass at once when all hang: the video that was submitted before cannot be done any sooner.
GENERATION_SECONDS = 10_000.0


def test_with_24_posts_hanging_a_video_is_stored_names_are_resolved_and_a_run_can_be_cancelled(
    moto: S3Server, prefect_server: str, tmp_path: Path
) -> None:
    with running_simulator(seconds=GENERATION_SECONDS) as vendor:
        vendor.plan(Fault(fault="hang_before", times=HANGING_RUNS, matching=HANGING))
        command = settings_for(vendor, moto.url, "hanging").command("hanging")
        with running(*command, log=tmp_path / "log", environment=environment_for(prefect_server, tmp_path)) as child:

            def said() -> list[str]:
                return [line for line in child.log.read_text().splitlines() if line.startswith(("hanging", "{"))]

            until(said, "the POSTs to hang", seconds=200, alive=child)
            vendor.elapse(GENERATION_SECONDS)
            _, seen = until(lambda: len(said()) > 1 and said(), "what was seen", seconds=200)
        assert len(vendor.bills()) == 1

    found = json.loads(seen)
    assert found["resolved"], found
    assert found["stored"], found
    assert found["cancelled"], found
    # The others hang still, or nothing of this would say anything.
    assert found["others"] == HANGING_RUNS - 1, found
