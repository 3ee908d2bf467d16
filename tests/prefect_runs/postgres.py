"""A PostgreSQL server of its own, for a Prefect server that many workers ask."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import free_port, until

#: Where Debian keeps them; the newest last.
_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))


def missing_postgres() -> str:
    """Why there is none to be had, "" if there is one."""
    return "" if _PROGRAMS or shutil.which("initdb") else "PostgreSQL is not installed"


def program(name: str) -> str:
    return str(_PROGRAMS[-1] / name) if _PROGRAMS else str(shutil.which(name))


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server for the length of a ``with`` block; gives the address that Prefect takes.

    PostgreSQL refuses to run as root, and the folders of pytest are closed to all other users.
    """
    folder, port = Path(tempfile.mkdtemp(prefix="postgres-")), free_port()
    user = None
    if os.geteuid() == 0:
        user = next(each for each in pwd.getpwall() if each.pw_name in ("postgres", "nobody")).pw_uid
        os.chown(folder, user, -1)
    data = folder / "data"
    try:
        subprocess.run(
            [program("initdb"), "-D", str(data), "-U", "prefect", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        # It keeps nothing that anybody needs after a crash.
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [program("postgres"), "-D", str(data), "-p", str(port)]
                + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=user,
                cwd=folder,
                start_new_session=True,
            )
        try:
            until(lambda: "ready to accept connections" in (folder / "log").read_text(errors="replace"), "PostgreSQL")
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.send_signal(3)  # SIGQUIT: at once, with its children
                server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
