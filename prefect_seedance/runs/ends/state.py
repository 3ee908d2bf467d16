"""The state that a run ends in without its video: one sentence, and a link to the page that says the rest.

Prefect words such a state with the whole text of the error, and logs it with a traceback. A state that is returned is
taken as it is, and whoever called the flow gets the same exception.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import TypeVar, cast

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Failed

from prefect_seedance.client.errors import InvalidRequest, OutcomeUnknown, SeedanceError
from prefect_seedance.plain_text import cut, one_line
from prefect_seedance.storage.errors import StorageError

Result = TypeVar("Result")

#: How Prefect begins the message of what a flow raised. Automations go by it, ours among them: such a run could still
#: tell people itself, unlike one that was killed or never began.
_RAISED = "Flow run encountered an exception: "
#: Longest message of a state; more is said on the run's page and in the error.
_LONGEST = 600
#: Where a sentence ends.
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z'\"])")


async def told_in_state(body: Awaitable[Result]) -> Result:
    """Run the body of a flow; an error of ours becomes the flow's state, and the caller's exception."""
    try:
        return await body
    except Exception as error:
        return cast("Result", failed_state(error))


def failed_state(error: Exception, page: str = "") -> State[object]:
    """Return the state of a flow that ends by this error.

    Args:
        error: What ended it.
        page: Address of the page that says more, "" where there is none.

    Raises:
        Exception: The error itself, where it is not one of ours, outside of a flow of ours, and where Prefect may run
            the flow again: before 3.9 it does so only for what is raised.
    """
    context = FlowRunContext.get()
    if context is None or context.flow is None or not isinstance(error, SeedanceError | StorageError):
        raise error
    run = context.flow_run
    is_ours = context.flow.fn.__module__.startswith("prefect_seedance.")
    if not is_ours or run is None or run.empirical_policy.retries:
        raise error
    return Failed(data=error, message=_RAISED + state_words(error, page))


def state_words(error: Exception, page: str = "") -> str:
    """Return the message of a run's state: the error in one sentence or two.

    Args:
        error: What ended the run.
        page: Address of the page that says more, "" where there is none.

    Example:
        >>> state_words(InvalidRequest(["duration: 99 s, but 4-15 s are made. Choose 4 to 15 seconds."]))
        'InvalidRequest: nothing was sent or paid. duration: 99 s, but 4-15 s are made. Choose 4 to 15 seconds.'
        >>> state_words(OutcomeUnknown("The answer was lost."), "https://prefect.example.com/runs/1")
        'OutcomeUnknown: perhaps paid, see https://prefect.example.com/runs/1 for how a person settles it'
    """
    from prefect_seedance.redaction import without_signatures  # here, as an import of the flow words nothing

    name = type(error).__name__
    if isinstance(error, OutcomeUnknown):
        intent = getattr(error, "intent", "") or "it"
        # Never at the end: Prefect logs the text in quotes, and its older UI takes the last one into the link.
        told = f"see {page} for how a person settles it" if page else f"a person has to settle {intent}"
        return one_line(f"{name}: perhaps paid, {told}")
    if isinstance(error, InvalidRequest):
        first, *more = [str(problem) for problem in error.problems] or [""]
        said = f"nothing was sent or paid. {first}" + (f" And {len(more)} more." if more else "")
    else:
        said = str(error)
    whole = one_line(" ".join(without_signatures(said).split()))
    short = _first_sentences(whole)
    more_at = (
        f" See {page} for more." if page and (len(short) < len(whole) or isinstance(error, InvalidRequest)) else ""
    )
    return f"{name}: {short}{more_at}"


def _first_sentences(text: str) -> str:
    """Return as many whole sentences as fit; of a first one that does not, its beginning."""
    told = ""
    for sentence in _END.split(text):
        longer = f"{told} {sentence}".strip()
        if len(longer) > _LONGEST:
            break
        told = longer
    return told or cut(text, _LONGEST)
