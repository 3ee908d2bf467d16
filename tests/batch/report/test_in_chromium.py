"""The page in a real Chromium, opened from a folder: it plays, filters and sorts, and no text in it is ever obeyed."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from prefect_seedance.batch.models import WORST_FIRST, RowResult
from prefect_seedance.batch.report.page import PageRow, Spend, page_html
from prefect_seedance.batch.report.page import ReportPage as Shown
from prefect_seedance.batch.report.report_files import write_report
from tests.batch.report.builders import HOSTILE, folder_at, manifest_of_bytes, mixed_rows, report_of, thumbnail
from tests.browser.chromium import open_context
from tests.storage.clips import make_clip

pytestmark = pytest.mark.slow


class Watched:
    """A window whose every request, dialog and fault is kept."""

    def __init__(self, context: BrowserContext) -> None:
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page: Page = context.new_page()
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("page", lambda page: self.faults.append(f"a window opened: {page.url}"))
        self.page.on("dialog", lambda dialog: (self.faults.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.faults.append(f"an error: {error}"))
        self.page.on("console", lambda message: self.faults.append(f"the console: {message.text}"))


def played(page: Page) -> float:
    return float(page.evaluate("document.querySelector('video')?.currentTime ?? 0"))


def test_a_person_filters_sorts_and_plays(browser: Browser, tmp_path: Path) -> None:
    destination = folder_at(tmp_path / "a store, #1 of 50%")
    rows = mixed_rows(100)
    clip = make_clip(tmp_path / "clip.mp4", seconds=1)
    place = tmp_path / "a store, #1 of 50%" / rows[42].key
    place.parent.mkdir(parents=True)
    shutil.copy(clip, place)
    thumbnails = {row.intent: thumbnail() for row in rows if row.key}
    notices = ["The column colour is no field."]
    report = write_report(
        report_of(rows, notices=notices), destination, manifest=manifest_of_bytes(), thumbnails=thumbnails
    )
    with open_context(browser) as context:
        watched = Watched(context)
        page, videos = watched.page, watched.page.locator("#videos > li")
        page.goto(report.report_uri)
        expect(page).to_have_title("nightly-lamps – Batch report")
        expect(page.locator("#shown")).to_have_text("100 rows")
        expect(page.get_by_text(notices[0])).to_be_visible()
        expect(page.locator("#totals")).to_contain_text(f"{report.spent:.1f} coins")
        expect(videos.first).to_contain_text("Unknown")

        # By keyboard alone: the worst come first, so the one that plays is sought by its name.
        page.get_by_label("Search").focus()
        page.keyboard.type("LAMP-0044 brass")
        expect(page.locator("#shown")).to_have_text("1 of 100 rows")
        page.get_by_role("button", name="Play lamp-0044").focus()
        # A search that finds the same leaves the focus where it is.
        page.get_by_label("Search").evaluate("field => field.dispatchEvent(new Event('input'))")
        page.wait_for_timeout(200)
        assert page.evaluate("document.querySelector('.still img').naturalWidth") == 160
        assert not [url for url in watched.asked if ".mp4" in url]
        page.keyboard.press("Enter")
        ends = time.monotonic() + 60
        while played(page) <= 0 and time.monotonic() < ends:
            page.wait_for_timeout(50)
        assert played(page) > 0
        assert page.locator("video").evaluate("video => [video.preload, video.poster.slice(0, 15)]") == [
            "none",
            "data:image/jpeg",
        ]
        page.keyboard.press("Escape")
        expect(page.locator("video")).to_have_count(0)

        # A video that is not there says so.
        page.get_by_label("Search").fill("lamp-0045")
        page.get_by_role("button", name="Play lamp-0045").click()
        expect(page.get_by_text("This video cannot be played here.")).to_be_visible()

        page.get_by_label("Search").fill("")
        page.get_by_role("button", name="Moderated").click()
        expect(videos).to_have_count(1)
        expect(videos.first).to_contain_text("Change the prompt.")
        page.get_by_role("button", name="Moderated").click()
        model = rows[0].model
        page.get_by_label("Model").select_option(model)
        expect(page.locator("#shown")).to_have_text(f"{sum(row.model == model for row in rows)} of 100 rows")
        page.get_by_label("Search").fill("no such video")
        page.get_by_role("button", name="Show all").click()
        expect(page.locator("#shown")).to_have_text("100 rows")
        page.get_by_label("Sort by").select_option("cost")
        expect(videos.first.locator(".side strong")).to_have_text("1 coin")
        page.get_by_label("Sort by").select_option("rows")
        expect(videos.first).to_contain_text("lamp-0002")

        # Printed, all of it is there, and on a phone nothing is wider than the window.
        page.set_viewport_size({"width": 360, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.pdf()
        expect(videos).to_have_count(100)
        assert [fault for fault in watched.faults if "lamp" not in fault and "ERR_FILE_NOT_FOUND" not in fault] == []
        assert {url.split(":")[0] for url in watched.asked} <= {"file", "data"}


def test_no_text_is_obeyed_and_a_thousand_rows_open_at_once(browser: Browser, tmp_path: Path) -> None:
    def hostile(row: RowResult, text: str, other: str) -> RowResult:
        facts = {"prompt": text, "name": other[:300], "reason": text, "advice": other, "model": text, "task_id": other}
        return row.model_copy(update=facts | {"resolution": text, "ratio": other, "take": text, "cost_source": text})

    rows = [
        # The last, which is very long, once.
        hostile(row, HOSTILE[number % 9 if number else 9], HOSTILE[(number + 1) % 9])
        for number, row in enumerate(mixed_rows(1000))
    ]
    picture = thumbnail(noise=True)
    report = write_report(
        report_of(
            rows, notices=[*HOSTILE], stopped=HOSTILE[1], run_name=HOSTILE[0], run_url=HOSTILE[2], source=HOSTILE[1]
        ),
        folder_at(tmp_path / "store"),
        manifest=None,
        thumbnails={row.intent: picture for row in rows if row.key},
    )
    gallery = tmp_path / "gallery.html"
    spend = [Spend(HOSTILE[0], text, 1.5, 2) for text in HOSTILE[:9]]
    links = [PageRow(0, "", "stored", href=text) for text in (*HOSTILE[:9], "//evil.example.com", "data:text/html,x")]
    gallery.write_bytes(page_html(Shown("Gallery", "", "", [], links, spend=spend, order="newest", noun="videos")))
    with open_context(browser) as context:
        watched = Watched(context)
        page = watched.page
        page.goto(report.report_uri)
        expect(page.locator("#shown")).to_have_text("1,000 rows")
        # What is looked at first is all that is made: the page's work does not grow with its rows.
        assert page.locator("#videos > li").count() <= 120
        for order in ("rows", "cost", "name"):
            page.get_by_label("Sort by").select_option(order)
        page.get_by_label("Search").fill("onerror=alert")
        expect(page.locator("#shown")).not_to_have_text("1,000 rows")
        page.get_by_label("Search").fill("")
        for outcome in WORST_FIRST:
            page.locator(f"[data-outcome={outcome}]").click()
        page.locator("summary").first.click()
        page.keyboard.press("End")
        for name in ("script", "img:not(.still img)", "svg", "iframe", "object", "embed", "base", "link", "form"):
            found = page.locator(name).count()
            assert found == {"script": 2, "form": 1}.get(name, 0), name
        hrefs = page.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert hrefs and all(href.startswith(("../../../videos/", "./report.")) for href in hrefs)
        assert {url.split(":")[0] for url in watched.asked} <= {"file", "data"}

        # Even a script that got into the page would not run, and nothing can be fetched.
        got_in = page.evaluate(
            """() => new Promise(resolve => {
                const script = document.createElement('script');
                script.textContent = 'window.ran = true';
                document.body.append(script);
                const tell = fetched => resolve([window.ran, fetched]);
                fetch('http://127.0.0.1:9/').then(() => tell(true), () => tell(false));
            })"""
        )
        assert json.dumps(got_in) == "[null, false]"
        refused = [fault for fault in watched.faults if "Content Security Policy" in fault]
        assert refused and watched.faults == refused

        watched.faults.clear()
        page.goto(gallery.as_uri())
        expect(page.get_by_role("img", name="Coins spent")).to_be_visible()
        expect(page.locator("#legend li")).to_have_count(7)
        assert page.locator("a, button.still").count() == 0
        assert watched.faults == []
