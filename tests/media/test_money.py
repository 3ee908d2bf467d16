"""References and money: what is sent was made ready, nothing is made twice, and no input is taken for a result."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import ALWAYS, input_digest, is_input
from prefect_seedance.media import assets
from prefect_seedance.media.assets import require_active
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import PreparationCancelled, UnusableReference
from prefect_seedance.media.identification import identify_sources
from prefect_seedance.media.preparation import PreparedRequest, prepare
from prefect_seedance.pipeline.order import Order, place_order
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.preparation import identify, media_context, prepare_ahead
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.threads import IDENTIFICATIONS, REFERENCES
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from tests.media.test_links import png
from tests.pipeline.harness import RUN, TEMPLATE, account_at, destination_in, record_of

AUDIT_SECONDS = 0.5


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(seconds=600.0, asset_seconds=AUDIT_SECONDS) as simulator:
        yield simulator


@pytest.fixture
def vendor(running: Simulator) -> Simulator:
    running.reset()
    assets._states.clear()
    return running


@pytest.fixture
def account(vendor: Simulator) -> Account:
    return account_at(vendor.url)


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    return destination_in(tmp_path / "store")


@pytest.fixture
def context(account: Account, destination: Destination) -> MediaContext:
    return media_context(account, destination)


def pictures(folder: Path, count: int) -> list[str]:
    paths = [folder / f"{index}.png" for index in range(count)]
    for index, path in enumerate(paths):
        path.write_bytes(png(600 + 8 * index))
    return [str(path) for path in paths]


def ordered(request: VideoRequest, account: Account, destination: Destination) -> Order:
    sources = identify(request, account, destination, Follower())
    return place_order(request, scope=ALWAYS, account="default", key_template=TEMPLATE, sources=sources)


def ready(order: Order, account: Account, destination: Destination) -> PreparedRequest:
    prepared = prepare_ahead(order, account, destination, Follower(), preflight=True, wait_seconds=2700.0)
    assert prepared is not None
    return prepared


# What an answer repeats.

UPLOADED = "https://files.example.com/2026/0f3a91.mp4?sign=1f0c&expires=1795348800"
SIGNED = "https://bucket.s3.eu-central-1.amazonaws.com/vid%C3%A9os/a%20b%28x%29.mp4?versionId=7&X-Amz-Signature=1f0c"
NAMELESS = "https://files.example.com/download?id=7&X-Amz-Signature=1f0c"
COMMON = "https://files.example.com/api/video.mp4?token=MNopQR3456stuVWX7890"


@pytest.mark.parametrize(
    ("sent", "repeated"),
    [
        (UPLOADED, UPLOADED),
        (UPLOADED, "http://FILES.example.com:80/2026/0f3a91.mp4"),
        (UPLOADED, "https://files.example.com./2026/0f3a91%2Emp4?sign=2a1d&w=640#t=1"),
        (SIGNED, "https://bucket.s3.eu-central-1.amazonaws.com/vid%c3%a9os/a%20b(x).mp4"),
        (SIGNED, "https://bucket.s3.eu-central-1.amazonaws.com/vidéos/a b(x).mp4?versionId=7"),
        (SIGNED, "https://bucket.s3.eu-central-1.amazonaws.com/vid%C3%A9os/a+b%28x%29.mp4"),
        (NAMELESS, NAMELESS),
        (NAMELESS, "https://files.example.com/download?id=7"),
        (COMMON, COMMON),
    ],
)
def test_an_input_is_known_however_its_link_comes_back(sent: str, repeated: str) -> None:
    assert is_input(repeated, {}, {input_digest(sent)})


@pytest.mark.parametrize(
    ("sent", "result"),
    [
        (UPLOADED, "https://files.example.com/2026/0f3a92.mp4?sign=1f0c&expires=1795348800"),
        (UPLOADED, "https://files2.example.com/2026/0f3a91.mp4"),
        (NAMELESS, "https://files.example.com/download?id=8"),
        (COMMON, "https://files.example.com/api/video.mp4?token=ABcdEF6789ghiJKL0123"),
        (COMMON, ""),
    ],
)
def test_a_result_on_the_host_of_an_input_is_none(sent: str, result: str) -> None:
    asked = VideoRequest(prompt="A mug", model="seedance2.0-mini-video", reference_videos=[sent])
    identity = place_order(asked, scope=ALWAYS, account="default", key_template=TEMPLATE).identity
    assert not is_input(result, identity.request, {input_digest(sent)})


def test_a_record_knows_the_link_that_an_asset_was_made_of(
    vendor: Simulator, account: Account, destination: Destination, tmp_path: Path
) -> None:
    request = VideoRequest(prompt="A mug", model="sd2_mx_720p", images=pictures(tmp_path, 1))
    for take in ("1", "2"):  # the second time the asset is there already
        order = ordered(request.model_copy(update={"take": take}), account, destination)
        submit(order, account, destination, run=RUN)
        (made,) = vendor.assets()
        assert record_of(destination, order.intent).inputs == {input_digest(made.url)}


# What is sent.


def test_each_claim_sends_what_was_made_ready_for_it_and_in_the_order_of_the_request(
    vendor: Simulator, account: Account, destination: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "ACTIVE_SECONDS", 0.0)  # a minute later
    request = VideoRequest(prompt="@image1 and @image2", model="sd2_mx_720p", images=pictures(tmp_path, 2))
    order = ordered(request, account, destination)
    first = ready(order, account, destination).request.images
    vendor.plan(Fault(fault="rate_limited_http"))

    def lose_the_second_asset() -> None:
        while not vendor.requests().create_received:
            time.sleep(0.01)
        lost = vendor.simulation.assets.find(0, first[1].removeprefix("asset://"))
        assert lost is not None
        vendor.simulation.assets.change(lost, Fault(fault="asset_deleted"))

    with ThreadPoolExecutor(1) as pool:
        losing = pool.submit(lose_the_second_asset)
        submit(order, account, destination, run=RUN)
        losing.result()
    before, after = ([str(each) for each in create["images"]] for create in vendor.creates())  # type: ignore[union-attr]
    assert before == first
    assert after[0] == first[0]
    assert after[1] != first[1]
    assert len(vendor.bills()) == 1


def test_a_link_with_less_than_two_hours_left_is_not_sent(
    vendor: Simulator, account: Account, destination: Destination, tmp_path: Path
) -> None:
    request = VideoRequest(prompt="A mug", model="seedance2.0-mini", resolution="480p", images=pictures(tmp_path, 1))
    order = ordered(request, account, destination)
    ready(order, account, destination)
    (memo,) = (tmp_path / "store" / "journal" / "media").rglob("upload/*.json")
    a_while_ago = time.time() - 69 * 3600
    os.utime(memo, (a_while_ago, a_while_ago))
    later = destination_in(tmp_path / "store")  # a process that remembers nothing
    submit(order, account, later, run=RUN)
    _, fresh = vendor.uploads()
    (create,) = vendor.creates()
    assert fresh.name in str(create["images"])


@pytest.mark.parametrize(("hours", "refused"), [(-1.0, True), (1.0, False), (3.0, None)])
def test_a_link_that_says_when_it_ends_is_held_to_that(
    hours: float, refused: bool | None, context: MediaContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ends = datetime.now(UTC) + timedelta(hours=hours)
    link = f"https://example.com/mug.png?Expires={ends.timestamp():.0f}&Signature=1f0c&AWSAccessKeyId=ABC"
    request = VideoRequest(prompt="A mug", model="seedance2.0-mini", resolution="480p", images=[link])
    if refused:
        with pytest.raises(InvalidRequest, match=r"images\[0\].*ended"):
            prepare(request, {}, context, Follower(), preflight=False)
    else:
        prepare(request, {}, context, Follower(), preflight=False)
        assert ("ends in 60 minutes" in caplog.text) is (refused is False)
    assert "1f0c" not in caplog.text


# What is asked of the vendor.


def test_audits_that_are_waited_for_at_the_same_time_share_their_questions(
    vendor: Simulator, account: Account, context: MediaContext
) -> None:
    with account.client() as client:
        made = client.submit_assets(image_urls=[f"https://example.com/{index}.png" for index in range(30)])
    ids = [each.asset_id for each in made.items]
    vendor.plan(*[Fault(fault="asset_slow", matching=each, after=1.0) for each in ids])
    with ThreadPoolExecutor(30) as pool:
        list(pool.map(lambda each: require_active(["manxue"], each, context, Follower(), place="images[0]"), ids))
    assert vendor.requests().asset_requests["status"] < 60  # each by itself would ask four times or more


def test_an_asset_that_the_vendor_cannot_speak_of_does_not_keep_the_others_waiting(
    vendor: Simulator, account: Account, context: MediaContext
) -> None:
    with account.client() as client:
        made = client.submit_assets(image_urls=["https://example.com/good.png"])
    states = assets.states_of(context)
    vendor.plan(Fault(fault="status_server_error", matching="asset-odd", times=50))
    with states.waiting_for("manxue", "asset-odd"):
        require_active(["manxue"], made.items[0].asset_id, context, Follower(), place="images[0]")


def test_who_waits_for_the_question_of_another_can_be_cancelled(vendor: Simulator, context: MediaContext) -> None:
    cancelled = threading.Event()
    assets.states_of(context)._asked.add(("manxue", "asset-1"))  # as long as the vendor does not answer
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            require_active, ["manxue"], "asset-1", context, Follower(cancelled=cancelled), place="images[0]"
        )
        cancelled.set()
        with pytest.raises(PreparationCancelled):
            waiting.result(timeout=30)


def test_an_asset_of_another_account_is_refused(context: MediaContext) -> None:
    with pytest.raises(UnusableReference, match="belongs to the account"):
        require_active(["manxue"], "asset-of-others", context, Follower(), place="images[0]")


def test_files_are_identified_while_audits_hold_every_other_thread() -> None:
    go_on = threading.Event()
    audits = [REFERENCES.submit(go_on.wait) for _ in range(80)]
    assert IDENTIFICATIONS.submit(lambda: "identified").result(timeout=30) == "identified"
    go_on.set()
    for each in audits:
        each.result()


def test_who_waits_for_longer_than_an_upload_lives_uploads_once(
    vendor: Simulator, context: MediaContext, tmp_path: Path
) -> None:
    request = VideoRequest(prompt="A mug", model="seedance2.0-mini", resolution="480p", images=pictures(tmp_path, 1))
    sources = identify_sources(request, context, Follower())
    for _ in range(3):
        prepare(request, sources, context, Follower(), wait_seconds=100 * 3600.0)
    assert len(vendor.uploads()) == 1
