"""What a user saves in the Prefect UI: credentials and a store.

This module is the package's ``prefect.collections`` entry point: importing it makes the blocks known to Prefect, so it
imports them at once, and must stay fast and clean.
"""

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore

__all__ = ["SeedanceCredentials", "VideoStore"]
