"""The location of a store: what it may be, what a person should know of it, and its key as a Prefect asset."""

from __future__ import annotations

import os
from pathlib import Path

from prefect.assets import Asset

from prefect_seedance.storage.errors import shown_location
from prefect_seedance.storage.s3.settings import SCHEME, S3Settings


def sound_location(value: str) -> str:
    """Bring a location into its one form.

    Args:
        value: ``s3://bucket/prefix``, or a folder.

    Raises:
        ValueError: It is not a valid location; the message says what to write.

    Example:
        >>> sound_location("s3://bucket/prefix/"), sound_location("file:///data/videos")
        ('s3://bucket/prefix', '/data/videos')
    """
    if value.startswith(SCHEME):
        return S3Settings.from_location(value).location
    shown = shown_location(value)
    if "://" in value and not value.startswith("file://"):
        raise ValueError(f"location {shown!r} is not a valid location; write s3://bucket/prefix or a folder")
    path = Path(value.removeprefix("file://")).expanduser()
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"location {shown!r} is not an absolute path: a worker's own folder is temporary and vanishes; "
            f"write the whole path, such as {Path('/data') / Path(shown).name}"
        )
    return str(path)


def asset_of(location: str) -> Asset:
    """Return the Prefect asset of a store.

    Args:
        location: Of the store, as `sound_location` returns it.

    Raises:
        ValueError: It cannot be the key of an asset.

    Example:
        >>> asset_of("s3://bucket/prefix").key, asset_of("/data/videos").key
        ('s3://bucket/prefix', 'file:///data/videos')
    """
    key = location if location.startswith(SCHEME) else Path(location).as_uri()
    try:
        return Asset(key=key)
    except ValueError as error:
        raise ValueError(
            f"assets: {key} cannot be the key of a Prefect asset, which has no blanks and few special characters; "
            "change the location or leave assets off"
        ) from error


def folder_notices(folder: Path) -> list[str]:
    """Return what a person should know of a folder as a store, in words."""
    from prefect_seedance.storage.folder.store import FolderStore

    notices = [FolderStore(folder).network_filesystem_notice()]
    if Path("/.dockerenv").exists() or os.environ.get("KUBERNETES_SERVICE_HOST"):
        notices.append(
            f"{folder} is a folder inside a container: unless it is a volume, videos and journal vanish with it, and "
            "the next run pays again. Use s3://bucket/prefix."
        )
    return [notice for notice in notices if notice]
