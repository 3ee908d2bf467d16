"""How a run is ended from outside, by a person, a worker or a time limit."""

from __future__ import annotations

import asyncio

from prefect.exceptions import TerminationSignal

#: What the code of a run then meets. Mostly everything that is awaited is cancelled; but Prefect raises its signal in
#: whatever code runs at that moment, which may be ours.
ENDED = (asyncio.CancelledError, TerminationSignal)
