"""Whoever follows a video can break nothing but the line or the event itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import pytest

from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.observer import Event, Fact, Observer
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.submit import submit
from tests.pipeline.harness import Followed, Vendor, order_of

EVENT = Event("stored", "ab12")
LOGGER = "prefect_seedance.pipeline.observer"


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the log server is gone")


def broken_write(level: int, message: str, facts: Mapping[str, Fact]) -> None:
    raise RuntimeError("the log server is gone")


def broken_emit(event: Event) -> None:
    raise RuntimeError("the event server is gone")


@pytest.fixture
def broken_handler() -> Iterator[None]:
    logger, handler = logging.getLogger(LOGGER), Broken()
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


def test_a_line_has_its_level_and_facts() -> None:
    lines: list[tuple[int, str, Mapping[str, Fact]]] = []
    observer = Observer(lambda level, message, facts: lines.append((level, message, facts)))
    observer.log("It goes on.", level=logging.WARNING, task_id="videos_1", share=0.5)
    assert lines == [(logging.WARNING, "It goes on.", {"task_id": "videos_1", "share": 0.5})]


def test_a_handler_that_raises_costs_no_more_than_its_own_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Observer(broken_write).log("It goes on, 50 % done.")
    assert [record.getMessage() for record in caplog.records] == ["It goes on, 50 % done."], "said somewhere at least"


def test_not_even_two_handlers_that_raise_stop_the_work(broken_handler: None) -> None:
    Observer(broken_write).log("It goes on.")
    Observer().log("It goes on.")


def test_an_event_that_cannot_be_emitted_is_a_line_of_the_log() -> None:
    followed = Followed()
    Observer(followed.observer.write, broken_emit).tell(EVENT)
    assert followed.warnings() == ["The event stored was not emitted: the event server is gone"]


def test_neither_line_nor_event_is_needed(broken_handler: None) -> None:
    Observer(broken_write, broken_emit).tell(EVENT)


def test_a_video_is_bought_and_stored_while_nothing_can_be_logged_or_emitted(
    vendor: Vendor, destination: Destination, broken_handler: None
) -> None:
    observer = Observer(broken_write, broken_emit)
    submitted = submit(order_of(), vendor.account, destination, observer=observer)
    vendor.simulator.elapse(3600)
    task = vendor.task(submitted["task_id"])
    stored = deliver(task, submitted, vendor.account, destination, observer=observer)
    assert destination.store.stat(stored.key) is not None
    assert vendor.billed() == [stored.task_id]
