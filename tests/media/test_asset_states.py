"""What a process knows of assets: shared by all who ask the same vendor, and by nobody else."""

from dataclasses import replace
from pathlib import Path

from prefect_seedance.client.settings import ClientSettings
from prefect_seedance.media.assets import states_of
from prefect_seedance.pipeline.parties import Account
from prefect_seedance.storage.folder.store import FolderStore
from tests.media.contexts import context_of


def test_vendors_at_two_ports_of_one_machine_are_each_asked_for_their_own(tmp_path: Path) -> None:
    """A gateway that has moved to another port, or a second simulator: host and key are the same."""
    context = context_of(FolderStore(tmp_path))
    one, same, other = (
        replace(context, vendor=Account(ClientSettings("sk_paper-boat-1914", f"http://127.0.0.1:{port}")))
        for port in (4001, 4001, 4002)
    )
    assert states_of(one) is states_of(same)
    assert states_of(one) is not states_of(other)
