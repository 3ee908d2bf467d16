from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefect_seedance.storage.errors import BadKey
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.keys import LONGEST_KEY_BYTES, check_key, check_prefix

segments = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="/\\"),
    min_size=1,
    max_size=60,
).filter(lambda text: not text.startswith("."))
good_keys = st.lists(segments, min_size=1, max_size=3).map("/".join)


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", ".tmp/a", "a/.b"),
        *("a\\b", "a\nb", "a\0b", "a\x7fb", "a\x85b", "a\u2028b", "a\ud800b"),
        *("x" * 256, "ä" * 128, "/".join(["x" * 200] * 5)),
    ],
)
def test_a_key_that_could_mean_another_place_is_refused(key: str, tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for attempt in (
        lambda: check_key(key),
        lambda: store.create(key, b"x"),
        lambda: store.get(key),
        lambda: store.swap(key, b"x", etag="e"),
        lambda: store.delete(key),
        lambda: store.stat(key),
        lambda: store.uri_of(key),
        lambda: store.open_read(key),
        lambda: store.begin_upload(key, size=None, content_type="", metadata={}),
    ):
        with pytest.raises(BadKey, match="cannot be used"):
            attempt()
    assert list(tmp_path.iterdir()) == []


@given(good_keys)
@example("x" * 255)
@example("journal/ab.json")
@example("影片/一号.mp4")
@example("/".join(["x" * 199] * 4))
def test_a_good_key_is_written_read_listed_and_stays_inside(key: str) -> None:
    if len(key.encode()) > LONGEST_KEY_BYTES or any(len(part.encode()) > 255 for part in key.split("/")):
        return
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        store.create(key, b"data")
        assert (Path(folder) / key).read_bytes() == b"data"
        assert list(store.list_keys("")) == [key]
        assert list(store.list_keys(key[: len(key) // 2 or 1].rstrip("/"))) == [key]
        blob = store.get(key)
        assert blob is not None and blob.data == b"data"


@given(st.text(max_size=30))
def test_no_text_at_all_reaches_outside(key: str) -> None:
    try:
        check_key(key)
    except BadKey:
        return
    root = Path("/store")
    assert (root / key).is_relative_to(root)
    assert ".." not in (root / key).parts


@pytest.mark.parametrize("prefix", ["", "a", "a/", "journal/open/", "a/b"])
def test_a_prefix_may_be_empty_or_end_with_a_slash(prefix: str) -> None:
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "/a", "../", "a/../", "a//", "a\\", "\n", ".tmp/"])
def test_a_prefix_that_could_mean_another_place_is_refused(prefix: str) -> None:
    with pytest.raises(BadKey):
        check_prefix(prefix)
