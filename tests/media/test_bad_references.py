"""What people and hosts hand in that cannot become a video: refused for free, by name, and nothing is left behind.

Each case goes the way of production: checked, identified, placed, prepared, submitted.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import socket
import ssl
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image
from pydantic import ValidationError

from prefect_seedance.client.errors import InvalidRequest, SeedanceError
from prefect_seedance.client.request.references import require_valid
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.request.words.titles import titled
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.journal.journal import Journal
from prefect_seedance.media import assets, links
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.preparation import follower_of, identify, prepare_ahead
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.pipeline.counter import Counter, Made, counted, envelope
from tests.pipeline.harness import RUN, TEMPLATE, Followed, account_at, destination_in
from tests.storage import media_server
from tests.storage.certificates import write_certificate
from tests.storage.clips import make_clip
from tests.storage.hostile_clips import grey_frame, h264_entry, movie, sized
from tests.storage.s3_servers import S3Server

STD, MANXUE, MANXUE_VIDEO, BOTH = "seedance2.0-std", "sd2_mx_720p", "sd2_mx_video_720p", "seedance2.0-mini-sp"
KEY = "sk_paper-boat-1914"
SIGNATURE = "abcdef0123456789abcdef0123456789"
PASSWORD = "hunter2-correct-horse"
#: What nothing may show, wherever it came from.
SECRETS = (KEY, SIGNATURE, PASSWORD)
AUDIT, STATUS, UPLOAD = (
    f"/api/open-api/v1/{path}" for path in ("seedance/assets/audit", "seedance/assets/status", "files/upload")
)
HOSTILE = f"no \x1b[31m face\x00 {KEY} https://cdn.example.com/a.png?X-Amz-Signature={SIGNATURE} " + "A" * 200 + "."


def picture(form: str, size: tuple[int, int] = (800, 800), mode: str = "RGB", **options: Any) -> bytes:
    output = io.BytesIO()
    Image.new(mode, size).save(output, form, **options)
    return output.getvalue()


PNG = picture("PNG")


def places(problems: list[str]) -> list[str]:
    """Return which entry each problem is of, such as ``images[0]``."""
    return [problem.partition("(")[2].partition(")")[0] for problem in problems]


@dataclass
class Tried:
    """What became of a request."""

    error: Exception | None
    followed: Followed
    bills: int
    folder: Path

    @property
    def problems(self) -> list[str]:
        """What is wrong, as a person reads it."""
        if isinstance(self.error, InvalidRequest):
            return [str(problem) for problem in self.error.problems]
        if isinstance(self.error, ValidationError):
            return [error["msg"] for error in self.error.errors()]
        return []

    def refusal(self, *words: str, bills: int = 0) -> str:
        """The only problem, which holds these words; nothing was paid, and nothing leaks."""
        assert self.problems, self.error
        (problem,) = self.problems
        for word in words:
            assert word in problem, problem
        self.is_clean()
        assert self.bills == bills
        return problem

    def is_clean(self) -> None:
        """Nothing that is shown or kept has a secret in it, and each sentence reads as one."""
        shown = [str(self.error), repr(self.error), *self.followed.lines]
        shown += [repr(event) for event in self.followed.events]
        records = [path.read_text() for path in self.folder.rglob("*.json") if "/upload" not in path.as_posix()]
        for text in [*shown, *records]:
            assert not [secret for secret in SECRETS if secret in text], text
        for problem in [*self.problems, *self.followed.lines]:
            reads_well(problem)


def reads_well(problem: str) -> None:
    assert problem.isprintable(), ascii(problem)
    assert not re.search(r"[A-Za-z]\.\.( |$)|\w\. \.|: :|  |\bNone\b", problem), problem
    assert not re.search(r"\b([A-Za-z]{2,}) \1\b", problem, re.IGNORECASE), f"a word stands twice: {problem}"
    for name in re.findall(r"'[^']{12,}'", problem):
        assert problem.count(name) == 1, f"a name stands twice: {problem}"
    assert len(problem) < 2500


class Bench:
    """A vendor, and a store of its own for each try."""

    def __init__(self, simulator: Simulator, counter: Counter, folder: Path) -> None:
        self.simulator, self.counter, self.folder = simulator, counter, folder
        self.where: Destination | None = None

    def destination(self) -> Destination:
        self.place = self.folder
        if self.where is not None:
            return self.where
        self.place = self.folder / f"store {os.urandom(4).hex()}"
        return replace(destination_in(self.place), media=MediaPolicy(resolver=resolver))

    def tried(
        self, *sources: str, model: str = STD, place: str = "images", preflight: bool = True, **fields: Any
    ) -> Tried:
        given = {place: sources[0] if place.endswith("_image") else [*sources]}
        destination, followed = self.destination(), Followed()
        error: Exception | None = None
        try:
            self._way(
                VideoRequest(prompt="A boat", model=model, duration=5, **given, **fields),
                destination,
                followed,
                preflight,
            )
        except Exception as raised:
            error = raised
        return Tried(error, followed, len(self.simulator.bills()), self.place)

    def _way(self, request: VideoRequest, destination: Destination, followed: Followed, preflight: bool) -> None:
        account, observer, cancelled = account_at(self.counter.url, KEY), followed.observer, threading.Event()
        follower = follower_of(observer, cancelled)
        require_valid(request)
        sources = identify(request, account, destination, follower, preflight=preflight)
        order = place_order(request, scope=ALWAYS, account="default", key_template=TEMPLATE, sources=sources)
        prepare_ahead(order, account, destination, follower, preflight=preflight, wait_seconds=60)
        submit(order, account, destination, run=RUN, observer=observer, cancelled=cancelled, preflight=preflight)


HOSTS = {
    "media.example.com": "127.0.0.1",
    "metadata.example.com": "169.254.169.254",
    "ten.example.com": "10.0.0.7",
    "six.example.com": "fd00::1",
    "mapped.example.com": "::ffff:192.168.0.1",
}


def resolver(host: str, port: int) -> list[str]:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return [HOSTS[host]] if host in HOSTS else ["203.0.114.9"]
    return [host]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=600, key=KEY, asset_seconds=0.1) as running:
        yield running


@pytest.fixture
def bench(simulator: Simulator, tmp_path: Path) -> Iterator[Bench]:
    simulator.reset()
    links._looks.forget()
    assets._states.clear()
    with counted(simulator.url) as counter:
        yield Bench(simulator, counter, tmp_path)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_behind(simulator: Simulator) -> Iterator[None]:
    yield
    workers = [thread for thread in threading.enumerate() if thread.name in ("memo-lease", "parallel-reads")]
    for worker in workers:
        worker.join(10)
    assert not [worker for worker in workers if worker.is_alive()]
    files = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if is_open(number)]
    assert not [name for name in files if name.endswith((".png", ".mp4", ".mov", ".tiff", ".jpg"))]


def is_open(number: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{number}")


# --- Files ---


def zipped() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("a", "b")
    return output.getvalue()


SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'></svg>"
EXIF = Image.Exif()
EXIF[0x0112] = 6


class Bad(NamedTuple):
    """A content, the field where it stands, and the words of its refusal."""

    content: Callable[[Path], bytes]
    words: str
    name: str = "mug.png"
    place: str = "images"


def clip(folder: Path) -> bytes:
    return make_clip(folder / "clip.mp4", seconds=0.4, width=320).read_bytes()


VIDEOS, AUDIOS, FRAME = "reference_videos", "reference_audios", "last-frame+"
CONTENTS = {
    "no bytes": Bad(lambda _: b"", "is empty"),
    "a PNG for a video": Bad(lambda _: PNG, "is an image by its content, where a video belongs", "a.mp4", VIDEOS),
    "a PNG for sound": Bad(lambda _: PNG, "is an image by its content, where an audio file", "a.mp3", AUDIOS),
    "a video for a picture": Bad(clip, "write last-frame+ before"),
    "sound for a video": Bad(lambda _: b"fLaC" + bytes(100), "is an audio file by its content", "a.mp4", VIDEOS),
    "HEIC": Bad(lambda _: b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "it is a heic file by its content"),
    "AVIF": Bad(lambda _: picture("AVIF"), "it is a avif file by its content"),
    "TIFF": Bad(lambda _: picture("TIFF"), "takes no upload of that type"),
    "SVG": Bad(lambda _: SVG, "neither picture, video nor sound by its content (svg)"),
    "PDF": Bad(lambda _: b"%PDF-1.7\n" + bytes(100), "(pdf)"),
    "ZIP": Bad(lambda _: zipped(), "(zip)"),
    "a page": Bad(lambda _: b"<!doctype html><title>Log in</title>", "(html)"),
    "noise": Bad(lambda _: bytes(range(1, 200)) * 9, "neither picture, video nor sound by its content, where an image"),
    "the first bytes of a PNG": Bad(lambda _: PNG[:20], "cannot be read as an image: its header is broken"),
    "the first bytes of a JPEG": Bad(lambda _: picture("JPEG")[:100], "cannot be read as an image"),
    "half of an MP4": Bad(
        lambda folder: clip(folder)[:9000], "cannot be read as a video: it is cut short: 9000 of at least",
        "clip.mp4", VIDEOS,
    ),
    "an MP4 without its index": Bad(
        lambda folder: b"\0\0\0\x18ftypisom\0\0\2\0isommp42\0\0\0\x10mdat12345678", "its index is missing",
        "clip.mp4", VIDEOS,
    ),
    "a frame of a picture": Bad(lambda _: PNG, "it is a picture by its content, and not a video", place=FRAME),
    "a frame of half a video": Bad(lambda folder: clip(folder)[:9000], "no last frame can be taken", place=FRAME),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("model", [STD, MANXUE_VIDEO])
def test_a_content_that_no_route_reads_is_refused(bench: Bench, case: Bad, model: str) -> None:
    path = bench.folder / case.name
    path.write_bytes(case.content(bench.folder))
    before, place = "", case.place
    if place == FRAME:
        before, place = FRAME, "images"
    (bench.folder / "beside.png").write_bytes(PNG)
    more = {"images": [str(bench.folder / "beside.png")]} if place == "reference_audios" else {}
    tried = bench.tried(f"{before}{path}", model=model, place=place, **more)
    problem = tried.refusal(f"'{before}{path}'", case.words)
    assert problem.startswith(titled(f"{place}[0]") + ": ")
    assert not bench.simulator.requests().uploads and not bench.simulator.requests().audits


TAKEN = {
    "a PNG named .mp4": (PNG, "mug.mp4", ""),
    "a JPEG that EXIF turns": (picture("JPEG", (3000, 1000), exif=EXIF), "a.jpg", "(1000x3000 px)"),
    "a CMYK JPEG": (picture("JPEG", mode="CMYK"), "a.jpg", ""),
    "one pixel": (picture("PNG", (1, 1)), "a.png", "1x1 px"),
    "moving pictures": (picture("WEBP", save_all=True, append_images=[Image.new("RGB", (800, 800), "red")]), "a", ""),
}


@pytest.mark.parametrize(("content", "name", "warning"), TAKEN.values(), ids=TAKEN.keys())
def test_what_only_looks_odd_is_taken_for_what_it_is(bench: Bench, content: bytes, name: str, warning: str) -> None:
    (bench.folder / name).write_bytes(content)
    tried = bench.tried(str(bench.folder / name))
    assert (tried.error, tried.bills) == (None, 1)
    assert [warning in line for line in tried.followed.warnings()[:1]] == [True] * bool(warning)
    tried.is_clean()


@pytest.mark.parametrize("model", [STD, MANXUE_VIDEO])
def test_a_video_without_frames_is_warned_about(bench: Bench, model: str) -> None:
    path = bench.folder / "zero.mov"
    path.write_bytes(movie([], h264_entry(1280, 720)))
    tried = bench.tried(str(path), model=model, place="reference_videos")
    assert any("its length and its frame rate could not be read from" in line for line in tried.followed.warnings())


def test_a_header_that_claims_ten_hours_or_thousands_of_pixels_is_not_believed(bench: Bench) -> None:
    path = bench.folder / "long.mov"
    path.write_bytes(movie([sized(grey_frame(1280, 720))], h264_entry(1280, 720), duration=25 * 36000))
    tried = bench.tried(str(path), place="reference_videos")
    assert "is 0.04 s, but" in tried.followed.warnings()[0] and "Use longer ones" in tried.followed.warnings()[0]


def test_what_is_no_file_is_refused_and_never_read(bench: Bench) -> None:
    folder = bench.folder
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    os.symlink("circle.png", folder / "circle.png")
    (folder / "mug.png").write_bytes(PNG)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket.png"))
    names = ("folder.png", "pipe.png", "circle.png", "socket.png", "missing.png", "mug.png/mug.png", "x" * 300 + ".png")
    paths = [*(str(folder / name) for name in names), "/dev/zero", "/proc/self/mem", "/home/me/laptop/mug.png"]
    for path in paths:
        for model in (STD, MANXUE):
            bench.tried(path, model=model, place="first_image").refusal("First frame (first_image): ")
    listener.close()


WRITTEN = (
    r"C:\Users\me\mug.png", r"\\server\share\mug.png", "~other/mug.png", "file://server/mug.png", "s3://bucket/",
    "s3://bucket/../mug.png", "s3://bucket", "asset://a/b", "asset://", "http://example.com/a.png", "ftp://x.org/a.png",
    "data:image/png;base64,iVBORw0KGgo", f"https://me:{PASSWORD}@example.com/a.png", "https://169.254.169.254/latest",
    "https://10.1.2.3/a.png", "https://localhost/a.png", "https://[::1]/a.png", "https://[::ffff:10.0.0.1]/a.png",
    "https://[64:ff9b::a9fe:a9fe]/a.png", "https://2852039166/a.png", "https://0xa9fea9fe/a.png",
)  # fmt: skip


@pytest.mark.parametrize("model", [STD, MANXUE, BOTH])
def test_a_text_that_leads_nowhere_is_refused_on_its_field(bench: Bench, model: str) -> None:
    for text in WRITTEN:
        assert bench.tried(text, model=model).refusal().startswith("Reference images, entry 1 (images[0]): ")
    assert not bench.counter.asked


def test_a_large_file_is_refused_before_it_is_uploaded(bench: Bench) -> None:
    path = bench.folder / "big.png"
    path.write_bytes(PNG)
    os.truncate(path, 300_000_000)
    bench.tried(str(path)).refusal("it has 300.0 MB, and the vendor takes uploads of at most 100 MB")
    assert not bench.simulator.requests().asset_requests


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_uploaded(bench: Bench) -> None:
    folder = bench.folder
    (folder / "mug.png").write_bytes(PNG)
    (folder / "mug.tiff").write_bytes(picture("TIFF"))
    (folder / "page.png").write_bytes(b"<html><title>Log in")
    good, converted, page = (str(folder / name) for name in ("mug.png", "mug.tiff", "page.png"))
    tried = bench.tried(good, converted, "asset://nobody", page, "https://ten.example.com/a.png", model=MANXUE)
    assert sorted(places(tried.problems)) == [f"images[{index}]" for index in (1, 2, 3, 4)]
    gone = bench.tried(good, str(folder / "gone.png"), converted, page, "https://ten.example.com/a.png")
    assert sorted(places(gone.problems)) == [f"images[{index}]" for index in (1, 2, 3, 4)]
    blind = bench.tried(str(folder / "gone.png"), page, "https://ten.example.com/a.png", preflight=False)
    assert places(blind.problems) == ["images[0]", "images[1]"]
    for each in (tried, gone, blind):
        each.is_clean()
    assert not bench.simulator.requests().uploads and not bench.simulator.bills()


def test_one_picture_in_many_places_is_one_upload_and_one_audit(bench: Bench) -> None:
    path = bench.folder / "mug.png"
    path.write_bytes(PNG)
    tried = bench.tried(*[str(path)] * 9, model=MANXUE)
    counts = bench.simulator.requests()
    assert (sum(counts.uploads.values()), sum(counts.audits.values()), tried.bills) == (1, 1, 1)
    assert sum("waiting for asset://" in line for line in tried.followed.lines) <= 1
    bench.tried(*[str(path)] * 200).refusal("200 images, but at most 9", bills=1)


# --- Files that change ---


def between(bench: Bench, change: Callable[[], None], path: Path, model: str = STD) -> Tried:
    """A request whose file changes once it is identified."""
    destination, followed = bench.destination(), Followed()
    account, cancelled = account_at(bench.counter.url, KEY), threading.Event()
    follower = follower_of(followed.observer, cancelled)
    request = VideoRequest(prompt="A boat", model=model, duration=5, images=[str(path)])
    sources = identify(request, account, destination, follower)
    order = place_order(request, scope=ALWAYS, account="default", key_template=TEMPLATE, sources=sources)
    change()
    error: Exception | None = None
    try:
        prepare_ahead(order, account, destination, follower, preflight=True, wait_seconds=60)
    except Exception as raised:
        error = raised
    return Tried(error, followed, len(bench.simulator.bills()), bench.folder / "none")


@pytest.mark.parametrize("model", [STD, MANXUE])
def test_a_file_that_changes_after_it_was_identified_is_refused(bench: Bench, model: str) -> None:
    path, other = bench.folder / "mug.png", bench.folder / "other.png"

    def replaced() -> None:
        other.write_bytes(picture("PNG", (700, 700)))
        os.replace(other, path)

    def rewritten() -> None:
        path.write_bytes(picture("PNG", (700, 700)))

    ways: list[tuple[Callable[[], None], str]] = [
        (replaced, "its content changed"),
        (rewritten, "its content changed"),
        (path.unlink, "there is no such file"),
        (lambda: (path.unlink(), path.mkdir())[1], "it is a folder"),
    ]
    for change, words in ways:
        path.write_bytes(PNG)
        between(bench, change, path, model).refusal(f"'{path}'", words)
    assert not bench.simulator.requests().uploads


# --- Objects of buckets ---


def test_objects_that_cannot_be_read_are_all_told_at_once(bench: Bench, moto: S3Server) -> None:
    shop = f"shop-{os.urandom(4).hex()}"
    moto.client.create_bucket(Bucket=shop)
    moto.client.put_bucket_versioning(Bucket=shop, VersioningConfiguration={"Status": "Enabled"})
    moto.client.put_object(Bucket=shop, Key="empty.png", Body=b"")
    moto.client.put_object(Bucket=shop, Key="frozen.png", Body=PNG, StorageClass="GLACIER")
    moto.client.put_object(Bucket=shop, Key="gone.png", Body=PNG)
    moto.client.delete_object(Bucket=shop, Key="gone.png")
    moto.client.put_object(Bucket=shop, Key="page.png", Body=b"<html><title>Log in")
    store = moto.store()
    bench.where = Destination(store, Journal(store), TEMPLATE, MediaPolicy(resolver=resolver))
    wrong = {
        f"s3://{shop}/empty.png": "the object is empty",
        f"s3://{shop}/frozen.png": "it is archived (GLACIER)",
        f"s3://{shop}/gone.png": "there is no such object",
        f"s3://{shop}/missing.png": "there is no such object",
        f"s3://{shop}/page.png": "(html)",
        f"s3://no-such-{shop}/mug.png": "bucket",
    }
    for model in (STD, MANXUE):
        tried = bench.tried(*wrong, model=model)
        for index, (uri, words) in enumerate(wrong.items()):
            (problem,) = [each for each in tried.problems if f" (images[{index}]): " in each]
            assert f"'{uri}'" in problem and words in problem, problem
        tried.is_clean()
        assert not tried.bills


# --- Links ---


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssl.SSLContext]:
    """TLS of a host that the client trusts, as it does the world's."""
    certificate = write_certificate(tmp_path_factory.mktemp("tls") / "host.pem", "media.example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefect_seedance.tls._context", ssl.create_default_context(cafile=str(certificate)))
        yield context


def to(place: str) -> media_server.Fault:
    return media_server.Fault(status=302, headers={"Location": place})


ANSWERS = {
    "a login page": (media_server.Fault(content=b"<!doctype html><title>Log in</title>"), "it may be a login"),
    "an error in JSON": (media_server.Fault(content=b'{"error": "denied"}'), "answers with a JSON text"),
    "nothing": (media_server.Fault(status=404), "there is nothing at the link"),
    "a refusal": (media_server.Fault(status=403), "refuses it (HTTP 403)"),
    "a bomb": (
        media_server.Fault(content=gzip.compress(bytes(20_000_000)), headers={"Content-Encoding": "gzip"}),
        "sends it compressed",
    ),
    "the first bytes of a PNG": (media_server.Fault(content=PNG[:20]), "its header is broken"),
    "a way to metadata": (to(f"https://169.254.169.254/?Signature={SIGNATURE}"), "169.254.169.254 is not public"),
    "a way to metadata without TLS": (to("http://169.254.169.254/"), "it leads to 169.254.169.254"),
    "a way to 10.x": (to("https://10.0.0.1/"), "it leads to 10.0.0.1, which is not followed"),
    "a way to this machine by IPv6": (to("https://[::ffff:169.254.169.254]/"), "is not public"),
    "a way to a private name": (to("https://ten.example.com/"), "it leads to ten.example.com"),
    "a way to a file": (to("file:///etc/passwd"), "it leads to a place that is not followed"),
    "a way in a circle": (to("/again"), "it was redirected more than 3 times"),
}


@pytest.mark.parametrize(("fault", "words"), ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("model", [STD, MANXUE])
def test_what_a_link_leads_to_is_refused(
    bench: Bench, served: ssl.SSLContext, fault: media_server.Fault, words: str, model: str
) -> None:
    with media_server.serving(PNG, tls=served) as host:
        host.plan(*[fault] * 9)
        link = f"https://media.example.com:{host.port}/mug.png"
        tried = bench.tried(f"{link}?X-Amz-Expires=60&X-Amz-Signature={SIGNATURE}", model=model)
    tried.refusal(f"(images[0]): '{link}'", words)
    assert not bench.simulator.requests().audits


@pytest.mark.parametrize("host", [host for host in HOSTS if host != "media.example.com"])
@pytest.mark.parametrize("place", ["images", "first_image"])
def test_a_name_with_a_private_address_is_refused(bench: Bench, host: str, place: str) -> None:
    bench.tried(f"https://{host}/mug.png", place=place).refusal(f"'https://{host}/mug.png'", "is not public")


def test_a_link_that_has_expired_is_called_so(bench: Bench, served: ssl.SSLContext) -> None:
    with media_server.serving(PNG, tls=served) as host:
        host.plan(*[media_server.Fault(status=403)] * 3)
        query = f"X-Amz-Date=20240101T000000Z&X-Amz-Expires=60&X-Amz-Signature={SIGNATURE}"
        tried = bench.tried(f"https://media.example.com:{host.port}/mug.png?{query}")
    tried.refusal("the signature of the link has expired", "Sign it again")


# --- Assets, and a vendor that answers oddly ---


def answering(data: object) -> Callable[[], Made]:
    return lambda: envelope(data)


def test_an_asset_that_nobody_knows_is_refused_where_assets_are_taken(bench: Bench) -> None:
    wanted = "the vendor does not know it; an asset belongs to the account that had it made"
    bench.tried("asset://Invented-1", model=BOTH).refusal(f"'asset://Invented-1': it cannot be used: {wanted}")
    bench.tried("asset://Invented-1").refusal("is not an address that STD (seedance2.0-std) takes here")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"status": "Rejected", "reason": HOSTILE}, "it was rejected: no"),
        ({"status": "FAILED", "errorMessage": "no face."}, "its audit failed: no face."),
        ({"status": "deleted"}, "it was deleted."),
    ],
)
def test_an_asset_that_is_turned_down_is_refused_in_clean_words(
    bench: Bench, state: dict[str, str], words: str
) -> None:
    bench.counter.answer(STATUS, answering({"items": [{"asset_id": "mine", **state}]}))
    bench.tried("asset://mine", model=MANXUE).refusal(words)


def test_a_reason_of_megabytes_is_cut(bench: Bench) -> None:
    reason = "A" * 4_000_000
    bench.counter.answer(STATUS, answering({"items": [{"asset_id": "mine", "status": "Rejected", "reason": reason}]}))
    bench.tried("asset://mine", model=MANXUE).refusal("it was rejected: AAAA")


@pytest.mark.parametrize(("path", "model"), [(UPLOAD, STD), (AUDIT, MANXUE)])
def test_a_file_that_the_vendor_does_not_take_is_refused_and_not_sent_again(
    bench: Bench, path: str, model: str
) -> None:
    mug = bench.folder / "mug.png"
    mug.write_bytes(PNG)
    bench.where = bench.destination()
    bench.counter.answer(path, lambda: envelope(code=20002, message="not a picture of ours"))
    bench.tried(str(mug), model=model).refusal("not a picture of ours")
    sent = bench.counter.count(path)
    bench.tried(str(mug), model=model).refusal("not a picture of ours")
    assert bench.counter.count(path) == sent == 1


def test_an_upload_whose_link_is_dead_twice_is_refused(bench: Bench) -> None:
    mug = bench.folder / "mug.png"
    mug.write_bytes(PNG)
    bench.counter.answer(UPLOAD, lambda: envelope({"url": f"{bench.counter.url}/gone.png"}))
    bench.counter.answer("/gone.png", lambda: Made(404, b""))
    bench.tried(str(mug)).refusal("the vendor took the file, and its link cannot be read")
    assert bench.counter.count(UPLOAD) == 2


def test_another_spelling_of_an_id_is_another_asset(bench: Bench) -> None:
    bench.counter.answer(STATUS, answering({"items": [{"asset_id": "MINE", "status": "Active"}]}))
    bench.tried("asset://mine", model=MANXUE).refusal("the vendor does not know it")


@pytest.mark.parametrize("fault", ["asset_rejected", "asset_failed", "audit_failed_items"])
def test_a_picture_that_the_audit_turns_down_is_refused_in_clean_words(bench: Bench, fault: str) -> None:
    bench.simulator.plan(Fault(fault=fault, times=9, message=HOSTILE))
    (bench.folder / "mug.png").write_bytes(PNG)
    tried = bench.tried(str(bench.folder / "mug.png"), model=MANXUE)
    tried.refusal("the vendor's audit does not take it: ", "assets --forget")


@pytest.mark.parametrize("shape", ["text", "sentence", "nameless"])
def test_a_failed_item_of_any_shape_has_a_reason(bench: Bench, shape: str) -> None:
    bench.simulator.plan(Fault(fault="audit_failed_items", message="no face.", shape=shape))
    (bench.folder / "mug.png").write_bytes(PNG)
    words = "the vendor gives no reason" if shape == "text" else "no face. Use another one"
    bench.tried(str(bench.folder / "mug.png"), model=MANXUE).refusal(words)


@pytest.mark.parametrize("asset_id", ["a/b", "a b", "a?b=c", "é"])
def test_an_id_that_no_request_can_name_is_not_kept(bench: Bench, asset_id: str) -> None:
    bench.counter.answer(AUDIT, answering({"items": [{"asset_id": asset_id, "status": "Active"}]}))
    (bench.folder / "mug.png").write_bytes(PNG)
    tried = bench.tried(str(bench.folder / "mug.png"), model=MANXUE)
    tried.refusal("with an id that no request can name")


ODD_LINKS = (
    "http://files.example.com/a.png", "/files/a.png", f"https://me:{PASSWORD}@files.example.com/a.png", "", None, 5,
    "file:///etc/passwd", "https://" + "a" * 5000 + ".com/",
)  # fmt: skip


@pytest.mark.parametrize("model", [STD, MANXUE])
def test_an_upload_that_is_answered_with_no_link_is_neither_used_nor_kept(bench: Bench, model: str) -> None:
    (bench.folder / "mug.png").write_bytes(PNG)
    for link in ODD_LINKS:
        bench.counter.answer(UPLOAD, answering({"url": link}), times=1)
        tried = bench.tried(str(bench.folder / "mug.png"), model=model)
        assert isinstance(tried.error, SeedanceError) and not tried.bills, link
        assert "without an https link to the file" in str(tried.error)
        tried.is_clean()
    assert not bench.counter.count(AUDIT)


@pytest.mark.parametrize("model", [STD, MANXUE])
@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "ten.example.com"])
def test_an_upload_that_is_answered_with_a_private_link_is_neither_used_nor_kept(
    bench: Bench, host: str, model: str
) -> None:
    (bench.folder / "mug.png").write_bytes(PNG)
    link = f"https://{host}/a.png?X-Amz-Signature={SIGNATURE}"
    bench.counter.answer(UPLOAD, answering({"url": link}), times=1)
    tried = bench.tried(str(bench.folder / "mug.png"), model=model)
    tried.refusal(f"'{bench.folder / 'mug.png'}'", "answered with a link that nobody can read", "is not public")
    assert not bench.counter.count(AUDIT)
    assert SIGNATURE not in "".join(path.read_text() for path in tried.folder.rglob("*.json"))


@pytest.mark.parametrize("fault", ["audit_rate_limited_code", "audit_lost_answer", "upload_html_after", "status_busy"])
def test_a_vendor_that_does_not_work_costs_no_video(bench: Bench, fault: str) -> None:
    bench.simulator.plan(Fault(fault=fault, times=1000))
    (bench.folder / "mug.png").write_bytes(PNG)
    tried = bench.tried(str(bench.folder / "mug.png"), model=MANXUE)
    assert isinstance(tried.error, SeedanceError) and not isinstance(tried.error, InvalidRequest)
    assert not tried.bills
    tried.is_clean()
