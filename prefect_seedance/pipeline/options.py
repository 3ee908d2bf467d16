"""How a run behaves: few and plain settings, since the form shows them all."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

Reuse = Literal["auto", "always", "run", "scope"]


def add_reuse_rules(schema: JsonDict) -> None:
    """Add what `RunOptions` refuses of ``reuse`` and ``reuse_scope`` together, in place, so that the form says it.

    See `client.request.form` for the shape that both forms need. ``required`` may stand in an ``else``: where the
    server strips it, a missing text is left to the model, and nothing more is refused.
    """
    without_scope: JsonDict = {"enum": [each for each in get_args(Reuse) if each != "scope"]}
    # Of a failed `const` the user reads its value. The text is free, so `not` refuses the words themselves.
    words = 'no text unless reuse is "scope"'
    no_text: JsonDict = {"if": {"maxLength": 0}, "else": {"const": words, "not": {"const": words}}}
    a_text: JsonDict = {
        "if": {"type": "string", "pattern": r"^\s*$"},
        "then": {"const": "a text to share within, for example 2026-11-22"},
    }
    schema["allOf"] = [
        {"if": {"properties": {"reuse": without_scope}}, "then": {"properties": {"reuse_scope": no_text}}},
        {
            "if": {"properties": {"reuse": {"not": {"const": "scope"}}}},
            "else": {"properties": {"reuse_scope": a_text}, "required": ["reuse_scope"]},
        },
    ]


class RunOptions(BaseModel):
    """How this run behaves. The defaults suit nearly every run.

    Examples:
        >>> RunOptions(wait_minutes=20).wait_seconds(duration=5)
        1200.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Run options", json_schema_extra=add_reuse_rules)

    reuse: Annotated[
        Reuse,
        Field(
            title="Reuse",
            description='When the same request is the same video, already paid for. "always": whichever run asks. '
            '"run": within this run and its retries; the next run buys a new one. "scope": within the text below. '
            '"auto": "run" for runs made by a schedule, "always" for all others.',
            json_schema_extra={"position": 0},
        ),
    ] = "auto"
    reuse_scope: Annotated[
        str,
        Field(
            title="Reuse scope",
            description='For "scope" only: any text, such as 2026-11-22. One request with one text is one video.',
            json_schema_extra={"position": 1},
        ),
    ] = ""
    max_submissions: Annotated[
        int,
        Field(
            title="Maximum submissions",
            description="How often one video may be paid for, over all runs and for ever. A further one is made "
            "only after the vendor failed it for a passing reason; 1 means never.",
            ge=1,
            le=10,
            json_schema_extra={"position": 2},
        ),
    ] = 1
    wait_minutes: Annotated[
        int,
        Field(
            title="Maximum wait (minutes)",
            description="How long to wait for the vendor; longer in proportion for clips above 15 s. Running out of "
            "time loses nothing: the video goes on, and the run, retried, takes it up.",
            ge=1,
            le=24 * 60,
            json_schema_extra={"position": 3},
        ),
    ] = 45
    preflight: Annotated[
        bool,
        Field(
            title="Check for free first",
            description="Before anything is paid, ask for the account's balance, which finds a wrong key or host, and "
            "look at the references: whether they can be read, and fit what the model takes.",
            json_schema_extra={"position": 4},
        ),
    ] = True

    def wait_seconds(self, duration: int) -> float:
        """Return the limit in seconds for a clip of ``duration`` seconds."""
        return 60.0 * self.wait_minutes * max(1.0, duration / 15)

    @model_validator(mode="after")
    def _scope_and_its_text(self) -> Self:
        if self.reuse == "scope" and not self.reuse_scope.strip():
            raise ValueError('reuse_scope: reuse "scope" needs a text to share within; write one, such as 2026-11-22')
        if self.reuse != "scope" and self.reuse_scope:
            raise ValueError('reuse_scope: it counts for reuse "scope" only; empty it, or set reuse to "scope"')
        return self
