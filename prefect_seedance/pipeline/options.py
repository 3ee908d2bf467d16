"""How a run behaves: few and plain settings, since the form shows them all."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from prefect_seedance.client.request.words.titles import ErrorsInWords, titled

Reuse = Literal["auto", "always", "run", "scope"]

_SCOPE = titled("reuse_scope", {"reuse_scope": "Reuse scope"})


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


class RunOptions(ErrorsInWords):
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
            description='When a video that was already paid for is used instead of a new one. "always": whenever the '
            'same request has its video, whichever run asked for it. "run": only within this run and its '
            'retries, so that the next run buys a new one. "scope": only among runs with the same reuse '
            'scope, which is the next field. "auto": "run" for runs that a schedule starts, and "always" '
            "for all others.",
            json_schema_extra={"position": 0},
        ),
    ] = "auto"
    reuse_scope: Annotated[
        str,
        Field(
            title="Reuse scope",
            description='Needed when reuse is "scope", and to be left empty otherwise. Any text will do, for example '
            "2026-11-22: one request is then bought once for each text.",
            json_schema_extra={"position": 1},
        ),
    ] = ""
    max_submissions: Annotated[
        int,
        Field(
            title="Maximum submissions",
            description="How often one video may be submitted to the vendor, and so be paid for, over all runs and "
            "for ever. Another submission is made only after the one before has failed at the vendor for a "
            "passing reason. Leave it at 1 to never submit a video again.",
            ge=1,
            le=10,
            json_schema_extra={"position": 2},
        ),
    ] = 1
    wait_minutes: Annotated[
        int,
        Field(
            title="Maximum wait (minutes)",
            description="How long this run waits for the vendor. For clips above 15 seconds it waits longer, in "
            "proportion. Nothing is lost when the time is over: the vendor goes on, and a retry of the "
            "run takes the video up.",
            ge=1,
            le=24 * 60,
            json_schema_extra={"position": 3},
        ),
    ] = 45
    preflight: Annotated[
        bool,
        Field(
            title="Check for free first",
            description="Before anything is paid, ask the vendor for the account's balance, which finds a wrong key "
            "or host, and look at every reference: whether it can be read, and whether the model takes "
            "it.",
            json_schema_extra={"position": 4},
        ),
    ] = True

    def wait_seconds(self, duration: int) -> float:
        """Return the limit in seconds for a clip of ``duration`` seconds."""
        return 60.0 * self.wait_minutes * max(1.0, duration / 15)

    @model_validator(mode="after")
    def _scope_and_its_text(self) -> Self:
        if self.reuse == "scope" and not self.reuse_scope.strip():
            raise ValueError(f'{_SCOPE}: reuse "scope" needs a text to share within; write one, such as 2026-11-22')
        if self.reuse != "scope" and self.reuse_scope:
            raise ValueError(f'{_SCOPE}: it counts for reuse "scope" only; empty it, or set reuse to "scope"')
        return self
