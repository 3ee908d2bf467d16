"""The certificates are loaded once per process, whoever talks to whom."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import certifi
import httpx
import pytest

from tests.client.wire_server import WireServer, answer

ROOT = Path(__file__).parent.parent

# Counts the builds where they happen, in a process of its own, since the context of this one may be there already.
COUNT = """
import ssl, sys
builds = []
build = ssl.create_default_context

def counted(*arguments, **named):
    builds.append(named)
    return build(*arguments, **named)

ssl.create_default_context = counted
"""

EVERY_CLIENT = """
import asyncio
from prefect_seedance import AsyncSeedanceClient, SeedanceClient, VideoRequest
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.network import NetworkLimits, Watch
from prefect_seedance.storage.relay.transport import MediaHTTP, open_transport

url = sys.argv[1]
request = VideoRequest(prompt="A paper boat")
for host in (url, url, "https://www.jimmyai.cn"):
    with SeedanceClient("sk_test", host) as client:
        if host == url:
            client.submit_video(request)
            client.submit_video(request)
            client.get_video("videos_1")

async def awaited():
    for host in (url, url, "https://www.jimmyai.cn"):
        async with AsyncSeedanceClient("sk_test", host) as client:
            if host == url:
                await client.submit_video(request)
                await client.get_video("videos_1")

asyncio.run(awaited())
open_transport(Watch(NetworkLimits())).close()
with MediaHTTP(MediaPolicy()):
    pass
print(len(builds))
"""

MANY_THREADS = """
import threading
from prefect_seedance.tls import tls_context

ready = threading.Barrier(16)
found = []

def ask():
    ready.wait()
    found.append(tls_context())

threads = [threading.Thread(target=ask) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(builds), len({id(each) for each in found}))
"""

FORKED_WHILE_BUILDING = """
import os, threading
from prefect_seedance.tls import tls_context

begun, over = threading.Event(), threading.Event()
build_slowly = ssl.create_default_context

def wait(*arguments, **named):
    begun.set()
    over.wait()
    return build_slowly(*arguments, **named)

ssl.create_default_context = wait
thread = threading.Thread(target=tls_context)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    over.set()
    tls_context()
    os._exit(0)
status = os.waitpid(child, 0)[1]
over.set()
thread.join()
print(status)
"""

WHAT_IT_TRUSTS = """
from prefect_seedance import SeedanceClient
SeedanceClient("sk_test", sys.argv[1]).close()
print(builds)
"""


def printed(script: str, *arguments: str, **environment: str) -> str:
    """What a script prints in a fresh interpreter, with the counter before it."""
    return subprocess.run(
        [sys.executable, "-c", COUNT + script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    ).stdout.strip()


def test_all_clients_and_transports_of_a_process_share_one_context() -> None:
    with WireServer([answer(200, {"code": 20000, "data": {"task_id": "videos_1", "status": "queued"}})]) as server:
        assert printed(EVERY_CLIENT, server.url) == "1"
        assert server.posts == 6


def test_threads_that_ask_at_the_same_time_get_the_same_context() -> None:
    assert printed(MANY_THREADS) == "1 1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_process_that_is_forked_while_the_context_is_built_gets_its_own() -> None:
    assert printed(FORKED_WHILE_BUILDING) == "0"


@pytest.mark.parametrize("url", ["https://www.jimmyai.cn", "https://127.0.0.1:8443", "http://127.0.0.1:8000"])
@pytest.mark.parametrize(("variable", "named"), [("SSL_CERT_FILE", "cafile"), ("SSL_CERT_DIR", "capath")])
def test_the_certificates_of_the_environment_are_used_for_every_host(
    url: str, variable: str, named: str, tmp_path: Path
) -> None:
    place = tmp_path if variable == "SSL_CERT_DIR" else Path(certifi.where())
    others = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}
    assert printed(WHAT_IT_TRUSTS, url, **{**others, variable: str(place)}) == str([{named: str(place)}])


def test_the_context_checks_certificates_and_host_names() -> None:
    from prefect_seedance.tls import tls_context

    reference = httpx.create_ssl_context()
    context = tls_context()
    assert (context.verify_mode, context.check_hostname) == (reference.verify_mode, reference.check_hostname)
