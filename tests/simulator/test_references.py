"""What the vendor finds at the references of a create: it reads this machine's, and bills what it cannot use."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance.client.failures import classify_failure
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from prefect_seedance.simulator.assets import addresses
from tests.ports import refusing_port
from tests.simulator.places import Places, running_places
from tests.simulator.test_assets import SEEDANCE, ask, statuses
from tests.simulator.vendor import Vendor, data_of, request_body
from tests.storage.media_server import serving
from tests.storage.relay.test_transport import certificate  # noqa: F401  # a fixture

MANXUE, SP = "sd2_mx_720p", "seedance2.0-sp"


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    with running_places() as places:
        yield places


def ended(vendor: Vendor, task_id: str) -> dict[str, object]:
    """Ask until the task has ended: what stands at addresses is read after the create was answered."""
    while (data := data_of(vendor.query(task_id)))["status"] == "processing":
        time.sleep(0.01)
    return data


def failure(vendor: Vendor, **changes: object) -> str:
    """Create a task, which is billed, and return why it failed; "" if it did not."""
    return str(ended(vendor, vendor.made(**changes)).get("error_message", ""))


def audited(vendor: Vendor, url: str, kind: str = "image") -> str:
    return str(ask(vendor, "/assets/audit", {f"{kind}_urls": [url]})["items"][0]["asset_id"])


def in_sp(vendor: Vendor, url: str, path: str = "/sp/assets/upload") -> str:
    return str(ask(vendor, path, {"name": "hat", "type": "image", "url": url})["asset_id"])


#: path -> what the failure says after the input's name
UNREADABLE = {
    "404": "image url returned 404",
    "403": "image url returned 403",
    "500": "image url returned 500",
    "login": "s3 upload failed: unsupported content type text/html",
    "login.png": "s3 upload failed: unsupported content type text/html",
    "empty.png": "s3 upload failed: empty file",
    "reset": "s3 upload failed: connection reset by peer",
    "cut": "s3 upload failed: connection reset by peer",
    "garbage": "s3 upload failed: malformed HTTP response",
    "elsewhere?https://example.com/a.png": "s3 upload failed: redirect to another host",
    "elsewhere?http://169.254.169.254/": "s3 upload failed: redirect to another host",
    "elsewhere?elsewhere?elsewhere?elsewhere?elsewhere?a.png": "s3 upload failed: too many redirects",
}


@pytest.mark.parametrize("path", UNREADABLE)
def test_a_reference_that_cannot_be_read_is_billed_and_fails_by_its_index(
    simulator: Simulator, vendor: Vendor, places: Places, path: str
) -> None:
    said = failure(vendor, images=[places.at("good.png"), places.at(path)])
    assert said == f"invalid image_urls[1]: {UNREADABLE[path]}" and classify_failure(said) == "media"
    (bill,) = simulator.bills()
    assert bill.accepted == 1 and bill.refunded == bill.cost > 0


def test_a_place_without_a_server_fails_as_well(vendor: Vendor) -> None:
    said = failure(vendor, first_image=f"http://127.0.0.1:{refusing_port()}/a.png")
    assert said == "invalid first_image: s3 upload failed: connection refused"


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999/a.png", "http://localhost:x/a.png"])
def test_an_address_that_is_none_fails_as_well(vendor: Vendor, address: str) -> None:
    assert failure(vendor, images=[address]) == "invalid image_urls[0]: s3 upload failed: invalid url"


def test_a_server_of_this_machine_may_have_a_certificate_of_its_own(
    vendor: Vendor,
    certificate: Path,  # noqa: F811
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serving(b"video", tls=tls) as server:
        address = f"https://127.0.0.1:{server.port}/a.mp4"
        assert failure(vendor, reference_videos=[address]) == ""
        assert [seen.path for seen in server.seen] == ["/a.mp4"]
        assert failure(vendor, reference_videos=[address.replace("https", "http")]).startswith(
            "invalid video_reference[0]: s3 upload failed: "
        )


def test_stopping_ends_what_is_being_read() -> None:
    before = set(threading.enumerate())
    with running_places() as places:
        with running_simulator() as simulator, Vendor(simulator.url, simulator.key) as vendor:
            vendor.made(images=[places.at("slow")])
            audited(vendor, places.at("slow"))
            while len(places.seen) < 2:
                time.sleep(0.01)
            reading = set(threading.enumerate()) - before
        assert not [thread for thread in reading & set(threading.enumerate()) if thread.name == "seedance-simulator"]


def test_a_place_that_takes_too_long_is_left(vendor: Vendor, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LOOK_SECONDS", 1.0)
    said = failure(vendor, images=[places.at("slow"), places.at("drip")])
    assert said == "invalid image_urls[0]: Read timed out"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_can_be_read_is_read_no_further_than_its_begin(vendor: Vendor, places: Places, host: str) -> None:
    places.seen.clear()
    good = places.at("elsewhere?good.png", host)
    assert failure(vendor, images=[good], reference_videos=[places.at("clip.mp4")]) == ""
    assert {path for path, _ in places.seen} == {"/elsewhere?good.png", "/good.png", "/clip.mp4"}
    assert {asked for _, asked in places.seen} == {"bytes=0-65535"}


def test_the_create_does_not_wait_for_what_is_read(simulator: Simulator, vendor: Vendor, places: Places) -> None:
    task_id = vendor.made(images=[places.at("slow")])
    # A video takes no time here, so only the reading is left.
    assert data_of(vendor.query(task_id))["status"] == "processing"
    vendor.post("/_simulator/reset")
    assert vendor.query(task_id).json()["code"] == 20002


def test_all_other_addresses_count_as_readable(vendor: Vendor) -> None:
    images = ["https://example.com/404.png", "https://10.0.0.1/a.png", "https://127.0.0.2/a.png"]
    assert failure(vendor, images=images) == ""


def test_a_fault_makes_any_address_unreadable_or_unfit(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(
        Fault(fault="unreadable_reference", matching="b.png"),
        Fault(fault="unfit_reference", matching=".mp4"),
        Fault(fault="unreadable_reference", matching="asset://", message="image url returned 404"),
    )
    images = ["https://example.com/a.png", "https://example.com/b.png"]
    assert failure(vendor, images=images).startswith("invalid image_urls[1]: s3 upload failed: read tcp")
    assert failure(vendor, reference_videos=["https://example.com/a.mp4"]) == "video_reference[0]: DURATION_TOO_LONG"
    assert failure(vendor, model=MANXUE, images=["asset://a"]) == "invalid image_urls[0]: image url returned 404"
    assert failure(vendor, images=images) == "" and simulator.faults() == []


def unusable(simulator: Simulator, vendor: Vendor, other: Vendor) -> dict[str, tuple[str, str]]:
    """Ids of assets that cannot be used by the account, with the model that they are sent to and the reason."""
    found = {
        "invented": (MANXUE, "asset-0", "not found"),
        "of the SP library": (MANXUE, in_sp(vendor, "https://example.com/a.png"), "of the sp library"),
        "of Manxue": (SP, audited(vendor, "https://example.com/a.png"), "of the manxue library"),
        "another account's": (MANXUE, audited(other, "https://example.com/b.png"), "not found"),
        "rejected": (MANXUE, audited(vendor, "https://example.com/reject.png"), "is Rejected, not Active"),
    }
    simulator.elapse(1000)
    found["pending"] = (MANXUE, audited(vendor, "https://example.com/c.png"), "is Pending, not Active")
    return {name: (model, f"{asset_id} {reason}") for name, (model, asset_id, reason) in found.items()}


def test_an_unusable_asset_is_billed_and_fails_at_its_end() -> None:
    with (
        running_simulator(seconds=0, asset_seconds=1000, other_keys=["sk_other"]) as simulator,
        Vendor(simulator.url, simulator.key) as vendor,
        Vendor(simulator.url, "sk_other") as other,
    ):
        for name, (model, text) in unusable(simulator, vendor, other).items():
            asset_id, _, reason = text.partition(" ")
            said = failure(vendor, model=model, prompt=name, images=[f"asset://{asset_id}"])
            assert said.startswith(f"invalid image_urls[0]: s3 upload failed: asset {asset_id} "), name
            assert reason in said and classify_failure(said) == "media", name
        assert all(bill.accepted == 1 and bill.refunded == bill.cost for bill in simulator.bills())
        assert len(simulator.bills()) == 6


def test_an_unusable_asset_is_refused_by_a_strict_vendor() -> None:
    with (
        running_simulator(
            seconds=0, asset_seconds=1000, other_keys=["sk_other"], unusable_assets="refused"
        ) as simulator,
        Vendor(simulator.url, simulator.key) as vendor,
        Vendor(simulator.url, "sk_other") as other,
    ):
        for name, (model, text) in unusable(simulator, vendor, other).items():
            asset_id, _, reason = text.partition(" ")
            answer = vendor.create(model=model, first_image=f"asset://{asset_id}").json()
            assert answer["code"] == 20002 and answer["data"] is None, name
            assert answer["msg"].startswith(f"first_image: asset {asset_id} ") and reason in answer["msg"], name
        assert simulator.bills() == []


def test_each_library_serves_the_routes_that_it_is_for(simulator: Simulator, vendor: Vendor) -> None:
    url = "https://example.com/a.png"
    manxue, library = audited(vendor, url), in_sp(vendor, url)
    person = in_sp(vendor, url, "/sp/realperson/submit")
    simulator.elapse(1000)
    assert failure(vendor, model=MANXUE, images=[f"asset://{manxue}"]) == ""
    assert failure(vendor, model=SP, images=[f"asset://{library}", f"asset://{person}"]) == ""
    # No page says whose assets this route takes, if any.
    assert failure(vendor, model="seedance2.0-mini-sp", images=[f"asset://{manxue}", f"asset://{library}"]) == ""


def test_an_accounts_assets_are_its_own() -> None:
    with (
        running_simulator(asset_seconds=0, other_keys=["sk_other"]) as simulator,
        Vendor(simulator.url, simulator.key) as vendor,
        Vendor(simulator.url, "sk_other") as other,
    ):
        ours, theirs = (audited(each, "https://example.com/a.png") for each in (vendor, other))
        assert ours != theirs
        assert statuses(vendor, "/assets/status", [ours, theirs]) == ["Active"]
        assert statuses(other, "/assets/status", [ours, theirs]) == ["Active"]
        assert [asset.account for asset in simulator.assets()] == [0, 1]
        assert "sk_" not in vendor.get("/_simulator/assets").text


def test_creates_are_listed_as_they_arrived_refused_ones_too(simulator: Simulator, vendor: Vendor) -> None:
    sent = [request_body(images=["https://example.com/a.png"]), request_body(images=["asset://a"])]
    assert [vendor.create(body).json()["code"] for body in sent] == [20000, 20002]
    assert simulator.creates() == vendor.control("creates") == sent


@pytest.mark.parametrize("path", ["404", "login"])
def test_the_audit_reads_addresses_too(simulator: Simulator, vendor: Vendor, places: Places, path: str) -> None:
    asset_id, good = audited(vendor, places.at(path)), audited(vendor, places.at("good.png"))
    simulator.elapse(1000)
    while "Pending" in statuses(vendor, "/assets/status", [asset_id, good]):
        time.sleep(0.01)
    items = ask(vendor, "/assets/status", {"asset_ids": [asset_id, good]})["items"]
    assert items[0]["status"] == "Rejected" and items[1]["status"] == "Active"
    assert items[0]["reason"] and "reason" not in items[1]


def test_addresses_reach_nobody_else(simulator: Simulator, vendor: Vendor, places: Places) -> None:
    """Names that only look like this machine's are not looked up, let alone connected to."""
    port = places.server_address[1]
    places.seen.clear()
    for host in (f"127.0.0.1.nip.io:{port}", f"localhost.:{port}", f"127.1:{port}", f"0.0.0.0:{port}"):
        assert failure(vendor, images=[f"https://{host}/a.png"]) == ""
    assert vendor.post(f"{SEEDANCE}/assets/audit", json={"image_urls": [f"http://0.0.0.0:{port}/a"]}).json()["data"]
    # A name in front of the host is no host, and is not sent along.
    assert failure(vendor, images=[f"http://example.com@127.0.0.1:{port}/a.png"]) == ""
    assert [path for path, _ in places.seen] == ["/a.png"]
