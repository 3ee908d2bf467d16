"""What may be written for a reference: how each text is read, and what is said of one that no route could use."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prefect_seedance.client.request.sources import RULES, Source, UnusableSource, read_source
from prefect_seedance.client.request.video_request import VideoRequest
from tests.client.pages import SECRET
from tests.client.test_form import errors_of, refused_places

READ = {
    "https://example.com/mug.png?token=1#top": ("https", "https://example.com/mug.png?token=1#top"),
    "HTTPS://Example.com/Mug.png": ("https", "https://Example.com/Mug.png"),
    "https://example.com/a?X-Amz-Security-Token=" + "t" * 5000: (
        "https",
        "https://example.com/a?X-Amz-Security-Token=" + "t" * 5000,
    ),
    "https://example.com": ("https", "https://example.com"),
    "https://example.com:8443?a=b@c": ("https", "https://example.com:8443?a=b@c"),
    "https://example.com/a@b.png": ("https", "https://example.com/a@b.png"),
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/a": (
        "https",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/a",
    ),
    "https://例え.jp/照片.png": ("https", "https://例え.jp/照片.png"),
    "asset://asset-2026_a.b": ("asset", "asset://asset-2026_a.b"),
    "s3://bucket/folder/mug cup.png": ("s3", "s3://bucket/folder/mug cup.png"),
    "S3://bucket/a%20b?c#d": ("s3", "s3://bucket/a%20b?c#d"),
    "s3://bucket//key": ("s3", "s3://bucket//key"),
    "s3://bucket/a..b/...": ("s3", "s3://bucket/a..b/..."),
    "/pictures/mug cup #1?.png": ("file", "/pictures/mug cup #1?.png"),
    "./mug.png": ("file", "./mug.png"),
    "../mug": ("file", "../mug"),
    "mug.png": ("file", "mug.png"),
    ".mug": ("file", ".mug"),
    "pictures/mug": ("file", "pictures/mug"),
    "./shot:1.png": ("file", "./shot:1.png"),
    "./~mug": ("file", "./~mug"),
    "/بی‌نام/👨‍👩‍👧.png": ("file", "/بی‌نام/👨‍👩‍👧.png"),
    "/Screenshot 10.30.00\u202fPM.png": ("file", "/Screenshot 10.30.00\u202fPM.png"),
    "file:///pictures/a%20b%23c.png": ("file", "/pictures/a b#c.png"),
    "FILE:///mug.png": ("file", "/mug.png"),
    "file:/mug.png": ("file", "/mug.png"),
    "file://localhost/mug.png": ("file", "/mug.png"),
    "file:///50%.png": ("file", "/50%.png"),
}


@pytest.mark.parametrize("text", READ, ids=lambda text: text[:30])
def test_a_text_is_read_as_what_it_stands_for(text: str) -> None:
    kind, address = READ[text]
    source = read_source(text)
    assert source == Source(kind, address)  # type: ignore[arg-type]
    assert read_source(source.address) == source, "what was read reads back as itself"
    if kind in ("s3", "file"):
        assert read_source(f"last-frame+{text}") == Source(kind, address, last_frame=True)  # type: ignore[arg-type]


def test_bucket_and_key_are_those_of_the_text() -> None:
    assert read_source("s3://shop/a/b c.png").bucket_and_key == ("shop", "a/b c.png")
    assert read_source("s3://shop//a").bucket_and_key == ("shop", "/a")


#: What is said of each, by a word of the message and one of the fix.
REFUSED = {
    ("empty", "asset://{id}"): ["", " ", "\n", " mug.png", "mug.png\t", "\u3000mug.png", "https://example.com/a "],
    ("that nobody sees", "Type it anew"): [
        *("a\x00b.png", "a\nb.png", "a\x7f.png", "a\x9b.png", "mug\u200b.png", "\ufeffmug.png", "\u202a/mug.png"),
        *("/a\u2028b.png", "https://example.com/\u2060a", "s3://bucket/a\u200e", "asset://a\u200b"),
    ],
    ("base64", "Save it as a file"): [
        *(
            "data:image/png;base64,iVBORw0KGgo=",
            "DATA:,x",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB",
            "A" * 600,
            "A" * 100_000,
        ),
        *("/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAMC", ("A" * 76 + "\n") * 20, "_-" * 300),
    ],
    ("more than 8192", "path of a file"): ["/a.b" * 2049, "https://example.com/" + "a" * 9000],
    ("plain http:", "https:// address"): ["http://example.com/a.png", "HTTP://example.com", "http:"],
    ("user name", "Download it"): ["https://me:pw@example.com/a", "https://me@example.com", "https:me:pw@example.com"],
    ("no blanks and no backslashes", "%20"): ["https://example.com/a b.png", "https:\\\\example.com\\a"],
    ("not a whole link", "as a browser shows it"): [
        *(
            "https:/example.com/a",
            "https:example.com",
            "https:",
            "https://",
            "https:///a",
            "https://?a",
            "https://:443/",
        ),
        *("https://[example/a", "https://[::1/a", "https://example.com:/a:b", "https://127%2e0.0.1/", "https://a:x/"),
    ],
    ("id of an asset", "asset://{id}"): [
        *(
            "asset://",
            "asset:a1",
            "asset:/a1",
            "ASSET://a1",
            "Asset://a1",
            "asset://a1/",
            "asset://a1?x=1",
            "asset://a b",
        ),
        *("asset://-a", "asset://ä", "asset://a1#x"),
    ],
    ("one object of a bucket", "s3://bucket/key"): [
        *(
            "s3://",
            "s3://bucket",
            "s3://bucket/",
            "s3://bucket/folder/",
            "s3:bucket/key",
            "s3:/bucket/key",
            "s3:///key",
        ),
        *("s3://bucket/../x", "s3://bucket/a/..", "s3://bucket/./x", "s3://key:secret@bucket/x", "s3://a b/x"),
        *("s3://arn:aws:s3:eu-west-1:1:accesspoint/a/b", "s3://../a", "last-frame+s3://bucket"),
    ],
    ("speak S3", "Sign an https:// link"): [
        "gs://b/k",
        "az://c/k",
        "abfss://c@a/k",
        "oss://b/k",
        "last-frame+gs://b/k",
    ],
    ("file of this machine", "file:///folder"): [
        *("file://", "file:///", "file:mug.png", "file://mug.png", "file://nas/mug.png", "file:////nas/mug.png"),
        *("file:///C:/mug.png", "file:///c|/mug.png", "file:///mug.png#1", "file:///mug.png?x", "file:///folder/"),
        *("file:///a/..", "file:///a%00b", "file:///a%0ab", "file:///a%7F", "file:///a\\b"),
    ],
    ("percent-encoding", "as it is"): [
        "file:///a%FF",
        "file:///a%C3%28",
        "file:///a%2F",
        "file:///%2e%2e",
        "file:///a%C2%85",
    ],
    ("path of Windows", "Write a path with /"): [
        "C:\\mug.png",
        "c:/mug.png",
        "C:mug.png",
        "\\\\nas\\mug.png",
        "a\\b.png",
    ],
    ("of this kind", "./name"): [
        "ftp://example.com/a",
        "javascript:alert(1)",
        "blob:x",
        "shot:1.png",
        "last-frame+ftp://a/b",
    ],
    ("without its beginning", "https://"): ["//example.com/a.png", "www.example.com/a.png", "last-frame+//nas/a"],
    ("home folder", "whole path"): ["~/mug.png", "~user/mug.png", "~", "last-frame+~/a.mp4"],
    ("names a folder", "one file"): ["/", ".", "..", "pictures/", "/a/.", "/a/..", "./"],
    ("word alone", "asset://{id}"): ["mug", "asset-20260601-abc", "my mug", "last-frame+clip"],
    ("bucket or on disk", "last-frame+s3://"): [
        *(
            "last-frame+",
            "last-frame+https://example.com/a.mp4",
            "last-frame+http://example.com/a",
            "last-frame+asset://a",
        ),
        *("last-frame+last-frame+/a.mp4", "last-frame+ /a.mp4"),
    ],
    ("half a character", "Rename"): ["/mug\ud83d.png", "\udcff.png"],
}


@pytest.mark.parametrize(("words", "text"), [(words, text) for words, texts in REFUSED.items() for text in texts])
def test_a_text_that_no_route_could_use_is_refused_with_what_to_write(words: tuple[str, str], text: str) -> None:
    with pytest.raises(UnusableSource) as refused:
        read_source(text)
    assert words[0] in refused.value.message and words[1] in refused.value.fix
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "text", [each for texts in REFUSED.values() for each in texts if not re.search("[\ud800-\udfff]", each)]
)
def test_what_no_route_could_use_makes_no_request_and_no_text_is_repeated_whole(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        VideoRequest(prompt="A mug", images=[text], other_model="seedance9")
    (error,) = refused.value.errors()
    assert error["loc"] == ("images", 0)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"https://me:{SECRET}@example.com/a",
            f"https:me:{SECRET}@example.com/a",
            f"http://example.com/a?sig={SECRET}",
        ),
        *(f"https://example.com/a b?sig={SECRET}", f"s3://key:{SECRET}@bucket/a", f"ftp://me:{SECRET}@example.com/a"),
        *(f"asset://a1?token={SECRET}", f"https:/example.com/a?sig={SECRET}", f"data:,x?{SECRET}"),
    ],
)
def test_no_refusal_repeats_a_secret_of_the_text(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        VideoRequest(prompt="A mug", first_image=text)
    assert SECRET not in str(refused.value) and SECRET not in repr(refused.value.errors())


# --- The form goes by the same rules ---

PIECES = st.sampled_from(
    [
        *("https:", "HTTPS:", "http:", "s3:", "S3:", "file:", "asset:", "data:", "gs:", "last-frame+", "ftp:", "C:"),
        *("/", "//", "///", "\\", ".", "..", "~", "@", ":", "?", "#", "%", "%20", "%00", "[", "]", "www."),
        *(
            " ",
            "\n",
            "\x00",
            "\u200b",
            "\u3000",
            "localhost",
            "example.com",
            "bucket",
            "key",
            "mug.png",
            "é",
            "😀",
            "1",
        ),
        *(rule.expected for rule in RULES),
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=7).map("".join), st.text(max_size=8))


def is_read(text: str) -> bool:
    try:
        read_source(text)
    except UnusableSource:
        return False
    return True


@given(TEXTS)
def test_the_form_refuses_of_sources_what_is_not_read_and_nothing_else(text: str) -> None:
    # What only the flow can tell: half characters, and what percent-encoding hides.
    hidden = re.search("[\ud800-\udfff]", text) or (
        re.match("(last-frame\\+)?file:", text, re.IGNORECASE) and "%" in text
    )
    fields = {"prompt": "x", "images": [text], "first_image": text}
    on_the_form = {place for place in errors_of(fields) if place == "images[0]"}
    if is_read(text):
        assert not on_the_form
    elif not hidden:
        assert on_the_form
    assert ("images[0]" in refused_places(fields)) == (not is_read(text))


@given(TEXTS)
def test_what_is_read_reads_back_as_itself(text: str) -> None:
    if is_read(text) and not text.lower().removeprefix("last-frame+").startswith("file:"):
        source = read_source(text)
        assert read_source("last-frame+" * source.last_frame + source.address) == source


def test_no_rule_takes_its_own_words_for_wrong() -> None:
    """A field whose value is the message of its own error would pass."""
    assert not [rule.expected for rule in RULES if re.search(rule.wrong, rule.expected)]


def test_a_very_long_text_is_read_at_once() -> None:
    for text in (
        "a/" * 200_000,
        " a" * 200_000,
        "https://" + "a@" * 200_000,
        "file:///" + "%2" * 200_000,
        "." * 400_000,
    ):
        assert not is_read(text)
