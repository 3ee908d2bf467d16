"""What the documentation is made of: its pages, their links, and the code blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: What is read here and on the site, and what is read in the repository only.
SITE = tuple(sorted(DOCS.rglob("*.md")))
PAGES = (ROOT / "README.md", *SITE)
#: Pages beside them, whose links are followed as well.
BESIDE = tuple(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "deployments/README.md"))

#: Stands in the paragraph above a block that no test can run, so that readers see it too.
NOT_RUN = "Not run here"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<picture>!?)\[(?P<words>[^\]]*)\]\((?P<target>[^)\s]+)(?: \"[^\"]*\")?\)")
#: Where what stands in a command is to be replaced by the reader: INTENT, NAME, an example of an attempt's name, dots.
_PLACEHOLDER = re.compile(r"\b[A-Z]{4,}(?:_[A-Z]+)*\b|3f9a1c04|\.\.\.")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Its page, from the root of the repository.
        line: Where it begins.
        language: The first word behind the fence.
        text: What is in it, without its indentation.
        marked: Whether the page says that it is not run.
    """

    page: str
    line: int
    language: str
    text: str
    marked: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block, without comments; a line that ends in a backslash goes on in the next."""
        joined = self.text.replace("\\\n", " ")
        return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@dataclass(frozen=True)
class Link:
    """A link or a picture."""

    page: Path
    target: str
    is_picture: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.target}"


def name_of(page: Path) -> str:
    """Return a page's path from the root of the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for fence in _FENCE.finditer(text):
        above = text[: fence.start()].rstrip().rpartition("\n\n")[2]
        indent = fence["indent"]
        inside = "".join(line.removeprefix(indent) for line in fence["text"].splitlines(keepends=True))
        line = text.count("\n", 0, fence.start()) + 1
        language = fence["language"].strip().partition(" ")[0]  # a title may follow
        found.append(Block(name_of(page), line, language, inside, NOT_RUN in above))
    return found


def all_blocks() -> list[Block]:
    """Return the code blocks of all pages."""
    return [block for page in PAGES for block in blocks_of(page)]


def prose_of(page: Path) -> str:
    """Return a page without its code, in which brackets mean something else."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))


def links_of(page: Path) -> Iterator[Link]:
    """Yield the links and pictures of a page that lead to something of ours."""
    for found in _LINK.finditer(re.sub(r"`[^`\n]*`", "code", _FENCE.sub("", page.read_text(encoding="utf-8")))):
        if not re.match(r"[a-z]+:", found["target"]):
            yield Link(page, found["target"], bool(found["picture"]))


def anchors_of(page: Path) -> set[str]:
    """Return what a link may lead to within a page: its headings, and anchors that are written out."""
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    anchors: set[str] = {
        *re.findall(r"""(?:id|name)=["']([\w.-]+)["']""", prose),
        *re.findall(r"\{ *#([\w.-]+)", prose),
    }
    for title in re.findall(r"^#+ (.*?)(?: *\{[^}]*\})?$", prose, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        made = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip())
        number, anchor = 0, made
        while anchor in anchors:
            number += 1
            anchor = f"{made}_{number}"
        anchors.add(anchor)
    return anchors


def is_template(command: str) -> bool:
    """Tell whether a command holds something that its reader has to replace.

    Example:
        >>> is_template("prefect-seedance resolve INTENT --store ./videos"), is_template("prefect-seedance journal")
        (True, False)
    """
    return bool(_PLACEHOLDER.search(command))
