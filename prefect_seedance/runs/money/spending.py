"""The page of a run that pauses or resumes all spending of a store: what it means, and how to undo it."""

from __future__ import annotations

from prefect_seedance.journal.commands import how_to_pause, how_to_resume
from prefect_seedance.runs.notifications.escaping import code, markdown
from prefect_seedance.runs.pages.run_page import PAUSES, Page, shown

WHILE_PAUSED = (
    "Nothing more is submitted into this store, whoever runs. What is submitted already is still waited for and "
    "stored, and a video that is there is still reused."
)


async def show_paused(stands: str, store_option: str) -> None:
    """Put on the run's page that all spending is paused.

    Args:
        stands: Since when, by whom and why, in words.
        store_option: What ``--store`` of the command line takes for the store.
    """
    lift = f"To lift it, run resume-spending, or:\n\n{code(how_to_resume(store_option))}"
    since = markdown(stands[:1].upper() + stands[1:])
    await _show(f"# All spending of this store is paused\n\n{since}\n\n{WHILE_PAUSED}\n\n{lift}\n")


async def show_resumed(was_paused: bool, store_option: str) -> None:
    """Put on the run's page that nothing stops spending any more.

    Args:
        was_paused: Whether something did.
        store_option: What ``--store`` of the command line takes for the store.
    """
    words = "The pause is lifted." if was_paused else "Spending was not paused, and nothing was changed."
    again = f"To pause it again, run pause-spending, or:\n\n{code(how_to_pause(store_option))}"
    await _show(f"# Spending of this store goes on\n\n{words} Budgets hold as before.\n\n{again}\n")


async def _show(text: str) -> None:
    async def page() -> str:
        return text

    await shown(Page(page, "seedance-spending", text.partition("\n")[0].lstrip("# ")).draw, pauses=PAUSES)
