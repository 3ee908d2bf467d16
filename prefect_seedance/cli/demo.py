"""``prefect-seedance demo``: one video end to end against the simulator; free, offline, with a real MP4."""

from __future__ import annotations

import argparse
import os
import tempfile

from prefect_seedance.cli.child_process import EMBEDDED_SERVER, run_apart


def demo(options: argparse.Namespace) -> int:
    """Run the demo and return the exit code."""
    # A Prefect home of its own: the demo must neither need nor touch the user's server and profile.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with tempfile.TemporaryDirectory(prefix="prefect-seedance-", ignore_cleanup_errors=True) as home:
        environment = {**inherited, **EMBEDDED_SERVER, "PREFECT_HOME": home}
        return run_apart("prefect_seedance.cli.demo_run", vars(options), environment)
