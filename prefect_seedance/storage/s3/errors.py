"""What S3 and boto3 say when something fails, in words for the person who has to mend it.

One table maps S3's error codes and boto3's exception classes to an error of the store, a cause and an advice.
What stands in no row: 5xx and 429 may pass by themselves, everything else has to be mended by somebody.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from prefect_seedance.redaction import hide
from prefect_seedance.storage.errors import (
    ANOTHER_STORE,
    NoSpace,
    NotReadable,
    NotWritable,
    StorageError,
    StoreUnavailable,
)

FaultKind = Literal["refused", "passing", "full"]

_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class ErrorMeaning:
    """What some codes mean: whether it must be mended, may pass, or the store is full; why; and what to do."""

    codes: tuple[str, ...]
    kind: FaultKind
    cause: str
    advice: str


_CREDENTIALS = "Set access keys or a profile in the store's settings, or attach a role to the worker's machine."
_ADDRESS = "Check bucket, region and endpoint_url of the store's settings."
_NETWORK = "Try again; if it stays so, check endpoint_url, the network and its proxy."
_LATER = "Try again later; what is stored already is untouched."

TABLE: tuple[ErrorMeaning, ...] = (
    ErrorMeaning(
        ("NoSuchBucket",),
        "refused",
        "there is no such bucket",
        "Create the bucket, or correct the store's location.",
    ),
    ErrorMeaning(("InvalidBucketName",), "refused", "the bucket's name is not valid", "Correct the store's location."),
    ErrorMeaning(
        (
            *("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"),
            *("IllegalLocationConstraintException", "AuthorizationQueryParametersError", "301", "307"),
        ),
        "refused",
        "the bucket is in another region, or at another endpoint",
        "Set the region of the store to the bucket's own; for an S3-compatible store check endpoint_url as well.",
    ),
    ErrorMeaning(
        ("RedirectedElsewhere",),
        "refused",
        "the endpoint redirects to another address",
        "Set endpoint_url to that address, with https perhaps.",
    ),
    ErrorMeaning(
        ("AccessDenied", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess", "Forbidden", "403"),
        "refused",
        "access is denied",
        "Grant the worker's account the permissions that the documentation lists. Without s3:ListBucket on the "
        "bucket, S3 denies reading what does not exist.",
    ),
    ErrorMeaning(
        ("KMS.AccessDenied",),
        "refused",
        "the encryption key may not be used",
        "Grant the worker's account kms:GenerateDataKey and kms:Decrypt on the key.",
    ),
    ErrorMeaning(
        (
            *("KMS.DisabledException", "KMS.NotFoundException", "KMS.InvalidKeyUsageException"),
            *("KMS.KMSInvalidStateException", "KMSInvalidStateException"),
        ),
        "refused",
        "the encryption key does not exist or is disabled",
        "Correct kms_key_id, or enable the key.",
    ),
    ErrorMeaning(("InvalidAccessKeyId", "InvalidClientTokenId"), "refused", "the access key is unknown", _CREDENTIALS),
    ErrorMeaning(
        ("SignatureDoesNotMatch",),
        "refused",
        "the secret access key does not fit the access key",
        "Set both again. If they are right, a proxy changes the requests on their way.",
    ),
    ErrorMeaning(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"),
        "refused",
        "the temporary credentials have expired",
        "Log in again, or set fresh keys with their session token.",
    ),
    ErrorMeaning(
        ("InvalidToken", "InvalidSecurity"),
        "refused",
        "the session token is not valid",
        "Set the session token that belongs to the keys, or none for lasting keys.",
    ),
    ErrorMeaning(
        ("RequestTimeTooSkewed",),
        "refused",
        "the clock of this machine is wrong",
        "Set the clock (by NTP) and run again: S3 refuses a clock that is more than 15 minutes off.",
    ),
    ErrorMeaning(("NoCredentialsError",), "refused", "no AWS credentials were found", _CREDENTIALS),
    ErrorMeaning(
        (
            *("PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError", "SSOTokenLoadError"),
            *("UnauthorizedSSOTokenError", "RefreshWithMFAUnsupportedError", "LoginRefreshRequired"),
        ),
        "refused",
        "the AWS credentials could not be loaded",
        "Log in again on the worker's machine, or set keys in the store's settings.",
    ),
    ErrorMeaning(
        ("ConfigParseError",),
        "refused",
        "an AWS configuration file of this machine cannot be read",
        "Correct ~/.aws/config, ~/.aws/credentials, or the file that AWS_CONFIG_FILE names.",
    ),
    ErrorMeaning(
        ("ProfileNotFound", "ConfigNotFound"),
        "refused",
        "the AWS profile was not found on this machine",
        "Correct the profile's name, in the store's settings or AWS_PROFILE, or put it into the AWS configuration of "
        "the worker.",
    ),
    ErrorMeaning(
        ("InvalidObjectState",),
        "refused",
        "the object is archived",
        "Restore it, and exclude this prefix from the lifecycle rule that archives.",
    ),
    ErrorMeaning(
        (
            *("InvalidStorageClass", "InvalidTag", "AccessControlListNotSupported"),
            *("InvalidEncryptionAlgorithmError", "MalformedACLError", "KMS.UnsupportedOperationException"),
        ),
        "refused",
        "the bucket does not take the storage class, tags, ACL or encryption of the settings",
        "Correct these settings of the store.",
    ),
    ErrorMeaning(
        ("NotImplemented", "MethodNotAllowed"),
        "refused",
        "the endpoint cannot do this",
        "`verify` says what is missing. Storage class, tags, ACL and encryption may be left out of the settings. "
        + ANOTHER_STORE,
    ),
    ErrorMeaning(
        ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "507"),
        "full",
        "the store is full, or its quota is used up",
        "Make room or raise the quota, then run again: what was stored before is untouched.",
    ),
    ErrorMeaning(("EntityTooLarge",), "full", "the object is larger than the store takes", "Raise the store's limit."),
    ErrorMeaning(
        (
            *("SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded"),
            *("TooManyRequests", "TooManyRequestsException", "RequestThrottled", "PriorRequestNotComplete"),
            *("BandwidthLimitExceeded", "503", "429"),
        ),
        "passing",
        "the store asks to slow down",
        "Try again later; if it stays so, let fewer runs work at once.",
    ),
    ErrorMeaning(
        ("InternalError", "OperationAborted", "ConditionalRequestConflict", "RequestTimeout", "500", "502", "504"),
        "passing",
        "the store failed",
        _LATER,
    ),
    ErrorMeaning(
        ("NoSuchUpload",),
        "passing",
        "the upload was ended by somebody else, or by a lifecycle rule",
        "Run again: the upload begins from its first byte.",
    ),
    ErrorMeaning(
        ("BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "InvalidDigest", "IncompleteBody"),
        "passing",
        "what arrived is not what was sent",
        "Try again; if it stays so, a proxy changes the requests on their way.",
    ),
    ErrorMeaning(("EndpointConnectionError",), "passing", "the endpoint cannot be reached", _NETWORK),
    ErrorMeaning(
        ("SSLError",),
        "passing",
        "the endpoint's certificate cannot be trusted",
        "Check endpoint_url and AWS_CA_BUNDLE.",
    ),
    ErrorMeaning(
        ("InvalidEndpointDiscoveryConfigurationError", "InvalidRegionError", "NoRegionError", "UnknownEndpointError"),
        "refused",
        "the region or the endpoint is not valid",
        _ADDRESS,
    ),
    # The root of what boto3 raises when no whole answer came: time-outs, drops, proxies.
    ErrorMeaning(
        ("HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseStreamingError"),
        "passing",
        "the connection failed",
        _NETWORK,
    ),
)

_MEANING_OF = {code: meaning for meaning in TABLE for code in meaning.codes}


def code_of(error: ClientError | BotoCoreError) -> str:
    """Return the code by which an error is looked up: S3's own, or the name of boto3's exception."""
    if not isinstance(error, ClientError):
        names = (kind.__name__ for kind in type(error).__mro__)
        return next((name for name in names if name in _MEANING_OF), type(error).__name__)
    said = error.response.get("Error", {})
    code = said.get("Code", "") or str(status_of(error))
    if code == "AccessDenied" and "kms:" in said.get("Message", "").lower():
        return "KMS.AccessDenied"
    return code


def status_of(error: ClientError) -> int:
    """Return the HTTP status of an answer."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


#: By which an endpoint says that it does not know a header or a call, whatever its status.
_UNKNOWN_CODES = ("NotImplemented", "MethodNotAllowed")
_UNKNOWN_STATUSES = (400, 405, 501)
#: A write at the same moment was under way. Nothing was done, and nothing is decided.
_CROSSED_CODES = ("OperationAborted",)


def knows_no_header(error: ClientError) -> bool:
    """Return whether this may be a refusal of a header that the endpoint does not know.

    There is no word for it that all agree on: 501 with a code, 400 with another, 405 with a page. A code that has a
    meaning of its own is taken at its word.
    """
    code = code_of(error)
    return code in _UNKNOWN_CODES or (status_of(error) in _UNKNOWN_STATUSES and code not in _MEANING_OF)


def is_throttled(error: ClientError | BotoCoreError) -> bool:
    """Return whether it was not done since too much was asked at once, of the store or of one key."""
    if not isinstance(error, ClientError):
        return False
    slowed = _MEANING_OF.get(code_of(error)) is _MEANING_OF["SlowDown"]
    return slowed or status_of(error) == 429 or code_of(error) in _CROSSED_CODES


def storage_error(error: ClientError | BotoCoreError, where: str, *, writing: bool) -> StorageError:
    """Return what an error of boto3 means for the store.

    Args:
        error: What boto3 raised, its own retries behind it.
        where: Address of what was to be read or written.
        writing: Whether it was to be written.
    """
    code = code_of(error)
    meaning = _MEANING_OF.get(code) or _meaning_by_status(error)
    cause = f"{meaning.cause} ({_details(error, code)})"
    if meaning.kind == "passing":
        return StoreUnavailable(where, cause, meaning.advice)
    if meaning.kind == "full":
        return NoSpace(where, cause, meaning.advice)
    return (NotWritable if writing else NotReadable)(where, cause, meaning.advice)


def _meaning_by_status(error: ClientError | BotoCoreError) -> ErrorMeaning:
    if not isinstance(error, ClientError):
        return ErrorMeaning((), "refused", "the request could not be made", _ADDRESS)
    status = status_of(error)
    if status == 429:
        return _MEANING_OF["SlowDown"]
    if status >= 500 or status in (0, 408):
        return ErrorMeaning((), "passing", "the store failed", _LATER)
    return ErrorMeaning(
        (), "refused", "the store refuses the request", "Correct what it names, and run `verify` on the store."
    )


def _details(error: ClientError | BotoCoreError, code: str) -> str:
    """Return the code and S3's own words. boto3's are left out: they may quote the output of other programs."""
    if not isinstance(error, ClientError):
        return type(error).__name__
    said = error.response.get("Error", {})
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region", "") or str(said.get("Region", ""))
    parts = (
        code if code in _MEANING_OF or not code.isdecimal() else f"HTTP {code}",
        f"the bucket is in {region}" if region and _MEANING_OF.get(code) is _MEANING_OF["301"] else "",
        hide(" ".join(said.get("Message", "").split()), longest=_LONGEST_MESSAGE).rstrip("."),
    )
    return ": ".join(part for part in parts if part)


@contextmanager
def translated(where: str, *, writing: bool) -> Generator[None, None, None]:
    """Turn what boto3 raises into an error of the store."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise storage_error(error, where, writing=writing) from error
