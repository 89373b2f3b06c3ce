"""How long a series or a distribution is still supported, from a month in the data and the current day."""

from datetime import date

NEAR = 6  # tables point out that support ends within this many months


def support(until: str, today: date) -> str:
    """``until`` (``YYYY-MM``, the last month of support), with a note if it is past or near: ``2026-10, past``."""
    year, month = (int(part) for part in until.split("-"))
    left = (year - today.year) * 12 + month - today.month
    if left < 0:
        return f"{until}, past"
    if left > NEAR:
        return until
    return f"{until}, {'this month' if left == 0 else f'in {left} month' + 's' * (left > 1)}"


def support_note(until: str, today: date) -> str:
    """The end of support in brackets if it is past or near, else nothing."""
    text = support(until, today)
    return f" (until {text})" if text != until else ""
