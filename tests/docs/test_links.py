"""No link of the documentation is dead, and the site has every page."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.pages import BESIDE, DOCS, PAGES, ROOT, SITE, Link, anchors_of, links_of

LINKS = [link for page in (*PAGES, *BESIDE) for link in links_of(page)]


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_a_link_leads_somewhere(link: Link) -> None:
    path, _, anchor = link.target.partition("#")
    page = (link.page.parent / path).resolve() if path else link.page
    assert page.exists(), "there is no such file"
    # The builder makes headings of docstrings, which are not in the page's text: the strict build checks these.
    if anchor and page.suffix == ".md" and "\n::: " not in page.read_text():
        assert anchor in anchors_of(page), f"{page.name} has {sorted(anchors_of(page))}"


@pytest.mark.parametrize("link", [link for link in LINKS if link.page.is_relative_to(DOCS)], ids=str)
def test_a_page_of_the_site_links_only_to_what_the_site_has(link: Link) -> None:
    page = (link.page.parent / link.target.partition("#")[0]).resolve() if link.target[0] != "#" else link.page
    assert page.is_relative_to(DOCS), "it is not on the site: name its path as code instead"
    assert page.is_file(), "link to the page itself, not to its folder"
    assert page.suffix != ".py", "scripts are not published"


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
    shown = {(link.page.parent / link.target).resolve() for link in LINKS if link.is_picture}
    kept = {path for kind in ("png", "svg", "jpg") for path in DOCS.rglob(f"*.{kind}")}
    assert kept <= shown
