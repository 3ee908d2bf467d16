"""Make the four pictures of the README anew: ``python -m docs.screenshots``, from the repository's root.

It needs what the tests in a browser need (``.[media,test]`` and Chromium) and nothing paid: the vendor is the
simulator. A Prefect server, the served flows and the browser run for its length and on this machine only.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.chromium import open_chromium, open_context
from tests.browser.pages import FormV2, RunPage, save_blocks
from tests.browser.stage import Stage, open_stage

FOLDER = Path(__file__).with_name("screenshots")
PROMPT = "A ceramic mug turns on a wooden table, studio light"

# The navigation of the UI, left out so that the rest stays readable in the README's column. CSS pixels.
NAVIGATION_WIDTH, WIDTH, HEIGHT = 256, 1280, 800
# What is left is 1024 wide, and 1280 in the picture.
SCALE = 1.25


def main() -> None:
    """Make them all."""
    for name in [each for each in os.environ if each.startswith(("PREFECT_", "JIMMYAI_"))]:
        del os.environ[name]
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="seedance-") as folder,
        open_chromium() as browser,
        open_stage(Path(folder)) as stage,
        open_context(browser, width=WIDTH, height=HEIGHT, scale=SCALE) as context,
    ):
        page = context.new_page()
        save_blocks(page, stage)
        with stage.serving():
            take_all(page, stage)


def take_all(page: Page, stage: Stage) -> None:
    """Go the way of a person from the form to the video."""
    stage.hold(PROMPT)
    form = FormV2(page, stage)
    form.fill({"Prompt": PROMPT, "Model": "seedance2.0-std", "Aspect ratio": "9:16", "Duration": "10"})
    page.evaluate("window.scrollTo(0, 0)")
    take(page, "form")

    form.fill({"Duration": "30"})
    form.submit()
    expect(form.errors_of("Duration")).to_be_visible()
    form.label("Model").scroll_into_view_if_needed()
    take(page, "field-error")

    form.fill({"Duration": "10"})
    shown = RunPage(page, stage, form.start_run())
    shown.wait_for_state("Running")
    expect(shown.tab("Logs")).to_contain_text("is processing")
    shown.wait_for_progress("processing")
    take(page, "progress")

    shown.open()
    stage.release()
    shown.wait_for_state("Completed")
    page.goto(f"{stage.url}/v2/artifacts/artifact/{stage.artifact(shown.run, 'markdown')}")
    expect(page.get_by_role("img", name="First frame")).to_be_visible()
    take(page, "result")


def take(page: Page, name: str) -> None:
    """Write what the window shows, without the navigation."""
    clip = {"x": NAVIGATION_WIDTH, "y": 0, "width": WIDTH - NAVIGATION_WIDTH, "height": HEIGHT}
    page.screenshot(path=FOLDER / f"{name}.png", clip=clip)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
