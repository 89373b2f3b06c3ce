"""Builds images, and checks that a build is reproducible."""

from bakery.build.builder import Builder, build_report, open_builder
from bakery.build.inputs import planned_definition
from bakery.build.reproducibility import verdict_report, verify_image
from bakery.build.training import train_all

__all__ = [
    "Builder", "build_report", "open_builder", "planned_definition", "train_all", "verdict_report", "verify_image",
]  # fmt: skip
