"""What the how-to pages promise of stores that are moved, tidied up and reached with another key."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.collect.collector import collect
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.errors import VideoNotStored
from prefect_seedance.pipeline.observer import Observer
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.simulator import Fault, running_simulator
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.docs.pages import DOCS, blocks_of
from tests.pipeline.harness import RUN, TEMPLATE, Vendor, account_at, destination_in, order_of, record_of
from tests.storage.s3_servers import BUCKET, S3Server

BOAT = order_of(VideoRequest(prompt="A boat", duration=4))
WHALE = order_of(VideoRequest(prompt="A whale", duration=4))


def copied(folder: Path, server: S3Server, prefix: str) -> Destination:
    """A folder's files in a bucket, copied as any program copies them: the bytes under their keys."""
    for path in filter(Path.is_file, folder.rglob("*")):
        key = f"{prefix}/{path.relative_to(folder).as_posix()}"
        server.client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    moved = server.store(prefix=prefix)
    return Destination(moved, Journal(moved), TEMPLATE, MediaPolicy())


@pytest.mark.parametrize("to", ["another folder", "a bucket"])
def test_a_store_that_was_moved_as_a_whole_pays_for_nothing_again_and_says_where_its_videos_are_now(
    vendor: Vendor, tmp_path: Path, moto: S3Server, to: str
) -> None:
    old = destination_in(tmp_path / "old")
    before = deliver(*vendor.completed(old, BOAT), vendor.account, old, run=RUN)
    under_way = vendor.bought(old, WHALE)
    if to == "a bucket":
        new = copied(tmp_path / "old", moto, f"moved-{tmp_path.name}")
    else:
        shutil.copytree(tmp_path / "old", tmp_path / "new")
        new = destination_in(tmp_path / "new")
    shutil.rmtree(tmp_path / "old")

    vendor.simulator.elapse(3600)
    again = vendor.bought(new, BOAT)
    after = deliver(vendor.task(again["task_id"]), again, vendor.account, new, run=RUN)
    assert (after.key, after.sha256, after.task_id) == (before.key, before.sha256, before.task_id)
    beside = after.key.removesuffix(".mp4")
    said = (after.uri, after.poster_uri, after.provenance_uri)
    assert said == tuple(new.store.uri_of(f"{beside}{ending}") for ending in (".mp4", ".jpg", ".json"))
    assert all(new.store.stat(f"{beside}{ending}") for ending in (".mp4", ".jpg", ".json"))
    taken_up = vendor.bought(new, WHALE)
    assert taken_up["task_id"] == under_way["task_id"]
    assert deliver(vendor.task(taken_up["task_id"]), taken_up, vendor.account, new, run=RUN).bytes > 0
    assert len(vendor.billed()) == 2


def test_after_a_key_is_rotated_open_tasks_are_collected_with_the_new_one_and_nothing_is_bought_again(
    tmp_path: Path,
) -> None:
    store = destination_in(tmp_path)
    with running_simulator(seconds=600.0, other_keys=("sk_after_the_rotation",)) as simulator:
        old, new = account_at(simulator.url), account_at(simulator.url, "sk_after_the_rotation")
        assert new.fingerprint != old.fingerprint
        submitted = submit(BOAT, old, store, run=RUN, preflight=False)
        simulator.elapse(3600)
        asyncio.run(collect(new, store, CollectOptions(minutes=0.1), observer_of=lambda _: Observer(), run=RUN))
        assert record_of(store, submitted["intent"]).state is State.STORED
        assert submit(BOAT, new, store, run=RUN, preflight=False)["task_id"] == submitted["task_id"]
        assert [bill.accepted for bill in simulator.bills()] == [1]


def test_a_video_that_a_rule_has_expired_is_not_bought_again_by_itself_but_by_another_take(
    vendor: Vendor, destination: Destination
) -> None:
    task, submitted = vendor.completed(destination, BOAT)
    stored = deliver(task, submitted, vendor.account, destination, run=RUN)
    destination.store.delete(stored.key)
    vendor.simulator.plan(Fault(fault="expired_link", times=99))
    again = vendor.bought(destination, BOAT)
    with pytest.raises(VideoNotStored, match=task.task_id):
        deliver(vendor.task(task.task_id), again, vendor.account, destination, run=RUN)
    assert len(vendor.billed()) == 1
    other_take = order_of(VideoRequest(prompt="A boat", duration=4, take="2"))
    assert vendor.bought(destination, other_take)["task_id"] != task.task_id


def rules() -> list[dict[str, Any]]:
    (block,) = (each for each in blocks_of(DOCS / "how-to/retention.md") if each.language == "json")
    return json.loads(block.text)["Rules"]


def test_the_lifecycle_rules_are_taken_by_s3_and_none_of_them_meets_the_journal(
    vendor: Vendor, moto: S3Server, tmp_path: Path
) -> None:
    old = destination_in(tmp_path / "old")
    deliver(*vendor.completed(old, BOAT), vendor.account, old, run=RUN)
    keys = [f"videos/{key}" for key in old.store.list_keys("")]  # the store's prefix in the example
    moto.client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules()})
    moto.client.delete_bucket_lifecycle(Bucket=BUCKET)
    ending = [rule for rule in rules() if {"Expiration", "Transitions"} & {*rule}]
    met = [key for key in keys for rule in ending if key.startswith(rule["Filter"]["Prefix"])]
    assert met and not [key for key in met if "/journal/" in key]
