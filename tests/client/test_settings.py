"""A key or a host that cannot work is refused before anything is sent, in words, and without the key."""

from __future__ import annotations

import hashlib
import pickle

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from prefect_seedance.client.async_client import AsyncSeedanceClient
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.client.settings import ClientSettings, Timeouts, is_loopback
from prefect_seedance.client.sync_client import SeedanceClient

KEY = "sk_secret_1234567890"


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://www.jimmyai.cn", "https://www.jimmyai.cn"),
        ("https://www.jimmyai.cn/", "https://www.jimmyai.cn"),
        ("https://gateway.example.com/seedance/", "https://gateway.example.com/seedance"),
        ("https://www.jimmyai.cn:8443", "https://www.jimmyai.cn:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("HTTPS://WWW.jimmyai.cn", "HTTPS://WWW.jimmyai.cn"),
        ("https://bücher.example.com", "https://bücher.example.com"),
    ],
)
def test_an_address_that_a_key_may_go_to_is_taken(base_url: str, expected: str) -> None:
    assert ClientSettings(KEY, base_url).base_url == expected


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("", "is not an address"),
        ("www.jimmyai.cn", "is not an address"),
        ("ftp://www.jimmyai.cn", "is not an address"),
        ("https://", "is not an address"),
        ("https://www.jimmyai.cn ", "is not an address"),
        ("https://www.jimmyai.cn:port", "is not an address"),
        ("https://www.jimmyai.cn:99999", "is not an address"),
        ("https://www.jim\nmyai.cn", "is not an address"),
        ("https://www.jimmyai.cn/a b", "is not an address"),
        ("https://www.jimmy%61i.cn", "is not an address"),
        ("https://[::g]", "is not an address"),
        ("https://[::1", "is not an address"),
        ("http://localhost\\@elsewhere.example.com", "is not an address"),
        ("http://localhost\\.elsewhere.example.com", "is not an address"),
        ("http://127.0.0.1@elsewhere.example.com", "user name or a password"),
        ("http://www.jimmyai.cn", "plain http to another machine"),
        ("http://10.0.0.7:8000", "plain http to another machine"),
        ("http://localhost.example.com", "plain http to another machine"),
        ("https://user:hidden@www.jimmyai.cn", "user name or a password"),
        ("https://www.jimmyai.cn?key=hidden", "query or a fragment"),
        ("https://www.jimmyai.cn/#top", "query or a fragment"),
        ("https://www.jimmyai.cn/api/open-api/v1", "path of an endpoint"),
    ],
)
def test_an_address_that_a_key_may_not_go_to_is_refused(base_url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as raised:
        ClientSettings(KEY, base_url)
    assert raised.value.field == "base_url"
    assert str(raised.value).startswith("base_url: ")
    assert "hidden" not in str(raised.value)


@given(st.text(alphabet=st.sampled_from("lochst127.0:[]@/\\?#%;.&\t a。１")) | st.text())
@example("localhost:80")
def test_an_address_in_plain_http_that_passes_is_this_machine_for_the_http_library_too(host: str) -> None:
    try:
        base_url = ClientSettings(KEY, f"http://{host}").base_url
    except ConfigurationError:
        return
    assert is_loopback(httpx.URL(base_url).host)


@pytest.mark.parametrize("client", [SeedanceClient, AsyncSeedanceClient])
@pytest.mark.parametrize("base_url", ["https://999.1.1.1", "https://ⅷ-.example.com"])
def test_an_address_that_only_the_http_library_refuses_is_refused_by_the_client(
    client: type[SeedanceClient | AsyncSeedanceClient], base_url: str
) -> None:
    with pytest.raises(ConfigurationError, match="is not an address"):
        client(KEY, base_url)


@pytest.mark.parametrize(
    ("api_key", "words"),
    [
        ("", "is empty"),
        ("**********", "run_deployment"),
        ("sk_secret\n", "line break"),
        (" sk_secret", "line break"),
        ("sk_sec ret", "no key has"),
        ("sk_sec\x00ret", "no key has"),
        ("sk_sécret", "no key has"),
        ("Bearer", "does not begin with sk_"),
        ("secret", "does not begin with sk_"),
        ("sk_", "does not begin with sk_"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused_and_not_repeated(api_key: str, words: str) -> None:
    for form in (api_key, SecretStr(api_key)):
        with pytest.raises(ConfigurationError, match=words) as raised:
            ClientSettings(form)
        assert raised.value.field == "api_key"
        assert "secret" not in str(raised.value).replace("secrets are masked", "")


@given(st.text(min_size=12))
def test_no_key_is_ever_repeated(api_key: str) -> None:
    try:
        settings = ClientSettings(api_key)
    except ConfigurationError as error:
        assert api_key not in str(error)
    else:
        assert api_key not in repr(settings)


def test_both_forms_of_a_key_are_taken_and_hidden() -> None:
    for key in (KEY, "sk-" + KEY):
        settings = ClientSettings(key)
        assert settings.api_key.get_secret_value() == key
        assert KEY not in repr(settings) + str(settings)


def test_the_fingerprint_tells_keys_and_hosts_apart_and_nothing_else() -> None:
    settings = ClientSettings(KEY)
    assert settings.fingerprint == hashlib.sha256(f"www.jimmyai.cn\0{KEY}".encode()).hexdigest()[:12]
    assert settings.fingerprint == ClientSettings(KEY, "https://WWW.jimmyai.cn/").fingerprint
    assert settings.fingerprint != ClientSettings(KEY + "1").fingerprint
    assert settings.fingerprint != ClientSettings(KEY, "https://api.viraltok.ai").fingerprint


def test_settings_cannot_be_changed_and_can_be_pickled() -> None:
    settings = ClientSettings(KEY, timeout=Timeouts(read=5))
    with pytest.raises(AttributeError):
        settings.base_url = "http://elsewhere"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_plain_number_limits_the_whole_try() -> None:
    assert ClientSettings(KEY, timeout=20).timeout == Timeouts(total=20)


def test_the_number_of_repeats_is_that_of_the_call_else_that_of_the_client() -> None:
    settings = ClientSettings(KEY, max_retries=2)
    assert [settings.retries(asked) for asked in (None, 0, 7)] == [2, 0, 7]


def test_a_negative_number_of_repeats_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_retries"):
        ClientSettings(KEY, max_retries=-1)


@pytest.mark.parametrize("name", ["connect", "read", "write", "pool", "total"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_time_out_that_never_waits_or_never_ends_is_refused(name: str, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match=f"timeout.{name}"):
        Timeouts(**{name: seconds})
