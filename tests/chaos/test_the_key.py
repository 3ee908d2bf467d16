"""The API key is nowhere, after all that the other tests of this folder have done. Their files come before this one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefect_seedance.simulator import Fault
from tests.chaos.harness import KEY_MARK, Chaos, persisted_results
from tests.chaos.orders import Strike

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_the_key_is_in_no_file_object_log_traceback_result_or_database(chaos: Chaos, chaos_on_s3: Chaos) -> None:
    chaos.credentials.save("chaos")
    unknown = chaos.case("key, unknown", Fault(fault="lost_answer"))
    assert unknown.run(block="chaos").error == "SubmissionUnknown"
    killed = chaos.case("key, killed")
    assert killed.begin(block="chaos", strikes=(Strike("accepted.logged"),)).ended().was_killed
    refused = chaos.case("key, refused")
    assert refused.run(api_key=f"{KEY_MARK}wrong").error == "AuthenticationFailed"
    stored = chaos.case("key, stored")
    task_id = stored.run(block="chaos").task_id
    in_bucket = chaos_on_s3.case("key, in a bucket")
    in_bucket.assert_stored(in_bucket.run(block="chaos"))

    database = chaos.folder / "server"
    for trace in (stored.prompt, "AuthenticationFailed", "It is not known whether the vendor accepted"):
        until_found(trace, lambda: files(database))  # the server writes down logs and events a little later
    assert holding(task_id, iter(persisted_results(chaos.home)))
    places = [chaos.folder, Path(os.environ["PREFECT_HOME"])]
    assert not [path for place in places for path in holding(KEY_MARK, files(place))]
    assert not [key for key in in_bucket.files.list_keys("") if KEY_MARK.encode() in in_bucket.read(key)]
    assert not any(request.authorization for request in chaos.vendor.media_requests())


def files(folder: Path) -> Iterator[Path]:
    """Every file in a folder, and in those below."""
    return (path for path in folder.rglob("*") if path.is_file())


def holding(text: str, paths: Iterator[Path]) -> list[Path]:
    """Those of the files that hold a text, in whatever they are."""
    return [path for path in paths if text.encode() in path.read_bytes()]


def until_found(text: str, paths: Callable[[], Iterator[Path]]) -> None:
    """Wait until one of the files holds a text, so that not finding another one means something."""
    deadline = time.monotonic() + 150
    while not holding(text, paths()):
        assert time.monotonic() < deadline, f"{text!r} is nowhere"
        time.sleep(0.5)
