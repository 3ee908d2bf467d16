"""Who pays, with the store of the budget: on a real Prefect server."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prefect_seedance.blocks import SeedanceCredentials, VideoStore
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.pipeline.parties import Account
from prefect_seedance.runs.money import accounts
from prefect_seedance.runs.money.accounts import account_of

pytestmark = pytest.mark.server
KEY = "sk_a-whole-key-0123456789"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are loaded; nothing is remembered of earlier tests."""
    loaded = list[str]()
    whole = accounts._open  # pyright: ignore[reportPrivateUsage]

    async def counted(name: str) -> object:
        loaded.append(name)
        return await whole(name)

    monkeypatch.setattr(accounts, "_open", counted)
    monkeypatch.setattr(accounts, "_openings", {})
    return loaded


def paying(name: str, **fields: float) -> SeedanceCredentials:
    return SeedanceCredentials(api_key=KEY, budget_store=name, **(fields or {"daily_budget": 20}))


def account(credentials: SeedanceCredentials) -> Account:
    return asyncio.run(account_of(credentials))


def test_the_saved_store_is_opened_once_for_all_that_ask(prefect_server: str, tmp_path: Path, loads: list[str]) -> None:
    store = VideoStore(location=str(tmp_path / "money"))
    store.save("money", overwrite=True)
    with ThreadPoolExecutor(8) as threads:  # each with a loop of its own, as sync flows have
        found = [*threads.map(account, [paying("money")] * 8)]
    assert {id(each.budget_store) for each in found} == {id(store.open())}
    assert found[0].limits.daily == 20
    assert loads == ["money"]


def test_without_a_budget_or_a_name_nothing_is_loaded(loads: list[str]) -> None:
    assert account(paying("gone", daily_budget=0)).budget_store is None
    assert account(SeedanceCredentials(api_key=KEY, daily_videos=3)).budget_store is None
    assert loads == []


def test_a_store_that_is_not_saved_is_an_error_that_names_the_field(prefect_server: str, loads: list[str]) -> None:
    for _ in range(2):  # a failure is not remembered
        with pytest.raises(ConfigurationError, match=r"^budget_store: the saved store nowhere") as caught:
            account(paying("nowhere"))
    assert caught.value.field == "budget_store" and "Nothing was sent" in str(caught.value)
    assert loads == ["nowhere"] * 2


def test_a_store_that_cannot_be_opened_is_an_error_that_names_the_field(
    prefect_server: str, tmp_path: Path, loads: list[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    VideoStore(location=str(tmp_path / "file" / "money")).save("broken", overwrite=True)
    with pytest.raises(ConfigurationError, match=r"^budget_store: the saved store broken"):
        account(paying("broken"))


def test_whoever_waits_for_an_opener_that_is_ended_opens_it(
    prefect_server: str, tmp_path: Path, loads: list[str]
) -> None:
    VideoStore(location=str(tmp_path / "money")).save("money", overwrite=True)

    async def main() -> Account:
        first = asyncio.create_task(account_of(paying("money")))
        await asyncio.sleep(0)
        second = asyncio.create_task(account_of(paying("money")))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(main()).budget_store is not None
    assert loads == ["money"] * 2
