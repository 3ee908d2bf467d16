"""What an intent is: the hash that says whether two requests ask for the same video.

In the hash: the request as the user asked it, its ``take``, the reuse scope, and the account's label. Nothing
else. Not the body as sent (an edit of the route table must not buy a catalogue again), not the key, the host,
the version of this package or of the record. `PROJECTION` says for every field of `VideoRequest` how it gets
in; a test fails when a field is missing there, and golden intents per route are frozen beside the tests.

Requests with the same body are one intent, so what is not sent is left out. But a table here says what that is
(`NOT_SENT`), never the route table, which changes whenever the vendor's pages do.

A change of anything here gives every request a new intent, and makes every user pay for everything again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from prefect_seedance.client.request.video_request import VideoRequest, canonical_text
from prefect_seedance.client.task.links import path_is_video
from prefect_seedance.journal.media_identity import MediaIdentity, media_identity, same_file, shown_address
from prefect_seedance.redaction import without_signatures

#: The scope of ``reuse="always"``: whichever run asks.
ALWAYS = ""

Kind = Literal["model", "kept", "choice", "without ratio", "media", "media list", "beside", "merged"]


@dataclass(frozen=True)
class Projected:
    """How one field of the request gets into the intent, and why so.

    Attributes:
        kind: ``kept`` as it is; ``choice`` unless "auto"; ``without ratio`` the same, where no ratio is chosen;
            ``media`` and ``media list`` by identity, unless empty; ``model`` as the name that is sent; ``merged``
            into another field; ``beside`` the request in the hash.
        why: The reason.
    """

    kind: Kind
    why: str


PROJECTION: Mapping[str, Projected] = {
    "prompt": Projected("kept", "character by character, as it is sent: `VideoRequest` has cleaned it"),
    "model": Projected("model", "another route makes another video"),
    "duration": Projected("kept", "always sent"),
    "resolution": Projected("choice", "as asked, but for the routes that it is not sent to"),
    "ratio": Projected("choice", "as asked"),
    "orientation": Projected("without ratio", "the ratio wins, and is sent alone"),
    "images": Projected("media list", "in order, since prompts name inputs by number"),
    "first_image": Projected("media", "what it shows, not today's signature"),
    "last_image": Projected("media", "what it shows, not today's signature"),
    "reference_videos": Projected("media list", "in order"),
    "reference_audios": Projected("media list", "in order"),
    "take": Projected("beside", "not sent; another take is another intent for the same request"),
    "other_model": Projected("merged", "it is the model when set: both spellings are one request"),
}


#: What is not sent on a route that ignores it, so that requests which differ in nothing else are one video. Every
#: known route stands here. Frozen, and no echo of the route table: a row may be added for a new route. If a route
#: begins to take a field, its row must go on leaving out the value that the route made so far, and only that.
NOT_SENT: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("sd2_mx_720p", "sd2_mx_1080p", "sd2_mx_2k", "sd2_mx_4k"),
            *("sd2_mx_fast_720p", "sd2_mx_fast_1080p"),
            *("sd2_mx_video_720p", "sd2_mx_video_1080p", "sd2_mx_video_2k", "sd2_mx_video_4k"),
            *("sd2_mx_video_fast_720p", "sd2_mx_video_fast_1080p"),
            *("seedance2.0-md", "seedance2.0-fast-md", "seedance2.0-fast-i2v", "seedance2.0-std"),
        ),
        frozenset({"resolution"}),
    ),
    **dict.fromkeys(
        (
            *("seedance2.0-sp", "seedance2.0-fast-sp", "seedance2.0-of-sp", "seedance2.0-of-fast-sp"),
            *("seedance2.0-mini", "seedance2.0-mini-video", "seedance2.0-mini-sp"),
        ),
        frozenset[str](),
    ),
}


@dataclass(frozen=True)
class Identity:
    """An intent with what it was made from, as the record keeps it.

    Attributes:
        intent: 32 hex digits.
        request: The canonical request as it may be kept and read by anybody, see `shown`.
        take: Which video of that request.
        scope: What the video is shared within; "" for everywhere.
        account: Label of the account that pays.
    """

    intent: str
    request: dict[str, JsonValue]
    take: str
    scope: str
    account: str

    @property
    def model(self) -> str:
        """The name that is sent as ``model``."""
        return str(self.request.get("model", ""))  # "" where a record was restored from nothing


def canonical(
    request: VideoRequest, media: MediaIdentity | None = None, ignored_parameters: Collection[str] = ()
) -> dict[str, JsonValue]:
    """Write a request as the intent sees it, without its take.

    Args:
        request: As the user asked it.
        media: Identifies what an address alone cannot: a local file by content, ``s3://`` by checksum.
        ignored_parameters: Names of parameters of links that do not count, as the user says.

    Raises:
        MediaNotIdentified: An address has no identity without ``media``.

    Example:
        >>> canonical(VideoRequest(prompt="A paper boat", ratio="9:16", take="2"))
        {'prompt': 'A paper boat', 'model': 'seedance2.0-std', 'duration': 5, 'ratio': '9:16'}
    """
    written: dict[str, JsonValue] = {}
    not_sent = NOT_SENT.get(request.model_name, frozenset[str]())
    for field, row in PROJECTION.items():
        if field in not_sent:
            continue
        value: JsonValue = getattr(request, field)
        match row.kind:
            case "model":
                written[field] = request.model_name
            case "kept":
                written[field] = value
            case "choice" if value != "auto":
                written[field] = value
            case "without ratio" if value != "auto" and request.ratio == "auto":
                written[field] = value
            case "media" if value:
                written[field] = media_identity(str(value), media, ignored_parameters)
            case "media list" if isinstance(value, list) and value:
                written[field] = [media_identity(str(address), media, ignored_parameters) for address in value]
            case _:
                pass
    return written


def identify(
    request: VideoRequest,
    *,
    scope: str,
    account: str,
    media: MediaIdentity | None = None,
    ignored_parameters: Collection[str] = (),
) -> Identity:
    """Return the identity of a request: its intent, and what that was made from.

    Args:
        request: As the user asked it.
        scope: `ALWAYS`, `run_scope` or `named_scope`.
        account: Label of the account that pays.
        media: See `canonical`.
        ignored_parameters: See `canonical`.

    Raises:
        MediaNotIdentified: See `canonical`.
    """
    asked = canonical(request, media, ignored_parameters)
    account = canonical_text(account)
    # ASCII with escapes: the text that is hashed is the same wherever it is written.
    text = json.dumps(
        {"request": asked, "take": request.take, "scope": scope, "account": account},
        sort_keys=True,
        ensure_ascii=True,
        separators=(",", ":"),
    )
    intent = hashlib.sha256(text.encode("ascii")).hexdigest()[:32]
    return Identity(intent, shown(asked, ignored_parameters), request.take, scope, account)


def shown(asked: Mapping[str, JsonValue], ignored_parameters: Collection[str] = ()) -> dict[str, JsonValue]:
    """Return a canonical request without what may grant access, for the record and whatever is made from it.

    The intent is not made from it: of an address it must keep what only may be a signature.

    Args:
        asked: What `canonical` returned, or what a record says.
        ignored_parameters: See `canonical`.

    Example:
        >>> shown({"prompt": "A boat", "first_image": "https://example.com/a?api_key=abc", "duration": 5})
        {'prompt': 'A boat', 'first_image': 'https://example.com/a', 'duration': 5}
    """
    written: dict[str, JsonValue] = {}
    for field, value in asked.items():
        row = PROJECTION.get(field)  # none of a field that a newer package wrote
        match row.kind if row else "kept":
            case "media":
                written[field] = shown_address(str(value), ignored_parameters)
            case "media list" if isinstance(value, list):
                written[field] = [shown_address(str(address), ignored_parameters) for address in value]
            case _:
                written[field] = without_signatures(value) if isinstance(value, str) else value
    return written


def references_of(asked: Mapping[str, JsonValue]) -> list[str]:
    """List the references of a canonical request, also as a record says it.

    Example:
        >>> references_of({"prompt": "A boat", "images": ["sha256:0f", "asset://boat"], "duration": 5})
        ['sha256:0f', 'asset://boat']
    """
    media = [asked.get(field) for field, row in PROJECTION.items() if row.kind.startswith("media")]
    addresses = [address for value in media for address in (value if isinstance(value, list) else [value])]
    return [address for address in addresses if isinstance(address, str)]


def input_digest(address: str) -> str:
    """Return what a record keeps of an address that was given for a reference, which may grant access: a short hash.

    Example:
        >>> input_digest("https://files.example.com/a.mp4?sign=1") == input_digest("http://files.example.com/a.mp4")
        True
    """
    return hashlib.sha256(same_file(address).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_input(link: str, asked: Mapping[str, JsonValue], sent: Collection[str] = ()) -> bool:
    """Return whether a link is to a file that a request names. An answer may repeat such a link: it is not a result.

    Where the path names no file, only a signature may tell one from another, and of it the canonical request says
    nothing: there a link is known by its digest alone, or a result would be taken for an input.

    Args:
        link: As answered.
        asked: The canonical request, also as a record says it.
        sent: Digests of the addresses that were given for references, see `input_digest`.

    Example:
        >>> is_input("https://a.example.com/b.mp4?sign=1", {"reference_videos": ["https://a.example.com/b.mp4"]})
        True
    """
    if not link:
        return False
    if input_digest(link) in sent:
        return True
    file = same_file(link)
    return "?" not in file and path_is_video(link) and file in {same_file(each) for each in references_of(asked)}


def intent_of(
    request: VideoRequest,
    *,
    scope: str,
    account: str,
    media: MediaIdentity | None = None,
    ignored_parameters: Collection[str] = (),
) -> str:
    """Return the intent of a request; see `identify`.

    Example:
        >>> intent_of(VideoRequest(prompt="A paper boat"), scope=ALWAYS, account="default")
        '2e5b2ced3957ef68973738a4277cb3f2'
    """
    return identify(request, scope=scope, account=account, media=media, ignored_parameters=ignored_parameters).intent


def run_scope(root_flow_run_id: str) -> str:
    """Return the scope of ``reuse="run"``: within one root flow run.

    Raises:
        ValueError: There is no run to share within.
    """
    if not root_flow_run_id:
        raise ValueError('reuse="run" needs a flow run; outside of one use "always" or "scope"')
    return f"run:{root_flow_run_id}"


def named_scope(text: str) -> str:
    """Return the scope of ``reuse="scope"``: whatever the user names, such as a date.

    Raises:
        ValueError: The name is empty, which would share with every run.
    """
    if not canonical_text(text):
        raise ValueError('reuse="scope" needs a reuse_scope, for example "2026-11-22"')
    return f"scope:{canonical_text(text)}"
