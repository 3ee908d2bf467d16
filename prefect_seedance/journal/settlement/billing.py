"""What the account's balance says of an unknown submission: evidence for a person, never a trigger.

Computed here and nowhere else, so that error, page, command line and flow draw the same conclusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from prefect_seedance.journal.record import Attempt

#: Below what the vendor bills: prices are products of floats, so that 3 x 0.1 must still be 0.3.
_SMALLEST_COIN = Decimal("0.000001")

Amount = Decimal | float | int | None


class Conclusion(StrEnum):
    """What a balance before and after a submission suggests."""

    PROBABLY_BILLED = "fell by exactly the expected price: probably billed"
    PROBABLY_NOT_BILLED = "did not change: probably not billed, though the vendor may charge later"
    SAYS_NOTHING = "changed by another amount: says nothing, since other jobs and refunds move it too"
    NOT_KNOWN = "not known"


@dataclass(frozen=True)
class BalanceEvidence:
    """What is known of the account's balance around a submission.

    Attributes:
        conclusion: What it suggests.
        words: The conclusion, then the numbers.
    """

    conclusion: Conclusion
    words: str


def evidence_of(attempt: Attempt) -> BalanceEvidence:
    """Return what the balance says of an attempt."""
    return balance_evidence(attempt.price, attempt.balance_before, attempt.balance_after)


def balance_evidence(price: Amount, before: Amount, after: Amount) -> BalanceEvidence:
    """Draw the conclusion from the balance before and after a submission, compared as money.

    Args:
        price: JimiCoin that we expected.
        before: Balance before the POST.
        after: Balance after it.

    Example:
        >>> balance_evidence(0.3, 10.1, 9.8).words
        "The account's balance fell by exactly the expected price: probably billed. It was 10.1 when the run began and \
9.8 afterwards."
    """
    expected, had, has = _money(price), _money(before), _money(after)
    seen = " and ".join(
        f"{format(amount, 'f')} {when}"
        for amount, when in ((had, "when the run began"), (has, "afterwards"))
        if amount is not None
    )
    if had is None or has is None:
        known = f" It was {seen}." if seen else ""
        return BalanceEvidence(
            Conclusion.NOT_KNOWN, f"What the account's balance did is {Conclusion.NOT_KNOWN}.{known}"
        )
    if had == has:
        conclusion = Conclusion.PROBABLY_NOT_BILLED
    elif had - has == expected:
        conclusion = Conclusion.PROBABLY_BILLED
    else:
        conclusion = Conclusion.SAYS_NOTHING
    said = str(conclusion)
    if conclusion is Conclusion.SAYS_NOTHING and expected is None:
        said = said.replace("by another amount", "and the expected price is not known")
    return BalanceEvidence(conclusion, f"The account's balance {said}. It was {seen}.")


def _money(amount: Amount) -> Decimal | None:
    """Return an amount in the smallest coins; None if it is not one."""
    if amount is None:
        return None
    try:
        money = Decimal(str(amount)).quantize(_SMALLEST_COIN).normalize()
    except InvalidOperation:  # infinite, no number, or absurdly large
        return None
    return money if money.is_finite() else None
