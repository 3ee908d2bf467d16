from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.storage.relay.file_type import BoxWalk, looks_like, video_type
from tests.storage.clips import box, lookalike


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (box(b"ftyp", b"isom" + bytes(8)), "video/mp4"),
        (box(b"ftyp", b"mp42" + bytes(8)), "video/mp4"),
        (box(b"ftyp", b"qt  " + bytes(8)), "video/quicktime"),
        (box(b"wide", b"") + box(b"mdat", bytes(8)), "video/quicktime"),
        (b"\0\0\0\1mdat" + bytes(8), "video/quicktime"),
        (box(b"moof", bytes(8)), ""),
        (box(b"ftyp", b"avif" + bytes(8)), ""),
        (box(b"ftyp", b"M4A " + bytes(8)), ""),
        (b"\0\0\0\x18ftyp", ""),
        (b"<html>ftyp</html>", ""),
        (b"", ""),
    ],
)
def test_a_video_is_known_by_its_first_bytes(head: bytes, kind: str) -> None:
    assert video_type(head) == kind


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\xef\xbb\xbf <!DOCTYPE html><html>", "HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "XML"),
        (b'{"code": -1}', "JSON"),
        (b"\x1aE\xdf\xa3", "WebM"),
        (b"\x89PNG\r\n", "PNG"),
        (box(b"ftyp", b"avif" + bytes(8)), "MP4 container"),
        (b"    ", "unknown"),
        (b"", "nothing"),
    ],
)
def test_what_is_not_a_video_is_named(head: bytes, words: str) -> None:
    assert words in looks_like(head)


def walked(data: bytes, step: int) -> bool:
    walk = BoxWalk()
    for start in range(0, len(data), step):
        walk.feed(data[start : start + step])
    return walk.whole


@given(st.integers(0, 4999), st.integers(1, 700))
def test_a_video_that_breaks_off_anywhere_is_known_by_its_boxes(length: int, step: int) -> None:
    video = lookalike(5000)
    assert walked(video, step)
    assert not walked(video[:length], step)


def test_long_boxes_and_a_last_box_without_an_end_are_understood() -> None:
    long = b"\0\0\0\1mdat" + (16 + 300).to_bytes(8, "big") + bytes(300)
    assert walked(box(b"ftyp", b"isom") + box(b"moov", b"x") + long, 7)
    assert not walked(box(b"ftyp", b"isom") + box(b"moov", b"x") + long[:-1], 7)
    assert walked(box(b"ftyp", b"isom") + box(b"moov", b"x") + b"\0\0\0\0mdat" + bytes(99), 7)
    assert not walked(box(b"ftyp", b"isom") + b"\0\0\0\0mdat" + bytes(99), 7)


def test_a_video_in_fragments_that_breaks_off_before_the_pictures_of_one_is_not_whole() -> None:
    begun = box(b"ftyp", b"iso6") + box(b"moov", b"x")
    fragment = (box(b"styp", b"msdh"), box(b"prft", bytes(20)), box(b"emsg", bytes(30)), box(b"sidx", bytes(24)))
    first, last = b"".join(fragment), b"".join(fragment) + box(b"moof", b"run")
    video = begun + first + box(b"moof", b"run") + box(b"mdat", b"pictures")
    assert walked(video, 7) and walked(video + last + box(b"mdat", b"more"), 7)
    assert walked(video + b"\r\n", 7) and walked(video + b"<!-- behind -->", 7) and walked(video + bytes(4096), 7)
    longer = video + last + box(b"mdat", b"more")
    assert [length for length in range(len(video), len(longer)) if walked(longer[:length], 7)] == [len(video)]
