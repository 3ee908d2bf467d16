"""What is prepared once is not prepared again, unless it has ended or failed; and who asks again is told the same."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.client.errors import InvalidRequest, VideoFailed
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.states import State
from prefect_seedance.media import links
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.watch.watcher import watch
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from prefect_seedance.simulator.limits import media_of
from prefect_seedance.storage.folder.store import FolderStore
from tests.media.workshop import (
    WEBSITE,
    Shop,
    Workshop,
    behind_a_wall,
    content_at,
    picture,
    sha256,
    website,
)
from tests.pipeline.harness import record_of
from tests.storage.clips import make_clip
from tests.storage.media_server import MediaServer
from tests.storage.s3_proxy import S3Proxy
from tests.storage.s3_servers import ACCESS_KEY, SECRET_KEY, S3Server

pytestmark = pytest.mark.timeout(300)

AUDITED, PUBLIC = "sd2_mx_720p", "seedance2.0-std"
ASSET_LIFE, THREE_DAYS = 7200.0, 3 * 24 * 3600.0
MUG = picture("mug")


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(balance=100_000.0, asset_seconds=0.0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.reset()
    return running


@pytest.fixture(scope="module")
def mortal() -> Iterator[Simulator]:
    """A vendor where assets expire, and come back when they are asked for."""
    with running_simulator(asset_seconds=0.0, asset_life_seconds=ASSET_LIFE) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def certified_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServer]:
    with website(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture
def site(certified_site: MediaServer) -> MediaServer:
    links._looks.forget()
    certified_site.files, certified_site.content = {}, MUG
    certified_site.seen.clear()
    return certified_site


@pytest.fixture
def mug(tmp_path: Path) -> Path:
    path = tmp_path / "mug.png"
    path.write_bytes(MUG)
    return path


def asked(model: str = AUDITED, **fields: Any) -> VideoRequest:
    return VideoRequest(prompt=fields.pop("prompt", "A mug turns"), model=model, duration=5, **fields)


def sent(simulator: Simulator, place: str = "images[0]") -> list[str]:
    """What was sent at a place, by all creates."""
    return [dict(media_of(body))[place] for body in simulator.creates()]


def asset_made(workshop: Workshop, address: str, *, by_sp: bool = False) -> str:
    """An asset that the user had made before."""
    with workshop.account.client() as client:
        if by_sp:
            return f"asset://{client.upload_sp_asset('mug', 'image', address).asset_id}"
        asset = client.submit_assets(image_urls=[address]).of(address).asset
    assert asset is not None
    return f"asset://{asset.asset_id}"


def processes(simulator: Simulator, folder: Path, **more: Any) -> tuple[Workshop, Workshop]:
    """Two of them on one store."""
    return tuple(Workshop(simulator, FolderStore(folder / "store"), **more) for _ in range(2))  # type: ignore[return-value]


def all_from_both(both: tuple[Workshop, Workshop], requests: list[VideoRequest]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: both[each[0] % 2].bought(each[1]), enumerate(requests)))


# A hundred videos of one picture


def test_a_hundred_videos_from_two_processes_share_one_upload_and_one_audit(
    simulator: Simulator, mug: Path, tmp_path: Path
) -> None:
    all_from_both(processes(simulator, tmp_path), [asked(images=[str(mug)], take=str(each)) for each in range(100)])
    assert simulator.requests().uploads == {sha256(MUG): 1}
    (asset,) = simulator.assets()
    assert set(sent(simulator)) == {f"asset://{asset.asset_id}"}
    assert sum(bill.accepted for bill in simulator.bills()) == len(sent(simulator)) == 100


def test_a_hundred_videos_share_one_upload_of_an_object_that_the_vendor_cannot_reach(
    simulator: Simulator, moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Shop(moto).put("mug.png", MUG)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto.url.replace("127.0.0.1", "localhost"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    both = processes(simulator, tmp_path, resolver=behind_a_wall)
    all_from_both(both, [asked(PUBLIC, images=[source], prompt=f"A mug turns {each}") for each in range(100)])
    assert simulator.requests().uploads == {sha256(MUG): 1}
    (address,) = set(sent(simulator))
    assert address.startswith(simulator.url)
    assert (len(simulator.bills()), simulator.assets()) == (100, [])


# A request that has its task, or its video


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "attached"])
def test_a_request_that_runs_again_asks_nothing_about_its_references(
    is_stored: bool, simulator: Simulator, moto: S3Server, proxy: S3Proxy, site: MediaServer, mug: Path
) -> None:
    shop = Shop(moto)
    link, bucket = f"https://{WEBSITE}:{site.port}/link.png", shop.put("object.png", picture("object"))
    request = asked(images=[link, bucket, str(mug)])
    settings = moto.settings(endpoint_url=proxy.url)
    first = Workshop(simulator, moto.store_of(settings))
    submitted = first.bought(request)
    if is_stored:
        first.delivered(submitted)
    links._looks.forget()  # as another process, and an hour later
    before, seen, calls = simulator.requests(), len(site.seen), len(proxy.seen)
    assert (len(site.seen) > 0, len(before.uploads), len(before.audits)) == (True, 1, 3)

    again = Workshop(simulator, moto.store_of(settings))
    order = again.order(request)
    assert again.prepare(order) is None
    attached = again.submit(order)
    assert (attached["intent"], attached["task_id"]) == (submitted["intent"], submitted["task_id"])
    assert simulator.requests() == before
    assert len(site.seen) == seen
    of_the_object = [each.call for each in proxy.seen[calls:] if f"/{shop.name}/" in each.path]
    assert set(of_the_object) == {"HeadObject"}
    if is_stored:
        assert again.delivered(attached).task_id == submitted["task_id"]


@pytest.mark.parametrize("same", [True, False], ids=["the same asset", "another"])
def test_a_question_for_an_asset_that_hangs_holds_up_no_other_and_no_cancelled_run(same: bool, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with running_simulator(asset_seconds=0.0) as simulator:  # its end ends the hang
            first, second = processes(simulator, tmp_path)
            texts = [asset_made(first, f"https://example.com/{each}.png") for each in range(2)]
            orders = [first.order(asked(images=[text], prompt=text)) for text in (texts[0], texts[0 if same else 1])]
            simulator.plan(Fault(fault="status_hang_before", matching=texts[0].removeprefix("asset://")))
            hangs = pool.submit(first.prepare, orders[0])
            while not simulator.requests().asset_requests.get("status"):
                time.sleep(0.01)
            if same:
                second.cancelled.set()
                with pytest.raises(PreparationCancelled):
                    second.prepare(orders[1])
            else:
                assert second.prepare(orders[1]) is not None
            assert not hangs.done()
            first.cancelled.set()
        assert hangs.exception() is not None


# What ends before it is used


def age(store: FolderStore, kind: str, seconds: float) -> None:
    """Let the memos of a kind be so much older by the store's clock."""
    for path in Path(store.root, "journal", "media").rglob(f"{kind}/*.json"):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def test_an_asset_that_expires_between_two_runs_leaves_one_record_and_one_intent(
    mortal: Simulator, mug: Path, tmp_path: Path
) -> None:
    mortal.reset()
    first, second = processes(mortal, tmp_path)
    order = first.order(asked(images=[str(mug)]))
    assert first.prepare(order) is not None  # and its process dies
    mortal.elapse(ASSET_LIFE + 1)
    submitted = second.bought(asked(images=[str(mug)]))
    assert submitted["intent"] == order.intent
    video = second.delivered(submitted)
    mortal.elapse(ASSET_LIFE + 1)
    third, _ = processes(mortal, tmp_path)
    before = mortal.requests()
    assert third.bought(asked(images=[str(mug)]))["task_id"] == video.task_id
    assert mortal.requests() == before
    assert len([key for key in third.store.list_keys("journal/") if order.intent in key]) == 1
    assert len([key for key in third.store.list_keys("videos/") if key.endswith(".mp4")]) == 1
    assert [(bill.accepted, bill.refunded) for bill in mortal.bills()] == [(1, 0.0)]


@pytest.mark.parametrize("form", ["made here", "named by the user"])
def test_an_asset_that_expires_right_before_the_claim_is_noticed(
    form: str, mortal: Simulator, mug: Path, tmp_path: Path
) -> None:
    mortal.reset()
    workshop, _ = processes(mortal, tmp_path)
    text = str(mug)
    if form == "named by the user":
        text = asset_made(workshop, "https://example.com/mug.png")
    order = workshop.order(asked(images=[text]))
    assert workshop.prepare(order) is not None
    mortal.elapse(ASSET_LIFE + 1)
    submitted = workshop.submit(order)
    # It was asked for, and has come back: one that was not Active would have failed the video.
    assert workshop.task(submitted["task_id"]).state == "completed"
    assert len(mortal.assets()) == 1


def test_an_asset_that_is_deleted_right_before_the_claim_is_made_anew(
    simulator: Simulator, mug: Path, tmp_path: Path
) -> None:
    workshop, _ = processes(simulator, tmp_path)
    order = workshop.order(asked(images=[str(mug)]))
    workshop.prepare(order)
    simulator.plan(Fault(fault="asset_deleted"))
    submitted = workshop.submit(order)
    old, new = simulator.assets()
    assert (old.status, new.status) == ("Deleted", "Active")
    assert sent(simulator) == [f"asset://{new.asset_id}"]
    assert simulator.requests().uploads == {sha256(MUG): 1}
    assert workshop.task(submitted["task_id"]).state == "completed"


def test_an_upload_whose_link_has_ended_before_the_claim_is_made_anew(
    simulator: Simulator, mug: Path, tmp_path: Path
) -> None:
    first, second = processes(simulator, tmp_path)
    order = first.order(asked(PUBLIC, images=[str(mug)]))
    ready = first.prepare(order)
    assert ready is not None
    simulator.elapse(THREE_DAYS)
    age(first.store, "upload", THREE_DAYS)  # type: ignore[arg-type]
    submitted = second.submit(second.order(asked(PUBLIC, images=[str(mug)])))
    (address,) = sent(simulator)
    assert address != ready.request.images[0]
    assert content_at(address) == sha256(MUG)
    assert simulator.requests().uploads == {sha256(MUG): 2}
    assert second.task(submitted["task_id"]).state == "completed"


# What the vendor could not use


@pytest.mark.parametrize("clock", [0.0, -2.0], ids=["one clock", "a worker whose clock is behind"])
@pytest.mark.parametrize("model", [AUDITED, PUBLIC])
def test_what_a_video_failed_with_is_made_anew_before_its_second_submission_and_once(
    model: str, clock: float, simulator: Simulator, mug: Path, tmp_path: Path
) -> None:
    first, second = processes(simulator, tmp_path)
    # Stores tell ages in whole seconds, and workers have clocks of their own.
    first.destination = replaced_clock(first, clock)
    # The audit reads it as well, and can.
    simulator.plan(Fault(fault="unreadable_reference", skip=1 if model == AUDITED else 0))
    submitted = first.bought(asked(model, images=[str(mug)]), max_submissions=2)
    simulator.elapse(60)
    with pytest.raises(VideoFailed):
        asyncio.run(watch(submitted, first.account, first.destination, limit_seconds=30, max_submissions=2))
    assert record_of(first.destination, submitted["intent"]).attempts[0].failure == "media"

    again = second.bought(asked(model, images=[str(mug)]), max_submissions=2)
    old, new = sent(simulator)
    assert (again["intent"], old == new) == (submitted["intent"], False)
    assert simulator.requests().uploads == {sha256(MUG): 2}
    assert len(simulator.assets()) == (2 if model == AUDITED else 0)
    assert second.delivered(again).submissions == 2
    assert record_of(second.destination, again["intent"]).state is State.STORED
    # Other videos of the picture go on with what is there now.
    second.bought(asked(model, images=[str(mug)], prompt="Another"))
    assert sent(simulator)[-1] == new


def replaced_clock(workshop: Workshop, seconds: float) -> Destination:
    journal = Journal(workshop.store, now=lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    return replace(workshop.destination, journal=journal)


# Who a picture is


def test_one_photo_is_one_video_wherever_it_lies_and_an_edited_one_is_another(
    simulator: Simulator, moto: S3Server, mug: Path, tmp_path: Path
) -> None:
    shop, workshop = Shop(moto), Workshop(simulator, moto.store())
    (tmp_path / "a b").mkdir()
    copy = tmp_path / "a b" / "Tässe.jpeg"
    copy.write_bytes(MUG)
    first = shop.put("mug.png", MUG)
    begun = moto.client.create_multipart_upload(Bucket=shop.name, Key="again.png")["UploadId"]
    part = moto.client.upload_part(Bucket=shop.name, Key="again.png", UploadId=begun, PartNumber=1, Body=MUG)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    moto.client.complete_multipart_upload(Bucket=shop.name, Key="again.png", UploadId=begun, MultipartUpload=parts)
    sources = [str(mug), copy.as_uri(), first, f"s3://{shop.name}/again.png"]

    def intents(texts: list[str]) -> set[str]:
        return {workshop.order(asked(first_image=each)).intent for each in texts}

    known = intents(sources)
    assert len(known) == 1
    mug.write_bytes(picture("mug, retouched"))
    shop.put("mug.png", picture("mug, cropped"))
    assert len(intents([str(mug), first]) - known) == 2
    # A second upload of the same bytes is the same again.
    time.sleep(0.01)
    shop.put("mug.png", MUG)
    assert intents([first]) == known


def test_a_presigned_link_that_was_signed_anew_is_the_same_video(simulator: Simulator, tmp_path: Path) -> None:
    workshop, _ = processes(simulator, tmp_path)
    signed = (
        "https://shop.s3.eu-central-1.amazonaws.com/mug.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK{0}"
    )
    signed += "%2F20261127%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T09000{0}Z&X-Amz-Expires=3600"
    signed += "&X-Amz-SignedHeaders=host&X-Amz-Signature={0}f0c"
    orders = [workshop.order(asked(images=[signed.format(each)])) for each in range(2)]
    assert orders[0].asked != orders[1].asked
    assert orders[0].intent == orders[1].intent


# What is asked without the preflight, and of models that are not known


def test_without_the_preflight_a_public_link_is_not_asked_for(
    simulator: Simulator, site: MediaServer, tmp_path: Path
) -> None:
    workshop, _ = processes(simulator, tmp_path)
    link = f"https://{WEBSITE}:{site.port}/not-a-picture.png"
    site.content = b"nothing that a route takes"
    workshop.bought(asked(PUBLIC, images=[link]), preflight=False)
    assert (site.seen, sent(simulator)) == ([], [link])
    with pytest.raises(InvalidRequest, match=r"images\[0\]"):
        workshop.bought(asked(PUBLIC, images=[link], prompt="Another"))
    assert len(sent(simulator)) == 1


def test_without_the_preflight_what_a_route_needs_is_still_made_and_assets_are_still_asked_for(
    simulator: Simulator, site: MediaServer, tmp_path: Path
) -> None:
    workshop, _ = processes(simulator, tmp_path)
    small = tmp_path / "small.png"
    small.write_bytes(picture("small", 16, 16))
    link = f"https://{WEBSITE}:{site.port}/mug.png"
    workshop.bought(asked(images=[link, str(small)]), preflight=False)
    assert len(site.seen) == 1  # its first bytes, which tell whether an asset is still of this content
    assert {each.status for each in simulator.assets()} == {"Active"}
    assert len(simulator.assets()) == 2
    with pytest.raises(InvalidRequest, match=r"images\[0\].*asset-nobody"):
        workshop.bought(asked(images=["asset://asset-nobody"]), preflight=False)
    assert len(sent(simulator)) == 1


KINDS = ("link", "s3", "path", "asset", "last frame")


@pytest.mark.parametrize(
    ("model", "forms"),
    [
        (AUDITED, {"link": "asset", "s3": "asset", "path": "asset", "asset": "as it is", "last frame": "asset"}),
        (PUBLIC, {"link": "as it is", "s3": "signed", "path": "upload", "asset": "as it is", "last frame": "upload"}),
        (
            "seedance9",
            {"link": "as it is", "s3": "signed", "path": "upload", "asset": "as it is", "last frame": "upload"},
        ),
    ],
    ids=["a known one with assets", "a known one with links", "an unknown one"],
)
def test_another_model_gets_what_its_name_is_known_to_take_and_an_unknown_one_what_is_public(
    model: str,
    forms: dict[str, str],
    simulator: Simulator,
    moto: S3Server,
    site: MediaServer,
    mug: Path,
    tmp_path: Path,
) -> None:
    workshop, shop = Workshop(simulator, moto.store()), Shop(moto)
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.2)
    texts = {
        "link": f"https://{WEBSITE}:{site.port}/mug.png",
        "s3": shop.put("mug.png", picture("in a bucket")),
        "path": str(mug),
        "asset": asset_made(workshop, "https://example.com/mug.png", by_sp=model == PUBLIC),
        "last frame": f"last-frame+{clip}",
    }
    request = VideoRequest(prompt="x", other_model=model, duration=5, images=[texts[each] for each in KINDS])
    ready = workshop.prepare(workshop.order(request))
    assert ready is not None
    for kind, address in zip(KINDS, ready.request.images, strict=True):
        start = {
            "as it is": texts[kind],
            "asset": "asset://",
            "signed": f"{moto.url}/{shop.name}/mug.png?",
            "upload": f"{simulator.url}/",
        }[forms[kind]]
        assert address.startswith(start), kind
