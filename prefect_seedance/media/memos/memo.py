"""One memo: a small JSON file that says who is making something, what was made, or why there is none.

| state | meaning | who may go on |
|---|---|---|
| `working` | somebody is making it | its holder; anyone, once the lease has lapsed |
| `have` | it was made | anyone who can use it; else anyone may make it anew |
| `failed` | the vendor turned the content down | nobody before ``retry_after_seconds`` have passed |
| `ready` | nobody is making it, nothing is kept | anyone |

No time of a worker is in it: ages are seconds before the memo's last write, and that has an age by the store's clock.
Versioned like a record: fields that a newer package added are kept, a memo of a newer version is read and not written.
A memo is worth nothing but a repeat, so one that cannot be read is written anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self, cast
from uuid import uuid4

from pydantic import ConfigDict, Field, JsonValue, ValidationError, model_validator

from prefect_seedance.journal.record import Part
from prefect_seedance.media.memos.names import MemoKind, key_of
from prefect_seedance.redaction import shown_json, shown_text
from prefect_seedance.versions import version_of

VERSION = 1
MemoState = Literal["working", "have", "failed", "ready"]
DAY_SECONDS = 86_400.0
#: Of one name, those whose answer was lost or which were made anew before their life was over.
MOST_MAKES_A_DAY = 3
#: A longer lease than this is nobody's.
LONGEST_LEASE_SECONDS = DAY_SECONDS
#: Stores tell times in whole seconds: what is younger than a lease by less than this may be as old.
_GRAIN_SECONDS = 1.0
_HISTORY_KEPT = 20
_LONGEST_RAW_BYTES = 2048
_LONGEST_REASON = 500

Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


def _nothing() -> Mapping[str, JsonValue]:
    return {}


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        value: A link, which is a secret, an asset id or a hash.
        good_seconds: How long it lives from now on; None if without an end.
        raw: What the vendor answered, clean; 2 KB of it are kept.
        notes: For people, and for whoever uses it later.

    Raises:
        ValueError: There is no value, or the life is not a number of seconds.
    """

    value: str = field(repr=False)
    good_seconds: float | None = None
    raw: JsonValue = field(default=None, repr=False)
    notes: Mapping[str, JsonValue] = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        if not self.value:
            raise ValueError("nothing was made")
        if self.good_seconds is not None and not self.good_seconds >= 0:
            raise ValueError("the life of what was made must be 0 seconds or more")


@dataclass(frozen=True)
class Kept:
    """What is kept.

    Attributes:
        value: As it was made.
        good_seconds: How long it lived when it was made; None if without an end.
        raw: What the vendor answered, up to 2 KB.
        notes: As they were made.
        age_seconds: Since it was made, by the store's clock.
    """

    value: str = field(repr=False)
    good_seconds: float | None
    raw: JsonValue = field(repr=False)
    notes: Mapping[str, JsonValue]
    age_seconds: float

    def seconds_left(self) -> float:
        """Return how long it still lives; infinity where that has no end, and 0 where it is over.

        Example:
            >>> Kept("asset-1", 3600.0, None, {}, 600.0).seconds_left()
            3000.0
        """
        return math.inf if self.good_seconds is None else max(0.0, self.good_seconds - self.age_seconds)


class Past(Part):
    """What became of an earlier one.

    Attributes:
        state: That it was in.
        reason: Why it is no longer kept, or was to be made anew.
        holder: Who was making it, if anybody was.
        seconds_ago: When it was made or begun, before the memo's last write.
        counts: Whether it counts against the limit of a day.
    """

    state: str
    reason: str
    holder: str = ""
    seconds_ago: Seconds = 0.0
    counts: bool = False

    @property
    def counts_today(self) -> bool:
        """Whether it counts, and is younger than a day."""
        return self.counts and self.seconds_ago < DAY_SECONDS


class Memo(Part):
    """What is known of one name. Whatever a state does not need has its default.

    Attributes:
        version: Of this shape.
        account: Label of the account at the vendor.
        kind: What is remembered.
        name: Of the content.
        nonce: Fresh with every write.
        package_version: Of the last writer.
        state: See the table above.
        holder: Who is making it, in ``working``.
        lease_seconds: How long that is left to the holder, from the write on.
        value: What was made, in ``have``.
        good_seconds: How long it lived when it was made.
        older_by_seconds: How much older it was than the write.
        raw: What the vendor answered.
        notes: For people.
        reason: Why, in ``failed`` and ``ready``; in ``working`` why it is made anew.
        retry_after_seconds: How long the vendor is not asked again, in ``failed``.
        history: What became of earlier ones, the newest last.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    version: int = VERSION
    account: str
    kind: MemoKind
    name: str
    nonce: str = ""
    package_version: str = ""
    state: MemoState = "ready"
    holder: str = ""
    lease_seconds: Annotated[float, Field(ge=0, le=LONGEST_LEASE_SECONDS, allow_inf_nan=False)] = 0.0
    value: str = Field(default="", repr=False)
    good_seconds: Seconds | None = None
    older_by_seconds: Seconds = 0.0
    raw: JsonValue = Field(default=None, repr=False)
    notes: dict[str, JsonValue] = Field(default={})
    reason: str = ""
    retry_after_seconds: Seconds = 0.0
    history: tuple[Past, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.state == "have" and not self.value:
            raise ValueError("nothing is kept")
        key_of(self.account, self.kind, self.name)
        return self

    @property
    def key(self) -> str:
        """Where it lies."""
        return key_of(self.account, self.kind, self.name)

    # What it says, so many seconds after its last write.

    def kept(self, age_seconds: float) -> Kept | None:
        """Return what is kept, None if nothing is."""
        if self.state != "have":
            return None
        return Kept(self.value, self.good_seconds, self.raw, self.notes, age_seconds + self.older_by_seconds)

    def lease_left(self, age_seconds: float) -> float:
        """Return for how many seconds it is left to its holder; below 0 once the lease has lapsed."""
        return self.lease_seconds + _GRAIN_SECONDS - age_seconds if self.state == "working" else -1.0

    def refused_for(self, age_seconds: float) -> float:
        """Return for how many seconds the vendor is not asked again; 0 if it may be."""
        return max(0.0, self.retry_after_seconds - age_seconds) if self.state == "failed" else 0.0

    def why_anew(self, unusable: str) -> str:
        """Return why it is made now, where it may be.

        Args:
            unusable: Why what is kept cannot be used.
        """
        return {
            "working": f"the lease of {self.holder or 'its maker'} lapsed",
            "have": unusable,
            "failed": f"the vendor turned it down ({self.reason}), and may be asked again by now",
            "ready": self.reason,
        }[self.state]

    # What becomes of it.

    def ended(self, age_seconds: float, reason: str, *, counts: bool | None = None) -> Self:
        """Return it as ready to be made, with what became of it until now in its history.

        Args:
            age_seconds: Of its last write.
            reason: Why.
            counts: Whether that counts against the limit of a day; by default if it is younger than a day and its life
                is not over.
        """
        history = self._history(age_seconds)
        if self.state != "ready":
            kept = self.kept(age_seconds)
            age, alive = (kept.age_seconds, kept.seconds_left() > 0) if kept else (age_seconds, True)
            counted = (alive and age < DAY_SECONDS) if counts is None else counts
            reason = shown_text(reason, longest=_LONGEST_REASON)
            past = Past(state=self.state, reason=reason, holder=self.holder, seconds_ago=age, counts=counted)
            history = (*history, past)
        return self._with(state="ready", reason=reason, history=_bounded_history(history))

    def unlimited(self) -> Self:
        """Return it with nothing in its history that counts against the limit of a day."""
        return self._update(history=tuple(past.model_copy(update={"counts": False}) for past in self.history))

    def made_today(self) -> list[float]:
        """Return when those were that count against the limit of a day, in seconds before the last write."""
        return [past.seconds_ago for past in self.history if past.counts_today]

    def claimed(self, holder: str, lease_seconds: float) -> Self:
        """Return it, which is ready, as somebody is making it."""
        lease = min(max(0.0, lease_seconds), LONGEST_LEASE_SECONDS)
        return self._with(state="working", holder=holder, lease_seconds=lease, reason=self.reason)

    def renewed(self, age_seconds: float) -> Self:
        """Return it with its lease from now on: its holder is alive, and still making it.

        Args:
            age_seconds: Of the last write of its claim.
        """
        return self._update(history=self._history(age_seconds))

    def having(self, made: Made, age_seconds: float, older_by_seconds: float) -> Self:
        """Return it with what its holder has made.

        Args:
            made: That.
            age_seconds: Of the last write of its claim.
            older_by_seconds: How long ago the making began: what is made counts from then on, at worst.
        """
        good = made.good_seconds
        return self._with(
            state="have",
            value=made.value,
            good_seconds=None if good is None or math.isinf(good) else min(good, 1e12),
            older_by_seconds=older_by_seconds,
            raw=_bounded(shown_json(made.raw)),
            notes=cast("dict[str, JsonValue]", shown_json(dict(made.notes))),
            history=self._history(age_seconds),
        )

    def refused(self, reason: str, retry_after_seconds: float, age_seconds: float) -> Self:
        """Return it with the vendor's refusal."""
        seconds = min(retry_after_seconds, 1e12) if retry_after_seconds > 0 else 0.0
        return self._with(
            state="failed",
            reason=shown_text(reason, longest=_LONGEST_REASON),
            retry_after_seconds=seconds,
            history=self._history(age_seconds),
        )

    def _history(self, age_seconds: float) -> tuple[Past, ...]:
        """Return the history as seen at a write that is so many seconds later."""
        return tuple(
            past.model_copy(update={"seconds_ago": past.seconds_ago + max(0.0, age_seconds)}) for past in self.history
        )

    def _with(self, **values: object) -> Self:
        """Return it in another state; unknown fields stay."""
        return self._update(**(_EMPTY | values))

    def _update(self, **values: object) -> Self:
        return self.model_copy(update=values)


#: What a state does not need.
_EMPTY: dict[str, object] = {
    name: Memo.model_fields[name].default
    for name in (
        *("holder", "lease_seconds", "value", "good_seconds", "older_by_seconds"),
        *("raw", "notes", "reason", "retry_after_seconds"),
    )
}


class Damaged(ValueError):
    """The bytes are not this memo."""


class TooNew(ValueError):
    """A newer version of this package wrote it in a shape of its own."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


def encode(memo: Memo) -> bytes:
    """Write a memo as JSON, with a nonce of its own."""
    stamped = memo.model_copy(update={"nonce": uuid4().hex, "package_version": version_of()})
    text = json.dumps(stamped.model_dump(mode="json", warnings=False), indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode("utf-8", "replace")


def decode(data: bytes) -> Memo:
    """Read a memo.

    Raises:
        Damaged: It is not a memo. No word of it, which may be a secret, is in the message.
        TooNew: It has a shape of its own.
    """
    try:
        values: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"not JSON ({type(error).__name__})") from None
    newer = cast("dict[str, object]", values).get("version") if isinstance(values, dict) else None
    try:
        return Memo.model_validate(values)
    except ValidationError as error:
        if isinstance(newer, int) and newer > VERSION:
            raise TooNew(newer) from None
        raise Damaged(f"{error.error_count()} field(s) are wrong") from None


def _bounded_history(history: tuple[Past, ...]) -> tuple[Past, ...]:
    """Return the newest of a history, and what counts of it today."""
    older, newest = history[:-_HISTORY_KEPT], history[-_HISTORY_KEPT:]
    return (*(past for past in older if past.counts_today), *newest)


def _bounded(raw: JsonValue) -> JsonValue:
    """Return an answer, or the beginning of its text where it is long."""
    text = json.dumps(raw, ensure_ascii=False).encode("utf-8", "replace")
    if len(text) <= _LONGEST_RAW_BYTES:
        return raw
    return text[:_LONGEST_RAW_BYTES].decode("utf-8", "ignore")
