"""Which field a header means: those of a request, and two that only a manifest has."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass

from prefect_seedance.batch.manifest.limits import LONGEST_SHOWN
from prefect_seedance.client.request.fields import RequestFields
from prefect_seedance.client.request.problems import both
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import hide

#: Fields that take several addresses, also in repeated columns.
LISTS = frozenset({"images", "reference_videos", "reference_audios"})
FRAMES = frozenset({"first_image", "last_image"})
NAME, TAKES = "name", "takes"
_LISTED = "|".join(name.replace("_", "").removesuffix("s") for name in sorted(LISTS))
#: images.2, and also image_2, which means the same.
_REPEATED = re.compile(rf"({_LISTED})s?([0-9]{{1,3}})")
#: "promt" for "prompt" has 0.91, "product" 0.62.
_LIKE = 0.8
_MOST_NAMED = 20
#: Anything that may separate columns, except what may stand in a name.
_BETWEEN_NAMES = re.compile(r"[^\w .()-]+|\s{2,}")
#: Of a header, this much is looked at.
_LONGEST = 200


def _letters(header: str) -> str:
    """Return what counts of a header: no blanks, underscores, signs, invisible characters, widths and capitals."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", header[:_LONGEST]).casefold()))


def _written() -> dict[str, str]:
    """Return each field by how it may be written: by its name, or by its title in the form."""
    fields = RequestFields.model_fields
    titles = {_letters(field.title or name): name for name, field in fields.items()}
    return titles | {_letters(name): name for name in (*fields, NAME, TAKES)}


_FIELDS = _written()


@dataclass(frozen=True, slots=True)
class Column:
    """What a header means.

    Attributes:
        header: As the manifest has it, fit to be shown.
        field: The field; "" if it is none.
        number: Of a repeated column, 2 of ``images.2``; else 0.
        nearest: The field that an unknown column looks like; "" if none.
    """

    header: str
    field: str
    number: int = 0
    nearest: str = ""


def column_of(header: str) -> Column:
    """Find out what a header means.

    Example:
        >>> column_of(" First Image ").field, column_of("images.2").number, column_of("Durration").nearest
        ('first_image', 2, 'duration')
        >>> column_of("product")
        Column(header='product', field='', number=0, nearest='')
    """
    shown, letters = shown_header(header), _letters(header)
    if letters in _FIELDS:
        return Column(shown, _FIELDS[letters])
    if repeated := _REPEATED.fullmatch(letters):
        return Column(shown, _FIELDS[f"{repeated[1]}s"], int(repeated[2]))
    near = difflib.get_close_matches(letters, _FIELDS, n=1, cutoff=_LIKE)
    return Column(shown, "", 0, _FIELDS[near[0]] if near else "")


def shown_header(header: str) -> str:
    """Return a header as it may be shown: on one line, cut to size, without what may be a signature."""
    text = one_line(hide(header, longest=LONGEST_SHOWN)).strip()
    return text if len(header) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


class Columns:
    """The columns of one manifest, each looked up once."""

    def __init__(self) -> None:
        self._known: dict[str, Column] = {}

    def resolve(self, header: str) -> Column:
        """Return what a header means."""
        column = self._known.get(header)
        if column is None:
            column = self._known[header] = column_of(header)
        return column

    def header_of(self, field: str) -> str:
        """Return the first header that means a field; "" if none does."""
        return next((column.header for column in self._known.values() if column.field == field), "")

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._known)

    @property
    def has_prompt(self) -> bool:
        """Whether there is one for the prompt, without which nothing can be made."""
        return any(column.field == "prompt" for column in self._known.values())

    @property
    def like_prompt(self) -> str:
        """The header that looks like a mistyped one for the prompt; "" if none does."""
        return next((column.header for column in self._known.values() if column.nearest == "prompt"), "")

    @property
    def joined(self) -> str:
        """The header that holds the names of several columns, one of which is the prompt's; "" if none does."""
        for column in self._known.values():
            parts = _BETWEEN_NAMES.split(column.header)
            if len(parts) > 1 and any(column_of(part).field == "prompt" for part in parts):
                return column.header
        return ""

    @property
    def listed(self) -> str:
        """All headers in words."""
        return _in_words([column.header for column in self._known.values()])

    def notices(self) -> list[str]:
        """Name what was ignored, once for all rows."""
        ignored = [column for column in self._known.values() if not column.field]
        if not ignored:
            return []
        words = [f"{each.header} (did you mean {each.nearest}?)" if each.nearest else each.header for each in ignored]
        kind = "Not a field, and ignored" if len(ignored) == 1 else "Not fields, and ignored"
        return [f"{kind}: {_in_words(words)}."]


def _in_words(headers: list[str]) -> str:
    named = [header or "(a column without a header)" for header in dict.fromkeys(headers)]
    more = len(named) - _MOST_NAMED
    return both([*named[:_MOST_NAMED], f"{more} more"] if more > 0 else named)
