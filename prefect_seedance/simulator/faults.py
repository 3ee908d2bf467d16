"""What can go wrong, as data: a table of faults, and the plan that says which requests meet one.

A fault has a place, and there is one queue per place. A request takes the first fault of its queue whose ``matching``
text occurs in what it is about: while ``skip`` is above zero it is counted down and the request is served as usual,
then the fault strikes ``times`` requests and leaves the queue. Requests that would have been refused anyway (key,
limits, unknown task) meet no fault.

| place       | strikes                                                            | ``matching`` is looked for in |
|-------------|--------------------------------------------------------------------|-------------------------------|
| create      | a create                                                           | the prompt                    |
| query       | a query of a task                                                  | the prompt                    |
| media       | a request for a video                                              | the prompt                    |
| upload      | an upload                                                          | the file's name               |
| audit       | an audit, or a submission to the SP library or of a real person    | the addresses and names       |
| status      | a question for assets' statuses or an asset's details              | their addresses and ids       |
| asset       | an asset, when it is handed in, asked for or used in a create      | its address and id            |
| reference   | an address, when it is handed in or stands in an accepted create   | the address                   |

A fault of ``asset`` changes the asset's life from then on; ``after`` counts by the simulator's clock. One of
``reference`` is something wrong with what stands at the address: the audit turns it down, a task fails at its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Place = Literal["create", "query", "media", "upload", "audit", "status", "asset", "reference"]

#: The longest that a request hangs, whatever was asked: no test run may end up waiting for a fault.
LONGEST_HANG_SECONDS = 200.0

MODERATION = "[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK"


@dataclass(frozen=True)
class FaultKind:
    """One row of the table: where the fault strikes, what it does and its own settings with their defaults.

    ``accepts`` says whether the simulated vendor has made what was asked for (and billed it, if it is a task).
    ``shapes`` lists the forms that its ``shape`` may have. A fault of one place that breaks the answer as another
    place's does carries that one's name in ``what``.
    """

    place: Place
    meaning: str
    accepts: bool = False
    defaults: Mapping[str, float | str | bool] = field(default_factory=dict[str, float | str | bool])
    shapes: tuple[str, ...] = ()
    what: str = ""


_HANG = {"seconds": LONGEST_HANG_SECONDS}

_CREATE: Mapping[str, FaultKind] = {
    "lost_answer": FaultKind("create", "accepted, then the connection is closed without an answer", True),
    "hang": FaultKind("create", "accepted, then no answer until the client goes", True, _HANG),
    "hang_before": FaultKind("create", "not accepted, no answer until the client goes", False, _HANG),
    "drop_before": FaultKind("create", "not accepted, the connection is closed without an answer"),
    "error_before": FaultKind("create", "not accepted, an HTML error page", False, {"status": 502}),
    "error_after": FaultKind("create", "accepted, then an HTML error page", True, {"status": 504}),
    "html_before": FaultKind("create", "not accepted, an HTML page under HTTP 200"),
    "html_after": FaultKind("create", "accepted, then an HTML page under HTTP 200", True),
    "half_json": FaultKind("create", "accepted, an answer that is whole for HTTP but half a JSON", True),
    "cut_json": FaultKind("create", "accepted, the connection closes in the middle of the answer", True),
    "slow_answer": FaultKind("create", "accepted, answered late", True, {"seconds": 3.0}),
    "no_task_id": FaultKind("create", "accepted, a success without a task id", True),
    "rate_limited_code": FaultKind("create", "not accepted, code 40000 under HTTP 200"),
    "rate_limited_http": FaultKind("create", "not accepted, HTTP 429", False, {"retry_after": 1}),
    "busy": FaultKind("create", "not accepted, code -1 with the vendor's busy text"),
    "server_error": FaultKind("create", "code -1 without a text", False, {"accepted": False}),
    "unknown_code": FaultKind(
        "create", "a code that no page lists", False, {"accepted": False, "code": 50001, "message": "?"}
    ),
    "redirect": FaultKind("create", "not accepted, a redirect to the same path", False, {"status": 307}),
}


def _also_at(place: Place, thing: str, names: Iterable[str]) -> dict[str, FaultKind]:
    """Return faults of create for another place: a connection breaks anywhere in the same ways."""
    return {
        f"{place}_{name}": replace(_CREATE[name], place=place, what=name, meaning=f"{thing}: {_CREATE[name].meaning}")
        for name in names
    }


_ANYWHERE = tuple(name for name in _CREATE if name != "no_task_id")
#: Nothing is made by a question, so it is answered or not.
_OF_A_QUESTION = tuple(name for name in _ANYWHERE if name == "slow_answer" or not _CREATE[name].accepts)
_REASON = "resource download failed"
_REASON_SHAPES = ("reason", "errorMessage", "error_message", "fail_reason", "msg")
_ITEM_SHAPES = ("upstream", "snake", "text", "sentence", "nameless")

#: Every fault by name.
FAULTS: Mapping[str, FaultKind] = {
    **_CREATE,
    # query
    "not_found": FaultKind("query", "no such task"),
    "completed_without_url": FaultKind("query", "completed, but the link is still empty"),
    "relative_url": FaultKind("query", "completed, with a relative object key for a link"),
    "query_5xx": FaultKind("query", "an HTML error page", False, {"status": 503}),
    "query_html": FaultKind("query", "an HTML page under HTTP 200"),
    "query_rate_limited": FaultKind("query", "code 40000 under HTTP 200"),
    "query_drop": FaultKind("query", "the connection is closed without an answer"),
    "stuck": FaultKind("query", "the task never gets on from here"),
    "failed": FaultKind("query", "the task fails for good, and is refunded", False, {"message": MODERATION}),
    "unknown_status": FaultKind("query", "a status that no page lists", False, {"message": "reviewing"}),
    # media
    "link_not_ready": FaultKind("media", "HTTP 400, as the object is not there yet"),
    "expired_link": FaultKind("media", "HTTP 403; this link stays dead, the next query gives a new one"),
    "truncated_media": FaultKind("media", "the connection closes before the whole length", False, {"at": -1}),
    "dropped_media": FaultKind("media", "the connection is reset in mid-body", False, {"at": -1}),
    "not_a_video": FaultKind("media", "an HTML page under HTTP 200"),
    "media_5xx": FaultKind("media", "an error page", False, {"status": 503}),
    "slow_media": FaultKind("media", "the body is spread over some seconds", False, {"seconds": 2.0}),
    "stalled_media": FaultKind("media", "the body stops half-way, then closes", False, {**_HANG, "at": -1}),
    # upload
    **_also_at("upload", "upload", _ANYWHERE),
    "upload_no_url": FaultKind("upload", "kept, and answered without a link", True),
    "upload_link_dies": FaultKind("upload", "kept, with a link that dies early", True, {"after": 0.0}),
    # audit
    **_also_at("audit", "audit", _ANYWHERE),
    "audit_failed_items": FaultKind(
        "audit",
        "the matching addresses are turned down at once",
        False,
        {"message": _REASON, "shape": "upstream"},
        _ITEM_SHAPES,
    ),
    "audit_other_address": FaultKind(
        "audit",
        "accepted, with original_url written in another way",
        True,
        {"shape": "normalised"},
        ("normalised", "trailing_slash", "decoded", "without_query", "empty"),
    ),
    "audit_reordered": FaultKind("audit", "accepted, with the items in another order", True),
    "audit_no_asset_id": FaultKind("audit", "accepted, and answered without an asset id", True),
    # status
    **_also_at("status", "status", _OF_A_QUESTION),
    "status_left_out": FaultKind("status", "the matching assets are left out of the answer"),
    "status_failed_items": FaultKind(
        "status",
        "the look-up of the matching assets failed, not their audit",
        False,
        {"message": "query failed", "shape": "upstream"},
        _ITEM_SHAPES,
    ),
    # asset
    "asset_slow": FaultKind("asset", "its audit takes longer", False, {"after": 600.0}),
    "asset_rejected": FaultKind(
        "asset", "its audit ends as rejected", False, {"message": _REASON, "shape": "reason"}, _REASON_SHAPES
    ),
    "asset_failed": FaultKind(
        "asset", "its audit ends as failed", False, {"message": _REASON, "shape": "reason"}, _REASON_SHAPES
    ),
    "asset_expired": FaultKind(
        "asset", "it expires; once asked for it comes back, or not", False, {"after": 0.0, "returns": True}
    ),
    "asset_deleted": FaultKind("asset", "it is deleted", False, {"after": 0.0}),
    "asset_foreign": FaultKind("asset", "it is another account's, and unknown", False, {"after": 0.0}),
    "asset_word": FaultKind("asset", "its status is called so", False, {"message": "reviewing"}),
    # reference
    "unreadable_reference": FaultKind(
        "reference",
        "it cannot be read",
        False,
        {"message": "s3 upload failed: read tcp: connection reset by peer"},
    ),
    "unfit_reference": FaultKind("reference", "it is not as it must be", False, {"message": "DURATION_TOO_LONG"}),
}

_COMMON = {"fault", "times", "skip", "matching"}


class Fault(BaseModel):
    """One planned fault. Settings that its kind does not have are refused, missing ones come from the table.

    Attributes:
        fault: Name of the fault, a key of ``FAULTS``.
        times: How many requests it strikes.
        skip: How many fitting requests pass before that.
        matching: Text that must occur in what the request is about (see the table above), "" for any.
        seconds: Length of a hang or delay.
        retry_after: Value of the ``Retry-After`` header, "" for none.
        status: HTTP status.
        message: The vendor's text, or the status word of ``unknown_status`` and ``asset_word``.
        code: Code of the envelope.
        accepted: Whether the task (or the asset, or the file) was made.
        at: Bytes of the answer's body that still arrive, -1 for half of it.
        after: When it happens, or how much longer it takes: seconds of the simulator's clock.
        shape: How what no page describes is written: a failed item, a reason, an address.
        returns: Whether an expired asset comes back after it was asked for.

    Example:
        >>> Fault(fault="error_after", status=520, matching="boat").times
        1
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    times: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    matching: str = ""
    seconds: float = Field(default=0.0, ge=0.0, le=LONGEST_HANG_SECONDS)
    retry_after: int | float | str = ""
    status: int = Field(default=200, ge=200, le=599)
    message: str = ""
    code: int | str = -1
    accepted: bool = False
    at: int = -1
    after: float = Field(default=0.0, ge=0.0)
    shape: str = ""
    returns: bool = True

    @model_validator(mode="before")
    @classmethod
    def _known_and_complete(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given  # pyright: ignore[reportUnknownVariableType]  # pydantic words the refusal
        values: dict[str, Any] = {str(name): value for name, value in given.items()}  # pyright: ignore
        kind = FAULTS.get(str(values.get("fault")))
        if kind is None:
            raise ValueError(f"fault must be one of {', '.join(FAULTS)}")
        surplus = sorted(set(values) - _COMMON - set(kind.defaults))
        surplus = [name for name in surplus if values[name] != cls._default(name)]
        if surplus:
            settings = ", ".join(kind.defaults) or "none"
            raise ValueError(f"{values['fault']} has no setting {', '.join(surplus)} (it has: {settings})")
        complete = {**kind.defaults, **values}
        if kind.shapes and complete["shape"] not in kind.shapes:
            raise ValueError(f"the shape of {values['fault']} is one of {', '.join(kind.shapes)}")
        return complete

    @classmethod
    def _default(cls, name: str) -> object:
        return cls.model_fields[name].default if name in cls.model_fields else None

    @property
    def kind(self) -> FaultKind:
        """The fault's row of the table."""
        return FAULTS[self.fault]

    @property
    def accepts(self) -> bool:
        """Whether what was asked for is made (and billed) although the client may never learn of it."""
        return self.kind.accepts or self.accepted

    @property
    def what(self) -> str:
        """Name of the fault without its place, where it breaks the answer as it would anywhere."""
        return self.kind.what or self.fault

    @property
    def breaks_the_answer(self) -> bool:
        """Whether the whole answer goes wrong on its way, rather than what it says."""
        return bool(self.kind.what)


class FaultPlan:
    """The queues of planned faults. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a fault at the end of its place's queue."""
        with self._lock:
            self._queue.append(fault)

    def clear(self) -> None:
        """Forget every planned fault."""
        with self._lock:
            self._queue.clear()

    def planned(self) -> list[Fault]:
        """List what is still planned, with the ``times`` and ``skip`` that are left."""
        with self._lock:
            return list(self._queue)

    def take(self, place: Place, text: str, fits: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        """Return the fault that this request meets, if any, and count it.

        Args:
            place: Where the request is.
            text: What ``matching`` is looked for in.
            fits: Tells whether a fault makes sense for this request at this moment.
        """
        with self._lock:
            for index, fault in enumerate(self._queue):
                if fault.kind.place != place or fault.matching not in text or not fits(fault):
                    continue
                if fault.skip:
                    self._queue[index] = fault.model_copy(update={"skip": fault.skip - 1})
                    return None
                if fault.times > 1:
                    self._queue[index] = fault.model_copy(update={"times": fault.times - 1})
                else:
                    del self._queue[index]
                return fault
        return None
