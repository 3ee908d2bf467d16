import pytest
from pydantic import ValidationError

from prefect_seedance.blocks import SeedanceCredentials
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.plain_text import faults

KEY = "sk_a-whole-key-0123456789"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "JIMMYAI_API_KEY"),
        ("**********", "asterisks"),
        ("sk_two words", "space"),
        (" sk_key", "space"),
        ("sk_ключ", "character"),
        ("Bearer-sk_key", "sk_ or sk-"),
    ],
)
def test_a_key_that_cannot_work_is_refused_without_being_repeated(key: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SeedanceCredentials(api_key=key)
    message = str(caught.value.errors(include_input=False, include_url=False))
    assert said in message
    if key.strip("* "):
        assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["www.jimmyai.cn", "http://www.jimmyai.cn", "ftp://x.y", "https://a:b@c.d", "https://x.y/?a=1", ""]
)
def test_a_host_that_a_key_must_not_go_to_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="base_url"):
        SeedanceCredentials(api_key=KEY, base_url=url)


def test_missing_fields_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIMMYAI_API_KEY", KEY)
    monkeypatch.setenv("JIMMYAI_BASE_URL", "https://api.viraltok.ai/")
    credentials = SeedanceCredentials()
    assert credentials.api_key.get_secret_value() == KEY
    assert credentials.base_url == "https://api.viraltok.ai"
    assert (
        SeedanceCredentials(api_key="sk_other", base_url="https://www.jimmyai.cn").base_url == "https://www.jimmyai.cn"
    )


def test_a_malformed_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIMMYAI_API_KEY", KEY)
    monkeypatch.setenv("JIMMYAI_BASE_URL", "jimmyai")
    with pytest.raises(ValidationError, match="JIMMYAI_BASE_URL"):
        SeedanceCredentials()


def test_neither_the_block_nor_its_clients_show_the_key() -> None:
    credentials = SeedanceCredentials(api_key=KEY)
    shown = (
        f"{credentials!r} {credentials} {credentials.model_dump()} {credentials.get_client()!r} {credentials.settings}"
    )
    assert KEY not in shown
    assert len(credentials.fingerprint) == 12


def test_the_fingerprint_tells_keys_and_hosts_apart() -> None:
    prints = {
        SeedanceCredentials(api_key=KEY).fingerprint,
        SeedanceCredentials(api_key=KEY + "x").fingerprint,
        SeedanceCredentials(api_key=KEY, base_url="https://api.viraltok.ai").fingerprint,
    }
    assert len(prints) == 3


def test_own_prices_reach_the_account_and_nothing_that_tells_accounts_apart() -> None:
    plain, own = SeedanceCredentials(api_key=KEY), SeedanceCredentials(api_key=KEY, prices={"sd2_mx_720p": 0.06})
    (price,) = own.vendor_account().prices
    assert (price.name, price.unit, price.coins) == ("sd2_mx_720p", "per_second", 0.06)
    assert plain.vendor_account().prices == ()
    assert plain.vendor_account() == own.vendor_account() and plain.fingerprint == own.fingerprint


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ({"seedance2.0-minni": 0.1}, "did you mean seedance2.0-mini?"),
        ({"seedance2.0-mini 4k": 0.1}, "480p, 720p or 1080p"),
        ({"seedance2.0-mini": -1}, "seedance2.0-mini"),
        ({"seedance2.0-mini": float("nan")}, "seedance2.0-mini"),
        ({"seedance2.0-mini": "much"}, "seedance2.0-mini"),
        ({"seedance2.0-mini": True}, "not a price"),
        (["seedance2.0-mini"], "prices"),
    ],
)
def test_own_prices_that_cannot_be_are_refused_by_their_names(prices: object, said: str) -> None:
    for make in (lambda: SeedanceCredentials(api_key=KEY, prices=prices), lambda: saved_with(prices)):
        with pytest.raises(ValidationError, match="prices") as caught:
            make()
        assert said in str(caught.value) and KEY not in str(caught.value)


def saved_with(prices: object) -> SeedanceCredentials:
    return SeedanceCredentials.model_validate({"api_key": KEY, "prices": prices})


def test_budgets_reach_the_account_and_nothing_that_tells_accounts_apart() -> None:
    plain = SeedanceCredentials(api_key=KEY)
    limited = SeedanceCredentials(
        api_key=KEY, daily_budget=20, monthly_budget=300.5, daily_videos=40, budget_store="seedance-video-store/money "
    )
    assert limited.vendor_account().limits == Limits(daily=20.0, monthly=300.5, daily_videos=40)
    assert not plain.vendor_account().limits
    assert limited.budget_store == "money"
    assert plain.vendor_account() == limited.vendor_account()
    assert hash(plain.vendor_account()) == hash(limited.vendor_account())
    assert plain.fingerprint == limited.fingerprint


@pytest.mark.parametrize("field", ["daily_budget", "monthly_budget", "daily_videos"])
@pytest.mark.parametrize(
    "value", [-1, -0.01, float("nan"), float("inf"), 10**400, True, False, "20", "much", "", None, [20], {"coins": 20}]
)
def test_a_budget_that_is_not_an_amount_is_refused_with_the_rule_and_a_fix(field: str, value: object) -> None:
    for make in (SeedanceCredentials, lambda **fields: SeedanceCredentials.model_validate(fields)):
        with pytest.raises(ValidationError) as caught:
            make(api_key=KEY, **{field: value})
        (fault,) = faults(caught.value)
        assert fault.startswith(f"{field} is not a ") and "or 0 for no limit" in fault


@pytest.mark.parametrize("value", [0.5, 2.5, 1e300])
def test_a_number_of_videos_is_whole(value: float) -> None:
    with pytest.raises(ValidationError, match="daily_videos is not a whole number"):
        SeedanceCredentials(api_key=KEY, daily_videos=value)
    assert SeedanceCredentials(api_key=KEY, daily_videos=3.0).daily_videos == 3
    assert SeedanceCredentials(api_key=KEY, daily_budget=value).daily_budget == value


@pytest.mark.parametrize(
    "value",
    ["s3://bucket/p", "/data", "My Store", "a/b", "aws-credentials/money", "money\n2", "a_b", KEY, 7, True, None],
)
def test_a_budget_store_that_cannot_be_a_name_is_refused_without_being_repeated(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        SeedanceCredentials(api_key=KEY, budget_store=value)
    (fault,) = faults(caught.value)
    assert fault.startswith("budget_store is not the name of a saved store; write the name")
    assert KEY not in str(caught.value)


def test_the_form_says_that_a_budget_without_a_budget_store_is_one_per_store() -> None:
    fields = SeedanceCredentials.model_json_schema()["properties"]
    for name in ("daily_budget", "monthly_budget", "daily_videos"):
        assert "UTC" in fields[name]["description"] and "each store by itself" in fields[name]["description"]
        assert (fields[name]["minimum"], fields[name]["default"]) == (0, 0)
    assert "two stores may spend twice as much" in fields["budget_store"]["description"]
