"""What a user has, and what each route of the seed is sent for it: made end to end, and found in the bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.routes import ROUTES, Route
from prefect_seedance.client.request.sources import read_source
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.states import State
from prefect_seedance.media.finding import find_material
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.submit.preparation import media_context
from prefect_seedance.simulator import Simulator, running_simulator
from prefect_seedance.simulator.limits import media_of
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.s3.store import S3Store
from tests.media.workshop import WEBSITE, Shop, Workshop, content_at, film, picture, sha256, sound, website
from tests.pipeline.harness import record_of
from tests.storage.clips import make_clip
from tests.storage.media_server import MediaServer
from tests.storage.s3_servers import S3Server

# All its videos are made for the first of its tests.
pytestmark = pytest.mark.timeout(600)

Form = Literal[
    "as it is", "signed link", "upload", "asset of the link", "asset of a signed link", "asset of an upload", "refused"
]

#: What becomes of what a user has, where a route takes a public link.
LINK: Mapping[str, Form] = {
    "link": "as it is",
    "asset": "refused",
    "s3": "signed link",
    "path": "upload",
    "file": "upload",
    "video": "signed link",
    "poster": "signed link",
    "last frame": "upload",
}
#: Where it takes an asset beside that.
EITHER: Mapping[str, Form] = {**LINK, "asset": "as it is"}
#: Where it takes audited assets only.
AUDITED: Mapping[str, Form] = {
    "link": "asset of the link",
    "asset": "as it is",
    "s3": "asset of a signed link",
    "path": "asset of an upload",
    "file": "asset of an upload",
    "video": "asset of a signed link",
    "poster": "asset of a signed link",
    "last frame": "asset of an upload",
}


class Takes(NamedTuple):
    """What a family takes, by hand from the pages; None for nothing."""

    images: Mapping[str, Form]
    frames: Mapping[str, Form]
    videos: Mapping[str, Form] | None
    audios: Mapping[str, Form] | None


FAMILIES: Mapping[str, Takes] = {
    "manxue": Takes(AUDITED, AUDITED, None, AUDITED),
    "manxue-fast": Takes(AUDITED, AUDITED, None, AUDITED),
    "video-ref": Takes(AUDITED, AUDITED, AUDITED, AUDITED),
    "video-ref-fast": Takes(AUDITED, AUDITED, AUDITED, AUDITED),
    "sp-economy": Takes(LINK, LINK, LINK, EITHER),
    "sp-official": Takes(LINK, LINK, LINK, EITHER),
    "mini": Takes(LINK, LINK, None, LINK),
    "mini-video": Takes(LINK, LINK, LINK, LINK),
    "mini-special": Takes(EITHER, EITHER, EITHER, EITHER),
    "md": Takes(LINK, LINK, LINK, None),
    "md-fast": Takes(LINK, LINK, LINK, None),
    "fast-i2v": Takes(LINK, LINK, None, None),
    "std": Takes(LINK, LINK, LINK, LINK),
}

#: What a user may have, in the order in which it is put into requests.
PICTURES = ("link", "s3", "path", "asset", "file", "poster", "last frame")
VIDEOS = ("link", "s3", "path", "asset", "file", "video")
SOUNDS = ("link", "s3", "path", "asset", "file")


def test_the_table_of_this_test_names_every_family_of_the_seed() -> None:
    assert list(FAMILIES) == list(dict.fromkeys(route.family for route in ROUTES.values()))


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(balance=100_000.0, asset_seconds=0.2) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServer]:
    with website(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clip") / "a.mp4", seconds=2.0, width=1280).read_bytes()


@dataclass(frozen=True)
class Given:
    """What a user has.

    Attributes:
        text: As it is written.
        form: What is expected to become of it.
        content: SHA-256 of its bytes; of an asset "".
    """

    text: str
    form: Form
    content: str


@dataclass(frozen=True)
class Shelf:
    """Everything that a user of one family may have."""

    family: str
    workshop: Workshop
    site: MediaServer
    shop: Shop
    folder: Path
    clip: bytes
    stored: StoredVideo

    def given(self, field: str, source: str, forms: Mapping[str, Form]) -> Given:
        mark = f"{self.family} {field} {source}"
        name = mark.replace(" ", "-")
        if source == "asset":
            return Given(self.asset(field, name), forms[source], "")
        if source in ("video", "poster", "last frame"):
            texts = {
                "video": self.stored.video_source,
                "poster": self.stored.poster_source,
                "last frame": self.stored.last_frame_source,
            }
            context = media_context(self.workshop.account, self.workshop.destination)
            found = find_material(read_source(texts[source]), context, self.workshop.follower)
            return Given(texts[source], forms[source], found.sha256)
        content, suffix = {
            "images": (picture(mark), "png"),
            "first_image": (picture(mark), "png"),
            "last_image": (picture(mark), "png"),
            "reference_videos": (film(self.clip, mark), "mp4"),
            "reference_audios": (sound(mark), "wav"),
        }[field]
        path = self.folder / f"{name}.{suffix}"
        match source:
            case "link":
                self.site.files[f"/{path.name}"] = content
                text = f"https://{WEBSITE}:{self.site.port}/{path.name}"
            case "s3":
                text = self.shop.put(path.name, content)
            case _:
                path.write_bytes(content)
                text = path.as_uri() if source == "file" else str(path)
        return Given(text, forms[source], sha256(content))

    def asset(self, field: str, name: str) -> str:
        """One that the user had made before, with the client."""
        kind = {"reference_videos": "video", "reference_audios": "audio"}.get(field, "image")
        address = f"https://example.com/{name}"
        with self.workshop.account.client() as client:
            if self.family in ("manxue", "manxue-fast", "video-ref", "video-ref-fast"):
                asset = client.submit_assets(**{f"{kind}_urls": [address]}).of(address).asset
                assert asset is not None
                return f"asset://{asset.asset_id}"
            return f"asset://{client.upload_sp_asset(name, kind, address).asset_id}"  # type: ignore[arg-type]


def in_groups(sources: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(sources[start : start + size]) for start in range(0, len(sources), size)]


def requests_of(route: Route, shelf: Shelf) -> tuple[list[VideoRequest], dict[str, Given]]:
    """Requests that have every field of the family from every source, and what they were made of, by text."""
    takes, givens = FAMILIES[route.family], dict[str, Given]()

    def given(field: str, source: str) -> str:
        forms = {"images": takes.images, "reference_videos": takes.videos, "reference_audios": takes.audios}
        found = shelf.given(field, source, forms.get(field, takes.frames) or {})
        givens[found.text] = found
        return found.text

    def sources(forms: Mapping[str, Form] | None, of: tuple[str, ...], at_once: int) -> list[tuple[str, ...]]:
        return in_groups([each for each in of if forms and forms[each] != "refused"], at_once)

    made: list[VideoRequest] = []

    def add(**fields: Any) -> None:
        made.append(
            VideoRequest(
                prompt=f"{route.family} {len(made)}",
                model=route.model,
                duration=route.duration.default,
                **fields,
            )
        )

    for images, videos, audios in zip_longest(
        sources(takes.images, PICTURES, 4),
        sources(takes.videos, VIDEOS, 3),
        sources(takes.audios, SOUNDS, 3),
        fillvalue=(),
    ):
        add(
            images=[given("images", each) for each in images],
            reference_videos=[given("reference_videos", each) for each in videos],
            reference_audios=[given("reference_audios", each) for each in audios],
        )
    # Each source is once a first frame or a last one; which of them changes with the family.
    (pictures,) = sources(takes.frames, PICTURES, len(PICTURES))
    turn = list(FAMILIES).index(route.family) % 2
    pictures = pictures[turn:] + pictures[:turn]
    for pair in in_groups(pictures + pictures[: len(pictures) % 2], 2):
        add(**{field: given(field, each) for field, each in zip(("first_image", "last_image"), pair, strict=True)})
    return made, givens


@dataclass(frozen=True)
class Made:
    """All videos of all families, made one after the other in one store and at one vendor.

    Attributes:
        requests: What was asked, by family.
        givens: What each reference was, by family and text.
        had: How many assets the user had made.
        videos: What came of each request, by its prompt.
    """

    simulator: Simulator
    workshop: Workshop
    store: S3Store
    requests: Mapping[str, list[VideoRequest]]
    givens: Mapping[tuple[str, str], Given]
    had: int
    videos: Mapping[str, StoredVideo]

    def sent(self, request: VideoRequest) -> dict[str, str]:
        """What was sent for a request, by its places."""
        (body,) = (body for body in self.simulator.creates() if body["prompt"] == request.prompt)
        return dict(media_of(body))


@pytest.fixture(scope="module")
def made(
    simulator: Simulator, site: MediaServer, moto: S3Server, clip: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    store, folder, shop = moto.store(), tmp_path_factory.mktemp("given"), Shop(moto)
    workshop = Workshop(simulator, store)
    routes = {family: next(each for each in ROUTES.values() if each.family == family) for family in FAMILIES}
    alone = VideoRequest(prompt="An earlier video", duration=5)
    (earlier,) = workshop.all_delivered(workshop.all_bought([alone]))
    asked, givens = dict[str, list[VideoRequest]](), dict[tuple[str, str], Given]()
    for family, route in routes.items():
        asked[family], given = requests_of(route, Shelf(family, workshop, site, shop, folder, clip, earlier))
        givens |= {(family, text): each for text, each in given.items()}
    had = len(simulator.assets())
    requests = [each for of_family in asked.values() for each in of_family]
    videos = workshop.all_delivered(workshop.all_bought(requests))
    by_prompt = {each.prompt: video for each, video in zip(requests, videos, strict=True)}
    return Made(simulator, workshop, store, asked, givens, had, by_prompt)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_sent_what_it_takes_whatever_the_user_has(family: str, made: Made, moto: S3Server) -> None:
    assets = {f"asset://{each.asset_id}": each for each in made.simulator.assets()}
    for request in made.requests[family]:
        sent = made.sent(request)
        assert sent.keys() == {place for place, _ in request.references()}
        for place, text in request.references():
            check_form(made.givens[family, text], sent[place], assets, made.simulator, moto)


def test_each_content_is_uploaded_once_and_audited_once(made: Made) -> None:
    givens = made.givens.values()
    uploads = {each.content for each in givens if "upload" in each.form}
    assert made.simulator.requests().uploads == dict.fromkeys(uploads, 1)
    audited = {each.content for each in givens if each.form.startswith("asset of")}
    assert len(made.simulator.assets()) - made.had == len(audited)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_video_is_paid_for_once_and_lies_in_the_bucket(family: str, made: Made, moto: S3Server) -> None:
    # An asset that was not Active at the POST would have failed its video, as the vendor does, and be refunded.
    prompts = [each.prompt for each in made.requests[family]]
    bills = [bill for bill in made.simulator.bills() if bill.body["prompt"] in prompts]
    assert [(bill.accepted, bill.refunded) for bill in bills] == [(1, 0.0)] * len(prompts)
    for prompt in prompts:
        video = made.videos[prompt]
        record = record_of(made.workshop.destination, video.intent)
        assert (record.state, len(record.attempts)) == (State.STORED, 1)
        key = video.uri.removeprefix(f"s3://{made.store.settings.bucket}/")
        blob = moto.client.get_object(Bucket=made.store.settings.bucket, Key=key)
        assert sha256(blob["Body"].read()) == video.sha256


def test_what_was_made_for_a_request_stands_nowhere_in_the_store_but_in_the_memos(made: Made, moto: S3Server) -> None:
    prepared = set[str]()
    for request in (each for of_family in made.requests.values() for each in of_family):
        sent = made.sent(request)
        for address in (sent[place] for place, text in request.references() if sent[place] != text):
            prepared.add(json.dumps(address.removeprefix("asset://"))[1:-1])
            if address.startswith(made.simulator.url):
                prepared.add(address.rpartition("/")[2])
    assert not [line for line in made.workshop.lines if "X-Amz-Signature" in line or made.simulator.url in line]
    settings, records = made.store.settings, 0
    for page in moto.client.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket, Prefix=settings.prefix):
        for key in (each["Key"] for each in page["Contents"] if "/journal/media/" not in each["Key"]):
            if key.endswith((".mp4", ".jpg")):  # their bytes are the vendor's, and made from them
                continue
            text = moto.client.get_object(Bucket=settings.bucket, Key=key)["Body"].read().decode()
            assert "X-Amz-Signature" not in text, key
            assert not [each for each in prepared if each in text], key
            records += 1
    assert records >= 2 * len(made.videos)  # a record and a provenance each


def check_form(given: Given, sent: str, assets: Mapping[str, Any], simulator: Simulator, moto: S3Server) -> None:
    """A reference was sent in the form that is expected, and leads to the user's own bytes."""
    public = sent
    if given.form.startswith("asset of"):
        asset = assets[sent]
        assert (asset.library, asset.status) == ("manxue", "Active")
        public = asset.url
    match given.form:
        case "as it is" | "asset of the link":
            assert public == given.text
        case "signed link" | "asset of a signed link":
            assert public.startswith(f"{moto.url}/")
            assert "X-Amz-Signature=" in public
        case "upload" | "asset of an upload":
            assert public.startswith(f"{simulator.url}/")
        case _:
            pytest.fail(f"{given.text} was sent as {sent}")
    if public.startswith("asset://"):
        assert assets[public].status == "Active"
    else:
        assert content_at(public) == given.content


@pytest.mark.parametrize(
    ("family", "field"),
    [
        (family, field)
        for family, takes in FAMILIES.items()
        for field, forms in zip(("images", "first_image", "reference_videos", "reference_audios"), takes, strict=True)
        if forms and forms["asset"] == "refused"
    ],
)
def test_an_asset_is_refused_for_free_where_a_family_takes_none(
    family: str, field: str, simulator: Simulator, tmp_path: Path
) -> None:
    route = next(each for each in ROUTES.values() if each.family == family)
    value: Any = "asset://asset-1" if field == "first_image" else ["asset://asset-1"]
    fields = {field: value}
    if field == "first_image":
        fields["last_image"] = f"https://{WEBSITE}/b.png"
    if field == "reference_audios":
        fields["images"] = [f"https://{WEBSITE}/b.png"]
    request = VideoRequest(prompt="an asset of nobody", model=route.model, duration=route.duration.default, **fields)
    workshop = Workshop(simulator, FolderStore(tmp_path / "store"))
    with pytest.raises(InvalidRequest) as refused:
        workshop.submit(workshop.order(request), preflight=False)
    assert field in str(refused.value)
    assert "an asset of nobody" not in {body["prompt"] for body in simulator.creates()}
