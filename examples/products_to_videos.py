"""A team's own flow round a batch: a table of products goes in, and the address of each product's video comes out.

    python examples/products_to_videos.py examples/products.csv --credentials default --store default

Run it again with the same table and only the rows without a video are made: what was paid for is not bought again,
also on a schedule. A bad row does not spoil the rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_table_artifact

from prefect_seedance import BatchOptions, SeedanceCredentials, VideoStore, generate_videos


@flow(name="products-to-videos")
def products_to_videos(table: str, credentials: SeedanceCredentials, store: VideoStore) -> dict[str, str]:
    """Make a video of every row, and return for each product where it is, or why there is none.

    Args:
        table: The manifest: its columns are ``name`` and the fields of a request.
        credentials: Who pays.
        store: Where the videos go.
    """
    report = generate_videos(table, credentials, store, options=BatchOptions(require_all="none"))
    products = {row.label: row.uri or row.reason for row in report.rows}
    create_table_artifact([{"product": name, "video": video} for name, video in products.items()], key="products")
    return products


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--credentials", default="default")
    parser.add_argument("--store", default="default")
    options = parser.parse_args()
    found = products_to_videos(
        str(options.table.resolve()),
        SeedanceCredentials.load(options.credentials, _sync=True),
        VideoStore.load(options.store, _sync=True),
    )
    for product, video in found.items():
        print(product, video, sep=": ")
