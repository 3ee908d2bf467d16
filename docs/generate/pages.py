"""Which pages there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generate import commands, errors, events, models, outcomes, routes

FOLDER = Path("docs/reference")
#: How all of them are made.
COMMAND = "python -m docs.generate"
#: Each page by its name, and what writes its text.
PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": commands.page,
    "errors.md": errors.page,
    "events.md": events.page,
    "models.md": models.page,
    "outcomes.md": outcomes.page,
    "routes.md": routes.page,
}
