"""What only real processes can show: races between them, SIGKILL at any moment, fork, a full disk."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prefect_seedance.storage.errors import StoreUnavailable
from prefect_seedance.storage.folder.file_lock import exclusive
from prefect_seedance.storage.folder.store import FolderStore

ROOT = Path(__file__).parents[3]
HEAD = """
import os, sys, time
from pathlib import Path
from prefect_seedance.storage.errors import AlreadyExists, Conflict
from prefect_seedance.storage.folder.store import FolderStore
store = FolderStore(Path(sys.argv[1]))
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def output_of(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output


COUNT = """
for _ in range(int(sys.argv[2])):
    while True:
        blob = store.get("counter")
        try:
            store.swap("counter", b"%d" % (int(blob.data) + 1), etag=blob.etag)
            break
        except Conflict:
            pass
"""


def test_eight_processes_that_swap_a_counter_lose_no_update(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create("counter", b"0")
    for process in [start(COUNT, tmp_path, 20) for _ in range(8)]:
        output_of(process)
    assert (tmp_path / "counter").read_bytes() == b"160"
    assert list((tmp_path / ".tmp").iterdir()) == []


CREATE = """
while not os.path.exists(sys.argv[2]):
    pass
for number in range(50):
    try:
        store.create(f"journal/{number}", b"x")
        print(number)
    except AlreadyExists:
        pass
"""


def test_of_eight_processes_that_create_a_record_exactly_one_wins(tmp_path: Path) -> None:
    processes = [start(CREATE, tmp_path / "store", tmp_path / "go") for _ in range(8)]
    (tmp_path / "go").touch()
    winners = [int(line) for process in processes for line in output_of(process).split()]
    assert sorted(winners) == list(range(50))


# Each record says how long it is and what it is filled with, so that a half one is known.
CHURN = """
def record(number):
    return b"%06d:" % number + bytes([97 + number % 26]) * 20_000 + b":end"
print("ready", flush=True)
number = int(sys.argv[2]) * 100_000
while True:
    number += 1
    store.create(f"journal/{number}", record(number))
    blob = store.get("journal/shared")
    if blob is None:
        store.create("journal/shared", record(number))
    else:
        store.swap("journal/shared", record(number), etag=blob.etag)
"""


def is_whole(data: bytes) -> bool:
    return len(data) == 20_011 and data.endswith(b":end") and len(set(data[7:-4])) == 1


def test_a_sigkill_at_any_moment_leaves_no_half_record_and_no_lock(tmp_path: Path) -> None:
    chance = random.Random(7)
    store = FolderStore(tmp_path, lock_timeout_seconds=5)
    seen = 0
    for life in range(1, 9):
        child = start(CHURN, tmp_path, life)
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 0.15))
        child.kill()
        child.communicate()
        for key in store.list_keys(""):
            blob = store.get(key)
            assert blob is not None and is_whole(blob.data), key
            seen += 1
        store.create(f"after/{life}", b"%06d:" % 0 + b"a" * 20_000 + b":end")
        shared = store.get("journal/shared")
        if shared is not None:
            store.swap("journal/shared", shared.data[::-1][::-1], etag=shared.etag)
    assert seen > 20


HOLD_AND_FORK = """
import threading
from prefect_seedance.storage.folder.file_lock import exclusive
holding = threading.Event()
def hold():
    with exclusive(store.root / ".lock"):
        holding.set()
        time.sleep(60)
threading.Thread(target=hold, daemon=True).start()
holding.wait()
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
time.sleep(60)
"""


def test_a_forked_child_does_not_keep_the_lock_of_a_killed_parent(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, lock_timeout_seconds=5)
    etag = store.create("a", b"x")
    parent = start(HOLD_AND_FORK, tmp_path)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        with pytest.raises(StoreUnavailable), exclusive(tmp_path / ".lock", timeout_seconds=0.2):
            pass
        parent.kill()
        parent.wait()
        os.kill(child, 0)  # it lives, and holds a copy of the descriptor
        store.swap("a", b"y", etag=etag)
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


FORK_AND_USE = """
import threading
from prefect_seedance.storage.folder.file_lock import exclusive
holding, done = threading.Event(), threading.Event()
def hold():
    with exclusive(store.root / ".lock"):
        holding.set()
        done.wait(20)
thread = threading.Thread(target=hold)
thread.start()
holding.wait()
child = os.fork()
if child == 0:
    # The thread that held the lock does not exist here; its parent still holds it for half a second.
    store.swap("a", b"child", etag=sys.argv[2])
    os._exit(0)
time.sleep(0.5)
assert store.get("a").data == b"x"
done.set()
thread.join()
assert os.waitpid(child, 0)[1] == 0
print(store.get("a").data.decode())
"""


def test_a_child_forked_in_the_middle_of_a_swap_waits_for_it_and_then_works(tmp_path: Path) -> None:
    etag = FolderStore(tmp_path).create("a", b"x")
    assert output_of(start(FORK_AND_USE, tmp_path, etag)) == "child\n"


FULL = """
import resource
from prefect_seedance.storage.errors import NoSpace
etag = store.create("a", b"x")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
def upload():
    with store.begin_upload("v", size=None, content_type="", metadata={}) as one:
        for _ in range(20):
            one.write(bytes(1000))
for attempt in (
    lambda: store.create("b", bytes(20_000)),
    lambda: store.swap("a", bytes(20_000), etag=etag),
    upload,
):
    try:
        attempt()
    except NoSpace as error:
        assert "Make room" in str(error) and str(store.root) in str(error)
        print("full")
assert store.get("a").data == b"x" and list(store.list_keys("")) == ["a"]
assert os.listdir(store.root / ".tmp") == []
"""


def test_a_full_disk_is_said_and_keeps_nothing_partial(tmp_path: Path) -> None:
    assert output_of(start(FULL, tmp_path)) == "full\n" * 3
