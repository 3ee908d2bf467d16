"""Every deployment into a work pool, whose workers then start the runs. Run it again after an upgrade.

A deployment keeps the form, and the rules in it, of the day it was applied.
"""

from __future__ import annotations

import sys

from definitions import arguments, deployments
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound


def main() -> None:
    """Apply every deployment."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--pool", metavar="NAME", required=True, help="the work pool")
    parser.add_argument(
        "--schedules",
        choices=["keep", "on", "off"],
        default="keep",
        help="whether schedules run; keep: as they are, and new ones off (keep)",
    )
    parser.add_argument("--image", metavar="IMAGE", help="for Docker, Kubernetes and ECS pools")
    options = parser.parse_args()
    require_pool(options.pool)
    applied = deployments(options.credentials, options.store, options.schedules, options.notify)
    for deployment in applied:
        deployment.apply(work_pool_name=options.pool, image=options.image)
        rests = "; its schedules are off" if deployment.schedules and deployment.paused else ""
        print(f"{deployment.full_name} in {options.pool}{rests}")


def require_pool(name: str) -> None:
    """Stop if there is no such work pool."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            sys.exit(f"There is no work pool {name}. Make one: prefect work-pool create {name} --type process")


if __name__ == "__main__":
    main()
