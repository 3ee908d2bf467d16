"""The asset libraries of the simulated vendor: Manxue's audit, the SP library and SP's real people.

An asset's state is a function of the clock, as a task's is: a row of moments, of which the last that has passed counts.
An asset whose address holds "reject" is turned down without a reason. Safe for several threads.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from prefect_seedance.simulator.clock import Clock
from prefect_seedance.simulator.faults import Fault

Library = Literal["manxue", "sp", "realperson"]
State = Literal["waiting", "active", "rejected", "failed", "expired", "deleted", "foreign"]
#: ``page``: as the pages of the seed's time have the words. ``newer``: as later pages and the upstream have them.
Words = Literal["page", "newer"]


class _Wording(NamedTuple):
    """What a library calls its states; a waiting asset goes through several words in turn."""

    waiting: tuple[str, ...]
    others: Mapping[State, str]


_TITLED: Mapping[State, str] = {
    "active": "Active",
    "rejected": "Rejected",
    "failed": "Failed",
    "expired": "Expired",
    "deleted": "Deleted",
}
_UPPER: Mapping[State, str] = {state: word.upper() for state, word in _TITLED.items()}
# The SP library knows no "Rejected".
_SP = _Wording(("Processing",), {**_TITLED, "rejected": "Failed"})

_WORDING: Mapping[Words, Mapping[Library, _Wording]] = {
    "page": {"manxue": _Wording(("Pending",), _TITLED), "sp": _SP, "realperson": _SP},
    "newer": {
        "manxue": _Wording(("submitted", "Pending", "Processing"), _TITLED),
        "sp": _Wording(("NONE", "UPLOADING", "PROCESSING"), {**_UPPER, "rejected": "FAILED"}),
        "realperson": _SP,
    },
}


@dataclass
class SubmittedAsset:
    """One asset that was handed in. Its library alone changes it.

    Attributes:
        asset_id: The id, another one for every submission.
        account: Whose it is.
        library: Where it was handed in.
        name: As SP was told it.
        url: The address that was handed in.
        asset_type: ``image``, ``video``, ``audio`` or ``text``.
        moments: When it gets into which state, by the simulator's clock, oldest first.
        created_at: When it was handed in, Unix seconds.
        read: Whether the vendor has looked at its address.
        end: How the audit ends.
        reason: Why it was turned down, "" where the vendor does not say.
        reason_shape: How that is spelled.
        returns: Whether it comes back after it has expired, once it is asked for.
        word: What its status is called instead of its library's word, "" for that.
    """

    asset_id: str
    account: int
    library: Library
    name: str
    url: str
    asset_type: str
    moments: list[tuple[float, State]]
    created_at: float = field(default_factory=time.time)
    read: bool = False
    end: State = "active"
    reason: str = ""
    reason_shape: str = "reason"
    returns: bool = True
    word: str = ""


class AssetLife(NamedTuple):
    """How long things take in a library.

    Attributes:
        audit_seconds: How long an asset takes to become usable.
        good_seconds: How long it is usable then, 0 for always.
        returns: Whether an expired one comes back once it is asked for.
    """

    audit_seconds: float
    good_seconds: float = 0.0
    returns: bool = True


class AssetLibrary:
    """All libraries of all accounts.

    Args:
        life: How long things take.
        words: What the states are called.
        clock: Measures that.
    """

    def __init__(self, life: AssetLife, words: Words, clock: Clock) -> None:
        self._life, self._clock = life, clock
        self._words: Words = words
        self._lock = threading.RLock()
        self._assets: dict[str, SubmittedAsset] = {}

    def clear(self) -> None:
        """Forget every asset."""
        with self._lock:
            self._assets.clear()

    def add(self, account: int, library: Library, url: str, asset_type: str, name: str = "") -> SubmittedAsset:
        """Take an asset in. The same address again makes another asset, as at the vendor."""
        moments = self._moments(self._clock.now())
        asset = SubmittedAsset(f"asset-{secrets.token_hex(8)}", account, library, name, url, asset_type, moments)
        asset.returns = self._life.returns
        if "reject" in url:
            asset.end = "rejected"
        with self._lock:
            self._assets[asset.asset_id] = asset
        return asset

    def all(self) -> list[SubmittedAsset]:
        """List every asset, oldest first."""
        with self._lock:
            return list(self._assets.values())

    def find(self, account: int, asset_id: str) -> SubmittedAsset | None:
        """Return an asset of an account, or None if it has none of that id."""
        with self._lock:
            asset = self._assets.get(asset_id)
            ours = asset is not None and asset.account == account and self.state(asset) != "foreign"
            return asset if ours else None

    def judge(self, asset_id: str, flaw: str) -> None:
        """Note what was found at an asset's address: "" for nothing wrong. Unless noted, it stays waiting."""
        with self._lock:
            asset = self._assets.get(asset_id)
            if asset is None:
                return
            asset.read = True
            if flaw and asset.end == "active":
                asset.end, asset.reason = "rejected", flaw

    def change(self, asset: SubmittedAsset, fault: Fault) -> None:
        """Let a fault of the place "asset" change an asset's life from now on."""
        with self._lock:
            _CHANGES[fault.fault](asset, fault, self._clock.now())

    def ask_again(self, asset: SubmittedAsset) -> None:
        """Begin to fetch an expired asset anew, if it is one that comes back."""
        with self._lock:
            if self.state(asset) == "expired" and asset.returns:
                now = self._clock.now()
                asset.moments += self._moments(now)

    def state(self, asset: SubmittedAsset) -> State:
        """Return an asset's state as it is now."""
        with self._lock:
            now = self._clock.now()
            passed = [moment for moment in asset.moments if moment[0] <= now]
            state = passed[-1][1]
            if state != "active":
                return state
            return asset.end if asset.read else "waiting"

    def status(self, asset: SubmittedAsset) -> str:
        """Return an asset's state in the words of its library."""
        with self._lock:
            wording, state = _WORDING[self._words][asset.library], self.state(asset)
            if asset.word:
                return asset.word
            if state == "waiting":
                return wording.waiting[int(self._share(asset) * len(wording.waiting))]
            return wording.others.get(state, state)

    def reason(self, asset: SubmittedAsset) -> dict[str, str]:
        """Return why an asset was turned down, under the name that the vendor gave it; nothing if it does not say."""
        with self._lock:
            told = asset.reason and self.state(asset) in ("rejected", "failed")
            return {asset.reason_shape: asset.reason} if told else {}

    def usable(self, asset: SubmittedAsset) -> bool:
        """Return whether an asset can be used in a create; by its status, however that is written."""
        return self.status(asset).strip().casefold() == "active"

    def _moments(self, now: float) -> list[tuple[float, State]]:
        usable_from, good_seconds = now + self._life.audit_seconds, self._life.good_seconds
        moments: list[tuple[float, State]] = [(now, "waiting"), (usable_from, "active")]
        return [*moments, (usable_from + good_seconds, "expired")] if good_seconds else moments

    def _share(self, asset: SubmittedAsset) -> float:
        """Return how much of the waiting has passed, below 1."""
        now = self._clock.now()
        begin = next(moment for moment, state in reversed(asset.moments) if moment <= now and state == "waiting")
        end = next((moment for moment, _ in asset.moments if moment > now), now)
        return min((now - begin) / (end - begin), 0.999) if end > begin else 0.999


def _slow(asset: SubmittedAsset, fault: Fault, now: float) -> None:
    asset.moments = [(moment + fault.after if moment > now else moment, state) for moment, state in asset.moments]


def _ends_as(state: State) -> Callable[[SubmittedAsset, Fault, float], None]:
    def change(asset: SubmittedAsset, fault: Fault, now: float) -> None:
        asset.end, asset.reason, asset.reason_shape = state, fault.message, fault.shape

    return change


def _becomes(state: State) -> Callable[[SubmittedAsset, Fault, float], None]:
    def change(asset: SubmittedAsset, fault: Fault, now: float) -> None:
        then = now + fault.after
        # What the library had in mind for later does not happen any more.
        asset.moments = [moment for moment in asset.moments if moment[0] <= then] + [(then, state)]
        asset.returns = fault.returns

    return change


def _word(asset: SubmittedAsset, fault: Fault, now: float) -> None:
    asset.word = fault.message


_CHANGES: Mapping[str, Callable[[SubmittedAsset, Fault, float], None]] = {
    "asset_slow": _slow,
    "asset_rejected": _ends_as("rejected"),
    "asset_failed": _ends_as("failed"),
    "asset_expired": _becomes("expired"),
    "asset_deleted": _becomes("deleted"),
    "asset_foreign": _becomes("foreign"),
    "asset_word": _word,
}
