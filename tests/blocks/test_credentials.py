import pytest
from pydantic import ValidationError

from prefect_seedance.blocks import SeedanceCredentials

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
