"""Writes what a released version leaves in a store, to be read by every later one.

    python -m tests.journal.records.write

Whoever releases a version runs it once, and commits the folder ``stores/<version>/`` that it makes; a folder that is
there is never written again. All of it is written by the code that writes it in production, at a fixed time, so that
it is what the users of that version have in their buckets: a record in each state, and whatever else lies beside them.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import cast

from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.batch.report.report_files import report_json
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Refused, TooManyRequests, Unknown
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.pause import pause
from prefect_seedance.journal.identity import ALWAYS, Identity, identify
from prefect_seedance.journal.record import Stored
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.store_identity import identify_store
from prefect_seedance.media.context import Follower
from prefect_seedance.media.memos import Made, Memos
from prefect_seedance.pipeline.watch.history import History, save_history
from prefect_seedance.storage.protocol import Store
from prefect_seedance.versions import version_of
from tests.journal.harness import NOON, Killed, MemoryStore, World

STORES = Path(__file__).parent / "stores"
ACCOUNT = "default"
LINK = "https://files.example.com/mug.png"


def identity_of(state: str) -> Identity:
    """Return the intent whose record is in a state."""
    return identify(VideoRequest(prompt=f"A paper boat that is {state}", duration=5), scope=ALWAYS, account=ACCOUNT)


class Writer:
    """Fills a store in memory as a version of the package fills a bucket."""

    def __init__(self) -> None:
        self.world = World.in_memory()
        self.store = cast(Store, self.world.store)
        self.budget = Budget(
            self.store,
            account=ACCOUNT,
            limits=Limits(daily=20.0),
            journal=self.world.journal,
            sleep=self.world.sleep,
            jitter=lambda: 1.0,
            clock=lambda: NOON.timestamp() + self.world.store.passed,
        )

    def write_all(self) -> dict[str, bytes]:
        """Write a record in each state, and what lies beside them; return what is in the store then, by key."""
        identify_store(self.world.journal)
        self._until_killed("ready", "backoff", TooManyRequests(30.0))
        self._until_killed("sending", "post.before")
        self._make("submitted")
        completed = self._make("completed")
        self.world.journal.record_completed(completed.intent, self._task(completed))
        stored = self._make("stored")
        self.world.journal.record_completed(stored.intent, self._task(stored))
        key = f"videos/2026-11-22/{self._task_id(stored)}.mp4"
        facts = Stored(uri=f"memory://store/{key}", key=key, bytes=3, sha256="ab" * 32, crc32="0" * 8, etag="tag")
        self.world.journal.record_stored(stored.intent, self._task_id(stored), facts)
        self._make("refused", Refused("20002", "The prompt is too long.", 200))
        failed = self._make("failed")
        self.world.journal.record_failed(failed.intent, self._task_id(failed), "transient", "PROVIDER_TIMEOUT")
        self._make("unknown", Unknown("The connection broke.", "<html>", 502))
        lost = self._make("lost", Unknown("No answer came.", "", None))
        resolve_unknown(self.world.journal, lost.intent, "abandon", by="Ada")
        attached = self._make("attached", Unknown("No answer came.", "", None))
        resolve_unknown(
            self.world.journal, attached.intent, "attach", task_id="videos_by_hand", by="Ada", fetch=self._fetched
        )
        self._spend()
        self._remember()
        pause(self.store, by="Ada", reason="The price list is being checked.", now=lambda: NOON)
        self._report()
        return dict(sorted(cast(MemoryStore, self.world.store.inner).objects.items()))

    def _make(self, state: str, *script: Accepted | Refused | TooManyRequests | Unknown) -> Identity:
        identity = identity_of(state)
        self.world.vendor.script = [*script]
        try:
            self.world.run(identity=identity)
        except Exception:  # what is refused, and what is unknown: the record says which
            assert script
        self.world.storm.known()
        return identity

    def _until_killed(self, state: str, point: str, *script: TooManyRequests) -> None:
        def strike(reached: str) -> None:
            if reached == point:
                self.world.store.down = Killed()
                raise Killed

        self.world.at, self.world.vendor.script = strike, [*script]
        with suppress(Killed):
            self.world.run(identity=identity_of(state))
        self.world.at, self.world.store.down = lambda point: None, None

    def _task_id(self, identity: Identity) -> str:
        return self.world.record(identity.intent).task_id

    def _task(self, identity: Identity) -> VideoTask:
        return VideoTask(
            task_id=self._task_id(identity),
            status="completed",
            model="seedance2.0-std",
            created_at=int(NOON.timestamp()),
            completed_at=int(NOON.timestamp()) + 90,
            cost=0.25,
        )

    def _fetched(self, task_id: str) -> VideoTask:
        return VideoTask(
            task_id=task_id, status="processing", model="seedance2.0-std", created_at=int(NOON.timestamp())
        )

    def _spend(self) -> None:
        """Leave something spent, something reserved, and something held in the ledgers of the account and of a run."""
        run = Budget(
            self.store,
            account=ACCOUNT,
            limits=Limits(total=5.0),
            journal=self.world.journal,
            run_key="run-1",
            sleep=self.world.sleep,
            jitter=lambda: 1.0,
            clock=lambda: NOON.timestamp() + self.world.store.passed,
        )
        for budget in (self.budget, run):
            for number, outcome in enumerate((Accepted("videos_1", cost=0.5), Unknown("No answer came."), None)):
                reservation = budget.try_reserve(
                    f"{number:032x}",
                    identity_of(("stored", "unknown", "sending")[number]).intent,
                    coins=0.4,
                    billing="sd2_std_720p",
                    lease_seconds=210.0,
                    start_stopwatch=self.world.stopwatch,
                )
                if outcome is not None:
                    reservation.settled(outcome)  # type: ignore[union-attr]  # there is room for it

    def _remember(self) -> None:
        memos = Memos(self.store, ACCOUNT)
        made = Made(LINK, 3 * 86_400.0, {"url": LINK}, {"bytes": 5})
        memos.obtain("upload", "3f9a", lambda: made, usable=lambda kept: "", follower=Follower())
        memos.obtain("hash", "77aa", lambda: Made("ab" * 32), usable=lambda kept: "", follower=Follower())
        history = History()
        for seconds in (90.0, 120.0, 100.5):
            history.note("seedance2.0-std", "720p", 5, seconds)
        save_history(self.store, history)

    def _report(self) -> None:
        stored = self.world.record(identity_of("stored").intent)
        rows = [
            RowResult(number=2, name="boat", intent=stored.intent, outcome="stored", task_id=stored.task_id, cost=0.25),
            RowResult(number=3, name="mug", outcome="invalid", reason="duration: 30 is too long.", advice="Write 12."),
        ]
        report = BatchReport(
            source="products.csv", run_id="run-1", run_name="spring", started_at=NOON, rows=rows,
            ended_at=NOON + timedelta(minutes=2),
        )  # fmt: skip
        self.store.create("reports/2026-11-22/spring-run1/report.json", report_json(report))


def main() -> None:
    """Write the folder of this version."""
    folder = STORES / version_of()
    if folder.exists():
        sys.exit(f"{folder} is there: what a released version has written does not change any more")
    for key, data in Writer().write_all().items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()
