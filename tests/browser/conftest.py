from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import NoChromiumError, open_chromium, open_context
from tests.browser.pages import save_blocks
from tests.browser.stage import Stage, open_stage
from tests.conftest import LoopbackOnly
from tests.storage.s3_servers import S3Server, moto

__all__ = ["moto"]

SKIP = "SKIP_BROWSER_TESTS"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if os.environ.get(SKIP):
        pytest.skip(f"{SKIP} is set")
    try:
        with open_chromium() as opened:
            yield opened
    except NoChromiumError as error:
        pytest.fail(f"{error}. To do without these tests: {SKIP}=1", pytrace=False)


@pytest.fixture(scope="module")
def empty_stage(
    browser: Browser, loopback_only: LoopbackOnly, moto: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A Prefect server that knows the block types and nothing else. The browser first: it is quick to be missing."""
    folder: Path = tmp_path_factory.mktemp("browser")
    with open_stage(folder, moto.environment) as opened:
        yield opened


@pytest.fixture(scope="module")
def saved_blocks(browser: Browser, empty_stage: Stage) -> dict[str, str]:
    """Save the blocks by their forms; gives the text of the page that each ended on."""
    with open_context(browser) as context:
        return save_blocks(context.new_page(), empty_stage)


@pytest.fixture(scope="module")
def stage(empty_stage: Stage, saved_blocks: dict[str, str]) -> Iterator[Stage]:
    """The same with the flows being served."""
    with empty_stage.serving():
        yield empty_stage


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with open_context(browser) as context:
        yield context.new_page()
