"""The commands and their options."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """Make the parser; each command brings its function as ``run``, loaded when it is called."""
    whole = argparse.ArgumentParser(
        prog="prefect-seedance", description="Seedance videos through Prefect: paid for once, stored whole."
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="make one video against the simulator: free, offline, real MP4")
    demo.set_defaults(run=_demo)
    demo.add_argument("--folder", default="prefect-seedance-demo", help="where the video goes (default: %(default)s)")
    demo.add_argument("--prompt", default="A model rotates to show clothing details.", help="what the video shows")
    demo.add_argument("--model", default="", help="a route of the table (default: the form's)")
    demo.add_argument("--duration", type=int, default=5, help="seconds (default: %(default)s)")
    demo.add_argument("--ratio", default="9:16", help="aspect ratio (default: %(default)s)")
    demo.add_argument("--seconds", type=float, default=4.0, help="how long the simulator takes (default: %(default)s)")

    simulator = commands.add_parser("simulator", help="run a local stand-in for the vendor, with faults and bills")
    simulator.set_defaults(run=_simulator)
    simulator.add_argument("--port", type=int, default=8765, help="0 for a free one (default: %(default)s)")
    simulator.add_argument("--seconds", type=float, default=20.0, help="how long a video takes (default: %(default)s)")
    simulator.add_argument("--key", default="sk_simulator", help="the key that it accepts (default: %(default)s)")

    for command in (demo, simulator):
        command.add_argument("--debug", action="store_true", help="show tracebacks")
    return whole


def _demo(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.demo import demo

    return demo(options)


def _simulator(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.simulator import simulator

    return simulator(options)
