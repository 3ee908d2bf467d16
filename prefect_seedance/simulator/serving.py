"""Running the simulator: in a thread for tests and notebooks, or as the only thing a process does."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from pydantic import JsonValue

from prefect_seedance.simulator.app import create_app
from prefect_seedance.simulator.assets.library import Words
from prefect_seedance.simulator.faults import Fault
from prefect_seedance.simulator.guard import Guard
from prefect_seedance.simulator.ledger import Bill
from prefect_seedance.simulator.simulation import (
    AssetRecord,
    MediaRequest,
    RequestCounts,
    Settings,
    Simulation,
    UnusableAssets,
    UploadRecord,
)
from prefect_seedance.simulator.transport import DroppableProtocol

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Simulator:
    """A running simulator.

    Attributes:
        url: Base URL to give to a client.
        key: API key that it lets in.
        simulation: The state behind it.
    """

    url: str
    key: str
    simulation: Simulation

    def plan(self, *faults: Fault) -> None:
        """Plan faults, in this order; the same as ``POST /_simulator/faults``."""
        for fault in faults:
            self.simulation.faults.add(fault)

    def faults(self) -> list[Fault]:
        """List the faults that have not struck yet."""
        return self.simulation.faults.planned()

    def bills(self) -> list[Bill]:
        """List what was accepted and billed, one entry per distinct body."""
        return self.simulation.ledger.bills()

    def requests(self) -> RequestCounts:
        """Count what arrived."""
        return self.simulation.log.counts()

    def creates(self) -> list[dict[str, JsonValue]]:
        """List the bodies of all creates as they arrived, refused ones too; the references in them are as sent."""
        return self.simulation.log.bodies()

    def uploads(self) -> list[UploadRecord]:
        """List the files that were uploaded, oldest first."""
        return self.simulation.uploaded()

    def assets(self) -> list[AssetRecord]:
        """List the assets that were handed in, oldest first, as they are now."""
        return self.simulation.submitted()

    def media_requests(self) -> list[MediaRequest]:
        """List what arrived at the media route."""
        return self.simulation.log.media_requests()

    def elapse(self, seconds: float) -> None:
        """Let time pass at once for generations, assets and the links of uploads, instead of waiting for it."""
        self.simulation.clock.elapse(seconds)

    def reset(self) -> None:
        """Start anew: no tasks, bills, faults, assets or counts."""
        self.simulation.reset()


@contextmanager
def running_simulator(
    *,
    seconds: float = 2.0,
    key: str = "sk_simulator",
    port: int = 0,
    balance: float = 1000.0,
    quota: float = 0.0,
    media_bytes: int = 0,
    asset_seconds: float = 0.5,
    upload_limit_bytes: int = 100 * 1024 * 1024,
    other_keys: Sequence[str] = (),
    asset_life_seconds: float = 0.0,
    expired_assets_return: bool = True,
    asset_words: Words = "page",
    unusable_assets: UnusableAssets = "billed",
    upload_life_seconds: float = 3 * 24 * 3600.0,
    signed_uploads: bool = False,
) -> Generator[Simulator]:
    """Run a simulator on loopback, in a thread, for the length of a ``with`` block.

    Args:
        seconds: How long a generation takes.
        key: The API key that is let in.
        port: Port, 0 for a free one.
        balance: Made-up JimiCoin on the account.
        quota: The key's quota, 0 for none.
        media_bytes: Least size of a served video; smaller ones are padded.
        asset_seconds: How long an asset takes to become usable.
        upload_limit_bytes: Largest file that is taken.
        other_keys: Keys of other accounts, which have assets of their own and share the balance and the bills.
        asset_life_seconds: How long an asset is usable before it expires, 0 for always.
        expired_assets_return: Whether an expired asset comes back once it is asked for.
        asset_words: What the states are called: ``page`` or ``newer``.
        unusable_assets: Whether a create with an unusable asset is ``billed`` and fails, or is ``refused``.
        upload_life_seconds: How long the link to an uploaded file lives.
        signed_uploads: Whether that link carries a signature.

    Raises:
        OSError: If the port is taken.

    Example:
        >>> from prefect_seedance.simulator import running_simulator
        >>> with running_simulator(seconds=0.5) as simulator:
        ...     simulator.requests().create_received
        0
    """
    settings = Settings(
        seconds=seconds,
        key=key,
        balance=balance,
        quota=quota,
        media_bytes=media_bytes,
        asset_seconds=asset_seconds,
        upload_limit_bytes=upload_limit_bytes,
        other_keys=tuple(other_keys),
        asset_life_seconds=asset_life_seconds,
        expired_assets_return=expired_assets_return,
        asset_words=asset_words,
        unusable_assets=unusable_assets,
        upload_life_seconds=upload_life_seconds,
        signed_uploads=signed_uploads,
    )
    simulation, listener = Simulation(settings), _listen(port)
    started = threading.Event()
    server = _Server(simulation, listener, started.set)
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(server.serve(sockets=[listener]))
        except BaseException as error:  # a thread that dies must not leave the caller waiting
            failures.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=serve, name="seedance-simulator", daemon=True)
    thread.start()
    try:
        if not started.wait(_START_SECONDS) or failures:
            raise RuntimeError("the simulator did not start") from next(iter(failures), None)
        yield Simulator(_url(listener), key, simulation)
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)
        listener.close()
        simulation.files.clear()


def run_simulator(
    port: int = 8765,
    seconds: float = 20.0,
    key: str = "sk_simulator",
    ready: Callable[[str], None] | None = None,
    *,
    media_bytes: int = 0,
) -> None:
    """Run a simulator on loopback until Ctrl+C or a polite kill (SIGTERM).

    Args:
        port: Port, 0 for a free one.
        seconds: How long a generation takes.
        key: The only API key that is let in.
        ready: Called with the base URL once it answers; it is printed when left out.
        media_bytes: Least size of a served video; smaller ones are padded.

    Raises:
        OSError: If the port is taken.
    """
    simulation = Simulation(Settings(seconds=seconds, key=key, media_bytes=media_bytes))
    listener = _listen(port)
    url = _url(listener)
    server = _Server(simulation, listener, lambda: (ready or _announce)(url))
    try:
        with contextlib.suppress(KeyboardInterrupt), _sigterm_as_ctrl_c():
            asyncio.run(server.serve(sockets=[listener]))
    finally:
        listener.close()
        simulation.files.clear()


@contextmanager
def _sigterm_as_ctrl_c() -> Generator[None]:
    """Let SIGTERM end the process as Ctrl+C does: it would leave the temporary folders behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


class _Server(uvicorn.Server):
    """uvicorn's server that says when it answers, and ends every open connection when it stops."""

    def __init__(self, simulation: Simulation, listener: socket.socket, on_started: Callable[[], None]) -> None:
        app = Guard(create_app(simulation), listener.getsockname()[1], simulation.settings.upload_limit_bytes)
        # log_config=None: uvicorn would otherwise set up the logging of the whole process.
        config = uvicorn.Config(
            app,
            http=DroppableProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)
        self._simulation, self._on_started = simulation, on_started
        if importlib.util.find_spec("av") is None:
            logger.warning("PyAV is missing, no video can be served: pip install 'prefect-seedance[media]'")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening and say so."""
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End hangs and transfers, then stop as uvicorn does."""
        self._simulation.stopping.set()
        await asyncio.sleep(0.05)
        for connection in list(self.server_state.connections):
            if isinstance(connection, DroppableProtocol):
                connection.transport.abort()
        await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def _listen(port: int) -> socket.socket:
    """Bind before the thread starts, so that a taken port is the caller's error and a free one is known."""
    # Only with the protocol named does asyncio switch Nagle's algorithm off, which costs 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


def _announce(url: str) -> None:
    print(f"Seedance simulator on {url} (made-up prices; Ctrl+C ends it)", flush=True)
