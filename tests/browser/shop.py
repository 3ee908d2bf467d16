"""A shop's manifest in a bucket, for a batch that is started from the form."""

from __future__ import annotations

import csv
import io

from PIL import Image

from tests.storage.s3_servers import BUCKET, S3Server

SMALL = {"model": "seedance2.0-mini", "resolution": "480p", "duration": "4"}
MUG = {"prompt": "A mug of the batch turns", "model": "sd2_mx_720p", "duration": "4"}
#: A picture in a bucket, the same video twice, a row that the moderation refuses, and one that cannot be.
ROWS = [
    {"name": "mug", "images": f"s3://{BUCKET}/shop/mug.png", **MUG},
    {"name": "lantern", "prompt": "A lantern of the batch glows", **SMALL},
    {"name": "mug again", "images": f"s3://{BUCKET}/shop/mug.png", **MUG},
    {"name": "too long", "prompt": "A film of an hour", **SMALL, "duration": "400"},
    {"name": "kite", "prompt": "A kite of the batch climbs", **SMALL},
]


def shop_fields() -> dict[str, str]:
    """Return what the form of a store in the bucket is filled with; its reports may be opened by a link."""
    return {"Location": f"s3://{BUCKET}/shop", "Link lives (hours)": "1"}


def put_manifest(bucket: S3Server, rows: list[dict[str, str]] = ROWS) -> str:
    """Write the manifest and its picture into the bucket, and return its address."""
    picture = io.BytesIO()
    Image.new("RGB", (1024, 1024), "peru").save(picture, "PNG")
    bucket.client.put_object(Bucket=BUCKET, Key="shop/mug.png", Body=picture.getvalue())
    table = io.StringIO()
    writer = csv.DictWriter(table, ["name", "prompt", "model", "resolution", "duration", "images"])
    writer.writeheader()
    writer.writerows(rows)
    bucket.client.put_object(Bucket=BUCKET, Key="shop/spring.csv", Body=table.getvalue().encode())
    return f"s3://{BUCKET}/shop/spring.csv"
