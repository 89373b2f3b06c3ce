"""Where things are: this clone, and the cache that all clones on a machine share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Workspace", "find_workspace"]


@dataclass(frozen=True)
class Workspace:
    """Where things lie: the repository, and the cache that all its clones on a machine share.

    ``home`` is ``$BAKERY_HOME``, else ``infra7-python`` below ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """

    root: Path
    home: Path

    @property
    def build(self) -> Path:
        """Logs and records of this clone."""
        return self.root / "build"

    @property
    def logs(self) -> Path:
        """One full log for each image, overwritten by its next build."""
        return self.build / "logs"

    @property
    def records(self) -> Path:
        """One JSON file for each image: what was built and tested, when and how."""
        return self.build / "records"


def find_workspace(root: Path, environ: Mapping[str, str] = os.environ) -> Workspace:
    """Where this clone and its machine-wide cache lie; see :class:`bakery.workspace.Workspace`."""
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/"), ".cache")
    return Workspace(
        root=root, home=Path(environ.get("BAKERY_HOME") or os.path.join(cache, "infra7-python")).absolute()
    )
