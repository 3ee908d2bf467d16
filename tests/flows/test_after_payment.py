"""What goes wrong after the money is spent: the error carries the task id and how to go on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video
from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.simulator import Fault, Simulator

pytestmark = [pytest.mark.server]

FULL_DISK = """
import resource, sys
from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
url, key, folder = sys.argv[1:]
request = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)
try:
    generate_video(request, SeedanceCredentials(api_key=key, base_url=url), VideoStore(location=folder))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_leaves_nothing_half_written_and_the_next_run_pays_nothing(
    vendor: Simulator, credentials: SeedanceCredentials, prefect_server: str, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, vendor.url, vendor.key, str(folder)],
        env={**os.environ, "PREFECT_API_URL": prefect_server},
        capture_output=True,
        text=True,
        timeout=100,
    )
    task_id = vendor.bills()[0].task_ids[0]
    assert "VideoNotStored" in done.stdout, done.stdout + done.stderr
    assert task_id in done.stdout
    assert "Make room" in done.stdout
    assert not list((folder / "videos").rglob("*.mp4"))

    request = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)
    stored = generate_video(request, credentials, VideoStore(location=str(folder)))
    assert stored.task_id == task_id
    assert [bill.accepted for bill in vendor.bills()] == [1]


@pytest.mark.usefixtures("prefect_server")
def test_a_video_that_was_deleted_from_the_store_is_relayed_again_and_not_generated_again(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    request = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)
    first = generate_video(request, credentials, store)
    (Path(store.location) / first.key).unlink()
    second = generate_video(request, credentials, store)
    assert (second.key, second.sha256) == (first.key, first.sha256)
    assert (Path(store.location) / second.key).stat().st_size == second.bytes
    assert [bill.accepted for bill in vendor.bills()] == [1]


@pytest.mark.usefixtures("prefect_server")
def test_a_verdict_is_remembered_and_not_paid_for_again(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="failed"))
    request = VideoRequest(prompt="A known logo", model="seedance2.0-mini", resolution="480p", duration=4)
    with pytest.raises(VideoFailed):
        generate_video(request, credentials, store)
    with pytest.raises(Exception, match="TRADEMARK"):
        generate_video(request, credentials, store)
    assert vendor.requests().create_received == 1


STRUCK = """
import signal, sys
from prefect.exceptions import TerminationSignal
from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video
from prefect_seedance.failpoints import listen

def strike(point):
    if point == "poll.after":
        raise TerminationSignal(signal.SIGTERM)

listen(strike)
url, key, folder = sys.argv[1:]
request = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)
generate_video(request, SeedanceCredentials(api_key=key, base_url=url), VideoStore(location=folder))
"""


def test_a_signal_that_strikes_our_own_code_says_what_goes_on_as_a_cancelled_wait_does(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, prefect_server: str
) -> None:
    """Prefect's handler raises in whatever code runs when the signal comes."""
    done = subprocess.run(
        [sys.executable, "-c", STRUCK, vendor.url, vendor.key, store.location],
        env={**os.environ, "PREFECT_API_URL": prefect_server},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == -signal.SIGTERM, done.stderr
    task_id = vendor.bills()[0].task_ids[0]
    assert f"Task {task_id} goes on at the vendor and is paid for" in " ".join(done.stderr.split())
    with get_client(sync_client=True) as client:
        of_key = ArtifactFilter(key=ArtifactFilterKey(any_=["seedance-cancelled"]))
        pages = [str(each.data) for each in client.read_artifacts(artifact_filter=of_key)]
    assert [page for page in pages if f"`{task_id}` **goes on at the vendor and is paid for**" in page]
    request = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)
    assert generate_video(request, credentials, store).task_id == task_id
    assert [bill.accepted for bill in vendor.bills()] == [1]
