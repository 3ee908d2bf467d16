"""Starting and stopping: nothing hangs, nothing is left behind, and many clients at once are served."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from prefect_seedance.simulator import Fault, Settings, Simulation, create_app, running_simulator
from tests.simulator.test_media import SMALL, fetch
from tests.simulator.vendor import Vendor, data_of, request_body


def test_eight_clients_at_once() -> None:
    def one_video(number: int) -> int:
        with Vendor(simulator.url, simulator.key) as vendor:
            task_id = vendor.made(**SMALL, prompt=f"Video {number}")
            while (data := data_of(vendor.query(task_id)))["status"] != "completed":
                time.sleep(0.02)
            return len(fetch(data["result"]["video_url"]).content)

    with running_simulator(seconds=0.3) as simulator, ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(one_video, range(24)))
        assert len(simulator.bills()) == 24 and all(bill.accepted == 1 for bill in simulator.bills())
    assert min(sizes) > 10_000


def test_stopping_ends_hangs_and_transfers_at_once_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    outcomes: list[str] = []

    def meet(place: str, url: str = "") -> None:
        try:
            if place == "create":
                with Vendor(simulator.url, simulator.key, timeout=60) as vendor:
                    vendor.create()
            else:
                httpx.get(url, trust_env=False, verify=False, timeout=60)
        except httpx.TransportError as error:
            outcomes.append(type(error).__name__)

    with running_simulator(seconds=0) as simulator:
        with Vendor(simulator.url, simulator.key) as vendor:
            link = vendor.link(vendor.made(**SMALL))
            fetch(link, Range="bytes=0-0")
        simulator.plan(
            Fault(fault="hang"),
            Fault(fault="hang_before"),
            Fault(fault="slow_answer", seconds=100),
            Fault(fault="stalled_media"),
            Fault(fault="slow_media", seconds=100),
        )
        clients = [threading.Thread(target=meet, args=("create",)) for _ in range(3)]
        clients += [threading.Thread(target=meet, args=("media", link)) for _ in range(2)]
        for client in clients:
            client.start()
        while simulator.faults():
            time.sleep(0.02)
        time.sleep(0.2)
    for client in clients:
        client.join(50)
    assert len(outcomes) == 5 and "ReadTimeout" not in outcomes
    assert set(threading.enumerate()) <= before


def test_it_says_nothing_and_changes_no_logging(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("uvicorn.access").propagate = True
    with running_simulator(seconds=0) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        simulator.plan(Fault(fault="lost_answer"), Fault(fault="cut_json"))
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                vendor.create()
        vendor.create()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert logging.getLogger("uvicorn.access").propagate is True


def test_a_taken_port_is_the_callers_error() -> None:
    with running_simulator() as simulator:
        port = int(simulator.url.rpartition(":")[2])
        with pytest.raises(OSError), running_simulator(port=port):
            pass
    with running_simulator(port=port) as again:
        assert again.url == simulator.url


def test_an_error_inside_the_block_still_stops_it() -> None:
    with pytest.raises(ZeroDivisionError), running_simulator() as simulator:
        raise ZeroDivisionError
    with pytest.raises(httpx.ConnectError):
        httpx.get(simulator.url, trust_env=False, verify=False)


async def test_the_application_also_runs_without_its_server() -> None:
    app = create_app(Simulation(Settings(seconds=0, key="sk_other")))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://simulator", headers={"Authorization": "Bearer sk_other"}
    ) as client:
        task_id = data_of(await client.post("/api/open-api/v1/seedance/videos", json=request_body(**SMALL)))["task_id"]
        data = data_of(await client.get(f"/api/open-api/v1/videos/{task_id}"))
        video = await client.get(data["result"]["video_url"])
    assert data["result"]["video_url"].startswith("http://simulator/media/")
    assert video.content[4:8] == b"ftyp"


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_blocking_form_announces_itself_and_leaves_nothing_behind(end: signal.Signals, tmp_path: Path) -> None:
    code = "from prefect_seedance.simulator import run_simulator; run_simulator(0, 0, 'sk_x')"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    try:
        url = next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        with Vendor(url, "sk_x") as vendor:
            assert fetch(vendor.link(vendor.made(**SMALL))).status_code == 200
        process.send_signal(end)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_the_package_alone_loads_no_server() -> None:
    code = "import sys, prefect_seedance.simulator; print('fastapi' in sys.modules or 'av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
