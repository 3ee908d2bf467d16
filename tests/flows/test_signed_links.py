"""References that are signed anew for each run: bought once, and said before paying where that is not sure."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator

import pytest
from prefect import flow

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, create_video, generate_video
from prefect_seedance.simulator import Simulator
from tests.flows import shown
from tests.flows.shown import small

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]


def asked(query: str, prompt: str = "A paper boat") -> VideoRequest:
    return small(prompt, images=[f"https://cdn.example.com/season/cat.png?{query}"])


def digest(number: int) -> str:
    return hashlib.md5(str(number).encode()).hexdigest()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO):
        yield caplog


def test_a_link_signed_anew_and_a_prompt_typed_anew_are_paid_for_once(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, said: pytest.LogCaptureFixture
) -> None:
    first = generate_video(asked(f"auth_key=1795348800-0-0-{digest(1)}"), credentials, store)
    request = asked(f"auth_key=1795349999-0-0-{digest(2)}", prompt=" A paper boat\n")
    state = generate_video(request, credentials, store, return_state=True)
    assert state.result().task_id == first.task_id
    assert vendor.requests().create_received == 1
    line = shown.logged(shown.run_of(state), "images[0]", "does not count")
    assert "auth_key" in line and digest(2) not in line and "1795349999" not in line


def test_a_link_that_may_be_signed_is_warned_about_before_it_is_paid_for(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, said: pytest.LogCaptureFixture
) -> None:
    generate_video(asked(f"odd={digest(1)}"), credentials, store)
    messages = [record.getMessage() for record in said.records]
    (warning,) = [each for each in messages if "images[0]" in each and "may be a signature" in each]
    assert sum("cannot be reached from here" in each for each in messages) == 1, "said once, whatever looks again"
    assert "odd" in warning and "paid for again" in warning and digest(1) not in warning
    accepted = next(index for index, each in enumerate(messages) if "accepted" in each)
    assert messages.index(warning) < accepted


def test_a_store_may_say_that_it_does_not_count(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, said: pytest.LogCaptureFixture
) -> None:
    patient = store.model_copy(update={"ignored_link_parameters": ["Odd"]})
    videos = [generate_video(asked(f"odd={digest(number)}"), credentials, patient) for number in range(2)]
    assert videos[0].task_id == videos[1].task_id
    assert vendor.requests().create_received == 1
    assert "paid for again" not in said.text


def test_submitting_alone_warns_too(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, said: pytest.LogCaptureFixture
) -> None:
    @flow
    async def submit_alone() -> None:
        await create_video(asked(f"odd={digest(1)}"), credentials, store)

    asyncio.run(submit_alone())
    assert said.text.count("paid for again") == 1
