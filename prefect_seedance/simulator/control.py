"""The simulator's own routes under ``/_simulator``: faults, bills, counts, time. They need no key and show none."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, FastAPI, Query
from pydantic import JsonValue

from prefect_seedance.simulator.faults import FAULTS, Fault
from prefect_seedance.simulator.ledger import Bill
from prefect_seedance.simulator.simulation import AssetRecord, RequestCounts, Simulation, UploadRecord, media_log


def add_control_routes(app: FastAPI, simulation: Simulation) -> None:
    """Add the control routes."""
    router = APIRouter(prefix="/_simulator")

    async def fault_names() -> dict[str, JsonValue]:
        return {
            name: {
                "place": kind.place,
                "meaning": kind.meaning,
                "settings": {**kind.defaults},
                "shapes": [*kind.shapes],
            }
            for name, kind in FAULTS.items()
        }

    async def plan(fault: Fault) -> list[Fault]:
        simulation.faults.add(fault)
        return simulation.faults.planned()

    async def planned() -> list[Fault]:
        return simulation.faults.planned()

    async def clear() -> list[Fault]:
        simulation.faults.clear()
        return []

    async def bills() -> list[Bill]:
        return simulation.ledger.bills()

    async def requests() -> RequestCounts:
        return simulation.log.counts()

    async def creates() -> list[dict[str, JsonValue]]:
        return simulation.log.bodies()

    async def uploads() -> list[UploadRecord]:
        return simulation.uploaded()

    async def assets() -> list[AssetRecord]:
        return simulation.submitted()

    async def elapse(seconds: Annotated[float, Query(ge=0, allow_inf_nan=False)]) -> dict[str, JsonValue]:
        simulation.clock.elapse(seconds)
        return {}

    async def media() -> dict[str, JsonValue]:
        return media_log(simulation.log)

    async def reset() -> dict[str, JsonValue]:
        simulation.reset()
        return {}

    router.add_api_route("/fault-names", fault_names, methods=["GET"])
    router.add_api_route("/faults", plan, methods=["POST"])
    router.add_api_route("/faults", planned, methods=["GET"])
    router.add_api_route("/faults", clear, methods=["DELETE"])
    router.add_api_route("/bills", bills, methods=["GET"])
    router.add_api_route("/requests", requests, methods=["GET"])
    router.add_api_route("/creates", creates, methods=["GET"])
    router.add_api_route("/uploads", uploads, methods=["GET"])
    router.add_api_route("/assets", assets, methods=["GET"])
    router.add_api_route("/elapse", elapse, methods=["POST"])
    router.add_api_route("/media-log", media, methods=["GET"])
    router.add_api_route("/reset", reset, methods=["POST"])
    app.include_router(router)
