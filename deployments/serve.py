"""Every deployment from one process, for small teams: it waits for runs and starts each in a process of its own.

When it ends, its schedules rest: nothing piles up that would be bought at the next start.
"""

from __future__ import annotations

from definitions import arguments, deployments
from prefect import serve


def main() -> None:
    """Serve until interrupted."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--schedules", choices=["on", "off"], default="off", help="whether schedules run (off)")
    parser.add_argument("--at-once", metavar="N", type=int, default=10, help="runs at the same time (10)")
    options = parser.parse_args()
    served = deployments(options.credentials, options.store, options.schedules, options.notify)
    serve(*served, limit=options.at_once)


if __name__ == "__main__":
    main()
