"""The guards of conftest.py work: tests that could reach the vendor or a real account would be worthless."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LoopbackOnly, Sampling, is_loopback


@pytest.mark.parametrize(
    ("family", "address"),
    [
        # Addresses that are set aside for documentation: nothing answers there, should the guard fail.
        (socket.AF_INET, ("192.0.2.1", 443)),
        (socket.AF_INET6, ("2001:db8::1", 443)),
    ],
)
def test_another_machine_cannot_be_reached(
    loopback_only: LoopbackOnly, family: socket.AddressFamily, address: tuple[str, int]
) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        with pytest.raises(Exception, match="tests may connect to this machine only"):
            client.connect(address)
    assert address[0] in loopback_only.refused.pop()


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_a_unix_socket_can_be_reached(tmp_path: Path) -> None:
    path = os.path.relpath(tmp_path / "s")  # a socket's path may not pass 107 bytes
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1%eth0", "example.com"])
def test_other_addresses_are_not_taken_for_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_no_account_of_the_developer_is_inherited() -> None:
    foreign = {
        "JIMMYAI_API_KEY": "sk_real",
        "AWS_PROFILE": "production",
        "PREFECT_API_URL": "https://prefect.example.com/api",
        "https_proxy": "http://proxy.example.com:3128",
    }
    script = "import os, tests.conftest; print(*os.environ)"
    root = Path(__file__).parent.parent
    output = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env=os.environ | foreign,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    assert not foreign.keys() & set(output.stdout.split())


def test_prefect_lives_in_a_home_of_its_own() -> None:
    from prefect.settings import PREFECT_HOME

    assert str(PREFECT_HOME.value()) == os.environ["PREFECT_HOME"]
    assert "prefect-seedance-tests-" in os.environ["PREFECT_HOME"]


@pytest.mark.parametrize(
    ("long_run", "expected"),
    [
        ("", ["one[a]", "one[d]", "plain[a]", "plain[b]"]),
        ("1", ["one[a]", "one[b]", "one[c]", "one[d]", "far", "plain[a]", "plain[b]"]),
    ],
    ids=["a commit", "the long run"],
)
def test_a_commit_takes_a_sample_and_the_long_run_takes_all(
    long_run: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Case:
        def __init__(self, nodeid: str, **markers: pytest.Mark) -> None:
            self.nodeid, self.get_closest_marker = nodeid, markers.get

    monkeypatch.setenv("RUN_LONG", long_run)
    cases = [
        *(Case(f"one[{case}]", sample=pytest.mark.sample(every=3).mark) for case in "abcd"),
        Case("far", long=pytest.mark.long.mark),
        *(Case(f"plain[{case}]") for case in "ab"),
    ]
    sampling = Sampling()
    assert [case.nodeid for case in cases if not sampling.leaves_out(case)] == expected  # type: ignore[arg-type]
