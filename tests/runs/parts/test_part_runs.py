"""The runs of parts at a Prefect server that is in trouble: asked again, and never a reason to lose a part."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Crashed

from prefect_seedance.runs.parts.part_runs import PartRuns
from tests.client.wire_server import WireServer, answer, hang, page
from tests.runs.batch.prefect_away import prefect_at

RUN = FlowRun.model_validate({"id": uuid4(), "flow_id": uuid4(), "name": "brave-boat"})


def parts() -> PartRuns:
    return PartRuns(uuid4(), uuid4(), "key", 2, lambda part: {}, labels={})


def test_a_server_that_is_away_is_asked_again_until_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    answers = [page(503), answer(200, [RUN.model_dump(mode="json")])]
    with WireServer(answers) as server, prefect_at(f"{server.url}/api"):
        seen = asyncio.run(parts().seen([RUN.id]))
        assert len(server.received) == 2
    assert [*seen] == [RUN.id]
    assert caplog.text.count("Prefect's server is asked again to say how the parts stand") == 1


def test_what_the_server_refuses_is_not_asked_again() -> None:
    with WireServer([answer(409, {"detail": "no"})]) as server, prefect_at(f"{server.url}/api"):
        with pytest.raises(PrefectHTTPStatusError):
            asyncio.run(parts().start(1, 1))
        assert len(server.received) == 1


def test_heartbeats_that_cannot_be_read_are_none_and_not_a_death() -> None:
    with WireServer([page(503)]) as server, prefect_at(f"{server.url}/api"):
        assert asyncio.run(parts().heartbeats(RUN.id)) == []


def test_parts_that_cannot_be_cancelled_are_said_and_keep_no_parent_from_its_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WireServer([page(503)]) as server, prefect_at(f"{server.url}/api"):
        asyncio.run(parts().cancel([uuid4(), uuid4()]))
    assert caplog.text.count("Not all parts could be cancelled") == 1
    monkeypatch.setattr("prefect_seedance.runs.parts.part_runs._CANCELLING_SECONDS", 0.1)
    with WireServer([hang]) as server, prefect_at(f"{server.url}/api"):
        asyncio.run(parts().cancel([uuid4()]))
    assert caplog.text.count("Not all parts could be cancelled") == 2


def test_a_run_is_marked_as_crashed_with_the_reason() -> None:
    crashed = Crashed(message="It is gone.").model_dump(mode="json", exclude={"data"})
    accepted = {"state": crashed, "status": "ACCEPT", "details": {"type": "accept_details"}}
    with WireServer([answer(201, accepted)]) as server, prefect_at(f"{server.url}/api"):
        asyncio.run(parts().mark_crashed(RUN.id, "It is gone."))
        told = json.loads(server.received[-1].body)["state"]
    assert (told["type"], told["message"]) == ("CRASHED", "It is gone.")
