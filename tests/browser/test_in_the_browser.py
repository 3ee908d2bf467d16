"""What a person sees in the Prefect UI: blocks, the form and its errors, a run being made, its result.

A real Chromium on a real server, with the simulator for a vendor: the V2 UI, and the form of V1 once.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from prefect_seedance.simulator import Fault
from tests.browser.chromium import open_context
from tests.browser.pages import BatchForm, FormV1, FormV2, RunForm, RunPage, pixels_wide, right_edge, save_block
from tests.browser.shop import put_manifest, shop_fields
from tests.browser.stage import CREDENTIALS, STORE, Stage
from tests.media.test_links import png
from tests.processes import until
from tests.storage.s3_servers import BUCKET, S3Server

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
]


@dataclass(frozen=True)
class Mistake:
    """A request with one mistake: what is typed, on which field the error appears, and how it is mended."""

    typed: dict[str, str]
    field: str
    said: str
    mended: dict[str, str]
    sent: dict[str, object]


MISTAKES = [
    Mistake(
        {"Model": "seedance2.0-md", "First frame": "https://example.com/first.png"},
        "First frame",
        "'both frames, or none' was expected",
        {"First frame": "", "Duration": "6"},
        {"model": "seedance2.0-md", "duration": 6},
    ),
    Mistake(
        {"Model": "seedance2.0-fast-i2v", "Aspect ratio": "21:9", "Duration": "4"},
        "Aspect ratio",
        "'21:9' is not one of ['auto', '16:9', '9:16', '1:1']",
        {"Aspect ratio": "9:16"},
        {"model": "seedance2.0-fast-i2v", "ratio": "9:16", "duration": 4},
    ),
    Mistake(
        {"Model": "seedance2.0-std", "Resolution": "1080p", "Duration": "4"},
        "Resolution",
        "'1080p' is not one of ['auto', '720p']",
        {"Resolution": "720p"},
        {"model": "seedance2.0-std", "resolution": "720p", "duration": 4},
    ),
]
NO_SOURCE = Mistake(
    {"First frame": "ftp://example.com/mug.png"},
    "First frame",
    "'a link, s3://bucket/key, a path or asset://id' was expected",
    {"First frame": ""},
    {"first_image": ""},
)
TOO_LONG = Mistake(
    {"Model": "seedance2.0-mini", "Resolution": "480p", "Duration": "30"},
    "Duration",
    "30 is greater than the maximum of 15",
    {"Duration": "4"},
    {"model": "seedance2.0-mini", "resolution": "480p", "duration": 4},
)


IMAGES = "Reference images"
#: What no route could use, and what is said of it.
NO_ADDRESSES = {
    "ftp://example.com/mug.png": NO_SOURCE.said,
    "https://example.com/my mug.png": "'a link with %20 for each blank and / for each backslash' was expected",
    " ": "'a link, s3://bucket/key, a path or asset://id, without blanks around it' was expected",
}


def is_told(form: RunForm, mistake: Mistake) -> None:
    """Fill and submit the form: the error is on its field, there alone, and no run is made."""
    before = {run["id"] for run in form.stage.runs()}
    form.fill(mistake.typed)
    form.submit()
    expect(form.errors_of(mistake.field)).to_have_text(mistake.said)
    expect(form.errors()).to_have_count(1)
    assert {run["id"] for run in form.stage.runs()} == before


def test_the_saved_blocks_show_no_secret(saved_blocks: dict[str, str], empty_stage: Stage) -> None:
    assert empty_stage.vendor.url in saved_blocks[CREDENTIALS]
    assert "********" in saved_blocks[CREDENTIALS]
    assert empty_stage.vendor.key not in saved_blocks[CREDENTIALS]
    assert str(empty_stage.store) in saved_blocks[STORE]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.typed["Model"])
@pytest.mark.sample(every=3)
def test_a_mistake_is_told_on_its_field_and_the_mended_form_makes_the_run(
    mistake: Mistake, page: Page, stage: Stage
) -> None:
    form = FormV2(page, stage)
    form.fill({"Prompt": f"On {mistake.typed['Model']}"})
    is_told(form, mistake)
    form.fill(mistake.mended)
    run = form.start_run()
    assert sent(stage, run).items() >= mistake.sent.items()


def test_a_run_is_watched_from_the_form_to_the_poster(page: Page, stage: Stage) -> None:
    prompt = "A paper boat crosses a puddle"
    stage.hold(prompt)
    form = FormV2(page, stage)
    expect(form.chosen_block("Credentials")).to_have_text(CREDENTIALS)
    expect(form.chosen_block("Store")).to_have_text(STORE)
    form.fill({"Prompt": prompt})
    for mistake in (NO_SOURCE, TOO_LONG):
        is_told(form, mistake)
        form.fill(mistake.mended)
    run = form.start_run()
    assert sent(stage, run).items() >= TOO_LONG.sent.items()

    shown = RunPage(page, stage, run)
    shown.wait_for_state("Running")
    main = page.get_by_role("main")
    expect(main).to_contain_text(f'seedance2.0-mini 4s "{prompt}"')
    expect(shown.tab("Logs")).to_contain_text("is processing")
    expect(shown.artifact_card("progress", "processing")).to_contain_text("processing")
    expect(shown.open_artifact("progress")).to_contain_text("Progress: 50%")

    shown.open()
    shown.wait_for_state("Running")
    stage.release()
    shown.wait_for_state("Completed")

    card = shown.artifact_card("markdown")
    expect(card).to_contain_text(re.compile(r"[\d.]+ coins"))
    assert pixels_wide(card.get_by_role("img", name="First frame")) > 100, "two clicks away"

    shown.open_artifact("markdown")
    expect(main).to_contain_text("Video stored")
    expect(main).to_contain_text("prefect-seedance open ")
    expect(main).to_contain_text(stage.store.as_uri())
    poster = main.get_by_role("img", name="First frame")
    assert pixels_wide(poster) > 100
    # A heading is as wide as the page's column: nothing reaches over what is beside it.
    column = right_edge(main.get_by_role("heading", name="Video stored"))
    assert max(map(right_edge, main.locator("table, pre").all())) <= column + 1


@pytest.mark.long
def test_a_picture_in_a_bucket_goes_from_the_form_to_the_stored_video(page: Page, stage: Stage, moto: S3Server) -> None:
    address = f"s3://{BUCKET}/pictures/a mug.png"
    moto.client.put_object(Bucket=BUCKET, Key="pictures/a mug.png", Body=png())
    form = FormV2(page, stage)
    form.fill({"Prompt": "A mug turns", "Model": "sd2_mx_720p", "Duration": "4"})
    items_are_told(form)
    form.write_item(IMAGES, address)
    run = form.start_run()
    assert sent(stage, run)["images"] == [address]

    shown = RunPage(page, stage, run)
    shown.wait_for_state("Completed")
    lines = (f"images[0]: handing {address} to the vendor's audit.", "1 reference is ready for sd2_mx_720p.")
    logs = shown.logs(*lines)
    for line in lines:
        expect(logs).to_contain_text(line)
    expect(shown.tab("Task Runs")).to_contain_text("prepare-media: sd2_mx_720p")
    main = shown.open_artifact("markdown")
    expect(main).to_contain_text("Video stored")
    expect(main).to_contain_text(f"Reference images, entry 1 (images[0]): {address}")
    assert pixels_wide(main.get_by_role("img", name="First frame")) > 100
    (asset,) = stage.vendor.assets()
    (bill,) = (bill for bill in stage.vendor.bills() if bill.body["prompt"] == "A mug turns")
    assert asset.asset_id in json.dumps(bill.body)


def items_are_told(form: RunForm) -> None:
    """Write one by one what no route could use into a list: each is told at its place, and no run is made."""
    before = {run["id"] for run in form.stage.runs()}
    form.add_item(IMAGES)
    for wrong, said in NO_ADDRESSES.items():
        form.write_item(IMAGES, wrong)
        form.submit()
        expect(form.field(IMAGES).get_by_text(said, exact=True)).to_be_visible()
    assert {run["id"] for run in form.stage.runs()} == before


def test_the_form_and_its_errors_on_v1(browser: Browser, stage: Stage) -> None:
    with open_context(browser) as context:
        form = FormV1(context.new_page(), stage)
        assert "/v2/" not in form.page.url
        expect(form.chosen_block("Credentials")).to_have_text(CREDENTIALS)
        expect(form.chosen_block("Store")).to_have_text(STORE)
        form.fill({"Prompt": "A paper boat"})
        for mistake in (NO_SOURCE, TOO_LONG):
            is_told(form, mistake)
            form.fill(mistake.mended)
        expect(form.errors()).to_have_count(0)
        items_are_told(form)


@pytest.mark.long
def test_a_run_that_is_cancelled_says_what_goes_on_and_the_same_form_takes_it_up(page: Page, stage: Stage) -> None:
    asked = {"Prompt": "A kite over the dunes", "Model": "seedance2.0-mini", "Resolution": "480p", "Duration": "4"}
    stage.hold(asked["Prompt"])
    form = FormV2(page, stage)
    form.fill(asked)
    cancelled = RunPage(page, stage, form.start_run())
    cancelled.artifact_card("progress", "processing")
    (bill,) = (bill for bill in stage.vendor.bills() if bill.body["prompt"] == asked["Prompt"])

    try:
        cancelled.open()
        cancelled.wait_for_state("Running")
        cancelled.cancel()
        cancelled.wait_for_state("Cancelled")
        cancelled.open_artifact("markdown")
        main = page.get_by_role("main")
        expect(main).to_contain_text("The run was cancelled")
        expect(main).to_contain_text(f"{bill.task_ids[0]} goes on at the vendor and is paid for")
        expect(main).to_contain_text("Crashed. That is not a failure")
    finally:
        stage.release()

    form = FormV2(page, stage)
    form.fill(asked)
    again = RunPage(page, stage, form.start_run())
    again.wait_for_state("Completed")
    again.open_artifact("markdown")
    expect(main).to_contain_text(f"Reused: task {bill.task_ids[0]}")
    assert is_over(stage, cancelled.run) == "CANCELLED"


def test_every_other_run_of_these_forms_ends_well_and_each_request_is_paid_for_once(stage: Stage) -> None:
    runs = stage.runs()
    ended = [until(lambda run=run: is_over(stage, run["id"]), f"the end of {run['name']}", seconds=120) for run in runs]
    assert set(ended) <= {"CANCELLED", "COMPLETED"}
    assert ended.count("CANCELLED") <= 1
    requests = {json.dumps(sent(stage, run["id"])) for run in runs}
    assert [bill.accepted for bill in stage.vendor.bills()] == [1] * len(requests)


def sent(stage: Stage, run: str) -> dict[str, object]:
    """The request that a run was made with."""
    return stage.ask(f"flow_runs/{run}")["parameters"]["request"]


def is_over(stage: Stage, run: str) -> str:
    state = str(stage.ask(f"flow_runs/{run}")["state_type"])
    return state if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else ""


def test_a_batch_goes_from_the_form_to_its_report(page: Page, stage: Stage, moto: S3Server) -> None:
    save_block(page, stage, "seedance-video-store", "shop", shop_fields())
    manifest = put_manifest(moto)
    stage.vendor.plan(Fault(fault="failed", matching="lantern"))
    stage.hold("kite")
    form = BatchForm(page, stage)
    form.choose_block("Store", "shop")
    form.write("Manifest", manifest)
    expect(form.label("Maximum in flight")).to_be_visible()  # the options are unfolded
    shown = RunPage(page, stage, form.start_run())
    shown.wait_for_state("Running")
    try:
        expect(page.get_by_role("main")).to_contain_text("generate-videos: spring.csv")
        expect(shown.artifact_card("progress", "4 of 5 rows")).to_contain_text("1 in flight")
        expect(shown.open_artifact("progress")).to_contain_text("Progress: 80%")
    finally:
        stage.release()
    shown.open()
    shown.wait_for_state("Failed")
    expect(shown.tab("Task Runs")).to_contain_text("generate: mug")
    expect(shown.open_artifact("table")).to_contain_text("5 rows, worst first.")
    main = shown.open_artifact("markdown")
    expect(main).to_contain_text("3 of 5 rows have their video")
    expect(main).to_contain_text("Edit 2 rows first.")
    assert pixels_wide(main.get_by_role("img", name="Contact sheet")) > 100
    main.get_by_role("link", name="Open the report").click()
    expect(page.get_by_role("heading", name="generate-videos: spring.csv")).to_be_visible()
    assert pixels_wide(page.locator(".still img").first) > 100
    bills = Counter(bill.body["prompt"] for bill in stage.vendor.bills() if "of the batch" in bill.body["prompt"])
    assert sorted(bills.values()) == [1, 1, 1]
