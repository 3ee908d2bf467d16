"""The ``prefect-seedance`` command: errors are one readable paragraph, ``--debug`` shows the traceback."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_seedance.cli.arguments import parser
from prefect_seedance.cli.error_report import report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = parser().parse_args(arguments)
    return report(lambda: options.run(options), debug=options.debug)
