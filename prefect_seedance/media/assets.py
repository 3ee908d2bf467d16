"""Assets at the vendor: what a public address becomes by the audit, and whether it may be used.

No answer of the audit is recorded publicly, and no interval is promised: one public sample took 28 s, other clients ask
every 2 to 30 s for up to five minutes. Here the gaps grow, and after 15 minutes a person is told how to go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from prefect_seedance.client.errors import InvalidParameters
from prefect_seedance.client.models import Asset
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import UnusableReference
from prefect_seedance.media.memos import Kept, Made, MakeRefused, Memos

Library = Literal["manxue", "sp"]
MediaKind = Literal["image", "video", "audio"]

#: How long an asset is waited for.
WAIT_SECONDS = 15 * 60.0
#: An asset that the audit has just made may not be known yet where its status is asked.
_NEW_SECONDS = 60.0
#: How long an asset that has expired is waited for: asking may bring it back.
_EXPIRED_SECONDS = 60.0
#: An answer of "active" is believed for so long.
ACTIVE_SECONDS = 60.0
#: A content that was turned down is not handed in again for so long.
_REFUSED_SECONDS = 24 * 3600.0
_LEASE_SECONDS = 60.0
_FIRST_GAP_SECONDS, _LONGEST_GAP_SECONDS, _LOCAL_GAP_SECONDS = 2.0, 30.0, 0.2


@dataclass(frozen=True)
class _Seen:
    state: str
    words: str
    at: float


class AssetStates:
    """The states of assets as this process knows them: each is asked for once, however many videos wait for it.

    Args:
        context: Whose assets they are.
    """

    def __init__(self, context: MediaContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._seen: dict[tuple[Library, str], _Seen] = {}

    def read(self, library: Library, ids: Sequence[str], *, newer_than: float, follower: Follower) -> dict[str, _Seen]:
        """Return the states of assets, none older than a moment of the monotonic clock.

        Raises:
            SeedanceError: The vendor could not be asked.
        """
        with self._lock:
            wanted = [each for each in dict.fromkeys(ids) if not self._is_known(library, each, newer_than)]
            if wanted:
                follower.check()
                found = {asset.asset_id: asset for asset in self._ask(library, wanted, follower)}
                now = time.monotonic()
                for each in wanted:
                    asset = found.get(each)
                    self._seen[library, each] = _Seen(
                        asset.state if asset else "unknown", asset.reason if asset else "", now
                    )
            return {each: self._seen[library, each] for each in ids}

    def _is_known(self, library: Library, asset_id: str, newer_than: float) -> bool:
        seen = self._seen.get((library, asset_id))
        return seen is not None and seen.at >= newer_than

    def _ask(self, library: Library, ids: Sequence[str], follower: Follower) -> tuple[Asset, ...]:
        with self._context.vendor.client(follower.pause) as client:
            return client.asset_status(ids) if library == "manxue" else client.sp_asset_status(ids)


_states: dict[str, AssetStates] = {}
_states_lock = threading.Lock()


def states_of(context: MediaContext) -> AssetStates:
    """Return what this process knows of the account's assets."""
    settings = context.vendor.settings
    name = f"{settings.base_url} {settings.fingerprint} {context.vendor.label}"  # the fingerprint knows no port
    with _states_lock:
        return _states.setdefault(name, AssetStates(context))


@dataclass(frozen=True)
class _Verdict:
    """What is to be done about an asset, and why."""

    kind: Literal["use", "wait", "anew", "refuse"]
    why: str = ""
    is_known: bool = True


def _judged(seen: _Seen, seconds_so: float, age_seconds: float | None) -> _Verdict:
    """Judge an asset.

    Args:
        seen: Its state.
        seconds_so: For how long it has been seen in this state.
        age_seconds: How long ago we had it made; None for one that the user names.
    """
    reason = f": {seen.words}" if seen.words else ""
    match seen.state:
        case "active":
            return _Verdict("use")
        case "unknown":
            if (age_seconds is not None and age_seconds < _NEW_SECONDS) or seconds_so < _FIRST_GAP_SECONDS:
                return _Verdict("wait", "the vendor does not know it yet")
            why = "the vendor does not know it; an asset belongs to the account that had it made"
            return _Verdict("refuse" if age_seconds is None else "anew", why, is_known=False)
        case "expired" if seconds_so < _EXPIRED_SECONDS:
            return _Verdict("wait", "it has expired, and may come back")
        case "rejected":
            return _Verdict("refuse", f"it was rejected{reason}")
        case "expired" | "failed" | "deleted":
            why = f"it is {seen.state}{reason}"
            return _Verdict("refuse" if age_seconds is None else "anew", why)
        case _:
            return _Verdict("wait", f"it is {seen.words or 'being looked at'}")


def _settled(
    library: Library, asset_id: str, context: MediaContext, follower: Follower, *, place: str, age_seconds: float | None
) -> _Verdict:
    """Wait until an asset can be used, or certainly cannot.

    Raises:
        UnusableReference: Nothing is certain after 15 minutes.
    """
    states, local = states_of(context), context.vendor.settings.is_local
    began = time.monotonic()
    newer_than, gap = began - ACTIVE_SECONDS, _LOCAL_GAP_SECONDS if local else _FIRST_GAP_SECONDS
    state, since, told = None, began, ""
    while True:
        seen = states.read(library, [asset_id], newer_than=newer_than, follower=follower)[asset_id]
        if seen.state != "active" and seen.at < began:  # only that it can be used is believed from memory
            newer_than = began
            continue
        now = time.monotonic()
        if seen.state != state:
            state, since = seen.state, now
        age = None if age_seconds is None else age_seconds + now - began
        verdict = _judged(seen, now - since, age)
        if verdict.kind != "wait":
            return verdict
        if now - began >= WAIT_SECONDS:
            raise UnusableReference(
                "active asset",
                f"asset {asset_id} cannot be used after {WAIT_SECONDS / 60:.0f} minutes: {verdict.why}",
                "Run again later, which goes on with the same asset; nothing has been paid",
            )
        if verdict.why != told:
            told = verdict.why
            follower.log(f"{place}: waiting for asset {asset_id}: {told}.")
        follower.pause(min(gap, WAIT_SECONDS - (now - began)))
        newer_than = time.monotonic() - gap / 2  # what another video has just heard is as good
        gap = min(gap * 1.5, _LONGEST_GAP_SECONDS)


def require_active(
    libraries: Sequence[Library], asset_id: str, context: MediaContext, follower: Follower, *, place: str
) -> None:
    """Wait until an asset that the user names can be used.

    Args:
        libraries: Where it may be; the first that knows it counts.
        asset_id: Of the asset.
        context: Whose it is.
        follower: Follows it.
        place: Where the reference stands.

    Raises:
        UnusableReference: It cannot, and why.
        SeedanceError: The vendor could not be asked.
    """
    verdict = _Verdict("refuse")
    for library in libraries:
        verdict = _settled(library, asset_id, context, follower, place=place, age_seconds=None)
        if verdict.is_known:
            break
    if verdict.kind != "use":
        raise UnusableReference(
            "active asset",
            f"asset {asset_id} cannot be used: {verdict.why}",
            "Write the file, link or s3:// address itself, which is then handed to the audit; or another asset",
        )


def audited_asset(
    name: str,
    kind: MediaKind,
    address: Callable[[], str],
    context: MediaContext,
    memos: Memos,
    follower: Follower,
    *,
    place: str,
    failed_seconds_ago: float | None = None,
) -> str:
    """Return the id of an active asset of a content: one that is there, or a new one.

    Args:
        name: Of the content's memo.
        kind: What it is.
        address: Returns a public address of it; called when it has to be handed in.
        context: Whose asset it is.
        memos: Of the account.
        follower: Follows it.
        place: Where the reference stands.
        failed_seconds_ago: When the vendor last failed to use it, None for never.

    Raises:
        UnusableReference: The audit turned it down, or has not ended after 15 minutes.
        SeedanceError: The vendor could not be reached.
    """
    unfit: dict[str, str] = {}

    def make() -> Made:
        follower.check()
        public = address()
        follower.log(f"{place}: handing the {kind} to the audit.")
        images, videos, audios = ([public] if kind == each else [] for each in ("image", "video", "audio"))
        try:
            with context.vendor.client(follower.pause) as client:
                answer = client.submit_assets(image_urls=images, video_urls=videos, audio_urls=audios)
        except InvalidParameters as error:
            raise MakeRefused(error.vendor_message or "no reason given", _REFUSED_SECONDS) from error
        audited = answer.of(public)
        if audited.asset is None:
            raise MakeRefused(audited.reason, _REFUSED_SECONDS)
        return Made(audited.asset.asset_id, raw=answer.raw, notes={"reference": place})

    def unusable(kept: Kept) -> str:
        if failed_seconds_ago is not None and kept.age_seconds >= failed_seconds_ago:
            return "the vendor could not use it"
        return unfit.get(kept.value, "")

    def obtain() -> Kept:
        return memos.obtain(
            "audit",
            name,
            make,
            usable=unusable,
            lease_seconds=_LEASE_SECONDS,
            follower=follower,
        )

    try:
        while True:
            kept = obtain()
            verdict = _settled("manxue", kept.value, context, follower, place=place, age_seconds=kept.age_seconds)
            if verdict.kind == "use":
                return kept.value
            if verdict.kind == "refuse" or len(unfit) == 1:
                memos.refuse("audit", name, verdict.why, _REFUSED_SECONDS)
                raise MakeRefused(verdict.why, _REFUSED_SECONDS)
            unfit[kept.value] = verdict.why
            follower.log(f"{place}: asset {kept.value} is handed in anew: {verdict.why}.")
    except MakeRefused as error:
        raise UnusableReference(
            "audit",
            f"the vendor's audit does not take it: {error.reason}",
            "Use another one; or, to hand the same in again within a day, forget it first with prefect-seedance "
            f"assets --forget {name}",
        ) from error
