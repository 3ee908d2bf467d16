"""A link signed anew is the same link, another file is never the same, and what is doubtful is told."""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import ALWAYS, canonical, identify, intent_of
from prefect_seedance.journal.media_identity import link_notices, media_identity, read_link, signatures_left_out

DICE = random.Random(20261122)
CDN = "https://cdn.example.com"
FILE = f"{CDN}/season/cat.png"


class Signer:
    """One signing: its time, and the signatures that it makes."""

    def __init__(self, number: int) -> None:
        self.dice = random.Random(number)
        self.time = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.dice.randrange(10**8))
        self.seconds = str(int(self.time.timestamp()))
        self.hexadecimal = f"{int(self.seconds):x}"
        self.minute = f"{self.time:%Y%m%d%H%M}"
        self.stamp = f"{self.time:%Y%m%dT%H%M%SZ}"
        self.md5, self.sha1, self.sha256 = (self.dice.randbytes(size).hex() for size in (16, 20, 32))
        self.raw = self.dice.randbytes(20)
        self.base64 = base64.b64encode(self.raw).decode()
        self.quoted = self.base64.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        self.web = base64.urlsafe_b64encode(self.raw).decode()
        self.short = base64.urlsafe_b64encode(self.raw[:16]).decode().rstrip("=")
        part = base64.urlsafe_b64encode(self.dice.randbytes(32)).decode().rstrip("=")
        self.jwt = f"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3{part}.{part}"
        self.uuid = str(UUID(bytes=self.dice.randbytes(16)))
        self.akamai = f"st={self.seconds}~exp={self.seconds}~acl=/*~hmac={self.sha256}"


#: For each service a link as it signs it.
SIGNED: dict[str, Callable[[Signer], str]] = {
    "Qiniu": lambda s: f"{FILE}?e={s.seconds}&token=MY_ACCESS_KEY-0123456789:{s.web}",
    "Qiniu, a key without a name": lambda s: f"{CDN}/a-key?e={s.seconds}&token=MY_ACCESS_KEY-0123456789:{s.web}",
    "Qiniu, processed": lambda s: f"{FILE}?imageView2/2/w/200&e={s.seconds}&token=MY_ACCESS_KEY-0123456789:{s.web}",
    "Supabase": lambda s: f"https://x.supabase.co/storage/v1/object/sign/avatars/a/b?token={s.jwt}",
    "Supabase, resized": lambda s: f"https://x.supabase.co/storage/v1/render/image/sign/a/b?width=9&token={s.jwt}",
    "Aliyun A": lambda s: f"{FILE}?auth_key={s.seconds}-{s.md5}-0-{s.md5}",
    "Aliyun A, a service": lambda s: f"{CDN}/image?id=7&auth_key={s.seconds}-0-0-{s.md5}",
    "Aliyun B": lambda s: f"{CDN}/{s.minute}/{s.md5}/season/cat.png",
    "Aliyun C": lambda s: f"{CDN}/{s.md5}/{s.hexadecimal}/season/cat.png",
    "Tencent A": lambda s: f"{FILE}?sign={s.seconds}-{s.dice.randrange(9**9)}-0-{s.md5}",
    "Tencent B": lambda s: f"{CDN}/{s.minute}/{s.sha256}/season/cat.mp4",
    "Tencent B, in a folder": lambda s: f"{CDN}/{s.minute}/{s.md5}/season/video.mp4",
    "Tencent C": lambda s: f"{CDN}/{s.md5}/{s.seconds}/season/cat.mp4",
    "Tencent D": lambda s: f"{FILE}?sign={s.md5}&t={s.seconds}",
    "Tencent D, hexadecimal": lambda s: f"{FILE}?t={s.hexadecimal.upper()}&sign={s.sha256}",
    "Tencent VOD": lambda s: f"{CDN}/a/f0.mp4?exper=60&t={s.hexadecimal}&us={s.dice.randrange(999)}&sign={s.md5}",
    "Huawei C": lambda s: f"{FILE}?auth_key={s.md5}&timestamp={s.hexadecimal}",
    "Kingsoft KS3": lambda s: f"{FILE}?KSSAccessKeyId=k&Expires={s.seconds}&Signature={s.quoted}",
    "Kingsoft KS3, version 4": lambda s: (
        f"{FILE}?X-Kss-Algorithm=a&X-Kss-Credential=k%2F{s.minute}&X-Kss-Date={s.stamp}&X-Kss-Expires=60"
        f"&X-Kss-SignedHeaders=host&X-Kss-Signature={s.sha256}"
    ),
    "Kingsoft CDN": lambda s: f"{FILE}?k={s.md5}&t={s.hexadecimal}",
    "NetEase": lambda s: f"{FILE}?NOSAccessKeyId=k&Expires={s.seconds}&Signature={s.quoted}",
    "UCloud": lambda s: f"{FILE}?UCloudPublicKey=k&Expires={s.seconds}&Signature={s.quoted}",
    "QingStor": lambda s: f"{FILE}?access_key_id=k&expires={s.seconds}&signature={s.quoted}",
    "Volcengine TOS": lambda s: f"{FILE}?X-Tos-Date={s.stamp}&X-Tos-Credential=c&X-Tos-Signature={s.sha256}",
    "Baidu BOS": lambda s: (
        f"{FILE}?authorization=bce-auth-v1%2Fak%2F{s.time:%Y-%m-%dT%H%%3A%M%%3A%SZ}%2F1800%2Fhost%2F{s.sha256}"
        f"&x-bce-security-token={s.quoted}"
    ),
    "Discord": lambda s: f"{CDN}/attachments/1/2/image.png?ex={s.hexadecimal}&is={s.hexadecimal}&hm={s.sha256}&",
    "Bunny": lambda s: f"{CDN}/image.png?token={s.short}&expires={s.seconds}",
    "Bunny, a folder": lambda s: f"{FILE}?token=HS256-{s.web}&token_path=%2Fseason%2F&expires={s.seconds}",
    "Bunny, in the path": lambda s: f"{CDN}/bcdn_token={s.web}&expires={s.seconds}&token_path=%2F/season/cat.mp4",
    "Akamai hdnts": lambda s: f"{CDN}/stream?hdnts={s.akamai}",
    "Akamai hdnea": lambda s: f"{CDN}/stream?hdnea={s.akamai}",
    "Akamai hdntl": lambda s: f"{CDN}/stream?hdntl={s.akamai}~data=hdntl",
    "Akamai __token__": lambda s: f"{CDN}/stream?__token__={s.akamai}",
    "Cloudinary": lambda s: f"{CDN}/stream?__cld_token__={s.akamai}",
    "Akamai __gda__": lambda s: f"{CDN}/stream?__gda__={s.seconds}_{s.md5}",
    "Akamai, another name": lambda s: f"{FILE}?token={s.akamai}",
    "Vimeo": lambda s: f"{CDN}/exp={s.seconds}~acl=%2F1%2F%2A~hmac={s.sha256}/1/2/video.mp4",
    "COS, in one parameter": lambda s: f"{FILE}?sign=q-sign-algorithm%3Dsha1%26q-ak%3Da%26q-signature%3D{s.sha1}",
    "Akamai, in the path": lambda s: f"{CDN}/exp={s.seconds}~acl=%2F1%2F%2A~hmac={s.sha256}/1/cat.mp4",
    "ByteDance": lambda s: f"{CDN}/tos/0a1b~tplv-1:720.image?lk3s=a5&x-expires={s.seconds}&x-signature={s.quoted}",
    "ByteDance, more": lambda s: f"{CDN}/a?x-expires={s.seconds}&x-signature-v2={s.quoted}&nonce={s.md5}",
    "Google Cloud CDN": lambda s: f"{FILE}?Expires={s.seconds}&KeyName=k&Signature={s.web}",
    "Firebase": lambda s: f"https://f.googleapis.com/v0/b/x.appspot.com/o/a%2Fb?alt=media&token={s.uuid}",
    "imgix": lambda s: f"{FILE}?w=300&s={s.md5}",
    "imgix, with an end": lambda s: f"{FILE}?w=300&expires={s.seconds}&s={s.md5}",
    "Wangsu": lambda s: f"{FILE}?wsSecret={s.md5}&wsTime={s.hexadecimal}",
    "Upyun": lambda s: f"{FILE}?_upt={s.md5[:8]}{s.seconds}",
    "LinkedIn": lambda s: f"{FILE}?e={s.seconds}&v=beta&t={s.web}",
    "Meta": lambda s: f"{CDN}/v/t39/1_n.jpg?stp=dst-jpg&_nc_ohc={s.short}&oh=00_{s.web}&oe={s.hexadecimal.upper()}",
    "Sina": lambda s: f"{FILE}?KID=unistore%2Cvideo&Expires={s.seconds}&ssig={s.short[:10]}",
    "nginx": lambda s: f"{FILE}?md5={s.short}&expires={s.seconds}",
    "nginx, short": lambda s: f"{FILE}?st={s.short}&e={s.seconds}",
    "CDN77": lambda s: f"{CDN}/{s.short},{s.seconds}/season/cat.mp4",
    "a JSON web token": lambda s: f"{FILE}?jwt={s.jwt}",
    "a policy": lambda s: f"{FILE}?policy={s.web}&credential=k&sig={s.web}",
    "a token alone": lambda s: f"{CDN}/0b9c5f0a-4a52-4b8e-9f5e-7d3c2b1a0f9e?access_token={s.web}",
    "an end alone": lambda s: f"{FILE}?expiresAt={s.time:%Y-%m-%dT%H:%M:%SZ}",
    "a key beside its end": lambda s: f"{FILE}?key={s.md5}&exp={s.seconds}000",
    "a name of many words": lambda s: f"{FILE}?X-Download_Signature={s.sha1}&valid-until={s.seconds}",
    "Cloudflare": lambda s: f"{FILE}?verify={s.seconds}-{s.quoted}",
    "an e-mail's date": lambda s: f"{FILE}?expires={s.time:%a, %d %b %Y %H:%M:%S GMT}".replace(" ", "%20"),
}

SIGNERS = [Signer(number) for number in range(200)]


@pytest.mark.parametrize("sign", SIGNED.values(), ids=SIGNED.keys())
def test_a_link_that_is_signed_anew_is_the_same_link(sign: Callable[[Signer], str]) -> None:
    # Many, since a signature that looks like a word once in a thousand times would be a second bill then.
    read = {read_link(sign(signer)).text for signer in SIGNERS}
    assert len(read) == 1
    (text,) = read
    assert read_link(text).text == text
    assert not any(read_link(sign(signer)).doubtful for signer in SIGNERS)
    assert all(read_link(sign(signer)).left_out for signer in SIGNERS)


@pytest.mark.parametrize("sign", SIGNED.values(), ids=SIGNED.keys())
def test_another_file_signed_the_same_way_is_another_link(sign: Callable[[Signer], str]) -> None:
    link = sign(SIGNERS[0])
    for name, other in [("cat", "dog"), ("/1/2/", "/1/3/"), ("/a/b", "/a/c"), ("0a1b", "0a1c"), ("1_n", "2_n")]:
        if name in link.partition("?")[0]:
            assert read_link(link.replace(name, other, 1)).text != read_link(link).text
    separator = "&" if "?" in link else "?"
    for choice in ("versionId=7", "x-oss-process=image%2Fresize", "w=64", "v=1795348800", "format=webp", "page=2"):
        assert read_link(f"{link}{separator}{choice}").text != read_link(link).text, choice
    assert read_link(link.replace(CDN, "https://other.example.com").replace("x.", "y.", 1)).text != read_link(link).text


@pytest.mark.parametrize("sign", SIGNED.values(), ids=SIGNED.keys())
def test_the_order_and_the_spelling_of_parameters_change_nothing(sign: Callable[[Signer], str]) -> None:
    address, _, query = sign(SIGNERS[1]).partition("?")
    if not query:
        return
    pieces = [*query.strip("&").split("&"), "versionId=3"]
    expected = read_link(f"{address}?{'&'.join(pieces)}").text
    for _ in range(5):
        DICE.shuffle(pieces)
        assert read_link(f"{address}?{'&'.join(pieces)}").text == expected
    odd = [re.sub(r"^[a-zA-Z]", lambda found: f"%{ord(found[0]):02x}", each) for each in pieces if "=" in each]
    rest = [each for each in pieces if "=" not in each]
    assert read_link(f"{address}?&{'&'.join([*odd, *rest])}&").text == expected
    assert (
        read_link(f"{address}?{'&'.join([*pieces, *pieces])}").left_out
        == read_link(f"{address}?{'&'.join(pieces)}").left_out
    )


HEX, OTHER_HEX = SIGNERS[0].md5, SIGNERS[1].md5
SECRET, OTHER_SECRET = SIGNERS[0].web, SIGNERS[1].web


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("/cat.png?t=1795348800", "/cat.png?t=1795348801", id="a newer picture, by its time"),
        pytest.param("/cat.png?timestamp=1795348800", "/cat.png?timestamp=1795348801", id="by its timestamp"),
        pytest.param(f"/cat.png?hash={HEX}", f"/cat.png?hash={OTHER_HEX}", id="by its hash"),
        pytest.param(f"/cat.png?hash={HEX}&t=1795348800", f"/cat.png?hash={OTHER_HEX}&t=1795348801", id="by both"),
        pytest.param(f"/image?token={SECRET}", f"/image?token={OTHER_SECRET}", id="a token that chooses"),
        pytest.param(f"/image.png?token={SECRET}", f"/image.png?token={OTHER_SECRET}", id="a token for any image"),
        pytest.param(f"/out/output_1.mp4?sig={SECRET}", f"/out/output_1.mp4?sig={OTHER_SECRET}", id="any output"),
        pytest.param(f"/download?key={HEX}&exp=1795348800", f"/download?key={OTHER_HEX}&exp=1795348800", id="a key"),
        pytest.param(f"/render.php?sign={HEX}&t=1795348800", f"/render.php?sign={OTHER_HEX}&t=1795348801", id="script"),
        pytest.param(f"/avatar.png?token={HEX}", f"/avatar.png?token={OTHER_HEX}", id="whose avatar"),
        pytest.param(f"/snapshot.jpg?token={SECRET}", f"/snapshot.jpg?token={OTHER_SECRET}", id="which camera"),
        pytest.param(f"/getImage.jpg?token={SECRET}", f"/getImage.jpg?token={OTHER_SECRET}", id="a name of two words"),
        pytest.param(f"/1.png?token={HEX}", f"/1.png?token={OTHER_HEX}", id="a number for a name"),
        pytest.param(f"/frame_0001.png?token={HEX}", f"/frame_0001.png?token={OTHER_HEX}", id="a counted frame"),
        pytest.param(f"/%E5%B0%81%E9%9D%A2.png?sig={HEX}", f"/%E5%B0%81%E9%9D%A2.png?sig={OTHER_HEX}", id="in Chinese"),
        pytest.param(f"/cat.png?file_token={HEX}", f"/cat.png?file_token={OTHER_HEX}", id="the token of a file"),
        pytest.param(f"/image.jpg?k={HEX}&t=1795348800", f"/image.jpg?k={OTHER_HEX}&t=1795348801", id="k and t"),
        pytest.param("/storage/v1/object/sign/a?token=1", "/storage/v1/object/sign/a?token=2", id="no object's name"),
        pytest.param(f"/{HEX}/1795348800/0.png", f"/{OTHER_HEX}/1795348801/0.png", id="a job's first image"),
        pytest.param(f"/{HEX}/1795348800/results/0.png", f"/{OTHER_HEX}/1795348801/results/0.png", id="its results"),
        pytest.param(
            f"/{HEX}/1795348800/ComfyUI_00001_.png", f"/{OTHER_HEX}/1795348801/ComfyUI_00001_.png", id="a tool's output"
        ),
        pytest.param(f"/202611221200/{HEX}/cover.jpg", f"/202611221201/{OTHER_HEX}/cover.jpg", id="a job's cover"),
        pytest.param("/view?id=1795348800", "/view?id=1795348801", id="a number that is no time"),
        pytest.param(f"/cat.png?id={HEX}&token={SECRET}", f"/cat.png?id={OTHER_HEX}&token={SECRET}", id="an id"),
        pytest.param("/cat.png?token=winter", "/cat.png?token=summer", id="a word"),
        pytest.param("/cat.png?token=a-long-name-in-words", "/cat.png?token=another-name-in-words", id="words"),
        pytest.param("/cat.png?expires=60", "/cat.png?expires=61", id="no time"),
        pytest.param("/cat.png?key=1;token=a", "/cat.png?key=2;token=a", id="a semicolon"),
        pytest.param(f"/cat.png?versionId={SECRET}", f"/cat.png?versionId={OTHER_SECRET}", id="versionId"),
        pytest.param(f"/cat.png?etag={HEX}", f"/cat.png?etag={OTHER_HEX}", id="etag"),
        pytest.param(f"/cat.png?{SECRET}", f"/cat.png?{OTHER_SECRET}", id="no name"),
        pytest.param(f"/202611221200/{HEX}/output.mp4", f"/202611221201/{OTHER_HEX}/output.mp4", id="outputs of jobs"),
        pytest.param(f"/202611221200/{HEX}/out/clip.mp4", f"/202611221200/{OTHER_HEX}/out/clip.mp4", id="a job's clip"),
        pytest.param(f"/{HEX}/1795348800/image.png", f"/{OTHER_HEX}/1795348801/image.png", id="uploads"),
        pytest.param(f"/202613221200/{HEX}/cat.png", f"/202614221200/{HEX}/cat.png", id="no minute"),
        pytest.param(f"/{HEX}/v1/cat.png", f"/{OTHER_HEX}/v1/cat.png", id="by content"),
        pytest.param("/s--AbCdEfGh--/cat.png", "/s--HgFeDcBa--/cat.png", id="Cloudinary's signature is stable"),
        pytest.param("/a/../cat.png", "/cat.png", id="a key may hold dots"),
        pytest.param("/cat.png#1", "/cat.png#2", id="a name with an unescaped #"),
        pytest.param("/Cat.png", "/cat.png", id="a path has its case"),
        pytest.param("/cat%2Fa.png", "/cat/a.png", id="an escaped slash"),
    ],
)
def test_what_may_be_another_file_is_another_link(one: str, other: str) -> None:
    assert read_link(CDN + one).text != read_link(CDN + other).text
    assert not read_link(CDN + one).left_out or "id=" in one


@pytest.mark.parametrize(
    "spelling",
    [
        "HTTPS://cdn.example.com/season/cat.png?v=~1",
        "https://CDN.Example.COM/season/cat.png?v=~1",
        "https://cdn.example.com:443/season/cat.png?v=~1",
        "https://cdn.example.com:/season/cat.png?v=~1",
        "https://me:secret@cdn.example.com/season/cat.png?v=~1",
        "https://cdn.example.com/%73eason/cat%2epng?v=%7e1",
    ],
)
def test_what_no_client_tells_apart_is_one_link(spelling: str) -> None:
    assert media_identity(spelling) == f"{FILE}?v=~1"


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("date", "2026-11-27", "2026-11-28"),
        ("time", "2026-11-27T10:00:00Z", "2026-11-27T11:00:00Z"),
        ("start", "20261127T100000Z", "20261127T110000Z"),
    ],
)
def test_a_date_that_is_asked_for_counts_beside_a_token(name: str, one: str, other: str) -> None:
    links = [read_link(f"{CDN}/rainfall-over-rome.png?{name}={day}&token={HEX}") for day in (one, other)]
    assert links[0].text != links[1].text
    assert all(link.left_out == ("token",) and link.doubtful == (name,) for link in links)


def test_whose_avatar_it_is_counts_beside_an_end() -> None:
    links = [read_link(f"{CDN}/avatar.png?uid={each.uuid}&expires={each.seconds}") for each in SIGNERS[:2]]
    assert links[0].text != links[1].text


@pytest.mark.parametrize("name", ["IMG_1234.jpg", "image-20261127033604.png", "cover-of-may.jpg", "84213.png"])
def test_a_name_that_names_one_file_is_known_by_its_signature_alone(name: str) -> None:
    assert {read_link(f"{CDN}/{name}?token={each.md5}").text for each in SIGNERS} == {f"{CDN}/{name}"}


def test_an_end_with_a_fraction_is_left_out_and_one_of_another_form_is_told() -> None:
    assert read_link(f"{FILE}?expires=1795348800.25&signature={HEX}").text == FILE
    assert read_link(f"{FILE}?expires=Fri+Nov+27+2026&signature={HEX}").doubtful == ("expires",)


def test_another_port_is_another_link() -> None:
    assert len({media_identity(f"https://h.example.com{port}/a.png") for port in ("", ":80", ":8443")}) == 3
    assert media_identity("http://[::1]:80/a.png") == "http://[::1]/a.png"


def test_only_headers_of_the_answer_are_left_out_beside_the_signature_of_a_store() -> None:
    kept = "response-content-type=image%2Fpng&x-amz-signature=1"
    signed = f"{FILE}?response-content-disposition=attachment%3Bfilename%3D7&response-expires=1&{kept}"
    assert read_link(signed).text == f"{FILE}?response-content-type=image%2Fpng"
    assert "response-content-disposition" in read_link(f"{FILE}?response-content-disposition=7").text


# Any text at all.

HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(categories=("Cs", "Cc", "Cf", "Lo", "Nd"))),
    st.text(alphabet="&=?#%/:@[].;+0aF~"),
)


@example(start=f"{FILE}?", rest="%%34%31=%3%41")
@example(start="https://h/", rest="%%34%31%3%41")
@example(start="https://", rest="::")
@given(start=st.sampled_from(["", "https://", "http://", "HTTPS://[", "https://h/", f"{FILE}?"]), rest=HOSTILE)
def test_no_text_is_too_odd(start: str, rest: str) -> None:
    link = read_link(start + rest)
    assert read_link(link.text).text == link.text
    request = VideoRequest.model_construct(**VideoRequest(prompt="x").model_dump() | {"images": [start + rest]})
    told = signatures_left_out(request) + [str(notice) for notice in link_notices(request)]
    assert all(each.isprintable() for each in told)
    assert len(identify(request, scope=ALWAYS, account="a", media=lambda text: read_link(text).text).intent) == 32


@pytest.mark.parametrize(
    "link",
    [
        f"{FILE}?{'a=1&' * 20_000}",
        f"{FILE}?token={'a' * 100_000}",
        f"{FILE}?{'x-a-signature=1&' * 6_000}",
        f"{FILE}?x={'exp=1795348800~' * 6_000}",
        f"{FILE}?x={'1795348800-' * 9_000}",
        f"{CDN}/{'~exp=1795348800~' * 6_000}/a.png",
        f"{CDN}/{'a/' * 50_000}",
        f"{CDN}/{'x.png.' * 16_000}",
        f"https://{'a' * 100_000}",
    ],
    ids=lambda link: link[:40],
)
def test_a_long_link_is_read_in_linear_time(link: str) -> None:
    assert len(read_link(link).text) <= len(link) + 1


# What people are told.


def asked(*images: str) -> VideoRequest:
    return VideoRequest(prompt="x", images=[*images])


def test_what_is_left_out_is_told_by_name_alone() -> None:
    plain, signed = f"{CDN}/a.png", f"{FILE}?Token={SECRET}&Expires=1795348800&w=3"
    (told,) = signatures_left_out(asked(plain, signed))
    assert told.startswith("images[1]: ") and "token, expires" in told
    assert SECRET not in told and "1795348800" not in told and "w" not in told.split()


@pytest.mark.parametrize(
    ("link", "name"),
    [
        (f"/image?token={SECRET}", "token"),
        (f"/cat.png?t={SIGNERS[0].seconds}", "t"),
        (f"/cat.png?sig={SECRET[:10]}", "sig"),
        (f"/cat.png?odd={HEX}", "odd"),
        (f"/cat.png?odd={SIGNERS[0].jwt}", "odd"),
        (f"/cat.png?_={SIGNERS[0].seconds}123", "_"),
        (f"/cat.png?{SECRET.rstrip('=')}", "without a name"),
        (f"/cat.png?{SECRET}={SECRET}", "an odd name"),
        (f"/202611221200/{HEX}/output.mp4", "in the path"),
    ],
)
def test_what_still_looks_signed_is_warned_about_by_name_alone(link: str, name: str) -> None:
    (notice,) = link_notices(asked(f"{CDN}/a.png", CDN + link))
    assert notice.level == "warn" and notice.field == "images[1]"
    assert re.search(rf"\b{re.escape(name)}\b" if name != "_" else "_ may", str(notice))
    assert SECRET not in str(notice) and HEX not in str(notice) and SIGNERS[0].seconds not in str(notice)


@pytest.mark.parametrize(
    "query",
    ["", "?versionId=" + SECRET, "?v=1795348800", "?w=1080&h=1920", "?id=" + HEX, "?x-oss-process=image/resize,w_300"],
)
def test_nothing_is_said_about_an_ordinary_link(query: str) -> None:
    assert link_notices(asked(FILE + query)) == signatures_left_out(asked(FILE + query)) == []


def test_nothing_is_said_about_what_is_no_link() -> None:
    request = VideoRequest.model_construct(
        prompt="x", images=[f"asset://a?token={SECRET}", f"/data/cat.png?token={SECRET}"]
    )
    assert link_notices(request) == signatures_left_out(request) == []


# What a user leaves out.


def test_a_user_may_name_parameters_to_leave_out() -> None:
    links = [f"{CDN}/image?odd%5fone={value}&id=7" for value in (SECRET, OTHER_SECRET)]
    assert len({read_link(link).text for link in links}) == 2
    assert {read_link(link, ["Odd_One"]).text for link in links} == {f"{CDN}/image?id=7"}
    assert link_notices(asked(links[0]), ["odd_one"]) == []
    intents = {intent_of(asked(link), scope="", account="a", ignored_parameters=["odd_one"]) for link in links}
    assert len(intents) == 1


def test_what_a_user_leaves_out_changes_nothing_else() -> None:
    request = asked(f"{FILE}?w=3", f"{CDN}/a.png")
    names = ["token", "odd"]
    assert canonical(request) == canonical(request, ignored_parameters=names)


def test_random_text_of_every_alphabet_counts_as_a_signature() -> None:
    alphabets = [string.ascii_letters, string.ascii_letters + string.digits, "abcdef" + string.digits]
    for alphabet in alphabets:
        for _ in range(3_000):
            text = "".join(DICE.choices(alphabet, k=32))
            assert read_link(f"{FILE}?signature={text}").text == FILE
