"""What a user saves in the Prefect UI: credentials and a store.

This module is the package's ``prefect.collections`` entry point: importing it makes the blocks known to Prefect, so it
imports them at once, and must stay fast and clean.

credentials   the key, the account that pays, its budgets  video_store   where videos and journal go
known_fields  what both have in common                     location      what a store's location may be
aws           keys from a saved prefect-aws block          saved_blocks  checks of the blocks a deployment names
form_prices   prices in the forms of deployments
"""

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore

__all__ = ["SeedanceCredentials", "VideoStore"]
