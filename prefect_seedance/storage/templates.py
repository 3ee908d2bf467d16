"""Where a video goes: the key template of a store, checked when it is saved and rendered once.

A template is a relative path with names in braces, ``videos/{created:%Y/%m/%d}/{task_id}.mp4`` by default. It must
hold ``{task_id}`` or ``{intent}``, so that two videos can never meet at one key.
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from prefect_seedance.storage.errors import BadKey
from prefect_seedance.storage.keys import LONGEST_SEGMENT_BYTES, check_key

DEFAULT_TEMPLATE = "videos/{created:%Y/%m/%d}/{task_id}.mp4"

#: Folders of the store that hold other things than videos, whatever the case of their letters: some disks do not tell.
RESERVED = ("journal", "quarantine", "reports")
#: Names that Windows keeps for devices, with any suffix: a store may lie on, or be copied to, a Windows share.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
)

#: Longest part of a key that one name may make: six of them and their surroundings fit into S3's 1,024 bytes.
MAXIMUM_VALUE_CHARACTERS = 120

_SAFE_KEY = re.compile(r"[A-Za-z0-9._=+@ \-/]*\Z")
_UNSAFE_IN_VALUE = re.compile(r"[^A-Za-z0-9._=+@\-]+")


@dataclass(frozen=True)
class KeyFacts:
    """What a template may name and is known before the video is submitted.

    Attributes:
        intent: The identity of what was asked.
        request_digest: Short hash of the request as asked, without the take.
        model: The model that was asked for.
        take: The take that was asked for.
        flow_run_name: Name of the flow run, "run" outside of one.
        name: What the row of a manifest calls the video, "video" where it has no name.
    """

    intent: str
    request_digest: str
    model: str
    take: str
    flow_run_name: str
    name: str = "video"


_EXAMPLE = KeyFacts("0", "0", "model", "1", "run")
_LONGEST = KeyFacts(*("x" * MAXIMUM_VALUE_CHARACTERS for _ in range(6)))
_EXAMPLE_CREATED = datetime(2026, 1, 1, tzinfo=UTC)
#: What a template may name; the first and the last are known only once the vendor has the task.
NAMES = ("task_id", *asdict(_EXAMPLE), "created")


def check_template(template: str) -> str:
    """Check a key template.

    Returns:
        The template.

    Raises:
        ValueError: A rule is broken; the message says which, and what to write instead.

    Example:
        >>> check_template("clips/{model}/{task_id}.mp4")
        'clips/{model}/{task_id}.mp4'
    """
    try:
        pieces = list(_pieces(template))
    except ValueError as error:
        raise ValueError(f"key template {template!r}: {error}; write names in braces, such as {{task_id}}") from None
    if any(brace in text for text, _, _ in pieces for brace in "{}"):
        raise ValueError(f"key template {template!r}: a brace is not safe in a key; write names in single braces")
    used = {name for _, name, _ in pieces if name is not None}
    unknown = used - set(NAMES)
    if unknown:
        raise ValueError(f"key template: {{{min(unknown)}}} is not known; choose from {', '.join(NAMES)}")
    if not used & {"task_id", "intent"}:
        raise ValueError("key template: it must hold {task_id} or {intent}, or two videos would share a key")
    if any(form and name != "created" for _, name, form in pieces):
        raise ValueError("key template: only {created} takes a format, for example {created:%Y/%m/%d}")
    if not template.endswith(".mp4"):
        raise ValueError("key template: it must end with .mp4; the poster and the provenance take its name")
    for facts, task_id in ((_EXAMPLE, "videos_0"), (_LONGEST, "x" * MAXIMUM_VALUE_CHARACTERS)):
        key = _filled(prefill(template, facts), task_id, _EXAMPLE_CREATED)
        if not _SAFE_KEY.match(key):
            raise ValueError(
                f"key template: {key!r} holds a character that is not safe in a key; use A-Z a-z 0-9 . _ - = + @ /"
            )
        try:
            check_key(key)
        except BadKey as error:
            raise ValueError(f"key template: {error}") from None
    for part in _kept_names(_filled(prefill(template, _EXAMPLE), "videos_0", _EXAMPLE_CREATED)):
        raise ValueError(
            f"key template: {part!r} is a name that the store itself uses, or that some systems do not allow; use "
            "another, such as videos/"
        )
    return template


def prefill(template: str, facts: KeyFacts) -> str:
    """Fill in a checked template as far as it can be before the video is submitted.

    What stays open is ``{task_id}`` and ``{created}``, so that the text can be kept in the record and any process can
    name the video. Characters of a value that are unsafe in a key become "-".

    Example:
        >>> prefill("{created:%Y}/{model}-{task_id}.mp4", _EXAMPLE)
        '{created:%Y}/model-{task_id}.mp4'
    """
    values: Mapping[str, str] = asdict(facts)
    filled = ""
    for text, name, form in _pieces(template):
        filled += text
        if name in values:
            filled += _safe(values[name])
        elif name is not None:
            filled += f"{{{name}:{form}}}" if form else f"{{{name}}}"
    return filled


def render(prefilled: str, task_id: str, created: datetime) -> str:
    """Complete the key of a video.

    Args:
        prefilled: What `prefill` returned.
        task_id: The vendor's task id.
        created: When the vendor made the task.

    Example:
        >>> render("{created:%Y}/model-{task_id}.mp4", "videos_0", datetime(2026, 1, 1, tzinfo=UTC))
        '2026/model-videos_0.mp4'
    """
    key = _filled(prefilled, task_id, created)
    if not _kept_names(key):
        return key
    # A value from outside made it so. The video is paid for: it is stored, under another name.
    return "/".join(_renamed(part) if _is_kept(part, first=not at) else part for at, part in enumerate(key.split("/")))


def example_key(template: str) -> str:
    """Return the key that a video made today might get by a checked template."""
    return render(prefill(template, _EXAMPLE), "videos_0", datetime.now(UTC))


def _filled(prefilled: str, task_id: str, created: datetime) -> str:
    key = ""
    for text, name, form in _pieces(prefilled):
        key += text
        if name == "created":
            key += created.astimezone(UTC).strftime(form or "%Y-%m-%d")
        elif name is not None:
            key += _safe_id(task_id)
    return key


def _kept_names(key: str) -> list[str]:
    return [part for at, part in enumerate(key.split("/")) if _is_kept(part, first=not at)]


def _is_kept(part: str, *, first: bool) -> bool:
    """Return whether a part of a key is a folder of ours, or a name that not every system can have."""
    whole = unicodedata.normalize("NFKC", part).casefold()
    plain = whole.rstrip(". ")
    return plain != whole or (first and plain in RESERVED) or plain.partition(".")[0].rstrip() in _DEVICES


def _renamed(part: str) -> str:
    """Return another name, marked so that no other part gets the same."""
    name, suffix = (part[:-4], ".mp4") if part.endswith(".mp4") else (part, "")
    mark = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    room = LONGEST_SEGMENT_BYTES - len(f"-{mark}{suffix}")
    name = name.encode("utf-8", "replace")[:room].decode("utf-8", "ignore").rstrip(". ")
    if name.partition(".")[0].rstrip().casefold() in _DEVICES:  # "con.a-1f" would still be the device
        name = name.replace(".", "-")
    return f"{name}-{mark}{suffix}"


def beside(key: str, suffix: str) -> str:
    """Name a file beside a video: ``beside("a/b.mp4", ".json")`` is ``"a/b.json"``."""
    return key.removesuffix(".mp4") + suffix


def _safe(value: str) -> str:
    """Make any value fit for a key: once the video is paid for, its key must not be refused."""
    text = _UNSAFE_IN_VALUE.sub("-", value)[:MAXIMUM_VALUE_CHARACTERS].lstrip(".")
    return text or "-"


def _safe_id(task_id: str) -> str:
    """Make a task id fit for a key; one that had to be changed is marked, so that no other id makes the same key."""
    safe = _safe(task_id)
    if safe == task_id:
        return safe
    mark = hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{safe[: MAXIMUM_VALUE_CHARACTERS - len(mark) - 1]}-{mark}"


def _pieces(template: str) -> Iterator[tuple[str, str | None, str | None]]:
    for text, name, form, conversion in string.Formatter().parse(template):
        if conversion or (name is not None and not name.isidentifier()) or (form and "{" in form):
            raise ValueError(f"{{{name}}} is not a plain name")
        yield text, name, form
