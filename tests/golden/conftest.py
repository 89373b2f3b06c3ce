"""Compares with committed outputs; UPDATE_GOLDEN=1 rewrites them, and the diff in version control is the review."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
HINT = "If the change is intended: UPDATE_GOLDEN=1 python -m pytest tests/golden, then look at the diff and commit it."


@pytest.fixture(autouse=True)
def no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI systems force colours, which committed files do not have."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """``golden(name, text)`` fails with a diff if ``text`` differs from the file tests/golden/name."""

    def compare(name: str, text: str) -> None:
        file = FOLDER / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            file.write_text(text, encoding="utf-8")
            return
        if not file.exists():
            pytest.fail(f"tests/golden/{name} is missing.\n{HINT}", pytrace=False)
        committed = file.read_text(encoding="utf-8")
        if committed != text:
            old, new = committed.splitlines(keepends=True), text.splitlines(keepends=True)
            diff = "".join(difflib.unified_diff(old, new, f"tests/golden/{name} (committed)", "now", n=2))
            pytest.fail(f"tests/golden/{name} differs:\n{diff}\n{HINT}", pytrace=False)

    return compare
