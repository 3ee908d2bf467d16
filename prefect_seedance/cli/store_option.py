"""The stores and credentials that a command line names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

from prefect.settings import get_current_settings

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.blocks.saved_blocks import why_not_loaded
from prefect_seedance.cli.error_report import note_address
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.plain_text import one_line
from prefect_seedance.storage.errors import BadLocation

_SAVED = "seedance-video-store/"
_SAVED_CREDENTIALS = "seedance-credentials/"

# Prefect sends an event for each block that is loaded, and warns of those that are not sent yet when a command ends.
logging.getLogger("EventsWorker").setLevel(logging.ERROR)


def chosen_store(option: str) -> VideoStore:
    """Return the store that ``--store`` names: one that is saved on the Prefect server, or one at a location.

    Raises:
        BadLocation: The saved store cannot be loaded.
    """
    note_address("store", option)
    if not option.startswith(_SAVED):
        return store_at(option)
    note_prefect()
    # By its signature, load may also return a coroutine; not where no event loop runs.
    load = cast("Callable[[str], VideoStore]", VideoStore.load)
    try:
        store = load(option.removeprefix(_SAVED))
        note_address("store", store.endpoint_url or store.location, option)
        return store
    except Exception as error:  # not there, of another type, or the server does not answer
        raise BadLocation(
            option,
            f"the saved store cannot be loaded ({why_not_loaded(error)}). Write the name under which a Seedance Video "
            f"Store is saved on the Prefect server of this shell (PREFECT_API_URL); for a folder write ./{option}.",
        ) from error


def note_prefect() -> None:
    """Note which Prefect server is used, for an error that comes of it."""
    url = get_current_settings().api.url
    note_address("Prefect server", url or "", "" if url else "of this command's own, as PREFECT_API_URL is not set")


def _note_vendor(credentials: SeedanceCredentials, key: str) -> None:
    note_address("vendor", credentials.base_url)
    note_address("key", "", f"from {key}")


def store_at(location: str) -> VideoStore:
    """Build a store of a location, where a relative folder means one of this directory."""
    place = location if "://" in location else str(Path(location).expanduser().resolve())
    return VideoStore(location=place)


def chosen_credentials(option: str) -> SeedanceCredentials:
    """Return the credentials that ``--credentials`` names, or those of the environment if it names none.

    Args:
        option: The name of a saved block, with or without its type.

    Raises:
        ConfigurationError: The saved credentials cannot be loaded.
        ValidationError: The environment has no key that could be used.
    """
    if not option:
        found = SeedanceCredentials.model_validate({})  # filled from the environment
        _note_vendor(found, "JIMMYAI_API_KEY")
        return found
    note_prefect()
    load = cast("Callable[[str], SeedanceCredentials]", SeedanceCredentials.load)  # as above
    name = option.removeprefix(_SAVED_CREDENTIALS)
    try:
        found = load(name)
        _note_vendor(found, f"the saved credentials {name}")
        return found
    except Exception as error:
        raise ConfigurationError(
            "--credentials",
            f"the saved credentials {one_line(name)} cannot be loaded ({why_not_loaded(error)}).",
            "Write the name under which Seedance Credentials are saved on the Prefect server of this shell "
            "(PREFECT_API_URL), or leave it out and set JIMMYAI_API_KEY.",
        ) from error
