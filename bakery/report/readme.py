"""The generated parts of README.md and of pages: the text between two markers is replaced, the rest is not changed."""

import difflib
import stat
from collections.abc import Mapping
from pathlib import Path

from bakery.errors import BuildError, ConfigError
from bakery.files import require_type, write_whole
from bakery.regular_files import read_text


def fill(text: str, parts: Mapping[str, str], file: str = "README.md") -> str:
    """Replace the text between the markers of each part; :exc:`ConfigError` if a marker is missing.

    A marker inside a part, for example in a name from the records, is escaped: it would end the part, and its rest
    would stay in the file at the next rendering.
    """
    for name, content in parts.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        head, _, rest = text.partition(begin)
        _, closing, tail = rest.partition(end)
        if not closing:
            raise ConfigError(f"{file}: expected {begin} and {end}", hint="Add them where the generated part belongs.")
        content = content.rstrip().replace("<!--", "&lt;!--")
        text = f"{head}{begin}\n{content}\n{end}{tail}"
    return text


def update_readme(file: Path, parts: Mapping[str, str], *, check: bool) -> str:
    """Write ``parts`` between their markers in ``file``; returns a line about the result.

    With ``check`` nothing is written, and :exc:`BuildError` shows how the file differs from its data.
    """
    old = read_text(file)
    new = fill(old, parts, file.name)
    if new == old:
        return f"{file.name} is up to date"
    if check:
        lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), file.name, f"{file.name} as rendered")
        raise BuildError(f"{file.name} is not up to date:\n{''.join(lines)}", hint="Render it again: inv readme")
    write_whole(file, new)
    return f"{file.name} written"


def update_files(folder: Path, suffix: str, files: Mapping[str, str], *, check: bool) -> str:
    """Write ``files`` (text by name) in ``folder``, remove others with ``suffix``; returns a line about the result.

    With ``check`` nothing is changed, and :exc:`BuildError` names the files that differ. A folder that is a link is
    refused: files outside the clone would be removed.
    """
    for path in (folder.parent, folder):
        require_type(path, stat.S_IFDIR, "Replace it with a folder: nothing outside the clone is changed.")
    old = {file.name: read_text(file) for file in sorted(folder.glob(f"*{suffix}"))}
    changed = sorted(name for name in {*old, *files} if old.get(name) != files.get(name))
    if not changed:
        return f"{folder.name}: {len(files)} files are up to date"
    if check:
        raise BuildError(f"{folder}: not up to date: {', '.join(changed)}", hint="Render them again: inv readme")
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in files:
            write_whole(folder / name, files[name])
        else:
            (folder / name).unlink()
    return f"{folder.name}: {', '.join(changed)} written"
