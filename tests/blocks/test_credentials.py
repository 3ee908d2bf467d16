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
