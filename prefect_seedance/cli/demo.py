"""``prefect-seedance demo``: one video end to end against the simulator; free, offline, with a real MP4.

The work is done by a child in a session of its own. Ctrl-C reaches every process of a terminal, and would stop
Prefect's embedded server before the run could tell it how it ended; so the parent takes it and hands it to the child.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile

_EMBEDDED_SERVER = {
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    # Two busy cores can need more than Prefect's 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}


def demo(options: argparse.Namespace) -> int:
    """Run the demo; give the exit code."""
    # A Prefect home of its own: the demo must neither need nor touch the user's server and profile.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    given = {name: value for name, value in vars(options).items() if name != "run"}
    with tempfile.TemporaryDirectory(prefix="prefect-seedance-", ignore_cleanup_errors=True) as home:
        child = subprocess.Popen(
            [sys.executable, "-m", "prefect_seedance.cli.demo_run", json.dumps(given)],
            env={**inherited, **_EMBEDDED_SERVER, "PREFECT_HOME": home},
            start_new_session=True,
        )
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, lambda number, frame: child.send_signal(number))
        return child.wait()
