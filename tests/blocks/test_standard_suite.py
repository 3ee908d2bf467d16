"""What Prefect asks of every block, by its own suite, and what may never change after a release."""

from __future__ import annotations

import re

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from pydantic import SecretStr

from prefect_seedance.blocks import SeedanceCredentials, VideoStore

BLOCKS = [SeedanceCredentials, VideoStore]
LOGO = re.compile(r"https://raw\.githubusercontent\.com/PrefectHQ/prefect/[0-9a-f]{40}/assets/block-logos/[a-z-]+\.png")


@pytest.mark.parametrize("block", BLOCKS)
class TestPrefectsOwnSuite(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, block: type[Block]) -> type[Block]:
        return block

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """The suite fetches the image, and tests may not leave this machine: hold the address to its form instead.

        Prefect's repository checks each image of that folder to be a PNG of 256x256; the commit fixes its bytes. Logos
        on other hosts have gone before: those on cdn.sanity.io, which older integrations name, are answered with 402.
        """
        assert LOGO.fullmatch(str(block._logo_url))


def test_the_slugs_are_those_under_which_users_have_saved_blocks() -> None:
    assert [block.get_block_type_slug() for block in BLOCKS] == ["seedance-credentials", "seedance-video-store"]
    assert [block.get_block_type_name() for block in BLOCKS] == ["Seedance Credentials", "Seedance Video Store"]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_new_field_has_a_default_so_that_saved_blocks_still_load(block: type[Block]) -> None:
    required = {name for name, field in block.model_fields.items() if field.is_required()}
    assert required == ({"api_key"} if block is SeedanceCredentials else {"location"})


@pytest.mark.parametrize("block", BLOCKS)
def test_what_sounds_like_a_secret_is_one(block: type[Block]) -> None:
    loud = re.compile(r"^(api_key|.*secret.*|.*token.*|.*password.*)$")
    for name, field in block.model_fields.items():
        if loud.match(name):
            assert field.annotation is SecretStr, f"{name} is shown in the UI"


def test_every_field_has_a_title_for_readers() -> None:
    for block in BLOCKS:
        for name, schema in block.model_json_schema()["properties"].items():
            assert schema["title"][0].isupper(), name


@pytest.mark.parametrize("block", BLOCKS)
def test_the_docstring_tells_every_field_in_its_order(block: type[Block]) -> None:
    attributes = str(block.__doc__).partition("Attributes:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^ {8}(\w+): ", attributes, re.MULTILINE) == list(block.model_fields)


def test_the_page_of_a_block_is_about_what_one_enters_in_it() -> None:
    assert "jimmyai.cn" in str(SeedanceCredentials._documentation_url)
    assert "jimmyai.cn" not in str(VideoStore._documentation_url), "the vendor knows nothing of the store"
