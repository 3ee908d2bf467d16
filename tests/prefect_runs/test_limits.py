"""How often a video may be paid for, and what stops a run before it pays."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect import flow

from prefect_seedance import RunOptions, SeedanceCredentials, VideoStore, generate_video
from prefect_seedance.client.errors import (
    AuthenticationFailed,
    SeedanceError,
    VideoFailed,
)
from prefect_seedance.journal.errors import FailedBefore, SubmissionsUsedUp, SubmissionUnknown, TooManyUnknowns
from prefect_seedance.simulator import Fault, Simulator
from tests.prefect_runs.conftest import SECRET
from tests.prefect_runs.vendor import small, tasks
from tests.processes import served_in_a_thread

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server"),
]


def test_a_passing_failure_may_use_a_second_submission(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="failed", matching="passing failure", message="[SY_ERR:5] PROVIDER_TIMEOUT"))
    stored = generate_video(small("passing failure"), credentials, store, options=RunOptions(max_submissions=2))
    first, second = tasks(vendor, "passing failure")
    assert (stored.task_id, stored.submissions, stored.reused) == (second, 2, False)
    assert first != second


def test_a_moderated_request_uses_no_second_submission(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="failed", matching="moderated", times=3))
    twice = RunOptions(max_submissions=2)
    with pytest.raises(VideoFailed, match="TRADEMARK"):
        generate_video(small("moderated"), credentials, store, options=twice)
    with pytest.raises(FailedBefore, match="TRADEMARK"):
        generate_video(small("moderated"), credentials, store, options=twice)
    assert len(tasks(vendor, "moderated")) == 1


def test_submissions_are_counted_over_all_runs(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="failed", matching="counted", message="[SY_ERR:5] PROVIDER_TIMEOUT"))
    with pytest.raises(VideoFailed, match="PROVIDER_TIMEOUT"):
        generate_video(small("counted"), credentials, store)
    sent = vendor.requests().create_received
    with pytest.raises(SubmissionsUsedUp, match="max_submissions"):
        generate_video(small("counted"), credentials, store)
    assert vendor.requests().create_received == sent
    stored = generate_video(small("counted"), credentials, store, options=RunOptions(max_submissions=2))
    assert (stored.submissions, tasks(vendor, "counted")[1:]) == (2, [stored.task_id])


def test_after_three_unknown_outcomes_in_a_row_a_run_sends_no_more(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="lost_answer", matching="storm", times=3))

    @flow
    def four_takes() -> list[type[Exception]]:
        met: list[type[Exception]] = []
        for take in "1234":
            try:
                generate_video(small("storm", take=take), credentials, store)
            except SeedanceError as error:
                met.append(type(error))
        return met

    sent = vendor.requests().create_received
    assert four_takes() == [SubmissionUnknown] * 3 + [TooManyUnknowns]
    assert vendor.requests().create_received == sent + 3
    fourth = generate_video(small("storm", take="4"), credentials, store)
    assert not fourth.reused, "the next run sends what this one did not"
    assert len(tasks(vendor, "storm")) == 4


def test_a_wrong_key_stops_before_any_post_unless_the_check_is_left_out(vendor: Simulator, store: VideoStore) -> None:
    stranger = SeedanceCredentials(api_key=f"sk_wrong_{SECRET}", base_url=vendor.url)
    sent = vendor.requests().create_received
    with pytest.raises(AuthenticationFailed):
        generate_video(small("wrong key"), stranger, store)
    assert vendor.requests().create_received == sent
    with pytest.raises(AuthenticationFailed):
        generate_video(small("wrong key"), stranger, store, options=RunOptions(preflight=False))
    assert vendor.requests().create_received == sent + 1
    assert tasks(vendor, "wrong key") == []


class Stranger(BaseHTTPRequestHandler):
    """A host that is not the vendor: it answers everything with a page, and keeps what it was asked."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.command)
        page = b"<html><body>Nothing here</body></html>"
        self.send_response(404)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_wrong_host_stops_before_any_post(vendor: Simulator, store: VideoStore) -> None:
    with served_in_a_thread(ThreadingHTTPServer(("127.0.0.1", 0), Stranger)) as port:
        elsewhere = SeedanceCredentials(api_key=vendor.key, base_url=f"http://127.0.0.1:{port}")
        with pytest.raises(SeedanceError, match="404"):
            generate_video(small("wrong host"), elsewhere, store)
    assert Stranger.asked and "POST" not in Stranger.asked
    stored = generate_video(small("wrong host"), SeedanceCredentials(api_key=vendor.key, base_url=vendor.url), store)
    assert (stored.submissions, tasks(vendor, "wrong host")) == (1, [stored.task_id])
