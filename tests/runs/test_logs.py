"""A line that cannot be written ends nothing, and nothing else is kept from ending."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from prefect.logging import get_logger

from prefect_seedance.asides import BROKEN_PIPE, AsideLog
from prefect_seedance.runs.logs import log, note


class Ending(logging.Handler):
    """Ends the process, as rich's console does when its pipe is broken."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def emit(self, record: logging.LogRecord) -> None:
        raise SystemExit(self.code)


@pytest.fixture
def ending(request: pytest.FixtureRequest) -> Iterator[None]:
    handler, logger = Ending(request.param), get_logger("seedance")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


@pytest.mark.parametrize("ending", [BROKEN_PIPE], indirect=True)
@pytest.mark.usefixtures("ending")
def test_a_console_that_nobody_reads_any_longer_does_not_end_what_is_under_way() -> None:
    log("create", "Task videos_1 was accepted.")
    note("The journal could not be read.")


@pytest.mark.parametrize("ending", [0, 143], indirect=True)
@pytest.mark.usefixtures("ending")
def test_who_ends_the_process_while_a_line_is_written_ends_it() -> None:
    with pytest.raises(SystemExit):
        log("wait", "50 %")


HOSTILE = "Task videos_1\r\n12:00:00 | ERROR | forged \x1b[2J\u202e is done"


def test_a_line_stays_one_line_whatever_the_words_of_others_hold(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log("wait", HOSTILE)
        note(HOSTILE)
        AsideLog("prefect_seedance.tests").warning("%s and %s", HOSTILE, RuntimeError(HOSTILE))
    assert len(caplog.records) == 3
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert "forged" in record.getMessage()
