"""What the balance says of an unknown submission: one function, compared as money."""

from __future__ import annotations

from decimal import Decimal

import pytest

from prefect_seedance.journal.settlement.billing import Amount, Conclusion, balance_evidence

BILLED, NOT_BILLED = Conclusion.PROBABLY_BILLED, Conclusion.PROBABLY_NOT_BILLED
NOTHING, NOT_KNOWN = Conclusion.SAYS_NOTHING, Conclusion.NOT_KNOWN


@pytest.mark.parametrize(
    ("price", "before", "after", "conclusion"),
    [
        (0.25, 12.0, 11.75, BILLED),
        # Floats that are not equal, and money that is.
        (0.1, 0.3, 0.2, BILLED),
        (3 * 0.1, 10.1, 9.8, BILLED),
        (Decimal("0.30"), 10.1, Decimal("9.80"), BILLED),
        (1, 100, 99, BILLED),
        (0.35, 123_456_789.35, 123_456_789, BILLED),
        (0.25, 12.0, 11.74, NOTHING),
        (0.25, 12.0, 11.749999, NOTHING),
        (0.25, 12.0, 11.5, NOTHING),
        (0.25, 12.0, 12.25, NOTHING),
        (None, 12.0, 11.75, NOTHING),
        (0.25, 12.0, 12.0, NOT_BILLED),
        (None, 12.0, Decimal("12.000"), NOT_BILLED),
        # Of a video that costs nothing, an unchanged balance shows no bill.
        (0.0, 12.0, 12.0, NOT_BILLED),
        (0.25, None, 11.75, NOT_KNOWN),
        (0.25, 12.0, None, NOT_KNOWN),
        (None, None, None, NOT_KNOWN),
        (0.25, float("nan"), 11.75, NOT_KNOWN),
        (0.25, float("inf"), float("inf"), NOT_KNOWN),
        (0.25, 1e300, 1e300, NOT_KNOWN),
        (float("nan"), 12.0, 11.75, NOTHING),
    ],
)
def test_the_conclusion(price: Amount, before: Amount, after: Amount, conclusion: Conclusion) -> None:
    evidence = balance_evidence(price, before, after)
    assert evidence.conclusion is conclusion
    assert conclusion.value.partition(": ")[2] in evidence.words and evidence.words.endswith(".")


def test_without_a_price_the_words_do_not_compare_with_one() -> None:
    assert "changed, and the expected price" not in balance_evidence(0.5, 2.0, 1.0).words
    assert "changed and the expected price is not known: says nothing" in balance_evidence(None, 2.0, 1.0).words


def test_the_words_name_the_numbers_whole() -> None:
    assert "was 123456.789 when the run began and 123456.539 afterwards" in (
        balance_evidence(0.25, 123_456.789, 123_456.539).words
    )
    assert "It was 12 when the run began." in balance_evidence(0.25, 12.0, None).words
    assert "0.00000" not in balance_evidence(0.25, 100.0, 99.75).words
