"""One HTML file that shows many videos: it holds all that it needs, and asks for nothing but the videos themselves.

What it shows comes from anybody: prompts, names, the vendor's words. It is written into the file at one place, as JSON
in a block that is not a script, where no character can end the block. The page's own script, which a policy in the page
names by its hash as the only one, turns it into text and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import JsonValue

from prefect_seedance.plain_text import lines
from prefect_seedance.redaction import without_signatures

#: Size of a page at most, however many rows it has.
MOST_PAGE_BYTES = 8_000_000
#: Rows that a page shows at most.
MOST_ROWS = 10_000
#: Of a thumbnail.
MOST_THUMBNAIL_BYTES = 6000

#: What all rows may take without thumbnails. Long texts are cut, as far as it needs, until they fit.
_MOST_ROWS_BYTES = 3_500_000
_MOST_TEXT_CHARACTERS = 8000
_FALLING_TEXT_LENGTHS = (2000, 600, 240, 100, 40)
_CUT = ("name", "prompt", "reason", "advice")
#: What remains for the page itself, its head and its notices.
_HEAD_BYTES = 200_000
_MOST_NOTICES, _MOST_NOTICE_CHARACTERS, _MOST_FACT_CHARACTERS = 50, 1000, 1000
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")
_PLACE = re.compile(r"@(POLICY|STYLE|DATA|SCRIPT)@")


@dataclass(frozen=True)
class PageRow:
    """One video, or what there is instead.

    Attributes:
        number: Of the row in its manifest; 0 for none.
        name: What it is called.
        outcome: One word, such as "stored".
        reason: Why there is no video.
        advice: What to do about it.
        prompt: The prompt.
        model: The model.
        meta: More that is said of it, in a line.
        cost: Coins that it cost; None if that is not known or there is nothing to say.
        unpriced: What is said instead of a cost.
        side: More that is said below the cost.
        made_seconds: How long the vendor took.
        moment: When it was stored, or what became of it was known.
        href: An address that plays it, relative to the page or on the web; empty for none.
        uri: Its address, to be copied.
        task_id: The vendor's task id.
        picture: Names its thumbnail.
        upright: Whether it is taller than wide.
    """

    number: int
    name: str
    outcome: str
    reason: str = ""
    advice: str = ""
    prompt: str = ""
    model: str = ""
    meta: Sequence[str] = ()
    cost: float | None = None
    unpriced: str = ""
    side: Sequence[str] = ()
    made_seconds: float | None = None
    moment: datetime | None = None
    href: str = field(default="", repr=False)
    uri: str = ""
    task_id: str = ""
    picture: str = ""
    upright: bool = False


@dataclass(frozen=True)
class Fact:
    """Something that is said of the whole, with an address where it leads somewhere."""

    label: str
    text: str
    href: str = ""


@dataclass(frozen=True)
class Spend:
    """What was spent on the videos of a model in a period."""

    period: str
    model: str
    coins: float
    videos: int


@dataclass(frozen=True)
class ReportPage:
    """What a page shows.

    Attributes:
        kind: What it is.
        title: Its heading.
        lead: The whole in a few sentences.
        totals: Label, number and unit of each.
        rows: In their order.
        thumbnails: JPEGs by `PageRow.picture`.
        facts: Where it comes from.
        notices: What a person should know.
        stopped: Why something was not done.
        spend: Shown as a plot.
        period: Of the plot: "day" or "month".
        order: How the rows are sorted at first.
        noun: What the rows are.
        media_origin: From where on the web videos are played; empty for nowhere.
        unplayable: What is said where a video cannot be played.
    """

    kind: str
    title: str
    lead: str
    totals: Sequence[tuple[str, str, str]]
    rows: Sequence[PageRow]
    thumbnails: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    facts: Sequence[Fact] = ()
    notices: Sequence[str] = ()
    stopped: str = ""
    spend: Sequence[Spend] = ()
    period: Literal["day", "month"] = "day"
    order: Literal["worst", "rows", "newest"] = "worst"
    noun: Literal["rows", "videos"] = "rows"
    media_origin: str = ""
    unplayable: str = ""


def page_html(page: ReportPage) -> bytes:
    """Return a page as one HTML file of at most 8 MB. What does not fit is left out, which the page says."""
    notices: list[str] = []
    rows = page.rows[:MOST_ROWS]
    entries, shortened = _fitted(rows)
    if len(entries) < len(page.rows):
        notices.append(f"This page shows the first {len(entries):,} of {len(page.rows):,} {page.noun}.")
    if shortened:
        notices.append("Long texts are shortened on this page.")
    room = MOST_PAGE_BYTES - _HEAD_BYTES - _size(entries)
    thumbs, left_out = _with_thumbnails(rows, entries, page.thumbnails, room)
    if left_out:
        notices.append(f"{left_out:,} pictures are left out, so that this page stays below 8 MB.")
    data: dict[str, JsonValue] = {
        "kind": page.kind,
        "title": shown(page.title, 300) or page.kind,
        "lead": shown(page.lead, _MOST_NOTICE_CHARACTERS),
        "totals": [[shown(part, 100) for part in total] for total in page.totals],
        "facts": [[fact.label, shown(fact.text, _MOST_FACT_CHARACTERS), fact.href[:2000]] for fact in page.facts],
        "notices": [*_notices(page.stopped, [*notices, *page.notices])],
        "spend": [[each.period, shown(each.model, 100), each.coins, each.videos] for each in page.spend],
        "period": page.period,
        "order": page.order,
        "inOrder": "Row" if page.noun == "rows" else "As listed",
        "noun": page.noun,
        "unplayable": page.unplayable,
        "rows": [*entries],
        "thumbs": [*thumbs],
    }
    style, script = _asset("page.css"), _asset("page.js")
    parts = {
        "POLICY": html.escape(_policy(style, script, page.media_origin)),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": _inert(_json(data)),
    }
    # In one pass: no other part is filled into what a part brings with it.
    return _PLACE.sub(lambda place: parts[place[1]], _asset("page.html")).encode("utf-8", "replace")


def shown(text: str, longest: int) -> str:
    r"""Return a text as a page shows it: without what opens links, control characters and direction marks; cut to size.

    Example:
        >>> shown("a boat\x00 \u202eaes", 5), shown("a boat", 6)
        ('a bo…', 'a boat')
    """
    if len(text) > 4 * longest:  # of a text without end the rest is not even looked at
        text = f"{text[: 4 * longest]}…"
    return _cut(lines(without_signatures(text)), longest)


def at(moment: datetime | None) -> str:
    """Return a moment as a page says it; empty for none.

    Example:
        >>> at(datetime(2026, 11, 27, 4, 5, tzinfo=UTC))
        '2026-11-27 04:05 UTC'
    """
    if moment is None:
        return ""
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%d %H:%M} UTC"


def length(seconds: float) -> str:
    """Return a length of time as a page says it.

    Example:
        >>> length(42), length(150), length(7260)
        ('42 s', '2 min 30 s', '2 h 1 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def coins_of(coins: float) -> str:
    """Return a number of coins as a page says it.

    Example:
        >>> coins_of(1234.5), coins_of(0.0)
        ('1,234.5', '0')
    """
    return f"{coins:,.4f}".rstrip("0").rstrip(".")


def _policy(style: str, script: str, media_origin: str) -> str:
    """Return what the page may do: run its own script, and play videos of its own folder, or of one host."""
    media = ["'self'", "file:"]
    if _ORIGIN.match(media_origin):
        media.append(media_origin)
    rules = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "data:",
        "media-src": " ".join(media),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _asset(name: str) -> str:
    return files("prefect_seedance.batch.report").joinpath("assets", name).read_text(encoding="utf-8")


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _inert(text: str) -> str:
    """Write JSON so that nothing in it means anything to a reader of HTML or JavaScript; it stays the same JSON."""
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _size(entries: Iterable[dict[str, JsonValue]]) -> int:
    return sum(len(_inert(_json(entry)).encode("utf-8", "replace")) + 1 for entry in entries)


def _notices(stopped: str, notices: Sequence[str]) -> Iterable[list[JsonValue]]:
    if stopped:
        yield [shown(stopped, _MOST_NOTICE_CHARACTERS), "stop"]
    for notice in notices[:_MOST_NOTICES]:
        yield [shown(notice, _MOST_NOTICE_CHARACTERS), ""]


def _fitted(rows: Sequence[PageRow]) -> tuple[list[dict[str, JsonValue]], bool]:
    """Return the rows as they are written, and whether anything had to be cut."""
    entries = [_entry(row) for row in rows]
    longest = max((len(text) for row in rows for text in (row.prompt, row.reason, row.advice)), default=0)
    if _size(entries) <= _MOST_ROWS_BYTES:
        return entries, longest > _MOST_TEXT_CHARACTERS
    for length in _FALLING_TEXT_LENGTHS:
        entries = [_shortened(entry, length) for entry in entries]
        if _size(entries) <= _MOST_ROWS_BYTES:
            return entries, True
    # What cannot be cut is too much: addresses that are signed, of very many videos.
    for entry in entries:
        entry.pop("href", None)
    while _size(entries) > _MOST_ROWS_BYTES:
        entries = entries[: len(entries) * 3 // 4]
    return entries, True


def _shortened(entry: dict[str, JsonValue], longest: int) -> dict[str, JsonValue]:
    return entry | {name: _cut(text, longest) for name in _CUT if isinstance(text := entry.get(name), str)}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _entry(row: PageRow) -> dict[str, JsonValue]:
    entry: dict[str, JsonValue] = {
        "name": shown(row.name, 200),
        "outcome": row.outcome,
        "reason": shown(row.reason, _MOST_TEXT_CHARACTERS),
        "advice": shown(row.advice, _MOST_TEXT_CHARACTERS),
        "prompt": shown(row.prompt, _MOST_TEXT_CHARACTERS),
        "model": shown(row.model, 100),
        "unpriced": row.unpriced,
        "made": round(row.made_seconds, 1) if row.made_seconds else None,
        "at": round(row.moment.timestamp()) if row.moment else None,
        "href": row.href,
        "uri": shown(row.uri, 1200),
        "task": shown(row.task_id, 200),
        "tall": row.upright,
    }
    told = {name: value for name, value in entry.items() if value}
    meta: list[JsonValue] = [shown(text, 120) for text in row.meta if text]
    side: list[JsonValue] = [shown(text, 120) for text in row.side if text]
    cost: dict[str, JsonValue] = {} if row.cost is None else {"cost": round(row.cost, 6)}
    return {"number": row.number, **told, **cost, "meta": meta, "side": side}


def _with_thumbnails(
    rows: Sequence[PageRow], entries: list[dict[str, JsonValue]], thumbnails: Mapping[str, bytes], room: int
) -> tuple[list[str], int]:
    """Point each row at its thumbnail. Return those that have room, each once, and how many have none."""
    thumbs: list[str] = []
    places: dict[str, int] = {}
    left_out: set[str] = set()
    for row, entry in zip(rows, entries, strict=False):
        jpeg = thumbnails.get(row.picture, b"") if row.picture else b""
        if not jpeg or len(jpeg) > MOST_THUMBNAIL_BYTES:
            continue
        if row.picture not in places:
            written = base64.b64encode(jpeg).decode()
            if len(written) + 3 + len('"thumb":10000,') > room:
                left_out.add(row.picture)
                continue
            room -= len(written) + 3
            places[row.picture] = len(thumbs)
            thumbs.append(written)
        room -= len('"thumb":10000,')
        entry["thumb"] = places[row.picture]
    return thumbs, len(left_out)
