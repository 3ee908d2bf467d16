"""What models cost, in the forms of the deployments that a script or ``prefect deploy`` applies.

The vendor's public catalog is asked once per process, within seconds and without the key. Whatever it does, the
deployments are applied: without it their forms show only the prices that the account itself has set.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefect_seedance.asides import words_of
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.client.request.form import say_prices

if TYPE_CHECKING:
    from prefect_seedance.client.models import CatalogEntry

#: Longest that the catalog is waited for.
CATALOG_SECONDS = 5.0

#: Entries of the catalogs that were asked, by host; empty ones of those that did not answer.
_asked: dict[str, tuple[CatalogEntry, ...]] = {}


async def look_up(credentials: str) -> dict[str, str]:
    """Show what models cost in the forms that are made from now on.

    A step for the ``build`` section of a ``prefect.yaml``. Prefect makes the form of a deployment before it takes that
    deployment's steps, so the first one that is applied goes without.

    Args:
        credentials: Type and name of the saved credentials, such as ``seedance-credentials/default``.

    Returns:
        An empty dictionary: the step has nothing for later ones.
    """
    try:
        block = await SeedanceCredentials.aload(credentials.rpartition("/")[2])
    except Exception as error:  # another step refuses credentials that cannot be used
        print(f"The forms show no prices: {words_of(error)}")
        return {}
    say_prices(prices_of(block))
    return {}


@contextmanager
def saying_prices(credentials: SeedanceCredentials) -> Generator[None]:
    """Show what models cost in the forms that are made inside a ``with`` block.

    Args:
        credentials: Their own prices come first; the catalog is that of their host.
    """
    before = say_prices(prices_of(credentials))
    try:
        yield
    finally:
        say_prices(before)


def prices_of(credentials: SeedanceCredentials) -> str:
    """Return what models cost, in words for a form; "" where that is not known. Blocking, for some seconds at most."""
    from prefect_seedance.client.request.words.form_prices import form_prices
    from prefect_seedance.pipeline.prices import today

    try:
        account = credentials.vendor_account()
        host = account.settings.base_url
        if host not in _asked:
            _asked[host] = ()
            try:
                with account.client() as client:
                    _asked[host] = client.catalog(max_retries=0, timeout=CATALOG_SECONDS)
            except Exception as error:
                print(f"The forms show no prices of the vendor's catalog: {words_of(error)}")
        return form_prices(account.prices, _asked[host], today())
    except Exception as error:  # prices are for people, and must not keep a deployment from being applied
        print(f"The forms show no prices: {words_of(error)}")
        return ""
