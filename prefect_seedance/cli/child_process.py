"""Running a command's work in a child of its own session, so that Ctrl-C ends it in good order.

Ctrl-C reaches every process of a terminal, and would stop Prefect's embedded server before the run could tell it how
it ended. The parent takes the signal and hands it to the child alone, which the server is not.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping

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
        environment: The child's environment; this one's when left out.
    """
    given = {name: value for name, value in options.items() if not callable(value)}
    child = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(given)],
        env={**(os.environ if environment is None else environment)},
        start_new_session=True,
    )
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda number, frame: child.send_signal(number))
    return child.wait()
