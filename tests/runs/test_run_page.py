"""What a run shows on its page must not change how it ends."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from prefect_seedance import StoredVideo, VideoRequest
from prefect_seedance.runs.run_page import shown, stored_markdown


async def test_a_cancellation_in_the_moment_when_the_page_is_written_ends_the_run() -> None:
    begun, answered = asyncio.Event(), asyncio.Event()

    async def show() -> None:
        begun.set()
        await answered.wait()

    async def run() -> None:
        await shown(show)
        await asyncio.sleep(3600)

    running = asyncio.create_task(run())
    await begun.wait()
    answered.set()
    await asyncio.sleep(0)  # the page is written, and the run has not heard of it yet
    running.cancel()
    _, pending = await asyncio.wait([running], timeout=10)
    assert not pending
    with pytest.raises(asyncio.CancelledError):
        running.result()


def test_a_file_stands_on_the_page_by_its_name_and_by_what_its_provenance_calls_it() -> None:
    stored = StoredVideo.model_construct(
        **dict.fromkeys(("uri", "provenance_uri", "task_id", "sha256", "cost_source"), "x"),
        **dict.fromkeys(("created_at", "completed_at", "stored_at"), None),
        **dict.fromkeys(("width", "height", "seconds", "bytes", "submissions"), 1),
        cost=1.0,
    )
    request = VideoRequest(prompt="A mug turns", images=["./mug.png", "https://example.com/cup.png"])
    page = stored_markdown(stored, request, "", sources={"./mug.png": "sha256:0f"})
    assert "images[0]: ./mug.png\n    sha256:0f\nimages[1]: https://example.com/cup.png\n" in page


class Flaky:
    """Something that is shown at the third try, or another."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = [*failures]
        self.tries = 0

    async def show(self) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)


def busy(status: int) -> PrefectHTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1/api/artifacts/")
    return PrefectHTTPStatusError("", request=request, response=httpx.Response(status, request=request))


@pytest.mark.parametrize(
    ("failures", "tries"),
    [
        ([busy(503)], 2),
        ([httpx.ReadTimeout(""), TimeoutError()], 3),
        ([busy(503)] * 9, 3),
        ([busy(422)], 1),
        ([ValueError("a page of ours")], 1),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value),
)
async def test_a_page_is_tried_again_while_prefect_is_busy_and_not_for_ever(
    failures: list[Exception], tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    flaky = Flaky(*failures)
    with caplog.at_level(logging.INFO):
        await shown(flaky.show, pauses=(0.0, 0.0))
    assert flaky.tries == tries
    for record in caplog.records:
        assert not record.getMessage().endswith(": "), "the reason is never empty"


async def test_a_page_whose_try_is_over_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("prefect_seedance.runs.run_page._SECONDS", 0.01)
    with caplog.at_level(logging.WARNING):
        await shown(asyncio.Event().wait)
    assert "not written: Prefect's API did not take it within 0.01 s" in caplog.text
