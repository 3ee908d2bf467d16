"""A local stand-in for the vendor: the same API with made-up prices, faults on demand and a billing oracle.

It accepts what the route table does not refuse, takes ``seconds`` for every video, serves a real H.264 MP4 of
the asked size and length, and counts what the vendor would have billed, so that "paid for once" can be proven
instead of hoped for. Nothing leaves this machine and nothing costs money; **all prices are made up**.

Example:
    >>> from prefect_seedance.simulator import Fault, running_simulator
    >>> with running_simulator(seconds=0.5) as simulator:
    ...     simulator.plan(Fault(fault="lost_answer"))
    ...     simulator.bills()
    []

From a shell it is ``prefect-seedance simulator``. Where the vendor's documentation is silent the simulator chooses: how
an empty account is refused (code 20002), that a failed task is refunded, that a task unknown to it is 20002.

References are treated as the vendor would. Addresses on loopback are really read (while the task runs, 15 s and
64 KB at most), and one that cannot be read fails the task at its end with the input's index; all other addresses count
as readable, and nothing is ever sent to another machine. An ``asset://`` that is invented, another account's, of the
wrong library or not Active is accepted and billed, and its task fails: so the vendor was seen to do. With
``unusable_assets="refused"`` it is refused by code 20002 instead. ``faults`` lists what can go wrong besides.

app         create, query, balances, catalog    serving     running it, in a thread or alone
simulation  settings, and what it has seen      ledger      tasks, bills and the balance
faults      what can be made to go wrong        answers     what it answers, also broken on purpose
limits      what it refuses                     prices      made-up prices
media       the videos that it serves           media_routes  ... and how it serves them
encoding    making a clip with PyAV             assets/     references: libraries, uploads, addresses
control     its own routes for tests            clock       time that a test can let pass
guard       what is refused before the app      incoming    reading requests
transport   connections that break on purpose
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_seedance.lazy_names import lazy_names

if TYPE_CHECKING:
    from prefect_seedance.simulator.app import create_app
    from prefect_seedance.simulator.faults import FAULTS, Fault
    from prefect_seedance.simulator.ledger import Bill
    from prefect_seedance.simulator.serving import Simulator, run_simulator, running_simulator
    from prefect_seedance.simulator.simulation import Settings, Simulation

__all__ = [
    "FAULTS",
    "Bill",
    "Fault",
    "Settings",
    "Simulation",
    "Simulator",
    "create_app",
    "run_simulator",
    "running_simulator",
]

_HOMES = {
    "FAULTS": "faults",
    "Bill": "ledger",
    "Fault": "faults",
    "Settings": "simulation",
    "Simulation": "simulation",
    "Simulator": "serving",
    "create_app": "app",
    "run_simulator": "serving",
    "running_simulator": "serving",
}

# Importing FastAPI takes half a second.
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
