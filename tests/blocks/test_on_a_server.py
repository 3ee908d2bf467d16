"""The blocks on a real Prefect server: registered from the command line, saved, masked, loaded by their names."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_seedance.blocks import SeedanceCredentials, VideoStore, saved_blocks
from prefect_seedance.cli.store_option import chosen_store
from prefect_seedance.simulator import Simulator, running_simulator
from prefect_seedance.storage.errors import BadLocation
from tests.ports import refusing_port
from tests.prefect_server import ask
from tests.test_packaging import installed

pytestmark = [pytest.mark.server]

SECRET = "sk_4f1e7a52c0d94b6f"
AWS_SECRET = "9c3e1d5b7f2a4e8d6c0b"
SLUGS = {"seedance-credentials", "seedance-video-store"}


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    with running_simulator(key=SECRET) as simulator:
        yield simulator


@pytest.fixture
def saved(prefect_server: str, vendor: Simulator, tmp_path: Path) -> str:
    """Both blocks, saved under the name ``example``; gives the API's address."""
    SeedanceCredentials(api_key=vendor.key, base_url=vendor.url).save("example", overwrite=True)
    VideoStore(location=str(tmp_path / "videos")).save("example", overwrite=True)
    return prefect_server


def python(*arguments: str, api_url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PREFECT_API_URL": api_url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=110,
    )


def ours(api_url: str) -> dict[str, str]:
    types = ask(f"{api_url}/block_types/filter", {})
    return {each["slug"]: each["id"] for each in types if "seedance" in each["slug"]}


def test_both_ways_to_register_know_both_blocks_and_may_be_repeated(prefect_server: str) -> None:
    found: list[dict[str, str]] = []
    for module in ("prefect_seedance", "prefect_seedance.blocks"):
        done = python("-m", "prefect", "block", "register", "-m", module, api_url=prefect_server)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Successfully registered 2 blocks" in done.stdout
        assert "Seedance Credentials" in done.stdout
        assert "Seedance Video Store" in done.stdout
        found.append(ours(prefect_server))
    first, second = found
    assert set(first) == SLUGS
    assert second == first
    for slug, type_id in first.items():
        of_type = {"block_schemas": {"block_type_id": {"any_": [type_id]}}}
        assert len(ask(f"{prefect_server}/block_schemas/filter", of_type)) == 1, slug


def test_a_saved_block_is_loaded_by_its_name_in_a_process_that_did_not_import_us(saved: str) -> None:
    installed()
    script = """
        import json, sys
        from prefect.blocks.core import Block
        before = "prefect_seedance" in sys.modules
        credentials = Block.load("seedance-credentials/example")
        store = Block.load("seedance-video-store/example")
        print(json.dumps([before, type(credentials).__name__, credentials.api_key.get_secret_value(), store.location]))
    """
    done = python("-c", textwrap.dedent(script), api_url=saved)
    assert done.returncode == 0, done.stderr
    before, name, key, location = json.loads(done.stdout.splitlines()[-1])  # some Prefects print as well
    assert not before, "something else had imported the package"
    assert (name, key) == ("SeedanceCredentials", SECRET)
    assert location == VideoStore.load("example").location
    assert "seedance" not in done.stderr


def test_a_saved_secret_leaves_the_server_only_for_those_who_ask_for_secrets(prefect_server: str) -> None:
    SeedanceCredentials(api_key=SECRET).save("masked", overwrite=True)
    VideoStore(location="s3://bucket/p", access_key_id="AKIAEXAMPLE", secret_access_key=AWS_SECRET).save(
        "masked", overwrite=True
    )
    named = {"block_documents": {"name": {"any_": ["masked"]}}}
    shown = ask(f"{prefect_server}/block_documents/filter", named)
    assert len(shown) == 2
    text = json.dumps(shown)
    assert SECRET not in text
    assert AWS_SECRET not in text
    assert "AKIAEXAMPLE" in text
    whole = json.dumps(ask(f"{prefect_server}/block_documents/filter", {**named, "include_secrets": True}))
    assert SECRET in whole
    assert AWS_SECRET in whole


@pytest.mark.parametrize(("block", "prints"), [(SeedanceCredentials, "available="), (VideoStore, "can be written")])
def test_the_example_of_a_block_runs(
    block: type[Block], prints: str, saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    example = str(block.get_code_example())
    code = example.partition("```python\n")[2].partition("```")[0].replace("BLOCK_NAME", "example")
    assert "load" in code
    exec(compile(code, block.__name__, "exec"), {})
    assert prints in capsys.readouterr().out


def test_a_block_that_was_saved_with_fewer_fields_still_loads(saved: str) -> None:
    """What a release before the next one has saved: the server's document lacks the field."""
    kept = changed(saved, only=["location"])
    store = VideoStore.load("example")
    assert store.location == kept["location"]
    assert store.maximum_gigabytes > 0


def test_a_block_that_was_saved_with_more_fields_still_loads(saved: str) -> None:
    """What a newer release has saved, read by a worker that was not upgraded."""

    @flow
    def of_a_store(store: VideoStore) -> None: ...

    kept = changed(saved, only=["location", "single_writer"], colour="red")
    reference = {"store": {"$ref": {"block_document_slug": "seedance-video-store/example"}}}
    for load in (
        lambda: VideoStore.load("example"),
        lambda: Block.load("seedance-video-store/example"),
        lambda: of_a_store.validate_parameters(reference)["store"],
    ):
        with pytest.warns(UserWarning, match="colour is left out"):
            store = load()
        assert type(store) is VideoStore
        assert store.location == kept["location"]


def changed(api_url: str, only: list[str], **more: str) -> dict[str, Any]:
    """Let the saved store have only these fields, and more; give them."""
    (document,) = (
        each
        for each in ask(f"{api_url}/block_documents/filter", {"include_secrets": True})
        if each["name"] == "example" and each["block_type"]["slug"] == "seedance-video-store"
    )
    kept = {name: document["data"][name] for name in only} | more
    change = {"data": kept, "merge_existing_data": False}
    ask(f"{api_url}/block_documents/{document['id']}", change, method="PATCH")
    return kept


def required(*blocks: str, notify: tuple[str, ...] = ()) -> str:
    """What `saved_blocks.require` ends with, "" if it does not."""
    try:
        assert asyncio.run(saved_blocks.require(blocks, notify)) == {}
    except SystemExit as ended:
        return str(ended)
    return ""


def test_saved_blocks_that_can_be_used_are_enough_for_a_deployment(saved: str) -> None:
    assert required("seedance-credentials/example", "seedance-video-store/example") == ""


def test_every_block_that_a_deployment_lacks_is_named_at_once_and_without_its_values(saved: str) -> None:
    document = VideoStore.load("example")._block_document_id
    damaged = {"location": "relative", "secret_access_key": AWS_SECRET, "single_writer": AWS_SECRET}
    ask(f"{saved}/block_documents/{document}", {"data": damaged}, method="PATCH")
    said = required("seedance-credentials/nobody", "seedance-video-store/example", "words", notify=("no-such/type",))
    lines = said.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("seedance-credentials/nobody is not saved.")
    assert lines[1].startswith("seedance-video-store/example is saved, and cannot be used: location 'relative' is not")
    assert "single_writer: " in lines[1]
    assert lines[2].startswith("'words' is not a type and a name")
    assert lines[3].startswith("no-such/type is not saved.")
    with pytest.raises(BadLocation, match=r"cannot be loaded .location 'relative' is not") as caught:
        chosen_store("seedance-video-store/example")
    assert AWS_SECRET not in said + str(caught.value)
    assert "is a SeedanceCredentials, and cannot notify" in required(notify=("seedance-credentials/example",))


def test_a_prefect_server_that_does_not_answer_is_named() -> None:
    address = f"http://127.0.0.1:{refusing_port()}/api"
    with temporary_settings({PREFECT_API_URL: address}):
        assert required("seedance-credentials/example").startswith(f"The Prefect server at {address} does not answer")
