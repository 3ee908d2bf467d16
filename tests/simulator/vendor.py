"""A plain HTTP client of the simulated API: it hides nothing, least of all errors."""

from __future__ import annotations

from typing import Any

import httpx

from prefect_seedance.client.request.routes import ROUTES

CREATE = "/api/open-api/v1/seedance/videos"
HTTPS, ASSET = "https://example.com/", "asset://"


class Vendor(httpx.Client):
    """`httpx` with the key, and the few calls that every test makes."""

    def __init__(self, url: str, key: str, **options: Any) -> None:
        options.setdefault("timeout", 60)
        options.setdefault("verify", False)  # plain http: loading the certificates would take longest
        super().__init__(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, **options)

    def create(self, body: dict[str, Any] | None = None, **changes: Any) -> httpx.Response:
        return self.post(CREATE, json={**(body or request_body()), **changes})

    def made(self, **changes: Any) -> str:
        """Create a task and give its id."""
        return str(data_of(self.create(**changes))["task_id"])

    def query(self, task_id: str) -> httpx.Response:
        return self.get(f"/api/open-api/v1/videos/{task_id}")

    def link(self, task_id: str) -> str:
        return str(data_of(self.query(task_id))["result"]["video_url"])

    def control(self, path: str) -> Any:
        answer = self.get(f"/_simulator/{path}")
        assert answer.status_code == 200
        return answer.json()

    def plan(self, fault: str, **settings: Any) -> None:
        answer = self.post("/_simulator/faults", json={"fault": fault, **settings})
        assert answer.status_code == 200, answer.text

    def accepted(self) -> int:
        return sum(bill["accepted"] for bill in self.control("bills"))


def request_body(model: str = "seedance2.0-std", **changes: Any) -> dict[str, Any]:
    """The cheapest body that a model takes."""
    return {"model": model, "prompt": "A paper boat", "duration": ROUTES[model].duration.default, **changes}


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """The data of a success, for a test that expects one."""
    assert answer.status_code == 200
    envelope = answer.json()
    assert envelope["code"] in (20000, 0), envelope
    return envelope["data"]
