"""Blocks as a run of a deployment takes them: by the id that they are saved under, never by value.

A block that is passed by value arrives with asterisks for its secrets, and would be stored in the run's parameters.
"""

from __future__ import annotations

from prefect_seedance.batch.errors import PartsNotStarted
from prefect_seedance.blocks.known_fields import KnownFieldsBlock
from prefect_seedance.blocks.saved_blocks import why_not_loaded

_SAVE = "Save the block, and pass what its load returns: each part loads it where it runs"


async def saved_reference(block: KnownFieldsBlock, parameter: str) -> dict[str, dict[str, str]]:
    """Return a block as a parameter of a run of a deployment.

    Args:
        block: As it was loaded.
        parameter: What the flow calls it.

    Raises:
        PartsNotStarted: It is not saved, or differs from what is saved.
    """
    if not block.saved_id:
        raise PartsNotStarted(f"{parameter}: the block is not saved", _SAVE)
    reference = {"block_document_id": block.saved_id}
    try:
        saved = await type(block).aload_from_ref({**reference})
    except Exception as error:
        raise PartsNotStarted(f"{parameter}: what is saved cannot be loaded: {why_not_loaded(error)}", _SAVE) from None
    # Names alone: a value may be a secret.
    changed = [name for name in type(block).model_fields if getattr(block, name) != getattr(saved, name)]
    if changed:
        raise PartsNotStarted(
            f"{parameter}: {', '.join(changed)} differ from what is saved, which is what each part would load", _SAVE
        )
    return {"$ref": reference}
