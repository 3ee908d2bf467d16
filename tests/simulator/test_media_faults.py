"""Every media fault, and that a download can always be gone on with afterwards."""

from __future__ import annotations

import time

import httpx
import pytest

from prefect_seedance.simulator import FAULTS, Fault, Simulator
from tests.simulator.test_media import SMALL, fetch
from tests.simulator.vendor import Vendor

TESTED = {
    "link_not_ready",
    "expired_link",
    "truncated_media",
    "dropped_media",
    "not_a_video",
    "media_5xx",
    "slow_media",
    "stalled_media",
}


def test_the_list_of_this_file_is_complete() -> None:
    assert {name for name, kind in FAULTS.items() if kind.place == "media"} == TESTED


@pytest.fixture
def link(vendor: Vendor) -> str:
    return vendor.link(vendor.made(**SMALL))


def received(link: str, **options: object) -> tuple[bytes, type[Exception] | None]:
    """Read as much as arrives, and say what ended it."""
    content = b""
    try:
        with httpx.stream("GET", link, trust_env=False, verify=False, timeout=options.get("timeout", 10)) as answer:
            for chunk in answer.iter_raw():
                content += chunk
    except httpx.TransportError as error:
        return content, type(error)
    return content, None


def test_an_expired_link_stays_dead_and_the_next_query_gives_a_new_one(simulator: Simulator, vendor: Vendor) -> None:
    task_id = vendor.made(**SMALL)
    old = vendor.link(task_id)
    simulator.plan(Fault(fault="expired_link"))
    assert [fetch(old).status_code for _ in range(2)] == [403, 403]
    new = vendor.link(task_id)
    assert new != old
    assert (fetch(new).status_code, fetch(old).status_code) == (200, 403)


@pytest.mark.parametrize(("fault", "status"), [("link_not_ready", 400), ("not_a_video", 200), ("media_5xx", 503)])
def test_something_else_than_the_video(simulator: Simulator, link: str, fault: str, status: int) -> None:
    simulator.plan(Fault(fault=fault))
    answer = fetch(link)
    assert answer.status_code == status and answer.headers["content-type"] != "video/mp4"
    assert fetch(link).headers["content-type"] == "video/mp4"


def test_a_truncated_video_is_shorter_than_announced(simulator: Simulator, link: str) -> None:
    whole = fetch(link).content
    simulator.plan(Fault(fault="truncated_media"), Fault(fault="truncated_media", at=10**9))
    assert received(link) == (whole[: len(whole) // 2], httpx.RemoteProtocolError)
    assert received(link) == (whole[:-1], httpx.RemoteProtocolError)


def test_a_dropped_video_is_reset_after_the_asked_bytes_of_each_answer(simulator: Simulator, link: str) -> None:
    whole = fetch(link).content
    simulator.plan(Fault(fault="dropped_media", at=5000, times=2))
    assert received(link) == (whole[:5000], httpx.ReadError)
    with pytest.raises(httpx.ReadError):
        fetch(link, Range="bytes=5000-")
    assert fetch(link, Range="bytes=10000-").content == whole[10000:]


def test_a_slow_video_takes_its_time_and_is_whole(simulator: Simulator, link: str) -> None:
    whole = fetch(link).content
    simulator.plan(Fault(fault="slow_media", seconds=0.5))
    started = time.monotonic()
    assert received(link) == (whole, None)
    assert time.monotonic() - started > 0.4


def test_a_stalled_video_stops_in_the_middle(simulator: Simulator, link: str) -> None:
    whole = fetch(link).content
    simulator.plan(Fault(fault="stalled_media"), Fault(fault="stalled_media", seconds=0.3, at=100))
    assert received(link, timeout=3) == (whole[: len(whole) // 2], httpx.ReadTimeout)
    assert received(link) == (whole[:100], httpx.RemoteProtocolError)


def test_a_head_meets_no_fault_of_the_body(simulator: Simulator, link: str) -> None:
    simulator.plan(Fault(fault="truncated_media"), Fault(fault="media_5xx"))
    assert fetch(link, "HEAD").status_code == 503
    assert [fault.fault for fault in simulator.faults()] == ["truncated_media"]


def test_a_fault_may_be_meant_for_one_task_only(simulator: Simulator, vendor: Vendor) -> None:
    boat, kite = vendor.link(vendor.made(**SMALL)), vendor.link(vendor.made(**SMALL, prompt="A kite"))
    simulator.plan(Fault(fault="media_5xx", status=500, matching="kite"))
    assert (fetch(boat).status_code, fetch(kite).status_code) == (200, 500)
