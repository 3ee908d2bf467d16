"""What only tells people of the work never stops it, and what ends a run still ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from prefect.exceptions import TerminationSignal
from pydantic import TypeAdapter, ValidationError

from prefect_seedance.asides import BROKEN_PIPE, AsideLog, aside, http_lines_are_asides, words_of
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.sync_client import SeedanceClient
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.source import MediaSource
from tests.client.wire_server import WireServer, answer

ACCEPTED = {"code": 20000, "msg": "ok", "data": {"task_id": "videos_1"}}


class Raising(logging.Filter):
    """A user's filter that raises on every line that holds these words."""

    def __init__(self, words: str, failure: BaseException) -> None:
        super().__init__()
        self.words, self.failure, self.raised = words, failure, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if self.words in record.getMessage():
            self.raised += 1
            raise self.failure
        return True


class Mute(Exception):
    """An exception that cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def raises(failure: BaseException) -> None:
    raise failure


@pytest.mark.parametrize(
    "failure", [RuntimeError("gone"), Mute(), MemoryError(), RecursionError(), SystemExit(BROKEN_PIPE)], ids=repr
)
def test_whatever_is_raised_on_the_side_comes_back_as_a_value(failure: BaseException) -> None:
    assert aside(raises, failure) is failure
    assert words_of(failure)


@pytest.mark.parametrize(
    "ending",
    [asyncio.CancelledError(), KeyboardInterrupt(), TerminationSignal(signal.SIGTERM), SystemExit(0), SystemExit(143)],
    ids=repr,
)
def test_what_ends_a_run_still_ends_it(ending: BaseException) -> None:
    with pytest.raises(type(ending)):
        aside(raises, ending)


def test_nobody_asked_for_an_end_in_a_thread_of_a_pool() -> None:
    ending = SystemExit(3)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(aside, raises, ending).result() is ending
        with pytest.raises(asyncio.CancelledError):
            pool.submit(aside, raises, asyncio.CancelledError()).result()


def test_a_line_of_the_package_is_heard_by_whoever_can_hear_it(caplog: pytest.LogCaptureFixture) -> None:
    deaf = Raising("", RuntimeError("gone"))
    log, logger = AsideLog("prefect_seedance.test"), logging.getLogger("prefect_seedance.test")
    with caplog.at_level(logging.INFO):
        log.info("%d %% done", 50)
        logger.addFilter(deaf)
        log.warning("lost")
        logger.removeFilter(deaf)
    assert [(record.getMessage(), record.filename) for record in caplog.records] == [("50 % done", "test_asides.py")]
    assert deaf.raised == 1


# The HTTP library writes a line once the head of an answer is there: the answer to a create is a paid task's id.


@pytest.fixture(params=["httpx", "httpcore.http11", ""])
def deaf(request: pytest.FixtureRequest) -> Iterator[Raising]:
    """A filter at a logger of the HTTP library, or at a handler of the root logger, that raises on each line."""
    filter_ = Raising("", RuntimeError("the log server is gone"))
    root, handler = logging.getLogger(), logging.StreamHandler()
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore.http11")]
    if request.param:
        logging.getLogger(request.param).addFilter(filter_)
    else:
        handler.addFilter(filter_)
        root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield filter_
    for logger in loggers:
        logger.removeFilter(filter_)
        logger.setLevel(logging.NOTSET)
    root.removeHandler(handler)


def test_a_task_id_survives_whatever_hears_the_lines_of_the_http_library(deaf: Raising) -> None:
    with WireServer([answer(200, ACCEPTED)]) as server, SeedanceClient("sk_secret_1234567890", server.url) as client:
        outcome = client.submit_video(VideoRequest(prompt="A paper boat"))
    assert isinstance(outcome, Accepted) and outcome.task_id == "videos_1"
    assert deaf.raised > 0


def test_lines_of_the_http_library_are_heard_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "httpx"):
        with http_lines_are_asides():
            logging.getLogger("httpx").info("ours")
        logging.getLogger("httpx").info("a user's own")
    assert [record.getMessage() for record in caplog.records] == ["ours", "a user's own"]


LINK = "https://cdn.example.com/a.mp4?X-Amz-Signature=1f0cf1ed"
SECRETS = ("sk_secret_1234567890", "1f0cf1ed")


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_lines_of_the_http_library_about_our_calls_show_no_key_and_no_signature(
    level: int, caplog: pytest.LogCaptureFixture
) -> None:
    head = {"Location": LINK, "X-Echo": f"Bearer {SECRETS[0]}", "Set-Cookie": f"token={SECRETS[0]}"}
    with (
        caplog.at_level(level),
        WireServer([answer(302, {}, headers=head), answer(200, ACCEPTED, headers=head)]) as server,
        SeedanceClient(SECRETS[0], f"{server.url}/{SECRETS[0]}") as client,
    ):
        client.submit_video(VideoRequest(prompt="A paper boat"))
        client.submit_video(VideoRequest(prompt="A paper boat"))
    lines = [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))]
    assert any(f"{server.url}/***/" in record.getMessage() for record in lines)
    assert level > logging.DEBUG or any("https://cdn.example.com/a.mp4'" in record.getMessage() for record in lines)
    assert not [record for record in lines for secret in SECRETS if secret in f"{record.getMessage()} {vars(record)}"]


def test_lines_about_media_show_no_signature(caplog: pytest.LogCaptureFixture) -> None:
    moved = answer(302, {}, headers={"Location": "/b.mp4?X-Amz-Signature=1f0cf1ed"})
    with caplog.at_level(logging.DEBUG), WireServer([moved, answer(200, {})]) as server:
        source = MediaSource(
            lambda refresh: f"{server.url}/a.mp4?X-Amz-Signature=1f0cf1ed", policy=MediaPolicy(allow_loopback=True)
        )
        assert b"".join(source.iter_bytes())
    assert any("b'/b.mp4'" in record.getMessage() for record in caplog.records)
    assert "1f0cf1ed" not in caplog.text


def test_the_lines_of_a_users_own_calls_are_theirs(deaf: Raising) -> None:
    with http_lines_are_asides():
        pass
    with pytest.raises(RuntimeError):
        logging.getLogger("httpx").info("a user's own")
        logging.getLogger("httpcore.http11").info("a user's own")


def test_what_a_model_refuses_is_worded_without_its_values() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, int]).validate_python({"seconds": "hunter2-hunter2"})
    assert words_of(caught.value) == ("seconds: must be a valid integer")
