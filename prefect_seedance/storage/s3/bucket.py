"""A bucket to talk to: one boto3 client for each store and process, and the names of things in it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from prefect_seedance.headers import http_date
from prefect_seedance.network import UnusableEnvironment, check_certificates, check_proxies
from prefect_seedance.storage.errors import NotReadable, StoreUnavailable
from prefect_seedance.storage.keys import check_key
from prefect_seedance.storage.protocol import ObjectInfo
from prefect_seedance.storage.s3.errors import code_of, knows_no_header, status_of, storage_error, translated
from prefect_seedance.storage.s3.headers import decode_metadata, moment, whole_crc32, without_measures
from prefect_seedance.storage.s3.line import repeat_throttled, send_patiently
from prefect_seedance.storage.s3.settings import S3Settings, is_loopback
from prefect_seedance.versions import version_of

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest, AWSResponse
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, ResponseMetadataTypeDef

# The first try and three more, with boto3's growing pauses in between: 15 seconds at most for what fails at once.
ATTEMPTS = 4
CONNECT_TIMEOUT_SECONDS = 10.0
# Below the 30 seconds that a cancelled run is given. An upload, which can be cut short, waits longer: see `line`.
READ_TIMEOUT_SECONDS = 25.0
# As many as threads may ask at the same time in a batch. Those above would each be opened for one request, with a TLS
# handshake that costs more than the request; what is not needed is never opened.
_CONNECTIONS = 128
_REDIRECTS = frozenset({301, 302, 307, 308})


class RedirectedElsewhere(BotoCoreError):
    """The endpoint sends everybody to another address."""

    fmt = "The endpoint redirects, and does not say to which region."


def _stop_at_redirect(response: tuple[AWSResponse, object] | None, **_: object) -> None:
    """Keep boto3 from going round in circles.

    After a redirect it asks by HeadBucket for the region, and if that is redirected as well, by another
    HeadBucket, until Python's stack is full. We make no such call ourselves.
    """
    answer = response[0] if response else None
    if answer is not None and answer.status_code in _REDIRECTS and "x-amz-bucket-region" not in answer.headers:
        raise RedirectedElsewhere


class _LastSigned(threading.local):
    """What this thread has signed last.

    Attributes:
        region: Of a HEAD; empty if it has sent none.
    """

    region = ""


_last_signed = _LastSigned()


def _note_region(request: AWSRequest, **_: object) -> None:
    _last_signed.region = str(request.context.get("signing", {}).get("region") or "")


_Answer = TypeVar("_Answer")


def with_region(send: Callable[[], _Answer]) -> tuple[_Answer, str]:
    """Return what a call that sends a HEAD returns, and the region for which that was signed; "" if it is not known.

    boto3 finds by itself the region of a bucket that is not in the client's. It does so for requests, and not for
    links, which it goes on to sign for the client's own.
    """
    _last_signed.region = ""
    return send(), _last_signed.region


class OncePerProcess(Generic[_Answer]):
    """A slow question that is asked once in each process, however many threads want the answer at the same time.

    A failure goes to everybody who waited for it and is not remembered: the next call asks again. A forked child asks
    for itself, and does not wait for a thread that exists in its parent only.

    Args:
        ask: Called to find the answer.
    """

    def __init__(self, ask: Callable[[], _Answer]) -> None:
        self._ask = ask
        self._answers: dict[int, Future[_Answer]] = {}

    def __call__(self) -> _Answer:
        """Return the answer, asking for it if this process does not have it yet."""
        process = os.getpid()
        answer = self._answers.get(process)
        if answer is None:
            ours: Future[_Answer] = Future()
            answer = self._answers.setdefault(process, ours)  # atomic: one thread finds its own
            if answer is ours:
                self._find(process, ours)
        return answer.result()

    def _find(self, process: int, answer: Future[_Answer]) -> None:
        try:
            answer.set_result(self._ask())
        except BaseException as error:
            del self._answers[process]
            answer.set_exception(error)


def make_client(settings: S3Settings) -> S3Client:
    """Make a boto3 client. That is slow, so all threads of a process share one.

    Raises:
        NotReadable: The profile does not exist, or something else in the settings cannot be used.
    """
    # An endpoint on this machine is never asked through a proxy.
    more: dict[str, Any] = json.loads(settings.client_config or "{}")
    addressing: Any = {**more.get("s3", {}), "addressing_style": "path" if settings.uses_path_style else "auto"}
    here = is_loopback(urlsplit(settings.endpoint_url).hostname or "")
    config = Config(
        region_name=settings.region or None,
        signature_version="s3v4",
        s3=addressing,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
        user_agent=f"prefect-seedance/{version_of()} boto3/{boto3.__version__}",
        # What it is given has the types that it asks for: a type checker has seen to that.
        parameter_validation=False,
        proxies={} if here else more.get("proxies"),
        # Checksums are sent by us, explicitly: the ones that boto3 adds of its own accord travel in a form that
        # several S3-compatible stores refuse. And some send the whole object's checksum with a part of it.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        with translated(settings.location, writing=False):
            client = _make(settings, Config(**more).merge(config))
        if not (here or more.get("proxies")):
            check_proxies(client.meta.endpoint_url, takes_socks=False)
    except UnusableEnvironment as error:
        raise NotReadable(settings.location, f"{error.variable} {error.rule.rstrip('.')}", error.fix) from error
    except (ValueError, OSError) as error:
        # boto3 words these for whoever wrote the code, and may repeat an address with a password in it.
        named = [name for name in sorted(os.environ) if name.startswith("AWS_")]
        cause = "a setting of AWS in the environment or in its configuration files cannot be used"
        advice = f"Look at {', '.join(named)} and ~/.aws/config." if named else "Look at ~/.aws/config."
        raise NotReadable(settings.location, cause, advice) from error
    client.meta.events.register_first("needs-retry.s3.HeadBucket", _stop_at_redirect)
    client.meta.events.register("before-sign.s3.HeadObject", _note_region)
    # Its types know of no handler that returns something.
    client.meta.events.register_first("needs-retry.s3", repeat_throttled)  # pyright: ignore[reportArgumentType]
    send_patiently(client)
    return client


def _make(settings: S3Settings, config: Config) -> S3Client:
    # A session of its own: boto3's default session is shared with the whole program, and not thread-safe.
    core = Session(profile=settings.profile or None)
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=moment)
    session = boto3.Session(botocore_session=core)
    # An endpoint needs some region for the signature; most do not care which.
    region = settings.region or session.region_name or ("us-east-1" if settings.endpoint_url else None)
    client: S3Client = session.client(
        "s3",
        region_name=region,
        endpoint_url=settings.endpoint_url or None,
        aws_access_key_id=settings.access_key_id or None,
        aws_secret_access_key=settings.secret_access_key.get_secret_value() or None,
        aws_session_token=settings.session_token.get_secret_value() or None,
        verify=settings.verify,
        config=config,
    )
    if settings.verify is None and client.meta.endpoint_url.startswith("https:"):
        check_certificates("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        bundle = core.get_config_variable("ca_bundle")
        if bundle and not os.path.exists(bundle):
            rule = "of the AWS configuration file names a file that is not there."
            raise UnusableEnvironment("ca_bundle", rule, "Correct it, or remove it.")
    if settings.access_key_id or (os.environ.get("AWS_ACCESS_KEY_ID") and not settings.profile):
        _forget_other_services(core, are_given=bool(settings.access_key_id))
    return client


def _forget_other_services(core: Session, *, are_given: bool) -> None:
    """Let go of the endpoints of all services of AWS, some 12 MiB, of which a client that is made needs none any more.

    A session makes further clients only for credentials that it renews, by a role for example: it keeps them then.

    Args:
        core: The session, of which nothing but a client is left.
        are_given: Whether the client has been given credentials. Otherwise the session has found some.
    """
    if are_given or type(core.get_credentials()) is Credentials:
        core.get_component("data_loader").load_data("endpoints").clear()


ClientMaker: TypeAlias = "Callable[[S3Settings], S3Client]"


class Bucket:
    """The bucket of a store. Keys are the store's own, without the prefix.

    Args:
        settings: Where it is, and how objects are kept there.
        make_client: Makes the client; once for each process.

    Attributes:
        settings: Where it is, and how objects are kept there.
        takes_checksums: False once the endpoint has refused a request because of them.
        is_there: True once an answer has shown that the bucket exists: a 404 then is about the key.
        tells_checksums: False once it has refused a question because it asked for one.
        refuses_overwrites: True once the store was probed in this process and `If-None-Match` was found to be
            honoured, also of several writers at once.
        line_is_bad: True once the connection broke, or stood still, while a large piece was sent.
    """

    def __init__(self, settings: S3Settings, make_client: ClientMaker = make_client) -> None:
        self.settings = settings
        self.takes_checksums = self.tells_checksums = True
        self.is_there = False
        self.refuses_overwrites = False
        self.line_is_bad = False
        self._without_conditions: set[str] = set()
        self._without_checks: set[str] = set()
        self._client = OncePerProcess(lambda: make_client(settings))

    @property
    def name(self) -> str:
        """Name of the bucket itself."""
        return self.settings.bucket

    @property
    def client(self) -> S3Client:
        """The client of this process.

        One that was made before a fork is left alone: two processes that share its connections mix up answers.
        """
        return self._client()

    def offer(
        self,
        call: str,
        send: Callable[[bool, bool], _Answer],
        *,
        may_drop_condition: bool = False,
        has_checks: bool = True,
    ) -> _Answer:
        """Make a call with all that S3 knows, or with as much of it as the endpoint takes, which is remembered.

        Args:
            call: Its name.
            send: Makes it; told whether to send checksums, and whether to send its condition.
            may_drop_condition: Nothing depends on the condition, since it is looked at besides.
            has_checks: It has checksums.

        Raises:
            ClientError: The first refusal, if the endpoint takes no form of the call; any other error as it came.
        """
        first: ClientError | None = None
        for condition in (True, False):
            if condition and may_drop_condition and call in self._without_conditions:
                continue
            if not condition and not may_drop_condition:
                break
            for checks in (True, False):
                if checks and not (has_checks and self.takes_checksums and call not in self._without_checks):
                    continue
                try:
                    answer = send(checks, condition)
                except ClientError as error:
                    # Some deny what they do not know, and some policies do.
                    denied = may_drop_condition and condition and status_of(error) == 403
                    if not knows_no_header(error) and not denied:
                        raise
                    first = first or error
                else:
                    if not condition:
                        self._without_conditions.add(call)
                    if not checks and has_checks:
                        self._without_checks.add(call)
                        self.takes_checksums = self.takes_checksums and call == "CompleteMultipartUpload"
                    return answer
        assert first is not None
        raise first

    def key_of(self, key: str) -> str:
        """Check a key of the store and return its whole key in the bucket."""
        return self.prefixed(check_key(key))

    def prefixed(self, text: str) -> str:
        """Return this text with the prefix of the store before it."""
        return f"{self.settings.prefix}/{text}" if self.settings.prefix else text

    def relative(self, whole: str) -> str:
        """Return the store's own key of a whole key."""
        return whole.removeprefix(f"{self.settings.prefix}/") if self.settings.prefix else whole

    def uri_of(self, key: str) -> str:
        """Return the address of a key."""
        return f"s3://{self.name}/{self.key_of(key)}"

    def head(self, key: str, *, checksum: bool = False) -> HeadObjectOutputTypeDef | None:
        """Return the facts of an object; None only if it is certain that there is none.

        Raises:
            NotReadable, StoreUnavailable: It could not be found out.
        """
        whole, where, refused = self.key_of(key), self.uri_of(key), False
        for _ in range(3):
            try:
                if checksum and self.takes_checksums and self.tells_checksums:
                    return self.client.head_object(Bucket=self.name, Key=whole, ChecksumMode="ENABLED")
                answer = self.client.head_object(Bucket=self.name, Key=whole)
                self.tells_checksums = self.tells_checksums and not refused
                return answer
            except ClientError as error:
                if self.is_there and status_of(error) == 404:
                    return None
                # The answer to a HEAD has no body to say why. "404" may be the bucket, "400" an expired token,
                # and none of them means that the key is absent. So a GET of one byte is asked why. Perhaps it is
                # the question for a checksum that is not understood.
                checksum, refused = False, checksum and knows_no_header(error)
            except BotoCoreError as error:
                raise storage_error(error, where, writing=False) from error
            try:
                self._first_byte(whole)
            except (ClientError, BotoCoreError) as error:
                if code_of(error) == "NoSuchKey":
                    self.is_there = True  # the bucket, which is not asked for again
                    self.tells_checksums = self.tells_checksums and not refused
                    return None
                if code_of(error) != "InvalidRange":  # an empty object: it is there by now
                    raise storage_error(error, where, writing=False) from error
        raise StoreUnavailable(where, "it answers HEAD in one way and GET in another")

    def _first_byte(self, whole: str) -> None:
        try:
            self.client.get_object(Bucket=self.name, Key=whole, Range="bytes=0-0")["Body"].close()
        except ClientError as error:
            if not knows_no_header(error):
                raise
            self.client.get_object(Bucket=self.name, Key=whole)["Body"].close()

    def stat(self, key: str) -> ObjectInfo | None:
        """See `Store.stat`."""
        head = self.head(key, checksum=True)
        return None if head is None else self.info(key, head)

    def info(self, key: str, head: HeadObjectOutputTypeDef) -> ObjectInfo:
        """Build the store's own description of an object."""
        metadata, expected_size, expected_crc32 = without_measures(decode_metadata(head["Metadata"]))
        return ObjectInfo(
            key=key,
            uri=self.uri_of(key),
            size=head["ContentLength"],
            etag=head["ETag"],
            age_seconds=age_seconds(head["LastModified"], head["ResponseMetadata"]),
            metadata=metadata,
            version=head.get("VersionId", ""),
            crc32=whole_crc32(head),
            expected_size=expected_size,
            expected_crc32=expected_crc32,
        )


def age_seconds(modified: datetime, answer: ResponseMetadataTypeDef) -> float:
    """Return how old something is by the store's own clock, which stamps both its objects and its answers."""
    # Every server must send it; a proxy may drop it.
    now = answered_at(answer) or datetime.now(UTC)
    return max(0.0, (now - modified).total_seconds())


def answered_at(answer: ResponseMetadataTypeDef) -> datetime | None:
    """Return when the store answered, by its own clock, in whole seconds; None if it does not say."""
    return http_date(answer["HTTPHeaders"].get("date", ""))
