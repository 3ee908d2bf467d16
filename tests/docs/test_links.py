"""No link of the documentation is dead, and the site has every page."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import BESIDE, DOCS, PAGES, ROOT, SITE, Link, anchors_of, links_of

LINKS = {page: [*links_of(page)] for page in (*PAGES, *BESIDE)}


def named(page: Path) -> str:
    """Return a page's name for a test's id."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", LINKS, ids=named)
def test_a_link_leads_somewhere(page: Path) -> None:
    assert {str(link): fault for link in LINKS[page] if (fault := fault_of(link))} == {}


def fault_of(link: Link) -> str:
    """Return why a link leads nowhere; "" if it leads somewhere."""
    path, _, anchor = link.target.partition("#")
    page = (link.page.parent / path).resolve() if path else link.page
    if not page.exists():
        return "there is no such file"
    # The builder makes headings of docstrings, which are not in the page's text: the strict build checks these.
    if anchor and page.suffix == ".md" and "\n::: " not in page.read_text() and anchor not in anchors_of(page):
        return f"{page.name} has {sorted(anchors_of(page))}"
    return ""


@pytest.mark.parametrize("page", [page for page in LINKS if page.is_relative_to(DOCS)], ids=named)
def test_a_page_of_the_site_links_only_to_what_the_site_has(page: Path) -> None:
    assert {str(link): fault for link in LINKS[page] if (fault := fault_on_the_site(link))} == {}


def fault_on_the_site(link: Link) -> str:
    """Return why a reader of the site cannot follow a link; "" if there is nothing in the way."""
    page = (link.page.parent / link.target.partition("#")[0]).resolve() if link.target[0] != "#" else link.page
    if not page.is_relative_to(DOCS):
        return "it is not on the site: name its path as code instead"
    if not page.is_file():
        return "link to the page itself, not to its folder"
    return "scripts are not published" if page.suffix == ".py" else ""


def pages_of(navigation: list[Any]) -> Iterator[str]:
    """Yield the pages that a navigation names, at whatever depth."""
    for item in navigation:
        for target in [item] if isinstance(item, str) else item.values():
            if isinstance(target, str):
                yield target
            else:
                yield from pages_of(target)


def test_the_navigation_names_every_page_once() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    named = sorted(pages_of(settings["nav"]))
    assert named == sorted(page.relative_to(DOCS).as_posix() for page in SITE)


def test_every_picture_is_shown_somewhere() -> None:
    shown = {
        (link.page.parent / link.target).resolve() for links in LINKS.values() for link in links if link.is_picture
    }
    kept = {path for kind in ("png", "svg", "jpg") for path in DOCS.rglob(f"*.{kind}")}
    assert kept <= shown
