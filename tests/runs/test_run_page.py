"""What a run shows on its page must not change how it ends."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from prefect_seedance import StoredVideo, VideoRequest
from prefect_seedance.runs.pages.play_link import PlayLink
from prefect_seedance.runs.pages.run_page import shown, sizes, stored_description, stored_markdown


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


def stored_video(**more: object) -> StoredVideo:
    return StoredVideo.model_construct(
        **{
            **dict.fromkeys(("uri", "provenance_uri", "task_id", "sha256", "cost_source"), "x"),
            **dict.fromkeys(("created_at", "completed_at", "stored_at"), None),
            **dict.fromkeys(("width", "height", "seconds", "bytes", "submissions"), 1),
            "cost": 0.35,
            "cost_source": "vendor",
            "intent": INTENT,
            "model": "seedance2.0-mini",
            **more,
        }
    )


INTENT = "0123456789abcdef0123456789abcdef"


def test_a_file_stands_on_the_page_by_its_name_and_by_what_its_provenance_calls_it() -> None:
    request = VideoRequest(prompt="A mug turns", images=["./mug.png", "https://example.com/cup.png"])
    page = stored_markdown(stored_video(), request, "/data", sources={"./mug.png": "sha256:0f"})
    of = "- Reference images, entry {} (images\\[{}\\]): "
    first, second = f"{of.format(1, 0)}`./mug.png`, `sha256:0f`\n", f"{of.format(2, 1)}`https://example.com/cup.png`\n"
    assert first + second in page


def test_the_command_that_opens_a_video_and_its_link_stand_above_the_rest() -> None:
    play = PlayLink("https://s3.example.com/a.mp4?sig=1", datetime(2026, 11, 27, 12, 0, tzinfo=UTC))
    above, _, _ = stored_markdown(stored_video(), VideoRequest(prompt="A mug"), "/my videos", play).partition("| --- |")
    assert f"`prefect-seedance open {INTENT} --store '/my videos'`" in above
    assert "[Play the video](<https://s3.example.com/a.mp4?sig=1>)" in above


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ((480, 854, 4.0), ["| Resolution | 480p | 480x854 |", "| Ratio | 9:16 | 9:16 |", "| Duration | 4 s | 4.0 s |"]),
        ((854, 480, 4.0), ["| Ratio | 9:16 | 16:9: not as asked |"]),
        ((480, 854, 3.1), ["| Duration | 4 s | 3.1 s: not as asked |"]),
        (
            (0, 0, 0.0),
            ["| Resolution | 480p | not known |", "| Ratio | 9:16 | not known |", "| Duration | 4 s | not known |"],
        ),
    ],
)
def test_what_was_asked_stands_beside_what_was_made(made: tuple[int, int, float], said: list[str]) -> None:
    request = VideoRequest(prompt="A mug", model="seedance2.0-mini", resolution="480p", ratio="9:16", duration=4)
    width, height, seconds = made
    drawn = sizes(request, stored_video(width=width, height=height, seconds=seconds))
    for row in said:
        assert row in drawn


def test_the_runs_own_page_shows_poster_prompt_model_and_cost_in_lines_that_a_card_has_room_for() -> None:
    request = VideoRequest(prompt="A ceramic mug turns on a wooden table, studio light, seen from above")
    poster, *lines = stored_description(stored_video(), request, "data:image/jpeg;base64,AA").split("\n\n")
    assert poster == "![First frame](data:image/jpeg;base64,AA)"
    assert lines == ["A ceramic mug turns on a", "wooden table, studio light, …", "seedance2.0-mini, 1 s", "0.35 coins"]
    assert max(map(len, lines)) <= 30
    assert "nothing was paid now" in stored_description(stored_video(reused=True), request)


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
    monkeypatch.setattr("prefect_seedance.runs.pages.run_page._SECONDS", 0.01)
    with caplog.at_level(logging.WARNING):
        await shown(asyncio.Event().wait)
    assert "not written: Prefect's API did not take it within 0.01 s" in caplog.text
