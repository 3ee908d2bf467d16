from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.storage.errors import ForbiddenSource
from prefect_seedance.storage.relay.policy import MediaPolicy, address_kind, allowed_host

PUBLIC = "93.184.216.34"


def policy(*addresses: str, **settings: object) -> MediaPolicy:
    return MediaPolicy(resolver=lambda host, port: list(addresses), **settings)  # type: ignore[arg-type]


def test_a_public_https_host_may_be_followed_to_the_addresses_that_were_checked() -> None:
    target = policy(PUBLIC, "2606:2800:220:1::1").check("https://Media.Example.com/a.mp4?sign=secret")
    assert (target.host, target.addresses) == ("media.example.com", (PUBLIC, "2606:2800:220:1::1"))


PRIVATE_ADDRESSES = [
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *(
        "100.100.100.200",
        "198.18.0.5",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "224.0.1.1",
        "240.0.0.1",
    ),
    *(
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
    ),
    *("64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:a00:1::", "fec0::1", "2001:db8::1"),
    # The providers' own: Azure, Oracle, Amazon, Tencent; and the first of these in each disguise.
    *("168.63.129.16", "192.0.0.192", "fd00:ec2::254", "169.254.0.23", "fe80::a9fe:a9fe"),
    *("::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::1", "::a83f:8110", "64:ff9b:1::a83f:8110"),
    *("64:ff9b::192.0.0.192", "2002:6464:64c8::", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "192.88.99.1"),
    *("3fff::1", "5f00::1", "100::1"),
]


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_an_address_that_is_not_public_is_refused_even_beside_a_public_one(address: str) -> None:
    for addresses in ([address], [PUBLIC, address], [address, PUBLIC]):
        with pytest.raises(ForbiddenSource, match="allow_media_hosts"):
            policy(*addresses).check("https://media.example.com/a.mp4")


BAD_LINKS = [
    ("http://media.example.com/a.mp4", "only https"),
    ("ftp://media.example.com/a.mp4", "not a complete"),
    ("file:///etc/passwd", "not a complete"),
    ("seedance/mini-sp/video/a.mp4", "not a complete"),
    ("//media.example.com/a.mp4", "not a complete"),
    ("https:///a.mp4", "not a complete"),
    ("", "not a complete"),
    ("https://user:secret@media.example.com/a.mp4", "user name or password"),
    ("https://user@media.example.com/a.mp4", "user name or password"),
    ("https://media.example.com:99999999/a.mp4", "host or port"),
    ("https://exa mple.com/a.mp4?secret", "host or port"),
    ("https://media.example.com/a\nb.mp4", "not a valid"),
    ("https://[::1/a.mp4", "not a valid"),
]


@pytest.mark.parametrize(("link", "reason"), BAD_LINKS)
def test_a_link_that_is_not_plain_https_is_refused_without_showing_it(link: str, reason: str) -> None:
    with pytest.raises(ForbiddenSource, match=reason) as caught:
        policy(PUBLIC).check(link)
    assert "secret" not in str(caught.value)


DISGUISED_LOOPBACK = [
    "https://2130706433/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://localhost/",
    "https://[::1]/",
]


@pytest.mark.parametrize("link", DISGUISED_LOOPBACK)
def test_loopback_in_disguise_is_refused_by_what_the_system_makes_of_it(link: str) -> None:
    with pytest.raises((ForbiddenSource, OSError)):
        MediaPolicy().check(link)


@pytest.mark.parametrize("link", ["http://localhost:8000/a", "https://localhost/a", "http://[::1]:8000/a"])
def test_loopback_may_be_allowed_and_then_with_plain_http_too(link: str) -> None:
    assert policy("127.0.0.1", "::1", allow_loopback=True).check(link).addresses == ("127.0.0.1", "::1")


@pytest.mark.parametrize("address", [PUBLIC, "10.0.0.1"])
def test_plain_http_is_for_loopback_only(address: str) -> None:
    for addresses in ([address], ["127.0.0.1", address]):
        with pytest.raises(ForbiddenSource, match="only https"):
            policy(*addresses, allow_loopback=True).check("http://media.example.com/a")


def test_a_named_host_is_not_resolved_at_all() -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError("resolved")

    trusting = MediaPolicy(allow_hosts=frozenset({"cdn.example.com", ".Example.NET"}), resolver=never)
    for host in ("cdn.example.com", "CDN.example.com", "a.example.net", "a.b.example.net"):
        assert trusting.check(f"https://{host}/a").addresses == ()
    for host in ("example.net", "xcdn.example.com", "cdn.example.com.evil.com", "evilexample.net"):
        with pytest.raises(AssertionError, match="resolved"):
            trusting.check(f"https://{host}/a")
    for link in ("http://cdn.example.com/a", "https://me@cdn.example.com/a"):
        with pytest.raises(ForbiddenSource):
            trusting.check(link)


def test_a_host_without_an_address_is_a_fault_of_the_moment_not_forbidden() -> None:
    with pytest.raises(OSError, match="no address"):
        policy().check("https://media.example.com/a")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_wrapped_in_ipv6_is_what_it_wraps(address: ipaddress.IPv4Address) -> None:
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert address_kind(ipaddress.ip_address(wrapped)) == address_kind(address)


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("cdn.example.com", "cdn.example.com"),
        (" CDN.Example.com. ", "cdn.example.com"),
        ("https://cdn.example.com", "cdn.example.com"),
        ("HTTPS://cdn.example.com/", "cdn.example.com"),
        ("cdn.example.com:443", "cdn.example.com"),
        (".example.com", ".example.com"),
        ("*.Example.com", ".example.com"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("minio", "minio"),
        ("my_cdn.internal", "my_cdn.internal"),
        ("10.0.0.7", "10.0.0.7"),
        ("[FD00:0::1]", "fd00::1"),
        ("http://[fd00::1]/", "fd00::1"),
    ],
)
def test_a_name_of_a_host_is_brought_into_the_form_of_links(name: str, host: str) -> None:
    assert allowed_host(name) == host == allowed_host(host)
    shown = f"[{host}]" if ":" in host else f"below{host}" if host.startswith(".") else host
    assert MediaPolicy(allow_hosts=frozenset({host})).check(f"https://{shown}/a.mp4").addresses == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("https://cdn.example.com/videos", "path"),
        ("cdn.example.com/videos/", "path"),
        ("https://cdn.example.com?x=1", "path"),
        ("cdn.example.com:8443", "port"),
        ("https://cdn.example.com:80/", "port"),
        ("*", "star"),
        ("**", "star"),
        ("*example.com", "star"),
        ("**.example.com", "star"),
        ("a.*.com", "star"),
        ("10.0.0.0/8", "range"),
        ("fd00::/8", "range"),
        ("fe80::1%eth0", "zone"),
        ("[fe80::1%25eth0]", "zone"),
        ("ftp://cdn.example.com", "another kind"),
        ("https://me:hunter2@cdn.example.com", "password"),
        ("me:hunter2@cdn.example.com", "password"),
        ("", "not the name"),
        (".", "not the name"),
        ("*.", "not the name"),
        ("..example.com", "not the name"),
        ("a b.example.com", "not the name"),
        ("a,b.example.com", "not the name"),
        ("-a.example.com", "not the name"),
        ("a" * 64 + ".example.com", "not the name"),
    ],
)
def test_a_name_that_no_host_would_match_as_it_looks_is_refused(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        allowed_host(name)
    assert "hunter2" not in str(caught.value)
