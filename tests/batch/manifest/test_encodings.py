"""In whichever encoding a table was saved, its texts are whole, or it is said how they were read."""

from __future__ import annotations

import pytest

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.manifest.encoding import find_encoding
from prefect_seedance.batch.manifest.unreadable import Unreadable
from tests.batch.manifest.conftest import Read

CHINESE = "一个马克杯慢慢旋转"


def table(prompt: str) -> str:
    return f"name,prompt,model\r\nmug,{prompt},seedance2.0-mini\r\nlamp,A lamp glows,seedance2.0-mini\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_says_itself_needs_no_notice(read: Read, encoding: str) -> None:
    manifest = read(table(CHINESE).encode(encoding))
    assert manifest.rows[0].request and manifest.rows[0].request.prompt == CHINESE
    assert manifest.notices == ()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_letters_without_a_mark_are_told(read: Read, encoding: str) -> None:
    manifest = read(table(CHINESE).encode(encoding))
    assert manifest.rows[0].request and manifest.rows[0].request.prompt == CHINESE
    assert encoding in manifest.notices[0]


GUESSED = {
    "gb18030": [CHINESE, "茶", "镜头", "“产品”特写……", "一只小猫在窗台上晒太阳，镜头缓慢推进。"],
    "cp1252": ["Café noir, crème brûlée", "It’s nice", "Grüße aus München – schön", "100 € ½", "Æbleskiver", "voilà"],
    "cp932": ["マグカップがゆっくり回る", "猫が窓辺で眠る", "商品", "東京の夜景、雨"],
    "cp950": ["一個馬克杯慢慢旋轉", "貓咪在窗台上曬太陽", "產品特寫，鏡頭慢慢推近"],
    "cp949": ["머그컵이 천천히 돌아간다"],
    "cp1251": ["Кружка медленно вращается на столе"],
}


@pytest.mark.parametrize(("encoding", "text"), [(name, text) for name, texts in GUESSED.items() for text in texts])
def test_short_texts_are_enough_to_guess(read: Read, encoding: str, text: str) -> None:
    manifest = read(table(f'"{text}"').encode(encoding))
    assert manifest.rows[0].request and manifest.rows[0].request.prompt == text
    assert encoding in manifest.notices[0] and "encoding" in manifest.notices[0]


@pytest.mark.parametrize("declared", ["GBK", "gb2312", "GB18030", "cp936", " gb18030 "])
def test_a_declared_encoding_is_taken_without_a_notice(read: Read, declared: str) -> None:
    manifest = read(table("茶").encode("gb18030"), encoding=declared)
    assert manifest.rows[0].request and manifest.rows[0].request.prompt == "茶" and manifest.notices == ()


def test_latin_1_is_what_browsers_take_it_for(read: Read) -> None:
    manifest = read(table("It’s").encode("cp1252"), encoding="latin-1")
    assert manifest.rows[0].request and manifest.rows[0].request.prompt == "It’s"


def test_a_mark_is_believed_more_than_what_is_declared(read: Read) -> None:
    manifest = read(table(CHINESE).encode("utf-16"), encoding="gb18030")
    assert manifest.rows[0].request and manifest.rows[0].request.prompt == CHINESE
    assert "utf-16-le" in manifest.notices[0] and "not as gb18030" in manifest.notices[0]


@pytest.mark.parametrize("declared", ["rot13", "hex", "no-such", "idna", "unicode_escape", "utf-7", "../x", "a\0b"])
def test_what_is_no_encoding_of_files_is_refused(read: Read, declared: str) -> None:
    with pytest.raises(UnusableManifest, match="encoding"):
        read(table("A"), encoding=declared)


def test_what_is_not_as_declared_is_refused_with_the_line(read: Read) -> None:
    with pytest.raises(UnusableManifest, match="not utf-8: line 2"):
        read(table("茶").encode("gb18030"), encoding="utf-8")


def test_damaged_utf8_is_not_taken_for_something_else(read: Read) -> None:
    """As another encoding, every prompt would be rubbish, and paid for."""
    with pytest.raises(UnusableManifest, match="UTF-8 but for some damaged bytes, the first on line 3"):
        read(table(CHINESE).encode().replace(b"A lamp", b"A \xff lamp"))


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Unreadable):
        find_encoding(bytes(range(128, 256)) * 10)


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_declared_encoding_without_its_order_is_read_in_the_order_that_the_file_has(read: Read, order: str) -> None:
    manifest = read(table(CHINESE).encode(order), encoding=order[:6])
    assert manifest.rows[0].request and manifest.rows[0].request.prompt == CHINESE and manifest.notices == ()
