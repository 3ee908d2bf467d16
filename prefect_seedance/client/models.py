"""What the vendor's answers say, as frozen models.

Lenient on purpose: a task that is paid for must not become unreadable because its progress is a word. A field
that is missing, null, of another type or out of any range counts as not answered; fields that we do not know are left
out. So whoever has a model has clean values: nothing behind it asks again whether a calendar has a moment.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, cast
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationInfo, model_validator

from prefect_seedance.client.exchange import amount, byte_count, percentage, price, text_of, unix_seconds
from prefect_seedance.client.task.links import as_link, is_whole_link, video_link
from prefect_seedance.client.task.status import VideoState, state_of, status_of
from prefect_seedance.redaction import clean_text, shown_json, shown_text

#: What is known of an asset. "unknown": this account has none such; "unread": it could not be looked up just now, which
#: says nothing of the asset.
AssetState = Literal["active", "processing", "failed", "rejected", "expired", "deleted", "unknown", "unread"]

#: Words of both libraries and their likes. Any other means not yet: only what is surely active may be paid with.
_ASSET_STATES: dict[str, AssetState] = {
    "active": "active",
    **dict.fromkeys(("failed", "failure", "fail", "error"), "failed"),
    **dict.fromkeys(("rejected", "reject", "refused", "blocked"), "rejected"),
    "expired": "expired",
    **dict.fromkeys(("deleted", "removed"), "deleted"),
    **dict.fromkeys(("unknown", "notfound", "notexist", "notexists"), "unknown"),
}

#: Names under which other services of the family answer a field, in small letters and without separators.
_ASSET_NAMES: dict[str, tuple[str, ...]] = {
    "asset_id": ("assetid", "id"),
    "status": ("status", "assetstatus", "auditstatus", "reviewstatus", "state"),
    "original_url": ("originalurl", "sourceurl", "url", "source", "fileurl", "address", "uri"),
    "asset_type": ("assettype", "type", "mediatype"),
    "asset_ref": ("assetref",),
    "reason": ("reason", "errormessage", "errormsg", "failreason", "failmsg", "message", "msg", "error", "detail"),
}
_FAILED_NAMES: dict[str, tuple[str, ...]] = {
    **{name: _ASSET_NAMES[name] for name in ("asset_id", "reason")},
    "original_url": (*_ASSET_NAMES["original_url"], "imageurl", "videourl", "audiourl"),
}
_UPLOAD_NAMES: dict[str, tuple[str, ...]] = {
    "url": ("url", "fileurl", "downloadurl", "publicurl", "link", "src"),
    "filename": ("filename", "name"),
    "mime_type": ("mimetype", "contenttype"),
}


def plain_word(word: str) -> str:
    """Return a name or a word as it is compared: in small letters, without separators."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def _by_documented_names(data: JsonValue, names: Mapping[str, tuple[str, ...]]) -> JsonValue:
    """Return an object with the documented name for each field that is answered under another one."""
    if not isinstance(data, dict):
        return data
    others = {plain_word(name): value for name, value in reversed(data.items())}
    found = dict(data)
    for name, aliases in names.items():
        if not text_of(data.get(name)):
            answered = (_words(others[alias]) for alias in aliases if alias in others)
            if text := next(filter(None, answered), ""):
                found[name] = text
    return found


def _words(value: JsonValue) -> str:
    """Read a text, or the one that an object such as an error holds."""
    return text_of(value.get("message") or value.get("msg")) if isinstance(value, dict) else text_of(value)


def _text(value: JsonValue, info: ValidationInfo) -> str:
    return _shown(info)(text_of(value)).strip()


def _identifier(value: JsonValue) -> str:
    return clean_text(text_of(value))


def _asset_id(value: JsonValue) -> str:
    return re.sub(r"\A(\s*asset://)+", "", _identifier(value)).strip()


def _lookup(value: JsonValue) -> str:
    return value if value in ("missing", "failed") else "found"


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


def _failed_entries(value: object) -> list[object]:
    """List what failed: an object or a text each; also one that stands alone, and reasons by address."""
    if isinstance(value, dict):
        entries = cast("dict[str, JsonValue]", value)
        named = {plain_word(name) for name in entries} & {each for names in _FAILED_NAMES.values() for each in names}
        return [entries] if named else [{"original_url": url, "reason": why} for url, why in entries.items()]
    entries = cast("list[object]", value) if isinstance(value, list | tuple) else [value]
    return [each for each in entries if isinstance(each, dict | BaseModel) or (isinstance(each, str) and each.strip())]


def _shown_value(value: JsonValue, info: ValidationInfo) -> JsonValue:
    return shown_json(value, _shown(info))


Text = Annotated[str, BeforeValidator(_text)]
#: Stays whole: it is what the vendor is asked by.
Identifier = Annotated[str, BeforeValidator(_identifier)]
Link = Annotated[str, BeforeValidator(as_link)]
Amount = Annotated[float | None, BeforeValidator(amount)]
Price = Annotated[float | None, BeforeValidator(price)]
Percentage = Annotated[int | None, BeforeValidator(percentage)]
ByteCount = Annotated[int | None, BeforeValidator(byte_count)]
Count = Annotated[int | None, BeforeValidator(byte_count)]
Moment = Annotated[int | None, BeforeValidator(unix_seconds)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
Shown = Annotated[JsonValue, BeforeValidator(_shown_value)]


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
    """An input that the vendor keeps: of the Manxue audit, of the SP library, or of its list of real persons.

    Fields that a call does not answer are empty. No answer of the audit was ever published, so other names for the
    fields are read too.

    Attributes:
        asset_id: The vendor's id, without ``asset://``.
        status: The vendor's word; see `state` for what it means.
        asset_type: What it is, in the vendor's word.
        original_url: The address that was handed in.
        official_id: Its id in the vendor's own library.
        asset_ref: What a request of the SP routes names it by.
        name: What it was called when it was handed in.
        image_url: Where the vendor keeps it.
        created_at: When it was made, in the vendor's words.
        reason: Why it cannot be used, in the vendor's words, where it says so.
        lookup: Whether an answer about its status told of it, left it out, or said that looking it up had failed.
    """

    asset_id: Annotated[str, BeforeValidator(_asset_id)] = ""
    status: Text = ""
    asset_type: Text = ""
    original_url: Link = Field(default="", repr=False)  # it may be signed
    official_id: Identifier = ""
    asset_ref: Text = ""
    name: Text = ""
    image_url: Link = Field(default="", repr=False)
    created_at: Text = ""
    reason: Text = ""
    lookup: Annotated[Literal["found", "missing", "failed"], BeforeValidator(_lookup)] = "found"

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, data: JsonValue) -> JsonValue:
        return _by_documented_names(data, _ASSET_NAMES)

    @property
    def state(self) -> AssetState:
        """What the status means; only an active asset can be used, and a word that is not known counts as "not yet"."""
        if self.lookup != "found":
            return "unknown" if self.lookup == "missing" else "unread"
        return _ASSET_STATES.get(plain_word(self.status).removeprefix("assetstatus"), "processing")

    @property
    def reference(self) -> str:
        """How a request names the asset."""
        return self.asset_ref if self.asset_ref.startswith("asset://") else f"asset://{self.asset_id}"


class FailedItem(_Answer):
    """What an audit did not take in, or could not look up. The vendor documents no fields for it.

    Attributes:
        original_url: The address that it is about, "" if it names none.
        asset_id: The asset that it is about, "" if it names none.
        reason: Why, in the vendor's words.
        said: All that it says, without what grants access.
    """

    original_url: Link = Field(default="", repr=False)
    asset_id: Annotated[str, BeforeValidator(_asset_id)] = ""
    reason: Text = ""
    said: Shown = None

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, data: JsonValue) -> JsonValue:
        if isinstance(data, str):
            link = re.search(r"https?://[^\s\"'<>]+", data, re.IGNORECASE)
            return {"original_url": link[0].rstrip(".,:;)]") if link else "", "reason": data, "said": data}
        if not isinstance(data, dict) or "said" in data:
            return data
        found = cast("dict[str, JsonValue]", _by_documented_names(data, _FAILED_NAMES))
        addresses = {*_FAILED_NAMES["original_url"], *_FAILED_NAMES["asset_id"]}
        rest = {name: value for name, value in data.items() if plain_word(name) not in addresses}
        reason = found.get("reason") or (json.dumps(rest, ensure_ascii=False) if rest else "")
        return {**found, "reason": reason, "said": data}


@dataclass(frozen=True, slots=True)
class Audited:
    """What became of one address that was handed to the audit.

    Attributes:
        asset: What was made of it, in whatever state; None if nothing was.
        reason: Why nothing was, in the vendor's words where it has some.
        refused: Whether the vendor has turned it down; else it has only not named the asset, which may well be there.
    """

    asset: Asset | None
    reason: str = ""
    refused: bool = False


class AuditResult(_Answer):
    """The answer to an audit's submission. That a part fails is normal.

    Attributes:
        items: What was taken in.
        failed_items: What was not.
        asked: How many addresses were handed in.
        raw: The payload as it came, without what grants access.
    """

    items: Annotated[tuple[Asset, ...], BeforeValidator(_objects)] = ()
    failed_items: Annotated[tuple[FailedItem, ...], BeforeValidator(_failed_entries)] = ()
    asked: Count = None
    raw: Shown = None

    def of(self, address: str) -> Audited:
        """Find what became of one address.

        It is found by the address that the answer repeats: as it was sent, in another percent-encoding, or without its
        query where that is not ambiguous. Where one address was handed in, what the answer tells is about it.

        Examples:
            >>> AuditResult.model_validate({"items": [{"asset_id": "a1", "original_url": "https://x.org/a.png"}]}).of(
            ...     "https://x.org/a.png"
            ... ).asset.reference
            'asset://a1'
        """
        told = [*self.items, *self.failed_items]
        link = as_link(address)
        found: list[Asset | FailedItem] = [each for each in told if each.original_url == link]
        if not found:
            found = [each for each in told if unquote(each.original_url) == unquote(link)]
        if not found:
            found = [each for each in told if each.original_url and _without_query(each) == link.partition("?")[0]]
            found = found if len(found) == 1 else []
        if not found and self.asked == 1:
            found = [*self.items] if len(self.items) == 1 else told if len(told) == 1 else []
        asset = next((each for each in found if isinstance(each, Asset) and each.asset_id), None)
        if asset is not None:
            return Audited(asset)
        if not found:
            return Audited(None, "the vendor's answer says nothing of it")
        refused = any(isinstance(each, FailedItem) or each.state in ("rejected", "failed") for each in found)
        reason = found[0].reason
        if not reason or reason == found[0].original_url:
            reason = "the vendor gives no reason"
        return Audited(None, reason, refused)


def _without_query(entry: Asset | FailedItem) -> str:
    return entry.original_url.partition("?")[0]


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
        model_name: What a request names it by.
        display_name: What the vendor's pages call it.
        model_type: What it makes, in the vendor's word.
        price_mode: ``per_task``, ``per_second`` and others.
        unit_price: JimiCoin for a task or a second, None if not answered.
        official_price: JimiCoin before a discount, None if not answered.
        remark: The vendor's remark.
        group: The vendor's group of models.
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
    """A file that the vendor keeps for about 3 days.

    Attributes:
        url: Opens the file; whoever has it can read it.
        filename: Its name at the vendor.
        size: Bytes, None if not answered.
        mime_type: Its media type.
    """

    url: Link = Field(default="", repr=False)  # it opens the file
    filename: Text = ""
    size: ByteCount = None
    mime_type: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, data: JsonValue) -> JsonValue:
        return _by_documented_names({"url": data} if isinstance(data, str) else data, _UPLOAD_NAMES)
