"""What the vendor's answers say, as frozen models.

Lenient on purpose: a task that is paid for must not become unreadable because its progress is a word. A field
that is missing, null, of another type or out of any range counts as not answered; fields that we do not know are left
out. So whoever has a model has clean values: nothing behind it asks again whether a calendar has a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationInfo, model_validator

from prefect_seedance.client.exchange import amount, byte_count, percentage, price, text_of, unix_seconds
from prefect_seedance.client.task.links import as_link, is_whole_link, video_link
from prefect_seedance.client.task.status import VideoState, state_of, status_of
from prefect_seedance.redaction import clean_text, shown_json, shown_text

AssetState = Literal["active", "processing", "failed"]

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


def _words_of_failure(data: dict[str, JsonValue]) -> str:
    """Read why a task failed, in whichever field; some put the link to the video there when it did not."""
    for name in ("error_message", "fail_reason", "error_msg", "failMsg", "reason", "error"):
        value = data.get(name)
        text = text_of(value.get("message") if isinstance(value, dict) else value)
        if text and not is_whole_link(as_link(text)):
            return text
    return ""


def _listed(value: object) -> list[object]:
    return cast("list[object]", [*value]) if isinstance(value, list | tuple) else []


def _objects(value: object) -> list[object]:
    entries = cast("list[object]", value) if isinstance(value, list | tuple) else []
    return [entry for entry in entries if isinstance(entry, dict | BaseModel)]


def _shown_objects(value: object, info: ValidationInfo) -> list[object]:
    return [shown_json(cast("JsonValue", entry), _shown(info)) for entry in _objects(value)]


Text = Annotated[str, BeforeValidator(_text)]
#: Stays whole: it is what the vendor is asked by.
Identifier = Annotated[str, BeforeValidator(_identifier)]
Link = Annotated[str, BeforeValidator(as_link)]
Amount = Annotated[float | None, BeforeValidator(amount)]
Price = Annotated[float | None, BeforeValidator(price)]
Percentage = Annotated[int | None, BeforeValidator(percentage)]
ByteCount = Annotated[int | None, BeforeValidator(byte_count)]
Moment = Annotated[int | None, BeforeValidator(unix_seconds)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
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
        rival_links: Where the answer has several links that may be meant: all of them, without what grants access.
        error_message: The vendor's words on a failure.
        cost: JimiCoin, None if not answered.
        names_itself: Whether the answer named the task. Without that `task_id` is the one that was asked for.
        by_vendor: Whether all of it is as the vendor documents it: the envelope, the id, the place of the status. Only
            then may a failure lead to another payment by itself.
    """

    task_id: Identifier = ""
    status: Text = ""
    progress: Percentage = None
    model: Text = ""
    created_at: Moment = None
    completed_at: Moment = None
    video_url: Link = Field(default="", repr=False)  # it opens the video
    rival_links: Texts = ()
    error_message: Text = ""
    cost: Price = None
    names_itself: Flag = True
    by_vendor: Flag = True

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, data: JsonValue) -> JsonValue:
        if not isinstance(data, dict):
            return data
        result, found = data.get("result"), video_link(data)
        relative = text_of(result.get("video_url")) if isinstance(result, dict) else ""
        return {
            **data,
            "status": status_of(data),
            "video_url": found.address or relative or data.get("video_url"),
            "rival_links": [*found.rivals] or data.get("rival_links"),
            "error_message": _words_of_failure(data),
        }

    @property
    def state(self) -> VideoState:
        """What the status means: running, completed, failed or canceled.

        A status that is not known means completed only with a progress of 100 and a link to the video, one that is
        missing also where nothing is said of a progress.
        """
        made = is_whole_link(self.video_url) and (self.progress == 100 or (not self.status and self.progress is None))
        return state_of(self.status) or ("completed" if made else "running")

    @property
    def unknown_status(self) -> str:
        """The status if its meaning is not known, fit to be shown; else ""."""
        return "" if not self.status or state_of(self.status) else self.status[:80]


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
