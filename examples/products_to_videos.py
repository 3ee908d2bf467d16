"""A table of products to videos: one row, one video; a bad row does not spoil the rest.

    python examples/products_to_videos.py examples/products.csv --credentials default --store default

A column has the name of a field of ``VideoRequest``; ``product`` is for people. Run it again with the same table and
only the rows without a video are made: what was paid for is taken up, not bought again. (On a schedule, retry the run
instead: there each run buys its own.)
"""

from __future__ import annotations

import argparse
import asyncio
import csv
from pathlib import Path

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.concurrency.asyncio import concurrency
from pydantic import BaseModel

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, agenerate_video


class Row(BaseModel):
    """What became of one row: either ``uri`` or ``problem`` is set."""

    product: str
    uri: str = ""
    problem: str = ""


@flow(name="products-to-videos")
async def products_to_videos(
    table: Path, credentials: SeedanceCredentials, store: VideoStore, at_once: int = 4
) -> list[Row]:
    """Make a video of every row of a CSV table.

    Args:
        table: The CSV file.
        credentials: Who pays.
        store: Where the videos go.
        at_once: How many at the same time.
    """
    slots = asyncio.Semaphore(at_once)

    async def made(row: dict[str, str]) -> Row:
        product = row.pop("product")
        # The account's own limit, shared by all flows: prefect gcl create seedance-default --limit 8
        account = concurrency(f"seedance-{credentials.account}", occupy=1, raise_on_lease_renewal_failure=False)
        try:
            request = VideoRequest.model_validate({name: value for name, value in row.items() if value})
            async with slots, account:
                video = await agenerate_video(request, credentials, store)
        except Exception as error:  # a cancelled run is not an Exception, and goes on up
            return Row(product=product, problem=" ".join(str(error).split()))
        return Row(product=product, uri=video.uri)

    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    done = await asyncio.gather(*(made(row) for row in rows))
    await acreate_table_artifact([row.model_dump() for row in done], key="products", description=str(table))
    return done


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--credentials", default="default")
    parser.add_argument("--store", default="default")
    options = parser.parse_args()
    for each in asyncio.run(
        products_to_videos(
            options.table.resolve(),
            SeedanceCredentials.load(options.credentials, _sync=True),
            VideoStore.load(options.store, _sync=True),
        )
    ):
        print(each.product, each.uri or each.problem, sep=": ")
