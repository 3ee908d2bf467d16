"""How services sign links, as data: which parts of a link are its signature, and so change each time it is signed.

A row of `SIGNING_SCHEMES` is certain: its marks are names, or values, that nothing else has. The generic names below
it are not, since another service may name its files by them, so `media_identity` asks more before it drops one.

Every change here changes the identity of links, and a link of another identity is another bill: rows may be added
for services that nobody could use so far, and the golden intents must stay.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal
from urllib.parse import parse_qsl, unquote

#: One parameter: its name, decoded and in lower case, and its decoded value.
Parameter = tuple[str, str]

Needs = Literal["", "media file", "one file"]


# What a value looks like.

_DIGEST = r"[0-9a-fA-F]{32,128}"
_DIGITAL_TIME = r"[123]\d{9}(?:\d{3}){0,2}"  # since 1970, in seconds, milliseconds or microseconds
_HEXADECIMAL_TIME = r"[5-9a-c][0-9a-f]{7}"  # seconds, 2012 to 2079
_MINUTE = r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d"

# Values by their look.
_SHAPES = {
    "time": rf"{_DIGITAL_TIME}(?:\.\d{{1,9}})?|(?i:{_HEXADECIMAL_TIME})|{_MINUTE}(?:[0-5]\d)?|20\d{{6}}T\d{{6}}Z?"
    r"|20\d\d-\d\d-\d\d(?:[T ]\d\d:?\d\d(?::?\d\d(?:\.\d{1,9})?)?(?:Z|[+\- ]\d\d:?\d\d)?)?"
    r"|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT",
    "digest": _DIGEST,
    # Aliyun's type A, and its likes: time, random text, user, digest.
    "dashed": rf"{_DIGITAL_TIME}-[^-]{{1,100}}-[^-]{{1,100}}-{_DIGEST}",
    "akamai": r"(?=.*(?:^|[~=])exp=\d{9,11}~).*(?:^|[~=])hmac=[0-9a-fA-F]{32,}.*",
    "qiniu": r"[\w-]{16,}:[\w-]{27}=?",
    "bce": r"bce-auth-v\d.*",
    "cos": r"q-sign-algorithm=.*",
    "jwt": r"ey[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}",
    "upyun": r"[0-9a-f]{8}\d{10}",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    # Folders of a path.
    "minute": _MINUTE,
    "seconds": rf"[123]\d{{9}}|(?i:{_HEXADECIMAL_TIME})",
    "bunny": r"bcdn_token=.*",
    "cdn77": r"[\w-]{22},[123]\d{9}",
}
SHAPES = {name: re.compile(pattern, re.ASCII | re.DOTALL) for name, pattern in _SHAPES.items()}
_SIGNATURES = ("digest", "dashed", "akamai", "qiniu", "bce", "cos", "jwt", "upyun", "uuid")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{16,}")
_TEXT_OF_BYTES = re.compile(r"[0-9A-Za-z+/_=.:~ \-]+")  # a plus sign that is not escaped is read as a space
_WORDS = re.compile(r"(?:(?:[A-Z]?[a-z]+|[A-Z]+|[0-9]+)[+/_=.:~ \-]+)*(?:[A-Z]?[a-z]+|[A-Z]+|[0-9]+)?")
_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]+")


def looks_like(value: str, shape: str) -> bool:
    """Return whether a value has the look of ``time``, ``signature`` or another one of `SHAPES`.

    Example:
        >>> looks_like("1795348800", "time"), looks_like("9f86d081884c7d659a2feaa0c55ad015", "signature")
        (True, True)
    """
    if shape != "signature":
        return SHAPES[shape].fullmatch(value) is not None
    return any(SHAPES[each].fullmatch(value) for each in _SIGNATURES) or _random(value)


def _random(value: str) -> bool:
    """Return whether a value is random characters, and neither words nor a plain number.

    A signature that is taken for words is a second bill, so not even one in a thousand may be. Hence the test is not
    for digits or capitals, but for how often the kind of character changes: in base64 at two places of three.
    """
    text = value.rstrip("=")
    if _HEXADECIMAL.fullmatch(text):
        return not text.isdecimal()
    if len(text) < 20 or not _TEXT_OF_BYTES.fullmatch(text) or _WORDS.fullmatch(text):
        return False
    kinds = [_kind(each) for each in text]
    changes = sum(one != other and "" not in (one, other) for one, other in pairwise(kinds))
    return changes >= len(text) / 6 or (changes > 0 and "" not in kinds)


def _kind(character: str) -> str:
    if character.isdecimal():
        return "digit"
    return ("capital" if character.isupper() else "small letter") if character.isalpha() else ""


# The schemes.


@dataclass(frozen=True)
class SigningScheme:
    """How one service signs links.

    Attributes:
        name: The service.
        marks: What must be there for the scheme to be recognised: patterns of names, each with the look of its value
            or "".
        drops: Names that belong to the signature, or that choose no other content.
        keeps: Names that ``drops`` would match and that change what is fetched.
        path: What the path must begin with.
        needs: What the path must name besides, where the marks are so common that other services have them too.
    """

    name: str
    marks: tuple[tuple[re.Pattern[str], str], ...]
    drops: re.Pattern[str]
    keeps: re.Pattern[str]
    path: re.Pattern[str]
    needs: Needs

    def signs(self, path: str, parameters: list[Parameter]) -> bool:
        """Return whether a link is signed this way."""
        return (
            self.path.match(path) is not None
            and all(
                any(name.fullmatch(each[0]) and (not look or looks_like(each[1], look)) for each in parameters)
                for name, look in self.marks
            )
            and (not self.needs or names_one_file(path) or (self.needs == "media file" and names_media(path)))
        )

    def owns(self, name: str) -> bool:
        """Return whether a parameter is part of the signature."""
        return self.keeps.fullmatch(name) is None and self.drops.fullmatch(name) is not None


def _names(patterns: str) -> re.Pattern[str]:
    """Compile names in lower case, in which ``*`` stands for any text."""
    return re.compile("|".join(re.escape(each).replace(r"\*", ".*") for each in patterns.split()) or r"(?!)", re.DOTALL)


def _scheme(name: str, marks: str, drops: str, keeps: str = "", *, path: str = "", needs: Needs = "") -> SigningScheme:
    split = (mark.partition("=") for mark in marks.split())
    looks = tuple((_names(pattern), look) for pattern, _, look in split)
    return SigningScheme(name, looks, _names(drops), _names(keeps), re.compile(path), needs)


#: What an object store is asked to write into the answer's headers: the bytes are the same.
_HEADERS = "response-content-disposition response-content-language response-cache-control response-expires"

SIGNING_SCHEMES: tuple[SigningScheme, ...] = (
    # Object stores.
    _scheme("AWS signature version 4", "x-amz-signature", f"x-amz-* x-id {_HEADERS}"),
    _scheme("Google Cloud Storage, version 4", "x-goog-signature", f"x-goog-* {_HEADERS}"),
    _scheme("Google Cloud Storage, version 2", "googleaccessid signature", "googleaccessid signature expires"),
    _scheme(
        "Aliyun OSS, version 4",
        "x-oss-signature",
        "x-oss-signature x-oss-signature-version x-oss-credential x-oss-date x-oss-expires x-oss-security-token "
        f"x-oss-additional-headers {_HEADERS}",
    ),
    _scheme("Tencent COS", "q-signature q-ak", f"q-* x-cos-security-token {_HEADERS}"),
    _scheme("Tencent COS, in one parameter", "sign=cos", "sign x-cos-security-token"),
    _scheme("Volcengine TOS", "x-tos-signature", f"x-tos-* {_HEADERS}", keeps="x-tos-process"),
    _scheme(
        "version 4 of any other store",
        "x-*-signature x-*-credential",
        "x-*-signature x-*-credential x-*-algorithm x-*-date x-*-expires x-*-signedheaders x-*-security-token",
    ),
    # AWS version 2, OSS version 1, OBS, Kingsoft KS3, NetEase NOS.
    _scheme(
        "version 2 of any store",
        "*accesskeyid signature",
        f"*accesskeyid signature expires security-token x-amz-security-token x-obs-security-token {_HEADERS}",
    ),
    _scheme("QingStor", "access_key_id signature", f"access_key_id signature expires {_HEADERS}"),
    _scheme("UCloud", "ucloudpublickey signature", "ucloudpublickey signature expires"),
    _scheme("Baidu BOS", "authorization=bce", "authorization x-bce-security-token x-bce-date"),
    _scheme("Qiniu", "e=time token=qiniu", "e token"),
    _scheme(
        "Azure shared access signature",
        "sig sv",
        "sig sv ss srt sr sp st se spr sip si skoid sktid skt ske sks skv saoid suoid scid sdd ses rscc rscd rscl",
    ),
    _scheme("Supabase", "token", "token", path=r"/storage/v1/(?:object|render/image)/sign/[^/]+/."),
    # An access token of the file that the path names; it changes when it is revoked.
    _scheme("Firebase", "token", "token", path=r"/v0/b/[^/]+/o/."),
    # Content networks.
    _scheme("CloudFront", "key-pair-id signature", "key-pair-id signature expires policy hash-algorithm"),
    _scheme("Google Cloud CDN", "keyname signature", "keyname signature expires urlprefix"),
    _scheme("Aliyun CDN, Huawei CDN and Volcengine CDN, type A", "auth_key=dashed", "auth_key"),
    _scheme("Huawei CDN, type C", "auth_key=signature timestamp=time", "auth_key timestamp", needs="media file"),
    _scheme("Tencent CDN, type A", "sign=dashed", "sign"),
    # Also Volcengine, Aliyun type E, Qiniu, Tencent VOD (``us`` is its random text; ``exper`` cuts the video short).
    _scheme("Tencent CDN, type D", "sign=signature t=time", "sign t us", needs="media file"),
    _scheme("Kingsoft CDN", "k=digest t=time", "k t", needs="one file"),
    _scheme("Tencent live", "txsecret txtime", "txsecret txtime"),
    _scheme("Wangsu", "wssecret wstime", "wssecret wstime keeptime"),
    _scheme("Upyun", "_upt=upyun", "_upt"),
    _scheme("ByteDance", "x-expires x-signature*", "x-expires x-signature x-signature-* nonce refresh_token"),
    _scheme("Discord", "ex=time is=time hm=digest", "ex is hm"),
    _scheme(
        "Bunny",
        "token=signature expires=time",
        "token expires token_path token_countries token_countries_blocked token_ver",
        needs="media file",
    ),
    *(
        _scheme("Akamai", name, name)
        for name in ("hdnts", "hdnea", "hdntl", "__token__", "__gda__", "__cld_token__", "edge-cache-token")
    ),
    _scheme("nginx", "st=signature e=time", "st e", needs="media file"),
    _scheme("LinkedIn", "e=time t=signature", "e t", needs="media file"),
    _scheme("Meta", "oh oe=time", "oh oe _nc_*"),
    _scheme("Sina", "ssig kid", "ssig kid expires"),
    # Over the path and the other parameters, so two pictures differ without it too.
    _scheme("imgix", "s=digest", "s ixlib", needs="one file"),
)

#: Signatures in the path, by the look of the first folders. Uploads and outputs of jobs may lie in such folders too, so
#: they are left out only where the rest names one file.
SIGNED_FOLDERS = (
    ("minute", "digest"),  # type B of Aliyun, Huawei, Tencent and Volcengine: /YYYYmmddHHMM/digest/file
    ("digest", "seconds"),  # their type C: /digest/time/file
    ("cdn77",),
)
#: Folders that can be nothing but a signature, wherever they stand.
CERTAIN_FOLDERS = ("akamai", "bunny")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Names that say "signature", written without their separators.
SIGNATURE_NAMES = _set(
    "token sign sig signature hmac auth authkey authorization jwt policy credential credentials secure secret "
    "verify tempauth"
)
_SIGNATURE_ENDINGS = ("token", "signature", "hmac", "jwt", "authkey")
#: Tokens that stand for a file or a page, and sign nothing.
_CONTENT_TOKENS = ("filetoken", "pagetoken", "nodetoken", "objtoken", "seedtoken")

#: Names that say when a link ends, written without their separators.
EXPIRY_NAMES = _set(
    "exp expires expire expiry expiration expiresat expireat expiresin expiretime expirytime expirationtime deadline "
    "xexpires validuntil validto notafter"
)

#: Names that signatures use and versions of a file as well: ``cat.png?t=1795348800`` may be a newer picture.
AMBIGUOUS_NAMES = _set(
    "e t ts st et time timestamp date ex start starttime iat nbf signtime issued key hash h s k md5 sha sha1 sha256 "
    "digest nonce rand uid keyid kid"
)

#: Of these, the names by which maps, charts and archives are asked for a day: dropped where the time is a number, kept
#: where it is written as a date.
CALENDAR_NAMES = _set("date time start starttime")
WRITTEN_DATE = re.compile(r"20\d\d-?[01]\d|[A-Z]", re.ASCII)

#: Names that choose a file, or a version or a form of it. Their values may look random, and are never a signature.
CONTENT_NAMES = _set("v ver rev revision generation etag")
_CONTENT_ENDINGS = ("version", "process", "id", "name", "file", "path", "url", "uri", "src")


def plain(name: str) -> str:
    """Return a parameter's name without what separates its words: ``X-Auth_Key`` is ``xauthkey``."""
    return _NOT_ALPHANUMERIC.sub("", name).lower()


def says_content(name: str) -> bool:
    """Return whether a name, made `plain`, says that the parameter chooses what is fetched."""
    return name not in AMBIGUOUS_NAMES and (name in CONTENT_NAMES or name.endswith(_CONTENT_ENDINGS))


def says_signature(name: str) -> bool:
    """Return whether a name, made `plain`, says that the parameter is a signature."""
    return name in SIGNATURE_NAMES or (name.endswith(_SIGNATURE_ENDINGS) and not name.endswith(_CONTENT_TOKENS))


#: Of the names that say "signature", those that are also what a sentence is about: ``policy: violence``.
_SENTENCE_NAMES = _set("policy secure verify credential credentials auth")
#: Names of what opens an account rather than one link. No link is told from another by them.
_ACCOUNT_NAMES = _set(
    "apikey accesskey secretkey accountkey accesskeysecret secretaccesskey clientsecret password passwd cookie "
    "setcookie sessionid jsessionid phpsessid"
)
_ACCOUNT_ENDINGS = ("apikey", "password", "secret", "sessionid")
#: Names with fewer letters sign nothing by themselves.
_LEAST_LETTERS = 3


@lru_cache(maxsize=4096)
def names_a_signature(name: str) -> bool:
    """Return whether a parameter or header of this name may grant access, so that its value is not shown to anybody.

    Wider than what `media_identity` leaves out: a value that is not shown costs nobody a second video.

    Example:
        >>> [names_a_signature(name) for name in ("X-Amz-Credential", "OSSAccessKeyId", "sig", "width")]
        [True, True, True, False]
    """
    lower, letters = name.lower(), plain(name)
    if says_signature(letters) or letters in EXPIRY_NAMES or _opens_an_account(letters):
        return True
    return len(letters) >= _LEAST_LETTERS and any(scheme.owns(lower) for scheme in SIGNING_SCHEMES)


def _opens_an_account(name: str) -> bool:
    return name in _ACCOUNT_NAMES or name.endswith(_ACCOUNT_ENDINGS)


def says_signature_alone(name: str) -> bool:
    """Return whether a name can hardly be anything but that of a signature, whatever its value looks like."""
    letters = plain(name)
    return (says_signature(letters) and letters not in _SENTENCE_NAMES) or (
        name.lower().startswith("x-") and names_a_signature(name)
    )


# What the path says.

_MEDIA_FILE = re.compile(
    r"(?P<stem>[^/]+)\.(?:jpe?g|jfif|png|webp|bmp|tiff?|gif|hei[cf]|avif|svg|image|mp4|m4v|mov|webm|mkv|avi|mpe?g|ts|3gp"
    r"|wmv|flv|mp3|wav|m4a|aac|flac|ogg|oga|opus|wma)",
    re.IGNORECASE | re.ASCII,
)
_RANDOM_FILE = re.compile(r"[\w-]{20,}", re.ASCII)
#: Common words in the names of files and routes that answer with a picture. Such a name does not say which picture it
#: is: the query or the folders may.
_ANY_FILE = _set(
    "api asset attachment audio avatar banner barcode cam camera captcha cdn chart clip comfy comfyui content cover "
    "current data default display download export fetch file final first frame full generated get icon image img "
    "index input item job large last latest live load logo main map master media medium movie original out output "
    "page photo pic picture play playback player poster preview private profile public qr qrcode radar raw render "
    "rendered result scan screenshot show small snapshot sound source src static storage stream streaming task temp "
    "thumb thumbnail tile tmp ui upload uploaded user video view viewer "
    "\u4e0b\u8f7d \u56fe\u50cf \u56fe\u7247 \u5934\u50cf \u5c01\u9762 "
    "\u6587\u4ef6 \u7167\u7247 \u7d20\u6750 \u89c6\u9891 \u97f3\u9891"
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+")
#: Digits that only count: more of them are an id or a time, and name one file. ``IMG_1234`` is a camera's name.
_COUNTER = re.compile(r"\d{0,3}|0\d{3,5}", re.ASCII)


def names_media(path: str) -> bool:
    """Return whether a path ends with the name of a media file, however common that name."""
    return _MEDIA_FILE.fullmatch(path.rpartition("/")[2]) is not None


def names_one_file(path: str) -> bool:
    """Return whether a path names one file, so that the query hardly chooses among files.

    Example:
        >>> names_one_file("/a/cat.png"), names_one_file("/download"), names_one_file("/render/image.png")
        (True, False, False)
    """
    last = path.rpartition("/")[2]
    found = _MEDIA_FILE.fullmatch(last)
    if found is None:
        return _RANDOM_FILE.fullmatch(last) is not None and looks_like(last, "signature")
    return not _common(found["stem"])


def names_one_folder(path: str) -> bool:
    """Return whether a media file lies in a folder that says more of it than ``images/image.png`` does."""
    *folders, last = path.split("/")
    return names_media(last) and not all(_common(folder) for folder in folders)


def _common(name: str) -> bool:
    """Return whether a name consists of nothing but common words and a counter."""
    text = unquote(name)
    words = [] if text.lower() in _ANY_FILE else _WORD.findall(text)
    counter = "".join(word for word in words if word.isdecimal())
    return _COUNTER.fullmatch(counter) is not None and all(word.isdecimal() or _is_common(word) for word in words)


def _is_common(word: str) -> bool:
    return word.lower() in _ANY_FILE or word.lower().removesuffix("s") in _ANY_FILE


# Qiniu and nginx; Discord; Meta. All others are in EXPIRY_NAMES.
_SHORT_EXPIRY_NAMES = frozenset({"e", "ex", "oe"})
_VERSION_4_DATE = re.compile(r"x-(\w+)-date", re.ASCII)
_WRITTEN_MOMENTS = ("%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d")


def signature_ends_at(query: str) -> datetime | None:
    """Read when a signed link ends, by its parameters; None if they do not tell.

    Example:
        >>> signature_ends_at("X-Amz-Date=20260801T120000Z&X-Amz-Expires=600&X-Amz-Signature=ab").isoformat()
        '2026-08-01T12:10:00+00:00'
    """
    parameters = {name.lower(): value for name, value in parse_qsl(query)}
    ends = [_moment(parameters.get("se", "")), _moment(parameters.get("q-sign-time", "").partition(";")[2])]
    for name, value in parameters.items():
        if dated := _VERSION_4_DATE.fullmatch(name):
            begins, lives = _moment(value), parameters.get(f"x-{dated[1]}-expires", "")
            if begins is not None and re.fullmatch(r"[0-9]{1,8}", lives):
                with suppress(OverflowError):  # the end of the calendar
                    ends.append(begins + timedelta(seconds=int(lives)))
        elif plain(name) in EXPIRY_NAMES or name in _SHORT_EXPIRY_NAMES:
            ends.append(_moment(value))
    return min((each for each in ends if each is not None), default=None)


def _moment(text: str) -> datetime | None:
    if re.fullmatch(_DIGITAL_TIME, text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    if re.fullmatch(_HEXADECIMAL_TIME, text, re.IGNORECASE):
        return datetime.fromtimestamp(int(text, 16), UTC)
    for form in _WRITTEN_MOMENTS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
