"""The parts of README.md that are data: what stands between two markers is rendered, the rest is left as it is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from bakery.errors import ConfigError

__all__ = ["drift", "fill"]


def marker(name: str, end: str) -> str:
    """The comment that opens (``begin``) or closes (``end``) the part called ``name``."""
    return f"<!-- {name}:{end} -->"


def fill(text: str, parts: Mapping[str, str]) -> str:
    """``text`` with each of ``parts`` between its markers; :exc:`ConfigError` where a marker is missing."""
    for name, content in parts.items():
        begin, end = marker(name, "begin"), marker(name, "end")
        if not re.search(f"{re.escape(begin)}.*{re.escape(end)}", text, re.DOTALL):
            raise ConfigError(f"README.md: expected {begin} and {end}", hint="Put them where the table belongs.")
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n{content.rstrip()}\n{end}{rest.partition(end)[2]}"
    return text


def drift(old: str, new: str) -> str:
    """A unified diff from what the file holds to what it should hold, empty where they agree."""
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), "README.md", "README.md as rendered")
    return "".join(lines)
