"""Running a command's work in a child of its own session, so that Ctrl-C ends it in good order.

Ctrl-C reaches every process of a terminal, and would stop Prefect's embedded server before the run could tell it how
it ended. The parent takes the signal and hands it to the child alone, which the server is not.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from prefect_seedance.cli.terminal import complain, give_back

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: What Prefect's embedded server needs to start on two busy cores, and to be quiet.
EMBEDDED_SERVER = {
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}


def run_apart(module: str, options: Mapping[str, object], environment: Mapping[str, str] | None = None) -> int:
    """Run ``python -m module`` with the options as JSON, and return its exit code.

    Args:
        module: Does the work; see `cli.generation.work`.
        options: What ``argparse`` made of the command line.
        environment: The child's environment; by default this one's, with what Prefect's embedded server needs.
    """
    given = {name: value for name, value in options.items() if not callable(value)}
    child = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(given)],
        env=_round_the_proxy({**EMBEDDED_SERVER, **os.environ} if environment is None else environment),
        start_new_session=True,
    )
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda number, frame: child.send_signal(number))
    return child.wait()


def run_on_screen(module: str, options: Mapping[str, object]) -> int:
    """Run a module as `run_apart` does, and restore the terminal if the child was killed in the middle of its table."""
    code = run_apart(module, options)
    if code < 0 and sys.stderr.isatty():  # by a signal that cannot be caught
        give_back()
    return code


def say_at_once(doing: str) -> None:
    """Say what is being done, before Prefect is loaded: that takes seconds, and its embedded server takes longer."""
    server = (
        "Loading Prefect" if os.environ.get("PREFECT_API_URL") else "Starting Prefect's server, this takes 10 to 20 s"
    )
    complain(f"{doing} {server} ...")


def demo(options: argparse.Namespace) -> int:
    """Run ``prefect-seedance demo``: one video end to end against the simulator; free, offline, with a real MP4."""
    if sys.stderr.isatty():
        say_at_once("Making one video against the simulator.")
    # A Prefect home of its own: the demo must neither need nor touch the user's server and profile.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with tempfile.TemporaryDirectory(prefix="prefect-seedance-", ignore_cleanup_errors=True) as home:
        environment = {**inherited, **EMBEDDED_SERVER, "PREFECT_HOME": home}
        return run_apart("prefect_seedance.cli.demo_run", vars(options), environment)


def _round_the_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which this machine is reached without the proxy, which would look for it on its own.

    Prefect asks whether its embedded server is up, and would ask the proxy for two minutes.
    """
    lists = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    hosts = ",".join(filter(None, [*lists, *_LOOPBACK]))
    return {**environment, "no_proxy": hosts, "NO_PROXY": hosts}
