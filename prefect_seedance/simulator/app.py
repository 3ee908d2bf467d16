"""The simulated vendor's API: create, query, balances and the catalog."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from pydantic import JsonValue
from starlette.responses import Response

from prefect_seedance.client.request.routes import ROUTES
from prefect_seedance.simulator.answers import (
    AUTH_FAILED,
    NO_SUCH_TASK,
    broken_answer,
    envelope,
    query_fault,
    refused,
)
from prefect_seedance.simulator.assets.references import examine, refused_asset
from prefect_seedance.simulator.assets.routes import add_asset_routes
from prefect_seedance.simulator.control import add_control_routes
from prefect_seedance.simulator.faults import Fault
from prefect_seedance.simulator.incoming import account_of, json_object
from prefect_seedance.simulator.ledger import OutOfMoneyError, TaskView
from prefect_seedance.simulator.limits import refusal
from prefect_seedance.simulator.media_routes import add_media_routes, media_url
from prefect_seedance.simulator.prices import catalog, cost_of
from prefect_seedance.simulator.simulation import Simulation

PREFIX = "/api/open-api/v1"

#: Query faults that make sense only once there is a link to spoil.
_NEED_COMPLETION = {"completed_without_url", "relative_url"}


def create_app(simulation: Simulation | None = None) -> FastAPI:
    """Build the application. Faults on the wire need ``running_simulator``'s server, all else any server.

    Args:
        simulation: The state behind it; a fresh one when left out.
    """
    simulation = simulation or Simulation()
    app = FastAPI(title="Seedance simulator", docs_url=None, redoc_url=None, openapi_url=None)
    _add_video_routes(app, simulation)
    _add_money_routes(app, simulation)
    add_asset_routes(app, simulation, PREFIX)
    add_media_routes(app, simulation)
    add_control_routes(app, simulation)
    return app


def _add_video_routes(app: FastAPI, simulation: Simulation) -> None:
    router = APIRouter(prefix=PREFIX)

    async def create(request: Request) -> Response:
        simulation.log.create()
        body = await json_object(request)
        account = account_of(request, simulation.settings.keys)
        if account is None:
            return refused("", AUTH_FAILED)
        if body is None:
            return refused("body: must be a JSON object")
        simulation.log.body(body)
        reason = refusal(body) or refused_asset(simulation, account, body)
        if reason is not None:
            return refused(reason)
        return _create(simulation, request, account, body)

    async def query(task_id: str, request: Request) -> Response:
        simulation.log.poll(task_id)
        if account_of(request, simulation.settings.keys) is None:
            return refused("", AUTH_FAILED)
        task = simulation.ledger.view(task_id)
        return refused(NO_SUCH_TASK) if task is None else _query(simulation, str(request.base_url), task)

    router.add_api_route("/seedance/videos", create, methods=["POST"])
    router.add_api_route("/videos/{task_id}", query, methods=["GET"])
    app.include_router(router)


def _create(simulation: Simulation, request: Request, account: int, body: dict[str, JsonValue]) -> Response:
    fault = simulation.faults.take("create", str(body["prompt"]))
    if fault is not None and not fault.accepts:
        return broken_answer(fault, request, simulation, None)
    try:
        task = simulation.ledger.accept(body, cost_of(ROUTES[str(body["model"])], body))
    except OutOfMoneyError as error:
        return refused(str(error))
    examine(simulation, account, task.task_id, body)
    data: dict[str, JsonValue] = {
        "task_id": task.task_id,
        "status": "queued",
        "model": body["model"],
        "created_at": task.created_at,
        "cost": task.cost,
    }
    if fault is not None and fault.fault == "no_task_id":
        del data["task_id"]
        return envelope(data)
    return envelope(data) if fault is None else broken_answer(fault, request, simulation, envelope(data))


def _query(simulation: Simulation, base: str, task: TaskView) -> Response:
    def fits(fault: Fault) -> bool:
        return fault.fault not in _NEED_COMPLETION or task.status == "completed"

    fault = simulation.faults.take("query", task.prompt, fits)
    if fault is None:
        return envelope(_task_data(task, media_url(base, task)))
    broken = query_fault(fault)
    if broken is not None:
        return broken
    link = media_url(base, task)
    match fault.fault:
        case "failed":
            simulation.ledger.fail(task.task_id, fault.message)
        case "stuck":
            simulation.ledger.stick(task.task_id)
        case "completed_without_url":
            link = ""
        case "relative_url":
            link = f"seedance/video/{task.task_id}.mp4"
        case _:
            return envelope({**_task_data(task, ""), "status": fault.message, "progress": 50, "result": None})
    return envelope(_task_data(simulation.ledger.view(task.task_id) or task, link))


def _task_data(task: TaskView, link: str) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = {
        "task_id": task.task_id,
        "status": task.status,
        "progress": task.progress,
        "model": task.body["model"],
        "created_at": task.created_at,
        "result": {"image_url": "", "video_url": link} if task.status == "completed" else None,
        "cost": task.cost,
    }
    if task.completed_at is not None:
        data["completed_at"] = task.completed_at
    if task.status == "failed":
        data["error_message"] = task.error_message
    return data


def _add_money_routes(app: FastAPI, simulation: Simulation) -> None:
    async def user_balance(request: Request) -> Response:
        if account_of(request, simulation.settings.keys) is None:
            return refused("", AUTH_FAILED)
        return envelope(simulation.ledger.account())

    async def key_balance(request: Request) -> Response:
        if account_of(request, simulation.settings.keys) is None:
            return refused("", AUTH_FAILED)
        return envelope(simulation.ledger.key())

    async def model_catalog(search: str = "") -> Response:
        return envelope({"list": [*catalog(search)]})

    app.add_api_route(f"{PREFIX}/user/balance", user_balance, methods=["GET"])
    app.add_api_route(f"{PREFIX}/key/balance", key_balance, methods=["GET"])
    # No hyphen, no version, no key: so the vendor's page has it.
    app.add_api_route("/api/openapi/model/catalog", model_catalog, methods=["GET"])
