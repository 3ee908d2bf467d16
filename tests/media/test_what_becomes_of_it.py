"""The README's table of references tells what happens: each row is prepared for each kind of route, and watched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.references import require_valid
from prefect_seedance.client.request.routes import ROUTES
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.settings import ClientSettings
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.identification import identify_sources
from prefect_seedance.media.preparation import prepare
from prefect_seedance.pipeline.parties import Account
from prefect_seedance.simulator import Simulator, running_simulator
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.storage.clips import make_clip
from tests.storage.s3_servers import S3Server

README = (Path(__file__).parents[2] / "docs" / "how-to" / "references.md").read_text(encoding="utf-8")
SECTION = README.split("\n## ", 1)[0]
ROWS = [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*\|$", SECTION, re.MULTILINE)][2:]
MODELS = {1: "seedance2.0-std", 2: "sd2_mx_720p"}

#: What the README says, what that means at the vendor: the beginning of what is sent, uploads, audits.
MEANINGS = {
    "sent as it is": ("https://cups.invalid/mug.png", 0, 0),
    "audited": ("asset://", 0, 1),
    "a signed link where the internet can reach the bucket, else uploaded": ("http://127.0.0.1", 0, 0),
    "the same, then audited": ("asset://", 0, 1),
    "uploaded": ("http://127.0.0.1", 1, 0),
    "the last frame as a PNG, uploaded": ("http://127.0.0.1", 1, 0),
    "uploaded, then audited": ("asset://", 1, 1),
    "its state is asked": ("asset://", 0, 0),
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=0.2, asset_seconds=0.1) as vendor:
        yield vendor


def sources_of(cell: str, folder: Path, bucket: str) -> list[str]:
    """The texts of a row, each with a place of this test instead of the one that is only an example."""
    places = {"https://...": "https://cups.invalid/mug.png", "s3://bucket": f"s3://{bucket}", "./": f"{folder}/"}
    places |= {"file:///folder": folder.as_uri(), "/folder": str(folder)}
    wanted = "|".join(map(re.escape, places))
    return [re.sub(wanted, lambda found: places[found[0]], text, count=1) for text in re.findall("`([^`]+)`", cell)]


@pytest.mark.parametrize("column", MODELS)
@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_the_readme_says_becomes_of_a_reference_does(
    row: list[str], column: int, simulator: Simulator, moto: S3Server, tmp_path: Path
) -> None:
    bucket = f"shop-{uuid4().hex[:12]}"
    moto.client.create_bucket(Bucket=bucket)
    Image.new("RGB", (640, 640)).save(tmp_path / "mug.png")
    make_clip(tmp_path / "clip.mp4")
    for name, key in {"mug.png": "key", "clip.mp4": "clip.mp4"}.items():
        moto.client.put_object(Bucket=bucket, Key=key, Body=(tmp_path / name).read_bytes())
    account = Account(ClientSettings(simulator.key, simulator.url))
    for text in sources_of(row[0], tmp_path, bucket):
        simulator.reset()
        if text.startswith("asset:"):
            with account.client() as client:
                (asset,) = client.submit_assets(image_urls=["https://cups.invalid/mug.png"]).items
            text = asset.reference
        request = VideoRequest(prompt="A mug", model="sd2_mx_720p", images=[text])
        request = request.model_copy(update={"model": MODELS[column]})
        context = MediaContext(account, moto.store(), MediaPolicy(allow_loopback=True))
        sources = identify_sources(request, context, Follower())
        before = simulator.requests()
        if row[column].startswith("refused"):
            with pytest.raises(InvalidRequest):
                require_valid(request)
            continue
        sent, uploads, audits = MEANINGS[row[column]]
        (address,) = prepare(request, sources, context, Follower(), preflight=False).request.images
        after = simulator.requests()
        assert address.startswith(sent)
        assert (len(after.uploads), len(after.audits) - len(before.audits)) == (uploads, audits)
        assert bool(after.statuses) == address.startswith("asset:")


def test_the_routes_that_take_assets_only_are_the_ones_that_it_names() -> None:
    named = re.search(r"Only assets are taken by (.*?)\.", SECTION, re.DOTALL)
    assert named is not None
    only = {route.title for route in ROUTES.values() if route.urls.of("images[0]").forms == ("asset",)}
    assert {*re.split(r",\s+|\s+and\s+", named[1])} == {title.replace("(Full)", "").strip() for title in only}
