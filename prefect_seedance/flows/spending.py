"""Stop all spending of a store, and let it go on: what a person runs after a surprising bill."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
import logging
from typing import cast

from prefect import flow
from prefect.runtime import flow_run

from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.sync_flow import run_to_end
from prefect_seedance.plain_text import cut, one_line

_LONGEST_PLACE = 80


def spending_run_name() -> str:
    """Name a flow run after what it does and where: ``pause-spending: s3://shop/videos``."""
    flow_name: str = flow_run.get_flow_name() or "spending"
    store = cast("dict[str, object]", flow_run.get_parameters() or {}).get("store")
    return f"{flow_name}: {cut(one_line(store.place), _LONGEST_PLACE)}" if isinstance(store, VideoStore) else flow_name


@with_titles
@flow(name="pause-spending", flow_run_name=spending_run_name, persist_result=True)
def pause_spending(store: VideoStore, reason: str = "") -> str:
    """Stop all spending of a store: from now on nothing is submitted into it, whoever runs, until it is resumed.

    What is submitted already is still waited for and stored. Nothing can cancel it at the vendor, and it is paid for.

    Args:
        store: The saved store whose spending stops.
        reason: Why, in a few words, for the people whose runs are stopped by it. Write no secret here, since Prefect
            keeps the text as it is.

    Returns:
        Since when spending is paused, by whom and why. An earlier pause stays as it is.

    Raises:
        JournalUnavailable: The store could not be written: it is not known whether spending is paused.

    Examples:
        With a saved store:
        ```python
        from prefect_seedance import VideoStore, pause_spending, resume_spending

        store = VideoStore.load("catalogue")
        print(pause_spending(store, "the bill of this morning"))
        print(resume_spending(store))
        ```
    """
    return run_to_end(lambda: _pause(store, reason))


@with_titles
@flow(name="resume-spending", flow_run_name=spending_run_name, persist_result=True)
def resume_spending(store: VideoStore) -> bool:
    """Lift the stop for all spending of a store. Runs that it has stopped are not started again by this.

    Args:
        store: The saved store whose spending goes on.

    Returns:
        Whether it was paused.

    Raises:
        RecordTooNew: A newer version has paused it, and only that one knows what else it means.
        JournalUnavailable: The store could not be written; the stop still stands.
    """
    return run_to_end(lambda: _resume(store))


async def _pause(store: VideoStore, reason: str) -> str:
    # Here, as an import of the flow brings nothing in.
    from prefect_seedance.journal.budget.pause import pause
    from prefect_seedance.pipeline import threads
    from prefect_seedance.runs.logs import note
    from prefect_seedance.runs.money.spending import WHILE_PAUSED, show_paused

    stands = await threads.run(threads.RECORDS, lambda: pause(store.open(), by=_this_run(), reason=reason))
    note(f"All spending of {store.location} is {stands.words}. {WHILE_PAUSED}", level=logging.WARNING)
    await show_paused(stands.words, store.store_option)
    return stands.words


async def _resume(store: VideoStore) -> bool:
    from prefect_seedance.journal.budget.pause import resume
    from prefect_seedance.pipeline import threads
    from prefect_seedance.runs.logs import note
    from prefect_seedance.runs.money.spending import show_resumed

    was_paused = await threads.run(threads.RECORDS, lambda: resume(store.open(), by=_this_run()))
    note(f"Spending of {store.location} goes on." + ("" if was_paused else " It was not paused."))
    await show_resumed(was_paused, store.store_option)
    return was_paused


def _this_run() -> str:
    return f"flow run {flow_run.get_name() or ''}".strip()
