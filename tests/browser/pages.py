"""The pages of the Prefect UI that the tests use: what a person does on them, in a person's terms."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import suppress

from playwright.sync_api import Locator, Page, Request, Response, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.browser.stage import BATCH_DEPLOYMENT, CREDENTIALS, DEPLOYMENT, STORE, Stage


def save_blocks(page: Page, stage: Stage) -> dict[str, str]:
    """Save the two blocks by their forms; gives what the page of each shows."""
    key, url = stage.vendor.key, stage.vendor.url
    return {
        CREDENTIALS: save_block(page, stage, "seedance-credentials", CREDENTIALS, {"API key": key, "Base URL": url}),
        STORE: save_block(page, stage, "seedance-video-store", STORE, {"Location": str(stage.store)}),
    }


def save_block(page: Page, stage: Stage, slug: str, name: str, fields: dict[str, str]) -> str:
    """Fill the form of a block type and save it; gives what the saved block's page shows."""
    page.goto(f"{stage.url}/v2/blocks/catalog/{slug}/create")
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    for label, value in fields.items():
        # A number's field is a spinbutton.
        page.get_by_role("textbox", name=label).or_(page.get_by_role("spinbutton", name=label)).fill(value)
    for _ in range(3):  # a server on SQLite that is busy may answer with 503, which no form repeats
        page.get_by_role("button", name="Save").click()
        with suppress(PlaywrightTimeoutError):
            page.wait_for_url("**/blocks/block/*", timeout=30_000)
            break
    else:
        raise AssertionError(f"the block was not saved: {page.get_by_role('main').inner_text()}")
    saved = page.get_by_role("main")
    expect(saved.get_by_role("definition").first).to_be_visible()
    return saved.inner_text()


class RunForm(ABC):
    """The form that starts a run of the deployment. Fields go by their labels."""

    #: Where the UI is, below the server's address.
    base = ""

    def __init__(self, page: Page, stage: Stage, deployment: str = DEPLOYMENT, first: str = "Prompt") -> None:
        self.page, self.stage = page, stage
        page.goto(f"{stage.url}{self.base}/deployments/deployment/{stage.deployment_id(deployment)}/run")
        self.label(first).wait_for()

    @abstractmethod
    def label(self, name: str) -> Locator: ...

    @abstractmethod
    def write(self, label: str, value: str) -> None:
        """Put a text or a number into a field."""

    @abstractmethod
    def choose(self, label: str, value: str) -> None:
        """Choose one of a field's values."""

    @abstractmethod
    def field(self, label: str) -> Locator:
        """A field with all that belongs to it."""

    @abstractmethod
    def errors_of(self, label: str) -> Locator:
        """What the form says against a field."""

    @abstractmethod
    def errors(self) -> Locator:
        """What the form says against any field."""

    @abstractmethod
    def chosen_block(self, label: str) -> Locator:
        """The saved block that a field has."""

    def fill(self, values: dict[str, str]) -> None:
        """Fill fields by whichever control they have."""
        for label, value in values.items():
            fill = self.choose if label in ("Model", "Resolution", "Aspect ratio") else self.write
            fill(label, value)

    def add_item(self, label: str) -> None:
        """Add an empty item to a field that is a list."""
        self.field(label).get_by_role("button", name="Add item").click()

    def write_item(self, label: str, value: str) -> None:
        """Put a text into the last item of a list."""
        self.field(label).get_by_role("textbox").last.fill(value)

    def submit(self) -> None:
        """Press the button, and wait for the server's verdict on the values."""
        status = 0
        for seconds in (1, 2, 4, 8, 0):
            with self.page.expect_response(lambda response: response.url.endswith("/ui/schemas/validate")) as verdict:
                self._press()
            status = verdict.value.status
            if verdict.value.ok:
                return
            self.page.wait_for_timeout(1000 * seconds)  # a busy server on SQLite; no form asks it again
        raise AssertionError(f"the values were not judged: HTTP {status}")

    def start_run(self) -> str:
        """Submit the form once it has no error left, and give the id of the run that Prefect has made."""
        # After the first verdict the form asks for another with every change, a moment later. Pressed before that
        # one has come, the button would only take the errors away.
        # Here too a busy server on SQLite may answer with 503, which no form repeats.
        for _ in range(3):
            with suppress(AssertionError):
                expect(self.errors()).to_have_count(0, timeout=20_000)
                break
            self.submit()
        told: list[str] = []
        for seconds in (1, 2, 4, 8, 16, 0):
            response = self._creation()
            if response is not None and response.ok:
                return str(response.json()["id"])
            told.append("nothing was sent" if response is None else f"{response.status} {response.text()[:200]}")
            self.page.wait_for_timeout(1000 * seconds)
        raise AssertionError(f"no run was made: {told}; the form says {self.errors().all_inner_texts()}")

    def _creation(self) -> Response | None:
        """Press the button; return the answer to the form's order of a run, or None if it has ordered none."""
        ordered: list[Request] = []

        def listen(request: Request) -> None:
            if request.url.endswith("/create_flow_run"):
                ordered.append(request)

        self.page.on("request", listen)
        try:
            self._press()
            # The order follows the verdict on the values at once or never, but a busy server is slow with the verdict.
            for _ in range(300):
                if ordered:
                    # However long it takes: a second press would make a second run.
                    return ordered[0].response()
                self.page.wait_for_timeout(200)
            return None
        finally:
            self.page.remove_listener("request", listen)

    def _press(self) -> None:
        self.page.get_by_role("button", name="Submit").click()


class FormV2(RunForm):
    """The form of the V2 UI, the default since Prefect 3.8."""

    base = "/v2"

    def label(self, name: str) -> Locator:
        return self.page.locator("label", has_text=beginning(name)).first

    def write(self, label: str, value: str) -> None:
        self.page.get_by_label(label).fill(value)

    def choose(self, label: str, value: str) -> None:
        self._pick(self.page.get_by_role("button", name=f"Select {label}"), value)

    def choose_block(self, label: str, name: str) -> None:
        """Choose a saved block."""
        self._pick(self.chosen_block(label), name)

    def _pick(self, button: Locator, option: str) -> None:
        """Open a list and press an option. One that is pressed while the list is drawn anew is gone for good."""
        for _ in range(4):
            button.click()
            with suppress(PlaywrightTimeoutError):
                self.page.get_by_role("option", name=option, exact=True).click(timeout=20_000)
                return
            self.page.keyboard.press("Escape")
        raise AssertionError(f"{option} could not be chosen")

    def field(self, label: str) -> Locator:
        return self.label(label).locator("xpath=ancestor::div[fieldset][1]")

    def errors_of(self, label: str) -> Locator:
        # An error is a paragraph beside the field's control, below it.
        return self.field(label).locator("xpath=fieldset/following-sibling::p")

    def errors(self) -> Locator:
        return self.page.locator("form fieldset + p")

    def chosen_block(self, label: str) -> Locator:
        return self.field(label).get_by_role("button", name="Select a block")


class BatchForm(FormV2):
    """The form of a batch."""

    def __init__(self, page: Page, stage: Stage) -> None:
        super().__init__(page, stage, BATCH_DEPLOYMENT, "Manifest")


class FormV1(RunForm):
    """The form of the V1 UI, which the links of ``prefect deploy`` open."""

    def label(self, name: str) -> Locator:
        return self.page.locator(".schema-form-property__label", has_text=beginning(name)).first

    def write(self, label: str, value: str) -> None:
        self.field(label).locator("input, textarea").fill(value)

    def choose(self, label: str, value: str) -> None:
        # By keyboard: a click without a hand's delay opens the list and closes it again.
        self.field(label).locator("button.p-select-button__control").focus()
        self.page.keyboard.press("Space")
        self.page.get_by_text(value, exact=True).click()

    def errors_of(self, label: str) -> Locator:
        return self.field(label).locator(".p-label__message--failed")

    def errors(self) -> Locator:
        return self.page.locator(".p-label__message--failed")

    def chosen_block(self, label: str) -> Locator:
        return self.field(label).locator("button.p-select-button__control")

    def field(self, label: str) -> Locator:
        # The innermost: a field of the request is in the field "request" as well.
        return self.page.locator(".schema-form-property", has=self.label(label)).last


class RunPage:
    """The page of a flow run, in the V2 UI."""

    def __init__(self, page: Page, stage: Stage, run: str) -> None:
        self.page, self.stage, self.run = page, stage, run
        self.open()

    def open(self) -> None:
        """Go to the page, or load it anew."""
        self.page.goto(f"{self.stage.url}/v2/runs/flow-run/{self.run}")

    def wait_for_state(self, state: str) -> None:
        """Wait until the page says so; nobody reloads it."""
        expect(self.page.get_by_role("main").get_by_text(state, exact=True).first).to_be_visible()

    def cancel(self) -> None:
        """Cancel the run by the menu of its page."""
        self.page.get_by_role("button", name="Open menu").click()
        self.page.get_by_role("menuitem", name="Cancel").click()
        self.page.get_by_role("alertdialog").get_by_role("button", name="Cancel Flow Run").click()

    def tab(self, name: str) -> Locator:
        """Open a tab."""
        self.page.get_by_role("tab", name=name, exact=True).click()
        return self.page.get_by_role("tabpanel", name=name)

    def logs(self, *lines: str) -> Locator:
        """Open the logs once they have these lines: V2 reads those of a run that is over only once."""
        for line in lines:
            self.stage.wait_for_log(self.run, line)
        self.open()
        return self.tab("Logs")

    def artifacts(self) -> Locator:
        """Open the tab of artifacts, which V2 reads once: the page is loaded anew."""
        self.open()
        return self.tab("Artifacts")

    def artifact_card(self, kind: str, saying: str = "") -> Locator:
        """Find the card of the artifact of this type in the tab, once there is one that says so."""
        self.stage.artifact(self.run, kind, saying)
        return self.artifacts().get_by_role("link", name=beginning(kind.upper()))

    def open_artifact(self, kind: str) -> Locator:
        """Go to the artifact of this type as a person does, by its card."""
        self.artifact_card(kind).click()
        self.page.wait_for_url("**/artifacts/artifact/*")
        return self.page.get_by_role("main")


def beginning(label: str) -> re.Pattern[str]:
    """Match a label by its first words: "(Optional)" or a unit may follow, and "Other model" is not "Model"."""
    return re.compile(rf"^\s*{re.escape(label)}\b")


def pixels_wide(picture: Locator) -> int:
    """Tell how wide a picture is once it has been loaded; a broken one never is."""
    expect(picture).to_be_visible()
    return int(picture.evaluate("async picture => { await picture.decode(); return picture.naturalWidth }"))


def right_edge(element: Locator) -> float:
    """Tell where an element ends on the page."""
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"]
