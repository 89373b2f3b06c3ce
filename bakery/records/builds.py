"""The records of this clone's builds: one JSON file for each image, what was built and tested, when and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bakery.catalog import Image
from bakery.workspace import Workspace

__all__ = ["read_record", "record_file"]


def record_file(workspace: Workspace, image: Image) -> Path:
    """Where the record of ``image`` lies."""
    return workspace.records / f"{image.slug}.json"


def read_record(workspace: Workspace, image: Image) -> dict[str, Any]:
    """What is recorded of ``image``, empty where nothing is or the file is broken."""
    try:
        record = json.loads(record_file(workspace, image).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
