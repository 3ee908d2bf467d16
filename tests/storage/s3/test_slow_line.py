"""Uplinks that are slow, stand still or break, and stores that take their time: on real sockets."""

from __future__ import annotations

import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from prefect_seedance.storage.errors import RelayCancelled, StorageError, StoreUnavailable
from prefect_seedance.storage.protocol import Upload
from prefect_seedance.storage.s3 import line as s3_line
from prefect_seedance.storage.s3.bucket import make_client
from prefect_seedance.storage.s3.store import S3Store
from prefect_seedance.storage.s3.upload import PART_BYTES, SMALL_PART_BYTES
from tests.client.wire_server import CloseConnection, Reply, Wire, WireServer
from tests.storage.s3_proxy import Fault, S3Proxy
from tests.storage.s3_servers import S3Server
from tests.storage.test_store_contract import content, upload

SMALL, LARGE = os.urandom(6_000_000), os.urandom(PART_BYTES + 4_000_000)


@dataclass
class Uplink:
    """A line of bytes to a server, shaped on its way up.

    Attributes:
        bytes_per_second: What passes; 0 for nothing at all.
        most_per_connection: After so many bytes a connection breaks.
        stalls_after: After so many bytes of a connection nothing passes any more, and nothing is said.
    """

    upstream: tuple[str, int]
    bytes_per_second: float = float("inf")
    most_per_connection: float = float("inf")
    stalls_after: float = float("inf")
    port: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        while not self.closed.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.upstream) as server:
            down = threading.Thread(target=self.down, args=(server, client), daemon=True)
            down.start()
            passed = 0
            try:
                while not self.closed.is_set() and (data := client.recv(16 * 1024)):
                    if passed > self.stalls_after:
                        self.closed.wait()
                    server.sendall(data)
                    passed += len(data)
                    if passed > self.most_per_connection:
                        break
                    self.closed.wait(len(data) / self.bytes_per_second)
            except OSError:
                pass
            for each in (client, server):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            down.join(5)

    def down(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(64 * 1024):
                client.sendall(data)
        except OSError:
            pass


@contextmanager
def uplink(upstream: S3Server, **shape: float) -> Iterator[Uplink]:
    host, _, port = upstream.url.removeprefix("http://").partition(":")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        listener.bind(("127.0.0.1", 0))
        listener.listen(32)
        line = Uplink((host, int(port)), **shape, port=listener.getsockname()[1])  # type: ignore[arg-type]
        server = threading.Thread(target=line.serve, args=(listener,), daemon=True)
        server.start()
        try:
            yield line
        finally:
            line.closed.set()
            listener.shutdown(socket.SHUT_RDWR)


def store_on(moto: S3Server, line: Uplink) -> S3Store:
    """A store with a client of its own, whose connections are its own too."""
    return S3Store(moto.settings(endpoint_url=f"http://127.0.0.1:{line.port}"), make_client=make_client)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["one request", "parts"])
def test_a_slow_uplink_is_borne_and_nothing_is_sent_twice(
    moto: S3Server, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of a connection is far shorter here than that of a part."""
    monkeypatch.setattr("prefect_seedance.storage.s3.bucket.CONNECT_TIMEOUT_SECONDS", 1.0)
    with uplink(moto, bytes_per_second=2_000_000) as line:
        store = store_on(moto, line)
        sent: list[str] = []
        store.client.meta.events.register("before-send.s3", lambda request, **_: sent.append(request.method))
        upload(store, "v.mp4", data)
    assert moto.client.get_object(Bucket=store.bucket.name, Key=store.bucket.key_of("v.mp4"))["Body"].read() == data
    assert sent.count("PUT") == -(-len(data) // PART_BYTES), "each once"
    assert not store.bucket.line_is_bad


def test_an_uplink_that_stands_still_ends_by_itself(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_line, "LEAST_SECONDS", 0.5)
    with uplink(moto, stalls_after=100_000) as line, pytest.raises(StoreUnavailable):
        upload(store_on(moto, line), "v.mp4", os.urandom(20_000_000))


def test_an_uplink_that_drips_ends_by_itself(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress that would take for ever is none."""
    monkeypatch.setattr(s3_line, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(s3_line, "LEAST_BYTES", 100_000_000)
    with uplink(moto, bytes_per_second=1_500_000) as line, pytest.raises(StoreUnavailable):
        upload(store_on(moto, line), "v.mp4", LARGE)


def test_what_does_not_pass_in_one_piece_is_sent_in_smaller_parts(moto: S3Server) -> None:
    """Each connection breaks after 5.5 MB, as a line does that drops every half minute."""
    with uplink(moto, most_per_connection=5_500_000) as line:
        store = store_on(moto, line)
        info = upload(store, "v.mp4", SMALL, {"task-id": "t"})
        assert store.bucket.line_is_bad and info.size == len(SMALL)
    assert moto.client.get_object(Bucket=store.bucket.name, Key=store.bucket.key_of("v.mp4"))["Body"].read() == SMALL
    assert moto.unfinished(store.settings) == []


def test_who_repeats_an_upload_in_parts_sends_smaller_ones_of_one_size(moto: S3Server) -> None:
    with uplink(moto, most_per_connection=5_500_000) as line:
        store = store_on(moto, line)
        with pytest.raises(StoreUnavailable):
            upload(store, "v.mp4", LARGE)
        sizes: list[int] = []
        events = store.client.meta.events
        events.register("before-call.s3.UploadPart", lambda params, **_: sizes.append(len(params["body"])))
        upload(store, "v.mp4", LARGE)
    assert sorted(sizes, reverse=True) == [SMALL_PART_BYTES, SMALL_PART_BYTES, len(LARGE) - 2 * SMALL_PART_BYTES]
    assert moto.unfinished(store.settings) == []


def begun(store: S3Store, cancelled: threading.Event) -> Upload:
    return store.begin_upload("v.mp4", size=len(LARGE), content_type="", metadata={}, cancelled=cancelled)


@pytest.mark.parametrize("data", [SMALL, os.urandom(40_000_000)], ids=["one request", "parts"])
def test_a_cancelled_run_does_not_wait_for_an_uplink_that_stands_still(moto: S3Server, data: bytes) -> None:
    cancelled, outcome = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            with begun(store, cancelled) as one:
                for start in range(0, len(data), 1_000_000):
                    one.write(data[start : start + 1_000_000])
                one.commit(crc32=zlib.crc32(data), size=len(data))
        except BaseException as error:
            outcome.append(error)

    with uplink(moto, stalls_after=200_000) as line:
        store = store_on(moto, line)
        relaying = threading.Thread(target=run)
        relaying.start()
        relaying.join(1.5)
        assert relaying.is_alive(), "it waits"
        cancelled.set()
        relaying.join(5)
        assert not relaying.is_alive()
    assert [type(error) for error in outcome] == [RelayCancelled]


@pytest.mark.parametrize("call", ["CompleteMultipartUpload", "UploadPart", "CreateMultipartUpload"])
def test_a_cancelled_run_does_not_wait_for_an_answer(moto: S3Server, proxy: S3Proxy, call: str) -> None:
    cancelled, asked, released = threading.Event(), threading.Event(), threading.Event()

    def hang(_: object) -> None:
        asked.set()
        released.wait(60)

    proxy.plan(Fault(calls=(call,), before=hang, times=1, forward=True))
    store = moto.store(endpoint_url=proxy.url)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with begun(store, cancelled) as one:
                one.write(LARGE)
                one.commit(crc32=zlib.crc32(LARGE), size=len(LARGE))
        except StorageError as error:
            errors.append(error)

    relaying = threading.Thread(target=run)
    relaying.start()
    assert asked.wait(30)
    cancelled.set()
    relaying.join(5)
    alive = relaying.is_alive()
    released.set()
    relaying.join(30)
    assert not alive and [type(error) for error in errors] == [RelayCancelled]


def dripping(head: bytes, part: bytes) -> Reply:
    def reply(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\n" + head)
        while part and not wire.stopped.is_set():
            wire.send(part)
            wire.wait(0.05)
        wire.stopped.wait()
        raise CloseConnection

    return reply


DRIPPING = {
    "a head": dripping(b"X: ", b"a"),
    "a body": dripping(b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body that stops": dripping(b'ETag: "a"\r\nContent-Length: 9\r\n\r\nhalf', b""),
}


@pytest.mark.parametrize("reply", DRIPPING.values(), ids=DRIPPING)
def test_nothing_waits_for_an_answer_of_which_the_end_never_comes_once_a_run_is_cancelled(reply: Reply) -> None:
    """Not even a thread that nobody waits for: there would be more and more of them."""
    cancelled = threading.Event()

    def answered(wire: Wire) -> None:
        threading.Timer(0.5, cancelled.set).start()
        reply(wire)

    with WireServer([answered]) as server:
        store = S3Store(S3Server(server.url, conditions=True).settings(), make_client=make_client)
        store.bucket.refuses_overwrites = True
        with (
            pytest.raises(RelayCancelled),
            store.begin_upload("v.mp4", size=len(SMALL), content_type="", metadata={}, cancelled=cancelled) as one,
        ):
            one.write(SMALL)
            one.commit(crc32=zlib.crc32(SMALL), size=len(SMALL))
        work = one._line._work  # type: ignore[attr-defined]
        assert work and not wait(work, timeout=5).not_done
        assert [request.method for request in server.received] == ["PUT"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("ask", "reply"),
    [
        (lambda store: store.stat("v.mp4"), DRIPPING["a head"]),
        (lambda store: store.create("journal/a", b"a"), DRIPPING["a head"]),
        (lambda store: store.create("journal/a", b"a"), DRIPPING["a body"]),
    ],
    ids=["the head of HEAD", "the head of PUT", "the body of PUT"],
)
def test_an_answer_that_drips_ends_by_itself_and_is_not_asked_for_again(
    ask: Callable[[S3Store], object], reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_line, "MOST_ANSWER_SECONDS", 1.0)
    with WireServer([reply]) as server:
        store = S3Store(S3Server(server.url, conditions=True).settings(), make_client=make_client)
        with pytest.raises(StoreUnavailable):
            ask(store)
        assert len(server.received) == 1


def test_a_store_that_takes_its_time_to_put_the_parts_together_is_waited_for(
    moto: S3Server, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.storage.s3.bucket.READ_TIMEOUT_SECONDS", 1.0)
    proxy.plan(Fault(calls=("CompleteMultipartUpload", "PutObject"), before=lambda _: time.sleep(3), forward=True))
    store = S3Store(moto.settings(endpoint_url=proxy.url), make_client=make_client)
    upload(store, "small.mp4", SMALL)
    upload(store, "large.mp4", LARGE)
    assert content(store, "large.mp4") == LARGE
    assert (proxy.calls().count("CompleteMultipartUpload"), proxy.calls().count("PutObject")) == (1, 1)


def test_the_library_below_still_has_what_this_relies_on() -> None:
    """boto3 has no setting for it, so its connections are replaced by name."""
    client = make_client(S3Server("http://127.0.0.1:9", conditions=True).settings())
    pools = vars(client)["_endpoint"].http_session._manager.pool_classes_by_scheme
    assert {name: pool.ConnectionCls.__module__ for name, pool in pools.items()} == dict.fromkeys(
        ("http", "https"), s3_line.__name__
    )
