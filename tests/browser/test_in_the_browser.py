"""What a person sees in the Prefect UI: blocks, the form and its errors, a run being made, its result.

A real Chromium on a real server, with the simulator for a vendor: the V2 UI, and the form of V1 once.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import open_context
from tests.browser.pages import FormV1, FormV2, RunForm, RunPage, pixels_wide, right_edge
from tests.browser.stage import CREDENTIALS, STORE, Stage
from tests.processes import until

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.timeout(400),
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
]
TOO_LONG = Mistake(
    {"Model": "seedance2.0-mini", "Resolution": "480p", "Duration": "30"},
    "Duration",
    "30 is greater than the maximum of 15",
    {"Duration": "4"},
    {"model": "seedance2.0-mini", "resolution": "480p", "duration": 4},
)


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
    expect(form.chosen_block("credentials")).to_have_text(CREDENTIALS)
    expect(form.chosen_block("store")).to_have_text(STORE)
    form.fill({"Prompt": prompt})
    is_told(form, TOO_LONG)
    form.fill(TOO_LONG.mended)
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

    shown.open_artifact("markdown")
    expect(main).to_contain_text("Video stored")
    expect(main).to_contain_text("coins, in 1 submission")
    expect(main).to_contain_text(stage.store.as_uri())
    poster = main.get_by_role("img", name="First frame")
    assert pixels_wide(poster) > 100
    # The poster is as wide as the page's column: nothing reaches over what is beside it.
    assert max(map(right_edge, main.locator("table, pre").all())) <= right_edge(poster) + 1
    shown.open_artifact("image")
    assert pixels_wide(main.get_by_role("img", name="artifact-image")) > 100


def test_the_form_and_its_errors_on_v1(browser: Browser, stage: Stage) -> None:
    with open_context(browser) as context:
        form = FormV1(context.new_page(), stage)
        assert "/v2/" not in form.page.url
        expect(form.chosen_block("credentials")).to_have_text(CREDENTIALS)
        expect(form.chosen_block("store")).to_have_text(STORE)
        form.fill({"Prompt": "A paper boat"})
        is_told(form, TOO_LONG)
        form.fill(TOO_LONG.mended)
        expect(form.errors()).to_have_count(0)


def test_every_run_of_these_forms_ends_well_and_is_paid_for_once(stage: Stage) -> None:
    runs = stage.runs()
    assert runs
    for run in runs:
        ended = until(lambda run=run: is_over(stage, run["id"]), f"the end of {run['name']}", seconds=120)
        assert ended == "COMPLETED", run["name"]
    assert [bill.accepted for bill in stage.vendor.bills()] == [1] * len(runs)


def sent(stage: Stage, run: str) -> dict[str, object]:
    """The request that a run was made with."""
    return stage.ask(f"flow_runs/{run}")["parameters"]["request"]


def is_over(stage: Stage, run: str) -> str:
    state = str(stage.ask(f"flow_runs/{run}")["state_type"])
    return state if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else ""
