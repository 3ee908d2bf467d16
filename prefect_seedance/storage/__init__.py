"""Where bytes live: a local folder or S3, and the way of a video from its link into it.

Knows nothing of Prefect nor of the vendor's API. Names are loaded when asked for, so that importing the
package costs neither httpx nor PyAV nor boto3. The function `relay` is not among them, since its module has
the same name: `from prefect_seedance.storage.relay import relay`.

    protocol    what a store can do            keys      which names may stand in it
    folder      the store in a folder          folder_upload, durable, locking, mounts: its parts
    s3          the store in a bucket          s3_settings, s3_bucket, s3_headers, s3_errors, s3_records, s3_upload,
                                               s3_parts, s3_read, s3_probe, crc: its parts
    s3_verify   what a bucket cannot do        s3_permissions what it must allow
    source      the video behind a link        policy, transport, resume: its rules
    relay       from the one into the other    sniff     is it a video at all
    poster      a still and the facts of it    errors    everything that can go wrong
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_seedance.exports import lazy

if TYPE_CHECKING:
    from prefect_seedance.storage.errors import (
        AlreadyExists,
        BadKey,
        BadLocation,
        ConditionsIgnored,
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
    from prefect_seedance.storage.s3 import S3Store, open_s3_store
    from prefect_seedance.storage.s3_permissions import iam_policy
    from prefect_seedance.storage.s3_settings import S3Settings
    from prefect_seedance.storage.s3_verify import verify_store
    from prefect_seedance.storage.source import MediaSource, SourceLimits

__all__ = [
    "TASK_ID_METADATA",
    "AlreadyExists",
    "BadKey",
    "BadLocation",
    "Blob",
    "ConditionsIgnored",
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
    "S3Settings",
    "S3Store",
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
    "iam_policy",
    "open_s3_store",
    "poster_jpeg",
    "probe",
    "verify_store",
]

_HOMES = {
    "errors": (
        "AlreadyExists",
        "BadKey",
        "BadLocation",
        "ConditionsIgnored",
        "Conflict",
        "DamagedUpload",
        "ForbiddenSource",
        "KeyTaken",
        "LinkExpired",
        "Missing",
        "NoSpace",
        "NotAVideo",
        "NotReadable",
        "NotWritable",
        "RelayCancelled",
        "SourceChanged",
        "SourceError",
        "SourceTooLarge",
        "SourceUnavailable",
        "StorageError",
        "StoreUnavailable",
        "TruncatedSource",
    ),
    "folder": ("FolderStore",),
    "keys": ("check_key", "check_prefix"),
    "policy": ("MediaPolicy",),
    "poster": ("MediaFacts", "poster_jpeg", "probe"),
    "protocol": ("TASK_ID_METADATA", "Blob", "ObjectInfo", "Store", "Upload"),
    "relay": ("RelayedObject",),
    "s3": ("S3Store", "open_s3_store"),
    "s3_permissions": ("iam_policy",),
    "s3_settings": ("S3Settings",),
    "s3_verify": ("verify_store",),
    "source": ("MediaSource", "SourceLimits"),
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
