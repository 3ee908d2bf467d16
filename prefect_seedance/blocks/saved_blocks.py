"""The saved blocks that a deployment names: checked when it is applied, not only when a run needs them."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block, UnknownBlockType
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings
from pydantic import ValidationError

from prefect_seedance.asides import words_of

_NOT_SAVED = "Unable to find block document"


def why_not_loaded(error: Exception) -> str:
    """Return why a saved block cannot be loaded, without any of its values: one may be a secret."""
    invalid = error if isinstance(error, ValidationError) else error.__cause__
    return words_of(invalid if isinstance(invalid, ValidationError) else error).rstrip(".")


async def require(blocks: Sequence[str], notify: Sequence[str] = ()) -> dict[str, str]:
    """End the program in words if a saved block is missing or cannot be used.

    A step for the ``build`` section of a ``prefect.yaml``: by itself ``prefect deploy`` applies names of blocks that do
    not exist, and the run that then fails does not say which.

    Args:
        blocks: Type and name of each, for example ``seedance-credentials/default``.
        notify: The same of notification blocks, for example ``slack-webhook/team``.

    Returns:
        An empty dictionary: the step has nothing for later ones.

    Raises:
        SystemExit: With a line for each block that is not saved, cannot be loaded or is of the wrong kind. Any other
            exception would be a traceback of Prefect's.

    Example:
        In a ``prefect.yaml``:
        ```yaml
        build:
          - prefect_seedance.blocks.saved_blocks.require:
              blocks: [seedance-credentials/default, seedance-video-store/default]
        ```
    """
    async with get_client() as client:
        silence = await client.api_healthcheck()
    if silence is not None:
        address = get_current_settings().api.url
        raise SystemExit(
            f"The Prefect server at {address} does not answer ({type(silence).__name__}). Start it, or set "
            "PREFECT_API_URL to where it is."
        )
    faults = [await _fault(name) for name in blocks]
    faults += [await _fault(name, NotificationBlock) for name in dict.fromkeys(notify)]
    if any(faults):
        raise SystemExit("\n".join(filter(None, faults)))
    return {}


async def _fault(name: str, kind: type[Block] = Block) -> str:
    """Return what is wrong with a saved block, "" if it can be used."""
    slug, _, document = name.partition("/")
    if not slug or not document:
        return f"{name!r} is not a type and a name, such as seedance-credentials/default."
    try:
        block = await Block.aload(name)
    except UnknownBlockType:
        return f"{name}: there is no type of block {slug!r} here. Install the package that it belongs to."
    except (ValueError, TypeError, LookupError, RuntimeError, ImportError) as error:
        if str(error).startswith(_NOT_SAVED):
            return f"{name} is not saved. Save it first, in the Prefect UI under Blocks or in Python."
        return f"{name} is saved, and cannot be used: {why_not_loaded(error)}. Correct it, and save it again."
    if not isinstance(block, kind):
        return f"{name} is a {type(block).__name__}, and cannot notify. Name a notification block."
    return ""
