"""What a link leads to, looked at before anything is paid: whether it can be read, and what it is.

A link is read here as the vendor will read it: over https, from public addresses, without a login. At most 1 MB of it
is read (`storage.relay.remote_file`). What the vendor would run into as well cannot be used; what may be this machine's
own network is marked so (`UnusableReference.may_be_us`). A link may hold a signature: of it, only the host is shown.
"""

from __future__ import annotations

import hashlib
import io
import ipaddress
import json
import math
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO, cast

from prefect_seedance.asides import words_of
from prefect_seedance.headers import http_date
from prefect_seedance.journal.media_identity import read_link
from prefect_seedance.media.context import NOTICED_SECONDS, Follower
from prefect_seedance.media.errors import ContentChanged, PreparationCancelled, UnusableReference
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.media.inspection import inspect
from prefect_seedance.network import is_ip_address
from prefect_seedance.redaction import shown_text
from prefect_seedance.signing_schemes import signature_ends_at
from prefect_seedance.storage.errors import ForbiddenSource, RelayCancelled
from prefect_seedance.storage.relay.file_type import is_page, looks_like
from prefect_seedance.storage.relay.network import NetworkLimits, Watch
from prefect_seedance.storage.relay.policy import MediaPolicy, address_kind, parsed
from prefect_seedance.storage.relay.remote_file import (
    FIRST_BYTES,
    HEAD_BYTES,
    LIMITS,
    Fault,
    HTTPSOnly,
    RemoteFault,
    RemoteFile,
)

#: The hash of a link, and the rules under which it is followed.
_LinkKey = tuple[str, MediaPolicy]
#: How long a link that could be read is not asked about again in a process, as many requests share one picture. A
#: change of its content within that time is not noticed.
REMEMBERED_SECONDS = 300.0
#: How long the name of a content stays whose host does not tell it from later ones.
_PASSING_SECONDS = 3600.0
_LONGEST_HOST = 253
# Where only a name is resolved.
_NAME_LIMITS = NetworkLimits(head_seconds=5.0)

_PASS_IT = "pass the file itself or its s3:// address, which is uploaded for you at no cost"
_PUBLIC = f"Pass an https link that anybody can read, or {_PASS_IT}"
_PUBLIC_LINK = "public https link"
_OR_OURS = "If the link works elsewhere, only this machine's network is in the way; otherwise"


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """What was found behind a link.

    Attributes:
        facts: Its measures; None if it was not to be measured.
        size: Number of bytes, None if the host does not tell.
        etag: As the host sent it; "" if it sent none, or one that no header may hold.
        last_modified: Likewise.
        host: The host that served it, after all redirects.
        content_name: 64 hex digits that are others once the content may be another, for what is remembered about it:
            SHA-256 over the link without its signature, ETag, Last-Modified, size and the first bytes. Of a host that
            sends neither an ETag nor a date that proves anything, it is a random one that this process goes by for an
            hour, while size and first bytes are the same, and that never comes again: an audit may take longer than a
            look is remembered, and nothing older is ever found by it.
    """

    facts: ReferenceFacts | None
    size: int | None
    etag: str
    last_modified: str
    host: str
    content_name: str


def look_at_link(
    address: str, policy: MediaPolicy, follower: Follower, *, measure: bool = True, limits: NetworkLimits = LIMITS
) -> LinkedFile:
    """Look at what a link leads to, at most once in five minutes per link and process.

    A failure is not remembered. What callers ask at the same moment is asked once for all of them.

    Args:
        address: The link as the user gave it.
        policy: Where links may lead. Plain http is followed to this machine only, if that is allowed.
        follower: Whose cancellation ends every wait.
        measure: Whether the content is measured; otherwise only a few bytes are read.
        limits: How long the host may take.

    Raises:
        UnusableReference: It cannot be used, or not be read from here.
        ContentChanged: It changed while it was looked at.
        PreparationCancelled: The run was cancelled.

    Example:
        >>> look_at_link("https://me:pw@example.com/cat.png", MediaPolicy(), Follower())
        Traceback (most recent call last):
        ...
        prefect_seedance.media.errors.UnusableReference: the link has a user name or password in it. Sign a link ...
    """
    follower.check()
    name = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()

    def look() -> LinkedFile:
        return _looked_at(address, policy, follower, measure, limits)

    left = seconds_left(address)
    return _looks.share((name, policy), measure, follower, look, math.inf if left is None else left)


def seconds_left(address: str) -> float | None:
    """Return how long a signed link lives by what it says itself, below 0 once it has ended; None if it does not say.

    Example:
        >>> print(seconds_left("https://example.com/mug.png?width=640"))
        None
    """
    ends = _end_of(address)
    return None if ends is None else (ends - datetime.now(UTC)).total_seconds()


def _end_of(address: str) -> datetime | None:
    return signature_ends_at(address.partition("#")[0].partition("?")[2])


def why_dead(address: str, policy: MediaPolicy, follower: Follower) -> str:
    """Return why nobody can read a link any more; "" where it can be read, or where only our network may be at fault.

    Args:
        address: A link that the vendor gave for an upload.
        policy: See `look_at_link`, which remembers for five minutes that it could be read.
        follower: Likewise.

    Raises:
        PreparationCancelled: The run was cancelled.
    """
    try:
        look_at_link(address, policy, follower, measure=False)
    except UnusableReference as error:
        # Where its host is a private one from here, it may be a public one for the vendor.
        return "" if error.may_be_us or error.rule == _PUBLIC_LINK else error.message
    return ""


def why_unreachable(address: str, policy: MediaPolicy, follower: Follower) -> str:
    """Return why the vendor can hardly reach the host of a link, for example a store on this machine; "" if it can.

    Its name is resolved, and nothing is asked of the host. A name that cannot be resolved here counts as out of reach.

    Args:
        address: The link, for example a signed one.
        policy: What counts as public; hosts in `allow_hosts` do, unless they cannot by their names.
        follower: Whose cancellation ends the wait for the name.

    Raises:
        PreparationCancelled: The run was cancelled.

    Example:
        >>> why_unreachable("https://192.168.1.20:9000/bucket/cat.png", MediaPolicy(), Follower())
        'its address 192.168.1.20 is not public. If that is intended ...
    """
    private, unresolved = _reach(address, policy, follower)
    return private or unresolved


def why_private(address: str, policy: MediaPolicy, follower: Follower) -> str:
    """Return why a link certainly leads to a private network; "" where it does not, or nothing is known of its host.

    Args:
        address: The link.
        policy: What counts as public.
        follower: Whose cancellation ends the wait for the name.

    Raises:
        PreparationCancelled: The run was cancelled.
    """
    return _reach(address, policy, follower)[0]


def _reach(address: str, policy: MediaPolicy, follower: Follower) -> tuple[str, str]:
    """Return why a link leads to a private network, and why the name of its host cannot be resolved."""
    watch = Watch(_NAME_LIMITS, follower.cancelled)
    try:
        rules = HTTPSOnly.of(policy)
        watch.call(rules.ways, address)
        target = watch.call(rules.check, address)
    except RelayCancelled:
        raise PreparationCancelled from None
    except ForbiddenSource as error:
        return error.reason.rstrip("."), ""
    except Exception as error:  # of the resolver, or of the time
        return "", f"the name of its host cannot be resolved: {words_of(error)}"
    if target.addresses or not _is_of_a_private_network(target.host):
        return "", ""
    return f"{target.host} is a name or an address of a private network", ""


def _is_of_a_private_network(host: str) -> bool:
    try:
        return address_kind(ipaddress.ip_address(host)) != "public"
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost", ".home.arpa"))


def _looked_at(
    address: str, policy: MediaPolicy, follower: Follower, measure: bool, limits: NetworkLimits
) -> LinkedFile:
    try:
        if parsed(address).userinfo:
            raise UnusableReference(
                "no login",
                "the link has a user name or password in it",
                f"Sign a link (a presigned one) that needs no login, or {_PASS_IT}",
            )
        first_bytes = FIRST_BYTES if measure else HEAD_BYTES
        with RemoteFile(address, policy, follower.cancelled, first_bytes=first_bytes, limits=limits) as remote:
            _refuse_text(remote)
            facts = _measured(remote, follower, address) if measure else None
            return LinkedFile(
                facts,
                remote.size,
                remote.etag,
                remote.last_modified,
                remote.host,
                _content_name(address, remote),
            )
    except RelayCancelled:
        raise PreparationCancelled from None
    except ForbiddenSource as error:
        raise _forbidden(error, address) from None
    except RemoteFault as error:
        raise _unusable(error, address) from None


def _measured(remote: RemoteFile, follower: Follower, address: str) -> ReferenceFacts:
    """Measure what can be read of it; where its end is out of reach, return what its beginning says."""
    facts = None
    remote.read_ahead()
    try:
        facts = inspect(cast(BinaryIO, remote), size=remote.size, cancelled=follower.cancelled)
    except Exception:
        follower.check()
        if remote.fault is None:
            raise
    fault = remote.fault  # a reader may have kept it to itself
    if fault is not None:
        if not isinstance(fault, RemoteFault) or fault.fault == "changed":
            raise fault
        facts = facts or inspect(io.BytesIO(remote.head), size=remote.size, cancelled=follower.cancelled)
        facts = replace(facts, unread=_unusable(fault, address).message, unread_here=True, damaged="")
    assert facts is not None
    if facts.kind == "other" and remote.coding:
        raise UnusableReference(
            "plain content",
            f"{_shown(remote.host)} sends it compressed ({remote.coding}), whatever it is asked for",
            f"Let the host send it as it is, or {_PASS_IT}",
        )
    return facts


def _content_name(address: str, remote: RemoteFile) -> str:
    mark = remote.content_mark
    seen = mark or (str(remote.size), hashlib.sha256(remote.head).hexdigest())
    told = json.dumps([read_link(address).text, *seen])
    name = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
    return name if mark else _looks.passing_name(name)


def _refuse_text(remote: RemoteFile) -> None:
    """Refuse a page, such as that of a login, whatever type it comes with: no picture, video or sound is a text."""
    head = remote.head
    if not (is_page(head) or _is_text(head)):
        return
    what = looks_like(head) if is_page(head) else "a text"
    raise UnusableReference(
        "media content",
        f"{_shown(remote.host)} answers with {what}, not with a media file: it may be a login or an error page",
        f"Open the link in a private window of a browser: it must show the file alone. {_PUBLIC}",
    )


def _is_text(head: bytes) -> bool:
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    # A letter may be cut at the end.
    for end in range(len(head), max(0, len(head) - 4), -1):
        try:
            text = head[:end].decode(encoding)
        except UnicodeDecodeError:
            continue
        return all(each.isprintable() or each.isspace() for each in text.removeprefix("\ufeff"))
    return False


# What each fault means for whoever passed the link: the rule, the message, the fix, and whether only our own network
# may be at fault. {host} is the host, {why} the fault's own words, {status} the answer's number.
_MEANINGS: dict[Fault, tuple[str, str, str, bool]] = {
    "refused": ("readable link", "{host} refuses it (HTTP {status})", _PUBLIC, False),
    "no place": ("readable link", "{host} redirects to nowhere (HTTP {status})", _PUBLIC, False),
    "empty": ("not empty", "{host} sends nothing: it is empty", f"Pass a link to the whole file, or {_PASS_IT}", False),
    "broken": (
        "readable link",
        "{host} sends an answer that is not valid HTTP",
        f"Use a host that speaks HTTP well, or {_PASS_IT}",
        False,
    ),
    "certificate": (
        "valid certificate",
        "{host} has a certificate that is not valid ({why})",
        f"Correct the host's certificate, or {_PASS_IT}",
        False,
    ),
    "unknown issuer": (
        "valid certificate",
        "{host} has a certificate whose issuer is not known here ({why})",
        "If a proxy looks into the traffic of this machine, name its certificates in SSL_CERT_FILE; otherwise "
        f"let the host send its whole chain, or {_PASS_IT}",
        True,
    ),
    "busy": ("readable link", "{host} cannot serve it now (HTTP {status})", f"Try again later, or {_PASS_IT}", True),
    "unreached": ("readable link", "{host} cannot be reached from here ({why})", f"{_OR_OURS} {_PASS_IT}", True),
    "slow": ("readable link", "{host} does not send it in time ({why})", f"{_OR_OURS} {_PASS_IT}", True),
    "dropped": ("readable link", "the connection to {host} broke off", f"{_OR_OURS} {_PASS_IT}", True),
    "proxy": (
        "readable link",
        "the proxy of this machine does not lead to {host}",
        f"Correct HTTPS_PROXY and NO_PROXY, or {_PASS_IT}",
        True,
    ),
    "too far": ("measured content", "{why}", _PASS_IT.capitalize(), True),
}
_GONE = frozenset({404, 410})
_NOT_ALLOWED = frozenset({400, 401, 403})
# How object stores say that a signature's time is over: S3 and its likes, Google, Azure.
_EXPIRED = re.compile(rb"ExpiredToken|has expired|not valid in the specified time frame", re.IGNORECASE)


def _unusable(error: RemoteFault, address: str) -> UnusableReference:
    if error.fault == "changed":
        return ContentChanged("it changed while it was looked at")
    rule, message, fix, may_be_us = _MEANINGS[error.fault]
    if error.fault == "refused" and error.status in _GONE:
        message = "there is nothing at the link ({host} answers HTTP {status})"
    elif error.fault == "refused" and error.status < 300:
        message = "{host} does not send it (HTTP {status})"
    elif error.fault == "refused" and error.status in _NOT_ALLOWED and _has_expired(error, address):
        rule, message = "link in force", "the signature of the link has expired ({host} answers HTTP {status})"
        fix = f"Sign it again, for longer than the video may take, or {_PASS_IT}"
    host = _shown(error.host) or _host_of(address)
    return UnusableReference(
        rule, message.format(host=host, why=error.detail, status=error.status), fix, may_be_us=may_be_us
    )


def _has_expired(error: RemoteFault, address: str) -> bool:
    if _EXPIRED.search(error.body):
        return True
    ends = _end_of(address)
    return ends is not None and ends <= (http_date(error.date) or datetime.now(UTC))


def _forbidden(error: ForbiddenSource, address: str) -> UnusableReference:
    reason = error.reason.rstrip(".")
    host = _shown(error.host)
    if host and is_ip_address(host):
        reason = reason.partition(". ")[0]  # that of the store's own media does not help: no vendor reaches it
    if host and host != _host_of(address):
        reason = f"it leads to {host}, which is not followed: {reason}"
    elif not host and _is_whole(address):
        reason = f"it leads to a place that is not followed: {reason}"
    return UnusableReference(_PUBLIC_LINK, reason, _PUBLIC)


def _is_whole(address: str) -> bool:
    """Return whether a link names a host, so that what names none is what it leads to."""
    try:
        return bool(parsed(address).raw_host)
    except ForbiddenSource:
        return False


def _shown(host: str) -> str:
    return shown_text(host, longest=_LONGEST_HOST)


def _host_of(address: str) -> str:
    try:
        return _shown(parsed(address).raw_host.decode("ascii", "replace").lower().rstrip(".")) or "its host"
    except ForbiddenSource:
        return "its host"


class SharedLooks:
    """The looks of this process: those that were taken lately, and those that are under way.

    Args:
        remembered_seconds: How long what was found is not looked for again.
    """

    def __init__(self, remembered_seconds: float = REMEMBERED_SECONDS) -> None:
        self._remembered = remembered_seconds
        self.forget()

    def forget(self) -> None:
        """Forget all, as in a forked process, where whoever is looking does not exist."""
        self._lock = threading.Lock()
        # By when it ends: of a look that is under way, never.
        self._taken: dict[tuple[_LinkKey, bool], tuple[Future[LinkedFile], float]] = {}
        self._names: dict[str, tuple[str, float]] = {}

    def share(
        self,
        key: _LinkKey,
        measure: bool,
        follower: Follower,
        look: Callable[[], LinkedFile],
        lives_seconds: float = math.inf,
    ) -> LinkedFile:
        """Return what somebody else found, or is about to find; look where nobody does.

        Args:
            key: What is looked at.
            measure: Whether it is measured; what was measured serves whoever does not need it, too.
            follower: Who waits.
            look: Looks, in this thread.
            lives_seconds: How long the link lives: what was found is not gone by any longer.
        """
        while True:
            future, is_mine = self._future(key, measure)
            if is_mine:
                return self._look(key, measure, future, look, lives_seconds)
            while not future.done():
                follower.check()
                wait_for_future([future], NOTICED_SECONDS)
            error = future.exception()
            if error is None:
                return future.result()
            if isinstance(error, UnusableReference):
                raise error
            follower.check()  # whoever looked was cancelled, and we are not

    def passing_name(self, seen: str) -> str:
        """Return a random name for a content by what is seen of it: the same one for an hour."""
        with self._lock:
            now = time.monotonic()
            self._names = {each: named for each, named in self._names.items() if named[1] > now}
            return self._names.setdefault(seen, (secrets.token_hex(32), now + _PASSING_SECONDS))[0]

    def _future(self, key: _LinkKey, measure: bool) -> tuple[Future[LinkedFile], bool]:
        with self._lock:
            now = time.monotonic()
            self._taken = {each: taken for each, taken in self._taken.items() if taken[1] > now}
            for measured in {measure, True}:
                if (key, measured) in self._taken:
                    return self._taken[key, measured][0], False
            future = Future[LinkedFile]()
            self._taken[key, measure] = future, math.inf
            return future, True

    def _look(
        self,
        key: _LinkKey,
        measure: bool,
        future: Future[LinkedFile],
        look: Callable[[], LinkedFile],
        lives_seconds: float,
    ) -> LinkedFile:
        try:
            found = look()
        except BaseException as error:
            with self._lock:
                self._taken.pop((key, measure), None)
            future.set_exception(error)
            raise
        with self._lock:
            self._taken[key, measure] = future, time.monotonic() + min(self._remembered, lives_seconds)
        future.set_result(found)
        return found


_looks = SharedLooks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_looks.forget)
