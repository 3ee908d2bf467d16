"""``prefect-seedance generate``: one video from the real vendor, guarded by the journal."""

from __future__ import annotations

import argparse
import os

from prefect_seedance.cli.child_process import EMBEDDED_SERVER, run_apart


def generate(options: argparse.Namespace) -> int:
    """Generate one video and return the exit code. The user's own Prefect server is used if one is configured."""
    return run_apart("prefect_seedance.cli.generate_run", vars(options), {**EMBEDDED_SERVER, **os.environ})
