"""Make the pictures of the README anew: ``python -m docs.screenshots``, from the repository's root.

It needs what the tests in a browser need (``.[media,test]`` and Chromium) and nothing paid: the vendor is the
simulator. A Prefect server, the served flows and the browser run for its length and on this machine only.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from prefect_seedance.batch.report.report_files import write_report
from prefect_seedance.simulator import Fault
from tests.batch.report.builders import folder_at, manifest_of_bytes, mixed_rows, report_of, thumbnail
from tests.browser.chromium import open_chromium, open_context
from tests.browser.pages import BatchForm, FormV2, RunPage, pixels_wide, save_block, save_blocks
from tests.browser.shop import ROWS, SMALL, put_manifest, shop_fields
from tests.browser.stage import Stage, open_stage
from tests.storage.s3_servers import BUCKET, S3Server, running_moto

FOLDER = Path(__file__).with_name("screenshots")
PROMPT = "A ceramic mug turns on a wooden table, studio light"

# The navigation of the UI, left out so that the rest stays readable in the README's column. CSS pixels.
NAVIGATION_WIDTH, WIDTH, HEIGHT = 256, 1280, 880
# What is left is 1024 wide, and 1280 in the picture.
SCALE = 1.25
MARGIN = 8
# A page without its graph has 13,000 in its badges and frame, with it 36,000.
_COLOURED_PIXELS = 20_000


def main() -> None:
    """Make them all."""
    for name in [each for each in os.environ if each.startswith(("PREFECT_", "JIMMYAI_"))]:
        del os.environ[name]
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="seedance-") as folder,
        open_chromium() as browser,
        running_moto() as bucket,
        open_stage(Path(folder), bucket.environment) as stage,
        open_context(browser, width=WIDTH, height=HEIGHT, scale=SCALE) as context,
    ):
        page = context.new_page()
        take_report(page, Path(folder))
        save_blocks(page, stage)
        save_block(page, stage, "seedance-video-store", "shop", shop_fields())
        with stage.serving():
            take_all(page, stage)
            take_unknown(page, stage)
            take_references(page, stage, bucket)
            take_batch(page, stage, bucket)


def take_report(page: Page, folder: Path) -> None:
    """Open the report of a batch that nobody ran, as it lies in a folder."""
    rows = mixed_rows(60)
    thumbnails = {row.intent: thumbnail(row.number) for row in rows if row.key}
    destination = folder_at(folder / "catalogue")
    report = write_report(report_of(rows), destination, manifest=manifest_of_bytes(), thumbnails=thumbnails)
    page.set_viewport_size({"width": WIDTH - NAVIGATION_WIDTH, "height": HEIGHT})
    page.goto(report.report_uri)
    page.get_by_role("button", name="Moderated").click()
    page.get_by_role("button", name="Stored").click()
    pixels_wide(page.locator(".still img").first)
    keep(page.screenshot(), "report")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def take_all(page: Page, stage: Stage) -> None:
    """Go the way of a person from the form to the video."""
    stage.hold(PROMPT)
    form = FormV2(page, stage)
    form.fill({"Prompt": PROMPT, "Model": "seedance2.0-std", "Aspect ratio": "16:9", "Duration": "10"})
    take(page, "form")

    form.fill({"Duration": "30"})
    form.submit()
    expect(form.errors_of("Duration")).to_be_visible()
    take(page, "field-error", above=form.label("Prompt"), below=form.label("Resolution"))

    form.fill({"Duration": "10"})
    shown = RunPage(page, stage, form.start_run())
    shown.wait_for_state("Running")
    expect(shown.tab("Logs")).to_contain_text("is processing")
    expect(shown.artifact_card("progress", "processing")).to_be_visible()
    take(page, "progress")

    shown.open()
    stage.release()
    shown.wait_for_state("Completed")
    pixels_wide(shown.artifact_card("markdown").get_by_role("img", name="First frame"))
    take(page, "run")
    pixels_wide(shown.open_artifact("markdown").get_by_role("img", name="First frame"))
    take(page, "result")


def take_unknown(page: Page, stage: Stage) -> None:
    """Lose the vendor's answer, and open the page that says how the submission is settled."""
    prompt = "A lighthouse in the fog, seen from a boat"
    stage.vendor.plan(Fault(fault="lost_answer", matching=prompt))
    form = FormV2(page, stage)
    form.fill({"Prompt": prompt, "Model": "seedance2.0-mini", "Resolution": "480p", "Duration": "4"})
    shown = RunPage(page, stage, form.start_run())
    shown.wait_for_state("Failed")
    expect(shown.open_artifact("markdown").get_by_role("heading", name="Give it up: abandon")).to_be_visible()
    take(page, "unknown")


def take_references(page: Page, stage: Stage, bucket: S3Server) -> None:
    """Make a video of a picture that lies in a bucket, by a route that takes audited pictures only."""
    picture = io.BytesIO()
    Image.new("RGB", (1024, 1024), "peru").save(picture, "PNG")
    bucket.client.put_object(Bucket=BUCKET, Key="mug.png", Body=picture.getvalue())
    form = FormV2(page, stage)
    form.fill({"Prompt": PROMPT, "Model": "sd2_mx_720p", "Aspect ratio": "16:9", "Duration": "10"})
    form.add_item("Reference images")
    form.write_item("Reference images", f"s3://{BUCKET}/mug.png")
    shown = RunPage(page, stage, form.start_run())
    shown.wait_for_state("Completed")
    ready = "1 reference is ready"
    expect(shown.logs(ready, "Stored at")).to_contain_text(ready)  # the page has the lines that it shows alone
    wait_for_the_graph(page)
    take(page, "references")


def wait_for_the_graph(page: Page) -> None:
    """Wait until the graph of a run is drawn, which is one picture to whoever asks the page: until it is coloured."""
    for _ in range(60):
        picture = Image.open(io.BytesIO(page.screenshot())).convert("HSV")
        saturated = sum(picture.getchannel("S").histogram()[150:])
        if saturated > _COLOURED_PIXELS:
            return
        page.wait_for_timeout(500)
    raise AssertionError("the graph of the run was not drawn within 30 s")


def take_batch(page: Page, stage: Stage, bucket: S3Server) -> None:
    """Go the way of a catalogue from the form to the page of its report."""
    vases = [{"name": f"vase {colour}", "prompt": f"A {colour} vase turns", **SMALL} for colour in ("red", "blue")]
    manifest = put_manifest(bucket, [*ROWS, *vases])
    stage.vendor.plan(Fault(fault="failed", matching="lantern"))
    stage.hold("vase")
    form = BatchForm(page, stage)
    form.choose_block("Store", "shop")
    form.write("Manifest", manifest)
    expect(page.get_by_role("option")).to_have_count(0)  # the list of blocks fades away
    take(page, "batch-form")
    shown = RunPage(page, stage, form.start_run())
    shown.wait_for_state("Running")
    expect(shown.artifact_card("progress", "5 of 7 rows")).to_be_visible()
    take(page, "batch-progress")
    stage.release()
    shown.open()
    shown.wait_for_state("Failed")
    pixels_wide(shown.open_artifact("markdown").get_by_role("img", name="Contact sheet"))
    take(page, "batch-result")


def take(page: Page, name: str, above: Locator | None = None, below: Locator | None = None) -> None:
    """Write the top of the page, without the navigation; or only what is between two labels there."""
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    top, bottom = (edge(above) - MARGIN if above else 0), (edge(below) - MARGIN if below else HEIGHT)
    clip = {"x": NAVIGATION_WIDTH, "y": top, "width": WIDTH - NAVIGATION_WIDTH, "height": bottom - top}
    keep(page.screenshot(clip=clip), name)  # type: ignore[arg-type]


def keep(shot: bytes, name: str) -> None:
    """Write a picture. A palette is plenty for a page, and halves the file."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def edge(element: Locator) -> float:
    """Tell where an element begins."""
    box = element.bounding_box()
    assert box is not None
    return box["y"]


if __name__ == "__main__":
    main()
