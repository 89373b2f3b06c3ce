"""The records of this clone's builds: one JSON file for each image, what was built and tested, when and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bakery.models import Image, Layout

__all__ = ["read_record", "record_file"]


def record_file(layout: Layout, image: Image) -> Path:
    """Where the record of ``image`` lies."""
    return layout.records / f"{image.slug}.json"


def read_record(layout: Layout, image: Image) -> dict[str, Any]:
    """What is recorded of ``image``, empty where nothing is or the file is broken."""
    try:
        record = json.loads(record_file(layout, image).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
