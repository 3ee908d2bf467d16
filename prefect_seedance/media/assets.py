"""Assets at the vendor: what a public address becomes by the audit, and whether it may be used.

No answer of the audit is recorded publicly, and no interval is promised: one public sample took 28 s, other clients ask
every 2 to 30 s for up to five minutes. Here the gaps grow, and after 15 minutes an error says how to go on.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from prefect_seedance.client.errors import ApiError, InvalidParameters, RateLimited, UnexpectedAnswer
from prefect_seedance.client.request.routes import MediaKind
from prefect_seedance.client.request.sources import UnusableSource, read_source
from prefect_seedance.journal.identity import input_digest
from prefect_seedance.media.context import NOTICED_SECONDS, Follower, MediaContext
from prefect_seedance.media.errors import SENTENCE_ENDS, UnusableReference
from prefect_seedance.media.memos import Kept, Made, MakeRefused, Memos
from prefect_seedance.media.memos.errors import RETRY_AFTER_SECONDS
from prefect_seedance.media.memos.failed_use import FAILED_USE, FailedUse, notes_of

Library = Literal["manxue", "sp"]
_Key = tuple[Library, str]

#: How long an asset is waited for.
WAIT_SECONDS = 15 * 60.0
#: An asset that the audit has just made may not be known yet where its status is asked.
_NEW_SECONDS = 60.0
#: How long an asset that has expired is waited for: asking may bring it back.
_EXPIRED_SECONDS = 60.0
#: How many assets one question is about.
_MOST_ASKED = 50
#: How many questions are under way at once: enough that one which hangs holds up no other.
_MOST_QUESTIONS = 4
#: How many states are remembered.
_MOST_SEEN = 4096
#: An answer of "active" is believed for so long, until a submission is claimed.
ACTIVE_SECONDS = 60.0
#: Note of an audit: the digest of the link that was handed in.
_INPUT = "input"
_ENDED = {"expired": "it has expired", "failed": "its audit failed", "deleted": "it was deleted"}
_FIRST_GAP_SECONDS, _LONGEST_GAP_SECONDS, _LOCAL_GAP_SECONDS = 2.0, 30.0, 0.2


def is_asset_id(text: str) -> bool:
    """Return whether a request can name an asset by this id.

    Example:
        >>> is_asset_id("asset-20261127_1.a"), is_asset_id("a/b")
        (True, False)
    """
    try:
        return read_source(f"asset://{text}").kind == "asset"
    except UnusableSource:
        return False


@dataclass(frozen=True)
class _Seen:
    state: str
    words: str
    at: float


class AssetStates:
    """The states of assets as this process knows them: each is asked for once, however many videos wait for it.

    A question takes along every asset that somebody waits for and nobody asks about, so that a hundred audits cost
    little more than one; and one that hangs holds up only the assets that it is about.

    Args:
        context: Whose assets they are.
    """

    def __init__(self, context: MediaContext) -> None:
        self._vendor = context.vendor
        self._changed = threading.Condition()
        self._seen: dict[_Key, _Seen] = {}
        self._wanted: Counter[_Key] = Counter()
        self._asked: set[_Key] = set()
        self._questions = 0

    @contextmanager
    def waiting_for(self, library: Library, asset_id: str) -> Generator[None]:
        """Have the questions of others take this asset along, for the length of a ``with`` block."""
        key = library, asset_id
        with self._changed:
            self._wanted[key] += 1
        try:
            yield
        finally:
            with self._changed:
                self._wanted[key] -= 1
                if not self._wanted[key]:
                    del self._wanted[key]

    def read(self, library: Library, asset_id: str, *, newer_than: float, follower: Follower) -> _Seen:
        """Return the state of an asset, not older than a moment of the monotonic clock.

        Raises:
            PreparationCancelled: The run was cancelled while another asked.
            SeedanceError: The vendor could not be asked.
        """
        key = library, asset_id
        while True:
            follower.check()
            with self._changed:
                seen = self._seen.get(key)
                if seen is not None and seen.at >= newer_than:
                    return seen
                if key in self._asked or self._questions >= _MOST_QUESTIONS:
                    self._changed.wait(NOTICED_SECONDS)
                    continue
                others = [each for each in self._wanted if each[0] == library and each not in self._asked | {key}]
                asked = [key, *others[: _MOST_ASKED - 1]]
                self._asked.update(asked)
                self._questions += 1
            try:
                return self._ask(asked, follower)
            finally:
                with self._changed:
                    self._asked.difference_update(asked)
                    self._questions -= 1
                    self._changed.notify_all()

    def _ask(self, keys: Sequence[_Key], follower: Follower) -> _Seen:
        """Ask about assets of one library, and return the state of the first."""
        (library, asset_id), ids = keys[0], [each for _, each in keys]
        with follower.calling(self._vendor) as client:
            ask = client.asset_status if library == "manxue" else client.sp_asset_status
            try:
                assets = ask(ids)
            except RateLimited:
                raise
            except ApiError:  # perhaps about one of the others
                if len(ids) == 1:
                    raise
                ids = [asset_id]
                assets = ask(ids)
        found, now = {asset.asset_id: asset for asset in assets}, time.monotonic()
        with self._changed:
            if len(self._seen) > _MOST_SEEN:
                self._seen.clear()
            for each in ids:
                asset = found.get(each)
                reason = asset.reason if asset else ""
                self._seen[library, each] = _Seen(asset.state if asset else "unknown", reason, now)
            return self._seen[keys[0]]


_states: dict[tuple[int, str], AssetStates] = {}


def states_of(context: MediaContext) -> AssetStates:
    """Return what this process knows of the account's assets. A forked child knows nothing yet."""
    settings = context.vendor.settings
    account = f"{settings.fingerprint} {settings.base_url} {context.vendor.label}"  # simulators differ by their port
    name = os.getpid(), account
    return _states.get(name) or _states.setdefault(name, AssetStates(context))  # atomic


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
    reason = f": {seen.words.rstrip(SENTENCE_ENDS)}" if seen.words else ""
    match seen.state:
        case "active":
            return _Verdict("use")
        case "unknown":
            if (age_seconds is not None and age_seconds < _NEW_SECONDS) or seconds_so < _FIRST_GAP_SECONDS:
                return _Verdict("wait", "the vendor does not know it yet", is_known=False)
            if age_seconds is not None:
                return _Verdict("anew", "the vendor does not know the asset that it made", is_known=False)
            why = "the vendor does not know it; an asset belongs to the account that had it made"
            return _Verdict("refuse", why, is_known=False)
        case "unread":
            return _Verdict("wait", f"the vendor could not look it up{reason}")
        case "expired" if seconds_so < _EXPIRED_SECONDS:
            return _Verdict("wait", "it has expired, and may come back")
        case "rejected":
            return _Verdict("refuse", f"it was rejected{reason}")
        case "expired" | "failed" | "deleted":
            why = f"{_ENDED[seen.state]}{reason}"
            return _Verdict("refuse" if age_seconds is None else "anew", why)
        case _:
            return _Verdict("wait", f"it is being looked at{reason}")


def _settled(
    library: Library,
    asset_id: str,
    context: MediaContext,
    follower: Follower,
    *,
    place: str,
    age_seconds: float | None,
    believed_seconds: float,
    is_patient: bool = True,
) -> _Verdict:
    """Wait until an asset can be used, or certainly cannot; without patience, only until the vendor knows it or not.

    Raises:
        UnusableReference: Nothing is certain after 15 minutes.
    """
    states, local = states_of(context), context.vendor.settings.is_local
    began = time.monotonic()
    newer_than, gap = began - believed_seconds, _LOCAL_GAP_SECONDS if local else _FIRST_GAP_SECONDS
    state, since, told = None, began, ""
    with states.waiting_for(library, asset_id):
        while True:
            seen = states.read(library, asset_id, newer_than=newer_than, follower=follower)
            if seen.state != "active" and seen.at < began:  # only that it can be used is believed from memory
                newer_than = began
                continue
            now = time.monotonic()
            if seen.state != state:
                state, since = seen.state, now
            age = None if age_seconds is None else age_seconds + now - began
            verdict = _judged(seen, now - since, age)
            if verdict.kind != "wait" or (verdict.is_known and not is_patient):
                return verdict
            if now - began >= WAIT_SECONDS:
                raise UnusableReference(
                    "active asset",
                    f"asset://{asset_id} cannot be used after {WAIT_SECONDS / 60:.0f} minutes: {verdict.why}",
                    "Run again later, which goes on with the same asset; nothing has been paid",
                )
            if verdict.why != told:
                told = verdict.why
                follower.log(f"{place}: waiting for asset://{asset_id}: {told}.")
            follower.pause(min(gap, WAIT_SECONDS - (now - began)))
            newer_than = time.monotonic() - gap / 2  # what another video has just heard is as good
            gap = min(gap * 1.5, _LONGEST_GAP_SECONDS)


def require_active(
    libraries: Sequence[Library],
    asset_id: str,
    context: MediaContext,
    follower: Follower,
    *,
    place: str,
    believed_seconds: float = ACTIVE_SECONDS,
    is_patient: bool = True,
) -> None:
    """Wait until an asset that the user names can be used.

    Args:
        libraries: Where it may be; the first that knows it counts.
        asset_id: Of the asset.
        context: Whose it is.
        follower: Follows it.
        place: Where the reference stands.
        believed_seconds: For how long an answer of "active" is believed.
        is_patient: Whether one that is still being looked at is waited for; else it passes.

    Raises:
        UnusableReference: It cannot, and why.
        SeedanceError: The vendor could not be asked.
    """
    verdict = _Verdict("refuse")
    for library in libraries:
        verdict = _settled(
            library,
            asset_id,
            context,
            follower,
            place=place,
            age_seconds=None,
            believed_seconds=believed_seconds,
            is_patient=is_patient,
        )
        if verdict.is_known:
            break
    if verdict.kind not in ("use", "wait"):
        raise UnusableReference(
            "active asset",
            f"it cannot be used: {verdict.why}",
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
    shown: str,
    by_content: bool,
    failed: FailedUse | None = None,
    believed_seconds: float = ACTIVE_SECONDS,
) -> Kept:
    """Return an active asset of a content: one that is there, or a new one. Its value is the asset's id.

    Args:
        name: Of the content's memo.
        kind: What it is.
        address: Returns a public address of it; called when it has to be handed in.
        context: Whose asset it is.
        memos: Of the account.
        follower: Follows it.
        place: Where the reference stands.
        shown: The reference for people, without what may grant access.
        by_content: Whether the name tells the content, so that another name is another content.
        failed: The last use of it at which the vendor failed, None if there was none.
        believed_seconds: For how long an answer of "active" is believed.

    Raises:
        UnusableReference: The audit turned it down, answered with nothing to go on with or with the asset of another
            content, or has not ended after 15 minutes.
        SeedanceError: The vendor could not be reached.
    """
    unfit: dict[str, str] = {}

    def make() -> Made:
        follower.check()
        public = address()
        follower.log(f"{place}: handing {shown} to the vendor's audit.")
        images, videos, audios = ([public] if kind == each else [] for each in ("image", "video", "audio"))
        try:
            with follower.calling(context.vendor) as client:
                answer = client.submit_assets(image_urls=images, video_urls=videos, audio_urls=audios)
        except InvalidParameters as error:
            raise MakeRefused(error.vendor_message or "no reason given", RETRY_AFTER_SECONDS) from error
        audited = answer.of(public)
        if audited.asset is None and audited.refused:
            raise MakeRefused(audited.reason, RETRY_AFTER_SECONDS)
        if audited.asset is None:
            raise UnexpectedAnswer("it names no asset for what was handed in", transient=True)
        if not is_asset_id(audited.asset.asset_id):
            raise UnusableReference(
                "audit",
                "the vendor's audit answered with an id that no request can name",
                "Run again later; if it stays so, ask the vendor",
            )
        notes = {"reference": shown, _INPUT: input_digest(public), **notes_of(failed)}
        return Made(audited.asset.asset_id, raw=answer.raw, notes=notes)

    def usable(kept: Kept) -> str:
        if failed is not None and failed.may_have_used(kept):
            return FAILED_USE
        return unfit.get(kept.value, "")

    try:
        while True:
            kept = memos.obtain("audit", name, make, usable=usable, follower=follower)
            if not memos.is_its_own("audit", name, kept.value, follower, by_content=by_content):
                raise UnusableReference(
                    "audit",
                    f"the vendor's audit answered with asset://{kept.value}, which it gave for another content",
                    "Nothing was paid. Run again, which hands both in anew; if it stays so, ask the vendor",
                )
            verdict = _settled(
                "manxue",
                kept.value,
                context,
                follower,
                place=place,
                age_seconds=kept.age_seconds,
                believed_seconds=believed_seconds,
            )
            if verdict.kind == "use":
                return kept
            if verdict.kind == "refuse" or len(unfit) == 1:
                memos.refuse("audit", name, verdict.why, RETRY_AFTER_SECONDS)
                raise MakeRefused(verdict.why, RETRY_AFTER_SECONDS)
            unfit[kept.value] = verdict.why
            follower.log(f"{place}: asset://{kept.value} is handed in anew: {verdict.why}.")
    except MakeRefused as error:
        raise UnusableReference(
            "audit",
            f"the vendor's audit does not take it: {error.reason}",
            "Use another one; or, to hand the same in again within a day, forget it first with prefect-seedance "
            f"assets --forget {name}",
        ) from error


def input_of(asset: Kept) -> tuple[str, ...]:
    """Return the digest of the link that an asset was made of, which the vendor may repeat; see `input_digest`."""
    digest = asset.notes.get(_INPUT)
    return (digest,) if isinstance(digest, str) else ()
