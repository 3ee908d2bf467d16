"""The stores that a command line names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from prefect_seedance import VideoStore
from prefect_seedance.blocks.saved_blocks import why_not_loaded
from prefect_seedance.storage.errors import BadLocation

_SAVED = "seedance-video-store/"


def chosen_store(option: str) -> VideoStore:
    """Return the store that ``--store`` names: one that is saved on the Prefect server, or one at a location.

    Raises:
        BadLocation: The saved store cannot be loaded.
    """
    if not option.startswith(_SAVED):
        return store_at(option)
    # By its signature, load may also return a coroutine; not where no event loop runs.
    load = cast("Callable[[str], VideoStore]", VideoStore.load)
    try:
        return load(option.removeprefix(_SAVED))
    except Exception as error:  # not there, of another type, or the server does not answer
        raise BadLocation(
            option,
            f"the saved store cannot be loaded ({why_not_loaded(error)}). Write the name under which a Seedance Video "
            f"Store is saved on the Prefect server of this shell (PREFECT_API_URL); for a folder write ./{option}.",
        ) from error


def store_at(location: str) -> VideoStore:
    """Build a store of a location, where a relative folder means one of this directory."""
    place = location if "://" in location else str(Path(location).expanduser().resolve())
    return VideoStore(location=place)
