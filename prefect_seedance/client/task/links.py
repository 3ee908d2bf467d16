"""Where the link to a task's video is: in its documented place, or else the only one that there is.

Other gateways put it elsewhere (``data.url``, ``result_url``, ``content.video_url``, ``videos[0].url``, a JSON text in
``resultJson``). It is taken from there when no other link could be meant. Pictures are not, and neither is what repeats
the request, or is about another task: taking a reference for the video would store the user's own file as the result,
and a list of tasks somebody else's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from prefect_seedance.client.exchange import PAYLOADS, documented_id, task_id_of, text_of
from prefect_seedance.redaction import clean_address, clean_text, without_signatures

#: What is left out wherever it stands: pictures, sounds, what was asked for, and what is not finished.
_NOT_THE_RESULT = re.compile(
    "image|img|poster|cover|thumb|preview|frame|snapshot|picture|photo|avatar|audio|music|subtitle|input|request|param"
    "|reference|prompt|(?<!re)source|callback|webhook|notify|origin|rivallinks"
    "|related|recommend|similar|history|previous|parent|example|sample|demo|template|tutorial|banner|advert|promot"
    "|^(ads?|help|docs?|logo|user|author|others?)$"
)
_OTHER_KINDS = frozenset({"image", "imageurl", "audio", "audiourl", "text"})
#: Names of fields whose link may be one to a video although its path does not say so.
_NAMES_A_RESULT = re.compile(
    "video|^((result|download|media|file|play|output)s?)?(urls?|links?|uris?|href)$|^(results?|outputs?|response|data)$"
)
_VIDEO = frozenset({".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".flv", ".mpg", ".mpeg"})
_NO_VIDEO = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".svg", ".heic", ".avif", ".tif", ".tiff"),
        *(".mp3", ".wav", ".aac", ".m4a", ".flac", ".ogg"),
        *(".json", ".txt", ".html", ".htm", ".srt", ".vtt", ".pdf", ".zip", ".m3u8"),
    }
)
#: What stands round a link in a text that somebody put together.
_AROUND = " \t\"'`<>\u201c\u201d\u2018\u2019"
#: Levels of an answer that are looked through, a JSON text in it being one more.
_MOST_LEVELS = 5
_LONGEST_JSON = 200_000
_LONGEST_NAME = 64
#: Rival links that an error names.
_MOST_RIVALS = 5


@dataclass(frozen=True, slots=True)
class VideoLink:
    """The link to a video.

    Attributes:
        address: As answered, "" if there is none, or more than one that may be meant.
        rivals: Those that may be meant, without what grants access; empty if there is one or none.
    """

    address: str = ""
    rivals: tuple[str, ...] = ()


def as_link(value: JsonValue) -> str:
    """Read a link as browsers do: without blanks and quotes round it and control characters in it.

    The scheme may be in any case, or missing before ``//``.
    """
    text = text_of(value)
    if not text.isprintable():
        text = "".join(letter for letter in text if letter.isprintable() or "\ud800" <= letter <= "\udfff")
    text = text.strip(_AROUND).replace("&amp;", "&")  # as in a page's source; a signature would not fit any more
    if text.startswith("//"):
        text = f"https:{text}"
    if "://" in text:
        text = re.sub(r"\A[A-Za-z]+://", lambda scheme: scheme[0].lower(), text)
    return clean_address(text)


def is_whole_link(text: str) -> bool:
    """Return whether a text is a link that can be fetched, not a key without a host."""
    return text.startswith(("https://", "http://"))


def names_video(text: str) -> bool:
    """Return whether a text is a link, or at least the name of a video, as in answers that leave out the host."""
    return is_whole_link(text) or path_is_video(text)


def path_is_video(text: str) -> bool:
    """Return whether the path of a link ends as the names of videos do."""
    return _suffix(text) in _VIDEO


def video_link(task: Mapping[str, JsonValue], task_id: str = "") -> VideoLink:
    """Find the link to the video in what an answer says about a task.

    Args:
        task: What the answer says.
        task_id: The task's id, so that no link of another is taken; "" for the id that the answer has at its top.

    Example:
        >>> video_link({"content": {"video_url": "https://a.example.com/1", "last_frame_url": "https://a.example.com/2"}})
        VideoLink(address='https://a.example.com/1', rivals=())
        >>> video_link({"videos": ["https://a.example.com/1.mp4?sign=1", "https://a.example.com/2.mp4?sign=2"]}).rivals
        ('https://a.example.com/1.mp4', 'https://a.example.com/2.mp4')
    """
    own = task_id or documented_id(task)
    result = _opened(task.get("result"))
    places = (result.get("video_url") if isinstance(result, dict) else None, task.get("video_url"))
    for documented in places:
        given = {link for _, link in _links("video_url", documented, own, 3)}
        if len(given) == 1:
            return VideoLink(given.pop())
    found = [(_certainty(name, link), link) for name, value in _parts(task) for name, link in _links(name, value, own)]
    best = max((certainty for certainty, _ in found), default=0)
    meant = {_identity(link): link for certainty, link in reversed(found) if certainty == best > 0}
    links = [*meant.values()]
    if len(links) == 1:
        return VideoLink(links[0])
    return VideoLink("", tuple(sorted(clean_text(without_signatures(link)) for link in links)[:_MOST_RIVALS]))


def _links(name: str, value: JsonValue, own: str, levels: int = _MOST_LEVELS) -> Iterator[tuple[str, str]]:
    """List the links in a value that are not of another task, each with the name of the field that it stands in."""
    if is_whole_link(link := as_link(value)):
        yield name, link
        return
    value = _opened(value)
    if not levels:
        return
    if isinstance(value, list):
        for each in _of_task(value, own):
            yield from _links(name, each, own, levels - 1)
    elif isinstance(value, dict) and not _is_of_another(name, value, own):
        for inner, each in _parts(value):
            yield from _links(inner, each, own, levels - 1)


def _of_task(entries: list[JsonValue], own: str) -> list[JsonValue]:
    """Return the entries of a list that are about a task: of a list of tasks, that which names it, or none."""
    if len(entries) < 2 or not own:
        return entries
    named = [(task_id_of(each) if isinstance(each, dict) else "", each) for each in entries]
    if any(found == own for found, _ in named):
        return [each for found, each in named if found == own]
    return [each for each in entries if not (isinstance(each, dict) and documented_id(each))]


def _is_of_another(name: str, value: Mapping[str, JsonValue], own: str) -> bool:
    """Return whether an object is about another task. In a payload it is the same, as a service behind calls it."""
    return bool(own) and name not in PAYLOADS and documented_id(value) not in ("", own)


def _parts(value: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    """List the fields of an object that may hold a result; none of one that says it is an input."""
    role, kind = (_plain(text_of(value.get(name))) for name in ("role", "type"))
    if _NOT_THE_RESULT.search(role) or kind in _OTHER_KINDS:
        return
    for name, each in value.items():
        plain = _plain(name)
        if not _NOT_THE_RESULT.search(plain):
            yield plain, each


def _plain(name: str) -> str:
    # The names of fields are the same in each answer, and a long one is none that is worth keeping.
    return _short_plain(name) if len(name) <= _LONGEST_NAME else _letters(name)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


_short_plain = lru_cache(maxsize=1024)(_letters)


def _opened(value: JsonValue) -> JsonValue:
    """Read a text that is JSON itself; anything else stays what it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[", '"')) or len(value) > _LONGEST_JSON:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _certainty(name: str, link: str) -> int:
    """Return how sure it is that a link is to a video: 0 not at all, more by its path, and by a safe connection."""
    suffix = _suffix(link)
    if suffix in _NO_VIDEO or not (suffix in _VIDEO or _NAMES_A_RESULT.search(_plain(name))):
        return 0
    return 1 + 2 * (suffix in _VIDEO) + link.startswith("https://")


def _identity(link: str) -> str:
    """Return what tells two links apart: where the path names a file, a signature does not."""
    return without_signatures(link) if _suffix(link) in _VIDEO else link


def _suffix(link: str) -> str:
    try:
        return PurePosixPath(unquote(urlsplit(link).path)).suffix.lower()
    except ValueError:
        return ""
