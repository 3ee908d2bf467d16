"""Where a memo lies: ``journal/media/<account>/<kind>/<name>.json``."""

from __future__ import annotations

import hashlib
import re
from typing import Literal, get_args

#: What is remembered: the SHA-256 of an object, an upload, an audit.
MemoKind = Literal["hash", "upload", "audit"]
KINDS: tuple[MemoKind, ...] = get_args(MemoKind)

#: Below the journal, whose prefix no store's class, tag or expiry is applied to.
FOLDER = "journal/media/"

#: Small letters only: some file systems do not tell them from capitals.
_PLAIN_LABEL = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")
_NAME = re.compile(r"[0-9a-f]+(-[a-z0-9]+)*")
_LONGEST_NAME = 200


def folder_of(account: str) -> str:
    """Return the folder of an account's memos, with a slash at its end; never that of another label.

    A label may hold any characters. One that is not plain ends with a hash of it, behind a dot that no plain one has.

    Example:
        >>> folder_of("default")
        'journal/media/default/'
        >>> folder_of("Team/Köln")
        'journal/media/team-k-ln.fc1ca3e10c88929e67654dbb15a81fec/'
    """
    return f"{FOLDER}{_segment_of(account)}/"


def key_of(account: str, kind: MemoKind, name: str) -> str:
    """Return the key of a memo.

    Raises:
        ValueError: The name is not hex digits, or these and words after a hyphen; or the kind is not known.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not a kind of memo: {', '.join(KINDS)}")
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is not a memo's name: hex digits in small letters, or such as 3f9a-last-frame")
    return f"{folder_of(account)}{kind}/{name}.json"


def _segment_of(account: str) -> str:
    if _PLAIN_LABEL.fullmatch(account):
        return account
    for_people = re.sub("[^a-z0-9_]+", "-", account.lower()).strip("-")[:40]
    digits = hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{for_people or 'account'}.{digits}"
