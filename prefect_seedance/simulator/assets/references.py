"""What the simulated vendor makes of the references in a create: which it refuses, and which spoil the task later.

An asset that does not exist, is another account's, of the other library or not usable is billed all the same by
default, as at the vendor, and the task fails at its end with the input's index. The setting ``unusable_assets`` has it
refused instead. Addresses are read while the task runs, so that a create is answered at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from prefect_seedance.client.request.routes import ROUTES
from prefect_seedance.simulator.assets.addresses import flaw_at, is_read
from prefect_seedance.simulator.assets.library import SubmittedAsset
from prefect_seedance.simulator.limits import media_of
from prefect_seedance.simulator.simulation import Simulation

Body = Mapping[str, JsonValue]

ASSET = "asset://"

#: How the upstream calls the fields in its failures (seen for ``images`` and ``reference_videos``), and their kind.
_FIELDS: Mapping[str, tuple[str, Literal["image", "video", "audio"]]] = {
    "images": ("image_urls", "image"),
    "first_image": ("first_image", "image"),
    "last_image": ("last_image", "image"),
    "reference_videos": ("video_reference", "video"),
    "reference_audios": ("audio_urls", "audio"),
}


def refused_asset(simulation: Simulation, account: int, body: Body) -> str | None:
    """Return why an asset of a create is not taken, with its field; None where it is, or billed all the same."""
    if simulation.settings.unusable_assets != "refused":
        return None
    for field, address in media_of(body):
        flaw = _asset_flaw(simulation, account, str(body["model"]), address)
        if flaw:
            return f"{field}: {flaw}"
    return None


def examine(simulation: Simulation, account: int, task_id: str, body: Body) -> None:
    """Look at the references of an accepted task; what is wrong with them shows when the task ends."""
    unread: list[tuple[str, str]] = []
    for field, address in media_of(body):
        failure = _failure_at_once(simulation, account, str(body["model"]), field, address)
        if failure:
            simulation.ledger.judge(task_id, failure)
            return
        if is_read(address):
            unread.append((field, address))
    if unread:
        simulation.in_background(_read_all(simulation, task_id, unread))
    else:
        simulation.ledger.judge(task_id, "")


async def _read_all(simulation: Simulation, task_id: str, unread: list[tuple[str, str]]) -> None:
    flaws = await asyncio.gather(*(flaw_at(address, _named(field)[1], simulation.reading) for field, address in unread))
    failures = (f"invalid {_named(field)[0]}: {flaw}" for (field, _), flaw in zip(unread, flaws, strict=True) if flaw)
    simulation.ledger.judge(task_id, next(failures, ""))


def _failure_at_once(simulation: Simulation, account: int, model: str, field: str, address: str) -> str:
    name = _named(field)[0]
    fault = simulation.faults.take("reference", address)
    if fault is not None:
        return f"{name}: {fault.message}" if fault.fault == "unfit_reference" else f"invalid {name}: {fault.message}"
    flaw = _asset_flaw(simulation, account, model, address)
    return f"invalid {name}: s3 upload failed: {flaw}" if flaw else ""


def _named(field: str) -> tuple[str, str]:
    """Return the upstream's name of ``images[1]``, index included, and what kind of input it is."""
    name, bracket, index = field.partition("[")
    upstream, kind = _FIELDS[name]
    return upstream + bracket + index, kind


def _asset_flaw(simulation: Simulation, account: int, model: str, address: str) -> str:
    """Return why an address is an asset that cannot be used; "" if it can, or is not an asset."""
    if not address.lower().startswith(ASSET):
        return ""
    asset_id = address[len(ASSET) :]
    asset = simulation.look_at_asset(account, asset_id)
    if asset is None:
        return f"asset {asset_id} not found"
    if not _fits(asset, model):
        return f"asset {asset_id} is of the {asset.library} library, which {model} does not read"
    if not simulation.assets.usable(asset):
        return f"asset {asset_id} is {simulation.assets.status(asset)}, not Active"
    return ""


def _fits(asset: SubmittedAsset, model: str) -> bool:
    route = ROUTES[model]
    if model.startswith("sd2_mx_"):
        return asset.library == "manxue"
    # No page says whose assets a route takes that is neither.
    return asset.library != "manxue" or not route.family.startswith("sp-")
