"""The ``prefect-seedance`` command: errors are one readable paragraph, ``--debug`` shows the traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from prefect_seedance.cli.arguments import UnusableArguments, parser
from prefect_seedance.cli.error_report import document, report
from prefect_seedance.cli.terminal import say_document


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        options = parser().parse_args(given)
    except UnusableArguments as error:
        if "--json" in given:
            say_document(document(error))
        raise
    return report(lambda: options.run(options), debug=options.debug, as_json=options.as_json)
