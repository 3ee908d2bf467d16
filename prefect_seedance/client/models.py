"""What the vendor's answers say, as frozen models.

Lenient on purpose: a task that is paid for must not become unreadable because its progress is a word. A field
that is missing, null, of another type or out of any range counts as not answered; fields that we do not know are left
out. So whoever has a model has clean values: nothing behind it asks again whether a calendar has a moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationInfo, model_validator

from prefect_seedance.client.exchange import amount, byte_count, percentage, price, text_of, unix_seconds
from prefect_seedance.redaction import clean_address, clean_text, shown_json, shown_text

VideoState = Literal["running", "completed", "failed", "canceled"]
AssetState = Literal["active", "processing", "failed"]

# "success" is not on the vendor's query page, but in older answers; others are other gateways' words. What nobody has
# seen yet is still running: taking an unknown word for the end would lose a paid video.
_VIDEO_STATES: dict[str, VideoState] = {
    "queued": "running",
    "pending": "running",
    "submitted": "running",
    "processing": "running",
    "running": "running",
    "completed": "completed",
    "success": "completed",
    "succeeded": "completed",
    "failed": "failed",
    "failure": "failed",
    "expired": "failed",
    "canceled": "canceled",
    "cancelled": "canceled",
}
_ASSET_STATES: dict[str, AssetState] = {
    "active": "active",
    "failed": "failed",
    "rejected": "failed",
    "expired": "failed",
    "deleted": "failed",
}


def _text(value: JsonValue, info: ValidationInfo) -> str:
    return _shown(info)(text_of(value)).strip()


def _identifier(value: JsonValue) -> str:
    return clean_text(text_of(value))


def _shown(info: ValidationInfo) -> Callable[[str], str]:
    """Return what makes words fit to be shown: that of the answer, which knows the key."""
    context = cast("Callable[[str], str] | None", info.context)
    return context or shown_text


def _flag(value: JsonValue) -> bool:
    return value is True


def _link(value: JsonValue) -> str:
    """Read a link as browsers do: without blanks round it and control characters in it, the scheme in any case."""
    text = "".join(letter for letter in text_of(value) if letter.isprintable() or _is_half_a_pair(letter)).strip()
    if text.startswith("//"):
        text = f"https:{text}"
    return clean_address(re.sub(r"\A[A-Za-z]+://", lambda scheme: scheme[0].lower(), text))


def _is_whole_link(text: str) -> bool:
    return text.startswith(("https://", "http://"))


def _first_text(value: JsonValue, levels: int = 4) -> str:
    """Return the first address in what should be one: a text, or a list or an object round it."""
    if isinstance(value, list | dict) and levels:
        inside = value if isinstance(value, list) else [value.get("video_url"), value.get("url")]
        return next((text for each in inside if (text := _first_text(each, levels - 1))), "")
    return text_of(value)


def _is_half_a_pair(letter: str) -> bool:
    return "\ud800" <= letter <= "\udfff"


def _objects(value: object) -> list[object]:
    entries = cast("list[object]", value) if isinstance(value, list | tuple) else []
    return [entry for entry in entries if isinstance(entry, dict | BaseModel)]


def _shown_objects(value: object, info: ValidationInfo) -> list[object]:
    return [shown_json(cast("JsonValue", entry), _shown(info)) for entry in _objects(value)]


Text = Annotated[str, BeforeValidator(_text)]
#: Stays whole: it is what the vendor is asked by.
Identifier = Annotated[str, BeforeValidator(_identifier)]
Link = Annotated[str, BeforeValidator(_link)]
Amount = Annotated[float | None, BeforeValidator(amount)]
Price = Annotated[float | None, BeforeValidator(price)]
Percentage = Annotated[int | None, BeforeValidator(percentage)]
ByteCount = Annotated[int | None, BeforeValidator(byte_count)]
Moment = Annotated[int | None, BeforeValidator(unix_seconds)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Objects = Annotated[tuple[dict[str, JsonValue], ...], BeforeValidator(_shown_objects)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class VideoTask(_Answer):
    """A task at the vendor, as it stands.

    Attributes:
        task_id: The vendor's id.
        status: The vendor's word; see `state` for what it means.
        progress: 0 to 100, None if not answered. The status decides, not this.
        model: The route.
        created_at: Unix seconds.
        completed_at: Unix seconds, None while it runs.
        video_url: A link good for about 3 days, "" until there is one, which may be a moment after `state` is
            completed. Older answers gave a path without a host.
        error_message: The vendor's words on a failure.
        cost: JimiCoin, None if not answered.
        names_itself: Whether the answer named the task. Without that `task_id` is the one that was asked for.
    """

    task_id: Identifier = ""
    status: Text = ""
    progress: Percentage = None
    model: Text = ""
    created_at: Moment = None
    completed_at: Moment = None
    video_url: Link = Field(default="", repr=False)  # it opens the video
    error_message: Text = ""
    cost: Price = None
    names_itself: Flag = True

    @model_validator(mode="before")
    @classmethod
    def _lift_the_link(cls, data: JsonValue) -> JsonValue:
        if not isinstance(data, dict):
            return data
        result = data.get("result")
        links = (text for place in (result, data.get("video_url")) if _is_whole_link(_link(text := _first_text(place))))
        relative = text_of(result.get("video_url")) if isinstance(result, dict) else ""
        return {**data, "video_url": next(links, relative or data.get("video_url"))}

    @property
    def state(self) -> VideoState:
        """What the status means: running, completed, failed or canceled.

        A status that is missing or unknown means completed only with a progress of 100 and a link to the video.
        """
        word = re.sub(r"[^a-z]", "", self.status.lower())
        made = self.progress == 100 and _is_whole_link(self.video_url)
        return _VIDEO_STATES.get(word, "completed" if made else "running")


class Asset(_Answer):
    """An input that the vendor keeps: of the Manxue audit, or of the SP library.

    Fields that a call does not answer are empty.
    """

    asset_id: Identifier = ""
    status: Text = ""
    asset_type: Text = ""
    original_url: Link = ""
    official_id: Identifier = ""
    name: Text = ""
    image_url: Link = ""
    created_at: Text = ""

    @property
    def state(self) -> AssetState:
        """What the status means; only an active asset can be used, and an unknown word means not yet."""
        return _ASSET_STATES.get(self.status.lower(), "processing")

    @property
    def reference(self) -> str:
        """How a request names the asset."""
        return f"asset://{self.asset_id}"


class AuditResult(_Answer):
    """The answer to an audit's submission.

    Attributes:
        items: What was taken in.
        failed_items: What was not; the vendor documents no fields for these.
    """

    items: Annotated[tuple[Asset, ...], BeforeValidator(_objects)] = ()
    failed_items: Objects = ()


class UserBalance(_Answer):
    """The account's JimiCoins.

    Attributes:
        balance: All of them.
        used_coin: Used, less refunds.
        available: What is left.
    """

    balance: Amount = None
    used_coin: Amount = None
    available: Amount = None


class KeyBalance(_Answer):
    """The quota of one key.

    Attributes:
        name: The key's name in the console.
        total_quota: 0 means no limit.
        used_quota: Counts tasks that succeeded.
        available_quota: What is left.
        unlimited: Whether there is no limit.
    """

    name: Text = ""
    total_quota: Amount = None
    used_quota: Amount = None
    available_quota: Amount = None
    unlimited: Flag = False


class CatalogEntry(_Answer):
    """One model and its default price, which need not be the user's own.

    Attributes:
        price_mode: ``per_task``, ``per_second`` and others.
    """

    model_name: Text = ""
    display_name: Text = ""
    model_type: Text = ""
    price_mode: Text = ""
    unit_price: Price = None
    official_price: Price = None
    remark: Text = ""
    group: Text = ""


class UploadedFile(_Answer):
    """A file that the vendor keeps for about 3 days."""

    url: Link = ""
    filename: Text = ""
    size: ByteCount = None
    mime_type: Text = ""
