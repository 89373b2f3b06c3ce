"""Images as the matrix of a CI (https://docs.github.com/actions/using-jobs/using-a-matrix-for-your-jobs).

All variants of a series on a target and platform are one job: they share one compilation, and a matrix has at most 256
jobs.
"""

import json
from collections.abc import Sequence

from bakery.catalog import Image
from bakery.errors import InputError
from bakery.platforms import Platform

RUNNERS = {"linux/amd64": "ubuntu-24.04", "linux/arm64": "ubuntu-24.04-arm"}  # GitHub's own that need no emulation


def github_matrix(images: Sequence[Image]) -> str:
    """The JSON for ``strategy.matrix`` of ``images``: a job for all variants of a release, target and platform."""
    if any(image.pin.local for image in images):
        raise InputError("--format=github takes no --source: the jobs select releases by name")
    groups: dict[tuple[str, str, Platform], list[Image]] = {}
    for image in images:
        groups.setdefault((image.version, image.target.name, image.platform), []).append(image)
    jobs = [
        {
            "name": f"{version}-{target}-{platform.architecture}",
            "version": version,
            "target": target,
            "variant": ",".join(image.variant.name for image in group),
            "platform": platform,
            "runner": RUNNERS.get(platform, "self-hosted"),
        }
        for (version, target, platform), group in groups.items()
    ]
    return json.dumps({"include": jobs}, separators=(",", ":"))
