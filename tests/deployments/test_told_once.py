"""Both scripts with ``--notify``, as the README shows them: whatever goes wrong, people get one message about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.states import Crashed

from prefect_seedance import SeedanceCredentials, VideoStore, create_video, generate_video, wait_for_video
from prefect_seedance.errors import SubmissionUnknown, VideoFailed
from prefect_seedance.simulator import Fault, Simulator
from tests.deployments.commands import Command, done_here
from tests.deployments.inbox import Inbox, open_inbox
from tests.prefect_runs.vendor import small
from tests.processes import until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.newest]

Blocks = tuple[SeedanceCredentials, VideoStore]
NAME = "custom-webhook/told-once"
PATIENCE = 120.0


@pytest.fixture(scope="module")
def inbox(own_server: str, blocks: Blocks) -> Iterator[Inbox]:
    """Where both the runs and the automations send to, by one block."""
    with open_inbox() as opened:
        as_json = {"subject": "{{subject}}", "body": "{{body}}"}
        for name, url in (("told-once", opened.url), ("gone", "http://127.0.0.1:9/")):
            CustomWebhookNotificationBlock(name=name, url=url, json_data=as_json).save(name, overwrite=True, _sync=True)
        script, *_ = Command.AUTOMATIONS.arguments
        done_here(script, "--notify", NAME)
        yield opened
        with get_client(sync_client=True) as client:
            for each in client.read_automations():
                client.delete_automation(each.id)


def once(inbox: Inbox, *words: str) -> str:
    """The one message with all these words, once a message about something later has come."""
    until(lambda: inbox.having(*words), f"a message with {words}", seconds=PATIENCE)
    later = f"later than {words}"

    @flow(name="generate-video", flow_run_name=later)
    def crashed() -> None: ...

    with get_client(sync_client=True) as client:
        client.create_flow_run(crashed, name=later, state=Crashed(message="later"))
    until(lambda: inbox.having(later.partition("(")[0], words[0], "Crashed"), "the later message", seconds=PATIENCE)
    (message,) = (each for each in inbox.having(*words) if "later than" not in each)
    return message


def test_a_failed_video_of_a_run_that_tells_is_told_by_the_run_alone(
    vendor: Simulator, blocks: Blocks, inbox: Inbox
) -> None:
    vendor.plan(Fault(fault="failed", matching="told by the run"))
    with pytest.raises(VideoFailed):
        generate_video(small("told by the run"), *blocks, notify=[NAME])
    assert "No video: VideoFailed" in once(inbox, "told by the run")


def test_an_unknown_submission_of_a_run_that_tells_is_told_by_the_run_alone(
    vendor: Simulator, blocks: Blocks, inbox: Inbox
) -> None:
    vendor.plan(Fault(fault="lost_answer", matching="unknown to the run"))
    with pytest.raises(SubmissionUnknown):
        generate_video(small("unknown to the run"), *blocks, notify=[NAME])
    assert "Perhaps paid, a person has to settle it" in once(inbox, "unknown to the run")


@pytest.mark.parametrize("notify", [[], ["custom-webhook/gone"]], ids=["nobody", "nobody who can be reached"])
def test_a_run_that_has_told_nobody_is_told_by_one_automation(
    notify: list[str], vendor: Simulator, blocks: Blocks, inbox: Inbox
) -> None:
    prompt = f"told to {len(notify)} <!channel> @everyone"
    vendor.plan(Fault(fault="failed", matching=prompt))
    with pytest.raises(VideoFailed):
        generate_video(small(prompt), *blocks, notify=notify)
    message = once(inbox, f"told to {len(notify)}")
    for said in ("no video from generate-video", "TRADEMARK", "Paid: task videos_", "/runs/flow-run/"):
        assert said in message
    assert "<!channel>" not in message and "@everyone" not in message


def test_a_run_whose_parameters_were_wrong_from_the_start_is_told(blocks: Blocks, inbox: Inbox) -> None:
    state = generate_video({"prompt": "wrong from the start", "ratio": "7:3"}, *blocks, return_state=True)  # pyright: ignore[reportArgumentType]
    assert state.is_failed()
    assert "Validation of flow parameters failed" in once(inbox, str(state.state_details.flow_run_id))


def test_a_failed_video_of_a_flow_made_of_the_tasks_is_told(vendor: Simulator, blocks: Blocks, inbox: Inbox) -> None:
    @flow(name="of-our-own")
    async def of_our_own() -> None:
        request = small("of our own flow")
        submitted = await create_video(request, *blocks)
        await wait_for_video(submitted, request, *blocks)

    vendor.plan(Fault(fault="failed", matching="of our own flow"))
    with pytest.raises(VideoFailed) as failed:
        asyncio.run(of_our_own())
    assert "TRADEMARK" in once(inbox, failed.value.task_id)
