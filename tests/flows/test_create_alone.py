"""``create_video`` without the flow around it: what it buys it has checked itself."""

import asyncio

import pytest

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, create_video
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.words.titles import TITLES
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.simulator import Fault, Simulator
from prefect_seedance.storage.errors import ConditionsIgnored
from tests.flows.shown import small
from tests.flows.test_s3_store import bucket_store
from tests.storage.s3_servers import S3Server

pytestmark = [
    pytest.mark.server,
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.filterwarnings("ignore:Logger 'prefect.task_runs' attempted"),  # outside of a flow that is so
]


def create(request: VideoRequest, credentials: SeedanceCredentials, store: VideoStore) -> str:
    return asyncio.run(create_video(request, credentials, store))["task_id"]


@pytest.mark.parametrize("change", [{"duration": 99}, {"images": ["http://localhost/a.png"]}], ids=str)
def test_a_copy_that_breaks_a_rule_is_refused(
    change: dict[str, object], vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    with pytest.raises(InvalidRequest, match=TITLES[next(iter(change))].partition(" (")[0]):
        create(small("A paper boat").model_copy(update=change), credentials, store)
    assert vendor.requests().create_received == 0


def test_a_store_that_does_not_keep_writers_apart_is_refused(
    vendor: Simulator, credentials: SeedanceCredentials, rclone: S3Server
) -> None:
    with pytest.raises(ConditionsIgnored):
        create(small("A paper boat"), credentials, bucket_store(rclone))
    assert vendor.requests().create_received == 0


def test_calls_outside_of_a_flow_are_no_run_that_stops_after_unknown_outcomes(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="lost_answer", times=3))
    for number in range(3):
        with pytest.raises(SubmissionUnknown):
            create(small(f"Lost {number}"), credentials, store)
    assert create(small("Found"), credentials, store)
