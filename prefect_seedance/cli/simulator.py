"""``prefect-seedance simulator``: the stand-in for the vendor as a process of its own."""

from __future__ import annotations

import argparse

from prefect_seedance.cli.terminal import say, say_document
from prefect_seedance.simulator import run_simulator


def simulator(options: argparse.Namespace) -> int:
    """Run the simulator until Ctrl-C."""

    def ready(url: str) -> None:
        if options.as_json:
            control = {"bills": f"{url}/_simulator/bills", "faults": f"{url}/_simulator/faults"}
            say_document({"simulator": {"base_url": url, "api_key": options.key, **control}})
            return
        say(f"The simulator answers at {url} and accepts the key {options.key}.")
        say(f"  export JIMMYAI_BASE_URL={url} JIMMYAI_API_KEY={options.key}")
        say(f"  bills: {url}/_simulator/bills   faults: POST {url}/_simulator/faults")

    run_simulator(options.port, options.seconds, options.key, ready)
    return 0
