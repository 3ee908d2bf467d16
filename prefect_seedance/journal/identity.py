"""What an intent is: the hash that says whether two requests ask for the same video.

In the hash: the request as the user asked it, its ``take``, the reuse scope, and the account's label. Nothing
else. Not the body as sent (an edit of the route table must not buy a catalogue again), not the key, the host,
the version of this package or of the record. `PROJECTION` says for every field of `VideoRequest` how it gets
in; a test fails when a field is missing there, and golden intents per route are frozen beside the tests.

A change of anything here gives every request a new intent, and makes every user pay for everything again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.media_identity import MediaIdentity, media_identity

#: The scope of ``reuse="always"``: whichever run asks.
ALWAYS = ""

Kind = Literal["model", "kept", "choice", "media", "media list", "beside", "merged"]


@dataclass(frozen=True)
class Projected:
    """How one field of the request gets into the intent, and why so.

    Attributes:
        kind: ``kept`` as it is; ``choice`` unless "auto"; ``media`` and ``media list`` by identity, unless
            empty; ``model`` as the name that is sent; ``merged`` into another field; ``beside`` the request
            in the hash.
        why: The reason.
    """

    kind: Kind
    why: str


PROJECTION: Mapping[str, Projected] = {
    "prompt": Projected("kept", "character by character, as the vendor reads it"),
    "model": Projected("model", "another route makes another video"),
    "duration": Projected("kept", "always sent"),
    "resolution": Projected("choice", "as asked, also on a route that ignores it today"),
    "ratio": Projected("choice", "as asked"),
    "orientation": Projected("choice", "as asked, also where the ratio wins"),
    "images": Projected("media list", "in order, since prompts name inputs by number"),
    "first_image": Projected("media", "what it shows, not today's signature"),
    "last_image": Projected("media", "what it shows, not today's signature"),
    "reference_videos": Projected("media list", "in order"),
    "reference_audios": Projected("media list", "in order"),
    "take": Projected("beside", "not sent; another take is another intent for the same request"),
    "other_model": Projected("merged", "it is the model when set: both spellings are one request"),
}


@dataclass(frozen=True)
class Identity:
    """An intent with what it was made from, as the record keeps it.

    Attributes:
        intent: 32 hex digits.
        request: The canonical request.
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


def canonical(request: VideoRequest, media: MediaIdentity | None = None) -> dict[str, JsonValue]:
    """Write a request as the intent sees it, without its take.

    Args:
        request: As the user asked it.
        media: Identifies what an address alone cannot: a local file by content, ``s3://`` by checksum.

    Raises:
        MediaNotIdentified: An address has no identity without ``media``.

    Example:
        >>> canonical(VideoRequest(prompt="A paper boat", ratio="9:16", take="2"))
        {'prompt': 'A paper boat', 'model': 'seedance2.0-std', 'duration': 5, 'ratio': '9:16'}
    """
    written: dict[str, JsonValue] = {}
    for field, row in PROJECTION.items():
        value: JsonValue = getattr(request, field)
        match row.kind:
            case "model":
                written[field] = request.model_name
            case "kept":
                written[field] = value
            case "choice" if value != "auto":
                written[field] = value
            case "media" if value:
                written[field] = media_identity(str(value), media)
            case "media list" if isinstance(value, list) and value:
                written[field] = [media_identity(str(address), media) for address in value]
            case _:
                pass
    return written


def identify(request: VideoRequest, *, scope: str, account: str, media: MediaIdentity | None = None) -> Identity:
    """Return the identity of a request: its intent, and what that was made from.

    Args:
        request: As the user asked it.
        scope: `ALWAYS`, `run_scope` or `named_scope`.
        account: Label of the account that pays.
        media: See `canonical`.

    Raises:
        MediaNotIdentified: See `canonical`.
    """
    asked = canonical(request, media)
    # ASCII with escapes: the text that is hashed is the same wherever it is written.
    text = json.dumps(
        {"request": asked, "take": request.take, "scope": scope, "account": account},
        sort_keys=True,
        ensure_ascii=True,
        separators=(",", ":"),
    )
    return Identity(hashlib.sha256(text.encode("ascii")).hexdigest()[:32], asked, request.take, scope, account)


def intent_of(request: VideoRequest, *, scope: str, account: str, media: MediaIdentity | None = None) -> str:
    """Return the intent of a request; see `identify`.

    Example:
        >>> intent_of(VideoRequest(prompt="A paper boat"), scope=ALWAYS, account="default")
        '2e5b2ced3957ef68973738a4277cb3f2'
    """
    return identify(request, scope=scope, account=account, media=media).intent


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
    if not text.strip():
        raise ValueError('reuse="scope" needs a reuse_scope, for example "2026-11-22"')
    return f"scope:{text}"
