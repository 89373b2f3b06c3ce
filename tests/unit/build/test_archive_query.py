"""The export of a build that queries the archive is read like any other untrusted file."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from bakery.build import archive_query
from bakery.errors import BuildError


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda file: file.symlink_to(__file__)])
def test_an_answer_that_is_not_a_regular_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    def run(_stage: object, _options: object, arguments: list[str], _note: object) -> None:
        (output,) = (word.removeprefix("--output=") for word in arguments if word.startswith("--output="))
        folder = next(csv.reader([output]))[-1].removeprefix("dest=")
        make(Path(folder) / "newer")

    (tmp_path := tmp_path / "a,b").mkdir()
    builder: Any = MagicMock()
    builder.workspace.build = builder.workspace.logs = tmp_path
    builder.run_buildx = run
    builder.catalog.dockerfile_of.return_value = "debian/Dockerfile"
    monkeypatch.setattr(archive_query, "replace", lambda value, **_: value)
    with pytest.raises(BuildError, match=r"newer packages cannot be read: .*expected a regular file, not a "):
        archive_query.query_newer(builder, MagicMock(), [("a", "1")])
