"""The served videos: real ones, with ranges and validators as an object store has them."""

from __future__ import annotations

import io
import resource
from pathlib import Path

import av
import httpx
import pytest

from prefect_seedance.simulator import Simulator, running_simulator
from prefect_seedance.simulator.media import frame_size
from tests.pipeline.films import pixels
from tests.simulator.vendor import Vendor

SMALL = {"model": "seedance2.0-mini", "resolution": "480p", "duration": 4}


def fetch(url: str, method: str = "GET", **headers: str) -> httpx.Response:
    """Ask as a client of the media host does: without a key."""
    return httpx.request(method, url, headers=headers, trust_env=False, verify=False, timeout=20)


@pytest.fixture
def link(vendor: Vendor) -> str:
    return vendor.link(vendor.made(**SMALL))


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        (SMALL, (854, 480)),
        ({**SMALL, "ratio": "9:16", "duration": 5}, (480, 854)),
        ({**SMALL, "ratio": "1:1"}, (480, 480)),
        ({**SMALL, "orientation": "portrait"}, (480, 854)),
        ({"model": "seedance2.0-md", "duration": 1, "resolution": "480p"}, (1280, 720)),
    ],
)
def test_a_video_has_the_asked_size_and_length(
    vendor: Vendor, changes: dict[str, object], size: tuple[int, int]
) -> None:
    answer = fetch(vendor.link(vendor.made(**changes)))
    assert answer.status_code == 200 and answer.headers["content-type"] == "video/mp4"
    assert int(answer.headers["content-length"]) == len(answer.content)
    with av.open(io.BytesIO(answer.content)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == size
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 24
        assert container.duration == changes["duration"] * 1_000_000
        assert sum(1 for _ in container.decode(video=0)) == changes["duration"] * 24
    assert answer.content.index(b"moov") < answer.content.index(b"mdat")


@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [
        ("1080p", "16:9", (1920, 1080)),
        ("2k", "9:16", (1440, 2560)),
        ("4k", "Adaptive", (3840, 2160)),
        ("720p", "21:9", (1680, 720)),
        ("720p", "3:4", (720, 960)),
        ("480p", "4:3", (640, 480)),
        ("720p", "99:1", (2880, 720)),
        ("720p", "0:0", (720, 720)),
        ("720p", "wide", (1280, 720)),
    ],
)
def test_every_resolution_and_ratio_has_an_even_size(resolution: str, ratio: str, size: tuple[int, int]) -> None:
    assert frame_size(resolution, {"ratio": ratio, "orientation": "portrait"}) == size


def test_two_tasks_never_have_the_same_bytes(vendor: Vendor) -> None:
    first, second = (fetch(vendor.link(vendor.made(**SMALL))) for _ in range(2))
    assert first.content != second.content and first.headers["etag"] != second.headers["etag"]


def test_two_tasks_differ_in_their_last_frame_and_in_no_other(vendor: Vendor, tmp_path: Path) -> None:
    shown: list[list[str]] = []
    for name in ("first.mp4", "second.mp4"):
        path = tmp_path / name
        path.write_bytes(fetch(vendor.link(vendor.made(**SMALL))).content)
        shown.append(pixels(path))
    first, second = shown
    assert len(first) == len(set(first)) == 24 * 4
    assert first[:-1] == second[:-1] and first[-1] != second[-1]


def test_ranges(link: str) -> None:
    whole = fetch(link)
    size = len(whole.content)
    assert whole.headers["accept-ranges"] == "bytes"
    for asked, start, stop in (
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        (f"bytes={size - 5}-", size - 5, size),
        (f"bytes={size - 5}-{size + 100}", size - 5, size),
        ("bytes=-7", size - 7, size),
    ):
        part = fetch(link, Range=asked)
        assert part.status_code == 206, asked
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert part.content == whole.content[start:stop]
        assert part.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=-"])
def test_a_range_that_is_not_understood_is_ignored(link: str, asked: str) -> None:
    assert fetch(link, Range=asked).status_code == 200


def test_a_range_behind_the_end_is_refused_with_the_size(link: str) -> None:
    size = len(fetch(link).content)
    for asked in (f"bytes={size}-", "bytes=-0"):
        answer = fetch(link, Range=asked)
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")


def test_if_range_gives_the_rest_only_of_the_same_bytes(link: str) -> None:
    whole = fetch(link)
    asked = {"Range": "bytes=100-"}
    for validator in (whole.headers["etag"], whole.headers["last-modified"]):
        assert fetch(link, **asked, **{"If-Range": validator}).status_code == 206
    changed = fetch(link, **asked, **{"If-Range": '"another"'})
    assert changed.status_code == 200 and changed.content == whole.content


def test_head_tells_the_size_without_a_body(link: str) -> None:
    head, whole = fetch(link, "HEAD"), fetch(link)
    assert head.status_code == 200 and head.content == b""
    assert int(head.headers["content-length"]) == len(whole.content)
    assert head.headers["etag"] == whole.headers["etag"]


def test_a_link_without_its_signature_is_refused(link: str) -> None:
    assert fetch(link.partition("?")[0]).status_code == 403
    assert fetch(link + "x").status_code == 403


def test_there_is_no_video_before_completion() -> None:
    with running_simulator(seconds=60) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        assert fetch(f"{simulator.url}/media/{vendor.made()}.mp4").status_code == 404
        assert fetch(f"{simulator.url}/media/videos_0.mp4").status_code == 404


def test_the_media_log_tells_whether_a_key_came_along(simulator: Simulator, vendor: Vendor, link: str) -> None:
    fetch(link, Range="bytes=1-2")
    assert vendor.control("media-log")["authorization_seen"] is False
    vendor.get(link)  # this client sends its key everywhere
    log = vendor.control("media-log")
    assert log["authorization_seen"] is True and simulator.key not in str(log)
    assert [(each["range"], each["status"]) for each in log["requests"]] == [("bytes=1-2", 206), ("", 200)]
    assert list(vendor.control("requests")["media"].values()) == [2]


def test_a_video_can_be_made_large_without_being_held() -> None:
    size = 6 * 1024**3
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with running_simulator(seconds=0, media_bytes=size) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        link = vendor.link(vendor.made(**SMALL))
        head = fetch(link, "HEAD")
        tail = fetch(link, Range=f"bytes={size - 10}-")
        assert int(head.headers["content-length"]) == size
        assert tail.content == bytes(10)
        with httpx.stream(
            "GET", link, trust_env=False, verify=False
        ) as answer:  # one that leaves after the first bytes
            assert next(answer.iter_raw(1024))[4:8] == b"ftyp"
    grown_kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kibibytes * 1024 < size / 10


def test_a_padded_video_still_plays() -> None:
    settings = {"seconds": 0, "media_bytes": 3_000_000}
    with running_simulator(**settings) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        content = fetch(vendor.link(vendor.made(**SMALL))).content
    assert len(content) == 3_000_000
    with av.open(io.BytesIO(content)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 96
