"""Real threads in real processes, on real stores: as many videos are accepted as fit, not one more and not one less."""

from __future__ import annotations

from pathlib import Path

from benchmarks.budget import PRICE, Load, run
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.journal import Journal
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.s3.settings import S3Settings
from tests.storage.s3_servers import S3Server

VIDEOS = 70


def check(place: Path | S3Settings, store: Store) -> None:
    came = run(Load(place, processes=4, threads=16, videos=VIDEOS, post_seconds=0.01))
    budget = Budget(store, account="benchmark", limits=Limits(daily=1.0), journal=Journal(store))
    standing = budget.standing()
    blob = store.get("journal/store.json")
    assert blob is not None and blob.read_at is not None  # the day is the store's, not this machine's
    assert abs(blob.read_at - standing.read_at.timestamp()) < 60
    assert came.accepted == VIDEOS
    assert (standing.day.spent, standing.videos.spent, standing.entries) == (round(PRICE * VIDEOS, 6), VIDEOS, ())


def test_four_processes_of_sixteen_threads_in_a_folder(tmp_path: Path) -> None:
    check(tmp_path / "store", FolderStore(tmp_path / "store"))


def test_four_processes_of_sixteen_threads_on_s3(moto: S3Server) -> None:
    settings = moto.settings()
    check(settings, moto.store_of(settings))
