"""Why the vendor gave up on a task: its free text sorted into classes, by a table.

The vendor documents no failure codes; the texts below were met by other people's clients. The first row
that matches decides, so the order is from the surest cause to the vaguest. Only ``media`` and ``transient``
failures may be worth another attempt with the same request.

Beside it, how gateways say that an account has too little money: the vendor documents no code for that either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

#: "expired" is our word, not the vendor's: the video was made, and every link to it has been dead for too long.
FailureClass = Literal["moderation", "media", "invalid", "transient", "expired", "unknown"]


#: Classes that another submission of the same request may survive.
WORTH_RESUBMITTING: frozenset[FailureClass] = frozenset({"media", "transient"})


@dataclass(frozen=True, slots=True)
class FailurePattern:
    """One row: a text, the class it stands for, and where it was met."""

    text: str
    failure: FailureClass
    source: str

    def matches(self, error_message: str) -> bool:
        """Return whether the pattern occurs anywhere in the message, in whatever case."""
        return re.search(self.text, error_message, re.IGNORECASE) is not None


_SEEDANCE_CLIENT = "seen with Seedance by a third-party client"
_SAME_WORDING = "another gateway with the same wording; inferred"

FAILURE_PATTERNS: tuple[FailurePattern, ...] = (
    FailurePattern(r"PROVIDER_MODERATION_ERROR", "moderation", _SEEDANCE_CLIENT),
    FailurePattern(r"\bTRADEMARK\b", "moderation", _SEEDANCE_CLIENT),
    FailurePattern(r"\bNSFW\b", "moderation", _SAME_WORDING),
    FailurePattern(r"DURATION_TOO_(LONG|SHORT)", "invalid", _SEEDANCE_CLIENT),
    FailurePattern(r"INVALID_(HEIGHT|WIDTH)", "invalid", _SAME_WORDING),
    FailurePattern(r"s3 upload failed", "media", _SEEDANCE_CLIENT),
    FailurePattern(r"connection reset", "media", _SEEDANCE_CLIENT),
    FailurePattern(r"read timed out", "media", _SEEDANCE_CLIENT),
    FailurePattern(r"\b(image|video|audio) url returned \d{3}", "media", _SAME_WORDING),
    FailurePattern(r"PROVIDER_TIMEOUT", "transient", _SAME_WORDING),
    FailurePattern(r"PROVIDER_INTERNAL_ERROR", "transient", _SAME_WORDING),
)


def classify_failure(error_message: str) -> FailureClass:
    """Sort the ``error_message`` of a failed task into a class; "unknown" when no row matches.

    Example:
        >>> classify_failure("[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK")
        'moderation'
        >>> classify_failure("invalid image_urls[1]: s3 upload failed: connection reset by peer")
        'media'
    """
    for row in FAILURE_PATTERNS:
        if row.matches(error_message):
            return row.failure
    return "unknown"


# As codes of an error, without case and separators: new-api and one-api, OpenAI's form, Ark, DashScope.
_MONEY_CODES = frozenset(
    {
        *("insufficientuserquota", "insufficientquota", "insufficientbalance", "insufficientcredits"),
        *("insufficientcredit", "insufficientfunds", "preconsumetokenquotafailed", "accountoverdueerror", "arrearage"),
    }
)
# At the beginning of a message: further on may stand the prompt, which a vendor repeats.
_MONEY_WORDS = (
    r"\W*((sorry|your|the|user|account|current|key|token|api|available|您的|你的|抱歉|对不起|当前|可用|jimicoins?|用户|账户|账号|帐户|钱包|令牌|密钥)\W*){0,4}"
    r"(余额不足|额度不足|额度已用尽|配额不足|积分不足|点数不足|金币不足|余额不够|额度不够|已?欠费"
    r"|insufficient (\w+ )?(balance|quota|credits?|funds|(jimi)?coins?)\b"
    r"|(balance|quota|credits?|funds|coins?) (is |are )?(not enough|insufficient|used up)\b"
    r"|not enough (balance|quota|credits?|funds|(jimi)?coins?)\b)"
)
# What follows where it is not a refusal but a warning beside one ("less than 100 left"), or where a task is told of.
_ONLY_A_WARNING = (
    r"\A\s*[\d一二三四五六七八九十百千]|提醒|预警|警告|warning|reminder|notice"
    r"|已(经)?(提交|创建|接受|受理|入队|排队)|(提交|创建|受理)成功"
    r"|(?<!not )(?<!not been )(?<!not be )\b(submitted|created|accepted|queued|started)\b"
)


def is_money_code(code: str) -> bool:
    """Return whether the code of an error says that there is too little money.

    Example:
        >>> is_money_code("insufficient_user_quota"), is_money_code("20002")
        (True, False)
    """
    return re.sub(r"[^a-z]", "", code.lower()) in _MONEY_CODES


def is_about_money(message: str) -> bool:
    """Return whether a message begins by saying that there is too little money, and does not mention a task.

    Example:
        >>> [is_about_money(text) for text in ("用户额度不足, 剩余额度: 0", "Not safe: a shop sign that says 余额不足")]
        [True, False]
    """
    # Compiled when first needed: this module is imported with the flow.
    found = re.match(_MONEY_WORDS, message, re.IGNORECASE)
    return found is not None and re.search(_ONLY_A_WARNING, message[found.end() :], re.IGNORECASE) is None
