"""Only this machine's own programs are answered, and no request without measure."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from prefect_seedance.simulator import Simulator, guard, running_simulator, transport
from tests.simulator.vendor import Vendor

CREATE = "/api/open-api/v1/seedance/videos"
UPLOAD = "/api/open-api/v1/files/upload"
CONTROL = "/_simulator/reset"


def port_of(simulator: Simulator) -> int:
    return int(simulator.url.rpartition(":")[2])


@contextmanager
def connected(simulator: Simulator) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port_of(simulator)), timeout=60) as connection:
        yield connection


def answer_to(simulator: Simulator, *pieces: bytes) -> bytes:
    """Send bytes as they are, and read until the server closes."""
    with connected(simulator) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return rest_of(connection)


def rest_of(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def head(simulator: Simulator, method: str, path: str, *headers: str, host: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port_of(simulator)}'}", *headers]
    return "\r\n".join([*lines, f"Authorization: Bearer {simulator.key}", "Connection: close", "", ""]).encode(
        "latin-1"
    )


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


FOREIGN_HOSTS = [
    "evil.example.com",
    "evil.example.com:{port}",
    "127.0.0.1:123456",
    "localhost.evil.example.com:{port}",
    "127.0.0.1.nip.io:{port}",
    "127.0.0.1@evil.example.com:{port}",
    "evil.example.com@127.0.0.1:{port}",
    "192.168.1.7:{port}",
    "0.0.0.0:{port}",
    "localhost.:{port}",
    "127.0.0.1:{port}:{port}",
    "[::1:{port}",
    " ",
]


@pytest.mark.parametrize("path", [CREATE, CONTROL, "/media/x.mp4", "/nowhere"])
@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_name_that_was_made_to_lead_here_is_not_answered(simulator: Simulator, host: str, path: str) -> None:
    named = host.format(port=port_of(simulator))
    method = "GET" if path.startswith(("/media", "/nowhere")) else "POST"
    answer = answer_to(simulator, head(simulator, method, path, "Content-Length: 0", host=named))
    assert status_of(answer) in (400, 403)
    assert simulator.requests().create_received == 0


def test_a_refusal_has_the_vendors_shape(simulator: Simulator) -> None:
    answer = answer_to(simulator, head(simulator, "GET", "/_simulator/bills", host="evil.example.com"))
    said = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert status_of(answer) == 403 and said["code"] == 403 and "localhost" in said["msg"] and said["data"] is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}", "[::1]:{port}", "127.0.0.1", "127.0.0.1:1"]
)
def test_the_names_of_this_machine_are_answered(simulator: Simulator, host: str) -> None:
    named = host.format(port=port_of(simulator))
    assert status_of(answer_to(simulator, head(simulator, "GET", "/_simulator/bills", host=named))) == 200


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: https://evil.example.com"],
        ["Origin: null"],
        ["Origin: http://localhost"],
        ["Origin: http://localhost:4200"],
        ["Origin: https://localhost:{port}"],
        ["Origin: http://localhost:{port}.evil.example.com"],
        ["Origin: http://127.0.0.1:{port}", "Origin: https://evil.example.com"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
        ["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
    ],
)
@pytest.mark.parametrize("path", [CONTROL, "/_simulator/faults", CREATE])
def test_a_page_from_elsewhere_changes_nothing(
    simulator: Simulator, vendor: Vendor, headers: list[str], path: str
) -> None:
    vendor.create()
    lines = [line.format(port=port_of(simulator)) for line in headers]
    body = b'{"fault": "lost_answer"}'
    request = head(simulator, "POST", path, *lines, "Content-Type: text/plain", f"Content-Length: {len(body)}")
    assert status_of(answer_to(simulator, request, body)) == 403
    assert len(simulator.bills()) == 1 and simulator.faults() == []


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: http://127.0.0.1:{port}", "Sec-Fetch-Site: same-origin"],
        ["Origin: http://localhost:{port}"],
        ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
    ],
)
def test_the_simulators_own_page_and_a_link_that_is_followed_are_answered(
    simulator: Simulator, headers: list[str]
) -> None:
    lines = [line.format(port=port_of(simulator)) for line in headers]
    assert status_of(answer_to(simulator, head(simulator, "GET", "/_simulator/bills", *lines))) == 200


@pytest.mark.parametrize("path", [CREATE, UPLOAD, "/_simulator/faults"])
@pytest.mark.parametrize("expect", [[], ["Expect: 100-continue"]])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(
    simulator: Simulator, path: str, expect: list[str]
) -> None:
    request = head(simulator, "POST", path, "Content-Length: 99999999999", "Content-Type: application/json", *expect)
    answer = answer_to(simulator, request)
    assert status_of(answer) == 413 and b"bytes at most" in answer and b"100 Continue" not in answer


@pytest.mark.parametrize("path", [CREATE, "/_simulator/faults", "/_simulator/reset"])
def test_a_body_of_unknown_size_is_cut_at_the_limit(simulator: Simulator, path: str) -> None:
    """It has no end: the server has to make one."""
    sent = 0
    with connected(simulator) as connection:
        connection.sendall(
            head(simulator, "POST", path, "Transfer-Encoding: chunked", "Content-Type: application/json")
        )
        received = b""

        def read() -> None:
            nonlocal received
            received = rest_of(connection)

        reader = threading.Thread(target=read)
        reader.start()
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            while reader.is_alive() and sent < 10**10:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        reader.join(60)
    # What never looks at its body answers at once, and closes.
    assert status_of(received) == (200 if path == "/_simulator/reset" else 413)
    assert sent < 10**10


def test_a_file_over_the_limit_is_cut_while_it_comes() -> None:
    with running_simulator(upload_limit_bytes=1000) as simulator:
        start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        request = head(
            simulator, "POST", UPLOAD, "Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=x"
        )
        pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (start, *[b"y" * 50_000] * 3)]
        answer = answer_to(simulator, request, *pieces)
        assert status_of(answer) == 413
        with httpx.Client(trust_env=False) as client:
            files = {"file": ("a.png", b"y" * 900)}
            key = {"Authorization": f"Bearer {simulator.key}"}
            assert client.post(simulator.url + UPLOAD, files=files, headers=key).json()["code"] == 20000


@pytest.mark.parametrize(
    "lengths",
    [["-1"], ["1e9"], ["0x10"], ["5", "6"], ["5, 6"], ["\u00b2"], ["+5"], ["9" * 400], [""]],
)
def test_a_length_that_is_none_is_refused(simulator: Simulator, lengths: list[str]) -> None:
    request = head(simulator, "POST", CREATE, *(f"Content-Length: {each}" for each in lengths))
    assert status_of(answer_to(simulator, request, b"{}")) in (400, 413)
    assert simulator.requests().create_received == 0


@pytest.mark.parametrize(
    "headers",
    [["A: b"] * 500, ["A: " + "b" * 40_000], ["A: " + "b" * 200_000], [f"A{n}: " + "b" * 500 for n in range(90)]],
)
def test_a_head_without_measure_is_refused(simulator: Simulator, headers: list[str]) -> None:
    answer = answer_to(simulator, head(simulator, "GET", "/_simulator/bills", *headers))
    assert status_of(answer) in (400, 431)


@pytest.mark.parametrize("method", ["BREW", "TRACE", "PUT", "OPTIONS", "PATCH"])
def test_methods_that_are_unknown_are_refused(simulator: Simulator, method: str) -> None:
    for path in (CREATE, CONTROL):
        answer = answer_to(simulator, head(simulator, method, path, "Content-Length: 0"))
        assert status_of(answer) == 405


def test_a_head_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HEAD_SECONDS", 1.0)
    with running_simulator(seconds=0) as simulator:
        with connected(simulator) as silent, connected(simulator) as dripping, connected(simulator) as again:
            again.sendall(head(simulator, "GET", "/_simulator/bills").replace(b"Connection: close\r\n", b""))
            first = b""
            while not first.endswith(b"\r\n\r\n[]"):
                first += again.recv(65_536)
            again.sendall(b"GET / HTTP/1.1\r\n")  # half a second one
            left = drip(dripping, b"GET / HTTP/1.1\r\nX: ")
            assert rest_of(silent) == b"" and rest_of(again) == b"" and left
        with Vendor(simulator.url, simulator.key) as vendor:
            vendor.create()


def test_a_body_that_never_ends_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 1.0)
    monkeypatch.setattr(guard, "LINGER_SECONDS", 0.2)
    with running_simulator(seconds=0) as simulator:
        for path in (CREATE, UPLOAD, "/_simulator/faults"):
            kind = "Content-Type: multipart/form-data; boundary=x"
            answer = answer_to(simulator, head(simulator, "POST", path, kind, "Content-Length: 1000"), b"--x\r\n")
            assert status_of(answer) == 408
        with connected(simulator) as connection:
            connection.sendall(head(simulator, "POST", CREATE, "Content-Length: 1000") + b"{")
        with Vendor(simulator.url, simulator.key) as vendor:
            vendor.create()
        assert simulator.requests().create_received == 3
    assert caplog.records == []


def test_a_client_that_takes_no_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SEND_SECONDS", 1.0)
    with running_simulator(seconds=0, media_bytes=50_000_000) as simulator:
        with Vendor(simulator.url, simulator.key) as vendor:
            link = vendor.link(vendor.made(duration=4))
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.settimeout(60)
            slow.connect(("127.0.0.1", port_of(simulator)))
            slow.sendall(head(simulator, "GET", link.removeprefix(simulator.url)))
            time.sleep(3)
            assert len(rest_of(slow)) < 50_000_000


def drip(connection: socket.socket, start: bytes) -> bool:
    """Send a byte now and then until the server has had enough; tell whether it has."""
    try:
        connection.sendall(start)
        for _ in range(600):
            connection.sendall(b"x")
            time.sleep(0.1)
    except OSError:
        return True
    return False
