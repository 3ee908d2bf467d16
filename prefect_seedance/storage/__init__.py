"""Where bytes live: a local folder or S3, and the way of a video from its link into it.

Knows nothing of Prefect nor of the vendor's API. Names are loaded when asked for, so that importing the
package costs neither httpx nor PyAV nor boto3. The function `relay` is not among them, since its module has
the same name: `from prefect_seedance.storage.relay import relay`.

    protocol    what a store can do            keys      which names may stand in it
    folder      the store in a folder          folder_upload, durable, locking, mounts: its parts
    source      the video behind a link        policy, transport, resume: its rules
    relay       from the one into the other    sniff     is it a video at all
    poster      a still and the facts of it    errors    everything that can go wrong
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_seedance.storage.errors import (
        AlreadyExists,
        BadKey,
        BadLocation,
        Conflict,
        DamagedUpload,
        ForbiddenSource,
        KeyTaken,
        LinkExpired,
        Missing,
        NoSpace,
        NotAVideo,
        NotReadable,
        NotWritable,
        RelayCancelled,
        SourceChanged,
        SourceError,
        SourceTooLarge,
        SourceUnavailable,
        StorageError,
        StoreUnavailable,
        TruncatedSource,
    )
    from prefect_seedance.storage.folder import FolderStore
    from prefect_seedance.storage.keys import check_key, check_prefix
    from prefect_seedance.storage.policy import MediaPolicy
    from prefect_seedance.storage.poster import MediaFacts, poster_jpeg, probe
    from prefect_seedance.storage.protocol import TASK_ID_METADATA, Blob, ObjectInfo, Store, Upload
    from prefect_seedance.storage.relay import RelayedObject
    from prefect_seedance.storage.source import MediaSource, SourceLimits

__all__ = [
    "TASK_ID_METADATA",
    "AlreadyExists",
    "BadKey",
    "BadLocation",
    "Blob",
    "Conflict",
    "DamagedUpload",
    "FolderStore",
    "ForbiddenSource",
    "KeyTaken",
    "LinkExpired",
    "MediaFacts",
    "MediaPolicy",
    "MediaSource",
    "Missing",
    "NoSpace",
    "NotAVideo",
    "NotReadable",
    "NotWritable",
    "ObjectInfo",
    "RelayCancelled",
    "RelayedObject",
    "SourceChanged",
    "SourceError",
    "SourceLimits",
    "SourceTooLarge",
    "SourceUnavailable",
    "StorageError",
    "Store",
    "StoreUnavailable",
    "TruncatedSource",
    "Upload",
    "check_key",
    "check_prefix",
    "poster_jpeg",
    "probe",
]

_HOMES = {
    "folder": ("FolderStore",),
    "keys": ("check_key", "check_prefix"),
    "policy": ("MediaPolicy",),
    "poster": ("MediaFacts", "poster_jpeg", "probe"),
    "protocol": ("TASK_ID_METADATA", "Blob", "ObjectInfo", "Store", "Upload"),
    "relay": ("RelayedObject",),
    "source": ("MediaSource", "SourceLimits"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
