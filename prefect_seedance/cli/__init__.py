"""The ``prefect-seedance`` command: errors are one readable paragraph, ``--debug`` shows the traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from prefect_seedance.cli.arguments import UnusableArguments, parser
from prefect_seedance.cli.error_report import document, report
from prefect_seedance.cli.exit_codes import DONE, stopped_by
from prefect_seedance.cli.terminal import say, say_document


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code, see `exit_codes`."""
    given = sys.argv[1:] if arguments is None else arguments
    whole = parser()
    if not given:
        say(whole.overview())
        return DONE
    try:
        options = whole.parse_args(given)
    except UnusableArguments as error:
        if "--json" in given:
            say_document(document(error))
        raise
    code = report(lambda: options.run(options), debug=options.debug, as_json=options.as_json)
    return code if code >= 0 else stopped_by(-code)  # of a process of ours: negative for a signal
