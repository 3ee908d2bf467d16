"""Why a reference cannot be used. Nothing is paid when one of these is raised."""

from __future__ import annotations

#: What somebody else's sentence may end with, and ours then ends with once more.
SENTENCE_ENDS = " .\u3002"


class UnusableReference(Exception):
    """A reference that cannot be used as it is.

    Whoever catches it knows where the reference stands in the request, and words the whole as a `Problem`.

    Attributes:
        rule: Short name of the rule.
        message: What is wrong, without the reference's own text, which may hold a secret.
        fix: What to do about it.
        may_be_us: Whether only this machine's network may be at fault, while the vendor can read it.
    """

    def __init__(self, rule: str, message: str, fix: str, *, may_be_us: bool = False) -> None:
        # Both may end with somebody else's words, which bring a full stop of their own.
        message, fix = message.rstrip(SENTENCE_ENDS), fix.rstrip(SENTENCE_ENDS)
        super().__init__(f"{message}. {fix}.")
        self.rule, self.message, self.fix, self.may_be_us = rule, message, fix, may_be_us


class ContentChanged(UnusableReference):
    """The bytes are no longer those that the identity of the request was made from."""

    def __init__(self, detail: str = "its content changed after this run had begun to read it") -> None:
        super().__init__(
            "unchanged content", detail, "Once nobody writes it any more, start a new run, which pays for its video"
        )


class PreparationCancelled(Exception):
    """The run was cancelled while its references were prepared."""
