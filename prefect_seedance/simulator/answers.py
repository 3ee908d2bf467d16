"""What the simulated API answers: envelopes, error pages, and a broken answer per fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import Request
from pydantic import JsonValue
from starlette.responses import HTMLResponse, RedirectResponse, Response

from prefect_seedance.simulator.faults import Fault
from prefect_seedance.simulator.simulation import Simulation
from prefect_seedance.simulator.transport import BodyPace, Delayed, Drop, Hang, Streamed

SUCCESS, SP_SUCCESS = 20000, 0
AUTH_FAILED, BAD_PARAMETERS, SERVER_ERROR, TOO_MANY_REQUESTS = 20001, 20002, -1, 40000

NO_SUCH_TASK = "任务不存在"
BUSY = "系统繁忙，请稍后重试"
TOO_FREQUENT = "请求过于频繁，请稍后再试"

Data = Mapping[str, JsonValue]


def envelope(data: Data | JsonValue, code: int | str = SUCCESS, msg: str = "ok", status: int = 200) -> Response:
    """Answer ``{"code", "msg", "data"}``; business errors too go out under HTTP 200, as at the vendor."""
    return Response(_json({"code": code, "msg": msg, "data": data}), status, media_type="application/json")


def store_error(status: int, code: str, message: str) -> Response:
    """Answer an error as an object store words it."""
    text = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(text, status_code=status, media_type="application/xml")


def refused(msg: str, code: int | str = BAD_PARAMETERS) -> Response:
    """Answer an error envelope."""
    return envelope(None, code, msg)


def error_page(status: int) -> str:
    """Word the HTML page that a gateway puts before an error."""
    try:
        title = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        title = f"{status} Error"  # Cloudflare's own, 520 to 524
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _page(fault: Fault) -> Response:
    return HTMLResponse(error_page(fault.status), fault.status)


def _unwell(_: Fault) -> Response:
    return HTMLResponse("<!DOCTYPE html>\n<html><head><title>One moment</title></head><body></body></html>")


def _dropped(_: Fault) -> Response:
    return Drop()


def broken_answer(fault: Fault, request: Request, simulation: Simulation, answer: Response | None) -> Response:
    """Answer a create, an upload, an audit or a status call that met a fault on its way.

    Args:
        fault: The fault.
        request: The request.
        simulation: For what ends with the server.
        answer: The whole answer when what was asked for was made, else None.
    """
    whole = refused("") if answer is None else answer
    body = bytes(whole.body)
    half = body[: len(body) // 2]
    answers: dict[str, Callable[[], Response]] = {
        "hang": lambda: Hang(fault.seconds, simulation.stopping),
        "hang_before": lambda: Hang(fault.seconds, simulation.stopping),
        "half_json": lambda: Response(half, media_type="application/json"),
        "cut_json": lambda: Streamed(
            200,
            {"Content-Type": "application/json"},
            [body],
            len(body),
            simulation.stopping,
            BodyPace(stop_after=len(half)),
        ),
        "slow_answer": lambda: Delayed(whole, fault.seconds, simulation.stopping),
        "redirect": lambda: RedirectResponse(f"{request.url}?moved=1", fault.status),
    }
    return answers[fault.what]() if fault.what in answers else _PLAIN[fault.what](fault)


def query_fault(fault: Fault) -> Response | None:
    """Answer a query that met a fault, or None when the fault only changes the task (see ``app``)."""
    return _PLAIN[fault.fault](fault) if fault.fault in _PLAIN else None


def _rate_limited_http(fault: Fault) -> Response:
    answer = envelope(None, TOO_MANY_REQUESTS, TOO_FREQUENT, 429)
    if fault.retry_after != "":
        answer.headers["Retry-After"] = str(fault.retry_after)
    return answer


_PLAIN: dict[str, Callable[[Fault], Response]] = {
    "lost_answer": _dropped,
    "drop_before": _dropped,
    "query_drop": _dropped,
    "error_before": _page,
    "error_after": _page,
    "query_5xx": _page,
    "html_before": _unwell,
    "html_after": _unwell,
    "query_html": _unwell,
    "rate_limited_code": lambda _: refused(TOO_FREQUENT, TOO_MANY_REQUESTS),
    "query_rate_limited": lambda _: refused(TOO_FREQUENT, TOO_MANY_REQUESTS),
    "rate_limited_http": _rate_limited_http,
    "busy": lambda _: refused(BUSY, SERVER_ERROR),
    "server_error": lambda _: refused("", SERVER_ERROR),
    "unknown_code": lambda fault: refused(fault.message, fault.code),
    "not_found": lambda _: refused(NO_SUCH_TASK),
}
