"""The ``prefect-seedance`` command: errors are one readable paragraph, ``--debug`` shows the traceback.

arguments/      the commands, their options and their help    batch/       plan, batch, submit, gallery, a dry run
collect/        collect                                       journal/     journal and resolve
money/          budget, pause and resume                      videos/      open and download
generate, generate_run, demo_run, simulator, assets           the other commands
child_process   a command's work in a process of its own      generation   one video, made in such a process
store_option    stores and credentials that options name      terminal     what is printed
error_report    errors in words                               exit_codes   what each means
progress, live_screen                                         what a terminal shows meanwhile
"""

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
