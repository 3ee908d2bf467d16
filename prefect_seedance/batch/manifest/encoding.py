"""From bytes to text: the encoding as marked, as declared, as UTF-8, or as guessed, which a notice then says."""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from dataclasses import dataclass
from typing import TextIO

from prefect_seedance.batch.manifest.unreadable import Unreadable

#: Longest first: UTF-32 begins like UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: What is declared as the smaller one is often the larger one, which reads the same and more, as browsers do.
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "hz": "gb18030",
    "shift_jis": "cp932",
    "big5": "cp950",
    "euc_kr": "cp949",
    "iso8859-1": "cp1252",
    "ascii": "utf-8",
    "utf-8-sig": "utf-8",
}
#: Encodings of Python that are no encodings of files.
_NOT_OF_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7", "mbcs"})
_HOW_TO_SAY = "Save it as UTF-8, or name its encoding, such as gb18030 or cp1252, in the options"
_PIECE_BYTES = 64 * 1024
#: How much of a text tells its encoding.
_SEEN_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Encoded:
    """Bytes of a text whose encoding is known.

    Attributes:
        content: The bytes.
        encoding: How Python calls it.
        notice: What a person should know of how it was found; "" for nothing.
    """

    content: bytes
    encoding: str
    notice: str = ""

    def open(self) -> TextIO:
        """Open it as a text, with its line ends as they are."""
        return io.TextIOWrapper(io.BytesIO(self.content), self.encoding, newline="")

    def text(self) -> str:
        """Return the whole text."""
        return self.content.decode(self.encoding).lstrip("\ufeff")


def find_encoding(content: bytes, declared: str = "") -> Encoded:
    r"""Find out how a text is encoded.

    A mark at its beginning comes first, then what is declared, then UTF-8; what is left is guessed.

    Raises:
        Unreadable: It cannot be what is declared, or nothing fits.

    Example:
        >>> find_encoding("prompt\n一个马克杯".encode("gb18030")).encoding
        'gb18030'
    """
    wanted = _known(declared.strip()) if declared.strip() else ""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            _check(content, encoding)
            differs = wanted and not encoding.startswith(wanted[:6])
            said = f"The file begins with the mark of {encoding}, and was read as that, not as {declared}."
            return Encoded(content, encoding, said if differs else "")
    if wanted:
        if wanted in ("utf-16", "utf-32"):
            wanted = _wide(content) or f"{wanted}-le"
        _check(content, wanted)
        return Encoded(content, wanted)
    if wide := _wide(content):
        _check(content, wide)
        return Encoded(content, wide, f"The file has no mark of its encoding: it was read as {wide}.")
    if _fault(content, "utf-8") is None:
        return Encoded(content, "utf-8")
    guessed = _guessed(content)
    said = (
        f"The file is not UTF-8 and says nothing of its encoding: it was read as {guessed}. If its texts look wrong, "
        "save it as UTF-8, or name its encoding in the options."
    )
    return Encoded(content, guessed, said)


def _known(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name
        "prompt".encode(name)
    except (LookupError, ValueError, UnicodeError):
        raise Unreadable(f"{declared[:40]!r} is not the name of an encoding", _HOW_TO_SAY) from None
    if name.replace("_", "-") in _NOT_OF_FILES:
        raise Unreadable(f"{name} is not an encoding of files", _HOW_TO_SAY)
    return _WIDER.get(name, name)


def _check(content: bytes, encoding: str) -> None:
    fault = _fault(content, encoding)
    if fault is not None:
        line = content[:fault].count(b"\n") + 1
        raise Unreadable(f"it is not {encoding}: line {line} holds bytes that mean nothing there", _HOW_TO_SAY)


def _fault(content: bytes, encoding: str) -> int | None:
    """Return about where content is not of this encoding; None if all of it is. In bounded memory."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(content), _PIECE_BYTES):
        piece = content[start : start + _PIECE_BYTES]
        try:
            decoder.decode(piece, final=start + _PIECE_BYTES >= len(content))
        except UnicodeDecodeError as error:
            return start + max(0, min(error.start, len(piece) - 1))
    return None


def _wide(content: bytes) -> str:
    """Return the encoding of two or four bytes a letter that a text without a mark has; "" if it has none.

    A manifest names the prompt in its first lines, in plain letters.
    """
    head = content[:_PIECE_BYTES].lower()
    for encoding, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        place = head.find("prompt".encode(encoding))
        while place >= 0:
            if place % width == 0:
                return encoding
            place = head.find("prompt".encode(encoding), place + 1)
    return ""


# Libraries that guess by statistics (charset-normalizer 3.5 was tried) take a table with a few Chinese words for Korean
# or central European, since the plain letters around them drown the rest. Here only what is not plain counts, and only
# encodings that spreadsheets save: how much of it are the letters that are common in each.


def _guessed(content: bytes) -> str:
    seen = content[:_SEEN_BYTES]
    _refuse_damaged_utf8(content)
    scores = {encoding: score(seen) for encoding, score in _SCORES.items() if _fault(content, encoding) is None}
    best = max(scores, key=lambda encoding: scores[encoding], default="")
    if not best or scores[best] < _LEAST_SCORE:
        fitting = "" if not best else ", and it does not look like any other encoding that is known here"
        raise Unreadable(f"it is not UTF-8{fitting}", _HOW_TO_SAY)
    return best


_LEAST_SCORE = 0.5
_RUNS = re.compile(rb"[\x80-\xff]+")


def _refuse_damaged_utf8(content: bytes) -> None:
    """Refuse UTF-8 with a few damaged bytes: as another encoding, all of its texts would be rubbish."""
    fault = _fault(content, "utf-8") or 0
    near = content[max(0, fault - _SEEN_BYTES // 2) : fault + _SEEN_BYTES // 2].decode("utf-8", "replace")
    damaged = near.count("\ufffd")
    sound = sum(not letter.isascii() for letter in near) - damaged
    if sound > 3 * damaged:
        line = content[:fault].count(b"\n") + 1
        raise Unreadable(f"it is UTF-8 but for some damaged bytes, the first on line {line}", "Save it as UTF-8 again")


_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def _pairs(content: bytes, encoding: str) -> list[bytes]:
    """Return the letters beyond plain ones as their bytes."""
    return [each.encode(encoding) for each in _BEYOND_ASCII.findall(content.decode(encoding, "ignore"))]


def _simplified_chinese(content: bytes) -> float:
    pairs = _pairs(content, "gb18030")
    good = sum(
        len(each) == 2 and each[1] >= 0xA1 and (0xB0 <= each[0] <= 0xD7 or each[0] in (0xA1, 0xA3)) for each in pairs
    )
    return good / len(pairs) if pairs else 0.0


def _traditional_chinese(content: bytes) -> float:
    pairs = _pairs(content, "cp950")
    good = sum(len(each) == 2 and (0xA4 <= each[0] <= 0xC6 or each[0] == 0xA1) for each in pairs)
    # Without a single letter whose second byte is a low one, of which it has a third, it is hardly that.
    low = any(len(each) == 2 and each[1] < 0x80 for each in pairs)
    return good / len(pairs) - (0 if low else 0.1) if pairs else 0.0


def _japanese(content: bytes) -> float:
    letters = _BEYOND_ASCII.findall(content.decode("cp932", "ignore"))
    good = 0.0
    for each in letters:
        code = each.encode("cp932")
        if "\u3041" <= each <= "\u30ff" or code[0] == 0x81:
            good += 1
        elif len(code) == 2 and 0x88 <= code[0] <= 0x97:
            good += 0.9
    return good / len(letters) if letters else 0.0


def _korean(content: bytes) -> float:
    pairs = _pairs(content, "cp949")
    good = sum(len(each) == 2 and each[1] >= 0xA1 and 0xB0 <= each[0] <= 0xC8 for each in pairs)
    # A short Chinese text may happen to have only letters that would be Korean ones.
    return good / len(pairs) + (0.01 if len(pairs) >= 10 else -0.01) if pairs else 0.0


def _cyrillic(content: bytes) -> float:
    """Return which share stands in words of small letters, of which at most the first is a capital one."""
    runs = _RUNS.findall(content)
    if sum(map(len, runs)) < 3 * len(runs):  # accents between plain letters
        return 0.0
    good = sum(len(run) for run in runs if re.fullmatch(rb"[\xa8\xc0-\xff]?[\xb8\xe0-\xff]*", run))
    return 0.98 * good / sum(map(len, runs)) if runs else 0.0


def _western(content: bytes) -> float:
    """Return which share stands alone among plain letters, as accents and signs do, and is a common one."""
    runs = _RUNS.findall(content)
    good = 0.0
    for run in runs:
        text = run.decode("cp1252", "ignore")
        common = sum(letter in _WESTERN for letter in text)
        good += common if len(run) == 1 else common / (len(run) ** 2)
    total = sum(map(len, runs))
    return good / total if total else 0.0


_WESTERN = frozenset(
    letter
    for letter in map(chr, range(0xA0, 0x100))
    if unicodedata.category(letter)[0] == "L" or letter in "\xa0¡¿°©®·£§«»½¼¾²³´×±"
) | frozenset("€‘’“”„‚–—…•™œŒšŠžŽŸ")

#: The first of those with the best score is taken.
_SCORES = {
    "cp1252": _western,
    "gb18030": _simplified_chinese,
    "cp950": _traditional_chinese,
    "cp932": _japanese,
    "cp949": _korean,
    "cp1251": _cyrillic,
}
