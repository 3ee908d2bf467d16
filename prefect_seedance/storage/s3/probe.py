"""Whether an endpoint honours what two writers at once depend on. Not all that speak S3 do, and some do not say so.

Each condition is tried by one write after another, and then by eight writers at once. That an endpoint looks first and
writes later shows only while the requests really are on their way together, so each writer opens its connection
beforehand, signs its request, and waits for the others before its first byte goes out; however slow the endpoint is,
all eight are there before the first is answered. Chance remains, so there are several rounds. And an answer is only
what the endpoint says: after each round the object is read.

A write that is throttled says nothing of conditions. Some stores let through one write of a key in a second (Cloudflare
R2), so a round in which nobody was refused because of the condition is repeated after a pause.

The probe stands under one fixed prefix, which is part of the journal, so that it is where conditions matter. Its
keys are fresh: workers that start at the same moment probe at the same moment.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from prefect_seedance.storage.errors import StorageError, StoreUnavailable
from prefect_seedance.storage.s3.bucket import Bucket, age_seconds
from prefect_seedance.storage.s3.errors import code_of, is_throttled, knows_no_header, storage_error, translated
from prefect_seedance.storage.s3.headers import JOURNAL, WriteCondition
from prefect_seedance.storage.s3.line import InRace
from prefect_seedance.storage.s3.records import get, put, refused_by_condition

_Found = TypeVar("_Found")

PROBE = f"{JOURNAL}probe/"
#: Where it is tried whether a video can be stored: outside the journal, where storage class, tags and ACL count.
VIDEO_PROBE = "probe/"
WRITERS = 8
CREATE_ROUNDS, SWAP_ROUNDS = 1, 3
# Before a round that was throttled is repeated.
_THROTTLED_PAUSES_SECONDS = (1.0, 2.0, 4.0)
_LEFT_OVER_SECONDS = 3600.0
# To open a connection. A writer that takes longer must not hold up the others for ever.
_LONGEST_WAIT_SECONDS = 30.0
# How an endpoint says that there is nothing to be swapped.
_NOTHING_TO_SWAP = "NoSuchKey"
_NO_ETAG = '"00000000000000000000000000000000"'


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an endpoint honours.

    Attributes:
        create: `If-None-Match: *` refuses to overwrite.
        one_winner: Of eight writes at once under either condition exactly one succeeds.
        swap: `If-Match` refuses a write against another etag, and only that.
    """

    create: bool
    one_winner: bool
    swap: bool

    @property
    def missing(self) -> str:
        """What is not honoured, in words; empty if all is."""
        if not self.create:
            return "it overwrites an object although it was told not to (If-None-Match)"
        if not self.swap:
            return "it overwrites an object that has changed meanwhile (If-Match)"
        return "" if self.one_winner else "of several writers at once, more than one succeeds (If-None-Match, If-Match)"


def probe_conditions(bucket: Bucket) -> Conditions:
    """Try the conditions with objects of a few bytes, which are deleted afterwards.

    Raises:
        StorageError: It could not be found out.
    """
    return _Probe(bucket).conditions()


class _Round(Enum):
    """What came of several writes at once, of which exactly one may succeed."""

    ONE_WINNER = "one winner"
    NO_WINNER = "no winner"
    THROTTLED = "no winner, or one, and nobody was refused but by throttling"
    BROKEN = "more than one winner, or not the one that was told so"


class _Probe:
    """One probe of an endpoint."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._keys: list[str] = []
        self._is_unknown = False

    def conditions(self) -> Conditions:
        try:
            with ThreadPoolExecutor(WRITERS) as writers:
                _together(self._bucket, writers, lambda _: get(self._bucket, f"{PROBE}absent"))  # opens the connections
                created = [self._decided(lambda: self._race_to_create(writers)) for _ in range(CREATE_ROUNDS)]
                key = self._keys[-1]
                create = bool(self._content(key)) and self._refuses(key, {"IfNoneMatch": "*"})
                if not create:
                    self._write_plainly()
                    return Conditions(create=False, one_winner=False, swap=False)
                swap = self._refuses(key, {"IfMatch": _NO_ETAG}) and self._swaps(key)
                swapped = [
                    self._decided(lambda: self._race_to_swap(writers, key)) for _ in range(SWAP_ROUNDS if swap else 0)
                ]
        finally:
            self._tidy()
        one_winner = _Round.BROKEN not in created and _Round.BROKEN not in swapped
        swap = swap and _Round.ONE_WINNER in swapped
        return Conditions(create=create, one_winner=one_winner and _Round.ONE_WINNER in created, swap=swap)

    def _write_plainly(self) -> None:
        """Write without a condition where one seems to be unknown: perhaps it is something else that is refused.

        Raises:
            StorageError: It is.
        """
        if self._is_unknown:
            self._keys.append(f"{PROBE}{uuid4().hex}")
            with translated(self._bucket.uri_of(self._keys[-1]), writing=True):
                put(self._bucket, self._keys[-1], b"", {})

    def _decided(self, race: Callable[[], tuple[_Round, bool]]) -> _Round:
        """Repeat a round until it says something.

        Raises:
            StoreUnavailable: Nobody was ever let through.
        """
        outcome, has_winner = race()
        for pause in _THROTTLED_PAUSES_SECONDS:
            if outcome is not _Round.THROTTLED:
                return outcome
            time.sleep(pause * random.uniform(0.75, 1.25))
            outcome, has_winner = race()
        if outcome is not _Round.THROTTLED:
            return outcome
        if not has_winner:
            where = self._bucket.uri_of(self._keys[-1])
            raise StoreUnavailable(where, "the store asks to slow down, again and again", "Try again in a minute.")
        return _Round.ONE_WINNER  # its throttling keeps writers apart, every time

    def _race_to_create(self, writers: ThreadPoolExecutor) -> tuple[_Round, bool]:
        self._keys.append(f"{PROBE}{uuid4().hex}")
        return self._race(writers, self._keys[-1], {"IfNoneMatch": "*"}, b"")

    def _race_to_swap(self, writers: ThreadPoolExecutor, key: str) -> tuple[_Round, bool]:
        there = get(self._bucket, key)
        if there is None:
            return _Round.BROKEN, False
        return self._race(writers, key, {"IfMatch": there.etag}, there.data)

    def _race(
        self, writers: ThreadPoolExecutor, key: str, condition: WriteCondition, before: bytes
    ) -> tuple[_Round, bool]:
        """Let all write at once, and return what came of it and whether somebody won."""
        nonces = [uuid4().hex.encode() for _ in range(WRITERS)]
        written = _together(self._bucket, writers, lambda number: self._try(key, nonces[number], condition))
        winners = [nonce for nonce, won in zip(nonces, written, strict=True) if won]
        there = self._content(key)
        if len(winners) > 1 or (winners and winners != [there]):
            return _Round.BROKEN, True
        has_winner = bool(winners) or there in nonces  # the winner's answer was lost, and its repetition refused
        if not has_winner and there != before:
            return _Round.BROKEN, False
        if None in written and False not in written:
            return _Round.THROTTLED, has_winner
        return (_Round.ONE_WINNER if has_winner else _Round.NO_WINNER), has_winner

    def _refuses(self, key: str, condition: WriteCondition) -> bool:
        before = self._content(key)
        return not self._put(key, uuid4().hex.encode(), condition) and self._content(key) == before

    def _swaps(self, key: str) -> bool:
        there, nonce = get(self._bucket, key), uuid4().hex.encode()
        if there is not None:
            self._put(key, nonce, {"IfMatch": there.etag})  # its answer may be lost: what is there tells
        return self._content(key) == nonce

    def _content(self, key: str) -> bytes:
        there = get(self._bucket, key)
        return there.data if there else b""

    def _put(self, key: str, data: bytes, condition: WriteCondition) -> bool:
        """Return whether it is said to be written; if not, it was refused by the condition, or because of it."""
        try:
            put(self._bucket, key, data, condition)
        except (ClientError, BotoCoreError) as error:
            if not self._is_refusal(error):
                raise storage_error(error, self._bucket.uri_of(key), writing=True) from error
            return False
        return True

    def _try(self, key: str, data: bytes, condition: WriteCondition) -> bool | None:
        """Return the same of one of several writers; None if it was throttled, which says nothing."""
        try:
            return self._put(key, data, condition)
        except StorageError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and is_throttled(cause):
                return None
            raise

    def _is_refusal(self, error: ClientError | BotoCoreError) -> bool:
        """Return whether a write was refused by its condition, or because the endpoint does not know conditions."""
        if not isinstance(error, ClientError) or is_throttled(error):
            return False
        if knows_no_header(error):
            self._is_unknown = True
            return True
        return refused_by_condition(error) or code_of(error) == _NOTHING_TO_SWAP

    def _tidy(self) -> None:
        """Remove this probe, and those of workers that were killed at it. What stays is small and harmless."""
        bucket = self._bucket
        with suppress(ClientError, BotoCoreError):
            for key in self._keys:
                bucket.client.delete_object(Bucket=bucket.name, Key=bucket.key_of(key))
            answer = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefixed(PROBE))
            for entry in answer.get("Contents", []):
                if "Key" not in entry or "LastModified" not in entry:
                    continue
                if age_seconds(entry["LastModified"], answer["ResponseMetadata"]) > _LEFT_OVER_SECONDS:
                    bucket.client.delete_object(Bucket=bucket.name, Key=entry["Key"])


class _StartingLine(threading.local):
    """Where the thread's next request waits for the others'; None for all requests that are not part of a probe."""

    barrier: threading.Barrier | None = None


_starting_line = _StartingLine()


def _await_the_others(**_: object) -> None:
    """Wait before a signed request goes out; a repetition by boto3 waits for nobody."""
    barrier, _starting_line.barrier = _starting_line.barrier, None
    if barrier is not None:
        with suppress(threading.BrokenBarrierError):  # one of them failed before: the others go on
            barrier.wait(_LONGEST_WAIT_SECONDS)


def _together(bucket: Bucket, writers: ThreadPoolExecutor, send: Callable[[int], _Found]) -> list[_Found]:
    """Send one request from each thread, the first bytes of all at the same moment."""
    events, barrier = bucket.client.meta.events, threading.Barrier(WRITERS)
    for call in ("PutObject", "GetObject"):
        events.register(f"before-send.s3.{call}", _await_the_others, unique_id=f"{__name__}.{call}")

    def sent(number: int) -> _Found:
        _starting_line.barrier = barrier
        try:
            with InRace():
                return send(number)
        finally:
            _starting_line.barrier = None
            barrier.abort()  # the others go on should this one have failed before it was sent

    return list(writers.map(sent, range(WRITERS)))
