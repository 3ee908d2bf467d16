"""The run's page while Prefect's API is busy: it comes later, and the video does not wait for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoStore, generate_video
from prefect_seedance.simulator import Simulator
from tests.flows import shown
from tests.flows.line_to_prefect import line_to_prefect
from tests.flows.shown import small

pytestmark = [pytest.mark.server]
PAGES = r"POST \S+/artifacts/"


def test_a_page_that_was_refused_twice_is_there_with_its_poster(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    refused = PAGES + "$"
    with line_to_prefect(prefect_server, tmp_path, refused=refused, times=4) as log:
        state = generate_video(small("A late page"), credentials, store, return_state=True)
    assert state.is_completed()
    assert len([line for line in log.read_text().splitlines() if line.endswith("/artifacts/")]) > 4
    assert "data:image/jpeg;base64," in str(shown.artifact(shown.run_of(state), "seedance-video-").description)


@pytest.mark.long
def test_a_page_that_is_never_taken_costs_a_line_with_its_reason(
    prefect_server: str,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with line_to_prefect(prefect_server, tmp_path, refused=PAGES):
        state = generate_video(small("Never a page"), credentials, store, return_state=True)
    assert state.is_completed()
    (line,) = (each.getMessage() for each in caplog.records if "page was not written: " in each.getMessage())
    assert "503" in line
