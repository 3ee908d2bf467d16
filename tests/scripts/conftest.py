from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh clone on Debian, for a user who is not root, without a browser."""
    made = Machine(tmp_path)
    made.set_up()
    return made
