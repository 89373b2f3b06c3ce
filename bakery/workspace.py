"""The folders that the project writes to: this clone, and the cache that all clones on a machine share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """``root`` is this clone; ``home`` is $BAKERY_HOME, else ``infra7-python`` in $XDG_CACHE_HOME or ``~/.cache``."""

    root: Path
    home: Path

    @property
    def build(self) -> Path:
        """Logs and records of this clone."""
        return self.root / "build"

    @property
    def logs(self) -> Path:
        """The complete log of each image's last build."""
        return self.build / "logs"

    @property
    def records(self) -> Path:
        """One JSON file for each image: what was built and tested, when and how."""
        return self.build / "records"


def find_workspace(root: Path, environ: Mapping[str, str] = os.environ) -> Workspace:
    """The workspace of the clone at ``root``."""
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/"), ".cache")
    return Workspace(
        root=root, home=Path(environ.get("BAKERY_HOME") or os.path.join(cache, "infra7-python")).absolute()
    )
