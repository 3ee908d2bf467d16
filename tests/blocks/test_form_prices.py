"""What whoever applies a deployment learns of prices: within seconds, without the key, and never at its cost."""

from __future__ import annotations

import asyncio

import pytest

from prefect_seedance import SeedanceCredentials, VideoRequest
from prefect_seedance.blocks.form_prices import look_up, prices_of, saying_prices
from prefect_seedance.simulator import running_simulator
from tests.client.wire_server import (
    TRICKLED_BODY,
    TRICKLED_HEADERS,
    Reply,
    WireServer,
    answer,
    drop,
    hang,
    page,
)
from tests.runs.batch.prefect_away import prefect_at

KEY = "sk_" + "a" * 40


def model_words() -> str:
    return str(VideoRequest.model_json_schema()["properties"]["model"]["description"])


def test_the_catalog_is_asked_once_and_shown_while_forms_are_made() -> None:
    plain = model_words()
    with running_simulator() as vendor:
        # Another key than the vendor's: the catalog is public.
        credentials = SeedanceCredentials(api_key=KEY, base_url=vendor.url, prices={"seedance2.0-std": 7.5})  # type: ignore[arg-type]
        with saying_prices(credentials):
            said = model_words()
    assert said.startswith(f"{plain} Prices in your credentials: in coins a video, seedance2.0-std 7.5. ")
    assert "public catalog of " in said and said.count("seedance2.0-std") == 1
    assert prices_of(credentials) in said, "the vendor is gone, and was not asked again"
    assert model_words() == plain


def test_a_vendor_that_does_not_answer_costs_the_prices_alone(capsys: pytest.CaptureFixture[str]) -> None:
    gone = "http://127.0.0.1:9"
    assert prices_of(SeedanceCredentials(api_key=KEY, base_url=gone)) == ""  # type: ignore[arg-type]
    own = SeedanceCredentials(api_key=KEY, base_url=gone, prices={"seedance2.0-std": 7.5})  # type: ignore[arg-type]
    assert prices_of(own) == "Prices in your credentials: in coins a video, seedance2.0-std 7.5."
    printed = capsys.readouterr().out
    assert printed.count("The forms show no prices of the vendor's catalog") == 1 and KEY not in printed


@pytest.mark.parametrize("reply", [hang, TRICKLED_HEADERS, TRICKLED_BODY, page(502), drop])
def test_a_catalog_that_does_not_end_is_given_up_soon(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefect_seedance.blocks.form_prices.CATALOG_SECONDS", 0.3)
    with WireServer([reply]) as vendor:
        assert prices_of(SeedanceCredentials(api_key=KEY, base_url=vendor.url)) == ""  # type: ignore[arg-type]
        (asked,) = vendor.received
    assert KEY not in str(asked) and "authorization" not in {name.lower() for name in asked.headers}


def test_nothing_of_a_catalog_but_numbers_comes_into_the_form() -> None:
    script = "<script>alert(1)</script>"
    prices = {"seedance2.0-std": float("nan"), "seedance2.0-fast": -1.0, "seedance2.0-mini-480p": 0.5, script: 1.0}
    entries = [
        {"model_name": name, "display_name": script, "price_mode": "per_second", "unit_price": price, "remark": script}
        for name, price in prices.items()
    ]
    with WireServer([answer(200, {"code": "20000", "msg": "ok", "data": {"list": entries * 50}})]) as vendor:
        said = prices_of(SeedanceCredentials(api_key=KEY, base_url=vendor.url))  # type: ignore[arg-type]
    assert said.endswith(": in coins a second, seedance2.0-mini 0.5.") and script not in said


def test_credentials_that_cannot_be_loaded_or_used_cost_a_form_its_prices_and_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with WireServer([page(503)]) as server, prefect_at(f"{server.url}/api"):
        assert asyncio.run(look_up("seedance-credentials/default")) == {}
    assert "The forms show no prices: " in capsys.readouterr().out
    unusable = SeedanceCredentials.model_construct(api_key=None)
    assert prices_of(unusable) == ""
    assert "The forms show no prices: " in capsys.readouterr().out
