"""What a submission returns: a plain value that outlives the process, the class and the record."""

from __future__ import annotations

import json

from prefect_seedance.journal.record import Delivery
from prefect_seedance.journal.submit.pointer import SubmittedVideo, identity_of
from tests.journal.harness import DELIVERY, IDENTITY, INTENT, World


def test_a_pointer_survives_json_and_names_everything_that_it_promises() -> None:
    submitted = World.in_memory().run()
    assert json.loads(json.dumps(submitted, allow_nan=False)) == submitted
    assert set(submitted) == SubmittedVideo.__required_keys__


def test_a_pointer_carries_the_identity_of_what_was_asked() -> None:
    submitted = World.in_memory().run()
    assert identity_of(submitted) == IDENTITY and submitted["intent"] == INTENT


def test_a_pointer_names_the_run_that_paid() -> None:
    world = World.in_memory()
    for name in ("one", "two"):
        submitted = world.run(name)
        assert (submitted["run_id"], submitted["run_name"]) == ("id-one", "one")
    assert submitted["reused"]


def test_a_pointer_names_where_it_was_sent_with_which_key_and_what_becomes_of_the_video() -> None:
    submitted = World.in_memory().run()
    assert (submitted["host"], submitted["credentials"]) == ("api.test", "f00d")
    assert submitted["delivery"] == DELIVERY.model_dump(mode="json")
    assert Delivery.model_validate(json.loads(json.dumps(submitted["delivery"]))) == DELIVERY
