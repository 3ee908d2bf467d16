"""Debian's Chromium, driven by Playwright, whose own browsers are not downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

#: Longest wait for anything on a page: a condition ends it, not the time.
PATIENCE_MS = 90_000

FLAGS = [
    # It may run as root, in a container with little shared memory and without a graphics card.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The UI would fetch logos, and the browser much else: no name but this machine's address leads anywhere.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

MISSING = "there is no chromium on this machine: apt-get install chromium"


class NoChromiumError(Exception):
    """The browser is not installed."""

    def __init__(self) -> None:
        super().__init__(MISSING)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Start a headless browser.

    Raises:
        NoChromiumError: Saying how to get it.
    """
    executable = shutil.which("chromium")
    if executable is None:
        raise NoChromiumError
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()


def open_context(browser: Browser, *, width: int = 1280, height: int = 900, scale: float = 1) -> BrowserContext:
    """Return a window without cookies and history; sizes are in CSS pixels."""
    size = {"width": width, "height": height}
    context = browser.new_context(viewport=size, device_scale_factor=scale)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    return context
