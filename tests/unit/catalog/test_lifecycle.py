"""The end of support is data; the tests pass the day that counts as today."""

from __future__ import annotations

from datetime import date

import pytest

from bakery.catalog.lifecycle import support, support_note


@pytest.mark.parametrize(
    ("until", "today", "expected"),
    [
        ("2026-10", date(2026, 11, 1), "2026-10, past"),
        ("2025-10", date(2026, 1, 1), "2025-10, past"),
        ("2026-10", date(2026, 10, 31), "2026-10, this month"),
        ("2026-10", date(2026, 9, 30), "2026-10, in 1 month"),
        ("2027-01", date(2026, 11, 24), "2027-01, in 2 months"),
        ("2027-05", date(2026, 11, 30), "2027-05, in 6 months"),
        ("2027-06", date(2026, 11, 1), "2027-06"),
        ("2031-10", date(2026, 11, 24), "2031-10"),
    ],
)
def test_an_end_of_support_is_flagged_from_six_months_before(until: str, today: date, expected: str) -> None:
    assert support(until, today) == expected


def test_support_that_ends_far_in_the_future_is_not_flagged() -> None:
    assert support_note("2027-04", date(2026, 11, 24)) == " (until 2027-04, in 5 months)"
    assert support_note("2028-06", date(2026, 11, 24)) == ""
