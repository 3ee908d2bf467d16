"""How to reach a bucket and how to keep objects in it, checked before anything connects.

Imports nothing of AWS: a block may hold and check these settings without boto3 being loaded.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack
from urllib.parse import urlsplit

from pydantic import SecretStr

from prefect_seedance.network import is_ip_address
from prefect_seedance.storage.errors import BadKey, BadLocation
from prefect_seedance.storage.keys import check_prefix

Encryption = Literal["", "AES256", "aws:kms"]

SCHEME = "s3://"

#: S3 allows 1,024 bytes for a whole key, and a key inside the store may take 800 of them.
LONGEST_PREFIX_BYTES = 1024 - 800 - 1

CANNED_ACLS = (
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}|aws-global")
# Archives: a video is read again for its poster and to be compared, and from these it cannot be.
_UNREADABLE_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
_WORD = re.compile(r"[A-Z0-9_]*")
# No star or question mark: the key's name goes into an IAM policy, where they stand for others.
_KMS_NAME = re.compile(r"[\w:/.+=@-]*", re.ASCII)
_KMS_KEY = re.compile(
    r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:)?"
    r"(?(1)key/)(mrk-[0-9a-f]{32}|(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}))"
    r"|(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:)?alias/[\w/-]+",
    re.ASCII,
)
_TAG = re.compile(r"[\w\s+\-=.:/@]*")


class S3Options(TypedDict, total=False):
    """Everything of `S3Settings` beside the place itself."""

    region: str
    endpoint_url: str
    profile: str
    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr
    path_style: bool
    allow_http_endpoint: bool
    encryption: Encryption
    kms_key_id: str
    storage_class: str
    tags: Mapping[str, str]
    acl: str
    single_writer: bool


class LoadedOptions(S3Options, total=False):
    """What a saved block of prefect-aws brings besides."""

    verify: bool | str | None
    client_config: str


def _no_tags() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class S3Settings:
    """A place in a bucket, the way there, and how objects are kept. Empty text: not set, boto3's own default.

    Attributes:
        bucket: Name of the bucket.
        prefix: Under which all keys stand, without slashes at its ends.
        region: Of the bucket.
        endpoint_url: Of an S3-compatible store.
        profile: In the AWS configuration files.
        access_key_id: With `secret_access_key`; without both, boto3 looks for credentials in its usual places.
        secret_access_key: Never shown.
        session_token: For temporary keys. Never shown.
        path_style: Put the bucket into the path instead of the host name. Endpoints whose host is an address or
            a bare name get that anyway.
        allow_http_endpoint: Let an `endpoint_url` of another machine be plain http, in a private network.
        encryption: On the server: `AES256` or `aws:kms`; the bucket's default without.
        kms_key_id: With `aws:kms`: key id, alias or ARN.
        storage_class: Of all objects but the journal's.
        tags: Of all objects but the journal's and those in quarantine.
        acl: Of videos and posters; a canned one.
        single_writer: Only one process at a time writes here: needed, to submit at all, where the store ignores the
            conditions of a write. Threads and runs of that process are kept apart without them.
        verify: Whether the endpoint's certificate is verified, or by which file of certificates; None as boto3 does.
        client_config: More of botocore's `Config`, as JSON; what this package depends on is not taken from it.

    Raises:
        BadLocation: Saying which setting is wrong, and what to write instead.

    Example:
        >>> S3Settings("my-bucket", "videos").location
        's3://my-bucket/videos'
    """

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint_url: str = ""
    profile: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: SecretStr = field(default=SecretStr(""), repr=False)
    session_token: SecretStr = field(default=SecretStr(""), repr=False)
    path_style: bool = False
    allow_http_endpoint: bool = False
    encryption: Encryption = ""
    kms_key_id: str = ""
    storage_class: str = ""
    tags: Mapping[str, str] = field(default_factory=_no_tags, hash=False)
    acl: str = ""
    single_writer: bool = False
    verify: bool | str | None = None
    client_config: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint_url", _plain_address(self.endpoint_url))
        object.__setattr__(self, "region", self.region.strip())
        # Settings stand for an open store: what the caller does to the tags later must not make them equal to others.
        object.__setattr__(self, "tags", dict(self.tags))
        for reason in self._faults():
            raise BadLocation(self.location, reason)

    @classmethod
    def from_location(cls, location: str, **options: Unpack[LoadedOptions]) -> S3Settings:
        """Read `s3://bucket/prefix`.

        Args:
            location: The address; the prefix may be missing, and may end with a slash.
            options: Any other setting, by its name.

        Raises:
            BadLocation: Saying what is wrong with it.

        Example:
            >>> S3Settings.from_location("s3://my-bucket/videos/", region="eu-central-1").prefix
            'videos'
        """
        if not location.startswith(SCHEME):
            raise BadLocation(location, "it does not begin with s3://. Write s3://bucket/prefix.")
        bucket, _, prefix = location.removeprefix(SCHEME).partition("/")
        if "@" in bucket or ":" in bucket:
            raise BadLocation(
                location,
                "it has a user name, a password or a port in it. Write s3://bucket/prefix; keys and endpoint have "
                "settings of their own.",
            )
        return cls(bucket, prefix.removesuffix("/"), **options)

    @property
    def location(self) -> str:
        """The address of the place: `s3://bucket/prefix`."""
        return SCHEME + "/".join(part for part in (self.bucket, self.prefix) if part)

    @property
    def uses_path_style(self) -> bool:
        """Whether the bucket must stand in the path: it cannot be put before an address or a bare host name."""
        host = urlsplit(self.endpoint_url).hostname or ""
        return self.path_style or (bool(host) and ("." not in host or is_ip_address(host)))

    def _faults(self) -> list[str]:
        checks = (
            self._place_fault,
            self._endpoint_fault,
            self._region_fault,
            self._credentials_fault,
            self._keeping_fault,
        )
        return [fault for fault in (check() for check in checks) if fault]

    def _place_fault(self) -> str:
        bucket = self.bucket
        if not _BUCKET.fullmatch(bucket) or ".." in bucket or is_ip_address(bucket):
            return (
                "the bucket's name is not valid. It must be 3 to 63 characters: lower-case letters, "
                "digits, dots and hyphens, with a letter or a digit at both ends, and not an IP address."
            )
        if bucket.endswith("--x-s3"):
            return "it is a directory bucket, which does not list its keys in order. Use a general purpose bucket."
        try:
            check_prefix(self.prefix)
        except BadKey as error:
            return f"its prefix is wrong: {error.reason}."
        if self.prefix.endswith("/") or any(character in self.prefix for character in "?#"):
            return "its prefix ends with a slash, or has a ? or # in it."
        if len(self.prefix.encode()) > LONGEST_PREFIX_BYTES:
            return f"its prefix is longer than {LONGEST_PREFIX_BYTES} bytes."
        return ""

    def _endpoint_fault(self) -> str:
        if not self.endpoint_url:
            return ""
        complete = "Write it as https://host or https://host:port."
        try:
            url = urlsplit(self.endpoint_url)
            host, port = url.hostname or "", url.port
        except ValueError:
            return f"endpoint_url has an invalid port or address. {complete}"
        if url.scheme not in ("http", "https") or not host:
            return f"endpoint_url is not a complete https:// address. {complete}"
        if "@" in url.netloc or any(mark in self.endpoint_url for mark in "?#"):
            return f"endpoint_url has more in it than host, port and path. {complete}"
        if port == 0:
            return f"endpoint_url has an invalid port. {complete}"
        if "_" in host:
            return (
                "endpoint_url has an underscore in its host, which is not a valid name, and boto3 refuses it. Name "
                "the host with a hyphen instead (in Docker Compose by a network alias), or write its IP address."
            )
        if "%" in host or (not is_ip_address(host) and not _HOST.fullmatch(host)):
            return f"endpoint_url has a host that is not a valid name. {complete}"
        if re.search(r"[^\x21-\x7e]", self.endpoint_url):
            return f"endpoint_url has a blank or another character that an address cannot have. {complete}"
        if host.startswith(f"{self.bucket}.") or url.path.rstrip("/").rpartition("/")[2] == self.bucket:
            return "endpoint_url has the bucket in it, which stands in the location already. Leave it out there."
        if url.scheme == "http" and not self.allow_http_endpoint and not is_loopback(host):
            return (
                "endpoint_url is plain http to another machine: everybody on the way can read the videos. Use "
                "https, or set allow_http_endpoint if the network is private."
            )
        return ""

    def _region_fault(self) -> str:
        if not self.region:
            return ""
        if self.endpoint_url:
            valid = re.fullmatch(r"(?![0-9]+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", self.region)
            return "" if valid else "region must be letters, digits and hyphens, such as us-east-1 or auto."
        return "" if _REGION.fullmatch(self.region) else "region is not a region of AWS; write it as eu-central-1."

    def _credentials_fault(self) -> str:
        secret, token = self.secret_access_key.get_secret_value(), self.session_token.get_secret_value()
        if bool(self.access_key_id) != bool(secret):
            return "access_key_id and secret_access_key go together: set both or neither."
        if token and not secret:
            return "session_token needs access_key_id and secret_access_key."
        if self.profile and secret:
            return "profile and access keys exclude each other: keep one."
        if secret and not secret.strip("*"):
            return "secret_access_key is made of asterisks: a masked value was passed on instead of the secret."
        return ""

    def _keeping_fault(self) -> str:
        if self.encryption not in ("", "AES256", "aws:kms"):
            return "encryption must be empty, AES256 or aws:kms."
        if self.kms_key_id and self.encryption != "aws:kms":
            return "kms_key_id needs encryption aws:kms."
        if not _KMS_NAME.fullmatch(self.kms_key_id):
            return "kms_key_id has a character that a key cannot have. Write its id, alias/NAME or its ARN."
        if self.kms_key_id and not self.endpoint_url and not _KMS_KEY.fullmatch(self.kms_key_id):
            return "kms_key_id is neither a key's id, nor alias/NAME, nor the ARN of one of them."
        if self.storage_class in _UNREADABLE_CLASSES:
            return (
                f"what is stored as {self.storage_class} cannot be read again for its poster. Store it otherwise "
                "and let a lifecycle rule of the bucket archive it."
            )
        if not _WORD.fullmatch(self.storage_class):
            return "storage_class must be in capitals, for example STANDARD_IA."
        if self.acl not in ("", *CANNED_ACLS):
            return f"acl must be empty or one of {', '.join(CANNED_ACLS)}."
        if len(self.tags) > 10:
            return "S3 takes at most 10 tags."
        for name, value in self.tags.items():
            if not (0 < len(name) <= 128 and len(value) <= 256 and _TAG.fullmatch(name) and _TAG.fullmatch(value)):
                return f"the tag {name[:130]!r} is too long, or has a character that S3 does not take."
        return ""


def _plain_address(endpoint_url: str) -> str:
    """Return an address as botocore takes it: host in small letters and ASCII, no dot or slash at its end."""
    text = endpoint_url.strip()
    scheme, mark, rest = text.partition("://")
    netloc, slash, path = rest.partition("/")
    host, colon, port = netloc.partition(":") if netloc.count(":") < 2 else (netloc, "", "")
    if not mark or not host or "@" in netloc:
        return text
    if not host.isascii():
        with suppress(UnicodeError):
            host = host.encode("idna").decode("ascii")
    path = f"{slash}{path}".rstrip("/")
    return f"{scheme.lower()}://{host.lower().removesuffix('.')}{colon}{port}{path}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this very machine, without asking a name server."""
    return host == "localhost" or (is_ip_address(host) and ipaddress.ip_address(host).is_loopback)
