"""The generated parts of README.md: the text between two markers is replaced, the rest is not changed."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from bakery.errors import BuildError, ConfigError
from bakery.files import write_whole


def fill(text: str, parts: Mapping[str, str]) -> str:
    """Replace the text between the markers of each part; :exc:`ConfigError` if a marker is missing."""
    for name, content in parts.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        head, _, rest = text.partition(begin)
        _, closing, tail = rest.partition(end)
        if not closing:
            raise ConfigError(f"README.md: expected {begin} and {end}", hint="Add them where the table belongs.")
        text = f"{head}{begin}\n{content.rstrip()}\n{end}{tail}"
    return text


def drift(old: str, new: str) -> str:
    """A unified diff from the file's text to the rendered text; empty if they are the same."""
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), "README.md", "README.md as rendered")
    return "".join(lines)


def update_readme(file: Path, parts: Mapping[str, str], *, check: bool) -> str:
    """Write ``parts`` between their markers in README.md; returns a line about the result.

    With ``check`` nothing is written, and :exc:`BuildError` shows how the file differs from its data.
    """
    old = file.read_text(encoding="utf-8")
    new = fill(old, parts)
    if new == old:
        return "README.md is up to date"
    if check:
        raise BuildError(f"README.md is not up to date:\n{drift(old, new)}", hint="Render it again: inv readme")
    write_whole(file, new)
    return "README.md written"
