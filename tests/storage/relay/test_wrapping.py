"""What a host says of a video's bytes costs nobody the video: the bytes decide, and what is wrapped is unwrapped."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.storage.errors import LinkExpired, NotAVideo, SourceError, SourceTooLarge
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.relay import RelayedObject, relay
from prefect_seedance.storage.relay.source import MediaSource
from prefect_seedance.storage.relay.wrapping import unwrapped, unwrapping_of
from tests.storage.clips import box, lookalike
from tests.storage.media_server import Fault, MediaServer, serving

VIDEO = lookalike(600_000)
KEY = "videos/task-1.mp4"
SIGNATURE = b";chunk-signature=" + b"0123456789abcdef" * 4


def signed(data: bytes, size: int = 65536, signature: bytes = SIGNATURE, behind: bytes = b"\r\n") -> bytes:
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), signature, part) for part in [*parts, b""])[:-2] + behind


@pytest.fixture(scope="module")
def host() -> Iterator[MediaServer]:
    with serving(VIDEO) as running:
        yield running


@pytest.fixture
def server(host: MediaServer) -> MediaServer:
    host.content = VIDEO
    host.faults.clear()
    host.seen.clear()
    return host


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def run(server: MediaServer, store: FolderStore, maximum_bytes: int = 2 * 1024**3) -> RelayedObject:
    policy = MediaPolicy(allow_loopback=True, maximum_bytes=maximum_bytes)
    source = MediaSource(lambda refresh: f"{server.url}/a.mp4", policy=policy, sleep=lambda seconds: None)
    return relay(source, store, KEY, metadata={})


def kept(store: FolderStore) -> dict[str, bytes]:
    return {key: (store.root / key).read_bytes() for key in store.list_keys("")}


LABELS = ["aws-chunked", "", "UTF-8", "none", "identity", "binary", "7bit", "gzip", "br", "deflate", "zstd", "GZIP, br"]


@pytest.mark.parametrize("label", LABELS)
def test_plain_bytes_are_the_video_whatever_their_label_says(
    server: MediaServer, store: FolderStore, label: str
) -> None:
    server.plan(*(Fault(headers={"content-encoding": label}, cut_after=cut) for cut in (200_000, 100_000)))
    server.plan(Fault(headers={"content-encoding": label}))
    assert run(server, store).size == len(VIDEO)
    assert kept(store) == {KEY: VIDEO}
    assert len(server.seen) == 3, "it was continued, not begun anew"


WRAPPED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(VIDEO)),
    "gzip of no label": ("", gzip.compress(VIDEO)),
    "gzip of a wrong label": ("br", gzip.compress(VIDEO)),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(VIDEO))),
    "deflate": ("deflate", zlib.compress(VIDEO)),
    "bare deflate": ("deflate", zlib.compress(VIDEO)[2:-4]),
    "signed chunks": ("aws-chunked", signed(VIDEO)),
    "signed chunks of no label": ("", signed(VIDEO, 1_000)),
    "a single signed chunk": ("", signed(VIDEO, 10**7)),
    "unsigned chunks with a checksum": (
        "aws-chunked",
        signed(VIDEO, signature=b"", behind=b"x-amz-crc32:YQ==\r\n\r\n"),
    ),
    "gzip in signed chunks": ("aws-chunked, gzip", signed(gzip.compress(VIDEO))),
    "signed chunks in gzip": ("gzip", gzip.compress(signed(VIDEO))),
}


@pytest.mark.parametrize(("label", "content"), WRAPPED.values(), ids=WRAPPED.keys())
@pytest.mark.parametrize("cut", [None, 250_000])
def test_a_wrapped_video_is_unwrapped_and_continued_where_it_broke(
    server: MediaServer, store: FolderStore, label: str, content: bytes, cut: int | None
) -> None:
    server.content = content
    faults = [Fault(headers={"content-encoding": label}) for _ in range(3)]
    faults[0].cut_after = cut
    server.plan(*faults)
    assert run(server, store).size == len(VIDEO)
    assert kept(store) == {KEY: VIDEO}
    assert len(server.seen) == (1 if cut is None else 2)
    server.faults = deque(faults[2:])
    assert run(server, store).size == len(VIDEO), "and it is found there the next time"


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_pieces_of_any_size_are_unwrapped(chunk: int, step: int) -> None:
    video = lookalike(5000)
    content = signed(video, chunk)
    pieces = [content[start : start + step] for start in range(0, len(content), step)]
    assert b"".join(unwrapped(pieces, unwrapping_of(content, "", 10_000))) == video


BROKEN: dict[str, bytes] = {
    "gzip without its end": gzip.compress(VIDEO)[:-9],
    "gzip with a wrong checksum": gzip.compress(VIDEO)[:-8] + bytes(8),
    "chunks without their end": signed(VIDEO)[:300_000],
    "chunks with something between": signed(VIDEO)[:65_700] + b"x" * 1000 + signed(VIDEO)[65_700:],
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_unwrapped_to_its_end_is_kept_in_quarantine_as_far_as_it_goes(
    server: MediaServer, store: FolderStore, content: bytes
) -> None:
    server.content = content
    with pytest.raises(NotAVideo, match="the end is missing"):
        run(server, store)
    ((key, data),) = kept(store).items()
    assert key.startswith("quarantine/") and VIDEO.startswith(data[:60_000])
    assert len(server.seen) == 5


OTHERS: dict[str, bytes] = {
    "packed by a way that is not known here": b"\x28\xb5\x2f\xfd" + VIDEO,
    "a page, compressed": gzip.compress(b"<html>" + bytes(1000)),
    "a bomb": gzip.compress(bytes(100 * 1024 * 1024)),
    "compressed five times": reduce(lambda data, _: gzip.compress(data), range(5), VIDEO),
    "a number": b"10\r\n",
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_video_inside_either_is_kept_as_it_came(
    server: MediaServer, store: FolderStore, content: bytes
) -> None:
    server.content = content
    with pytest.raises(NotAVideo):
        run(server, store)
    ((key, data),) = kept(store).items()
    assert key.startswith("quarantine/") and data == content
    assert len(server.seen) == 1


def test_a_bomb_that_begins_as_a_video_ends_at_the_limit(server: MediaServer, store: FolderStore) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    content = packer.compress(box(b"ftyp", b"isom" + bytes(8)) + (1 << 31).to_bytes(4, "big") + b"mdat")
    content += b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(500)) + packer.flush()
    server.content = content
    tracemalloc.start()
    try:
        with pytest.raises(SourceTooLarge):
            run(server, store, maximum_bytes=50 * 1024 * 1024)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024
    assert kept(store) == {}


LASTING: dict[str, Callable[[], Fault]] = {
    **{str(status): lambda status=status: Fault(status=status) for status in (400, 401, 403, 404, 410, 402, 416, 451)},
    "a part that nobody asked for": lambda: Fault(headers={"content-range": "bytes 5-9/10"}, status=206),
    "nowhere": lambda: Fault(status=302),
    "nothing": lambda: Fault(status=204),
}


@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())
def test_what_no_repeat_can_change_is_asked_for_six_times_with_fresh_links(
    server: MediaServer, store: FolderStore, fault: Callable[[], Fault]
) -> None:
    server.plan(*(fault() for _ in range(50)))
    with pytest.raises(SourceError) as caught:
        run(server, store)
    assert isinstance(caught.value, LinkExpired)
    assert len(server.seen) == 6
