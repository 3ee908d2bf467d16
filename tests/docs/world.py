"""The world that the examples of the documentation speak of: files, buckets, saved blocks.

An example runs as it is written: `s3://shop/videos` is a bucket of a server on this machine, and the vendor is the
simulator. An example that needs more needs a line here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pyarrow
from openpyxl import Workbook
from PIL import Image
from prefect.blocks.core import Block as SavedBlock
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from pyarrow import parquet

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.simulator.encoding import encode_clip
from tests.docs.pages import ROOT
from tests.storage.s3_servers import S3Server

COLUMNS = ("name", "prompt", "model", "resolution", "duration")
ROWS = (("mug", "A mug", "seedance2.0-mini", "480p", 4), ("lamp", "A lamp", "seedance2.0-mini", "480p", 4))

#: Nobody answers there: a notification that fails never fails a run.
_NOBODY = "json://127.0.0.1:9/"
_SHOP = "s3://shop/videos"
#: The saved blocks that examples load, by class and name, and how they are made.
SAVED: dict[tuple[str, str], Callable[[], SavedBlock]] = {
    ("SeedanceCredentials", "studio"): SeedanceCredentials,
    ("SeedanceCredentials", "default"): SeedanceCredentials,
    ("VideoStore", "catalogue"): lambda: VideoStore(location=_SHOP),
    ("VideoStore", "shop"): lambda: VideoStore(location=_SHOP),
    ("VideoStore", "default"): lambda: VideoStore(location=_SHOP),
    ("SlackWebhook", "team"): lambda: SlackWebhook.model_validate({"url": _NOBODY}),
    ("CustomWebhook", "team"): lambda: CustomWebhookNotificationBlock(name="team", url="http://127.0.0.1:9/"),
}


def table() -> bytes:
    """Return the manifest as CSV."""
    return "\n".join(",".join(map(str, row)) for row in (COLUMNS, *ROWS)).encode()


def workbook() -> bytes:
    """Return the manifest as Excel, in a sheet that is not the first."""
    book, made = Workbook(), BytesIO()
    sheet = book.create_sheet("Autumn")
    for row in (COLUMNS, *ROWS):
        sheet.append(row)
    book.save(made)
    return made.getvalue()


def picture(colour: str) -> bytes:
    """Return a picture that every route takes."""
    made = BytesIO()
    Image.new("RGB", (720, 720), colour).save(made, "png")
    return made.getvalue()


def columns() -> bytes:
    """Return the manifest as Parquet."""
    made = BytesIO()
    parquet.write_table(pyarrow.table({name: [row[at] for row in ROWS] for at, name in enumerate(COLUMNS)}), made)
    return made.getvalue()


def files() -> dict[str, bytes]:
    """Return what lies where a reader stands, and in the bucket ``shop``."""
    colours = {"mug": "red", "full": "blue", "empty": "grey", "table": "tan", "blue": "navy"}
    made = {f"{name}.png": picture(colour) for name, colour in colours.items()}
    return {
        **made,
        "table.jpg": made["table.png"],
        "pictures/mug.png": made["mug.png"],
        "catalogue.csv": table(),
        "spring.csv": table(),
        "catalogue.xlsx": workbook(),
        "catalogue.parquet": columns(),
    }


def furnish(folder: Path, server: S3Server, buckets: set[str]) -> None:
    """Lay out the files in a folder and in the bucket ``shop``, beside all other buckets that examples name."""
    for name in sorted({"shop", *buckets}):
        with suppress(server.client.exceptions.BucketAlreadyOwnedByYou):
            server.client.create_bucket(Bucket=name)
    for name, content in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        server.client.put_object(Bucket="shop", Key=name, Body=content)
    encode_clip(folder / "clip.mp4", 640, 480, 4)
    server.client.put_object(Bucket="shop", Key="clip.mp4", Body=(folder / "clip.mp4").read_bytes())
    (folder / "examples").symlink_to(ROOT / "examples")


def save_blocks() -> None:
    """Save the blocks that pages take for saved."""
    for (_, name), make in SAVED.items():
        make().save(name, overwrite=True)


def prepare_blocks(text: str, changed: set[str]) -> None:
    """Make the saved blocks as a page expects them: to register one takes long, so only what is needed is done.

    Args:
        text: The page.
        changed: The names that earlier pages have saved themselves; those of this page come in.
    """
    saved_here = {*re.findall(r"""\.save\(\s*["']([\w-]+)["']""", text)}
    for (_, name), make in SAVED.items():
        if name in changed and f'"{name}"' in text:
            make().save(name, overwrite=True)
        if re.search(rf"""\.save\(\s*["']{name}["']\s*\)""", text):  # it does not overwrite
            type(make()).delete(name)
    changed.difference_update(re.findall(r'"([\w-]+)"', text))
    changed |= saved_here


def buckets_in(text: str) -> set[str]:
    """Return the names of the buckets that a text speaks of.

    Example:
        >>> buckets_in("from s3://shop/a.png to s3://shop-2025/b.png and s3://BUCKET/c")
        {'shop', 'shop-2025'}
    """
    return {*re.findall(r"s3://([a-z0-9][a-z0-9-]{2,})", text)}
