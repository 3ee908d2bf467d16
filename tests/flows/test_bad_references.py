"""References that cannot be used, as a user of the flow meets them: the run fails, by name, and nothing is paid."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_seedance import RunOptions, SeedanceCredentials, VideoRequest, VideoStore, generate_video
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.simulator import Simulator

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]


@pytest.mark.parametrize("model", ["seedance2.0-std", "sd2_mx_720p"])
@pytest.mark.sample(every=2)
def test_a_run_with_references_that_cannot_be_used_fails_for_free_and_names_them_all(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path, model: str
) -> None:
    page, cut = tmp_path / "page.png", tmp_path / "cut.png"
    page.write_bytes(b"<!doctype html><title>Log in</title>")
    cut.write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    images = [str(page), str(cut)]
    with pytest.raises(InvalidRequest) as refused:
        generate_video(VideoRequest(prompt="A boat", model=model, images=images), credentials, store)
    assert [problem.field for problem in refused.value.problems] == ["images[0]", "images[1]"]
    gone = [*images, str(tmp_path / "gone.png")]
    with pytest.raises(InvalidRequest) as refused:
        generate_video(VideoRequest(prompt="A boat", model=model, images=gone), credentials, store)
    assert sorted(problem.field for problem in refused.value.problems) == ["images[0]", "images[1]", "images[2]"]
    blind = RunOptions(preflight=False)
    with pytest.raises(InvalidRequest) as refused:
        generate_video(VideoRequest(prompt="A boat", model=model, images=gone[2:]), credentials, store, options=blind)
    said = str(refused.value.problems[0])
    assert said.startswith(f"Reference images, entry 1 (images[0]): '{gone[2]}' cannot be read on this machine")
    assert not vendor.bills() and not vendor.requests().uploads
