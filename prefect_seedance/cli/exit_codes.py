"""What the command line's exit codes mean: the one table of them."""

from __future__ import annotations

import signal
from collections.abc import Mapping

DONE = 0
#: Something went wrong: the message says what, and what was paid.
ERROR = 1
#: The command line itself cannot be used. It is argparse's.
UNUSABLE = 2
#: The command has done its work, and a person should look at what came of it.
LOOK = 3
#: Stopped by Ctrl-C, as shells have it: 128 and the number of the signal.
INTERRUPTED = 128 + signal.SIGINT

EXIT_CODES: Mapping[int, str] = {
    DONE: "done",
    ERROR: "an error, for example a value or a store that cannot be used: the message says what, and what was paid",
    UNUSABLE: "a command or an option that does not exist, or lacks its value: nothing was done",
    LOOK: "done, and a person should look: rows have no video, or a video failed, is unknown or an orphan",
    INTERRUPTED: "stopped by Ctrl-C: what was submitted goes on at the vendor and is not lost",
}
#: Of any other signal, such as SIGTERM; 141 where whoever read the output has gone.
OTHER_SIGNALS = "128 + N: stopped by the signal N, for example 143 by SIGTERM, 141 as nobody reads the output any more"


def stopped_by(number: int) -> int:
    """Return the exit code of a process that a signal has stopped.

    Example:
        >>> stopped_by(signal.SIGTERM)
        143
    """
    return 128 + number
