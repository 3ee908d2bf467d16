"""The site builds without a warning, and is read without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, SITE

pytestmark = pytest.mark.slow


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the documentation of a folder, as scripts/docs does."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the site is made of: the folder of this clone belongs to whoever reads the site."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    (folder / "prefect_seedance").symlink_to(ROOT / "prefect_seedance")
    return folder


@pytest.fixture(scope="module")
def site(copied: Path) -> Path:
    built = build(copied)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "No issues found" in built.stdout + built.stderr, built.stdout + built.stderr
    return copied / "site"


def test_every_page_is_built_and_no_script_is_published(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for page in SITE}
    made = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert made == {*pages, "404.html"}
    assert not [*site.rglob("*.py"), *site.rglob("*.md"), *site.rglob("*.json.lock")]


def test_a_page_asks_no_other_machine_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"?(https?:)?//([^\"> ]+)", page.read_text()
        )
        loaded += re.findall(r"<link\b(?![^>]*rel=\"?canonical)[^>]*\bhref=\"?(https?:)?//([^\"> ]+)", page.read_text())
        assert not loaded, page


def test_a_dead_anchor_fails_the_build(copied: Path, site: Path) -> None:
    page = copied / "docs" / "scale.md"
    written = page.read_text()
    page.write_text(f"{written}\n[nowhere](#nowhere)\n")
    try:
        assert build(copied).returncode != 0
    finally:
        page.write_text(written)
