"""What goes on at the vendor when a run ends without its video."""

from __future__ import annotations

import pytest

from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.record_lookup import look_up
from prefect_seedance.simulator import Fault
from prefect_seedance.storage.folder.store import FolderStore
from tests.pipeline.harness import Followed, Vendor, order_of

IDENTITY = order_of().identity


def test_a_task_that_goes_on_is_named_with_how_to_go_on(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    nothing = look_up(destination, IDENTITY, followed.observer)
    assert (nothing.task_id, nothing.unknown, nothing.advice) == ("", None, "")
    submitted = vendor.bought(destination)
    found = look_up(destination, IDENTITY, followed.observer)
    assert found.task_id == submitted["task_id"] and found.advice != "" and followed.lines == []


def test_a_submission_that_is_unknown_is_a_persons(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    vendor.simulator.plan(Fault(fault="lost_answer"))
    with pytest.raises(SubmissionUnknown):
        vendor.bought(destination)
    found = look_up(destination, IDENTITY, followed.observer)
    assert found.task_id == "" and found.unknown is not None


def test_a_journal_that_cannot_be_read_says_nothing_of_a_task(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    vendor.bought(destination)
    assert isinstance(destination.store, FolderStore)
    (destination.store.root / destination.journal.record_key(IDENTITY.intent)).write_bytes(b"{")
    found = look_up(destination, IDENTITY, followed.observer)
    assert (found.task_id, found.unknown, found.scope) == ("", None, IDENTITY.scope)
    assert [line.partition(":")[0] for line in followed.lines] == ["The journal could not be read"]
