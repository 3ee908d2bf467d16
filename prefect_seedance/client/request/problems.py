"""What is wrong with a request, as a value, and the words that describe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prefect_seedance.client.request.words.titles import titled

Level = Literal["refuse", "warn"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or doubtful, about a request.

    Attributes:
        field: Name of the field of ``VideoRequest``.
        rule: Short name of the rule.
        message: What is wrong.
        fix: What to do about it.
        level: ``refuse`` (it will not be submitted) or ``warn`` (sources disagree; it is submitted).
        source: Where the rule comes from.
        newer: What a later source says that allows it; empty if none does.
    """

    field: str
    rule: str
    message: str
    fix: str
    level: Level
    source: str = ""
    newer: str = ""

    def __str__(self) -> str:
        """Return the problem in words.

        Example:
            >>> print(Problem("ratio", "choice", "4:3 is not documented", "Choose 16:9", "refuse"))
            Aspect ratio (ratio): 4:3 is not documented. Choose 16:9.
        """
        source = f" (source: {self.source})" if self.source else ""
        return f"{titled(self.field)}: {self.message}. {self.fix}.{source}"


def either(values: Sequence[str]) -> str:
    """Return values as a choice, in words.

    Example:
        >>> either(["480p", "720p", "1080p"])
        '480p, 720p or 1080p'
    """
    return _listed(values, "or")


def both(values: Sequence[str]) -> str:
    """Return values as a list, in words.

    Example:
        >>> both(["480p", "720p", "1080p"])
        '480p, 720p and 1080p'
    """
    return _listed(values, "and")


def _listed(values: Sequence[str], last: str) -> str:
    return f" {last} ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)


def shown(address: str) -> str:
    """Return where an address points, without its query and its login, which may hold a secret.

    Example:
        >>> shown("https://user:password@example.com/a.png?signature=1f0c")
        "'https://example.com/a.png'"
        >>> shown("/home/me@work/a.png")
        "'/home/me@work/a.png'"
    """
    scheme, separator, rest = address.split("?", 1)[0].split("#", 1)[0].rpartition("//")
    host, slash, path = rest.partition("/")
    if separator or ":" in rest or host.strip("."):
        host, path = host.rpartition("@")[2], path.rpartition("@")[2]
    text = f"{scheme}{separator}{host}{slash}{path}"
    return repr(text if len(text) <= 80 else text[:77] + "...")
