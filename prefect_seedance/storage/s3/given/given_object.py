"""An object that a user names: with which credentials it can be read, what identifies it, and a link to it.

Its key is anybody's, and follows none of the store's own rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from prefect_seedance.redaction import hide
from prefect_seedance.storage.errors import Missing, NotReadable, StorageError, StoreUnavailable
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.s3.bucket import Bucket, with_region
from prefect_seedance.storage.s3.errors import code_of, status_of
from prefect_seedance.storage.s3.headers import whole_sha256
from prefect_seedance.storage.s3.reader import open_read
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.store import LONGEST_LINK_SECONDS, S3Store, credentials_end, open_s3_store

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef, HeadObjectOutputTypeDef

#: By how much a clock may be wrong: S3 refuses what is signed by one that is further off.
_CLOCK_SECONDS = 15 * 60
#: Storage classes and, of Intelligent-Tiering, tiers that cannot be read before the object is restored.
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"})
_NO_REGION = ("us-east-1", "aws-global")
_DEFAULT = "boto3's default credentials"
_ARCHIVED = "Have it restored from where its bucket archives it, which takes hours, or write another object"


@dataclass(frozen=True)
class GivenObject:
    """An object as it was when it was found.

    Attributes:
        bucket: Where it is, and with which credentials it is read.
        key: Its whole key.
        size: Number of bytes.
        etag: Tells its contents apart, and never says what they are.
        modified: When it was written.
        version: By which it is read and signed; empty where the bucket keeps none, or does not let it be read by one.
        sha256: Of the whole object, by the store's own word; empty where it has none.
    """

    bucket: Bucket
    key: str
    size: int
    etag: str
    modified: datetime
    version: str = ""
    sha256: str = ""

    @property
    def uri(self) -> str:
        """Its address, for people."""
        return self.bucket.uri_of(self.key)

    @property
    def fingerprint(self) -> str:
        """A hash of where it lies and which of its contents is meant: what is remembered of it goes by this."""
        endpoint = self.bucket.client.meta.endpoint_url
        if (urlsplit(endpoint).hostname or "").endswith(".amazonaws.com"):
            endpoint = "aws"  # from every region the bucket is the same
        content = [self.version] if self.version else [self.etag, self.size, self.modified.isoformat()]
        told = json.dumps([endpoint, self.bucket.name, self.key, *content])
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()

    def open_read(self, start: int = 0) -> BinaryIO:
        """Open it for reading from this byte on; it can be sought in. The caller closes it.

        Raises:
            Conflict: It was replaced. Reading raises that as well.
            Missing: It was deleted.
            NotReadable, StoreUnavailable: It cannot be read.
        """
        return open_read(self.bucket, self.key, start, etag=self.etag, version=self.version)

    def sign_link(self, seconds: float) -> tuple[str, datetime] | None:
        """Sign a link that lives so long, and return it with its end; None where there can be none.

        Nothing is asked of the store.
        """
        if not 0 < seconds <= LONGEST_LINK_SECONDS:
            return None
        request: GetObjectRequestTypeDef = {"Bucket": self.bucket.name, "Key": self.key}
        if self.version:
            request["VersionId"] = self.version
        # This clock may be behind that of the store, by which the link ends.
        lives = min(int(seconds) + 1 + _CLOCK_SECONDS, LONGEST_LINK_SECONDS)
        now = datetime.now(UTC)
        try:
            client = self.bucket.client
            link = client.generate_presigned_url("get_object", Params={**request}, ExpiresIn=lives)
        except (ClientError, BotoCoreError, StorageError):
            return None
        good_until = now + timedelta(seconds=lives - _CLOCK_SECONDS)
        credentials = credentials_end(client)  # after signing, which may have had to renew them
        if credentials.at is not None:
            end = credentials.at.astimezone(UTC) - timedelta(seconds=_CLOCK_SECONDS)
            if end < now + timedelta(seconds=seconds):
                return None
            good_until = min(good_until, end)
        return (link, good_until) if credentials.is_known else None


def find_object(name: str, key: str, store: Store) -> GivenObject:
    """Find an object, with the credentials of the store, or where these are denied with boto3's own.

    Args:
        name: Of the bucket.
        key: The whole key.
        store: The store of the videos; only one in a bucket has credentials.

    Raises:
        Missing: There is no such object.
        NotReadable: It cannot be read, and what would help.
        BadLocation: A bucket cannot have this name.
        StoreUnavailable: The store did not work just now.
    """
    where = _shown(name, key)
    if any(part in (".", "..") for part in key.split("/")):
        cause = "a part of its key is a dot or two, which does not reach the store"
        raise NotReadable(where, cause, "Copy it to another key, and write that")
    refusals: dict[str, StorageError] = {}
    for label, opened in _ways(name, store):
        try:
            bucket = opened()
            head, region = with_region(partial(bucket.head, key, checksum=True))
            if head is None:
                raise Missing(where)
            return _found(_in_region(bucket, region), key, head)
        except (NotReadable, Missing, StoreUnavailable) as error:
            # The other credentials are asked because these are denied: what they say is no more than a part of it.
            if not refusals and not _is_denied(error):
                raise _refused(name, key, {label: error}) from error
            refusals[label] = error
    raise _refused(name, key, refusals)


class _AnyKeyBucket(Bucket):
    """A bucket of somebody, with keys as they are."""

    def key_of(self, key: str) -> str:
        return key

    def uri_of(self, key: str) -> str:
        return _shown(self.name, key)


def _shown(name: str, key: str) -> str:
    """Return an address for people, without what may be the signature of a link."""
    return f"s3://{name}/{hide(key)}"


def _ways(name: str, store: Store) -> Iterator[tuple[str, Callable[[], Bucket]]]:
    """Yield, with words for them, the ways to a bucket: by the store's settings, and by none."""
    if isinstance(store, S3Store):
        own = store.settings
        settings = replace(own, bucket=name, prefix="")
        yield _credentials(own), partial(_AnyKeyBucket, settings, lambda _: store.client)
        if not (own.access_key_id or own.profile or own.endpoint_url):
            return
    settings = S3Settings(name)
    yield _DEFAULT, lambda: _AnyKeyBucket(settings, lambda _: open_s3_store(settings).client)


def _credentials(settings: S3Settings) -> str:
    if settings.access_key_id:
        return "the access keys of the store"
    return f"the profile {settings.profile} of the store" if settings.profile else _DEFAULT


def _in_region(bucket: Bucket, region: str) -> Bucket:
    """Return the bucket with a client for its own region, where that is known."""
    # Without a region, boto3 has that of the oldest endpoint.
    if region in ("", bucket.client.meta.region_name) or (region, bucket.client.meta.region_name) == _NO_REGION:
        return bucket
    settings = replace(bucket.settings, region=region)
    return _AnyKeyBucket(settings, lambda _: open_s3_store(settings).client)


def _found(bucket: Bucket, key: str, head: HeadObjectOutputTypeDef) -> GivenObject:
    archive = head.get("ArchiveStatus") or head.get("StorageClass", "")
    is_restored = 'ongoing-request="false"' in head.get("Restore", "")
    if archive in _ARCHIVES and not is_restored:
        raise NotReadable(bucket.uri_of(key), f"it is archived ({archive})", _ARCHIVED)
    return GivenObject(
        bucket=bucket,
        key=key,
        size=head["ContentLength"],
        etag=head["ETag"],
        modified=head["LastModified"],
        version=_readable_version(bucket, key, head.get("VersionId", "")),
        sha256=whole_sha256(head),
    )


def _readable_version(bucket: Bucket, key: str, version: str) -> str:
    """Return the version if it can be read by it, which needs a permission of its own.

    "null" is that of what was written without versioning: the next such write replaces it.
    """
    if version in ("", "null"):
        return ""
    try:
        bucket.client.head_object(Bucket=bucket.name, Key=key, VersionId=version)
    except (ClientError, BotoCoreError):
        return ""
    return version


def _is_denied(error: StorageError) -> bool:
    """Return whether other credentials may do better."""
    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return False
    return code_of(cause) == "NoSuchBucket" or (status_of(cause) == 403 and code_of(cause) != "InvalidObjectState")


def _refused(name: str, key: str, refusals: dict[str, StorageError]) -> StorageError:
    """Word why it cannot be read, with each of the credentials that were tried."""
    last = [*refusals.values()][-1]
    if len(refusals) == 1 and not isinstance(last, NotReadable):
        return last
    causes = {label: _cause_of(error) for label, error in refusals.items()}
    if len(refusals) == 1 and not _is_denied(last):
        cause = _cause_of(last)
    else:
        cause = "; ".join(f"with {label}, {cause}" for label, cause in causes.items())
    advice = dict.fromkeys(_advice(error, name, key) for error in refusals.values())
    return NotReadable(_shown(name, key), cause, ". ".join(each for each in advice if each))


def _cause_of(error: StorageError) -> str:
    return error.cause if isinstance(error, NotReadable | StoreUnavailable) else "there is no such object"


def _advice(error: StorageError, name: str, key: str) -> str:
    cause = error.__cause__
    code = code_of(cause) if isinstance(cause, ClientError | BotoCoreError) else ""
    if code == "NoCredentialsError":
        return (
            "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, where the run takes place, or attach a "
            "role to that machine; a store in a bucket may have keys of its own"
        )
    if code == "KMS.AccessDenied":
        return "Grant these credentials kms:Decrypt on the key that encrypts it"
    if code == "InvalidObjectState":
        return _ARCHIVED
    if code == "NoSuchBucket":
        return "Correct the name of the bucket, or the endpoint_url of the store"
    if isinstance(cause, ClientError) and status_of(cause) == 403 and "denied" in _cause_of(error):
        return (
            f"Grant s3:GetObject on arn:aws:s3:::{name}/{hide(key)}, and s3:ListBucket on arn:aws:s3:::{name}, without "
            "which S3 denies what is only missing"
        )
    return error.advice.rstrip(".") if isinstance(error, NotReadable | StoreUnavailable) else ""
